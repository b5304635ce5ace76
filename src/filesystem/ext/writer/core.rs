//! What all that is written needs: the device, free space, and the tables of inodes.

use super::space::Space;
use super::table::Table;
use crate::device::WriteDevice;
use crate::error::{Error, Result};
use crate::filesystem::ext::checksum::Crc;
use crate::filesystem::ext::superblock::{Superblock, inode_seed};

/// The filesystem that is being filled.
pub(super) struct Core {
    pub target: WriteDevice,
    pub superblock: Superblock,
    pub space: Space,
    pub table: Table,
}

impl Core {
    pub(super) fn new(target: WriteDevice, superblock: Superblock) -> Result<Self> {
        let space = Space::read(&target, &superblock)?;
        let table = Table::new(&target, &superblock);
        Ok(Self { target, superblock, space, table })
    }

    /// Takes a block for the filesystem's own use; of a cluster the rest stays empty.
    pub(super) fn block(&mut self) -> Result<u64> {
        let clusters = self.space.clusters(1)?;
        Ok(self.space.block(clusters.first))
    }

    /// Writes a block.
    pub(super) fn write_block(&self, block: u64, content: &[u8]) -> Result<()> {
        self.target.write_all_at(self.superblock.block_position(block), content)
    }

    /// Units of 512 bytes in a cluster: what an inode counts its blocks in.
    pub(super) fn sectors_per_cluster(&self) -> u64 {
        u64::from(self.superblock.cluster_size / 512)
    }

    /// The generation of an inode: file handles of the filesystem that was here before don't fit, and the same archive gives the same
    /// bytes.
    pub(super) fn generation(&self, number: u32) -> u32 {
        Crc::START.with(self.superblock.uuid.as_bytes()).with(&number.to_le_bytes()).value()
    }

    /// Where the checksums of an inode's structures begin.
    pub(super) fn seed(&self, number: u32) -> Crc {
        inode_seed(&self.superblock, number, self.generation(number))
    }

    /// Writes a record of an inode.
    pub(super) fn write_inode(&mut self, number: u32, record: Vec<u8>) -> Result<()> {
        self.table.write(&mut self.space, number, record)
    }

    /// Reads it again.
    pub(super) fn read_inode(&mut self, number: u32) -> Result<Vec<u8>> {
        self.table.read(&mut self.space, number)
    }

    /// The number of a block in 32 bits, where a structure has no more.
    pub(super) fn narrow(block: u64) -> Result<u32> {
        u32::try_from(block)
            .map_err(|_| Error::corrupt(format!("block {block} is out of reach for a block map")))
    }
}
