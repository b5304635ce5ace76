//! gzip members by libdeflate: the same ratio as zlib at more than three times the speed.
//!
//! What doesn't get smaller is stored: looking for matches in a film takes as long as in a text, and finds none.
//!
//! `gzip -d` reads members that follow each other as one stream (RFC 1952, section 2.2).

use libdeflater::{CompressionLvl, Compressor};

use super::{Description, Encoder};
use crate::error::{Error, Kind, Result};

/// libdeflate compresses whole buffers, and its window is 32 KiB: larger members gain nothing.
pub(crate) const DESCRIPTION: Description = Description {
    name: "gzip",
    endings: &[".tar.gz", ".tgz"],
    frame_bytes: 1 << 20,
    levels: Some((1, 6, 12)),
};

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

pub(crate) fn encoder(level: i32) -> Result<Box<dyn Encoder>> {
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

#[cfg(test)]
mod tests {
    use std::io::Read as _;

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
}
