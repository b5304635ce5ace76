//! The tar stream of an archive as a reader of members sees it: bytes in order, and long ways that are only passed.

use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};

use super::frames::{Frames, Span};
use super::unpack::Unpacker;
use crate::archive::codec::Compression;
use crate::device::Device;
use crate::error::{Error, Kind, Result};

/// Bytes that are read at a time only to be passed.
const PASSED_LEN: usize = 256 << 10;

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
    /// As [`TarStream::read`], and [`Kind::Corrupt`] when the stream ends before.
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
}

/// The error of a stream that ends too early.
pub(super) fn cut_off(position: u64) -> Error {
    Error::corrupt("the archive ends in the middle: it is cut off").at_byte(position)
}

/// What reading frames takes: buffers, an unpacker, and the frame that was unpacked last.
struct Desk {
    /// Number of the frame in `raw`.
    held: Option<usize>,
    packed: Vec<u8>,
    raw: Vec<u8>,
    unpacker: Unpacker,
}

impl Desk {
    fn new(compression: Compression) -> Result<Self> {
        Ok(Self { held: None, packed: Vec::new(), raw: Vec::new(), unpacker: Unpacker::new(compression)? })
    }
}

/// Where one stream over an archive leaves its desk for the next: files that are read one after the other, each by a stream of its own, mostly
/// lie in the same frame, which is unpacked once.
#[derive(Clone, Default)]
pub(super) struct Parking(Arc<Mutex<Option<Desk>>>);

impl std::fmt::Debug for Parking {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Parking")
    }
}

impl Parking {
    fn take(&self) -> Option<Desk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn leave(&self, desk: Desk) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(desk);
    }
}

/// A stream out of frames that can be unpacked in any order: passing costs nothing.
pub(super) struct InFrames {
    device: Device,
    compression: Compression,
    frames: Arc<Frames>,
    position: u64,
    /// None before the first frame is unpacked.
    desk: Option<Desk>,
    parking: Parking,
}

impl Drop for InFrames {
    fn drop(&mut self) {
        if let Some(desk) = self.desk.take() {
            self.parking.leave(desk);
        }
    }
}

impl InFrames {
    pub(super) fn new(
        device: Device,
        compression: Compression,
        frames: Arc<Frames>,
        position: u64,
        parking: Parking,
    ) -> Self {
        Self { device, compression, frames, position, desk: None, parking }
    }

    /// The desk with this frame on it.
    fn unpacked(&mut self, index: usize, span: Span) -> Result<&Desk> {
        let desk = match self.desk.take().or_else(|| self.parking.take()) {
            Some(desk) => desk,
            None => Desk::new(self.compression)?,
        };
        let desk = self.desk.insert(desk);
        if desk.held != Some(index) {
            desk.held = None;
            let len = |len: u64| usize::try_from(len).unwrap_or(usize::MAX);
            desk.packed.resize(len(span.packed.len()), 0);
            self.device.read_at(span.packed.start(), &mut desk.packed)?;
            desk.unpacker
                .unpack(&desk.packed, &mut desk.raw, len(span.raw.len()))
                .map_err(|error| error.at_byte(span.packed.start()))?;
            desk.held = Some(index);
        }
        Ok(desk)
    }

    /// Bytes of the plain stream are those of the archive: no more are read than are asked for.
    fn read_plain(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let rest = self.frames.raw_bytes().saturating_sub(self.position);
        let len = usize::try_from(rest).unwrap_or(usize::MAX).min(buffer.len());
        self.device.read_at(self.position, buffer.get_mut(..len).unwrap_or_default())?;
        self.position = self.position.saturating_add(u64::try_from(len).unwrap_or(u64::MAX));
        Ok(len)
    }
}

impl TarStream for InFrames {
    fn position(&self) -> u64 {
        self.position
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        if self.compression == Compression::None {
            return self.read_plain(buffer);
        }
        let Some((index, span)) = self.frames.at(self.position) else { return Ok(0) };
        let from = usize::try_from(self.position.saturating_sub(span.raw.start())).unwrap_or(usize::MAX);
        let rest = self.unpacked(index, span)?.raw.get(from..).unwrap_or_default();
        let len = rest.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..len), rest.get(..len)) {
            to.copy_from_slice(from);
        }
        self.position = self.position.saturating_add(u64::try_from(len).unwrap_or(u64::MAX));
        Ok(len)
    }

    fn skip(&mut self, len_bytes: u64) -> Result<()> {
        let to = self.position.saturating_add(len_bytes);
        if to > self.frames.raw_bytes() {
            return Err(cut_off(self.frames.raw_bytes()));
        }
        self.position = to;
        Ok(())
    }
}

/// A stream that can only be read from front to back.
pub(super) struct InOneGo {
    reader: Box<dyn Read + Send>,
    position: u64,
    passed: Vec<u8>,
}

impl InOneGo {
    pub(super) fn new(reader: Box<dyn Read + Send>) -> Self {
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
                Err(error) => return Err(stream_error(error).at_byte(self.position)),
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
}

/// What a decoder says: the device's own errors come through it as they are.
fn stream_error(error: io::Error) -> Error {
    match error.downcast::<Error>() {
        Ok(error) => error,
        Err(error) => Error::corrupt(format!("can't be unpacked here: {error}")),
    }
}

/// A device as a reader, from the front.
pub(super) struct FromDevice {
    device: Device,
    position: u64,
    /// Where it ends.
    end: u64,
}

impl FromDevice {
    pub(super) fn new(device: Device) -> Self {
        let end = device.len_bytes();
        Self { device, position: 0, end }
    }
}

impl Read for FromDevice {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = self.end.saturating_sub(self.position);
        let len = usize::try_from(rest).unwrap_or(usize::MAX).min(buffer.len());
        let part = buffer.get_mut(..len).unwrap_or_default();
        self.device.read_at(self.position, part).map_err(|error| match error.kind() {
            Kind::Read => io::Error::other(error),
            _ => io::Error::new(io::ErrorKind::UnexpectedEof, error),
        })?;
        self.position = self.position.saturating_add(u64::try_from(len).unwrap_or(u64::MAX));
        Ok(len)
    }
}
