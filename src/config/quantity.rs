//! Sizes and durations, as they are written by hand.

use std::time::Duration;

use crate::snapshot::Size;
use crate::store::Free;

/// A number of bytes: `4096`, `512M`, `10G`, `10GiB`; units are binary.
///
/// # Errors
///
/// What was expected, in words.
pub fn bytes(text: &str) -> Result<u64, String> {
    const UNITS: [(char, u32); 5] = [('k', 10), ('m', 20), ('g', 30), ('t', 40), ('p', 50)];
    let expected = || "a size like \"512M\", \"10G\" or \"2T\", in whole binary units".to_owned();
    let lower = text.to_ascii_lowercase();
    let short = lower.strip_suffix("ib").unwrap_or(&lower);
    let unit = UNITS.iter().find_map(|(letter, shift)| Some((short.strip_suffix(*letter)?, *shift)));
    let (digits, shift) = unit.unwrap_or((lower.as_str(), 0));
    match whole(digits).and_then(|number| number.checked_mul(1 << shift)) {
        Some(number) if number > 0 => Ok(number),
        _ => Err(expected()),
    }
}

/// The space of a snapshot: `automatic`, `50%ORIGIN`, `10G`.
///
/// # Errors
///
/// What was expected, in words.
pub fn snapshot_size(text: &str) -> Result<Size, String> {
    const EXPECTED: &str =
        "\"automatic\", percent of the origin like \"50%ORIGIN\" (1 to 100), or a size like \"10G\"";
    if text.eq_ignore_ascii_case("automatic") {
        return Ok(Size::Automatic);
    }
    match text.split_once('%') {
        Some((digits, of)) if of.eq_ignore_ascii_case("origin") => whole(digits)
            .and_then(|percent| u32::try_from(percent).ok())
            .filter(|percent| (1..=100).contains(percent))
            .map(Size::PercentOfOrigin)
            .ok_or_else(|| EXPECTED.to_owned()),
        Some(_) => Err(EXPECTED.to_owned()),
        None => bytes(text).map(Size::Bytes).map_err(|_| EXPECTED.to_owned()),
    }
}

/// An amount of free space: `10%`, `50G`.
pub(super) fn free(text: &str) -> Result<Free, String> {
    let expected = || "percent like \"10%\" (1 to 99), or a size like \"50G\"".to_owned();
    match text.strip_suffix('%') {
        Some(digits) => whole(digits)
            .and_then(|percent| u8::try_from(percent).ok())
            .filter(|percent| (1..=99).contains(percent))
            .map(Free::Percent)
            .ok_or_else(expected),
        None => bytes(text).map(Free::Bytes).map_err(|_| expected()),
    }
}

/// A time that something may take: `30s`, `5m`, `1h`; at most a day.
///
/// # Errors
///
/// What was expected, in words.
pub fn duration(text: &str) -> Result<Duration, String> {
    const UNITS: [(char, u64); 3] = [('s', 1), ('m', 60), ('h', 3600)];
    const LONGEST: u64 = 24 * 3600;
    UNITS
        .iter()
        .find_map(|(letter, seconds)| Some((text.strip_suffix(*letter)?, *seconds)))
        .and_then(|(digits, seconds)| whole(digits)?.checked_mul(seconds))
        .filter(|seconds| (1..=LONGEST).contains(seconds))
        .map(Duration::from_secs)
        .ok_or_else(|| "a duration like \"30s\", \"5m\" or \"1h\", at most a day".to_owned())
}

/// A duration as [`duration`] reads it.
pub(super) fn in_words(duration: Duration) -> String {
    match duration.as_secs() {
        seconds if seconds >= 3600 && seconds % 3600 == 0 => format!("{}h", seconds / 3600),
        seconds if seconds >= 60 && seconds % 60 == 0 => format!("{}m", seconds / 60),
        seconds => format!("{seconds}s"),
    }
}

/// Digits and nothing else: `+1` is a number for the standard library.
fn whole(digits: &str) -> Option<u64> {
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_binary_units() {
        let cases = [("4096", 4096), ("2k", 2048), ("10G", 10 << 30), ("10GiB", 10 << 30), ("1t", 1 << 40)];
        for (text, expected) in cases {
            assert_eq!(bytes(text), Ok(expected), "{text}");
        }
        for wrong in ["", "G", "0", "0G", "1.5G", "-1", "+1", "10GB", "99999999P", "5é", "ib", "10ib", " 1"]
        {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_snapshot_has_a_share_of_its_origin_or_a_size() {
        assert_eq!(snapshot_size("automatic"), Ok(Size::Automatic));
        assert_eq!(snapshot_size("50%ORIGIN"), Ok(Size::PercentOfOrigin(50)));
        assert_eq!(snapshot_size("100%origin"), Ok(Size::PercentOfOrigin(100)));
        assert_eq!(snapshot_size("10G"), Ok(Size::Bytes(10 << 30)));
        for wrong in ["", "0%ORIGIN", "101%ORIGIN", "50%", "50%FREE", "%ORIGIN", "much"] {
            assert!(snapshot_size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn free_space_is_a_percentage_or_a_size() {
        assert_eq!(free("10%"), Ok(Free::Percent(10)));
        assert_eq!(free("50G"), Ok(Free::Bytes(50 << 30)));
        for wrong in ["", "0%", "100%", "10%FREE", "-1%", "%"] {
            assert!(free(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn durations_have_a_unit_and_an_end() {
        for (text, seconds) in [("30s", 30), ("5m", 300), ("1h", 3600), ("24h", 86_400), ("90s", 90)] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
            assert_eq!(duration(&in_words(Duration::from_secs(seconds))), Ok(Duration::from_secs(seconds)));
        }
        for wrong in ["", "30", "s", "0s", "25h", "-1s", "1.5m", "1d", "99999999999999999999h"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
