//! One look at archives, images and devices: entries, paths, content.
//!
//! A place is what a person names: `disk.img`, `disk.img:p2/etc`, `/dev/vg0/web1:etc/fstab`, `backup.tar.zst:p2/etc/fstab`. Whatever it is, its
//! entries have the same names and the same fields: a partition is `p2/`, a device with one filesystem is its own root.

mod archive;
mod budget;
mod check;
mod data;
mod digest;
mod image;
mod issues;
mod item;
mod location;
mod name;

use crate::error::{Error, Issue, Kind, Result};
use crate::printable::Printable;
use crate::units::ByteRange;

pub use budget::{Budget, ENTRIES_BYTES_MOST};
pub use check::Check;
pub use data::Data;
pub use digest::{Contents, GoOn, Way};
pub use item::Item;
pub use location::{Location, Opened};
pub use name::{base_name, clean, depth_below, is_below, parent};

/// What takes entries, one by one; an error ends it.
pub type Each<'a> = dyn FnMut(Item) -> Result<()> + 'a;

/// What takes bytes, piece by piece; an error ends it.
pub type Take<'a> = dyn FnMut(&[u8]) -> Result<()> + 'a;

/// What takes data with their position in the file, piece by piece; an error ends it.
pub type TakeAt<'a> = dyn FnMut(u64, &[u8]) -> Result<()> + 'a;

/// What takes entries with their content; an error ends it.
pub type EachWith<'a> = dyn FnMut(Item, &mut dyn AtHand) -> Result<()> + 'a;

/// The content of the entry at which a place that is only read from front to back stands.
pub trait AtHand {
    /// Gives the data, each piece with its position in the file; of holes nothing. It can be asked for once.
    ///
    /// # Errors
    ///
    /// When the place can't be read, and what `take` fails with.
    fn read(&mut self, take: &mut TakeAt<'_>) -> Result<()>;

    /// Bytes of its data, without holes.
    fn data_bytes(&self) -> u64;
}

/// An archive, an image or a device that is open for looking into.
pub trait Place: Send + Sync {
    /// All entries below a path, which is [clean], and the entry of the path itself, in the order of the place. The empty path is the whole.
    ///
    /// # Errors
    ///
    /// When the place can't be read, and what `each` fails with. What costs single entries is an issue.
    fn walk(&self, below: &[u8], each: &mut Each<'_>) -> Result<()>;

    /// As [`Place::walk`], for commands that make files of the entries. None of them comes from an
    /// index alone. A manifest that contradicts its tar is an issue, and the tar counts.
    ///
    /// # Errors
    ///
    /// As [`Place::walk`].
    fn walk_proven(&self, below: &[u8], each: &mut Each<'_>) -> Result<()> {
        self.walk(below, each)
    }

    /// The entries in a directory, in no order.
    ///
    /// # Errors
    ///
    /// As [`Place::walk`].
    fn list(&self, directory: &[u8], each: &mut Each<'_>) -> Result<()>;

    /// The entry under a path, which is [clean]. Symbolic links on the way are followed, inside the partition; one at the
    /// end when `follow` says so.
    ///
    /// # Errors
    ///
    /// [`Kind::NotFound`] when there is nothing under this path; otherwise as [`Place::walk`].
    fn find(&self, path: &[u8], follow: bool) -> Result<Item>;

    /// Opens the content of a file; that of a further name is that of the first.
    ///
    /// # Errors
    ///
    /// [`Kind::Usage`] when it has no content; when it can't be read.
    fn open(&self, item: &Item) -> Result<Data>;

    /// Gives a range of a file's content, holes as zeros.
    ///
    /// # Errors
    ///
    /// As [`Place::open`], when it can't be read, and what `take` fails with.
    fn read(&self, item: &Item, range: ByteRange, take: &mut Take<'_>) -> Result<()> {
        self.open(item)?.read_all(range, take)
    }

    /// Whether it can only be read from front to back: then [`Place::open`] reads all that is before a file, each time, and whoever
    /// wants many of them asks [`Place::pour`].
    fn is_stream(&self) -> bool {
        false
    }

    /// All entries with their content, in the order of the place, in one pass.
    ///
    /// # Errors
    ///
    /// As [`Place::walk`].
    fn pour(&self, each: &mut EachWith<'_>) -> Result<()>;

    /// What could not be read so far.
    fn issues(&self) -> Vec<Issue>;
}

/// The error of a path under which there is nothing.
fn missing(path: &[u8]) -> Error {
    Error::new(Kind::NotFound, format!("there is no {}", Printable(path)))
}

/// The error of asking for content where there is none.
fn no_content(path: &[u8]) -> Error {
    Error::new(Kind::Usage, format!("{} is no regular file", Printable(path)))
}
