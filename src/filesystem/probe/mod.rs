//! What a partition holds, told by the signatures on it.
//!
//! A signature that is some bytes at one place is one line in [`table`]; one that takes more has a file of its own.
//!
//! Formatting does not always remove what was there before, so several signatures may be found. [`ORDER`] decides,
//! always in the same way: first what holds other things (RAID, LVM, encryption), since what it holds may shine
//! through at either end; then what lies where each new format overwrites it; last what survives under others.
//!
//! A filesystem that [claims](claimed_bytes) the place of such a member's superblock is newer than
//! that: no array or volume group gives away the blocks that it keeps for itself.

mod exfat;
mod ext;
mod fat;
mod head;
mod iso;
mod lvm;
mod ntfs;
mod raid;
mod swap;
mod table;

use crate::device::ReadAt;
use crate::error::Result;
use head::Head;

/// What the probe found on a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contents {
    /// Something with a known signature.
    Known(Signature),
    /// Nothing that is known here; it may be empty.
    Unknown,
}

/// A known signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// `ext2`, `ext3`, `ext4`, `vfat`, `xfs`, `btrfs`, `ntfs`, `swap`, `LVM2_member`, `crypto_LUKS`, … as `blkid` calls it.
    pub name: &'static str,
    /// The volume's label, made safe to show; empty when it has none.
    pub label: String,
    /// The volume's UUID or serial number, as `blkid` shows it; empty when it has none.
    pub uuid: String,
}

/// Looks for one signature, or for one of a family.
type Look = fn(&Head<'_>) -> Option<Signature>;

/// What is looked for, the first that is found counts.
const ORDER: [Look; 11] = [
    raid::find,
    lvm::find,
    table::find_member,
    ext::find,
    table::find_filesystem,
    swap::find,
    ntfs::find,
    exfat::find,
    fat::find,
    iso::find,
    // Last, because a magic number of two bytes alone may be chance.
    ext::find_damaged,
];

/// Tells what the device holds, by reading its first 128 KiB and a few sectors more.
///
/// What can't be read counts as not there.
///
/// # Errors
///
/// When nothing is found, and something of the first 128 KiB can't be read.
pub fn probe(device: &dyn ReadAt) -> Result<Contents> {
    let head = Head::read(device)?;
    let found = ORDER.iter().find_map(|look| look(&head));
    match (found, head.unreadable()) {
        (Some(found), _) => Ok(Contents::Known(found)),
        (None, None) => Ok(Contents::Unknown),
        (None, Some(error)) => Err(error),
    }
}

/// Length of the filesystem that begins here, by a sound superblock; 0 when no superblock tells it.
fn claimed_bytes(head: &Head<'_>) -> u64 {
    ext::len_bytes(head).or_else(|| table::len_bytes(head)).unwrap_or(0)
}

#[cfg(test)]
mod tests;
