//! Block groups: where each one's inode table lies, and how much of it is in use.
//!
//! <https://docs.kernel.org/filesystems/ext4/group_descr.html>

use thiserror::Error;

use super::checksum::{Crc, crc16};
use super::superblock::Superblock;
use super::table::Table;
use crate::fields::{Short, slice_at, u16_at, u32_at, wide};

/// `EXT4_BG_INODE_UNINIT`: the inode table of the group was never written.
pub(super) const INODE_UNINIT: u16 = 0x1;
pub(super) const CHECKSUM_AT: usize = 0x1e;

/// What is wrong with a group descriptor.
#[derive(Debug, Error, PartialEq, Eq)]
pub(super) enum Fault {
    #[error(transparent)]
    Short(#[from] Short),
    #[error("checksum of the descriptor of group {group} is {stored:#06x}, but {computed:#06x} was computed")]
    Checksum { group: u64, stored: u16, computed: u16 },
    #[error("inode table of group {group} at block {block}, outside the filesystem")]
    InodeTable { group: u64, block: u64 },
}

/// A block group.
#[derive(Clone, Copy, Debug)]
pub(super) struct Group {
    /// The part of its inode table that is in use.
    pub inode_table: Table,
}

/// The table that holds the descriptor of `group`, and the descriptor's position in it.
///
/// Without `meta_bg` there is one table behind the superblock; with it, each block of descriptors lies in the first of
/// the groups that it describes.
pub(super) fn descriptor_place(superblock: &Superblock, group: u64) -> (Table, u64) {
    let descriptor_size = u64::from(superblock.descriptor_size);
    let block_size = u64::from(superblock.block_size);
    let per_block = block_size.checked_div(descriptor_size).unwrap_or(1).max(1);
    let block_index = group.checked_div(per_block).unwrap_or(0);
    let superblock_block = super::superblock::POSITION.checked_div(block_size).unwrap_or(0);
    let at = group.checked_rem(per_block).unwrap_or(0).saturating_mul(descriptor_size);

    let first_meta = u64::from(superblock.first_meta_bg);
    if superblock.features.has_meta_bg() && block_index >= first_meta {
        let first_group = block_index.saturating_mul(per_block);
        let block = superblock
            .group_start(first_group)
            .saturating_add(u64::from(superblock.group_has_copy(first_group)))
            // With 1 KiB blocks and clusters, the boot block shifts the first group by one.
            .saturating_add(u64::from(
                first_group == 0 && superblock.block_size == 1024 && superblock.first_data_block == 0,
            ));
        return (Table { position: superblock.block_position(block), len: block_size }, at);
    }
    let groups = match superblock.features.has_meta_bg() {
        true => superblock.groups.min(first_meta.saturating_mul(per_block)),
        false => superblock.groups,
    };
    let table = Table {
        position: superblock.block_position(superblock_block.saturating_add(1)),
        len: groups.saturating_mul(descriptor_size),
    };
    (table, group.saturating_mul(descriptor_size))
}

/// Reads a group descriptor.
pub(super) fn parse(superblock: &Superblock, group: u64, descriptor: &[u8]) -> Result<Group, Fault> {
    let is_wide = superblock.descriptor_size > 32;
    let high = |at| if is_wide { u32_at(descriptor, at) } else { Ok(0) };
    let block = wide(high(0x28)?, u32_at(descriptor, 0x8)?);
    if !superblock.holds_blocks(block, table_blocks(superblock)) {
        return Err(Fault::InodeTable { group, block });
    }
    let unused =
        match superblock.features.has_group_checksums() || superblock.features.has_metadata_checksums() {
            false => 0,
            true if u16_at(descriptor, 0x12)? & INODE_UNINIT != 0 => superblock.inodes_per_group,
            true => {
                let high = if is_wide { u16_at(descriptor, 0x32)? } else { 0 };
                (u32::from(high) << 16) | u32::from(u16_at(descriptor, 0x1c)?)
            }
        };
    let used = superblock.inodes_per_group.saturating_sub(unused);
    let len = u64::from(used).saturating_mul(u64::from(superblock.inode_size));
    Ok(Group { inode_table: Table { position: superblock.block_position(block), len } })
}

/// Blocks of a group's table of inodes.
pub(super) fn table_blocks(superblock: &Superblock) -> u64 {
    let bytes = u64::from(superblock.inodes_per_group).saturating_mul(u64::from(superblock.inode_size));
    bytes.div_ceil(u64::from(superblock.block_size))
}

/// Compares the checksum of a group descriptor, where there is one.
pub(super) fn verify(superblock: &Superblock, group: u64, descriptor: &[u8]) -> Result<(), Fault> {
    let Some(computed) = checksum(superblock, group, descriptor)? else { return Ok(()) };
    let stored = u16_at(descriptor, CHECKSUM_AT)?;
    if stored == computed { Ok(()) } else { Err(Fault::Checksum { group, stored, computed }) }
}

/// The checksum that a group descriptor has to have, where there is one.
pub(super) fn checksum(superblock: &Superblock, group: u64, descriptor: &[u8]) -> Result<Option<u16>, Short> {
    let number = u32::try_from(group).unwrap_or(u32::MAX).to_le_bytes();
    let before = slice_at(descriptor, 0, CHECKSUM_AT)?;
    let after = descriptor.get(32..).unwrap_or_default();
    Ok(if superblock.features.has_metadata_checksums() {
        let crc: Crc = superblock.seed.with(&number).with(before).with_zeros::<2>();
        Some(crc.with(after).low_half())
    } else if superblock.features.has_group_checksums() {
        let crc = crc16(crc16(crc16(u16::MAX, superblock.uuid.as_bytes()), &number), before);
        Some(crc16(crc, after))
    } else {
        None
    })
}

/// Descriptors that lie one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Descriptors {
    /// The block that they begin at.
    pub block: u64,
    /// The first group that is described.
    pub first_group: u64,
    /// How many are.
    pub groups: u64,
}

fn descriptors_in_block(superblock: &Superblock) -> u64 {
    let descriptor_size = u64::from(superblock.descriptor_size);
    u64::from(superblock.block_size).checked_div(descriptor_size).unwrap_or(1).max(1)
}

/// Groups whose descriptors are in one table behind the superblock; those of the others are near themselves.
fn groups_in_one_table(superblock: &Superblock) -> u64 {
    match superblock.features.has_meta_bg() {
        true => {
            let blocks = u64::from(superblock.first_meta_bg);
            blocks.saturating_mul(descriptors_in_block(superblock)).min(superblock.groups)
        }
        false => superblock.groups,
    }
}

/// The first block of a group that its structures may be in: with 1 KiB blocks in clusters, the boot block shifts the first group by one.
fn first_block(superblock: &Superblock, group: u64) -> u64 {
    let is_shifted = group == 0 && superblock.block_size == 1024 && superblock.first_data_block == 0;
    superblock.group_start(group).saturating_add(u64::from(is_shifted))
}

/// The blocks at the start of a group that are the copy of the superblock, the group descriptors, and the space that is kept for more of
/// them: the first, and how many.
pub(super) fn own_blocks(superblock: &Superblock, group: u64) -> (u64, u64) {
    let has_copy = superblock.group_has_copy(group);
    let per_block = descriptors_in_block(superblock);
    let has_one_table = group < groups_in_one_table(superblock);
    let table = match (has_one_table, has_copy, superblock.features.has_meta_bg()) {
        (true, true, true) => u64::from(superblock.first_meta_bg),
        (true, true, false) => {
            let reserved = u64::from(superblock.reserved_descriptor_blocks);
            superblock.groups.div_ceil(per_block).saturating_add(reserved)
        }
        (true, false, _) => 0,
        (false, ..) => u64::from(holds_descriptors(group, per_block)),
    };
    (first_block(superblock, group), u64::from(has_copy).saturating_add(table))
}

/// With `meta_bg`, whether a group has a copy of the descriptors of its neighbours: the first, the second and the last do.
fn holds_descriptors(group: u64, per_block: u64) -> bool {
    let at = group.checked_rem(per_block).unwrap_or(0);
    at == 0 || at == 1 || at == per_block.saturating_sub(1)
}

/// Where descriptors are on the device, with all of their copies.
pub(super) fn descriptor_copies(superblock: &Superblock) -> Vec<Descriptors> {
    let per_block = descriptors_in_block(superblock);
    let in_one_table = groups_in_one_table(superblock);
    let mut copies = Vec::new();
    for group in 0..superblock.groups {
        let has_copy = superblock.group_has_copy(group);
        let behind = first_block(superblock, group).saturating_add(u64::from(has_copy));
        if has_copy && in_one_table > 0 && (!superblock.features.has_meta_bg() || group < in_one_table) {
            copies.push(Descriptors { block: behind, first_group: 0, groups: in_one_table });
        }
        if group >= in_one_table && holds_descriptors(group, per_block) {
            let first_group = group.saturating_sub(group.checked_rem(per_block).unwrap_or(0));
            let groups = superblock.groups.saturating_sub(first_group).min(per_block);
            copies.push(Descriptors { block: behind, first_group, groups });
        }
    }
    copies
}
