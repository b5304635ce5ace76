//! Layers between the disk and its filesystems: partitions, encryption, RAID, logical volumes.
//!
//! A layer takes devices that the probe knows by name, its members, and makes devices of them. It is
//! one row in [`LAYERS`], and a file or folder here. [`Disk`](super::Disk) asks the rows again and
//! again, as long as one of them has members that it was not given yet: so layers nest in any
//! order. Each device is built over devices that were there before it, so no cycle can come about.

#[cfg(feature = "luks")]
mod luks;
mod lvm;
mod mapped;
mod md;
mod partitions;
mod zeros;

use std::cell::Cell;

use super::id::VolumeId;
use crate::device::Device;
use crate::error::{Error, Kind, Result};
use crate::filesystem::Signature;

/// Volumes of one disk, over all layers.
pub const VOLUMES_MOST: usize = 4096;

/// Ranges that are mapped one by one, over all volumes of a disk.
pub const MAPPINGS_MOST: u64 = 16 << 20;

/// A layer.
pub struct Layer {
    /// What the probe calls its members.
    pub names: &'static [&'static str],
    /// Makes volumes of all members that are there.
    ///
    /// # Errors
    ///
    /// When nothing can be made of any member. Then all of them stay closed, for this reason.
    pub open: fn(&[Member], &Context<'_>) -> Result<Opened>,
}

/// The layers, a row each. An earlier row is asked first, so that groups and arrays see members
/// that an earlier layer holds.
pub const LAYERS: &[Layer] = &[
    Layer { names: &[super::UNKNOWN], open: partitions::open },
    #[cfg(feature = "luks")]
    Layer { names: &["crypto_LUKS"], open: luks::open },
    Layer { names: &["linux_raid_member"], open: md::open },
    Layer { names: &["LVM2_member"], open: lvm::open },
];

/// A device that a layer may open.
#[derive(Clone, Debug)]
pub struct Member {
    /// Where it is.
    pub id: VolumeId,
    /// Its bytes.
    pub device: Device,
    /// What the probe found: the member's UUID and label are in it.
    pub signature: Signature,
}

/// What layers have in common while a disk is opened.
#[derive(Debug)]
pub struct Context<'a> {
    /// The contents of key files that the user gave.
    pub keys: &'a [Vec<u8>],
    mappings: Cell<u64>,
}

impl<'a> Context<'a> {
    /// With these keys, and no mapping so far.
    #[must_use]
    pub fn new(keys: &'a [Vec<u8>]) -> Self {
        Self { keys, mappings: Cell::new(0) }
    }

    /// Counts ranges that a layer is about to map: segments, or entries of a thin volume's tree.
    ///
    /// # Errors
    ///
    /// [`Kind::Limit`] when all layers together have [`MAPPINGS_MOST`].
    pub fn map(&self, count: u64) -> Result<()> {
        let sum = self.mappings.get().saturating_add(count);
        self.mappings.set(sum);
        if sum <= MAPPINGS_MOST {
            return Ok(());
        }
        let message = format!("the disk's volumes are made of more than {MAPPINGS_MOST} ranges");
        Err(Error::new(Kind::Limit, message))
    }
}

/// What a layer made of its members.
#[derive(Debug, Default)]
pub struct Opened {
    /// The volumes, those that can't be read as well.
    pub volumes: Vec<Found>,
    /// Members that stay closed, by their index, and why. They are stored as raw images.
    pub closed: Vec<(usize, Closed)>,
    /// What should be known, though nothing is lost by it.
    pub warnings: Vec<String>,
}

/// Why a member stays closed.
#[derive(Clone, Debug)]
pub enum Closed {
    /// It holds nothing of this layer: it stays what it was, and nothing is said.
    Nothing,
    /// It takes something that the user did not give: a key. The text is a note, not an issue.
    Locked(String),
    /// It can't be opened, which is an issue.
    Unreadable(Error),
}

/// A volume that a layer found.
#[derive(Debug)]
pub struct Found {
    /// Where it is. Two volumes of a disk never have the same identity.
    pub id: VolumeId,
    /// How it is made of its members: `linear`, `raid1`, `thin`, … as `lvs` and `mdadm` call it.
    pub kind: &'static str,
    /// Its own UUID; empty when it has none.
    pub uuid: String,
    /// Length in bytes, also when it can't be read.
    pub len_bytes: u64,
    /// Its bytes, or why they can't be read: then its members are stored as raw images too.
    pub device: Result<Device>,
    /// The members that it lies on, by their index.
    pub members: Vec<usize>,
    /// What is wrong with it, though it can be read. Each is an issue.
    pub faults: Vec<Error>,
}
