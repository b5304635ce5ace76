//! A filesystem that nobody recognises until it is whole: its superblocks lie on the device without
//! their magic numbers.
//!
//! A process that is killed while it fills a filesystem leaves nothing that a kernel, `blkid` or
//! `e2fsck` takes for one. The veil keeps nothing in memory: from the superblock follows where the
//! magic numbers belong, so that one process may make the filesystem and another may fill it.

use crate::device::{ReadAt, WriteAt, WriteDevice, read_vec};
use crate::error::{Error, Result};
use crate::filesystem::ext::group;
use crate::filesystem::ext::superblock::{self, Superblock};
use crate::filesystem::{Content, Filesystem};
use crate::units::ByteRange;

use super::groups::Groups;

/// Position of the magic number in a superblock, and the number (`EXT4_SUPER_MAGIC`,
/// little-endian).
const MAGIC_AT: u64 = 0x38;
const MAGIC: [u8; 2] = [0x53, 0xef];

/// Inodes that a new filesystem has at most: the reserved ones, `lost+found`, the orphan file.
const FIRST_INODES: u64 = 16;

/// A device with an ext filesystem on it, as it looks to who fills it.
#[derive(Debug)]
pub struct Veil {
    device: WriteDevice,
    /// Positions of the magic numbers, in order; the first is the primary superblock's.
    magics: Vec<u64>,
}

impl Veil {
    /// Veils the filesystem with this superblock, which is about to be written to `device`.
    ///
    /// # Errors
    ///
    /// [`Kind::Corrupt`](crate::Kind::Corrupt) when the bytes are not a superblock.
    pub fn over(device: WriteDevice, superblock: &[u8]) -> Result<Self> {
        let parsed = superblock::parse(superblock).map_err(Error::corrupt)?;
        Ok(Self { device, magics: magics(&parsed) })
    }

    /// Veils the filesystem that lies on the device, with its magic numbers or without.
    ///
    /// # Errors
    ///
    /// As [`Veil::over`], and when the device can't be read.
    pub fn new(device: WriteDevice) -> Result<Self> {
        let first = Self { device, magics: vec![superblock::POSITION.saturating_add(MAGIC_AT)] };
        let superblock = read_vec(&first, superblock::POSITION, superblock::LEN)?;
        Self::over(first.device, &superblock)
    }

    /// Writes the magic numbers: those of the copies, and, when all is on the device, the first.
    ///
    /// # Errors
    ///
    /// [`Kind::Write`](crate::Kind::Write) when the device fails.
    pub fn lift(&self) -> Result<()> {
        let Some((first, copies)) = self.magics.split_first() else { return Ok(()) };
        copies.iter().try_for_each(|at| self.device.write_all_at(*at, &MAGIC))?;
        self.device.sync()?;
        self.device.write_all_at(*first, &MAGIC)
    }

    /// Shows each byte of a magic number in a range to `change`, by its index in the range and in
    /// the number.
    fn each(&self, at: u64, len: usize, mut change: impl FnMut(usize, u8)) {
        let end = at.saturating_add(u64::try_from(len).unwrap_or(u64::MAX));
        let first = self.magics.partition_point(|magic| magic.saturating_add(1) < at);
        for magic in self.magics.iter().skip(first).take_while(|magic| **magic < end) {
            for (byte, position) in MAGIC.into_iter().zip(*magic..) {
                let index = position.checked_sub(at).and_then(|index| usize::try_from(index).ok());
                if let Some(index) = index.filter(|index| *index < len) {
                    change(index, byte);
                }
            }
        }
    }
}

fn magics(superblock: &Superblock) -> Vec<u64> {
    let copies = (1..superblock.groups).filter(|group| superblock.group_has_copy(*group));
    let copies = copies.map(|group| superblock.group_position(group));
    std::iter::once(superblock::POSITION).chain(copies).map(|at| at.saturating_add(MAGIC_AT)).collect()
}

impl ReadAt for Veil {
    fn len_bytes(&self) -> u64 {
        self.device.len_bytes()
    }

    fn read_at(&self, offset_bytes: u64, buffer: &mut [u8]) -> Result<()> {
        self.device.read_at(offset_bytes, buffer)?;
        self.each(offset_bytes, buffer.len(), |index, magic| {
            buffer.get_mut(index).into_iter().for_each(|byte| *byte = magic);
        });
        Ok(())
    }

    fn sector_bytes(&self) -> Option<u32> {
        self.device.sector_bytes()
    }
}

impl WriteAt for Veil {
    fn write_all_at(&self, offset_bytes: u64, bytes: &[u8]) -> Result<()> {
        let mut veiled = Vec::new();
        self.each(offset_bytes, bytes.len(), |index, _| {
            if veiled.is_empty() {
                veiled = bytes.to_vec();
            }
            veiled.get_mut(index).into_iter().for_each(|byte| *byte = 0);
        });
        let bytes = if veiled.is_empty() { bytes } else { &veiled };
        self.device.write_all_at(offset_bytes, bytes)
    }

    fn sync(&self) -> Result<()> {
        self.device.sync()
    }
}

/// The ranges in which a filesystem that `mke2fs` just made relies on zeros: the tables of inodes
/// as far as they are in use, and what its first inodes have, the journal for one.
///
/// # Errors
///
/// When the filesystem can't be read.
pub fn zeros(made: &WriteDevice) -> Result<Vec<ByteRange>> {
    let bytes = read_vec(made.as_ref(), superblock::POSITION, superblock::LEN)?;
    let superblock = superblock::parse(&bytes).map_err(Error::corrupt)?;
    let groups = Groups::read(made, &superblock)?;
    let mut ranges = Vec::new();
    for group in 0..superblock.groups {
        let block = groups.inode_table(group);
        let inodes = u64::from(groups.written_inodes(group));
        if superblock.holds_blocks(block, group::table_blocks(&superblock)) {
            let len = inodes.saturating_mul(u64::from(superblock.inode_size));
            ranges.extend(ByteRange::new(superblock.block_position(block), len));
        }
    }
    let opened = super::super::open(made.clone(), None)?;
    for number in 1..=FIRST_INODES {
        ranges.extend(content(opened.as_ref(), number));
    }
    Ok(ranges)
}

/// Place of an inode's content; nothing for an inode without content.
fn content(opened: &dyn Filesystem, number: u64) -> Vec<ByteRange> {
    let found = opened.inode(number.into()).and_then(|inode| opened.content(&inode));
    let Ok(Content::Extents(extents)) = found else { return Vec::new() };
    extents.iter().filter_map(|extent| ByteRange::new(extent.at().ok()?, extent.len_bytes)).collect()
}
