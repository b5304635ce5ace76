//! Commit blocks: a transaction that has one is complete.

use super::checksum::{BigEndianCrc32, crc32c_without};
use super::superblock::{Checksums, Superblock};
use crate::fields::{Short, be32_at, u8_at, wide};

/// Length in bytes of the structure at the start of a commit block.
const COMMIT_BYTES: usize = 0x3C;
/// Position of the first, and only used, of the eight checksums.
const CHECKSUM: usize = 0x10;
/// `JBD2_CRC32_CHKSUM`.
const CRC32: u8 = 1;
/// `JBD2_CRC32_CHKSUM_SIZE`.
const CRC32_BYTES: u8 = 4;

/// The end of a transaction.
///
/// Layout: <https://docs.kernel.org/filesystems/ext4/journal.html#commit-block>; all fields are big-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Commit {
    h_chksum_type: u8,
    h_chksum_size: u8,
    /// The checksum as stored.
    pub(super) h_chksum: u32,
    /// When the transaction was committed, in seconds since 1970.
    pub(super) h_commit_sec: u64,
}

impl Commit {
    pub(super) fn parse(block: &[u8]) -> Result<Self, Short> {
        Ok(Self {
            h_chksum_type: u8_at(block, 0x0C)?,
            h_chksum_size: u8_at(block, 0x0D)?,
            h_chksum: be32_at(block, CHECKSUM)?,
            h_commit_sec: wide(be32_at(block, 0x30)?, be32_at(block, 0x34)?),
        })
    }

    /// Checks the block against its checksum; with the first version, `transaction` is that of its blocks.
    ///
    /// # Errors
    ///
    /// The checksum that would be right.
    pub(super) fn verify(
        &self,
        block: &[u8],
        transaction: &BigEndianCrc32,
        journal: &Superblock,
    ) -> Result<(), u32> {
        match journal.checksums {
            Checksums::None => Ok(()),
            Checksums::V1 => self.verify_transaction(transaction.sum()),
            Checksums::V2 | Checksums::V3 => self.verify_block(block, journal.seed),
        }
    }

    fn verify_transaction(&self, computed: u32) -> Result<(), u32> {
        let is_unused = self.h_chksum_type == 0 && self.h_chksum_size == 0 && self.h_chksum == 0;
        let is_right =
            self.h_chksum == computed && self.h_chksum_type == CRC32 && self.h_chksum_size == CRC32_BYTES;
        if is_unused || is_right { Ok(()) } else { Err(computed) }
    }

    /// The kernel also takes a block of which only the structure itself reached the disk: the checksum was made
    /// with zeros after it.
    fn verify_block(&self, block: &[u8], seed: u32) -> Result<(), u32> {
        let computed = crc32c_without(seed, block, CHECKSUM);
        let mut alone = block.to_vec();
        alone.iter_mut().skip(COMMIT_BYTES).for_each(|byte| *byte = 0);
        let is_right = self.h_chksum == computed || self.h_chksum == crc32c_without(seed, &alone, CHECKSUM);
        if is_right { Ok(()) } else { Err(computed) }
    }
}
