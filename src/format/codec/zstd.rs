//! Independent zstd frames, each with its length and a checksum, and a table of them at the end.
//!
//! The table is that of the seekable format, in a frame that other readers skip:
//! <https://github.com/facebook/zstd/blob/dev/contrib/seekable_format/zstd_seekable_compression_format.md>

use zstd::bulk::Compressor;
use zstd::zstd_safe::CParameter;

use super::{Description, Encoder, FrameLengths};
use crate::error::{Error, Kind, Result};

pub(crate) const DESCRIPTION: Description = Description {
    name: "zstd",
    endings: &[".tar.zst", ".tzst"],
    frame_bytes: 4 << 20,
    levels: Some((FITTED_LEVEL, FITTED_LEVEL, 19)),
};

/// The level that is ours; zstd itself takes 0 as "the usual one".
const FITTED_LEVEL: i32 = 0;
/// One table to find matches by instead of level 3's two, which don't stay in a core's second cache together (4 bytes × 2^17 and 2^16), and a window
/// that holds all of a frame. Beside level 3 it takes three quarters of the time, for one to two hundredths of the ratio: `docs/performance.md`.
const FITTED: [CParameter; 3] = [CParameter::WindowLog(22), CParameter::HashLog(17), CParameter::MinMatch(5)];
/// The level that the rest is taken from: the one with a single table.
const FITTED_FROM: i32 = 2;

const SKIPPABLE_MAGIC: u32 = 0x184d_2a5e;
const SEEKABLE_MAGIC: u32 = 0x8f92_eab1;
const ENTRY_LEN: usize = 8;
const FOOTER_LEN: usize = 9;

struct Zstd(Compressor<'static>);

pub(crate) fn encoder(level: i32) -> Result<Box<dyn Encoder>> {
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

/// The table of frames: two lengths each, then their number, no flags, and a magic number to find it by.
pub(crate) fn seek_table(frames: &[FrameLengths]) -> Vec<u8> {
    let content = frames.len().saturating_mul(ENTRY_LEN).saturating_add(FOOTER_LEN);
    let (Ok(count), Ok(content)) = (u32::try_from(frames.len()), u32::try_from(content)) else {
        // 2^29 frames are 2 PiB of files: without a table they are read from front to back.
        return Vec::new();
    };
    let mut table = [SKIPPABLE_MAGIC.to_le_bytes(), content.to_le_bytes()].concat();
    for frame in frames {
        table.extend_from_slice(&frame.packed.to_le_bytes());
        table.extend_from_slice(&frame.raw.to_le_bytes());
    }
    table.extend_from_slice(&count.to_le_bytes());
    table.push(0);
    table.extend_from_slice(&SEEKABLE_MAGIC.to_le_bytes());
    table
}

/// Where the last of a file's frames is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LastFrame {
    /// Position of its first byte in the file.
    pub start_bytes: u64,
    pub lengths: FrameLengths,
}

/// Finds the last frame of a file of `len_bytes` bytes by the table at its end; `None` where there
/// is no table, or no frame. `read_at` reads from a position.
pub(crate) fn last_frame(
    len_bytes: u64,
    read_at: impl Fn(u64, &mut [u8]) -> Result<()>,
) -> Result<Option<LastFrame>> {
    // Four bytes, so far before the end.
    let field = |before_end: u64| -> Result<Option<u32>> {
        let Some(at) = len_bytes.checked_sub(before_end) else { return Ok(None) };
        let mut bytes = [0; 4];
        read_at(at, &mut bytes)?;
        Ok(Some(u32::from_le_bytes(bytes)))
    };
    // The footer: number of frames, a byte of flags, magic number.
    let (Some(count), Some(flags), Some(magic)) = (field(9)?, field(5)?, field(4)?) else { return Ok(None) };
    if magic != SEEKABLE_MAGIC {
        return Ok(None);
    }
    let [flags, ..] = flags.to_le_bytes();
    if flags != 0 {
        let message = format!("the table of frames has the flags {flags:#x}, which are unknown here");
        return Err(Error::new(Kind::Unsupported, message));
    }
    let content_len = u64::from(count).saturating_mul(8).saturating_add(9);
    let table_len = content_len.saturating_add(8);
    let (Some(skippable), Some(said_len)) = (field(table_len)?, field(table_len.saturating_sub(4))?) else {
        let message = format!("the table of frames says {count} frames, but the file has {len_bytes} bytes");
        return Err(Error::corrupt(message));
    };
    if (skippable, u64::from(said_len)) != (SKIPPABLE_MAGIC, content_len) {
        let message = format!("the table of frames does not begin {table_len} bytes before the end");
        return Err(Error::corrupt(message));
    }
    // The last entry, right before the footer; where there is no frame these are the table's own header.
    let (Some(packed), Some(raw), true) = (field(17)?, field(13)?, count > 0) else { return Ok(None) };
    let lengths = FrameLengths { packed, raw };
    let before_table = len_bytes.saturating_sub(table_len);
    let Some(start_bytes) = before_table.checked_sub(u64::from(lengths.packed)) else {
        let message =
            format!("the last frame has {} bytes, but {before_table} are before the table", lengths.packed);
        return Err(Error::corrupt(message));
    };
    Ok(Some(LastFrame { start_bytes, lengths }))
}
