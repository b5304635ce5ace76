//! The tar stream of an archive as a reader of members sees it: bytes in order, and long ways that are only passed.

use std::io::{self, Read};
use std::sync::Arc;

use super::cache::Cache;
use crate::error::{Error, Result};
use crate::format::codec::Compression;

/// Bytes that are read at a time only to be passed.
const PASSED_LEN: usize = 256 << 10;

/// Bytes of a tar stream for which more than one thread is worth it.
const AHEAD_LEAST: u64 = 16 << 20;

/// Bytes of a tar stream, in order.
pub trait TarStream {
    /// Position in the tar stream, in bytes.
    fn position(&self) -> u64;

    /// Reads up to as many bytes as `buffer` holds; 0 at the end.
    ///
    /// # Errors
    ///
    /// When the archive can't be read or unpacked here.
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize>;

    /// Passes `len_bytes` bytes.
    ///
    /// # Errors
    ///
    /// As [`TarStream::read`], and [`crate::Kind::Corrupt`] when the stream ends before.
    fn skip(&mut self, len_bytes: u64) -> Result<()>;

    /// Fills `buffer`, or as much of it as there is before the end, and tells how much that is.
    ///
    /// # Errors
    ///
    /// As [`TarStream::read`].
    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let mut done = 0;
        while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match self.read(rest)? {
                0 => break,
                len => done = done.saturating_add(len),
            }
        }
        Ok(done)
    }

    /// Reads what is left, so that the checks that stand at the end of the file are made.
    ///
    /// # Errors
    ///
    /// As [`TarStream::read`], and [`crate::Kind::Corrupt`] when something stands behind the end of a tar
    /// whose frames are known: then a frame's length is wrong.
    fn finish(&mut self) -> Result<()>;
}

/// Bytes that are read at a time behind the end of the tar.
const BEHIND_LEN: usize = 64 << 10;

/// Reads a stream to its end. Gives the position of the first byte that is not zero.
pub(crate) fn drain(stream: &mut (impl TarStream + ?Sized)) -> Result<Option<u64>> {
    let (mut buffer, mut found) = (vec![0; BEHIND_LEN], None);
    loop {
        let at = stream.position();
        match stream.read(&mut buffer)? {
            0 => return Ok(found),
            len if found.is_none() => {
                let bytes = buffer.get(..len).unwrap_or_default();
                let bad = bytes.iter().position(|byte| *byte != 0);
                found = bad.map(|bad| at.saturating_add(u64::try_from(bad).unwrap_or(0)));
            }
            _ => {}
        }
    }
}

impl<S: TarStream + ?Sized> TarStream for Box<S> {
    fn position(&self) -> u64 {
        (**self).position()
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        (**self).read(buffer)
    }

    fn skip(&mut self, len_bytes: u64) -> Result<()> {
        (**self).skip(len_bytes)
    }

    fn finish(&mut self) -> Result<()> {
        (**self).finish()
    }
}

/// The error of a stream that ends too early.
pub(crate) fn cut_off(position: u64) -> Error {
    Error::corrupt("the archive ends in the middle: it is cut off").at_byte(position)
}

/// A stream out of frames that can be unpacked in any order: passing costs nothing.
pub(crate) struct InFrames {
    cache: Arc<Cache>,
    position: u64,
    /// The frame that was read last, and its number.
    held: Option<(usize, Arc<Vec<u8>>)>,
    /// The last frame that will be read, of a stream that is long, and up to which frame others were asked for.
    ahead: Option<(usize, usize)>,
}

impl InFrames {
    pub(super) fn new(cache: Arc<Cache>, position: u64) -> Self {
        Self { cache, position, held: None, ahead: None }
    }

    /// All up to `end` will be read: where that is long, frames are unpacked ahead, by other threads.
    pub(crate) fn up_to(mut self, end: u64) -> Self {
        let is_long = end.saturating_sub(self.position) >= AHEAD_LEAST;
        if is_long && self.cache.compression() != Compression::None {
            let last = self.cache.frames().at(end.saturating_sub(1));
            self.ahead = last.map(|(last, _)| (last, 0));
        }
        self
    }

    /// Bytes of the plain stream are those of the archive: no more are read than are asked for.
    fn read_plain(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let rest = self.cache.frames().raw_bytes().saturating_sub(self.position);
        let len = usize::try_from(rest).unwrap_or(usize::MAX).min(buffer.len());
        self.cache.device().read_at(self.position, buffer.get_mut(..len).unwrap_or_default())?;
        self.position = self.position.saturating_add(u64::try_from(len).unwrap_or(u64::MAX));
        Ok(len)
    }
}

impl TarStream for InFrames {
    fn position(&self) -> u64 {
        self.position
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        if self.cache.compression() == Compression::None {
            return self.read_plain(buffer);
        }
        let Some((index, span)) = self.cache.frames().at(self.position) else { return Ok(0) };
        let raw = match &self.held {
            Some((held, raw)) if *held == index => Arc::clone(raw),
            _ => {
                // Let go first: its buffer may be the one that is used again.
                self.held = None;
                if let Some((last, asked)) = &mut self.ahead {
                    *asked = self.cache.ahead(index, *asked, *last);
                }
                let raw = self.cache.get(index, span)?;
                self.held = Some((index, Arc::clone(&raw)));
                raw
            }
        };
        let from = usize::try_from(self.position.saturating_sub(span.raw.start())).unwrap_or(usize::MAX);
        let rest = raw.get(from..).unwrap_or_default();
        let len = rest.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..len), rest.get(..len)) {
            to.copy_from_slice(from);
        }
        self.position = self.position.saturating_add(u64::try_from(len).unwrap_or(u64::MAX));
        Ok(len)
    }

    fn skip(&mut self, len_bytes: u64) -> Result<()> {
        let to = self.position.saturating_add(len_bytes);
        let end = self.cache.frames().raw_bytes();
        if to > end {
            return Err(cut_off(end));
        }
        self.position = to;
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        // A plain tar has no checks at its end, and tars ignore what follows it.
        if self.cache.compression() == Compression::None {
            return Ok(());
        }
        match drain(self)? {
            None => Ok(()),
            Some(at) => {
                let message =
                    "there is something behind the end of the tar: a length in the table of frames is wrong";
                Err(Error::corrupt(message).at_byte(at))
            }
        }
    }
}

/// A stream that can only be read from front to back.
pub(crate) struct InOneGo {
    reader: Box<dyn Read + Send>,
    position: u64,
    passed: Vec<u8>,
}

impl InOneGo {
    pub(crate) fn new(reader: Box<dyn Read + Send>) -> Self {
        Self { reader, position: 0, passed: Vec::new() }
    }
}

impl TarStream for InOneGo {
    fn position(&self) -> u64 {
        self.position
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let len = loop {
            match self.reader.read(buffer) {
                Ok(len) => break len,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    let error = Error::through_reader(error, "can't be unpacked here");
                    return Err(error.at_byte(self.position));
                }
            }
        };
        self.position = self.position.saturating_add(u64::try_from(len).unwrap_or(u64::MAX));
        Ok(len)
    }

    fn skip(&mut self, mut len_bytes: u64) -> Result<()> {
        let mut passed = std::mem::take(&mut self.passed);
        passed.resize(PASSED_LEN, 0);
        while len_bytes > 0 {
            let len = usize::try_from(len_bytes).unwrap_or(usize::MAX).min(PASSED_LEN);
            match self.read(passed.get_mut(..len).unwrap_or_default())? {
                0 => return Err(cut_off(self.position)),
                len => len_bytes = len_bytes.saturating_sub(u64::try_from(len).unwrap_or(len_bytes)),
            }
        }
        self.passed = passed;
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        // Tars ignore what follows their end; the checksum of the stream stands behind it.
        drain(self).map(drop)
    }
}
