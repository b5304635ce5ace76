//! Charts of a volume's last archives: inline SVG, drawn with whole numbers.

use std::fmt::Write as _;
use std::time::Duration;

use crate::report::html::escape::Text;
use crate::report::measures::{Rounding, duration, share};
use crate::report::times::Zone;
use crate::report::words::in_short;
use crate::store::archives::Archived;
use crate::units::Bytes;

/// Runs that a chart shows.
pub(super) const RUNS: usize = 14;

/// Measures of the large chart, in its own units.
const WIDTH: u64 = 364;
const SLOT: u64 = 26;
const BAR: u64 = 16;
const SIZE_TOP: u64 = 22;
const SIZE_LENGTH: u64 = 88;
const TIME_TOP: u64 = 142;
const TIME_LENGTH: u64 = 44;
const HEIGHT: u64 = 206;

/// Measures of the small one.
const SMALL_SLOT: u64 = 7;
const SMALL_BAR: u64 = 5;
const SMALL_WIDTH: u64 = 96;
const SMALL_HEIGHT: u64 = 24;

/// The size of the last archives, small, to stand in a line of a table. What reads the page aloud passes over it: the table of all
/// runs has the numbers.
pub(super) fn small(archives: &[&Archived], is_missing: bool) -> String {
    let most = archives.iter().map(|archive| archive.len_bytes).max().unwrap_or_default();
    let mut svg = format!(
        "<svg class=\"small\" viewBox=\"0 0 {SMALL_WIDTH} {SMALL_HEIGHT}\" width=\"{SMALL_WIDTH}\" \
         height=\"{SMALL_HEIGHT}\" aria-hidden=\"true\" focusable=\"false\">"
    );
    for (slot, archive) in slots(archives.len(), is_missing).zip(archives) {
        let height = share(archive.len_bytes, most, SMALL_HEIGHT, Rounding::Nearest).max(1);
        let x = slot.saturating_mul(SMALL_SLOT);
        bar(&mut svg, class(archive), x, SMALL_HEIGHT, SMALL_BAR, height, "");
    }
    if is_missing {
        let x = last_slot().saturating_mul(SMALL_SLOT);
        let (right, bottom) = (x.saturating_add(SMALL_BAR), SMALL_HEIGHT.saturating_sub(1));
        let top = bottom.saturating_sub(SMALL_BAR);
        let _ = write!(
            svg,
            "<path class=\"missing\" d=\"M{x} {top}L{right} {bottom}M{right} {top}L{x} {bottom}\"/>"
        );
    }
    svg.push_str("</svg>");
    svg
}

/// Size and duration of the last archives. `id` is unique in the page; `is_missing` says that the last run made none.
pub(super) fn large(archives: &[&Archived], name: &str, id: usize, is_missing: bool, zone: &Zone) -> String {
    let most_bytes = archives.iter().map(|archive| archive.len_bytes).max().unwrap_or_default();
    let most_time = archives.iter().filter_map(|archive| duration(archive)).max().unwrap_or_default();
    let mut svg = format!(
        "<svg class=\"chart\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-labelledby=\"chart{id}-title chart{id}-desc\">\
         <title id=\"chart{id}-title\">Size and duration of the last archives of {}</title>\
         <desc id=\"chart{id}-desc\">{} The table beside it has the numbers.</desc>",
        Text::new(name),
        described(archives, most_bytes, most_time, is_missing),
    );
    axis(&mut svg, SIZE_TOP, SIZE_LENGTH, "Archive size", &Bytes(most_bytes).to_string());
    axis(&mut svg, TIME_TOP, TIME_LENGTH, "Duration", &in_short(most_time));
    let (size_base, time_base) = (SIZE_TOP.saturating_add(SIZE_LENGTH), TIME_TOP.saturating_add(TIME_LENGTH));
    let inset = SLOT.saturating_sub(BAR) / 2;
    let left_of = |slot: u64| slot.saturating_mul(SLOT).saturating_add(inset);
    for (slot, archive) in slots(archives.len(), is_missing).zip(archives) {
        let x = left_of(slot);
        let title = title(archive, zone);
        let height = share(archive.len_bytes, most_bytes, SIZE_LENGTH, Rounding::Nearest).max(2);
        bar(&mut svg, class(archive), x, size_base, BAR, height, &title);
        if let Some(time) = duration(archive) {
            let height = share(millis(time), millis(most_time), TIME_LENGTH, Rounding::Nearest).max(1);
            bar(&mut svg, "time", x, time_base, BAR, height, &title);
        }
    }
    if is_missing {
        let (x, top) = (left_of(last_slot()).saturating_add(2), size_base.saturating_sub(14));
        let (right, bottom) = (x.saturating_add(12), top.saturating_add(12));
        let _ = write!(
            svg,
            "<path class=\"missing\" d=\"M{x} {top}L{right} {bottom}M{right} {top}L{x} {bottom}\"><title>no archive of the last run</title></path>"
        );
    }
    dates(&mut svg, archives, is_missing, zone);
    svg.push_str("</svg>");
    svg
}

/// Where each of so many archives stands: the latest at the right.
fn slots(count: usize, is_missing: bool) -> impl Iterator<Item = u64> {
    let count = u64::try_from(count).unwrap_or(u64::MAX);
    let end = last_slot().saturating_add(u64::from(!is_missing));
    end.saturating_sub(count)..end
}

fn last_slot() -> u64 {
    u64::try_from(RUNS.saturating_sub(1)).unwrap_or_default()
}

fn class(archive: &Archived) -> &'static str {
    if archive.is_complete() { "size" } else { "size part" }
}

fn bar(svg: &mut String, class: &str, x: u64, base: u64, width: u64, height: u64, title: &str) {
    let y = base.saturating_sub(height);
    let _ = write!(svg, "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\">");
    if !title.is_empty() {
        let _ = write!(svg, "<title>{title}</title>");
    }
    svg.push_str("</rect>");
}

/// What a scale is of, its largest value, and the line that bars stand on.
fn axis(svg: &mut String, top: u64, length: u64, name: &str, most: &str) {
    let text = top.saturating_sub(8);
    let base = top.saturating_add(length);
    let _ = write!(
        svg,
        "<text class=\"name\" x=\"0\" y=\"{text}\">{name}</text>\
         <text class=\"most\" x=\"{WIDTH}\" y=\"{text}\" text-anchor=\"end\">{most}</text>\
         <path class=\"limit\" d=\"M0 {top}.5H{WIDTH}\"/><path class=\"base\" d=\"M0 {base}.5H{WIDTH}\"/>"
    );
}

/// The first and the last day, under their bars.
fn dates(svg: &mut String, archives: &[&Archived], is_missing: bool, zone: &Zone) {
    let y = HEIGHT.saturating_sub(4);
    let middle = |slot: u64| slot.saturating_mul(SLOT).saturating_add(SLOT / 2);
    let first_slot = slots(archives.len(), is_missing).next().unwrap_or_default();
    if let Some(first) = archives.first() {
        // The text of the first slot is centred on its bar, unless that would cut it off.
        let (x, anchor) = if first_slot == 0 { (0, "start") } else { (middle(first_slot), "middle") };
        let day = zone.day_of_year(first.taken);
        let _ = write!(svg, "<text class=\"day\" x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\">{day}</text>");
    }
    let end = last_slot().saturating_sub(u64::from(is_missing));
    let is_far = end.saturating_sub(first_slot) > 3;
    if let (Some(last), true) = (archives.last(), is_far) {
        let (x, anchor) = if is_missing { (middle(end), "middle") } else { (WIDTH, "end") };
        let day = zone.day_of_year(last.taken);
        let _ = write!(svg, "<text class=\"day\" x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\">{day}</text>");
    }
}

fn title(archive: &Archived, zone: &Zone) -> String {
    let time = duration(archive).map_or_else(String::new, |time| format!(", {}", in_short(time)));
    let part = if archive.is_complete() { "" } else { ", incomplete" };
    format!("{}: {}{time}{part}", zone.day(archive.taken), Bytes(archive.len_bytes))
}

fn described(archives: &[&Archived], most_bytes: u64, most_time: Duration, is_missing: bool) -> String {
    let missing = if is_missing { " The last run made none." } else { "" };
    let Some(last) = archives.last() else { return format!("There is no archive.{missing}") };
    let time = duration(last).map_or_else(String::new, |time| format!(" in {}", in_short(time)));
    format!(
        "{} of them: the latest has {}{time}; at most {} and {}.{missing}",
        archives.len(),
        Bytes(last.len_bytes),
        Bytes(most_bytes),
        in_short(most_time),
    )
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
