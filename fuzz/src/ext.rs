//! Where the structures of an ext filesystem lie in an image, as far as they can be found in a damaged one.
//!
//! <https://docs.kernel.org/filesystems/ext4/>

use super::fields::{bytes_at, crc32c, le16, le32};

/// What is looked at of one filesystem at most, so that a mutation takes no time however large its numbers say it is.
const MOST_GROUPS: usize = 64;
const MOST_INODES: usize = 1024;
const MOST_NODES: usize = 256;
const MOST_BLOCKS: usize = 2048;
const MOST_DEPTH: u16 = 5;

/// Flags of an inode.
pub const INDEX_FL: u32 = 0x1000;
pub const EXTENTS_FL: u32 = 0x8_0000;
pub const INLINE_DATA_FL: u32 = 0x1000_0000;

/// A filesystem in an image.
#[derive(Clone, Debug)]
pub struct Ext {
    /// Where it begins in the image.
    pub start: usize,
    pub block_size: usize,
    pub inode_size: usize,
    pub descriptor_size: usize,
    pub inodes_per_group: u32,
    pub blocks_per_group: u32,
    pub first_data_block: u32,
    pub groups: usize,
    pub journal_inode: u32,
    pub orphan_file_inode: u32,
    pub has_metadata_checksums: bool,
    pub has_group_checksums: bool,
    has_meta_bg: bool,
    has_sparse_super: bool,
    first_meta_bg: usize,
    is_64bit: bool,
    seed: u32,
}

/// An inode in use.
#[derive(Clone, Copy, Debug)]
pub struct InodePlace {
    pub number: u32,
    /// Where it is in the image.
    pub at: usize,
}

/// Where the content of an inode is: positions in the image.
#[derive(Clone, Debug, Default)]
pub struct Map {
    /// Extent nodes, without the one in the inode.
    pub nodes: Vec<usize>,
    /// Blocks of data in the file's order, holes left out.
    pub blocks: Vec<usize>,
}

/// Positions in the image where a filesystem begins: where its first superblock is.
pub fn starts(image: &[u8]) -> Vec<usize> {
    let is_start = |start: &usize| {
        let superblock = start + 1024;
        le16(image, superblock + 0x38) == 0xef53
            && le16(image, superblock + 0x5a) == 0
            && le32(image, superblock + 0x18) <= 6
    };
    (0..image.len()).step_by(512).filter(is_start).take(8).collect()
}

impl Ext {
    /// The filesystem that begins at `start`.
    pub fn at(image: &[u8], start: usize) -> Option<Self> {
        let s = start.checked_add(1024)?;
        let log_block_size = le32(image, s + 0x18);
        let inode_size = if le32(image, s + 0x4c) == 0 { 128 } else { usize::from(le16(image, s + 0x58)) };
        let (incompat, ro_compat) = (le32(image, s + 0x60), le32(image, s + 0x64));
        let is_64bit = incompat & 0x80 != 0;
        let descriptor_size = if is_64bit { usize::from(le16(image, s + 0xfe)) } else { 32 };
        let blocks_per_group = le32(image, s + 0x20);
        let fits = le16(image, s + 0x38) == 0xef53
            && log_block_size <= 6
            && (128..=65536).contains(&inode_size)
            && (32..=1024).contains(&descriptor_size)
            && blocks_per_group > 0;
        let blocks = le32(image, s + 0x4).saturating_sub(le32(image, s + 0x14));
        let groups = usize::try_from(blocks.div_ceil(blocks_per_group.max(1))).unwrap_or(0).min(MOST_GROUPS);
        let uuid = bytes_at::<16>(image, s + 0x68);
        fits.then(|| Self {
            start,
            block_size: 1024 << log_block_size,
            inode_size,
            descriptor_size,
            inodes_per_group: le32(image, s + 0x28),
            blocks_per_group,
            first_data_block: le32(image, s + 0x14),
            groups,
            journal_inode: le32(image, s + 0xe0),
            orphan_file_inode: le32(image, s + 0x280),
            has_metadata_checksums: ro_compat & 0x400 != 0,
            has_group_checksums: ro_compat & 0x10 != 0,
            has_meta_bg: incompat & 0x10 != 0,
            has_sparse_super: ro_compat & 0x1 != 0,
            first_meta_bg: usize::try_from(le32(image, s + 0x104)).unwrap_or(0),
            is_64bit,
            seed: if incompat & 0x2000 != 0 { le32(image, s + 0x270) } else { crc32c(!0, &uuid) },
        })
    }

    /// Where the superblock is in the image.
    pub fn superblock(&self) -> usize {
        self.start + 1024
    }

    /// Where the checksums of everything but the superblock begin.
    pub fn seed(&self) -> u32 {
        self.seed
    }

    /// Where the checksums of what belongs to an inode begin.
    pub fn inode_seed(&self, image: &[u8], inode: InodePlace) -> u32 {
        let seed = crc32c(self.seed, &inode.number.to_le_bytes());
        crc32c(seed, &bytes_at::<4>(image, inode.at + 0x64))
    }

    /// Where a block is in the image; `None` where it can't be in any.
    pub fn block(&self, block: u64) -> Option<usize> {
        usize::try_from(block).ok()?.checked_mul(self.block_size)?.checked_add(self.start)
    }

    /// Whether a group has a copy of the superblock.
    fn has_copy(&self, group: usize) -> bool {
        let power_of =
            |base: usize| std::iter::successors(Some(base), |n| Some(n * base)).take(7).any(|n| n == group);
        !self.has_sparse_super || group <= 1 || power_of(3) || power_of(5) || power_of(7)
    }

    /// Where a group's descriptor is in the image.
    pub fn descriptor(&self, group: usize) -> Option<usize> {
        let per_block = (self.block_size / self.descriptor_size).max(1);
        let superblock_block = 1024 / self.block_size;
        let block = if self.has_meta_bg && group / per_block >= self.first_meta_bg {
            let first = group / per_block * per_block;
            let start = first * usize::try_from(self.blocks_per_group).ok()?;
            start + usize::try_from(self.first_data_block).ok()? + usize::from(self.has_copy(first))
        } else {
            superblock_block + 1 + group / per_block
        };
        Some(self.block(u64::try_from(block).ok()?)? + group % per_block * self.descriptor_size)
    }

    /// The inodes in use, as many as are looked at.
    pub fn inodes(&self, image: &[u8]) -> Vec<InodePlace> {
        let mut found = Vec::new();
        for group in 0..self.groups {
            let Some(descriptor) = self.descriptor(group) else { continue };
            let high = if self.descriptor_size > 32 { le32(image, descriptor + 0x28) } else { 0 };
            let table = u64::from(high) << 32 | u64::from(le32(image, descriptor + 0x8));
            let Some(table) = self.block(table).filter(|table| *table < image.len()) else { continue };
            for index in 0..self.inodes_per_group {
                let at = table + usize::try_from(index).unwrap_or(0) * self.inode_size;
                if at + self.inode_size > image.len() || found.len() >= MOST_INODES {
                    break;
                }
                if le16(image, at) != 0 || le16(image, at + 0x1a) != 0 {
                    let group = u32::try_from(group).unwrap_or(0);
                    let number =
                        group.wrapping_mul(self.inodes_per_group).wrapping_add(index).wrapping_add(1);
                    found.push(InodePlace { number, at });
                }
            }
        }
        found
    }

    /// Where the attributes of an inode are that lie in a block: its number.
    pub fn attribute_block(&self, image: &[u8], inode: InodePlace) -> u64 {
        let high = if self.is_64bit { le16(image, inode.at + 0x76) } else { 0 };
        u64::from(high) << 32 | u64::from(le32(image, inode.at + 0x68))
    }

    /// Where an inode's content is.
    pub fn map(&self, image: &[u8], inode: InodePlace) -> Map {
        let mut map = Map::default();
        let flags = le32(image, inode.at + 0x20);
        let kind = le16(image, inode.at) >> 12;
        if flags & INLINE_DATA_FL != 0 || !matches!(kind, 0o4 | 0o10 | 0o12) {
            return map;
        }
        let root = inode.at + 0x28;
        if flags & EXTENTS_FL != 0 {
            self.extents(image, root, 60, MOST_DEPTH, &mut map);
        } else if kind != 0o12 || le32(image, inode.at + 0x1c) != 0 {
            for index in 0..15 {
                let level = if index < 12 { 0 } else { index - 11 };
                self.pointers(image, u64::from(le32(image, root + 4 * index)), level, &mut map);
            }
        }
        map
    }

    fn extents(&self, image: &[u8], node: usize, len: usize, most_depth: u16, map: &mut Map) {
        if le16(image, node) != 0xf30a {
            return;
        }
        let entries = usize::from(le16(image, node + 2)).min(len.saturating_sub(12) / 12);
        let depth = le16(image, node + 6);
        for entry in (0..entries).map(|index| node + 12 + 12 * index) {
            if depth == 0 {
                let (count, high) = (le16(image, entry + 4), le16(image, entry + 6));
                let first = u64::from(high) << 32 | u64::from(le32(image, entry + 8));
                let blocks = (first..).take(usize::from(count)).map_while(|block| self.block(block));
                let room = MOST_BLOCKS.saturating_sub(map.blocks.len());
                map.blocks.extend(blocks.take_while(|at| *at < image.len()).take(room));
            } else if most_depth > 0 && map.nodes.len() < MOST_NODES {
                let block = u64::from(le16(image, entry + 8)) << 32 | u64::from(le32(image, entry + 4));
                let Some(below) = self.block(block).filter(|at| *at < image.len()) else { continue };
                if !map.nodes.contains(&below) {
                    map.nodes.push(below);
                    self.extents(image, below, self.block_size, most_depth - 1, map);
                }
            }
        }
    }

    fn pointers(&self, image: &[u8], block: u64, level: usize, map: &mut Map) {
        let Some(at) = self.block(block).filter(|at| block != 0 && *at < image.len()) else { return };
        if map.blocks.len() >= MOST_BLOCKS || map.nodes.len() >= MOST_NODES {
            return;
        }
        if level == 0 {
            map.blocks.push(at);
        } else {
            map.nodes.push(at);
            for index in 0..self.block_size / 4 {
                self.pointers(image, u64::from(le32(image, at + 4 * index)), level - 1, map);
            }
        }
    }
}
