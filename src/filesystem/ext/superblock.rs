//! The superblock: the geometry that everything else rests on, checked before anything rests on it.
//!
//! <https://docs.kernel.org/filesystems/ext4/super.html>; the checks are those of the kernel's mount
//! (`ext4_fill_super`).

use thiserror::Error;
use uuid::Uuid;

use super::checksum::Crc;
use super::features::{Features, Unknown};
use crate::fields::{Short, bytes_at, slice_at, u8_at, u16_at, u32_at, until_nul, wide};

/// Position of the first superblock, and length of each, in bytes.
pub(super) const POSITION: u64 = 1024;
pub(super) const LEN: usize = 1024;

const MAGIC: u16 = 0xef53;
const MAGIC_AT: usize = 0x38;
/// `EXT4_MAX_BLOCK_LOG_SIZE` less `EXT4_MIN_BLOCK_LOG_SIZE`: 64 KiB blocks.
const MAX_LOG_BLOCK_SIZE: u32 = 6;
/// `EXT4_MAX_CLUSTER_LOG_SIZE` less the same: clusters of 1 GiB.
const MAX_LOG_CLUSTER_SIZE: u32 = 20;
/// Inode size and first free inode of revision 0, which has no fields for them.
const REVISION_0_INODE_SIZE: u16 = 128;
const REVISION_0_FIRST_INODE: u32 = 11;
const DESCRIPTOR_SIZE: u16 = 32;
const DESCRIPTOR_SIZE_64BIT: u16 = 64;
/// Every descriptor is looked at when the filesystem is opened. With the 128 MiB that a group of 4 KiB blocks has, this
/// many are 512 TiB.
const GROUPS_MOST: u64 = 1 << 22;
pub(super) const CHECKSUM_AT: usize = 0x3fc;
const CHECKSUM_TYPE_CRC32C: u8 = 1;
const CREATOR_OS_AT: usize = 0x48;
/// `EXT4_OS_LINUX`.
const CREATOR_OS_LINUX: u32 = 0;

/// What makes a superblock useless.
#[derive(Debug, Error, PartialEq, Eq)]
pub(super) enum Fault {
    #[error(transparent)]
    Short(#[from] Short),
    #[error("superblock magic {0:#06x} instead of 0xef53")]
    Magic(u16),
    #[error("superblock checksum {stored:#010x}, but {computed:#010x} was computed")]
    Checksum { stored: u32, computed: u32 },
    #[error("checksum type {0}, only 1 (crc32c) is known")]
    ChecksumType(u8),
    #[error(transparent)]
    Feature(#[from] Unknown),
    #[error("block size 2^(10+{0}), at most 2^16")]
    BlockSize(u32),
    #[error("cluster size 2^(10+{log_cluster_size}), with blocks of 2^(10+{log_block_size})")]
    ClusterSize { log_cluster_size: u32, log_block_size: u32 },
    #[error("inode size {inode_size}, must be a power of two from 128 to the block size {block_size}")]
    InodeSize { inode_size: u16, block_size: u32 },
    #[error("group descriptors of {0} bytes, must be a power of two from 64 to 1024")]
    DescriptorSize(u16),
    #[error("{blocks_per_group} blocks in a group, must be 1 to {most}")]
    BlocksPerGroup { blocks_per_group: u32, most: u64 },
    #[error("{inodes_per_group} inodes in a group, must be {least} to {most}")]
    InodesPerGroup { inodes_per_group: u32, least: u32, most: u64 },
    #[error("first data block {first_data_block} of {blocks_count} blocks")]
    FirstDataBlock { first_data_block: u32, blocks_count: u64 },
    #[error("{inodes_count} inodes, but {groups} groups of {inodes_per_group} each")]
    InodesCount { inodes_count: u32, groups: u64, inodes_per_group: u32 },
    #[error("{0} block groups, at most 4194304 are read")]
    TooManyGroups(u64),
    #[error("{blocks_count} blocks of {block_size} bytes are more than can be addressed")]
    TooLarge { blocks_count: u64, block_size: u32 },
}

/// The parts of a superblock that reading needs, checked.
#[derive(Clone, Debug)]
pub(super) struct Superblock {
    pub features: Features,
    pub block_size: u32,
    pub cluster_size: u32,
    pub blocks_count: u64,
    pub free_blocks_count: u64,
    pub first_data_block: u32,
    pub blocks_per_group: u32,
    pub groups: u64,
    pub inodes_count: u32,
    pub free_inodes_count: u32,
    pub inodes_per_group: u32,
    pub first_inode: u32,
    pub inode_size: u16,
    pub want_extra_isize: u16,
    pub descriptor_size: u16,
    pub first_meta_bg: u32,
    pub reserved_descriptor_blocks: u16,
    pub backup_groups: [u32; 2],
    pub overhead_clusters: u32,
    pub uuid: Uuid,
    pub label: Vec<u8>,
    pub journal_inode: u32,
    pub journal_uuid: Uuid,
    /// Group that this copy lies in, as it says itself; 0 for the first.
    pub copy_in_group: u16,
    /// Where the checksums of all other structures begin.
    pub seed: Crc,
    /// All of it as it lies on the device.
    pub record: Vec<u8>,
}

/// Reads a superblock of [`LEN`] bytes.
pub(super) fn parse(bytes: &[u8]) -> Result<Superblock, Fault> {
    let s_magic = u16_at(bytes, MAGIC_AT)?;
    if s_magic != MAGIC {
        return Err(Fault::Magic(s_magic));
    }
    let features = features(bytes)?;
    if features.has_metadata_checksums() {
        verify(bytes)?;
    }
    features.check()?;

    let s_log_block_size = u32_at(bytes, 0x18)?;
    if s_log_block_size > MAX_LOG_BLOCK_SIZE {
        return Err(Fault::BlockSize(s_log_block_size));
    }
    let block_size = 1024_u32 << s_log_block_size;
    let cluster_size = cluster_size(bytes, features, s_log_block_size)?;
    let is_64bit = features.is_64bit();
    let high = |at| if is_64bit { u32_at(bytes, at) } else { Ok(0) };
    let blocks_count = wide(high(0x150)?, u32_at(bytes, 0x4)?);
    if blocks_count.checked_mul(u64::from(block_size)).is_none_or(|len| i64::try_from(len).is_err()) {
        return Err(Fault::TooLarge { blocks_count, block_size });
    }

    let s_rev_level = u32_at(bytes, 0x4c)?;
    let (s_first_ino, s_inode_size) = match s_rev_level {
        0 => (REVISION_0_FIRST_INODE, REVISION_0_INODE_SIZE),
        _ => (u32_at(bytes, 0x54)?, u16_at(bytes, 0x58)?),
    };
    if !s_inode_size.is_power_of_two() || s_inode_size < 128 || u32::from(s_inode_size) > block_size {
        return Err(Fault::InodeSize { inode_size: s_inode_size, block_size });
    }
    let seed = if features.has_csum_seed() {
        Crc::from_seed(u32_at(bytes, 0x270)?)
    } else {
        Crc::START.with(&bytes_at::<16>(bytes, 0x68)?)
    };
    let mut superblock = Superblock {
        features,
        block_size,
        cluster_size,
        blocks_count,
        free_blocks_count: wide(high(0x158)?, u32_at(bytes, 0xc)?),
        first_data_block: u32_at(bytes, 0x14)?,
        blocks_per_group: u32_at(bytes, 0x20)?,
        groups: 0,
        inodes_count: u32_at(bytes, 0x0)?,
        free_inodes_count: u32_at(bytes, 0x10)?,
        inodes_per_group: u32_at(bytes, 0x28)?,
        first_inode: s_first_ino,
        inode_size: s_inode_size,
        want_extra_isize: u16_at(bytes, 0x15e)?,
        descriptor_size: descriptor_size(bytes, features)?,
        first_meta_bg: u32_at(bytes, 0x104)?,
        reserved_descriptor_blocks: u16_at(bytes, 0xce)?,
        backup_groups: [u32_at(bytes, 0x24c)?, u32_at(bytes, 0x250)?],
        overhead_clusters: u32_at(bytes, 0x248)?,
        uuid: Uuid::from_bytes(bytes_at(bytes, 0x68)?),
        label: until_nul(slice_at(bytes, 0x78, 16)?).to_vec(),
        journal_inode: u32_at(bytes, 0xe0)?,
        journal_uuid: Uuid::from_bytes(bytes_at(bytes, 0xd0)?),
        copy_in_group: u16_at(bytes, 0x5a)?,
        seed,
        record: bytes.to_vec(),
    };
    superblock.groups = groups(&superblock)?;
    Ok(superblock)
}

fn features(bytes: &[u8]) -> Result<Features, Short> {
    // Revision 0 has no such fields, but old tools set some all the same, and the kernel obeys them.
    let (compat, incompat, ro_compat) = (u32_at(bytes, 0x5c)?, u32_at(bytes, 0x60)?, u32_at(bytes, 0x64)?);
    Ok(Features { compat, incompat, ro_compat })
}

fn verify(bytes: &[u8]) -> Result<(), Fault> {
    let s_checksum_type = u8_at(bytes, 0x175)?;
    if s_checksum_type != CHECKSUM_TYPE_CRC32C {
        return Err(Fault::ChecksumType(s_checksum_type));
    }
    let stored = u32_at(bytes, CHECKSUM_AT)?;
    let computed = Crc::START.with(slice_at(bytes, 0, CHECKSUM_AT)?).value();
    if stored == computed { Ok(()) } else { Err(Fault::Checksum { stored, computed }) }
}

fn cluster_size(bytes: &[u8], features: Features, s_log_block_size: u32) -> Result<u32, Fault> {
    if !features.has_bigalloc() {
        return Ok(1024 << s_log_block_size);
    }
    let s_log_cluster_size = u32_at(bytes, 0x1c)?;
    if s_log_cluster_size < s_log_block_size || s_log_cluster_size > MAX_LOG_CLUSTER_SIZE {
        let fault =
            Fault::ClusterSize { log_cluster_size: s_log_cluster_size, log_block_size: s_log_block_size };
        return Err(fault);
    }
    Ok(1024 << s_log_cluster_size)
}

fn descriptor_size(bytes: &[u8], features: Features) -> Result<u16, Fault> {
    if !features.is_64bit() {
        return Ok(DESCRIPTOR_SIZE);
    }
    let s_desc_size = u16_at(bytes, 0xfe)?;
    if !s_desc_size.is_power_of_two() || !(DESCRIPTOR_SIZE_64BIT..=1024).contains(&s_desc_size) {
        return Err(Fault::DescriptorSize(s_desc_size));
    }
    Ok(s_desc_size)
}

/// Checks the numbers per group, and counts the groups.
fn groups(superblock: &Superblock) -> Result<u64, Fault> {
    let Superblock {
        blocks_per_group, inodes_per_group, first_data_block, blocks_count, inodes_count, ..
    } = *superblock;
    let bits = u64::from(superblock.block_size).saturating_mul(8);
    let blocks_per_cluster =
        u64::from(superblock.cluster_size.checked_div(superblock.block_size).unwrap_or(1));
    let most = bits.saturating_mul(blocks_per_cluster);
    if blocks_per_group == 0 || u64::from(blocks_per_group) > most {
        return Err(Fault::BlocksPerGroup { blocks_per_group, most });
    }
    let least = superblock.inodes_per_block();
    if inodes_per_group < least || u64::from(inodes_per_group) > bits {
        return Err(Fault::InodesPerGroup { inodes_per_group, least, most: bits });
    }
    let data_blocks = blocks_count
        .checked_sub(u64::from(first_data_block))
        .filter(|blocks| *blocks > 0)
        .ok_or(Fault::FirstDataBlock { first_data_block, blocks_count })?;
    let groups = data_blocks.div_ceil(u64::from(blocks_per_group));
    if groups > GROUPS_MOST {
        return Err(Fault::TooManyGroups(groups));
    }
    if groups.checked_mul(u64::from(inodes_per_group)) != Some(u64::from(inodes_count)) {
        return Err(Fault::InodesCount { inodes_count, groups, inodes_per_group });
    }
    Ok(groups)
}

impl Superblock {
    /// Length of the filesystem in bytes.
    pub(super) fn len_bytes(&self) -> u64 {
        self.blocks_count.saturating_mul(u64::from(self.block_size))
    }

    /// Whether inodes have a checksum. Linux neither writes nor checks one on a filesystem that
    /// another system made (`ext4_inode_csum_verify`).
    pub(super) fn has_inode_checksums(&self) -> bool {
        let is_of_linux = u32_at(&self.record, CREATOR_OS_AT) == Ok(CREATOR_OS_LINUX);
        is_of_linux && self.features.has_metadata_checksums()
    }

    /// Inodes in one block of an inode table.
    pub(super) fn inodes_per_block(&self) -> u32 {
        self.block_size.checked_div(u32::from(self.inode_size)).unwrap_or(0)
    }

    /// The first block of a group.
    pub(super) fn group_start(&self, group: u64) -> u64 {
        group
            .saturating_mul(u64::from(self.blocks_per_group))
            .saturating_add(u64::from(self.first_data_block))
    }

    /// The position of a group's first block, in bytes.
    pub(super) fn group_position(&self, group: u64) -> u64 {
        self.block_position(self.group_start(group))
    }

    /// Blocks of a cluster, at least 1.
    pub(super) fn blocks_per_cluster(&self) -> u64 {
        u64::from(self.cluster_size.checked_div(self.block_size).unwrap_or(1).max(1))
    }

    /// Clusters of a group.
    pub(super) fn clusters_per_group(&self) -> u32 {
        let clusters = u64::from(self.blocks_per_group).checked_div(self.blocks_per_cluster());
        clusters.and_then(|clusters| u32::try_from(clusters).ok()).unwrap_or(self.blocks_per_group)
    }

    /// Blocks that files can have: without those of the filesystem's own structures, as `df` counts.
    pub(super) fn usable_blocks(&self) -> u64 {
        let per_cluster = u64::from(self.cluster_size.checked_div(self.block_size).unwrap_or(1));
        let overhead = u64::from(self.overhead_clusters).saturating_mul(per_cluster);
        self.blocks_count.checked_sub(overhead).unwrap_or(self.blocks_count)
    }

    /// Length of a block, for slices.
    pub(super) fn block_len(&self) -> usize {
        usize::try_from(self.block_size).unwrap_or(0)
    }

    /// The position of a block, in bytes. The number has been checked, or is refused when it is read.
    pub(super) fn block_position(&self, block: u64) -> u64 {
        block.saturating_mul(u64::from(self.block_size))
    }

    /// Whether `len` blocks from `block` on can hold data: behind the first superblock, and inside the filesystem.
    pub(super) fn holds_blocks(&self, block: u64, len: u64) -> bool {
        block > u64::from(self.first_data_block)
            && block.checked_add(len).is_some_and(|end| end <= self.blocks_count)
    }

    /// Whether a group begins with a copy of the superblock and of the group descriptors.
    ///
    /// <https://docs.kernel.org/filesystems/ext4/blockgroup.html>
    pub(super) fn group_has_copy(&self, group: u64) -> bool {
        if group == 0 {
            return true;
        }
        if self.features.has_sparse_super2() {
            return self.backup_groups.iter().any(|backup| u64::from(*backup) == group);
        }
        if group == 1 || !self.features.has_sparse_super() {
            return true;
        }
        [3, 5, 7].into_iter().any(|base| is_power_of(group, base))
    }
}

fn is_power_of(mut number: u64, base: u64) -> bool {
    while number > 1 && number.checked_rem(base) == Some(0) {
        number = number.checked_div(base).unwrap_or(0);
    }
    number == 1
}

/// The seed of one inode's structures: the filesystem's, then the inode's number and generation.
pub(super) fn inode_seed(superblock: &Superblock, number: u32, generation: u32) -> Crc {
    superblock.seed.with(&number.to_le_bytes()).with(&generation.to_le_bytes())
}

#[cfg(test)]
pub(super) mod tests;
