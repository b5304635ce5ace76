//! Where new blocks and inodes come to lie.
//!
//! Blocks are handed out one after the other, from the first free one on: a file that is written in one go lies in one piece, as far as the
//! filesystem's own structures let it, and files that follow each other in the archive follow each other on the disk. An inode is in the
//! group that the next blocks are in, or the next one that has a free one.

use super::groups::{Groups, Of};
use crate::device::WriteDevice;
use crate::error::{Error, Kind, Result};
use crate::filesystem::ext::superblock::Superblock;

/// Free clusters and inodes of a filesystem.
pub(super) struct Space {
    pub groups: Groups,
    superblock: Superblock,
    /// Where the next free cluster is looked for.
    group: u64,
    cluster: u32,
    /// The group that the last inode was in, and the place behind it: those before are in use.
    next_inode: (u64, u32),
}

/// Clusters that follow each other, counted from the first block of the first group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Clusters {
    pub first: u64,
    pub len: u64,
}

impl Space {
    pub(super) fn read(target: &WriteDevice, superblock: &Superblock) -> Result<Self> {
        let groups = Groups::read(target, superblock)?;
        Ok(Self { groups, superblock: superblock.clone(), group: 0, cluster: 0, next_inode: (0, 0) })
    }

    fn full(&self, what: &str) -> Error {
        let (clusters, inodes) = self.groups.free();
        let free = clusters.saturating_mul(u64::from(self.superblock.cluster_size));
        let message = format!(
            "the content does not fit: {what} ({free} bytes and {inodes} inodes are free). Restore onto a larger target, or extract \
             the files"
        );
        Error::new(Kind::Write, message)
    }

    /// Takes the next free clusters, at least one and at most `most`.
    ///
    /// # Errors
    ///
    /// [`Kind::Write`] when none is free.
    pub(super) fn clusters(&mut self, most: u64) -> Result<Clusters> {
        let most = u32::try_from(most).unwrap_or(u32::MAX).max(1);
        // Once round, and the rest of the group that it began in.
        for _ in 0..=self.superblock.groups {
            let (group, from) = (self.group, self.cluster);
            if self.groups.free_clusters(group) > 0 {
                let end = self.groups.clusters(group);
                let bitmap = self.groups.bitmap(Of::Clusters, group)?;
                if let Some((start, len)) = bitmap.free_run(from, end, most) {
                    (start..start.saturating_add(len)).for_each(|cluster| bitmap.set(cluster));
                    self.groups.use_clusters(group, len);
                    self.cluster = start.saturating_add(len);
                    return Ok(self.absolute(group, start, len));
                }
            }
            self.cluster = 0;
            self.group = group.saturating_add(1);
            if self.group >= self.superblock.groups {
                self.group = 0;
            }
        }
        Err(self.full("no block is left"))
    }

    fn absolute(&self, group: u64, start: u32, len: u32) -> Clusters {
        let per_group = u64::from(self.superblock.clusters_per_group());
        Clusters {
            first: group.saturating_mul(per_group).saturating_add(u64::from(start)),
            len: u64::from(len),
        }
    }

    /// The first block of a cluster.
    pub(super) fn block(&self, cluster: u64) -> u64 {
        let blocks = cluster.saturating_mul(self.superblock.blocks_per_cluster());
        blocks.saturating_add(u64::from(self.superblock.first_data_block))
    }

    /// Gives the cluster back that a block is in.
    pub(super) fn release_block(&mut self, block: u64) -> Result<()> {
        let data_block = block.saturating_sub(u64::from(self.superblock.first_data_block));
        let cluster = data_block.checked_div(self.superblock.blocks_per_cluster()).unwrap_or(0);
        let per_group = u64::from(self.superblock.clusters_per_group()).max(1);
        let group = cluster.checked_div(per_group).unwrap_or(0);
        let at = u32::try_from(cluster.checked_rem(per_group).unwrap_or(0)).unwrap_or(u32::MAX);
        let bitmap = self.groups.bitmap(Of::Clusters, group)?;
        if bitmap.is_set(at) {
            bitmap.clear(at);
            self.groups.free_up_clusters(group, 1);
        }
        Ok(())
    }

    /// Takes an inode, and gives its number.
    ///
    /// # Errors
    ///
    /// [`Kind::Write`] when none is free.
    pub(super) fn inode(&mut self, is_directory: bool) -> Result<u32> {
        let (groups, per_group) = (self.superblock.groups, self.superblock.inodes_per_group);
        for group in (self.group..groups).chain(0..self.group) {
            if self.groups.free_inodes(group) == 0 {
                continue;
            }
            let first = if group == 0 { self.superblock.first_inode.saturating_sub(1) } else { 0 };
            let (last_group, next) = self.next_inode;
            let first = if group == last_group { first.max(next) } else { first };
            let bitmap = self.groups.bitmap(Of::Inodes, group)?;
            let Some((index, _)) = bitmap.free_run(first, per_group, 1) else { continue };
            bitmap.set(index);
            self.next_inode = (group, index.saturating_add(1));
            self.groups.use_inode(group, index, is_directory);
            let number = group.saturating_mul(u64::from(per_group)).saturating_add(u64::from(index));
            return u32::try_from(number.saturating_add(1)).map_err(Error::corrupt);
        }
        Err(self.full("no inode is left"))
    }

    /// The group of an inode, and its place in it.
    pub(super) fn place(&self, number: u32) -> (u64, u32) {
        let index = number.saturating_sub(1);
        let per_group = self.superblock.inodes_per_group.max(1);
        (u64::from(index.checked_div(per_group).unwrap_or(0)), index.checked_rem(per_group).unwrap_or(0))
    }

    /// Gives an inode back.
    pub(super) fn release_inode(&mut self, number: u32, is_directory: bool) -> Result<()> {
        let (group, index) = self.place(number);
        let bitmap = self.groups.bitmap(Of::Inodes, group)?;
        if bitmap.is_set(index) {
            bitmap.clear(index);
            self.groups.free_up_inode(group, is_directory);
        }
        Ok(())
    }
}
