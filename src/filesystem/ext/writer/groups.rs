//! Block groups as they are filled: descriptors, bitmaps, and what is free.
//!
//! <https://docs.kernel.org/filesystems/ext4/group_descr.html>, <https://docs.kernel.org/filesystems/ext4/bitmaps.html>

use std::num::NonZeroUsize;

use lru::LruCache;

use super::bitmap::Bitmap;
use crate::device::{WriteDevice, read_vec};
use crate::error::{Error, Result};
use crate::fields::{high_half, high_quarter, low_half, low_quarter, put_u16, put_u32, u16_at, u32_at, wide};
use crate::filesystem::ext::group::{self, CHECKSUM_AT, INODE_UNINIT};
use crate::filesystem::ext::superblock::Superblock;

/// `EXT4_BG_BLOCK_UNINIT`: the bitmap of blocks was never written, and follows from where the group's own structures are.
const BLOCK_UNINIT: u16 = 0x2;
/// Bitmaps that are kept in memory: 4 MiB with blocks of 64 KiB.
const KEPT: NonZeroUsize = NonZeroUsize::MIN.saturating_add(63);

/// What a bitmap is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Of {
    Clusters,
    Inodes,
}

/// The groups of a filesystem.
pub(super) struct Groups {
    target: WriteDevice,
    superblock: Superblock,
    /// All descriptors, one after the other.
    descriptors: Vec<u8>,
    bitmaps: LruCache<(Of, u64), Bitmap>,
    /// Inodes at the start of each group's table that are on the disk; those behind were never written.
    written: Vec<u32>,
}

/// A field of a descriptor: where its lower half is, and the upper one where a descriptor is long enough for it.
#[derive(Clone, Copy)]
struct Field(usize, usize);

const BLOCK_BITMAP: Field = Field(0x0, 0x20);
const INODE_BITMAP: Field = Field(0x4, 0x24);
const INODE_TABLE: Field = Field(0x8, 0x28);
const FREE_CLUSTERS: Field = Field(0xc, 0x2c);
const FREE_INODES: Field = Field(0xe, 0x2e);
const DIRECTORIES: Field = Field(0x10, 0x30);
const FLAGS_AT: usize = 0x12;
const BLOCK_BITMAP_CHECKSUM: Field = Field(0x18, 0x38);
const INODE_BITMAP_CHECKSUM: Field = Field(0x1a, 0x3a);
const UNUSED_INODES: Field = Field(0x1c, 0x32);

impl Groups {
    pub(super) fn read(target: &WriteDevice, superblock: &Superblock) -> Result<Self> {
        let size = usize::from(superblock.descriptor_size);
        let mut descriptors = Vec::new();
        for group in 0..superblock.groups {
            let (table, at) = group::descriptor_place(superblock, group);
            descriptors.extend(read_vec(target.as_ref(), table.position.saturating_add(at), size)?);
        }
        let bitmaps = LruCache::new(KEPT);
        let (target, superblock) = (WriteDevice::clone(target), superblock.clone());
        let mut groups = Self { target, superblock, descriptors, bitmaps, written: Vec::new() };
        groups.written =
            (0..groups.superblock.groups).map(|group| groups.inodes_in_use_of_table(group)).collect();
        Ok(groups)
    }

    /// Whether descriptors say what of a group is in use.
    fn has_checksums(&self) -> bool {
        let features = self.superblock.features;
        features.has_metadata_checksums() || features.has_group_checksums()
    }

    fn inodes_in_use_of_table(&self, group: u64) -> u32 {
        let per_group = self.superblock.inodes_per_group;
        match self.has_checksums() {
            false => per_group,
            true if self.flags(group) & INODE_UNINIT != 0 => 0,
            true => per_group.saturating_sub(self.number(group, UNUSED_INODES)),
        }
    }

    fn descriptor(&self, group: u64) -> &[u8] {
        let size = usize::from(self.superblock.descriptor_size);
        let at = usize::try_from(group).unwrap_or(usize::MAX).saturating_mul(size);
        self.descriptors.get(at..).and_then(|rest| rest.get(..size)).unwrap_or_default()
    }

    fn descriptor_mut(&mut self, group: u64) -> &mut [u8] {
        let size = usize::from(self.superblock.descriptor_size);
        let at = usize::try_from(group).unwrap_or(usize::MAX).saturating_mul(size);
        self.descriptors.get_mut(at..).and_then(|rest| rest.get_mut(..size)).unwrap_or_default()
    }

    fn is_wide(&self) -> bool {
        self.superblock.descriptor_size >= 64
    }

    fn flags(&self, group: u64) -> u16 {
        u16_at(self.descriptor(group), FLAGS_AT).unwrap_or(0)
    }

    fn clear_flag(&mut self, group: u64, flag: u16) {
        let flags = self.flags(group) & !flag;
        put_u16(self.descriptor_mut(group), FLAGS_AT, flags);
    }

    /// A field of two halves of two bytes.
    fn number(&self, group: u64, Field(low, high): Field) -> u32 {
        let descriptor = self.descriptor(group);
        let high = if self.is_wide() { u16_at(descriptor, high).unwrap_or(0) } else { 0 };
        u32::from(high) << 16 | u32::from(u16_at(descriptor, low).unwrap_or(0))
    }

    fn set_number(&mut self, group: u64, Field(low, high): Field, number: u32) {
        let is_wide = self.is_wide();
        let descriptor = self.descriptor_mut(group);
        put_u16(descriptor, low, low_quarter(number));
        if is_wide {
            put_u16(descriptor, high, high_quarter(number));
        }
    }

    /// A field that is the number of a block.
    fn block(&self, group: u64, Field(low, high): Field) -> u64 {
        let descriptor = self.descriptor(group);
        let high = if self.is_wide() { u32_at(descriptor, high).unwrap_or(0) } else { 0 };
        wide(high, u32_at(descriptor, low).unwrap_or(0))
    }

    /// The block that a group's table of inodes begins at.
    pub(super) fn inode_table(&self, group: u64) -> u64 {
        self.block(group, INODE_TABLE)
    }

    /// Inodes at the start of a group's table that were written.
    pub(super) fn written_inodes(&self, group: u64) -> u32 {
        usize::try_from(group).ok().and_then(|group| self.written.get(group)).copied().unwrap_or(0)
    }

    /// Says that so many inodes at the start of a group's table are written.
    pub(super) fn set_written(&mut self, group: u64, inodes: u32) {
        if let Some(written) = usize::try_from(group).ok().and_then(|group| self.written.get_mut(group)) {
            *written = inodes.max(*written);
        }
    }

    /// Clusters of a group.
    pub(super) fn clusters(&self, group: u64) -> u32 {
        let superblock = &self.superblock;
        let start = superblock.group_start(group);
        let blocks =
            superblock.blocks_count.saturating_sub(start).min(u64::from(superblock.blocks_per_group));
        u32::try_from(blocks.div_ceil(superblock.blocks_per_cluster())).unwrap_or(u32::MAX)
    }

    /// Clusters of a group that are free.
    pub(super) fn free_clusters(&self, group: u64) -> u32 {
        self.number(group, FREE_CLUSTERS)
    }

    /// Inodes of a group that are free.
    pub(super) fn free_inodes(&self, group: u64) -> u32 {
        self.number(group, FREE_INODES)
    }

    /// The bitmap of a group, in memory.
    pub(super) fn bitmap(&mut self, of: Of, group: u64) -> Result<&mut Bitmap> {
        if !self.bitmaps.contains(&(of, group)) {
            let bitmap = self.read_bitmap(of, group)?;
            if let Some(((of, group), bitmap)) = self.bitmaps.push((of, group), bitmap) {
                self.write_bitmap(of, group, &bitmap)?;
            }
        }
        self.bitmaps.get_mut(&(of, group)).ok_or_else(|| Error::corrupt("a bitmap is not where it was put"))
    }

    fn read_bitmap(&self, of: Of, group: u64) -> Result<Bitmap> {
        let len = self.superblock.block_len();
        let (field, flag, bits) = match of {
            Of::Clusters => (BLOCK_BITMAP, BLOCK_UNINIT, self.clusters(group)),
            Of::Inodes => (INODE_BITMAP, INODE_UNINIT, self.superblock.inodes_per_group),
        };
        if self.has_checksums() && self.flags(group) & flag != 0 {
            let mut bitmap = Bitmap::new(len, bits);
            if of == Of::Clusters {
                self.mark_own_blocks(group, &mut bitmap);
            }
            return Ok(bitmap);
        }
        let position = self.superblock.block_position(self.block(group, field));
        Ok(Bitmap::of(read_vec(self.target.as_ref(), position, len)?))
    }

    /// Marks the structures of a group that lie in itself.
    fn mark_own_blocks(&self, group: u64, bitmap: &mut Bitmap) {
        let superblock = &self.superblock;
        let start = superblock.group_start(group);
        let mut mark = |block: u64, len: u64| {
            for block in block..block.saturating_add(len) {
                let at = block.checked_sub(start).filter(|at| *at < u64::from(superblock.blocks_per_group));
                if let Some(at) = at {
                    let cluster = at.checked_div(superblock.blocks_per_cluster()).unwrap_or(0);
                    bitmap.set(u32::try_from(cluster).unwrap_or(u32::MAX));
                }
            }
        };
        let (first, len) = group::own_blocks(superblock, group);
        mark(first, len);
        mark(self.block(group, BLOCK_BITMAP), 1);
        mark(self.block(group, INODE_BITMAP), 1);
        mark(self.block(group, INODE_TABLE), group::table_blocks(superblock));
    }

    fn write_bitmap(&mut self, of: Of, group: u64, bitmap: &Bitmap) -> Result<()> {
        if !bitmap.is_changed() {
            return Ok(());
        }
        let superblock = &self.superblock;
        let (field, checksum, bits) = match of {
            Of::Clusters => (BLOCK_BITMAP, BLOCK_BITMAP_CHECKSUM, superblock.clusters_per_group()),
            Of::Inodes => (INODE_BITMAP, INODE_BITMAP_CHECKSUM, superblock.inodes_per_group),
        };
        let position = superblock.block_position(self.block(group, field));
        self.target.write_all_at(position, bitmap.bytes())?;
        if superblock.features.has_metadata_checksums() {
            let covered = usize::try_from(bits / 8).unwrap_or(usize::MAX);
            let covered = bitmap.bytes().get(..covered).unwrap_or(bitmap.bytes());
            let computed = superblock.seed.with(covered).value();
            self.set_number(group, checksum, computed);
        }
        Ok(())
    }

    /// Counts clusters of a group as in use.
    pub(super) fn use_clusters(&mut self, group: u64, clusters: u32) {
        let free = self.free_clusters(group).saturating_sub(clusters);
        self.set_number(group, FREE_CLUSTERS, free);
        self.clear_flag(group, BLOCK_UNINIT);
    }

    /// Counts clusters of a group as free.
    pub(super) fn free_up_clusters(&mut self, group: u64, clusters: u32) {
        let free = self.free_clusters(group).saturating_add(clusters);
        self.set_number(group, FREE_CLUSTERS, free);
    }

    /// Counts an inode of a group, by its place in it, as in use.
    pub(super) fn use_inode(&mut self, group: u64, index: u32, is_directory: bool) {
        let free = self.free_inodes(group).saturating_sub(1);
        self.set_number(group, FREE_INODES, free);
        if is_directory {
            let directories = self.number(group, DIRECTORIES).saturating_add(1);
            self.set_number(group, DIRECTORIES, directories);
        }
        if self.has_checksums() {
            let behind = self.superblock.inodes_per_group.saturating_sub(index).saturating_sub(1);
            let unused = self.number(group, UNUSED_INODES).min(behind);
            self.set_number(group, UNUSED_INODES, unused);
            self.clear_flag(group, INODE_UNINIT);
        }
    }

    /// Counts an inode of a group as free.
    pub(super) fn free_up_inode(&mut self, group: u64, is_directory: bool) {
        let free = self.free_inodes(group).saturating_add(1);
        self.set_number(group, FREE_INODES, free);
        if is_directory {
            let directories = self.number(group, DIRECTORIES).saturating_sub(1);
            self.set_number(group, DIRECTORIES, directories);
        }
    }

    /// Writes what is not written yet: bitmaps, and the descriptors with all of their copies.
    pub(super) fn finish(&mut self) -> Result<()> {
        while let Some(((of, group), bitmap)) = self.bitmaps.pop_lru() {
            self.write_bitmap(of, group, &bitmap)?;
        }
        for group in 0..self.superblock.groups {
            let checksum = group::checksum(&self.superblock, group, self.descriptor(group));
            if let Some(checksum) = checksum.map_err(Error::corrupt)? {
                put_u16(self.descriptor_mut(group), CHECKSUM_AT, checksum);
            }
        }
        let size = usize::from(self.superblock.descriptor_size).max(1);
        for copy in group::descriptor_copies(&self.superblock) {
            let first = usize::try_from(copy.first_group).unwrap_or(usize::MAX).saturating_mul(size);
            let len = usize::try_from(copy.groups).unwrap_or(usize::MAX).saturating_mul(size);
            let rest = self.descriptors.get(first..).unwrap_or_default();
            let part = rest.get(..len).unwrap_or(rest);
            self.target.write_all_at(self.superblock.block_position(copy.block), part)?;
        }
        Ok(())
    }

    /// Clusters and inodes that are free in all.
    pub(super) fn free(&self) -> (u64, u32) {
        (0..self.superblock.groups).fold((0, 0), |(clusters, inodes), group| {
            let free = u64::from(self.free_clusters(group));
            (clusters.saturating_add(free), inodes.saturating_add(self.free_inodes(group)))
        })
    }
}

/// Puts a 64-bit number of a superblock into its two places.
pub(super) fn put_halves(superblock: &mut [u8], low_at: usize, high_at: Option<usize>, number: u64) {
    put_u32(superblock, low_at, low_half(number));
    if let Some(high_at) = high_at {
        put_u32(superblock, high_at, high_half(number));
    }
}
