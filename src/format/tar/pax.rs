//! Pax records: what a tar header has no field for, or too small a one. Each has its length in
//! front, so that a value may hold anything.
//!
//! <https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html#tag_20_94_13_03>; the
//! vendors' keywords are those that GNU tar and bsdtar write and read.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::Write as _;

use thiserror::Error;

use crate::filesystem::Timestamp;

/// Initial capacity: enough for the usual four time records.
const USUAL_LEN: usize = 256;
/// Initial capacity for a time as text.
const SHOWN_LEN: usize = 32;

/// The records of one member.
#[derive(Debug)]
pub(crate) struct Records(Vec<u8>);

impl Records {
    pub(crate) fn new() -> Self {
        Self(Vec::with_capacity(USUAL_LEN))
    }

    /// Adds a record. The value may hold any bytes: its length is in front.
    pub(crate) fn push(&mut self, keyword: &[u8], value: &[u8]) {
        // The length counts its own digits: a longer number may make itself longer.
        let rest = keyword.len().saturating_add(value.len()).saturating_add(3);
        let mut len = rest.saturating_add(1);
        while len != rest.saturating_add(digits(len)) {
            len = rest.saturating_add(digits(len));
        }
        // Memory takes whatever is written to it.
        let _ = write!(self.0, "{len} ");
        self.0.extend_from_slice(keyword);
        self.0.push(b'=');
        self.0.extend_from_slice(value);
        self.0.push(b'\n');
    }

    /// Adds a record whose value is a text.
    pub(crate) fn push_shown(&mut self, keyword: &[u8], value: impl Display) {
        let mut shown = Vec::with_capacity(SHOWN_LEN);
        let _ = write!(shown, "{value}");
        self.push(keyword, &shown);
    }

    /// All records, as they stand in the archive.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

fn digits(number: usize) -> usize {
    number.checked_ilog10().map_or(1, |log| usize::try_from(log).unwrap_or(0).saturating_add(1))
}

#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum Fault {
    #[error("a pax record at byte {at} of the header's {len} has no sound length")]
    Length { at: usize, len: usize },
    #[error("a header has more than {PAIRS_MOST} pax records")]
    TooMany,
    #[error("a pax record at byte {at} of the header's {len} has no keyword")]
    Keyword { at: usize, len: usize },
}

/// Pax records of one member: two for each run of a sparse file, in the oldest form of those.
const PAIRS_MOST: usize = 1 << 21;

/// A keyword and its value.
pub(crate) type Pair<'a> = (&'a [u8], &'a [u8]);

/// Takes the records apart, in their order: one keyword may come several times.
pub(crate) fn pairs(bytes: &[u8]) -> Result<Vec<Pair<'_>>, Fault> {
    let (mut pairs, mut at, len) = (Vec::new(), 0, bytes.len());
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        // Some tars pad the records with zeros up to their block.
        if rest.iter().all(|byte| *byte == 0) {
            break;
        }
        let record = record(rest).ok_or(Fault::Length { at, len })?;
        let (pair, record_len) = record;
        let equals = pair.iter().position(|byte| *byte == b'=').ok_or(Fault::Keyword { at, len })?;
        let (keyword, value) = pair.split_at_checked(equals).ok_or(Fault::Keyword { at, len })?;
        if pairs.len() >= PAIRS_MOST {
            return Err(Fault::TooMany);
        }
        pairs.push((keyword, value.get(1..).unwrap_or_default()));
        at = at.saturating_add(record_len);
    }
    Ok(pairs)
}

/// The first record without its length and its newline, and the length of the whole.
fn record(rest: &[u8]) -> Option<(&[u8], usize)> {
    let space = rest.iter().take(20).position(|byte| *byte == b' ')?;
    let len: usize = std::str::from_utf8(rest.get(..space)?).ok()?.parse().ok()?;
    let pair = rest.get(space.checked_add(1)?..len.checked_sub(1)?)?;
    (rest.get(len.checked_sub(1)?) == Some(&b'\n')).then_some((pair, len))
}

/// Records that hold for all members from here on, until others take their place.
#[derive(Debug, Default)]
pub(crate) struct Global {
    records: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Bytes of all keywords and values.
    bytes: usize,
}

/// Bytes that global records may take in all.
const GLOBAL_MOST: usize = 1 << 20;

impl Global {
    /// Takes on what a global header says, up to where it would be too much: then it says so.
    pub(crate) fn add(&mut self, pairs: &[Pair<'_>]) -> bool {
        for (keyword, value) in pairs {
            if let Some(before) = self.records.remove(*keyword) {
                self.bytes = self.bytes.saturating_sub(keyword.len().saturating_add(before.len()));
            }
            // An empty value takes a record away.
            if value.is_empty() {
                continue;
            }
            let bytes = self.bytes.saturating_add(keyword.len()).saturating_add(value.len());
            if bytes > GLOBAL_MOST {
                return false;
            }
            self.bytes = bytes;
            self.records.insert(keyword.to_vec(), value.to_vec());
        }
        true
    }

    /// Whether there is a record with this keyword.
    pub(crate) fn has(&self, keyword: &[u8]) -> bool {
        self.records.contains_key(keyword)
    }

    /// The records, as those of a member.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = Pair<'_>> {
        self.records.iter().map(|(keyword, value)| (keyword.as_slice(), value.as_slice()))
    }
}

/// A decimal number.
pub(crate) fn number(value: &[u8]) -> Option<u64> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// A decimal number of seconds, with a fraction and a sign where there are some. Of the fraction nine digits count.
pub(crate) fn time(value: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(value).ok()?;
    let (is_negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(fraction) || !is_number(whole) || whole.is_empty() {
        return None;
    }
    let seconds: i64 = whole.parse().ok()?;
    let nanoseconds: u32 = format!("{:0<9}", fraction.get(..9).unwrap_or(fraction)).parse().ok()?;
    Some(match (is_negative, nanoseconds) {
        (false, _) => Timestamp { seconds, nanoseconds },
        (true, 0) => Timestamp { seconds: seconds.checked_neg()?, nanoseconds },
        (true, _) => Timestamp {
            seconds: seconds.checked_neg()?.checked_sub(1)?,
            nanoseconds: 1_000_000_000_u32.checked_sub(nanoseconds)?,
        },
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn records_come_back_whatever_they_hold(
            records in prop::collection::vec(("[a-zA-Z.]{1,20}", prop::collection::vec(any::<u8>(), 0..200)), 0..8),
            seconds in any::<i32>(), nanoseconds in 0..1_000_000_000_u32,
        ) {
            let mut written = Records::new();
            for (keyword, value) in &records {
                written.push(keyword.as_bytes(), value);
            }
            let time_of = Timestamp { seconds: i64::from(seconds), nanoseconds };
            written.push_shown(b"mtime", time_of);
            let mut read = pairs(written.as_bytes()).unwrap();
            let (_, shown) = read.pop().unwrap();
            prop_assert_eq!(time(shown), Some(time_of));
            let expected: Vec<Pair<'_>> =
                records.iter().map(|(keyword, value)| (keyword.as_bytes(), value.as_slice())).collect();
            prop_assert_eq!(read, expected);
        }
    }

    #[test]
    fn values_may_hold_newlines_equal_signs_and_nuls() {
        let bytes = b"12 a=b\nc=\0d\n6 e=f\n\0\0\0";
        assert_eq!(pairs(bytes).unwrap(), [(&b"a"[..], &b"b\nc=\0d"[..]), (b"e", b"f")]);
    }

    #[test]
    fn lengths_that_lead_elsewhere_are_faults() {
        for bytes in [
            &b"7 a=b\n"[..],
            b"5 a=b\n",
            b"x a=b\n",
            b"0 a=b\n",
            b"1 a=b\n",
            b"99999999999999999999 a=b\n",
            b"6a=bc\n",
            b"-6 a=b\n",
            b"3 \n",
        ] {
            assert!(pairs(bytes).is_err(), "{bytes:?}");
        }
        assert_eq!(pairs(b"5 ab\n"), Err(Fault::Keyword { at: 0, len: 5 }));
    }

    #[test]
    fn times_are_what_is_written() {
        for text in ["0", "1.5", "-1.5", "-0.000000001", "15032385535.000000001", "-2147483648"] {
            assert_eq!(time(text.as_bytes()).unwrap().to_string(), text);
        }
        assert_eq!(time(b"1.1234567899").unwrap().nanoseconds, 123_456_789);
        for wrong in ["", "-", "1.-5", "x", "1.5.5", "+1", "99999999999999999999"] {
            assert_eq!(time(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn an_empty_value_takes_a_global_record_away() {
        let mut global = Global::default();
        global.add(&[(b"uname", b"a"), (b"gname", b"b")]);
        global.add(&[(b"uname", b"")]);
        assert_eq!(global.pairs().collect::<Vec<_>>(), [(&b"gname"[..], &b"b"[..])]);
    }

    #[test]
    fn the_length_counts_itself() {
        let cases: [(usize, &str); 5] =
            [(0, "5 k="), (4, "9 k="), (5, "11 k="), (93, "99 k="), (94, "101 k=")];
        for (value_len, start) in cases {
            let mut records = Records::new();
            records.push(b"k", &vec![b'v'; value_len]);
            let text = String::from_utf8(records.as_bytes().to_vec()).unwrap();
            assert!(text.starts_with(start), "{text}");
            let len: usize = text.split(' ').next().unwrap().parse().unwrap();
            assert_eq!(len, text.len());
        }
    }

    #[test]
    fn a_value_may_hold_a_newline_and_a_nul() {
        let mut records = Records::new();
        records.push(b"SCHILY.xattr.security.capability", b"\x01\n\0");
        assert_eq!(records.as_bytes(), b"40 SCHILY.xattr.security.capability=\x01\n\0\n");
    }
}
