//! The superblock of a pool.
//!
//! Layout: `struct thin_disk_superblock` in `drivers/md/dm-thin-metadata.c` of the kernel.

use super::block::{self, Blocks};
use crate::device::Device;
use crate::error::{Error, Kind, Result};
use crate::fields::{Short, u32_at, u64_at};

/// `THIN_SUPERBLOCK_MAGIC`.
const MAGIC: u64 = 27_022_010;
/// Sizes count in these.
const SECTOR_BYTES: u64 = 512;
/// `DATA_DEV_BLOCK_SIZE_MIN_SECTORS` and `…_MAX_…`.
const CHUNK_SECTORS: std::ops::RangeInclusive<u32> = 128..=2_097_152;

/// A thin pool.
#[derive(Debug)]
pub(in crate::volume::layer::lvm) struct Pool {
    pub(super) blocks: Blocks,
    pub(super) data: Device,
    pub(super) chunk_bytes: u64,
    /// Root of the tree of volumes; each value is the root of that volume's tree.
    pub(super) root: u64,
    /// What should be known about it.
    pub warnings: Vec<String>,
}

#[derive(Debug, PartialEq, Eq)]
struct Superblock {
    trans_id: u64,
    data_mapping_root: u64,
    data_block_size: u32,
    metadata_block_size: u32,
    needs_check: bool,
    incompat_flags: u32,
}

impl Pool {
    /// Opens a pool by its metadata and its data. The other two are what LVM's own metadata say.
    pub(in crate::volume::layer::lvm) fn open(
        metadata: Device,
        data: Device,
        chunk_bytes: u64,
        transaction: u64,
    ) -> Result<Self> {
        let blocks = Blocks::new(metadata);
        let first = blocks.read(0, block::SUPERBLOCK)?;
        let superblock = superblock(&first).map_err(Error::corrupt)?;
        let superblock = superblock.ok_or_else(|| Error::corrupt("no superblock of a thin pool"))?;
        let chunk = u64::from(superblock.data_block_size).saturating_mul(SECTOR_BYTES);
        let is_known = CHUNK_SECTORS.contains(&superblock.data_block_size)
            && u64::from(superblock.metadata_block_size).saturating_mul(SECTOR_BYTES) == block::BLOCK_BYTES;
        if !is_known || chunk != chunk_bytes {
            let message = format!("its chunks have {chunk} bytes, but {chunk_bytes} in the volume group");
            return Err(Error::corrupt(message));
        }
        if superblock.incompat_flags != 0 {
            let message = format!("it has unknown features {:#x}", superblock.incompat_flags);
            return Err(Error::new(Kind::Unsupported, message));
        }
        let mut warnings = Vec::new();
        if superblock.trans_id != transaction {
            let (own, wanted) = (superblock.trans_id, transaction);
            warnings.push(format!("is at transaction {own}, but the volume group at {wanted}"));
        }
        if superblock.needs_check {
            warnings.push("asks for a check of its metadata (thin_check)".to_owned());
        }
        Ok(Self { blocks, data, chunk_bytes, root: superblock.data_mapping_root, warnings })
    }
}

fn superblock(bytes: &[u8]) -> Result<Option<Superblock>, Short> {
    if u64_at(bytes, 32)? != MAGIC {
        return Ok(None);
    }
    Ok(Some(Superblock {
        needs_check: u32_at(bytes, 4)? & 1 != 0,
        trans_id: u64_at(bytes, 48)?,
        data_mapping_root: u64_at(bytes, 320)?,
        data_block_size: u32_at(bytes, 336)?,
        metadata_block_size: u32_at(bytes, 340)?,
        incompat_flags: u32_at(bytes, 360)?,
    }))
}
