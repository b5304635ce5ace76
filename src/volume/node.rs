//! One volume of a disk: bytes, and what is in them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::id::VolumeId;
use super::layer::Found;
use crate::device::Device;
use crate::error::{Error, Kind, Result};
use crate::filesystem::{self, Contents, FileKind, Filesystem};
use crate::partition::Partition;
use crate::tree;
use crate::units::ByteRange;

/// Longest file that [`Volume::read`] reads into memory.
const READ_MOST: u64 = 1 << 30;

/// A partition, a logical volume, an array, or the whole of a device.
pub struct Volume {
    path: PathBuf,
    id: VolumeId,
    device: Device,
    len_bytes: u64,
    partition: Option<Partition>,
    contents: Contents,
    journal: Option<Device>,
    /// How a layer made it: `linear`, `raid1`; empty for the disk and its partitions.
    kind: &'static str,
    /// The UUID that its layer gives it.
    uuid: String,
    faults: Vec<Error>,
    members: Vec<VolumeId>,
    depth: usize,
    standing: Standing,
}

/// How a volume stands to the layers above it.
#[derive(Clone, Debug)]
pub enum Standing {
    /// No layer takes it: what it holds is stored.
    Own,
    /// A layer opened it, and all of the volumes on it can be read. They are stored in its place.
    Opened,
    /// A layer opened it, but these volumes on it can't be read. It is stored as well.
    Partly(Vec<VolumeId>),
    /// It can't be opened without something that the user did not give, and is stored raw.
    Locked(String),
    /// Its layer can't open it, and it is stored raw.
    Closed(Error),
    /// Its layer knows it, but can't read it: it has no bytes.
    Lost(Error),
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
    /// A device without layers below it.
    pub(super) fn of_device(path: &Path, id: VolumeId, device: Device, contents: Contents) -> Self {
        let len_bytes = device.len_bytes();
        Self {
            path: path.to_path_buf(),
            id,
            device,
            len_bytes,
            partition: None,
            contents,
            journal: None,
            kind: "",
            uuid: String::new(),
            faults: Vec::new(),
            members: Vec::new(),
            depth: 0,
            standing: Standing::Own,
        }
    }

    pub(super) fn of_partition(
        path: &Path,
        device: Device,
        partition: &Partition,
        contents: Contents,
    ) -> Self {
        let id = VolumeId::Partition(partition.number);
        let partition = Some(partition.clone());
        let len_bytes = partition.as_ref().map_or(0, |partition| partition.range.len());
        Self { partition, len_bytes, depth: 1, ..Self::of_device(path, id, device, contents) }
    }

    /// A volume that a layer found on `members`.
    pub(super) fn of_layer(
        path: &Path,
        found: Found,
        contents: Contents,
        members: Vec<VolumeId>,
        depth: usize,
    ) -> Self {
        let Found { id, kind, uuid, len_bytes, device, faults, .. } = found;
        let (device, standing) = match device {
            Ok(device) => (device, Standing::Own),
            Err(error) => {
                let nothing: Device = Arc::new(Vec::new());
                (nothing, Standing::Lost(error))
            }
        };
        let volume = Self::of_device(path, id, device, contents);
        Self { len_bytes, kind, uuid, faults, members, depth, standing, ..volume }
    }

    pub(super) fn stand(&mut self, standing: Standing) {
        self.standing = standing;
    }

    /// Says where the journal is, for a filesystem that has it on another device.
    pub(super) fn set_journal(&mut self, journal: &Device) {
        self.journal = Some(Device::clone(journal));
    }

    /// Where it is.
    #[must_use]
    pub fn id(&self) -> &VolumeId {
        &self.id
    }

    /// How its layer made it: `linear`, `raid1`, `thin`; empty for the disk and its partitions.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// The UUID that its layer gives it; empty when it has none.
    #[must_use]
    pub fn uuid(&self) -> &str {
        &self.uuid
    }

    /// The volumes that it lies on, where a layer made it.
    #[must_use]
    pub fn members(&self) -> &[VolumeId] {
        &self.members
    }

    /// How many layers are below it.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// How it stands to the layers above it.
    #[must_use]
    pub fn standing(&self) -> &Standing {
        &self.standing
    }

    /// Whether its layer is LVM, RAID or encryption, or one above these.
    #[must_use]
    pub fn is_layered(&self) -> bool {
        !self.kind.is_empty()
    }

    /// Length in bytes, also when it can't be read.
    #[must_use]
    pub fn len_bytes(&self) -> u64 {
        self.len_bytes
    }

    /// What is wrong with it by its layer, though it can be read.
    pub fn layer_faults(&self) -> impl Iterator<Item = Error> {
        self.faults.iter().map(|fault| self.locate(fault.clone()))
    }

    /// The entry in the partition table, where there is one.
    #[must_use]
    pub fn entry(&self) -> Option<&Partition> {
        self.partition.as_ref()
    }

    /// Where it lies on the disk; from 0 for what does not lie there in one piece.
    #[must_use]
    pub fn range(&self) -> ByteRange {
        let whole = || ByteRange::new(0, self.len_bytes);
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
        self.read_most(path, READ_MOST)
    }

    /// As [`Volume::read`], for a file of at most `most` bytes.
    ///
    /// # Errors
    ///
    /// As [`tree::read`].
    pub fn read_most(&self, path: impl AsRef<[u8]>, most: u64) -> Result<Vec<u8>> {
        let filesystem = self.filesystem()?;
        tree::read(filesystem.as_ref(), path.as_ref(), most).map_err(|error| self.locate(error))
    }

    /// Adds to an error where this volume is.
    #[must_use]
    pub fn locate(&self, error: Error) -> Error {
        let error = error.on(&self.path);
        match &self.id {
            VolumeId::Whole => error,
            VolumeId::Partition(number) => error.in_partition(*number),
            other => error.in_volume(&other.to_string()),
        }
    }
}
