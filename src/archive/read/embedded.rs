//! The manifest in an archive: where it is, and its bytes as a device.
//!
//! It is found from the end. Behind it there are zeros alone, and it ends with the table of its own
//! frames, which says how long it is. The header before it must agree.

use std::fmt;
use std::fs::File;

use super::container::Container;
use super::members::{self, BLOCK_LEN, Plain};
use crate::device::{Device, ReadAt, Window, read_vec};
use crate::error::{Error, Kind, Result};
use crate::format::codec::{Compression, whole_bytes};
use crate::format::manifest::inside::is_member;
use crate::format::manifest::{self, Ends};
use crate::units::ByteRange;

/// Bytes at the end of a tar in which something must not be zero. There are two blocks of zeros,
/// and others fill them up to a record.
const END_BYTES: u64 = 64 << 10;

const BLOCK: u64 = 512;

/// A manifest in an archive.
pub(super) struct Embedded {
    /// Position of its header in the tar stream.
    pub header: u64,
    /// Its content.
    pub content: Device,
}

/// Finds the manifest in an archive. `None` when it holds no manifest, or can only be read from
/// front to back.
///
/// # Errors
///
/// When the end of the archive can't be read.
pub(super) fn find(packed: &Container) -> Result<Option<Embedded>> {
    let Some(frames) = packed.frames() else { return Ok(None) };
    let stream = ByteRange::new(0, frames.raw_bytes()).unwrap_or(ByteRange::EMPTY);
    let Some(whole) = section(packed, stream) else { return Ok(None) };
    let len = stream.len().min(END_BYTES);
    let start = stream.len().saturating_sub(len);
    let last = read_vec(whole.as_ref(), start, usize::try_from(len).unwrap_or(0))?;
    let Some(last) = last.iter().rposition(|byte| *byte != 0) else { return Ok(None) };
    let last = u64::try_from(last).unwrap_or(0);
    let end = start.saturating_add(last).saturating_add(1);
    let Some(before) = section(packed, ByteRange::new(0, end).unwrap_or(ByteRange::EMPTY)) else {
        return Ok(None);
    };
    // Most archives end with something else, whatever that looks like.
    let Ok(Some(len)) = whole_bytes(before.as_ref()) else { return Ok(None) };
    let Some(data) = end.checked_sub(len) else { return Ok(None) };
    let Some(header_at) = data.checked_sub(BLOCK).filter(|at| at.is_multiple_of(BLOCK)) else {
        return Ok(None);
    };
    let header = read_vec(before.as_ref(), header_at, BLOCK_LEN)?;
    let is_its_header =
        members::plain(&header).is_some_and(|Plain { name, size }| size == len && is_member(&name));
    let content = ByteRange::new(data, len).and_then(|range| section(packed, range));
    Ok(content.filter(|_| is_its_header).map(|content| Embedded { header: header_at, content }))
}

/// Reads both ends of the manifest in an archive that is open, which must be that of this archive.
/// No path is looked at. Its tail gets the bytes that the archive has.
///
/// # Errors
///
/// [`Kind::NotFound`] when there is none; otherwise as [`manifest::ends`].
pub fn ends_inside(archive: File) -> Result<Ends> {
    let device = manifest::regular(archive)?;
    let len_bytes = device.len_bytes();
    let Some(found) = find(&Container::open(device)?)? else {
        return Err(Error::new(Kind::NotFound, "has no manifest in it"));
    };
    let mut ends = manifest::ends_of_device(&found.content)?;
    // Another manifest may have been put there.
    ends.tail = ends.tail.filter(|tail| tail.manifest_at == Some(found.header));
    if let Some(tail) = &mut ends.tail {
        tail.archive_bytes = len_bytes;
    }
    Ok(ends)
}

/// A range of the tar stream as a device.
fn section(packed: &Container, range: ByteRange) -> Option<Device> {
    if packed.compression() == Compression::None {
        let window = Window::new(Device::clone(packed.device()), range).ok()?;
        return Some(std::sync::Arc::new(window));
    }
    Some(std::sync::Arc::new(Section { packed: packed.clone(), range }))
}

/// A range of a tar stream whose frames are known.
struct Section {
    packed: Container,
    range: ByteRange,
}

impl fmt::Debug for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bytes {} to {} of a tar", self.range.start(), self.range.end())
    }
}

impl ReadAt for Section {
    fn len_bytes(&self) -> u64 {
        self.range.len()
    }

    fn read_at(&self, offset_bytes: u64, buffer: &mut [u8]) -> Result<()> {
        let len = u64::try_from(buffer.len()).unwrap_or(u64::MAX);
        let is_within = offset_bytes.checked_add(len).is_some_and(|end| end <= self.range.len());
        let at = self.range.start().saturating_add(offset_bytes);
        let mut stream = self.packed.stream_at(at)?;
        if !is_within || stream.fill(buffer)? < buffer.len() {
            return Err(Error::corrupt("the manifest in the archive ends before its end").at_byte(at));
        }
        Ok(())
    }
}
