//! The tables of inodes, as they are filled: one block of them is in memory.

use super::space::Space;
use crate::device::{WriteDevice, read_vec};
use crate::error::{Error, Result};
use crate::filesystem::ext::inode;
use crate::filesystem::ext::superblock::Superblock;

/// Writes records of inodes.
pub(super) struct Table {
    target: WriteDevice,
    superblock: Superblock,
    /// The block that was written to last, and its content.
    held: Option<(u64, Vec<u8>)>,
}

impl Table {
    pub(super) fn new(target: &WriteDevice, superblock: &Superblock) -> Self {
        Self { target: WriteDevice::clone(target), superblock: superblock.clone(), held: None }
    }

    /// Puts the record of an inode into its place, with its checksum.
    pub(super) fn write(&mut self, space: &mut Space, number: u32, mut record: Vec<u8>) -> Result<()> {
        inode::seal(&self.superblock, u64::from(number), &mut record).map_err(Error::corrupt)?;
        self.put(space, number, &record)
    }

    /// Puts zeros into the place of an inode: it is not in use.
    pub(super) fn clear(&mut self, space: &mut Space, number: u32) -> Result<()> {
        self.put(space, number, &vec![0; usize::from(self.superblock.inode_size)])
    }

    fn put(&mut self, space: &mut Space, number: u32, record: &[u8]) -> Result<()> {
        let at = self.hold(space, number)?;
        let (_, block) = self.held.as_mut().ok_or_else(lost)?;
        let place = block.get_mut(at..).and_then(|rest| rest.get_mut(..record.len())).ok_or_else(lost)?;
        place.copy_from_slice(record);
        Ok(())
    }

    /// The record of an inode.
    pub(super) fn read(&mut self, space: &mut Space, number: u32) -> Result<Vec<u8>> {
        let at = self.hold(space, number)?;
        let (_, block) = self.held.as_ref().ok_or_else(lost)?;
        let len = usize::from(self.superblock.inode_size);
        block.get(at..).and_then(|rest| rest.get(..len)).map(<[u8]>::to_vec).ok_or_else(lost)
    }

    /// Gets the block that an inode is in into memory, and tells where in it the inode is.
    fn hold(&mut self, space: &mut Space, number: u32) -> Result<usize> {
        let (group, index) = space.place(number);
        let per_block = self.superblock.inodes_per_block().max(1);
        let block_index = index.checked_div(per_block).unwrap_or(0);
        let block = space.groups.inode_table(group).saturating_add(u64::from(block_index));
        let at =
            index.checked_rem(per_block).unwrap_or(0).saturating_mul(u32::from(self.superblock.inode_size));
        if self.held.as_ref().is_none_or(|(held, _)| *held != block) {
            self.flush()?;
            let first = block_index.saturating_mul(per_block);
            let len = self.superblock.block_len();
            // What was never written is whatever was on the device before.
            let content = match first < space.groups.written_inodes(group) {
                true => read_vec(self.target.as_ref(), self.superblock.block_position(block), len)?,
                false => vec![0; len],
            };
            space.groups.set_written(group, first.saturating_add(per_block));
            self.held = Some((block, content));
        }
        usize::try_from(at).map_err(Error::corrupt)
    }

    /// Writes what is in memory.
    pub(super) fn flush(&mut self) -> Result<()> {
        match self.held.take() {
            Some((block, content)) => {
                self.target.write_all_at(self.superblock.block_position(block), &content)
            }
            None => Ok(()),
        }
    }
}

fn lost() -> Error {
    Error::corrupt("an inode is not where the superblock says")
}
