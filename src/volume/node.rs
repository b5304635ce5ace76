//! One partition, or a whole device: a range of bytes, and what is in it.

use std::path::{Path, PathBuf};

use crate::device::Device;
use crate::error::{Error, Kind, Result};
use crate::filesystem::{self, Contents, FileKind, Filesystem};
use crate::partition::Partition;
use crate::tree;
use crate::units::ByteRange;

/// The number of a volume that is the whole device.
pub const WHOLE: u32 = 0;

/// Longest file that [`Volume::read`] reads into memory.
const READ_MOST: u64 = 1 << 30;

/// A partition, or the whole of a device without a table.
pub struct Volume {
    path: PathBuf,
    device: Device,
    partition: Option<Partition>,
    contents: Contents,
    journal: Option<Device>,
}

/// What is to be done with a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// A filesystem that can be read here.
    Filesystem,
    /// Space for swapping: nothing in it is worth keeping.
    Swap,
    /// Anything else: known by name, or not.
    Other,
}

impl Volume {
    pub(super) fn whole(path: &Path, device: Device, contents: Contents) -> Self {
        Self { path: path.to_path_buf(), device, partition: None, contents, journal: None }
    }

    pub(super) fn partition(path: &Path, device: Device, partition: &Partition, contents: Contents) -> Self {
        Self { path: path.to_path_buf(), device, partition: Some(partition.clone()), contents, journal: None }
    }

    /// Says where the journal is, for a filesystem that has it on another device.
    pub(super) fn set_journal(&mut self, journal: &Device) {
        self.journal = Some(Device::clone(journal));
    }

    /// The partition's number, or [`WHOLE`].
    #[must_use]
    pub fn number(&self) -> u32 {
        self.partition.as_ref().map_or(WHOLE, |partition| partition.number)
    }

    /// The entry in the partition table, where there is one.
    #[must_use]
    pub fn entry(&self) -> Option<&Partition> {
        self.partition.as_ref()
    }

    /// Where it lies on the device.
    #[must_use]
    pub fn range(&self) -> ByteRange {
        let whole = || ByteRange::new(0, self.device.len_bytes());
        self.partition.as_ref().map(|partition| partition.range).or_else(whole).unwrap_or(ByteRange::EMPTY)
    }

    /// The bytes of it.
    #[must_use]
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// What the probe found.
    #[must_use]
    pub fn contents(&self) -> &Contents {
        &self.contents
    }

    /// The name of what the probe found, as `blkid` calls it, or `unknown`.
    #[must_use]
    pub fn name(&self) -> &str {
        match &self.contents {
            Contents::Known(signature) => signature.name,
            Contents::Unknown => super::UNKNOWN,
        }
    }

    /// What is to be done with it.
    #[must_use]
    pub fn held(&self) -> Held {
        match self.name() {
            "swap" => Held::Swap,
            _ if self.is_readable() => Held::Filesystem,
            _ => Held::Other,
        }
    }

    /// Whether it holds a filesystem that can be read here.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        filesystem::is_readable(self.name())
    }

    /// The fault in its place: it overlaps another partition, or ends before it begins.
    #[must_use]
    pub fn fault(&self) -> Option<Error> {
        let fault = self.partition.as_ref().and_then(|partition| partition.fault.as_ref())?;
        Some(self.locate(Error::corrupt(fault.clone())))
    }

    /// Why not all of it is there.
    #[must_use]
    pub fn past_end(&self) -> Option<Error> {
        let fault = self.partition.as_ref().and_then(|partition| partition.past_end.as_ref())?;
        Some(self.locate(Error::corrupt(fault.clone())))
    }

    /// Opens the filesystem.
    ///
    /// # Errors
    ///
    /// When it has none that can be read here, or that one is damaged.
    pub fn filesystem(&self) -> Result<Box<dyn Filesystem>> {
        filesystem::open(self.device.clone(), self.name(), self.journal.clone())
            .map_err(|error| self.locate(error))
    }

    /// Opens the filesystem, and looks at its root directory: without one, none of its files can be
    /// reached.
    ///
    /// # Errors
    ///
    /// As [`Volume::filesystem`].
    pub fn with_root(&self) -> Result<Box<dyn Filesystem>> {
        let filesystem = self.filesystem()?;
        let root = || -> Result<()> {
            let root = filesystem.inode(filesystem.root())?;
            if root.kind != FileKind::Directory {
                return Err(root.id.locate(Error::corrupt("the root is no directory")));
            }
            filesystem.directory(&root).map(drop)
        };
        match root() {
            // A failed read is reported when the names are read.
            Err(error) if error.kind() != Kind::Read => Err(self.locate(error)),
            _ => Ok(filesystem),
        }
    }

    /// Reads a regular file of at most 1 GiB; symbolic links are followed, inside the filesystem.
    ///
    /// # Errors
    ///
    /// As [`tree::read`].
    pub fn read(&self, path: impl AsRef<[u8]>) -> Result<Vec<u8>> {
        let filesystem = self.filesystem()?;
        tree::read(filesystem.as_ref(), path.as_ref(), READ_MOST).map_err(|error| self.locate(error))
    }

    /// Adds to an error where this volume is.
    #[must_use]
    pub fn locate(&self, error: Error) -> Error {
        let error = error.on(&self.path);
        match self.number() {
            WHOLE => error,
            number => error.in_partition(number),
        }
    }
}
