//! Moments as people read them, where they are: the only file of the report that knows the crate `jiff`.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// A time zone.
#[derive(Clone, Debug)]
pub struct Zone(TimeZone);

impl Zone {
    /// The zone that this host is set to; UTC where it is set to none.
    #[must_use]
    pub fn here() -> Self {
        Self(TimeZone::system())
    }

    /// Coordinated universal time.
    #[must_use]
    pub fn utc() -> Self {
        Self(TimeZone::UTC)
    }

    /// The zone of this name in the IANA database, `Europe/Lisbon`; `None` where this host doesn't know it.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        TimeZone::get(name).ok().map(Self)
    }

    /// `2011-10-07 at 01:00:01 CEST`, of seconds since 1970.
    #[must_use]
    pub fn moment(&self, seconds: i64) -> String {
        self.format(seconds, "%Y-%m-%d at %H:%M:%S %Z")
    }

    /// `2011-10-07`, of seconds since 1970.
    #[must_use]
    pub fn day(&self, seconds: i64) -> String {
        self.format(seconds, "%Y-%m-%d")
    }

    /// `10-07`, of seconds since 1970.
    #[must_use]
    pub fn day_of_year(&self, seconds: i64) -> String {
        self.format(seconds, "%m-%d")
    }

    fn format(&self, seconds: i64, form: &str) -> String {
        let Ok(timestamp) = Timestamp::from_second(seconds) else { return format!("{seconds} s from 1970") };
        timestamp.to_zoned(self.0.clone()).strftime(form).to_string()
    }
}

/// `2011-10-06T23:00:01Z`, of seconds since 1970; `None` outside the years -9999 to 9999.
#[must_use]
pub fn rfc3339(seconds: i64) -> Option<String> {
    Timestamp::from_second(seconds).ok().map(|timestamp| timestamp.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_shown_in_its_zone() {
        assert_eq!(Zone::utc().moment(1_317_942_001), "2011-10-06 at 23:00:01 UTC");
        assert_eq!(Zone::utc().day(0), "1970-01-01");
        assert_eq!(Zone::utc().day_of_year(1_317_942_001), "10-06");
        assert_eq!(rfc3339(1_317_942_001).as_deref(), Some("2011-10-06T23:00:01Z"));
    }

    #[test]
    fn a_moment_outside_of_the_calendar_is_shown_as_a_number() {
        assert_eq!(Zone::utc().day(i64::MAX), "9223372036854775807 s from 1970");
        assert_eq!(rfc3339(i64::MIN), None);
    }
}
