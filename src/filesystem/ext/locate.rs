//! Finds a superblock: the first one, or a copy of it where that one is destroyed.
//!
//! <https://docs.kernel.org/filesystems/ext4/blockgroup.html>

use super::superblock::{self, Fault, Superblock};
use crate::device::{ReadAt, read_vec};
use crate::error::{Error, Kind, Result};

/// Groups that have a copy whatever the features are (but for `sparse_super2`, which has one of these most of the time).
const GROUPS: [u64; 7] = [1, 3, 5, 7, 9, 25, 27];

/// Block sizes: 1 KiB to 64 KiB. Where a copy lies depends on it, and it is only known from a copy.
const LOG_BLOCK_SIZES: std::ops::RangeInclusive<u32> = 10..=16;

/// A superblock, and how it was found.
pub(super) struct Found {
    pub superblock: Superblock,
    /// Why it is not the first one, if it is not.
    pub warning: Option<String>,
    /// The device's error, if the first one could not be read.
    pub unreadable: Option<Error>,
}

/// Reads the first superblock, or else a copy that can be used.
///
/// # Errors
///
/// When neither can be used: the first one's fault. Also when a sound superblock has a feature that is not known here.
pub(super) fn superblock(device: &dyn ReadAt) -> Result<Found> {
    let bytes = match read_vec(device, superblock::POSITION, superblock::LEN) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == Kind::Read => return unreadable(device, error),
        Err(error) => return Err(error),
    };
    let fault = match superblock::parse(&bytes) {
        Ok(superblock) => return Ok(Found { superblock, warning: None, unreadable: None }),
        Err(fault @ (Fault::Feature(_) | Fault::ChecksumType(_))) => {
            return Err(Error::new(Kind::Unsupported, fault));
        }
        Err(fault) => fault,
    };
    match copy(device) {
        Some(superblock) => {
            let group = superblock.copy_in_group;
            let warning =
                format!("the first superblock can't be used ({fault}); its copy in group {group} is");
            Ok(Found { superblock, warning: Some(warning), unreadable: None })
        }
        None => Err(Error::corrupt(fault)),
    }
}

fn unreadable(device: &dyn ReadAt, error: Error) -> Result<Found> {
    let Some(superblock) = copy(device) else { return Err(error) };
    let group = superblock.copy_in_group;
    let warning = format!("the first superblock can't be read; its copy in group {group} is used");
    Ok(Found { superblock, warning: Some(warning), unreadable: Some(error) })
}

/// A copy of the superblock that lies where it says it does, if there is one.
pub(super) fn copy(device: &dyn ReadAt) -> Option<Superblock> {
    LOG_BLOCK_SIZES.flat_map(|log| GROUPS.map(|group| (log, group))).find_map(|(log, group)| {
        let block_size = 1_u64 << log;
        let first_data_block = u64::from(log == 10);
        // As many blocks as one block of the bitmap has bits, which is what mke2fs takes.
        let block = block_size.checked_mul(8)?.checked_mul(group)?.checked_add(first_data_block)?;
        let position = block.checked_mul(block_size)?;
        let bytes = read_vec(device, position, superblock::LEN).ok()?;
        let superblock = superblock::parse(&bytes).ok()?;
        let is_here =
            u64::from(superblock.copy_in_group) == group && superblock.group_position(group) == position;
        is_here.then_some(superblock)
    })
}
