//! A gzip file from front to back: all of its members, each held against its own checksum and
//! length.
//!
//! RFC 1952, section 2.2: a file is a series of members. Zeros may follow the last one, as on a
//! tape; `gzip -d` ignores those alone. Anything else behind a member is damage: it may be a member
//! whose first bytes changed.

use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;

/// The part that is unpacked at the moment.
enum State<R> {
    Member(Box<GzDecoder<R>>),
    /// All of the file was read and checked.
    Ended,
    /// An error was given: what lies behind it can't be told.
    Failed,
}

/// The content of all members.
pub(crate) struct Gunzip<R>(State<R>);

impl<R: BufRead> Gunzip<R> {
    pub(crate) fn new(file: R) -> Self {
        Self(State::Member(Box::new(GzDecoder::new(file))))
    }
}

impl<R: BufRead> Read for Gunzip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            let mut decoder = match std::mem::replace(&mut self.0, State::Failed) {
                State::Member(decoder) => decoder,
                State::Ended => {
                    self.0 = State::Ended;
                    return Ok(0);
                }
                State::Failed => return Err(io::Error::other("the gzip stream is damaged before")),
            };
            match decoder.read(buffer) {
                Ok(0) => self.0 = next(decoder.into_inner())?,
                Ok(len) => {
                    self.0 = State::Member(decoder);
                    return Ok(len);
                }
                Err(error) => {
                    if error.kind() == io::ErrorKind::Interrupted {
                        self.0 = State::Member(decoder);
                    }
                    return Err(error);
                }
            }
        }
    }
}

/// Looks at the bytes behind a member whose checksum and length were right.
fn next<R: BufRead>(mut file: R) -> io::Result<State<R>> {
    match file.fill_buf()?.first() {
        None => return Ok(State::Ended),
        Some(0) => {}
        Some(_) => return Ok(State::Member(Box::new(GzDecoder::new(file)))),
    }
    loop {
        let zeros = file.fill_buf()?;
        if zeros.iter().any(|byte| *byte != 0) {
            let message = "there is something behind the last gzip member that is no member";
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        match zeros.len() {
            0 => return Ok(State::Ended),
            len => file.consume(len),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Write as _};

    use super::*;

    fn member(content: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    fn unpacked(file: &[u8]) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        // A buffer of three bytes: each part of a header and a trailer comes in pieces.
        Gunzip::new(BufReader::with_capacity(3, file)).read_to_end(&mut content).map(|_| content)
    }

    #[test]
    fn members_are_one_stream_and_zeros_may_follow_them() {
        let both = [member(b"one "), member(b""), member(b"two")].concat();
        assert_eq!(unpacked(&both).unwrap(), b"one two");
        assert_eq!(unpacked(&[both.as_slice(), &[0; 700]].concat()).unwrap(), b"one two");
    }

    #[test]
    fn whatever_else_follows_a_member_is_an_error() {
        let good = member(b"content");
        for behind in [&b"\x1f"[..], b"garbage", b"\0\0x", b"\x1f\x8b\x08", &good[..good.len() - 1]] {
            assert!(unpacked(&[good.as_slice(), behind].concat()).is_err(), "{behind:?}");
        }
    }

    #[test]
    fn no_flipped_bit_changes_the_content_of_any_member_in_silence() {
        let good = [member(b"the first content"), member(b"the second")].concat();
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            if let Ok(content) = unpacked(&bad) {
                assert_eq!(content, b"the first contentthe second", "bit {bit}");
            }
        }
        for len in 1..good.len() {
            let is_whole_member = len == member(b"the first content").len();
            assert_eq!(unpacked(&good[..len]).is_ok(), is_whole_member, "{len}");
        }
    }
}
