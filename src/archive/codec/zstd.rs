//! Independent zstd frames, each with its length and a checksum, and a table of them at the end.
//!
//! The table is that of the seekable format, in a frame that other readers skip:
//! <https://github.com/facebook/zstd/blob/dev/contrib/seekable_format/zstd_seekable_compression_format.md>

use std::io::{self, Write};

use zstd::bulk::Compressor;

use super::{Description, Encoder, FrameLengths};
use crate::error::{Error, Kind, Result};

pub(super) const DESCRIPTION: Description = Description {
    name: "zstd",
    endings: &[".tar.zst", ".tzst"],
    frame_bytes: 4 << 20,
    levels: Some((1, 3, 19)),
};

const SKIPPABLE_MAGIC: u32 = 0x184d_2a5e;
const SEEKABLE_MAGIC: u32 = 0x8f92_eab1;
const ENTRY_LEN: usize = 8;
const FOOTER_LEN: usize = 9;

/// The level for manifests: they are text that repeats itself.
const MANIFEST_LEVEL: i32 = 3;

struct Zstd(Compressor<'static>);

pub(super) fn encoder(level: i32) -> Result<Box<dyn Encoder>> {
    let compressor = || {
        let mut compressor = Compressor::new(level)?;
        compressor.include_checksum(true)?;
        compressor.include_contentsize(true)?;
        std::io::Result::Ok(compressor)
    };
    let compressor = compressor().map_err(|source| Error::new(Kind::Write, source))?;
    Ok(Box::new(Zstd(compressor)))
}

impl Encoder for Zstd {
    fn encode(&mut self, raw: &[u8], packed: &mut Vec<u8>) -> Result<()> {
        packed.resize(zstd::zstd_safe::compress_bound(raw.len()), 0);
        let len = self
            .0
            .compress_to_buffer(raw, packed.as_mut_slice())
            .map_err(|source| Error::new(Kind::Write, source))?;
        packed.truncate(len);
        Ok(())
    }
}

/// The table of frames: two lengths each, then their number, no flags, and a magic number to find it by.
pub(super) fn seek_table(frames: &[FrameLengths]) -> Vec<u8> {
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

/// Compresses a manifest as one stream, as it grows.
pub(in crate::archive) struct ManifestWriter<W: Write>(zstd::stream::write::Encoder<'static, W>);

impl<W: Write> ManifestWriter<W> {
    pub(in crate::archive) fn new(inner: W) -> io::Result<Self> {
        let mut encoder = zstd::stream::write::Encoder::new(inner, MANIFEST_LEVEL)?;
        encoder.include_checksum(true)?;
        Ok(Self(encoder))
    }

    /// Ends the stream; without this it can't be read.
    pub(in crate::archive) fn finish(self) -> io::Result<W> {
        self.0.finish()
    }
}

impl<W: Write> Write for ManifestWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
