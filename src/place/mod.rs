//! One look at archives, images and devices: entries, paths, content.
//!
//! A place is what a person names: `disk.img`, `disk.img:p2/etc`, `/dev/vg0/web1:etc/fstab`, `backup.tar.zst:p2/etc/fstab`. Whatever it is, its
//! entries have the same names and the same fields: a partition is `p2/`, a device with one filesystem is its own root.

mod archive;
mod image;
mod issues;
mod item;
mod location;
mod name;

use crate::error::{Error, Kind, Result};
use crate::printable::Printable;
use crate::units::ByteRange;

pub use item::{Item, ItemKind};
pub use location::{Location, Opened};
pub use name::{base_name, clean, depth_below, is_below, parent};

/// What takes entries, one by one; an error ends it.
pub type Each<'a> = dyn FnMut(Item) -> Result<()> + 'a;

/// What takes bytes, piece by piece; an error ends it.
pub type Take<'a> = dyn FnMut(&[u8]) -> Result<()> + 'a;

/// An archive, an image or a device that is open for looking into.
pub trait Place: Send + Sync {
    /// All entries below a path, which is [clean], and the entry of the path itself, in the order of the place. The empty path is the whole.
    ///
    /// # Errors
    ///
    /// When the place can't be read, and what `each` fails with. What costs single entries is an issue.
    fn walk(&self, below: &[u8], each: &mut Each<'_>) -> Result<()>;

    /// The entries in a directory, in no order.
    ///
    /// # Errors
    ///
    /// As [`Place::walk`].
    fn list(&self, directory: &[u8]) -> Result<Vec<Item>>;

    /// The entry under a path, which is [clean]. Symbolic links on the way are followed, inside the partition; one at the
    /// end when `follow` says so.
    ///
    /// # Errors
    ///
    /// [`Kind::Source`] when there is nothing under this path; otherwise as [`Place::walk`].
    fn find(&self, path: &[u8], follow: bool) -> Result<Item>;

    /// Gives a range of a file's content, holes as zeros.
    ///
    /// # Errors
    ///
    /// [`Kind::Usage`] when it has no content; when it can't be read, and what `take` fails with.
    fn read(&self, item: &Item, range: ByteRange, take: &mut Take<'_>) -> Result<()>;

    /// What could not be read so far.
    fn issues(&self) -> Vec<String>;
}

/// The error of a path under which there is nothing.
fn missing(path: &[u8]) -> Error {
    Error::new(Kind::Source, format!("there is no {}", Printable(path)))
}

/// The error of asking for content where there is none.
fn no_content(path: &[u8]) -> Error {
    Error::new(Kind::Usage, format!("{} is no regular file", Printable(path)))
}

/// Gives `len_bytes` zeros.
fn zeros(len_bytes: u64, take: &mut Take<'_>) -> Result<()> {
    const ZEROS: &[u8] = &[0; 64 << 10];
    let mut rest = len_bytes;
    while rest > 0 {
        let len = usize::try_from(rest).unwrap_or(usize::MAX).min(ZEROS.len());
        take(ZEROS.get(..len).unwrap_or_default())?;
        rest = rest.saturating_sub(u64::try_from(len).unwrap_or(rest));
    }
    Ok(())
}

/// A piece of a range of a file: a hole, or data by their position among the runs of data.
enum Part {
    Hole(u64),
    /// Which run, position in it, and length.
    Data(usize, u64, u64),
}

/// Takes a range of a file with these runs of data apart.
fn parts(runs: &[(u64, u64)], size: u64, range: ByteRange) -> Vec<Part> {
    let end = range.end().min(size);
    let (mut parts, mut at) = (Vec::new(), range.start());
    for (index, (start, len)) in runs.iter().enumerate() {
        let run_end = start.saturating_add(*len).min(end);
        if run_end <= at {
            continue;
        }
        if *start >= end {
            break;
        }
        if *start > at {
            parts.push(Part::Hole(start.saturating_sub(at)));
            at = *start;
        }
        parts.push(Part::Data(index, at.saturating_sub(*start), run_end.saturating_sub(at)));
        at = run_end;
    }
    if at < end {
        parts.push(Part::Hole(end.saturating_sub(at)));
    }
    parts
}
