//! gzip members by libdeflate: the same ratio as zlib at more than three times the speed.
//!
//! What doesn't get smaller is stored: looking for matches in a film takes as long as in a text, and finds none.
//!
//! `gzip -d` reads members that follow each other as one stream (RFC 1952, section 2.2).

use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;
use libdeflater::{CompressionLvl, Compressor};

use super::{Codec, Decoder, Encoder, gzip_table};
use crate::error::{Error, Kind, Result};

/// libdeflate compresses whole buffers, and its window is 32 KiB: larger members gain nothing.
pub(super) const CODEC: Codec = Codec {
    name: "gzip",
    endings: &[".tar.gz", ".tgz"],
    alone: Some(".gz"),
    frame_bytes: FRAME_BYTES,
    levels: Some((1, 6, 12)),
    begins: |head| head.starts_with(&MAGIC),
    encoder,
    decoder: || Ok(Box::new(Member)),
    reader: |file| Ok(Box::new(Gunzip::new(file))),
    trailer: |frames, has_manifest| match has_manifest {
        true => gzip_table::table(frames, FRAME_BYTES),
        // Without its own manifest, the one beside the archive has the frames.
        false => Vec::new(),
    },
    frames: gzip_table::read,
};

const FRAME_BYTES: u32 = 1 << 20;
const MAGIC: [u8; 3] = [0x1f, 0x8b, 0x08];

/// Bytes of a sample, and of the stretch that it stands for: one in sixteen bytes is tried, as long as none of them gets smaller.
const SAMPLE_LEN: usize = 4 << 10;
const STRETCH_LEN: usize = 64 << 10;

struct Gzip {
    /// At the level that was asked for.
    asked: Compressor,
    /// Fast, for samples.
    trying: Compressor,
    storing: Compressor,
    sample: Vec<u8>,
}

fn encoder(level: i32) -> Result<Box<dyn Encoder>> {
    let compressor = |level: i32| {
        let no_level = |_| Error::new(Kind::Usage, format!("no gzip level {level}"));
        CompressionLvl::new(level).map(Compressor::new).map_err(no_level)
    };
    let (asked, trying, storing) = (compressor(level)?, compressor(1)?, compressor(0)?);
    Ok(Box::new(Gzip { asked, trying, storing, sample: Vec::new() }))
}

impl Gzip {
    /// Whether no sample of a member gets smaller by a thirty-second. It depends on these bytes alone.
    fn is_dense(&mut self, raw: &[u8]) -> Result<bool> {
        let stretches = raw.chunks_exact(STRETCH_LEN);
        if stretches.len() == 0 {
            return Ok(false);
        }
        for stretch in stretches {
            let sample = stretch.get(..SAMPLE_LEN).unwrap_or_default();
            self.sample.resize(self.trying.deflate_compress_bound(sample.len()), 0);
            let tried = self.trying.deflate_compress(sample, &mut self.sample);
            let len = tried.map_err(|error| Error::new(Kind::Write, error))?;
            if len < SAMPLE_LEN.saturating_sub(SAMPLE_LEN / 32) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl Encoder for Gzip {
    fn encode(&mut self, raw: &[u8], packed: &mut Vec<u8>) -> Result<()> {
        let compressor = if self.is_dense(raw)? { &mut self.storing } else { &mut self.asked };
        packed.resize(compressor.gzip_compress_bound(raw.len()), 0);
        let len = compressor.gzip_compress(raw, packed).map_err(|error| Error::new(Kind::Write, error))?;
        packed.truncate(len);
        Ok(())
    }
}

/// Decodes frames: each is one member.
struct Member;

impl Decoder for Member {
    fn decode(&mut self, packed: &[u8], raw: &mut Vec<u8>, raw_len: usize) -> Result<usize> {
        raw.clear();
        let mut decoder = GzDecoder::new(packed);
        // One byte more than it should hold tells that it holds more.
        let most = u64::try_from(raw_len).unwrap_or(u64::MAX).saturating_add(1);
        decoder.by_ref().take(most).read_to_end(raw).map_err(|error| {
            Error::corrupt(format!("the data are no sound gzip member, or its CRC differs: {error}"))
        })?;
        if raw.len() > raw_len {
            return Err(Error::corrupt("the gzip member holds more than it should"));
        }
        match decoder.into_inner().len() {
            0 => Ok(raw.len()),
            behind => {
                let message = format!("behind the gzip member of the frame are {behind} bytes more");
                Err(Error::corrupt(message))
            }
        }
    }
}

/// The part that is unpacked at the moment.
enum State<R> {
    Member(Box<GzDecoder<R>>),
    /// All of the file was read and checked.
    Ended,
    /// An error was given: what lies behind it can't be told.
    Failed,
}

/// A gzip file from front to back: all of its members, each held against its own checksum and
/// length.
///
/// RFC 1952, section 2.2: a file is a series of members. Zeros may follow the last one, as on a
/// tape; `gzip -d` ignores those alone. Anything else behind a member is damage: it may be a member
/// whose first bytes changed.
struct Gunzip<R>(State<R>);

impl<R: BufRead> Gunzip<R> {
    fn new(file: R) -> Self {
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

    /// Bytes that look like nothing in particular.
    fn noise(len: usize) -> Vec<u8> {
        let mut state = 1_u64;
        let step = |state: &mut u64| {
            *state ^= *state << 13;
            *state ^= *state >> 7;
            *state ^= *state << 17;
            (*state >> 32) as u8
        };
        (0..len).map(|_| step(&mut state)).collect()
    }

    #[test]
    fn what_does_not_get_smaller_is_stored_and_everything_else_is_not() {
        let text: Vec<u8> = b"the quick brown fox ".iter().copied().cycle().take(1 << 20).collect();
        let noise = noise(1 << 20);
        let half = [&text[..1 << 19], &noise[..1 << 19]].concat();
        // What there is, and in how many hundredths of it.
        let cases = [(&noise, 100..=101), (&text, 0..=2), (&half, 50..=53)];
        let mut encoder = encoder(6).unwrap();
        for (raw, hundredths) in cases {
            let mut packed = Vec::new();
            encoder.encode(raw, &mut packed).unwrap();
            let share = (packed.len() * 100).div_ceil(raw.len());
            assert!(hundredths.contains(&share), "{share} of {hundredths:?}");
            let mut unpacked = Vec::new();
            flate2::read::GzDecoder::new(packed.as_slice()).read_to_end(&mut unpacked).unwrap();
            assert!(&unpacked == raw);
        }
        let stored = |encoder: &mut Box<dyn Encoder>, raw: &[u8]| {
            let mut packed = Vec::new();
            encoder.encode(raw, &mut packed).unwrap();
            // The type of the first block, behind the header of ten bytes (RFC 1951, section 3.2.3).
            packed[10] & 0b110 == 0
        };
        assert!(stored(&mut encoder, &noise) && !stored(&mut encoder, &half));
        assert!(!stored(&mut encoder, &text[..100]));
    }

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

    #[test]
    fn a_gzip_frame_is_one_member_and_nothing_else() {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(b"content").unwrap();
        let good = encoder.finish().unwrap();
        let mut raw = b"what was there before".to_vec();
        let mut unpack = |packed: &[u8], len| {
            let mut unpacker = crate::format::codec::Unpacker::new(crate::format::codec::Compression::Gzip).unwrap();
            unpacker.unpack(packed, &mut raw, len).map(|()| raw.clone())
        };
        assert_eq!(unpack(&good, 7).unwrap(), b"content");
        assert!(unpack(&good, 6).is_err() && unpack(&good, 8).is_err());
        for behind in [&b"\0"[..], &good] {
            let more = [&good, behind].concat();
            assert!(unpack(&more, 7).unwrap_err().to_string().contains("bytes more"));
        }
        for bit in 0..8 {
            let mut bad = good.clone();
            let crc = bad.len() - 8;
            bad[crc] ^= 1 << bit;
            assert!(unpack(&bad, 7).is_err(), "bit {bit}");
        }
    }
}
