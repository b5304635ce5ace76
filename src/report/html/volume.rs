//! What the page says of one volume: its line in the table, and its runs.

use std::fmt::Write as _;

use crate::report::html::chart::{self, RUNS};
use crate::report::html::escape::Text;
use crate::report::measures::{change, duration, is_of_this_run, last_complete, latest, rate, ratio};
use crate::report::outcome::{Outcome, Published, Verdict, VolumeOutcome};
use crate::report::times::Zone;
use crate::report::words::{as_images, counted_u64, hundredths, in_short, signed_percent, thousands};
use crate::store::archives::Archived;
use crate::units::Bytes;

/// Issues of one volume that are shown; the manifest has all of them.
const ISSUES_SHOWN: usize = 5;

/// A mark that differs in form as well as in colour, and a word for those who see neither.
pub(super) fn mark(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Complete => "<span class=\"mark complete\" title=\"complete\">✓</span>",
        Verdict::Incomplete => "<span class=\"mark incomplete\" title=\"incomplete\">!</span>",
        Verdict::Failed => "<span class=\"mark failed\" title=\"failed\">✕</span>",
    }
}

/// The volume's line in the table of all volumes. With `charts` it leads to its runs, and shows them in small.
pub(super) fn row(outcome: &Outcome, volume: &VolumeOutcome, id: usize, charts: bool) -> String {
    let verdict = volume.verdict();
    let name = Text::new(&volume.name);
    let name = match charts {
        true => format!("<a href=\"#runs{id}\"><bdi>{name}</bdi></a>"),
        false => format!("<bdi>{name}</bdi>"),
    };
    let size = match &volume.result {
        Ok(published) => Bytes(published.archive_bytes).to_string(),
        Err(_) => "failed".to_owned(),
    };
    let change = change(outcome, volume).map_or_else(|| "–".to_owned(), signed_percent);
    let mut row = format!(
        "<tr class=\"{}\"><th scope=\"row\"><span class=\"line\">{}<span class=\"volume\">{name}</span></span></th>\
         <td class=\"number size\">{size}</td><td class=\"number change\">{change}</td><td class=\"number time\">{}</td>",
        verdict.name(),
        mark(verdict),
        in_short(volume.elapsed),
    );
    if charts {
        let archives = shown_runs(outcome, volume);
        let _ = write!(row, "<td class=\"runs\">{}</td>", chart::small(&archives, volume.result.is_err()));
    }
    row.push_str("</tr>\n");
    row
}

/// The volume's runs: facts of the last one, a chart, and the table beside it. Open where there is something to see.
pub(super) fn runs(
    outcome: &Outcome,
    volume: &VolumeOutcome,
    id: usize,
    is_open: bool,
    zone: &Zone,
) -> String {
    let verdict = volume.verdict();
    let open = if is_open { " open" } else { "" };
    let mut html = format!(
        "<details class=\"{}\"{open}><summary><span class=\"line\">{}<span class=\"volume\"><bdi>{}</bdi></span></span></summary>\
         <div class=\"about\" id=\"runs{id}\">\n",
        verdict.name(),
        mark(verdict),
        Text::new(&volume.name),
    );
    match &volume.result {
        Ok(published) => html.push_str(&facts(outcome, volume, published, zone)),
        Err(reason) => {
            let _ = writeln!(html, "<p class=\"reason\">{}</p>", Text::new(reason));
        }
    }
    html.push_str(&retention(volume, zone));
    let archives = shown_runs(outcome, volume);
    if archives.is_empty() {
        html.push_str("<p class=\"quiet\">No archive of it lies in the destination.</p>\n");
    } else {
        let is_missing = volume.result.is_err();
        let _ = write!(
            html,
            "<div class=\"beside\"><figure>{}</figure>\n{}</div>\n",
            chart::large(&archives, &volume.name, id, is_missing, zone),
            table(volume, &archives, zone),
        );
    }
    html.push_str("</div></details>\n");
    html
}

/// The archives that a chart shows: one less where the last run's place stays empty.
fn shown_runs<'a>(outcome: &'a Outcome, volume: &VolumeOutcome) -> Vec<&'a Archived> {
    latest(outcome, &volume.folder, RUNS.saturating_sub(usize::from(volume.result.is_err())))
}

fn facts(outcome: &Outcome, volume: &VolumeOutcome, published: &Published, zone: &Zone) -> String {
    let mut list = String::from("<dl class=\"facts\">\n");
    let mut fact = |name: &str, value: &str| {
        // File names and digests are long, and are read as one.
        let class = if value.starts_with('<') { " class=\"wide\"" } else { "" };
        let _ = writeln!(list, "<div{class}><dt>{name}</dt><dd>{value}</dd></div>");
    };
    fact("Archive", &format!("<bdi>{}</bdi>", Text::file_name(&published.key)));
    let ratio = ratio(published.data_bytes, published.archive_bytes)
        .map_or_else(String::new, |ratio| format!(", ratio {}", hundredths(ratio)));
    fact(
        "Size",
        &format!("{} from {} of files{ratio}", Bytes(published.archive_bytes), Bytes(published.data_bytes)),
    );
    let rate = rate(published.bytes_read, volume.elapsed)
        .map_or_else(String::new, |rate| format!(", {}/s", Bytes(rate)));
    fact("Read", &format!("{}{rate}", Bytes(published.bytes_read)));
    fact("Entries", &format!("{}{}", thousands(published.entries), as_images(published.images)));
    if let (Some(change), Some(previous)) = (change(outcome, volume), &volume.previous) {
        fact("Change", &format!("{} against {}", signed_percent(change), zone.day(previous.taken)));
    }
    if let Some(percent) = published.snapshot_percent {
        fact("Snapshot", &format!("{percent:.1}% full"));
    }
    let (algorithm, digits) = &published.digest;
    fact(&Text::new(algorithm).to_string(), &format!("<code>{}</code>", Text::new(digits)));
    list.push_str("</dl>\n");
    list
}

/// The first issues in words, and where the rest is.
pub(super) fn issues(published: &Published) -> String {
    let mut html = String::new();
    if published.issue_count == 0 {
        return html;
    }
    let count = counted_u64(published.issue_count, "issue", "issues");
    let _ = writeln!(html, "<p class=\"reason\">Incomplete, {count}:</p>\n<ul class=\"issues\">");
    let mut written = 0_u64;
    for issue in published.issues.iter().take(ISSUES_SHOWN) {
        let _ = writeln!(html, "<li><bdi>{}</bdi></li>", Text::new(issue));
        written = written.saturating_add(1);
    }
    let rest = published.issue_count.saturating_sub(written);
    if rest > 0 {
        let name = Text::file_name(&published.key);
        let _ = writeln!(
            html,
            "<li class=\"rest\">and {rest} more, in <bdi>{name}.manifest.jsonl.zst</bdi></li>"
        );
    }
    html.push_str("</ul>\n");
    html
}

/// What a failed volume can be brought back from.
pub(super) fn latest_complete(outcome: &Outcome, volume: &VolumeOutcome, zone: &Zone) -> String {
    match last_complete(outcome, &volume.folder) {
        Some(archive) => format!("Last complete archive: {}.", zone.moment(archive.taken)),
        None => "There is no complete archive of it.".to_owned(),
    }
}

fn retention(volume: &VolumeOutcome, zone: &Zone) -> String {
    let mut html = format!("<p class=\"quiet\">Retention: {}.", Text::new(&volume.retention));
    if let Some((key, when)) = &volume.next_to_expire {
        let _ = write!(html, " Next to expire: <bdi>{}</bdi> on {}.", Text::file_name(key), zone.day(*when));
    }
    for removed in &volume.removed {
        let name = Text::file_name(&removed.key);
        let _ = write!(html, " Removed: <bdi>{name}</bdi>, {}.", Bytes(removed.len_bytes));
    }
    html.push_str("</p>\n");
    for note in &volume.notes {
        let _ = writeln!(html, "<p class=\"note\">{}</p>", Text::new(note));
    }
    html
}

/// The numbers of the chart, the latest first.
fn table(volume: &VolumeOutcome, archives: &[&Archived], zone: &Zone) -> String {
    let with_state = archives.iter().any(|archive| !archive.is_complete());
    let caption = match archives.len() {
        1 => "The only archive".to_owned(),
        count => format!("The last {count} archives"),
    };
    let mut html = format!(
        "<table class=\"history\"><caption>{caption}</caption>\n<thead><tr><th scope=\"col\">Day</th>\
         <th scope=\"col\" class=\"number\">Size</th><th scope=\"col\" class=\"number\">Time</th>{}</tr></thead>\n<tbody>\n",
        if with_state { "<th scope=\"col\">State</th>" } else { "" },
    );
    for archive in archives.iter().rev() {
        let this = if is_of_this_run(volume, &archive.key) { " class=\"this\"" } else { "" };
        let time = duration(archive).map_or_else(|| "–".to_owned(), in_short);
        let (day, size) = (zone.day(archive.taken), Bytes(archive.len_bytes));
        let _ = write!(
            html,
            "<tr{this}><th scope=\"row\">{day}</th><td class=\"number\">{size}</td><td class=\"number\">{time}</td>"
        );
        if with_state {
            let _ = write!(html, "<td>{}</td>", state(archive));
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</tbody></table>\n");
    html
}

fn state(archive: &Archived) -> String {
    match &archive.told {
        None => "no manifest".to_owned(),
        Some(told) if told.issues == 0 => "complete".to_owned(),
        Some(told) => counted_u64(told.issues, "issue", "issues"),
    }
}
