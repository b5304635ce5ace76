//! Filesystems: inodes, their content by position on the device, and nothing about tar or this host.
//!
//! A filesystem is one folder here, and one row in the table `READERS`.

pub mod ext;
mod listing;
mod probe;
mod types;
mod xfs;

use serde::Serialize;

use crate::device::{Device, ReadAt};
use crate::error::{Error, Kind, Result, Salvaged};

pub use listing::{DirectoryEntry, Listing};
pub use probe::{Contents, Signature};
pub use types::{Attribute, Content, Extent, FileKind, Flags, Inode, InodeNumber, Summary, Timestamp};

/// A filesystem that is open for reading, from any number of threads at once.
pub trait Filesystem: Send + Sync {
    /// What the filesystem says of itself.
    fn summary(&self) -> &Summary;

    /// What was wrong, but not fatal, when it was opened: nothing of it is lost silently.
    fn faults(&self) -> &[Error];

    /// Where the positions in [`Extent`]s count from: the partition as this filesystem sees it.
    fn device(&self) -> &Device;

    /// Most names that can be on it: its length divided by the shortest name's bytes.
    fn most_names(&self) -> u64;

    /// The inode of the root directory.
    fn root(&self) -> InodeNumber;

    /// The inode with this number.
    ///
    /// # Errors
    ///
    /// When there is none in use with this number, or it can't be read.
    fn inode(&self, number: InodeNumber) -> Result<Inode>;

    /// The entries of a directory, without `.` and `..`, in the order in which they lie there.
    ///
    /// # Errors
    ///
    /// When nothing of it can be read; what can't be read of a part is in the faults.
    fn directory(&self, inode: &Inode) -> Result<Salvaged<Listing>>;

    /// Where a regular file's bytes are.
    ///
    /// # Errors
    ///
    /// When its map of blocks can't be trusted.
    fn content(&self, inode: &Inode) -> Result<Content>;

    /// The target of a symbolic link, at most 4095 bytes.
    ///
    /// # Errors
    ///
    /// When it can't be read.
    fn link_target(&self, inode: &Inode) -> Result<Vec<u8>>;

    /// The extended attributes, sorted by name, with the values that getxattr(2) gives.
    ///
    /// # Errors
    ///
    /// When none of them can be read; what can't be read of a part is in the faults.
    fn attributes(&self, inode: &Inode) -> Result<Salvaged<Vec<Attribute>>>;
}

/// The settings that make the same filesystem again, for each reader that knows them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Geometry {
    /// ext2, ext3, ext4.
    Ext(Box<ext::Geometry>),
}

/// Opens a filesystem, with the device that its journal is on where that is another one.
type Open = fn(Device, Option<Device>) -> Result<Box<dyn Filesystem>>;

/// Looks for a copy of a superblock, on a device on which nothing else says anything.
type FindCopy = fn(&dyn ReadAt) -> Option<Signature>;

/// One reader of filesystems.
struct Reader {
    /// The names that the probe gives to what it reads.
    names: &'static [&'static str],
    open: Open,
    find_copy: FindCopy,
}

/// The readers, a row each.
const READERS: [Reader; 2] = [
    Reader { names: &["ext2", "ext3", "ext4"], open: ext::open, find_copy: ext::signature_of_copy },
    Reader { names: &["xfs"], open: xfs::open, find_copy: xfs::signature_of_copy },
];

fn reader(name: &str) -> Option<&'static Reader> {
    READERS.iter().find(|reader| reader.names.contains(&name))
}

/// Whether a filesystem of this name can be read here.
#[must_use]
pub fn is_readable(name: &str) -> bool {
    reader(name).is_some()
}

/// Opens the filesystem that [`probe()`] found on the device. `journal` is the device that its journal is on, where that
/// is another one.
///
/// # Errors
///
/// [`Kind::Unsupported`] for one that has no reader here; otherwise as the reader says.
pub fn open(device: Device, name: &str, journal: Option<Device>) -> Result<Box<dyn Filesystem>> {
    match reader(name) {
        Some(reader) => (reader.open)(device, journal),
        None => Err(Error::new(Kind::Unsupported, format!("{name} can't be read yet"))),
    }
}

/// Tells what a device holds, by reading a few of its sectors. Where the first of them are
/// destroyed, a copy of a superblock may tell, if it still leads to the root directory: copies
/// outlast a filesystem by years.
///
/// # Errors
///
/// When the device can't be read.
pub fn probe(device: &Device) -> Result<Contents> {
    match probe::probe(device.as_ref()) {
        Ok(Contents::Known(found)) => Ok(Contents::Known(found)),
        unknown => {
            let copies = READERS.iter().filter_map(|reader| (reader.find_copy)(device.as_ref()));
            let copy = copies.into_iter().find(|copy| leads_to_files(device, copy.name));
            copy.map_or(unknown, |copy| Ok(Contents::Known(copy)))
        }
    }
}

/// Whether the filesystem can be opened, and has a root directory with sound names.
fn leads_to_files(device: &Device, name: &str) -> bool {
    let names = || -> Result<Salvaged<Listing>> {
        let filesystem = open(Device::clone(device), name, None)?;
        filesystem.directory(&filesystem.inode(filesystem.root())?)
    };
    names().is_ok_and(|names| names.faults.is_empty() && !names.value.is_empty())
}
