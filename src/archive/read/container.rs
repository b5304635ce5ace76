//! An archive file, compressed or not, and the tar stream in it.

use std::io::{BufReader, Read};
use std::sync::Arc;

use super::cache::Cache;
use super::members;
use super::stream::{InFrames, InOneGo, TarStream};
use crate::device::{Device, Reader, read_vec};
use crate::error::{Error, Kind, Result};
use crate::format::codec::{Compression, Frames};
use crate::units::ByteRange;

/// Bytes that are read from the archive at once.
const READ_LEN: usize = 1 << 20;

/// An archive that is open.
#[derive(Clone, Debug)]
pub struct Container {
    device: Device,
    compression: Compression,
    /// The frames, where they are known; those that were unpacked last are shared by all clones.
    frames: Option<Arc<Cache>>,
    /// Why there are no frames though the archive has a table of them.
    table_fault: Option<Arc<Error>>,
}

impl Container {
    /// Looks at the first bytes of a file, and at the table of its frames where it has one.
    ///
    /// # Errors
    ///
    /// [`Kind::Unrecognised`] when this is no archive that is known here; when it can't be read.
    pub fn open(device: Device) -> Result<Self> {
        let Some(compression) = Self::recognise(&device)? else {
            let message = "is no archive that is known: neither zstd, nor gzip, nor a tar";
            return Err(Error::new(Kind::Unrecognised, message));
        };
        let mut packed = Self { device, compression, frames: None, table_fault: None };
        match compression.frames(packed.device.as_ref()) {
            Ok(frames) => packed = packed.with(frames),
            Err(error) if error.kind() == Kind::Read => return Err(error),
            // Sound, but of frames too long to be unpacked at once: then it is read from the front.
            Err(error) if error.kind() == Kind::Limit => {}
            Err(error) => packed.table_fault = Some(Arc::new(error)),
        }
        Ok(packed)
    }

    /// How the file is compressed; `None` when it is no archive.
    ///
    /// # Errors
    ///
    /// When it can't be read.
    pub fn recognise(device: &Device) -> Result<Option<Compression>> {
        let len = usize::try_from(device.len_bytes()).unwrap_or(usize::MAX).min(members::BLOCK_LEN);
        let head = read_vec(device.as_ref(), 0, len)?;
        Ok(Compression::of_head(&head))
    }

    /// Gives the frames that the manifest tells, where the archive has no table of its own.
    #[must_use]
    pub fn or_frames(self, frames: Frames) -> Self {
        if self.frames.is_some() { self } else { self.with(Some(frames)) }
    }

    fn with(self, frames: Option<Frames>) -> Self {
        let (device, compression) = (Device::clone(&self.device), self.compression);
        let cache = |frames| Arc::new(Cache::new(device, compression, Arc::new(frames)));
        Self { frames: frames.map(cache), ..self }
    }

    /// The file.
    #[must_use]
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// How it is compressed.
    #[must_use]
    pub fn compression(&self) -> Compression {
        self.compression
    }

    /// Its frames, where they are known: then any part of the tar stream can be read on its own.
    #[must_use]
    pub fn frames(&self) -> Option<&Frames> {
        self.frames.as_deref().map(|cache| cache.frames().as_ref())
    }

    /// The same, to be kept.
    pub(crate) fn shared_frames(&self) -> Option<Arc<Frames>> {
        self.frames.as_deref().map(|cache| Arc::clone(cache.frames()))
    }

    /// What is wrong with the table of frames at its end.
    #[must_use]
    pub fn table_fault(&self) -> Option<&Error> {
        self.table_fault.as_deref()
    }

    /// The tar stream, from the front. Where frames are known, passing over a part of it costs nothing.
    ///
    /// # Errors
    ///
    /// When no memory is there to unpack it.
    pub fn stream(&self) -> Result<Box<dyn TarStream + Send>> {
        Ok(match &self.frames {
            Some(cache) => Box::new(InFrames::new(Arc::clone(cache), 0)),
            None => Box::new(InOneGo::new(self.reader()?)),
        })
    }

    /// The tar stream from this position on; of an archive without known frames, all before it is unpacked and passed.
    ///
    /// # Errors
    ///
    /// As [`Container::stream`] and [`TarStream::skip`].
    pub fn stream_at(&self, position_bytes: u64) -> Result<Box<dyn TarStream + Send>> {
        let mut stream = self.stream()?;
        stream.skip(position_bytes)?;
        Ok(stream)
    }

    /// The tar stream from `start_bytes` on, of which all up to `end_bytes` will be read: then frames are unpacked ahead, by other threads.
    ///
    /// # Errors
    ///
    /// As [`Container::stream_at`].
    pub fn stream_between(&self, start_bytes: u64, end_bytes: u64) -> Result<Box<dyn TarStream + Send>> {
        match &self.frames {
            Some(cache) if start_bytes <= cache.frames().raw_bytes() => {
                Ok(Box::new(InFrames::new(Arc::clone(cache), start_bytes).up_to(end_bytes)))
            }
            _ => self.stream_at(start_bytes),
        }
    }

    /// All that the file holds, unpacked from the front to the end.
    pub(crate) fn reader(&self) -> Result<Box<dyn Read + Send>> {
        self.reader_of(Reader::new(Device::clone(&self.device)))
    }

    /// The same, with another reader of the same file.
    pub(crate) fn reader_of(&self, file: impl Read + Send + 'static) -> Result<Box<dyn Read + Send>> {
        let file = BufReader::with_capacity(READ_LEN, file);
        self.compression.reader(Box::new(file))
    }

    /// Gives a range of the tar stream to `take`, piece by piece, in order.
    ///
    /// # Errors
    ///
    /// When it can't be read or unpacked, when the stream ends before it, and what `take` fails with.
    pub fn copy(&self, range: ByteRange, take: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        copy(self.stream_at(range.start())?.as_mut(), range.len(), take)
    }
}

/// Gives the next `len_bytes` of a stream to `take`, piece by piece.
pub(crate) fn copy(
    stream: &mut dyn TarStream,
    len_bytes: u64,
    take: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let mut rest = len_bytes;
    let mut buffer = vec![0; usize::try_from(rest).unwrap_or(usize::MAX).min(READ_LEN)];
    while rest > 0 {
        let len = usize::try_from(rest).unwrap_or(usize::MAX).min(buffer.len());
        let len = stream.read(buffer.get_mut(..len).unwrap_or_default())?;
        if len == 0 {
            return Err(super::stream::cut_off(stream.position()));
        }
        take(buffer.get(..len).unwrap_or_default())?;
        rest = rest.saturating_sub(u64::try_from(len).unwrap_or(rest));
    }
    Ok(())
}
