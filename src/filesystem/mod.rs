//! Filesystems: inodes, their content by position on the device, and nothing about tar or this host.
//!
//! A filesystem is one folder or file here, and one line in [`READERS`].

pub mod ext;
mod listing;
mod probe;
mod types;

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

/// Opens a filesystem, with the device that its journal is on where that is another one.
type Open = fn(Device, Option<Device>) -> Result<Box<dyn Filesystem>>;

/// The filesystems that can be read: the name that the probe gives, and what opens it.
const READERS: [(&str, Open); 3] = [("ext2", ext::open), ("ext3", ext::open), ("ext4", ext::open)];

/// Whether a filesystem of this name can be read here.
#[must_use]
pub fn is_readable(name: &str) -> bool {
    READERS.iter().any(|(reader, _)| *reader == name)
}

/// Opens the filesystem that [`probe()`] found on the device. `journal` is the device that its journal is on, where that
/// is another one.
///
/// # Errors
///
/// [`Kind::Unsupported`] for one that has no reader here; otherwise as the reader says.
pub fn open(device: Device, name: &str, journal: Option<Device>) -> Result<Box<dyn Filesystem>> {
    match READERS.iter().find(|(reader, _)| *reader == name) {
        Some((_, open)) => open(device, journal),
        None => Err(Error::new(Kind::Unsupported, format!("{name} can't be read yet"))),
    }
}

/// Tells what a device holds, by reading a few of its sectors; where the first of them are destroyed, a copy of a
/// superblock may tell.
///
/// # Errors
///
/// When the device can't be read.
pub fn probe(device: &dyn ReadAt) -> Result<Contents> {
    match probe::probe(device) {
        Ok(Contents::Known(found)) => Ok(Contents::Known(found)),
        unknown => ext::signature_of_copy(device).map_or(unknown, |copy| Ok(Contents::Known(copy))),
    }
}
