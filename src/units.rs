//! Quantities that carry their unit, and how people read them.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A run of bytes, `start` to `start + len`; its end never wraps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "(u64, u64)", into = "(u64, u64)")]
pub struct ByteRange {
    start: u64,
    len: u64,
}

impl TryFrom<(u64, u64)> for ByteRange {
    type Error = &'static str;

    fn try_from((start_bytes, len_bytes): (u64, u64)) -> Result<Self, Self::Error> {
        Self::new(start_bytes, len_bytes).ok_or("a range of bytes ends past the last of all")
    }
}

impl From<ByteRange> for (u64, u64) {
    fn from(range: ByteRange) -> Self {
        (range.start, range.len)
    }
}

impl ByteRange {
    /// No byte at all.
    pub const EMPTY: Self = Self { start: 0, len: 0 };

    /// The run of `len_bytes` bytes from `start_bytes` on; `None` if its end is past 2^64.
    #[must_use]
    pub fn new(start_bytes: u64, len_bytes: u64) -> Option<Self> {
        start_bytes.checked_add(len_bytes)?;
        Some(Self { start: start_bytes, len: len_bytes })
    }

    /// The run from `start_bytes` up to, and without, `end_bytes`; `None` if the end comes first.
    #[must_use]
    pub fn between(start_bytes: u64, end_bytes: u64) -> Option<Self> {
        Some(Self { start: start_bytes, len: end_bytes.checked_sub(start_bytes)? })
    }

    /// First byte.
    #[must_use]
    pub fn start(&self) -> u64 {
        self.start
    }

    /// Number of bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there is no byte in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The byte after the last.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.start.saturating_add(self.len)
    }

    /// Whether some byte is in both.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.start < other.end() && other.start < self.end()
    }
}

/// A number of bytes, shown in binary units: `1.5 GiB`, `512 B`.
#[derive(Clone, Copy, Debug)]
pub struct Bytes(pub u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(&str, u32); 6] =
            [("EiB", 60), ("PiB", 50), ("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
        let text = UNITS
            .iter()
            .find(|(_, shift)| self.0 >> shift != 0)
            .map_or_else(|| format!("{} B", self.0), |(name, shift)| in_tenths(self.0, name, *shift));
        f.pad(&text)
    }
}

/// `bytes` in the unit of `1 << shift` bytes, with one decimal, rounded down.
fn in_tenths(bytes: u64, unit: &str, shift: u32) -> String {
    let tenths = u128::from(bytes).saturating_mul(10) >> shift;
    let (whole, tenth) = (tenths / 10, tenths % 10);
    format!("{whole}.{tenth} {unit}")
}

/// A time as people read it: `0.3 s`, `75 s`, `2 h 05 min`.
#[must_use]
pub fn seconds(time: Duration) -> String {
    let minutes = time.as_secs() / 60;
    match minutes {
        0..=1 if time.subsec_millis() == 0 => format!("{} s", time.as_secs()),
        0..=1 => format!("{:.1} s", time.as_secs_f64()),
        2..=59 => format!("{minutes} min {:02} s", time.as_secs() % 60),
        _ => format!("{} h {:02} min", minutes / 60, minutes % 60),
    }
}

/// `value` rounded up to the next multiple of `unit`; `None` past 2^64 or for a `unit` of 0.
#[must_use]
pub fn round_up(value: u64, unit: u64) -> Option<u64> {
    value.checked_next_multiple_of(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_shown_in_the_largest_unit_that_fits() {
        let cases = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (16 << 20, "16.0 MiB"),
            (u64::MAX, "15.9 EiB"),
        ];
        for (bytes, shown) in cases {
            assert_eq!(Bytes(bytes).to_string(), shown);
        }
    }

    #[test]
    fn times_are_shown_as_exactly_as_they_matter() {
        let cases = [
            (0, "0 s"),
            (300, "0.3 s"),
            (75_000, "75 s"),
            (185_900, "3 min 05 s"),
            (7_500_000, "2 h 05 min"),
        ];
        for (milliseconds, shown) in cases {
            assert_eq!(seconds(Duration::from_millis(milliseconds)), shown);
        }
    }

    #[test]
    fn a_range_never_wraps() {
        assert_eq!(ByteRange::new(u64::MAX, 1), None);
        assert_eq!(ByteRange::new(u64::MAX, 0).map(|range| range.end()), Some(u64::MAX));
    }

    #[test]
    fn ranges_that_only_touch_do_not_overlap() {
        let range = |start, len| ByteRange::new(start, len).expect("a range");
        assert!(!range(0, 10).overlaps(&range(10, 10)));
        assert!(range(0, 11).overlaps(&range(10, 10)));
        assert!(!range(5, 0).overlaps(&range(5, 0)));
    }
}
