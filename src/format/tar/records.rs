//! Pax records: what a tar header has no field for, or too small a one.
//!
//! <https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html#tag_20_94_13_03>; the vendors' keywords are those
//! that GNU tar and bsdtar write and read.

use std::fmt::Display;
use std::io::Write as _;

/// Room for the records that a member has mostly, which are four times.
const USUAL_LEN: usize = 256;
/// Room for a time as text.
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

#[cfg(test)]
mod tests {
    use super::*;

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
