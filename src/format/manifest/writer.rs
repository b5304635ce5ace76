//! Compresses a manifest.

use std::io::{self, Write};

use crate::format::codec::{Compression, Encoder, FrameLengths};

/// The level for manifests: they are text that repeats itself in long pieces, which level 1 looks for. Level 3 takes twice as long, and makes
/// them a fifteenth longer.
const MANIFEST_LEVEL: i32 = 1;
/// Bytes of a manifest's frame before compression; more only where one record is longer.
const MANIFEST_FRAME_LEN: usize = 4 << 20;

/// Compresses a manifest as it grows: frames as above, each of whole records.
///
/// `flush` ends a frame: what comes next can be read without what was before.
pub(crate) struct ManifestWriter<W: Write> {
    inner: W,
    encoder: Box<dyn Encoder>,
    raw: Vec<u8>,
    packed: Vec<u8>,
    frames: Vec<FrameLengths>,
}

impl<W: Write> ManifestWriter<W> {
    pub(crate) fn new(inner: W) -> io::Result<Self> {
        let encoder = Compression::Zstd.encoder(MANIFEST_LEVEL).map_err(io::Error::other)?;
        Ok(Self { inner, encoder, raw: Vec::new(), packed: Vec::new(), frames: Vec::new() })
    }

    /// Ends the last frame and writes the table; without it the ends can't be found.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        self.end_frame()?;
        self.inner.write_all(&Compression::Zstd.trailer(&self.frames, false))?;
        Ok(self.inner)
    }

    fn end_frame(&mut self) -> io::Result<()> {
        if self.raw.is_empty() {
            return Ok(());
        }
        self.encoder.encode(&self.raw, &mut self.packed).map_err(io::Error::other)?;
        self.inner.write_all(&self.packed)?;
        let len = |bytes: &[u8]| u32::try_from(bytes.len()).map_err(io::Error::other);
        self.frames.push(FrameLengths { packed: len(&self.packed)?, raw: len(&self.raw)? });
        self.raw.clear();
        Ok(())
    }
}

impl<W: Write> Write for ManifestWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let is_full = self.raw.len().saturating_add(bytes.len()) > MANIFEST_FRAME_LEN;
        if is_full && self.raw.ends_with(b"\n") {
            self.end_frame()?;
        }
        self.raw.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.end_frame()?;
        self.inner.flush()
    }
}

/// A manifest of these records, parted as a run parts it: for tests of what reads manifests.
#[cfg(test)]
pub(crate) fn of_lines(lines: &[&str]) -> Vec<u8> {
    let mut writer = ManifestWriter::new(Vec::new()).unwrap();
    for line in lines {
        writer.write_all(format!("{line}\n").as_bytes()).unwrap();
        writer.flush().unwrap();
    }
    writer.finish().unwrap()
}
