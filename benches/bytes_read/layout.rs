//! Where an ext filesystem has its metadata, block by block: a second reading of the format, apart from the one that is
//! measured. It trusts what it reads, and is for sound filesystems only.
//!
//! <https://docs.kernel.org/filesystems/ext4/>

use std::ops::Range;

use voltar::Result;
use voltar::device::{Device, read_vec};

/// The least that a device can be read by.
pub const SECTOR_BYTES: u64 = 512;

const COMPAT_SPARSE_SUPER2: u32 = 0x200;
const INCOMPAT_RECOVER: u32 = 0x4;
const INCOMPAT_META_BG: u32 = 0x10;
const INCOMPAT_64BIT: u32 = 0x80;
const INCOMPAT_EA_INODE: u32 = 0x400;
const RO_COMPAT_SPARSE_SUPER: u32 = 0x1;

const FLAG_EXTENTS: u32 = 0x8_0000;
const FLAG_INLINE_DATA: u32 = 0x1000_0000;

const ATTRIBUTES_MAGIC: u32 = 0xea02_0000;

pub fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

pub fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}

/// The geometry of a filesystem.
pub struct Layout {
    device: Device,
    superblock: Vec<u8>,
    pub block_bytes: u64,
    pub descriptor_bytes: u64,
    pub groups: u64,
    inode_bytes: u64,
}

/// Blocks that follow each other in a file and on the device, and hold data.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    pub logical: u64,
    pub physical: u64,
    pub len: u64,
}

/// Where the blocks of a file are, and which blocks say so.
#[derive(Debug, Default)]
pub struct Map {
    pub runs: Vec<Run>,
    pub nodes: Vec<u64>,
}

impl Layout {
    pub fn new(device: Device) -> Result<Self> {
        let superblock = read_vec(device.as_ref(), 1024, 1024)?;
        let field = |at| u64::from(u32_at(&superblock, at));
        let is_64bit = u32_at(&superblock, 0x60) & INCOMPAT_64BIT != 0;
        let blocks = field(0x4) | if is_64bit { field(0x150) << 32 } else { 0 };
        let inode_bytes = if field(0x4c) == 0 { 128 } else { u64::from(u16_at(&superblock, 0x58)) };
        Ok(Self {
            block_bytes: 1024 << field(0x18),
            descriptor_bytes: if is_64bit { u64::from(u16_at(&superblock, 0xfe)) } else { 32 },
            groups: (blocks - field(0x14)).div_ceil(field(0x20)),
            inode_bytes,
            device,
            superblock,
        })
    }

    fn field(&self, at: usize) -> u64 {
        u64::from(u32_at(&self.superblock, at))
    }

    fn has_incompat(&self, feature: u32) -> bool {
        u32_at(&self.superblock, 0x60) & feature != 0
    }

    /// The inode of the journal, where it has to be replayed.
    pub fn journal_to_replay(&self) -> Option<u64> {
        self.has_incompat(INCOMPAT_RECOVER).then(|| self.field(0xe0))
    }

    pub fn block(&self, number: u64) -> Result<Vec<u8>> {
        read_vec(self.device.as_ref(), number * self.block_bytes, self.block_bytes as usize)
    }

    /// The sectors of an inode table that hold an inode, and the inode itself.
    pub fn inode(&self, number: u64) -> Result<(Range<u64>, Inode)> {
        let per_group = self.field(0x28);
        let (group, index) = ((number - 1) / per_group, (number - 1) % per_group);
        let at = self.descriptor_position(group);
        let descriptor = read_vec(self.device.as_ref(), at, self.descriptor_bytes as usize)?;
        let high = if self.descriptor_bytes > 32 { u64::from(u32_at(&descriptor, 0x28)) << 32 } else { 0 };
        let table = u64::from(u32_at(&descriptor, 0x8)) | high;
        let at = table * self.block_bytes + index * self.inode_bytes;
        let record = read_vec(self.device.as_ref(), at, self.inode_bytes as usize)?;
        Ok((at / SECTOR_BYTES..(at + self.inode_bytes).div_ceil(SECTOR_BYTES), Inode(record)))
    }

    fn descriptor_position(&self, group: u64) -> u64 {
        let per_block = self.block_bytes / self.descriptor_bytes;
        let (index, first) = (group / per_block, self.field(0x14));
        let block = if self.has_incompat(INCOMPAT_META_BG) && index >= self.field(0x104) {
            let group = index * per_block;
            first + group * self.field(0x20) + u64::from(self.has_superblock(group))
        } else {
            // Blocks of 1 KiB leave block 0 to boot code, whatever the first data block is.
            self.block_bytes.max(2048).min(2 * self.block_bytes) / self.block_bytes + index
        };
        block * self.block_bytes + group % per_block * self.descriptor_bytes
    }

    fn has_superblock(&self, group: u64) -> bool {
        if u32_at(&self.superblock, 0x5c) & COMPAT_SPARSE_SUPER2 != 0 {
            return group == 0 || group == self.field(0x24c) || group == self.field(0x250);
        }
        let is_power = |base: u64| (0..20).map_while(|power| base.checked_pow(power)).any(|it| it == group);
        u32_at(&self.superblock, 0x64) & RO_COMPAT_SPARSE_SUPER == 0
            || group == 0
            || [3, 5, 7].into_iter().any(is_power)
    }

    /// Where the content of an inode is; nothing where it is in the inode.
    pub fn map(&self, inode: &Inode) -> Result<Map> {
        let mut map = Map::default();
        let root = &inode.0[0x28..0x64];
        if inode.flags() & FLAG_INLINE_DATA != 0 {
        } else if inode.flags() & FLAG_EXTENTS != 0 {
            self.extents(root, &mut map)?;
        } else {
            let mut logical = 0;
            let most = inode.size_bytes().div_ceil(self.block_bytes);
            for (at, depth) in (0..15).map(|at| (at, u32::saturating_sub(at, 11))) {
                self.indirect(u32_at(root, at as usize * 4), depth, &mut logical, most, &mut map)?;
            }
        }
        Ok(map)
    }

    fn extents(&self, node: &[u8], map: &mut Map) -> Result<()> {
        let is_leaf = u16_at(node, 6) == 0;
        for entry in node[12..].chunks_exact(12).take(u16_at(node, 2).into()) {
            if is_leaf {
                let (len, high) = (u64::from(u16_at(entry, 4)), u64::from(u16_at(entry, 6)));
                let physical = u64::from(u32_at(entry, 8)) | high << 32;
                // A longer one is allocated, but not written: it reads as zeros.
                if len <= 0x8000 {
                    map.runs.push(Run { logical: u64::from(u32_at(entry, 0)), physical, len });
                }
            } else {
                let child = u64::from(u32_at(entry, 4)) | u64::from(u16_at(entry, 8)) << 32;
                map.nodes.push(child);
                self.extents(&self.block(child)?, map)?;
            }
        }
        Ok(())
    }

    fn indirect(&self, block: u32, depth: u32, logical: &mut u64, most: u64, map: &mut Map) -> Result<()> {
        let (block, pointers) = (u64::from(block), self.block_bytes / 4);
        if block == 0 || *logical >= most {
            *logical += pointers.pow(depth);
        } else if depth == 0 {
            map.runs.push(Run { logical: *logical, physical: block, len: 1 });
            *logical += 1;
        } else {
            map.nodes.push(block);
            let node = self.block(block)?;
            for at in (0..node.len()).step_by(4) {
                self.indirect(u32_at(&node, at), depth - 1, logical, most, map)?;
            }
        }
        Ok(())
    }

    /// The attributes' values that have an inode of their own: its number, and the length of the value.
    pub fn value_inodes(&self, inode: &Inode) -> Result<Vec<(u64, u64)>> {
        let mut found = Vec::new();
        if !self.has_incompat(INCOMPAT_EA_INODE) {
            return Ok(found);
        }
        if inode.0.len() > 128 {
            let space = &inode.0[128 + usize::from(u16_at(&inode.0, 0x80))..];
            if space.len() > 4 && u32_at(space, 0) == ATTRIBUTES_MAGIC {
                values(&space[4..], &mut found);
            }
        }
        if let Some(block) = inode.attribute_block() {
            values(&self.block(block)?[32..], &mut found);
        }
        Ok(found)
    }
}

fn values(mut entries: &[u8], found: &mut Vec<(u64, u64)>) {
    while entries.len() >= 16 && u32_at(entries, 0) != 0 {
        let (inode, len) = (u32_at(entries, 4), u32_at(entries, 8));
        if inode != 0 {
            found.push((inode.into(), len.into()));
        }
        entries = &entries[(16 + usize::from(entries[0])).next_multiple_of(4)..];
    }
}

/// An inode as it lies in its table.
pub struct Inode(Vec<u8>);

impl Inode {
    fn flags(&self) -> u32 {
        u32_at(&self.0, 0x20)
    }

    pub fn size_bytes(&self) -> u64 {
        u64::from(u32_at(&self.0, 0x4)) | u64::from(u32_at(&self.0, 0x6c)) << 32
    }

    pub fn attribute_block(&self) -> Option<u64> {
        let block = u64::from(u32_at(&self.0, 0x68)) | u64::from(u16_at(&self.0, 0x76)) << 32;
        (block != 0).then_some(block)
    }
}
