//! The header that every block of a journal's own has.

use crate::fields::{Short, be32_at};

/// `JBD2_MAGIC_NUMBER`.
pub(super) const MAGIC: u32 = 0xC03B_3998;

/// The first twelve bytes of a block that the journal made; copies of other blocks have none.
///
/// Layout: <https://docs.kernel.org/filesystems/ext4/journal.html#block-header>; all fields are big-endian.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    /// [`MAGIC`].
    pub(super) h_magic: u32,
    /// What the block is.
    pub(super) h_blocktype: u32,
    /// Number of the transaction that it belongs to.
    pub(super) h_sequence: u32,
}

impl Header {
    /// Length in bytes.
    pub(super) const BYTES: usize = 12;
    /// `JBD2_DESCRIPTOR_BLOCK`.
    pub(super) const DESCRIPTOR: u32 = 1;
    /// `JBD2_COMMIT_BLOCK`.
    pub(super) const COMMIT: u32 = 2;
    /// `JBD2_SUPERBLOCK_V1`.
    pub(super) const SUPERBLOCK_V1: u32 = 3;
    /// `JBD2_SUPERBLOCK_V2`.
    pub(super) const SUPERBLOCK_V2: u32 = 4;
    /// `JBD2_REVOKE_BLOCK`.
    pub(super) const REVOKE: u32 = 5;

    pub(super) fn parse(block: &[u8]) -> Result<Self, Short> {
        Ok(Self {
            h_magic: be32_at(block, 0x00)?,
            h_blocktype: be32_at(block, 0x04)?,
            h_sequence: be32_at(block, 0x08)?,
        })
    }
}
