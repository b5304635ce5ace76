//! Finds a superblock: the first one, or a copy of it where that one is destroyed.
//!
//! Each group begins with a copy. Where groups begin is said by the superblock alone, so a copy is
//! searched for at the distances that mkfs.xfs chooses.

use std::collections::BTreeSet;

use super::superblock::{self, Fault, Superblock};
use crate::device::{ReadAt, read_vec};
use crate::error::{Error, Kind, Result};

/// Longest sector, which is as long as a superblock can be.
const SECTOR_MOST: u64 = 1 << 15;
/// Numbers of groups that a device of some length may have by default.
const GROUPS: [u64; 6] = [4, 2, 8, 16, 32, 3];
/// The first bytes that are searched for the second group when the defaults don't hold, and in
/// steps of how many: groups begin at a block, and small ones are not made.
const SEARCHED_BYTES: u64 = 4 << 30;
const STEP_BYTES: u64 = 4096;
/// Sizes of blocks, the usual one first.
const BLOCKS: [u64; 5] = [4096, 1024, 512, 2048, 65536];
/// Reads that a search makes at most.
const READS_MOST: u64 = 4096;
const PIECE_BYTES: u64 = 1 << 20;
const MAGIC_LEN: usize = size_of_val(&superblock::MAGIC);

/// A superblock, and how it was found.
#[derive(Debug)]
pub(super) struct Found {
    pub superblock: Superblock,
    /// Whether it is a copy: its counts are those of an empty filesystem.
    pub is_copy: bool,
    /// Why it is not the first one, if it is not.
    pub warning: Option<String>,
    /// The device's error, if the first one could not be read.
    pub unreadable: Option<Error>,
}

/// Reads the first superblock, or else a copy that can be used.
///
/// # Errors
///
/// When neither can be used: the first one's fault. Also when a sound superblock has a feature that
/// is not known here.
pub(super) fn superblock(device: &dyn ReadAt) -> Result<Found> {
    let fault = match at(device, 0) {
        Ok(Ok(superblock)) => {
            return Ok(Found { superblock, is_copy: false, warning: None, unreadable: None });
        }
        Ok(Err(fault @ Fault::Unread(_))) => return Err(Error::new(Kind::Unsupported, fault)),
        Ok(Err(fault)) => fault,
        Err(error) if error.kind() == Kind::Read => {
            let Some((superblock, position)) = copy(device) else { return Err(error) };
            let warning = format!("the first superblock can't be read; its copy at byte {position} is used");
            return Ok(Found { superblock, is_copy: true, warning: Some(warning), unreadable: Some(error) });
        }
        Err(error) => return Err(error),
    };
    let Some((superblock, position)) = copy(device) else { return Err(Error::corrupt(fault)) };
    let warning = format!("the first superblock can't be used ({fault}); its copy at byte {position} is");
    Ok(Found { superblock, is_copy: true, warning: Some(warning), unreadable: None })
}

fn at(device: &dyn ReadAt, position: u64) -> Result<Result<Superblock, Fault>> {
    let there = device.len_bytes().saturating_sub(position);
    let len = usize::try_from(there.min(SECTOR_MOST)).unwrap_or(0);
    if len < superblock::LEN {
        return Err(Error::corrupt("the device is too short for a superblock"));
    }
    let bytes = read_vec(device, position, len)?;
    let finished = if position == 0 { superblock::check_finished(&bytes) } else { Ok(()) };
    Ok(superblock::parse(&bytes).and_then(|superblock| finished.map(|()| superblock)))
}

/// A copy of the superblock that lies where it says that a group begins, and its position.
fn copy(device: &dyn ReadAt) -> Option<(Superblock, u64)> {
    copy_by_default(device).or_else(|| search(device))
}

/// A copy where groups begin by default: a few small reads, also on a device that holds no XFS.
pub(super) fn copy_by_default(device: &dyn ReadAt) -> Option<(Superblock, u64)> {
    let len = device.len_bytes();
    let positions = GROUPS.iter().flat_map(|groups| {
        // The filesystem ends with its last block, and groups share the blocks evenly. Not all
        // copies name the root.
        BLOCKS.into_iter().flat_map(move |block| {
            let group = len.checked_div(block).and_then(|all| all.div_ceil(*groups).checked_mul(block));
            (1..*groups).filter_map(move |number| group?.checked_mul(number))
        })
    });
    let mut seen = BTreeSet::new();
    positions.filter(|position| seen.insert(*position)).find_map(|position| copy_at(device, position))
}

/// The copy at a position, if there is one.
fn copy_at(device: &dyn ReadAt, position: u64) -> Option<(Superblock, u64)> {
    let magic = read_vec(device, position, MAGIC_LEN).ok()?;
    if magic != superblock::MAGIC.to_be_bytes() {
        return None;
    }
    let superblock = at(device, position).ok()?.ok()?;
    let group = superblock.position_in_group(1, 0)?;
    let is_here = group > 0 && position > 0 && position.checked_rem(group) == Some(0);
    let holds = superblock.len_bytes() <= device.len_bytes() || position < superblock.len_bytes();
    (is_here && holds).then_some((superblock, position))
}

/// Looks for the magic number at the start of each block, in large pieces.
fn search(device: &dyn ReadAt) -> Option<(Superblock, u64)> {
    let mut from = STEP_BYTES;
    let mut reads = 0_u64;
    let end = device.len_bytes().min(SEARCHED_BYTES);
    while from < end && reads < READS_MOST {
        let data = device.next_data(from)?;
        let start = (data.start().max(from) / STEP_BYTES).saturating_mul(STEP_BYTES);
        let len = data.end().min(end).checked_sub(start)?.min(PIECE_BYTES);
        let bytes = read_vec(device, start, usize::try_from(len).ok()?).ok()?;
        reads = reads.saturating_add(1);
        let step = usize::try_from(STEP_BYTES).ok()?;
        for (number, block) in (0_u64..).zip(bytes.chunks(step)) {
            if block.starts_with(&superblock::MAGIC.to_be_bytes()) {
                let position = start.saturating_add(number.saturating_mul(STEP_BYTES));
                if let Some(found) = copy_at(device, position) {
                    return Some(found);
                }
            }
        }
        from = start.saturating_add(len).max(from.saturating_add(STEP_BYTES));
    }
    None
}
