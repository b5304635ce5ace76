//! What each filesystem gives: a reader, and through it the inodes of one device.

use super::listing::Listing;
use super::metadata::Attribute;
use super::probe::Signature;
use super::types::{Content, Inode, InodeId, Summary, Unit};
use crate::device::{Device, ReadAt};
use crate::error::{Error, Result, Salvaged};

/// One reader of filesystems.
pub struct Reader {
    /// The names that the probe gives to the filesystems that it reads.
    pub(super) names: &'static [&'static str],
    /// Opens a filesystem, with the device that its journal is on where that is another one.
    pub(super) open: fn(Device, Option<Device>) -> Result<Box<dyn Filesystem>>,
    /// Looks for a copy of a superblock, on a device of which nothing else is known.
    pub(super) find_copy: fn(&dyn ReadAt) -> Option<Signature>,
    /// How much a sound filesystem can hold.
    pub bounds: Bounds,
}

/// How much a sound filesystem can hold, in relation to its length. More is hostile, or damage.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Bytes that a name takes at least.
    pub name_bytes: u64,
    /// Most bytes of metadata that a walk reads for each byte of the filesystem.
    pub metadata_per_byte: u64,
    /// Most bytes of tar for each byte of the filesystem.
    pub output_per_byte: u64,
}

/// A filesystem that is open for reading, from any number of threads at once.
pub trait Filesystem: Send + Sync {
    /// What the filesystem says of itself.
    fn summary(&self) -> &Summary;

    /// What was wrong, but not fatal, when it was opened: nothing of it is lost silently.
    fn faults(&self) -> &[Error];

    /// Where the positions in [`Extent`](super::Extent)s count from: the partition as this filesystem sees it.
    fn device(&self) -> &Device;

    /// The row of the reader that opened it.
    fn reader(&self) -> &'static Reader;

    /// The inode of the root directory.
    fn root(&self) -> InodeId;

    /// The inode of this name.
    ///
    /// # Errors
    ///
    /// When no inode of this name is in use, or it can't be read.
    fn inode(&self, id: InodeId) -> Result<Inode>;

    /// The entries of a directory, without `.` and `..`, in the order in which they lie there.
    ///
    /// # Errors
    ///
    /// When nothing of it can be read; what can't be read of a part is in the faults.
    fn directory(&self, inode: &Inode) -> Result<Salvaged<Listing>>;

    /// Where a regular file's bytes are.
    ///
    /// Extents may share units, and a unit may have bytes that no extent shows. It is decoded again
    /// for each frame that has bytes of it: so a unit is no longer than what the filesystem's own
    /// programs make.
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

    /// Decodes a unit of which an extent told, into a buffer that comes empty. Whoever calls checks
    /// that the unit has its length. [`Decoder`](super::Decoder) is the one caller.
    ///
    /// # Errors
    ///
    /// When it can't be read or decoded.
    fn decode(&self, _unit: Unit, _into: &mut Vec<u8>) -> Result<()> {
        Err(Error::corrupt("no bytes of this filesystem are encoded"))
    }
}
