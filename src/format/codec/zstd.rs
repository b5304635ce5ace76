//! Independent zstd frames, each with its length and a checksum, and a table of them at the end.
//!
//! The table is that of the seekable format, in a frame that other readers skip:
//! <https://github.com/facebook/zstd/blob/dev/contrib/seekable_format/zstd_seekable_compression_format.md>

use std::io::{BufRead, Read};

use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::CParameter;

use super::{Codec, Decoder, Encoder, seek_table};
use crate::error::{Error, Kind, Result};

pub(super) const CODEC: Codec = Codec {
    name: "zstd",
    endings: &[".tar.zst", ".tzst"],
    alone: Some(".zst"),
    frame_bytes: 4 << 20,
    levels: Some((FITTED_LEVEL, FITTED_LEVEL, 19)),
    begins,
    encoder,
    decoder,
    reader,
    trailer: |frames, _| seek_table::write(frames),
    frames: seek_table::read,
};

/// The level that is ours; zstd itself takes 0 as "the usual one".
const FITTED_LEVEL: i32 = 0;
/// One table to find matches by instead of level 3's two, which don't stay in a core's second cache together (4 bytes × 2^17 and 2^16), and a window
/// that holds all of a frame. Beside level 3 it takes three quarters of the time, for one to two hundredths of the ratio: `docs/performance.md`.
const FITTED: [CParameter; 3] = [CParameter::WindowLog(22), CParameter::HashLog(17), CParameter::MinMatch(5)];
/// The level that the rest is taken from: the one with a single table.
const FITTED_FROM: i32 = 2;

/// First bytes of a frame, and of one that is passed over but for its lowest digit (RFC 8878,
/// section 3.1).
const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const SKIPPABLE_MAGIC: u32 = 0x184d_2a50;

/// Largest window of a stream, as the logarithm of its bytes: 128 MiB, as `zstd` has it without
/// `--long`.
const WINDOW_LOG_MOST: u32 = 27;

struct Zstd(Compressor<'static>);

fn encoder(level: i32) -> Result<Box<dyn Encoder>> {
    let compressor = || {
        let is_fitted = level == FITTED_LEVEL;
        let mut compressor = Compressor::new(if is_fitted { FITTED_FROM } else { level })?;
        compressor.include_checksum(true)?;
        compressor.include_contentsize(true)?;
        if is_fitted {
            FITTED.into_iter().try_for_each(|parameter| compressor.set_parameter(parameter))?;
        }
        std::io::Result::Ok(compressor)
    };
    let compressor = compressor().map_err(|source| Error::new(Kind::Write, source))?;
    Ok(Box::new(Zstd(compressor)))
}

impl Encoder for Zstd {
    fn encode(&mut self, raw: &[u8], packed: &mut Vec<u8>) -> Result<()> {
        // A vector's spare room takes it, without being filled with zeros before.
        packed.clear();
        packed.reserve(zstd::zstd_safe::compress_bound(raw.len()));
        self.0.compress_to_buffer(raw, packed).map_err(|source| Error::new(Kind::Write, source))?;
        Ok(())
    }
}

fn begins(head: &[u8]) -> bool {
    head.first_chunk::<4>().is_some_and(|magic| {
        *magic == MAGIC || u32::from_le_bytes(*magic) & 0xffff_fff0 == SKIPPABLE_MAGIC
    })
}

fn decoder() -> Result<Box<dyn Decoder>> {
    let decompressor = Decompressor::new().map_err(|source| Error::new(Kind::System, source))?;
    Ok(Box::new(Unzstd(decompressor)))
}

struct Unzstd(Decompressor<'static>);

impl Decoder for Unzstd {
    fn decode(&mut self, packed: &[u8], raw: &mut Vec<u8>, raw_len: usize) -> Result<usize> {
        raw.resize(raw_len, 0);
        self.0.decompress_to_buffer(packed, raw.as_mut_slice()).map_err(Error::corrupt)
    }
}

fn reader(file: Box<dyn BufRead + Send>) -> Result<Box<dyn Read + Send>> {
    let failed = |source| Error::new(Kind::System, source);
    let mut decoder = zstd::stream::read::Decoder::with_buffer(file).map_err(failed)?;
    decoder.window_log_max(WINDOW_LOG_MOST).map_err(failed)?;
    Ok(Box::new(decoder))
}
