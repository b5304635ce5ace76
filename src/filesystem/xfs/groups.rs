//! Allocation groups: what they say of free space and inodes.
//!
//! The superblock's counts are written at unmount; after a crash those of the groups are right
//! (`struct xfs_agf`, `struct xfs_agi`).

use super::metadata::Metadata;
use crate::fields::{Short, be32_at};

const FREE_MAGIC: u32 = 0x5841_4746;
const INODES_MAGIC: u32 = 0x5841_4749;
/// Groups that are looked at: of more, the superblock's counts are taken.
const GROUPS_MOST: u32 = 65_536;

/// Counts of blocks and inodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub free_blocks: u64,
    pub inodes: u64,
    pub free_inodes: u64,
}

/// The counts of all groups where the log was replayed, or the superblock is a copy; those of the
/// superblock else, or where a group can't be read.
pub(super) fn counts(metadata: &Metadata, is_copy: bool) -> Counts {
    let superblock = &metadata.superblock;
    let said = Counts {
        free_blocks: superblock.free_blocks,
        inodes: superblock.inodes,
        free_inodes: superblock.free_inodes,
    };
    if !(is_copy || metadata.was_replayed()) || superblock.groups > GROUPS_MOST {
        return said;
    }
    let group = |number| of_group(metadata, u64::from(number));
    let sum = (0..superblock.groups).try_fold(Counts::default(), |sum, number| {
        let group = group(number)?;
        Some(Counts {
            free_blocks: sum.free_blocks.saturating_add(group.free_blocks),
            inodes: sum.inodes.saturating_add(group.inodes),
            free_inodes: sum.free_inodes.saturating_add(group.free_inodes),
        })
    });
    sum.unwrap_or(said)
}

fn of_group(metadata: &Metadata, number: u64) -> Option<Counts> {
    let sector = u64::from(metadata.superblock.sector_size);
    let start = metadata.superblock.position_in_group(number, 0)?;
    let len = metadata.superblock.sector_size.into();
    let free = metadata.read(start.checked_add(sector)?, len).ok()?;
    let inodes = metadata.read(start.checked_add(sector.checked_mul(2)?)?, len).ok()?;
    parse(&free, &inodes).ok().flatten()
}

/// Reads the sectors that a group has for free space and for inodes.
fn parse(free: &[u8], inodes: &[u8]) -> Result<Option<Counts>, Short> {
    if be32_at(free, 0)? != FREE_MAGIC || be32_at(inodes, 0)? != INODES_MAGIC {
        return Ok(None);
    }
    // Free blocks, those that are kept for the trees of free space, and those that these trees
    // have.
    let agf_flcount = be32_at(free, 48)?;
    let agf_freeblks = be32_at(free, 52)?;
    let agf_btreeblks = be32_at(free, 60)?;
    let free_blocks = [agf_flcount, agf_freeblks, agf_btreeblks].into_iter().map(u64::from).sum();
    Ok(Some(Counts {
        free_blocks,
        inodes: be32_at(inodes, 16)?.into(),
        free_inodes: be32_at(inodes, 28)?.into(),
    }))
}
