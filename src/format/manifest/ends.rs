//! Both ends of a manifest: what an archive is of, and what came of it, without a look at its entries.
//!
//! The first frame has the head, the last one the tail, and the table at the file's end says where that is: a manifest of a
//! million entries is asked as fast as one of ten. Whoever can write to the disk that it lies on may have made it, so
//! lengths are checked, memory is bounded, and texts that would steer a terminal are refused.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{FileType, fstat};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use zstd::stream::read::Decoder;

use super::FORMAT;
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
    pub head: Head,
    /// The last record; `None` where the manifest ends early: it is not whole.
    pub tail: Option<Tail>,
}

/// The first record: what the archive is of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Head {
    record: String,
    /// Version of the manifest's form.
    pub format: u32,
    /// What made the archive.
    pub tool: String,
    /// When, in seconds since 1970.
    pub started: i64,
    /// What it was made of.
    pub source: Source,
    /// The volume that the source is a snapshot of, `GROUP/VOLUME`; `None` where it is none, or that was not told.
    #[serde(default)]
    pub snapshot_of: Option<String>,
    /// Name of the host that the source was read on; `None` where that was not told.
    #[serde(default)]
    pub host: Option<String>,
    /// How it is compressed: `zstd`.
    pub compression: String,
    /// Which digest it has: `sha1`.
    pub digest: String,
}

/// What an archive was made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Path of the device or image, made safe to show.
    pub path: String,
    /// Its length in bytes.
    pub len_bytes: u64,
}

/// The last record: what came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tail {
    record: String,
    /// Whether all of the source is in the archive.
    pub complete: bool,
    /// Entries by type; `link` for further names.
    #[serde(deserialize_with = "crate::format::manifest::capped::counts")]
    pub entries: BTreeMap<String, u64>,
    /// Number of issues.
    pub issues: u64,
    /// Bytes of files.
    pub data_bytes: u64,
    /// Bytes of tar.
    pub stream_bytes: u64,
    /// Bytes of the archive; 0 in a manifest that is in the archive itself.
    #[serde(default)]
    pub archive_bytes: u64,
    /// Position of the embedded manifest's header in the tar stream.
    #[serde(default)]
    pub manifest_at: Option<u64>,
    /// Bytes that were read from the source.
    pub bytes_read: u64,
    /// When it was done, in seconds since 1970; `None` where that was not told.
    #[serde(default)]
    pub finished: Option<i64>,
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
    let head: Head = record("head", &first_line(file)?)?;
    if head.format > FORMAT {
        let message = format!("has the form {}, and {FORMAT} is the newest that is known here", head.format);
        return Err(Error::new(Kind::Unsupported, message));
    }
    let tail = match last_frame(file.len_bytes(), |at, bytes| file.read_at(at, bytes))? {
        Some(frame) => last_line(file, frame)?.and_then(|line| tail(&line).transpose()).transpose()?,
        None => None,
    };
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
        let Head { tool, source, snapshot_of, host, compression, digest, .. } = &self.head;
        [tool, &source.path, compression, digest].into_iter().try_for_each(harmless)?;
        [snapshot_of, host].into_iter().flatten().try_for_each(harmless)?;
        let Some(tail) = &self.tail else { return Ok(()) };
        if tail.entries.len() > MOST_TYPES {
            return Err(Error::corrupt(format!("the tail has more than {MOST_TYPES} types of entries")));
        }
        tail.entries.keys().try_for_each(harmless)
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

/// The last line of a frame; `None` where it ends in the middle of one. What is before is passed over, and not kept.
fn last_line(file: &Device, frame: LastFrame) -> Result<Option<Vec<u8>>> {
    let LastFrame { start_bytes, lengths } = frame;
    if lengths.raw > MOST_LAST_FRAME_BYTES {
        let message = format!("the last frame has {} bytes, at most {MOST_LAST_FRAME_BYTES}", lengths.raw);
        return Err(Error::new(Kind::Limit, message));
    }
    let mut left = u64::from(lengths.raw);
    let mut reader = decoder(file, ByteRange::new(start_bytes, lengths.packed.into()))?;
    let mut last = None;
    let mut line = Vec::new();
    loop {
        line.clear();
        let most = MOST_RECORD_BYTES.min(left);
        let read = reader.by_ref().take(most).read_until(b'\n', &mut line).map_err(unreadable)?;
        left = left.saturating_sub(u64::try_from(read).unwrap_or(u64::MAX));
        if line.ends_with(b"\n") {
            last = Some(std::mem::take(&mut line));
        } else if read == 0 {
            break;
        } else {
            // Too long for a tail, or the end.
            last = None;
            let skipped = reader.by_ref().take(left).skip_until(b'\n').map_err(unreadable)?;
            left = left.saturating_sub(u64::try_from(skipped).unwrap_or(u64::MAX));
        }
    }
    let is_at_end = left == 0 && reader.fill_buf().map_err(unreadable)?.is_empty();
    if !is_at_end {
        return Err(Error::corrupt("the last frame is not as long as the table of frames says"));
    }
    Ok(last)
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

/// A record of this name.
fn record<T: DeserializeOwned>(name: &str, line: &[u8]) -> Result<T> {
    let found = name_of(line)?;
    if found != name {
        let found = Printable(found.as_bytes()).to_string();
        return Err(Error::corrupt(format!("a record `{found}` stands where `{name}` belongs")));
    }
    serde_json::from_slice(line).map_err(|source| Error::corrupt(format!("the record `{name}`: {source}")))
}

/// The tail, if the line is one: a manifest may end after its entries, when its writer did.
fn tail(line: &[u8]) -> Result<Option<Tail>> {
    if name_of(line)? == "tail" { record("tail", line).map(Some) } else { Ok(None) }
}

fn name_of(line: &[u8]) -> Result<String> {
    #[derive(Deserialize)]
    struct Name {
        record: String,
    }
    let name: Name =
        serde_json::from_slice(line).map_err(|source| Error::corrupt(format!("is no record: {source}")))?;
    Ok(name.record)
}

/// Checks that a text is safe to show, as the program makes them all.
fn harmless(text: &String) -> Result<()> {
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
