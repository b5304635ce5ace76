//! Days, weeks, months and years in UTC, and times as archives' names have them. The one adapter of the crate `jiff`.

use std::time::SystemTime;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

/// Seconds of a day; UTC as clocks count it has no others.
pub const DAY_SECONDS: i64 = 86_400;

/// Length of a [`stamp`].
const STAMP_LEN: usize = "YYYY-MM-DDTHHMMSSZ".len();

/// A run of days that calendars have a name for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Period {
    /// From midnight to midnight.
    Day,
    /// From Monday to Sunday (ISO 8601).
    Week,
    /// A month of a year.
    Month,
    /// A year.
    Year,
}

/// Which day, week, month or year, for comparing: the later one is greater.
pub type PeriodNumber = (i16, i16);

impl Period {
    /// The period that has the moment `seconds` after 1970.
    #[must_use]
    pub fn of(self, seconds: i64) -> PeriodNumber {
        let date = civil(seconds).date();
        match self {
            Self::Day => (date.year(), date.day_of_year()),
            Self::Week => {
                let week = date.iso_week_date();
                (week.year(), i16::from(week.week()))
            }
            Self::Month => (date.year(), i16::from(date.month())),
            Self::Year => (date.year(), 0),
        }
    }
}

/// A moment as archives' names have it, `2026-05-09T010203Z`: no colons, which some filesystems and programs refuse.
#[must_use]
pub fn stamp(seconds: i64) -> String {
    civil(seconds).strftime("%Y-%m-%dT%H%M%SZ").to_string()
}

/// The moment that a [`stamp`] tells; `None` for whatever `stamp` does not write.
#[must_use]
pub fn parse_stamp(text: &str) -> Option<i64> {
    if text.len() != STAMP_LEN {
        return None;
    }
    let number = |at: usize, len: usize| -> Option<i16> {
        let digits = text.get(at..at.checked_add(len)?)?;
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
    };
    let small = |at: usize| number(at, 2).and_then(|number| i8::try_from(number).ok());
    let (year, month, day) = (number(0, 4)?, small(5)?, small(8)?);
    let (hour, minute, second) = (small(11)?, small(13)?, small(15)?);
    let civil = DateTime::new(year, month, day, hour, minute, second, 0).ok()?;
    let seconds = Offset::UTC.to_timestamp(civil).ok()?.as_second();
    (stamp(seconds) == text).then_some(seconds)
}

/// A moment as people read it: `2026-05-09 01:02:03 UTC`.
#[must_use]
pub fn readable(seconds: i64) -> String {
    civil(seconds).strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// Seconds since 1970, as this host's clock has them.
#[must_use]
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    i64::try_from(since).unwrap_or(i64::MAX)
}

/// Date and time in UTC; of moments before the year -9999 or after 9999 the nearest one that is not.
fn civil(seconds: i64) -> DateTime {
    let nearest = || if seconds < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Offset::UTC.to_datetime(Timestamp::from_second(seconds).unwrap_or_else(|_| nearest()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn stamps_are_parsed_strictly() {
        let cases = [
            ("1970-01-01T000000Z", Some(0)),
            ("2026-05-09T010203Z", Some(1_778_288_523)),
            ("2024-02-29T235959Z", Some(1_709_251_199)),
            ("2023-02-29T000000Z", None),
            ("2026-05-09T240000Z", None),
            ("2026-05-09T010260Z", None),
            ("2026-05-09T010203z", None),
            ("2026-05-09 010203Z", None),
            ("2026-5-09T0102030Z", None),
            ("+026-05-09T010203Z", None),
            ("2026-05-09T01020\u{e9}Z", None),
            ("2026-05-09T010203Z ", None),
            ("", None),
        ];
        for (text, seconds) in cases {
            assert_eq!(parse_stamp(text), seconds, "{text}");
        }
    }

    #[test]
    fn weeks_begin_on_monday_and_belong_to_the_year_of_their_thursday() {
        let at = |stamp: &str| Period::Week.of(parse_stamp(stamp).unwrap());
        assert_eq!(at("2024-12-29T235959Z"), (2024, 52));
        assert_eq!(at("2024-12-30T000000Z"), (2025, 1));
        assert_eq!(at("2027-01-03T120000Z"), (2026, 53));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_stamp_is_parsed_back(seconds in 0_i64..253_402_300_800) {
            prop_assert_eq!(parse_stamp(&stamp(seconds)), Some(seconds));
        }

        #[test]
        fn no_moment_is_too_far_away(seconds in any::<i64>()) {
            let _ = (stamp(seconds), readable(seconds));
            let later = seconds.saturating_add(DAY_SECONDS);
            for period in [Period::Day, Period::Week, Period::Month, Period::Year] {
                prop_assert!(period.of(seconds) <= period.of(later));
            }
        }
    }
}
