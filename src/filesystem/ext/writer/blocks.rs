//! Blocks of directories: records of names, and behind them a checksum where there are checksums.
//!
//! <https://docs.kernel.org/filesystems/ext4/directory.html>

use super::content::Content;
use super::names::Name;
use crate::error::Result;
use crate::fields::{high_half, low_half, low_quarter, put_bytes, put_u8, put_u16, put_u32};
use crate::filesystem::ext::checksum::Crc;
use crate::filesystem::ext::directory::{ALIGNMENT, HEAD_LEN, TAIL_LEN, TAIL_TYPE};
use crate::filesystem::ext::superblock::Superblock;

/// What the blocks of one directory have to be like.
#[derive(Clone, Debug)]
pub(super) struct Form {
    pub block_len: usize,
    pub has_types: bool,
    pub has_checksums: bool,
    pub seed: Crc,
    pub inode: u32,
    pub parent: u32,
}

impl Form {
    pub(super) fn new(superblock: &Superblock, seed: Crc, inode: u32, parent: u32) -> Self {
        let features = superblock.features;
        Self {
            block_len: superblock.block_len(),
            has_types: features.has_file_types(),
            has_checksums: features.has_metadata_checksums(),
            seed,
            inode,
            parent,
        }
    }

    /// Bytes of a block that records may take.
    pub(super) fn capacity(&self) -> usize {
        self.block_len.saturating_sub(if self.has_checksums { TAIL_LEN } else { 0 })
    }

    /// `.` and `..`, which each directory begins with.
    pub(super) fn first_names(&self) -> [Name<'static>; 2] {
        [Name { inode: self.inode, kind: 2, name: b"." }, Name { inode: self.parent, kind: 2, name: b".." }]
    }

    /// A block with these names; the last record takes what is left.
    pub(super) fn leaf<'a>(&self, names: impl IntoIterator<Item = Name<'a>>) -> Vec<u8> {
        let mut block = vec![0; self.block_len];
        let (mut at, mut last) = (0_usize, 0_usize);
        for name in names {
            last = at;
            at = at.saturating_add(self.record(&mut block, at, name));
        }
        self.put_len(&mut block, last, self.capacity().saturating_sub(last));
        if self.has_checksums {
            let tail = self.capacity();
            put_u16(&mut block, tail.saturating_add(4), u16::try_from(TAIL_LEN).unwrap_or(0));
            put_u8(&mut block, tail.saturating_add(7), TAIL_TYPE);
            let checksum = self.seed.with(block.get(..tail).unwrap_or_default()).value();
            put_u32(&mut block, tail.saturating_add(8), checksum);
        }
        block
    }

    /// Puts a record there, and gives its length.
    pub(super) fn record(&self, block: &mut [u8], at: usize, name: Name<'_>) -> usize {
        let len = record_len(name.name);
        let name_len = u8::try_from(name.name.len()).unwrap_or(u8::MAX);
        put_u32(block, at, name.inode);
        self.put_len(block, at, len);
        put_u8(block, at.saturating_add(6), name_len);
        put_u8(block, at.saturating_add(7), if self.has_types { name.kind } else { 0 });
        put_bytes(block, at.saturating_add(HEAD_LEN), name.name);
        len
    }

    /// The length of a record; in a block of 64 KiB, which 16 bits can't tell, the two lowest bits are the upper ones
    /// (`ext4_rec_len_to_disk`).
    pub(super) fn put_len(&self, block: &mut [u8], at: usize, len: usize) {
        let len = u64::try_from(len).unwrap_or(0);
        let stored = match u16::try_from(len) {
            Ok(len) => len,
            Err(_) if self.block_len == 1 << 16 && len == 1 << 16 => u16::MAX,
            Err(_) => {
                low_quarter(low_half(len)) & 0xfffc
                    | low_quarter(low_half(len) >> 16) & 0x3
                    | low_quarter(high_half(len))
            }
        };
        put_u16(block, at.saturating_add(4), stored);
    }
}

/// Bytes that the record of a name takes.
pub(super) fn record_len(name: &[u8]) -> usize {
    HEAD_LEN.saturating_add(name.len()).next_multiple_of(ALIGNMENT)
}

/// Blocks of a directory, one behind the other.
pub(super) struct Blocks<'a, 'b> {
    content: &'a mut Content<'b>,
    block_len: usize,
    position: u64,
}

impl<'a, 'b> Blocks<'a, 'b> {
    pub(super) fn new(content: &'a mut Content<'b>, block_len: usize) -> Self {
        Self { content, block_len, position: 0 }
    }

    /// Bytes of all blocks so far.
    pub(super) fn len_bytes(&self) -> u64 {
        self.position
    }

    pub(super) fn put(&mut self, block: &[u8]) -> Result<()> {
        self.content.put(self.position, block)?;
        self.position = self.position.saturating_add(u64::try_from(block.len()).unwrap_or(0));
        Ok(())
    }

    pub(super) fn count(&self) -> u64 {
        let len = u64::try_from(self.block_len).unwrap_or(1).max(1);
        self.position.checked_div(len).unwrap_or(0)
    }
}
