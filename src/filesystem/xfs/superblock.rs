//! The superblock: the geometry that everything else rests on, checked before anything rests on it.
//!
//! Layout and checks: `struct xfs_dsb` and `xfs_validate_sb_common` in the kernel's
//! `fs/xfs/libxfs`.

use thiserror::Error;
use uuid::Uuid;

use super::checksum;
use super::features::{Features, Unread};
use crate::fields::{Short, be16_at, be32_at, be64_at, bytes_at, slice_at, u8_at, until_nul};

/// Length of the fields that every superblock has, in bytes; no sector is shorter.
pub(super) const LEN: usize = 512;
pub(super) const MAGIC: u32 = 0x5846_5342;
pub(super) const CHECKSUM_AT: usize = 224;
/// `XFS_MIN_BLOCKSIZE_LOG`, `XFS_MAX_BLOCKSIZE_LOG`.
const BLOCK_LOGS: std::ops::RangeInclusive<u8> = 9..=16;
/// `XFS_MIN_SECTORSIZE_LOG`, `XFS_MAX_SECTORSIZE_LOG`.
const SECTOR_LOGS: std::ops::RangeInclusive<u8> = 9..=15;
/// `XFS_DINODE_MIN_LOG`, `XFS_DINODE_MAX_LOG`.
const INODE_LOGS: std::ops::RangeInclusive<u8> = 8..=11;
/// `XFS_MIN_AG_BYTES`, and 1 TiB (`XFS_MAX_AG_BYTES`).
const GROUP_BYTES: std::ops::RangeInclusive<u64> = 1 << 24..=1 << 40;
/// A last group that is shorter is not made (`XFS_MIN_AG_BLOCKS`).
const GROUP_BLOCKS_LEAST: u64 = 64;
const IN_PROGRESS: u8 = 1;

/// Faults that make a superblock useless.
#[derive(Debug, Error, PartialEq, Eq)]
pub(super) enum Fault {
    #[error(transparent)]
    Short(#[from] Short),
    #[error("superblock magic {0:#010x} instead of 0x58465342")]
    Magic(u32),
    #[error("the superblock's {0}")]
    Checksum(checksum::Fault),
    #[error(transparent)]
    Unread(#[from] Unread),
    #[error("{name} is {size} bytes, but its logarithm {log}")]
    Size { name: &'static str, size: u32, log: u8 },
    #[error("{per_block} inodes in a block (logarithm {log})")]
    InodesPerBlock { per_block: u16, log: u8 },
    #[error("groups of {blocks} blocks (logarithm {log})")]
    GroupBlocks { blocks: u32, log: u8 },
    #[error("{groups} groups of {group_blocks} blocks for {blocks} blocks")]
    Groups { groups: u32, group_blocks: u32, blocks: u64 },
    #[error("directory blocks of 2^{0} bytes, at most 2^16")]
    DirectoryBlock(u32),
    #[error("{blocks} blocks of {block_size} bytes are more than can be addressed")]
    TooLarge { blocks: u64, block_size: u32 },
    #[error("mkfs.xfs did not finish")]
    InProgress,
    #[error("the log's blocks {start} to {last} are outside the filesystem")]
    Log { start: u64, last: u64 },
    #[error("the root directory's inode {0} is outside the filesystem")]
    Root(u64),
}

/// The parts of a superblock that reading needs, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Superblock {
    pub features: Features,
    pub block_size: u32,
    pub block_log: u8,
    pub sector_size: u16,
    pub inode_size: u16,
    /// Logarithm of the inodes in a block.
    pub inodes_log: u8,
    /// Blocks of the filesystem.
    pub blocks: u64,
    pub groups: u32,
    pub group_blocks: u32,
    /// Logarithm of `group_blocks`, rounded up: where a block's number in its group ends in a
    /// block's number.
    pub group_log: u8,
    /// Bytes of a block of a directory.
    pub directory_block: u32,
    pub root: u64,
    pub log_start: u64,
    pub log_blocks: u32,
    pub realtime_blocks: u64,
    pub uuid: Uuid,
    /// The UUID that metadata have.
    pub meta_uuid: Uuid,
    pub label: Vec<u8>,
    pub inodes: u64,
    pub free_inodes: u64,
    pub free_blocks: u64,
}

/// Reads a superblock. `bytes` begin where it does, and have at least the length of its sector.
pub(super) fn parse(bytes: &[u8]) -> Result<Superblock, Fault> {
    parse_with(bytes, true)
}

/// Whether mkfs.xfs had finished when a superblock was written. Its copies are written before that,
/// and say so for ever.
pub(super) fn check_finished(bytes: &[u8]) -> Result<(), Fault> {
    if u8_at(bytes, 126)? == IN_PROGRESS { Err(Fault::InProgress) } else { Ok(()) }
}

/// As [`parse`], for one that the log changed: its checksum is that of before.
pub(super) fn parse_replayed(bytes: &[u8]) -> Result<Superblock, Fault> {
    parse_with(bytes, false)
}

fn parse_with(bytes: &[u8], checked: bool) -> Result<Superblock, Fault> {
    let sb_magicnum = be32_at(bytes, 0)?;
    if sb_magicnum != MAGIC {
        return Err(Fault::Magic(sb_magicnum));
    }
    let features = Features {
        version: be16_at(bytes, 100)?,
        more: be32_at(bytes, 200)? | be32_at(bytes, 204)?,
        read_only: be32_at(bytes, 212)?,
        incompatible: be32_at(bytes, 216)?,
        log: be32_at(bytes, 220)?,
    };
    let sb_sectsize = be16_at(bytes, 102)?;
    size("a sector", u32::from(sb_sectsize), u8_at(bytes, 121)?, SECTOR_LOGS)?;
    if checked && features.has_checksums() {
        checksum::check(slice_at(bytes, 0, usize::from(sb_sectsize))?, CHECKSUM_AT)
            .map_err(Fault::Checksum)?;
    }
    features.check()?;
    let superblock = Superblock {
        features,
        block_size: be32_at(bytes, 4)?,
        block_log: u8_at(bytes, 120)?,
        sector_size: sb_sectsize,
        inode_size: be16_at(bytes, 104)?,
        inodes_log: u8_at(bytes, 123)?,
        blocks: be64_at(bytes, 8)?,
        groups: be32_at(bytes, 88)?,
        group_blocks: be32_at(bytes, 84)?,
        group_log: u8_at(bytes, 124)?,
        directory_block: directory_block(u8_at(bytes, 120)?, u8_at(bytes, 192)?)?,
        root: be64_at(bytes, 56)?,
        log_start: be64_at(bytes, 48)?,
        log_blocks: be32_at(bytes, 96)?,
        realtime_blocks: be64_at(bytes, 16)?,
        uuid: Uuid::from_bytes(bytes_at(bytes, 32)?),
        meta_uuid: Uuid::from_bytes(bytes_at(bytes, if features.has_meta_uuid() { 248 } else { 32 })?),
        label: until_nul(slice_at(bytes, 108, 12)?).to_vec(),
        inodes: be64_at(bytes, 128)?,
        free_inodes: be64_at(bytes, 136)?,
        free_blocks: be64_at(bytes, 144)?,
    };
    check(&superblock, be16_at(bytes, 106)?, u8_at(bytes, 122)?)?;
    Ok(superblock)
}

fn size(name: &'static str, size: u32, log: u8, logs: std::ops::RangeInclusive<u8>) -> Result<(), Fault> {
    if logs.contains(&log) && Some(size) == 1_u32.checked_shl(log.into()) {
        return Ok(());
    }
    Err(Fault::Size { name, size, log })
}

fn directory_block(block_log: u8, more: u8) -> Result<u32, Fault> {
    let log = u32::from(block_log).saturating_add(more.into());
    1_u32.checked_shl(log).filter(|_| log <= 16).ok_or(Fault::DirectoryBlock(log))
}

fn check(superblock: &Superblock, inodes_per_block: u16, inode_log: u8) -> Result<(), Fault> {
    let Superblock { block_size, block_log, blocks, groups, group_blocks, group_log, .. } = *superblock;
    size("a block", block_size, block_log, BLOCK_LOGS)?;
    size("an inode", superblock.inode_size.into(), inode_log, INODE_LOGS)?;
    let log = superblock.inodes_log;
    if Some(log) != block_log.checked_sub(inode_log)
        || Some(inodes_per_block) != 1_u16.checked_shl(log.into())
    {
        return Err(Fault::InodesPerBlock { per_block: inodes_per_block, log });
    }
    let group_bytes = u64::from(group_blocks).saturating_mul(block_size.into());
    let rounded_up = u64::from(group_blocks).checked_next_power_of_two();
    if !GROUP_BYTES.contains(&group_bytes) || rounded_up != 1_u64.checked_shl(group_log.into()) {
        return Err(Fault::GroupBlocks { blocks: group_blocks, log: group_log });
    }
    let before_last = u64::from(groups).saturating_sub(1).saturating_mul(group_blocks.into());
    let last = blocks.saturating_sub(before_last);
    if groups == 0 || last < GROUP_BLOCKS_LEAST || last > u64::from(group_blocks) {
        return Err(Fault::Groups { groups, group_blocks, blocks });
    }
    let len = blocks.checked_mul(block_size.into()).filter(|len| i64::try_from(*len).is_ok());
    len.ok_or(Fault::TooLarge { blocks, block_size })?;
    let log_blocks = u64::from(superblock.log_blocks);
    if superblock.log_start != 0 && !superblock.holds_blocks(superblock.log_start, log_blocks) {
        let last = superblock.log_start.saturating_add(log_blocks).saturating_sub(1);
        return Err(Fault::Log { start: superblock.log_start, last });
    }
    superblock.inode_position(superblock.root).map(drop).ok_or(Fault::Root(superblock.root))
}

impl Superblock {
    /// Length of the filesystem, in bytes.
    pub(super) fn len_bytes(&self) -> u64 {
        self.blocks.saturating_mul(self.block_size.into())
    }

    /// Length of a block, for slices.
    pub(super) fn block_len(&self) -> usize {
        usize::try_from(self.block_size).unwrap_or(0)
    }

    /// Length of an inode, for slices.
    pub(super) fn inode_len(&self) -> usize {
        usize::from(self.inode_size)
    }

    /// Blocks of a group: the last may be shorter.
    fn blocks_of_group(&self, group: u64) -> u64 {
        let before = group.saturating_mul(self.group_blocks.into());
        self.blocks.saturating_sub(before).min(self.group_blocks.into())
    }

    /// Group, and block in it, of a block's number.
    fn split(&self, block: u64) -> Option<(u64, u64)> {
        let group = block >> self.group_log;
        let within = block & 1_u64.checked_shl(self.group_log.into())?.checked_sub(1)?;
        (group < u64::from(self.groups)).then_some((group, within))
    }

    /// Whether all of these blocks lie in one group of the filesystem.
    pub(super) fn holds_blocks(&self, first: u64, len: u64) -> bool {
        let Some((group, within)) = self.split(first) else { return false };
        within.checked_add(len).is_some_and(|end| end <= self.blocks_of_group(group)) && len > 0
    }

    /// Position of a block, in bytes; none for a block that is not in the filesystem.
    pub(super) fn block_position(&self, block: u64) -> Option<u64> {
        let (group, within) = self.split(block).filter(|_| self.holds_blocks(block, 1))?;
        self.position_in_group(group, within)
    }

    /// Position of a block of a group, in bytes.
    pub(super) fn position_in_group(&self, group: u64, within: u64) -> Option<u64> {
        let linear = group.checked_mul(self.group_blocks.into())?.checked_add(within)?;
        linear.checked_mul(self.block_size.into())
    }

    /// Position of an inode, in bytes; none for a number that the filesystem can't have.
    pub(super) fn inode_position(&self, number: u64) -> Option<u64> {
        let slots = 1_u64.checked_shl(self.inodes_log.into())?;
        let block = self.block_position(number >> self.inodes_log)?;
        let slot = number & slots.checked_sub(1)?;
        block.checked_add(slot.checked_mul(self.inode_size.into())?)
    }
}

#[cfg(test)]
mod tests;
