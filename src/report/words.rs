//! How the forms of the report put facts into words.

use std::fmt::Write as _;
use std::time::Duration;

use crate::printable::Printable;
use crate::report::outcome::Outcome;
use crate::store::Key;

/// How the night was, in a few words: `1 of 10 FAILED, 2 incomplete`, `10 volumes, all complete`.
#[must_use]
pub fn summary(outcome: &Outcome) -> String {
    let total = outcome.volumes.len();
    let errors = counted(outcome.errors.len(), "error", "errors");
    let mut text = match (total, outcome.trouble()) {
        (0, _) => "NO VOLUME was backed up".to_owned(),
        (1, (1, _)) => "1 volume, FAILED".to_owned(),
        (1, (_, 1)) => "1 volume, incomplete".to_owned(),
        (1, _) => "1 volume, complete".to_owned(),
        (_, (0, 0)) => format!("{total} volumes, all complete"),
        (_, (0, incomplete)) => format!("{incomplete} of {total} incomplete"),
        (_, (failed, 0)) => format!("{failed} of {total} FAILED"),
        (_, (failed, incomplete)) => format!("{failed} of {total} FAILED, {incomplete} incomplete"),
    };
    let damaged = outcome.damaged().count();
    let damaged =
        (damaged > 0).then(|| format!("{} DAMAGED", counted(damaged, "archive is", "archives are")));
    let others: Vec<String> =
        damaged.into_iter().chain((!outcome.errors.is_empty()).then_some(errors)).collect();
    if !others.is_empty() {
        let joint = if outcome.trouble() == (0, 0) && total > 0 { ", but" } else { ", and" };
        let _ = write!(text, "{joint} {}", others.join(", "));
    }
    text
}

/// `1 issue`, `2 issues`.
pub(super) fn counted(count: usize, one: &str, more: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { more })
}

/// The same, of a number that may be large: `61,138 entries`.
pub(super) fn counted_u64(count: u64, one: &str, more: &str) -> String {
    format!("{} {}", thousands(count), if count == 1 { one } else { more })
}

/// A number in groups of three digits: `61,138`.
pub(super) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && digits.len().saturating_sub(index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// As the mail of a night says it: `1 h 15 m and 35 seconds`.
pub(super) fn at_length(time: Duration) -> String {
    let (hours, minutes, seconds) = parts(time.as_secs());
    format!("{hours} h {minutes} m and {seconds} {}", if seconds == 1 { "second" } else { "seconds" })
}

/// Where there is little room: `1 h 15 m 35 s`, `1 m 21 s`, `4.2 s`.
pub(super) fn in_short(time: Duration) -> String {
    match parts(time.as_secs()) {
        (0, 0, seconds) => format!("{seconds}.{} s", time.subsec_millis() / 100),
        (0, minutes, seconds) => format!("{minutes} m {seconds} s"),
        (hours, minutes, seconds) => format!("{hours} h {minutes} m {seconds} s"),
    }
}

fn parts(seconds: u64) -> (u64, u64, u64) {
    (seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// Tenths of a percent with their sign: `+1.2%`, `-0.4%`, `0.0%`.
pub(super) fn signed_percent(tenths: i64) -> String {
    let sign = match tenths {
        0 => "",
        1.. => "+",
        _ => "-",
    };
    let tenths = tenths.unsigned_abs();
    format!("{sign}{}.{}%", tenths / 10, tenths % 10)
}

/// Hundredths as a decimal number: `2.60`.
pub(super) fn hundredths(value: u64) -> String {
    format!("{}.{:02}", value / 100, value % 100)
}

/// Text that this program or another one made of names: control characters and those that turn text are escaped, and
/// what was escaped before stays as it is.
pub(super) fn shown(text: &str) -> String {
    let parts: Vec<String> = text.split('\\').map(|part| Printable(part.as_bytes()).to_string()).collect();
    parts.join("\\")
}

/// The name of an object without its folder.
pub(super) fn file_name(key: &Key) -> String {
    Printable(key.file_name().as_encoded_bytes()).to_string()
}

/// How many partitions are stored as images, behind a number of entries.
pub(crate) fn as_images(images: u64) -> String {
    match images {
        0 => String::new(),
        1 => ", 1 partition stored as an image".to_owned(),
        more => format!(", {more} partitions stored as images"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_carry_where_the_guides_do_not() {
        let seconds = Duration::from_secs;
        assert_eq!(at_length(seconds(81)), "0 h 1 m and 21 seconds");
        assert_eq!(at_length(seconds(3600 + 75 * 60 + 35)), "2 h 15 m and 35 seconds");
        assert_eq!(at_length(seconds(30 * 3600 + 1)), "30 h 0 m and 1 second");
        assert_eq!(in_short(Duration::from_millis(4_260)), "4.2 s");
        assert_eq!(in_short(seconds(81)), "1 m 21 s");
        assert_eq!(in_short(seconds(3661)), "1 h 1 m 1 s");
    }

    #[test]
    fn percents_have_a_sign_and_one_decimal() {
        let cases = [
            (12, "+1.2%"),
            (-4, "-0.4%"),
            (0, "0.0%"),
            (-1000, "-100.0%"),
            (i64::MIN, "-922337203685477580.8%"),
        ];
        for (tenths, shown) in cases {
            assert_eq!(signed_percent(tenths), shown);
        }
        assert_eq!(hundredths(260), "2.60");
        assert_eq!(hundredths(5), "0.05");
    }

    #[test]
    fn large_numbers_are_grouped() {
        let cases = [(0, "0"), (999, "999"), (1000, "1,000"), (61_138, "61,138"), (1_000_000, "1,000,000")];
        for (number, shown) in cases {
            assert_eq!(thousands(number), shown);
        }
    }

    #[test]
    fn what_was_escaped_before_is_not_escaped_again() {
        let once = shown("a\u{1b}[2Jb\\c\u{202e}d\n");
        assert_eq!(once, r"a\u{1b}[2Jb\c\u{202e}d\n");
        assert_eq!(shown(&once), once);
    }
}
