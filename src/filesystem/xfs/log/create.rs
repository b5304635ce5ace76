//! New inodes, by the chunk (`struct xfs_icreate_log`): all its fields are big-endian.

use super::super::checksum;
use super::super::inode;
use super::super::superblock::Superblock;
use super::fault::Fault;
use super::transaction::Item;
use crate::fields::{be32_at, put_bytes, put_u8};

/// `XFS_INODES_PER_CHUNK`, and as many inodes as the largest block holds.
const COUNT_MOST: u32 = 1024;
const GENERATION_AT: usize = 92;
const NEXT_UNLINKED_AT: usize = 96;
const NUMBER_AT: usize = 152;
const UUID_AT: usize = 160;

/// A chunk of new inodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Create {
    /// Position of the first one, in bytes.
    pub position: u64,
    number: u64,
    pub count: u32,
    generation: u32,
}

impl Create {
    pub(super) fn parse(item: &Item, superblock: &Superblock) -> Result<Self, Fault> {
        let format = item.region(0);
        let group = u64::from(be32_at(format, 4)?);
        let within = u64::from(be32_at(format, 8)?);
        let count = be32_at(format, 12)?;
        let size = be32_at(format, 16)?;
        let blocks = be32_at(format, 20)?;
        let wrong = Fault::Create { count, size, blocks };
        let block = group.checked_shl(superblock.group_log.into()).map(|group| group | within);
        let bytes = u64::from(count).saturating_mul(size.into());
        let fits = bytes <= u64::from(blocks).saturating_mul(superblock.block_size.into());
        let holds = block.is_some_and(|block| superblock.holds_blocks(block, blocks.into()));
        let (Some(block), Some(position)) = (block, superblock.position_in_group(group, within)) else {
            return Err(wrong);
        };
        if !holds || !fits || size != u32::from(superblock.inode_size) || count == 0 || count > COUNT_MOST {
            return Err(wrong);
        }
        let number = block.checked_shl(superblock.inodes_log.into()).ok_or(wrong)?;
        Ok(Self { position, number, count, generation: be32_at(format, 24)? })
    }

    /// The bytes of the inodes: none is in use.
    pub(super) fn bytes(&self, superblock: &Superblock) -> Vec<u8> {
        let mut bytes = Vec::new();
        for number in (self.number..).zip(0..self.count).map(|(number, _)| number) {
            let mut record = vec![0; superblock.inode_len()];
            put_bytes(&mut record, 0, &inode::MAGIC.to_be_bytes());
            put_bytes(&mut record, GENERATION_AT, &self.generation.to_be_bytes());
            put_bytes(&mut record, NEXT_UNLINKED_AT, &[0xff; 4]);
            match superblock.features.has_checksums() {
                true => {
                    put_u8(&mut record, 4, 3);
                    put_bytes(&mut record, NUMBER_AT, &number.to_be_bytes());
                    put_bytes(&mut record, UUID_AT, superblock.meta_uuid.as_bytes());
                    let crc = checksum::of(&record, inode::CHECKSUM_AT).unwrap_or(0);
                    put_bytes(&mut record, inode::CHECKSUM_AT, &crc.to_le_bytes());
                }
                false => put_u8(&mut record, 4, 2),
            }
            bytes.extend(record);
        }
        bytes
    }
}
