//! Both ends of a manifest: what an archive is of, and what came of it, without a look at its entries.
//!
//! The first frame has the head, the last one the tail, and the table at the file's end says where that is: a manifest of a
//! million entries is asked as fast as one of ten. Whoever can write to the disk that it lies on may have made it, so
//! lengths are checked, memory is bounded, and texts that would steer a terminal are refused.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{FileType, fstat};
use serde::{Deserialize, Serialize};
use zstd::stream::read::Decoder;

use super::{Brief, ENTRY_START, Head, Record, Tail, head_of, parse};
use crate::device::{self, Device, Window};
use crate::error::{Error, Kind, Result};
use crate::format::codec::{LastFrame, last_frame};
use crate::printable::Printable;
use crate::units::ByteRange;

/// Longest head or tail in bytes. A head has all patterns of exclusion, a tail a few numbers.
const MOST_RECORD_BYTES: u64 = 16 << 20;
/// Longest last frame in bytes, before compression: the lengths of the frames of a 100 TiB archive.
const MOST_LAST_FRAME_BYTES: u32 = 256 << 20;
/// Memory that a frame may ask for, as a power of two: twice what the writer's level uses.
const MOST_WINDOW_LOG: u32 = 22;

/// Longest text: a path, escaped.
const MOST_TEXT_BYTES: usize = 64 << 10;
/// Types of entries at most; there are ten.
const MOST_TYPES: usize = 64;

/// Both ends of a manifest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ends {
    /// The first record.
    pub head: Brief,
    /// The last record; `None` where the manifest ends early: it is not whole.
    pub tail: Option<Tail>,
}

/// The records at the two ends of a manifest, as far as they were found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub head: Option<Box<Head>>,
    /// Bytes of the tar stream in each frame but the last, and of each in the archive.
    pub frames: Option<(u64, Vec<u64>)>,
    pub tail: Option<Box<Tail>>,
}

impl Found {
    pub(crate) fn take(&mut self, record: Record) {
        match record {
            Record::Head(head) => self.head = Some(head),
            Record::Frames { frame_bytes, packed } => self.frames = Some((frame_bytes, packed)),
            Record::Tail(tail) => self.tail = Some(tail),
            _ => {}
        }
    }
}

/// Reads both ends of the manifest at `path`.
///
/// # Errors
///
/// [`Kind::Source`] when it can't be opened, with the system's error ([`Error::io`]), which says whether there is such a file;
/// [`Kind::Corrupt`] when it is no manifest or damaged, [`Kind::Unsupported`] when it is of a newer form.
pub fn ends(path: &Path) -> Result<Ends> {
    read(path).map_err(|error| error.on(path))
}

fn read(path: &Path) -> Result<Ends> {
    let unusable = |source| Error::new(Kind::Source, source);
    // A pipe of this name would keep who opens it waiting.
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path).map_err(unusable)?;
    ends_of(file)
}

/// Reads both ends of a manifest that is open. No path is looked at.
///
/// # Errors
///
/// As [`ends`].
pub fn ends_of(file: File) -> Result<Ends> {
    ends_of_device(&regular(file)?)
}

/// A regular file that is open, as a device.
pub(crate) fn regular(file: File) -> Result<Device> {
    let stat = fstat(&file).map_err(|errno| Error::new(Kind::Read, io::Error::from(errno)))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(Error::corrupt("is no regular file"));
    }
    Ok(device::of_file(file, u64::try_from(stat.st_size).unwrap_or(0)))
}

/// Reads both ends of a manifest, wherever it is.
pub(crate) fn ends_of_device(file: &Device) -> Result<Ends> {
    let head = head_of(&first_line(file)?)?;
    let tail = last(file, MOST_RECORD_BYTES)?.tail.map(|tail| *tail);
    let ends = Ends { head, tail };
    ends.check()?;
    Ok(ends)
}

impl Ends {
    /// Checks that every text is safe to show and short, as the program makes them all.
    ///
    /// # Errors
    ///
    /// [`Kind::Corrupt`] when one is not.
    pub fn check(&self) -> Result<()> {
        let Head { tool, source, snapshot_of, host, compression, digest, file_digest, .. } = &self.head;
        let texts = [tool, &source.path, compression, digest, file_digest];
        texts.into_iter().map(String::as_str).try_for_each(harmless)?;
        [snapshot_of, host].into_iter().flatten().map(String::as_str).try_for_each(harmless)?;
        let Some(tail) = &self.tail else { return Ok(()) };
        if tail.entries.len() > MOST_TYPES {
            return Err(Error::corrupt(format!("the tail has more than {MOST_TYPES} types of entries")));
        }
        let digest = tail.digest().map(|(_, hex)| hex);
        tail.entries.keys().map(String::as_str).chain(digest).try_for_each(harmless)
    }
}

/// The first line of the first frame.
fn first_line(file: &Device) -> Result<Vec<u8>> {
    let mut line = Vec::new();
    let mut reader = decoder(file, ByteRange::new(0, file.len_bytes()))?;
    let read = reader.by_ref().take(MOST_RECORD_BYTES).read_until(b'\n', &mut line);
    read.map_err(unreadable)?;
    if !line.ends_with(b"\n") {
        return Err(Error::corrupt("the first line does not end, or is longer than any head"));
    }
    // The checksum stands behind the last byte.
    reader.fill_buf().map_err(unreadable)?;
    Ok(line)
}

/// Reads the records of the last frame, if the file has a table of frames. Lines that are longer
/// than `most` bytes are passed over. The tail counts only as the last line, with its newline.
pub(crate) fn last(file: &Device, most: u64) -> Result<Found> {
    let mut found = Found::default();
    let Some(frame) = last_frame(file.len_bytes(), |at, bytes| file.read_at(at, bytes))? else {
        return Ok(found);
    };
    let LastFrame { start_bytes, lengths } = frame;
    if lengths.raw > MOST_LAST_FRAME_BYTES {
        let message = format!("the last frame has {} bytes, at most {MOST_LAST_FRAME_BYTES}", lengths.raw);
        return Err(Error::new(Kind::Limit, message));
    }
    let mut left = u64::from(lengths.raw);
    let mut reader = decoder(file, ByteRange::new(start_bytes, lengths.packed.into()))?;
    let mut line = Vec::new();
    let mut is_whole = false;
    loop {
        if is_whole && !line.starts_with(ENTRY_START) && left > 0 {
            // One that can't be understood costs nothing but itself.
            parse(&line).into_iter().for_each(|record| found.take(record));
        }
        if left == 0 {
            break;
        }
        line.clear();
        let read = reader.by_ref().take(most.min(left)).read_until(b'\n', &mut line).map_err(unreadable)?;
        left = left.saturating_sub(u64::try_from(read).unwrap_or(u64::MAX));
        is_whole = line.ends_with(b"\n");
        if read == 0 {
            break;
        }
        if !is_whole {
            // Too long for a tail, or the end.
            let skipped = reader.by_ref().take(left).skip_until(b'\n').map_err(unreadable)?;
            left = left.saturating_sub(u64::try_from(skipped).unwrap_or(u64::MAX));
        }
    }
    let is_at_end = left == 0 && reader.fill_buf().map_err(unreadable)?.is_empty();
    if !is_at_end {
        return Err(Error::corrupt("the last frame is not as long as the table of frames says"));
    }
    found.tail = None;
    if is_whole {
        // A manifest may end after its entries, when its writer did.
        found.take(parse(&line)?);
    }
    Ok(found)
}

/// The bytes of the frame that begins this range, unpacked.
fn decoder(file: &Device, range: Option<ByteRange>) -> Result<impl BufRead + use<>> {
    let window = Window::new(Device::clone(file), range.unwrap_or(ByteRange::EMPTY))?;
    let reader = device::Reader::new(Arc::new(window));
    let mut decoder = Decoder::new(reader).map_err(unreadable)?.single_frame();
    decoder.window_log_max(MOST_WINDOW_LOG).map_err(unreadable)?;
    Ok(BufReader::new(decoder))
}

/// An error of the device, or bytes that don't unpack.
fn unreadable(source: io::Error) -> Error {
    Error::through_reader(source, "can't be unpacked")
}

/// Checks that a text is safe to show, as the program makes them all.
fn harmless(text: &str) -> Result<()> {
    if text.len() > MOST_TEXT_BYTES {
        let len = text.len();
        return Err(Error::corrupt(format!("a text has {len} bytes, at most {MOST_TEXT_BYTES}")));
    }
    let shown = Printable(text.as_bytes()).to_string();
    if shown == text.replace('\\', r"\\") {
        return Ok(());
    }
    Err(Error::corrupt(format!("a text has characters that no manifest has: {shown}")))
}

#[cfg(test)]
mod tests;
