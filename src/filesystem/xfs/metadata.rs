//! The filesystem's metadata, as the log leaves them: bytes by position, inodes by number, forks by
//! inode.

use std::sync::Arc;

use super::block::Expected;
use super::extent::Run;
use super::inode::{self, Fault};
use super::log::{Edits, Overlay, overlaid};
use super::superblock::Superblock;
use crate::device::{Device, read_vec};
use crate::error::{Error, Result};
use crate::filesystem::{Extent, Inode};

/// The device with what the log replaces, and the geometry to find things on it.
pub(super) struct Metadata {
    pub superblock: Superblock,
    /// The device as the log leaves it.
    pub device: Device,
    overlay: Arc<Overlay>,
    /// The effects of unfinished changes in the log.
    pub edits: Edits,
}

impl Metadata {
    pub(super) fn new(device: Device, superblock: Superblock) -> Self {
        Self { superblock, device, overlay: Arc::default(), edits: Edits::default() }
    }

    /// The same with what the log replaces.
    pub(super) fn replayed(device: &Device, superblock: Superblock, overlay: Overlay, edits: Edits) -> Self {
        let overlay = Arc::new(overlay);
        Self { superblock, device: overlaid(device, &overlay), overlay, edits }
    }

    /// Whether the log changed anything.
    pub(super) fn was_replayed(&self) -> bool {
        !self.overlay.is_empty()
    }

    pub(super) fn read(&self, position: u64, len: usize) -> Result<Vec<u8>> {
        read_vec(self.device.as_ref(), position, len)
    }

    /// The values that a block of version 5 should hold.
    pub(super) fn expected(&self, position: u64, len: u64, owner: u64) -> Expected {
        let is_replayed = self.overlay.holds(position, len);
        Expected { position, uuid: self.superblock.meta_uuid, owner, is_replayed }
    }

    /// The inode with this number.
    pub(super) fn inode(&self, number: u64) -> Result<Inode> {
        let located = |error: Error| error.in_inode(number);
        let position = self.superblock.inode_position(number);
        let position = position.ok_or_else(|| located(Error::corrupt(Fault::Outside)))?;
        let record = self.read(position, self.superblock.inode_len()).map_err(located)?;
        let is_replayed = self.overlay.holds(position, self.superblock.inode_size.into());
        let inode = inode::parse(&self.superblock, number, record, is_replayed);
        let mut inode = inode.map_err(|fault| located(Error::corrupt(fault)))?;
        if let Some(size) = self.edits.size(number) {
            inode.size_bytes = size;
        }
        Ok(inode)
    }

    /// The position of a run that was found to lie in the filesystem, in bytes.
    pub(super) fn position(&self, run: &Run) -> u64 {
        self.superblock.block_position(run.physical).unwrap_or(u64::MAX)
    }

    pub(super) fn bytes(&self, blocks: u64) -> u64 {
        blocks.saturating_mul(self.superblock.block_size.into())
    }

    /// The runs as extents of a file that ends at `size`: without what was never written, and what
    /// lies behind the end.
    pub(super) fn extents(&self, runs: &[Run], size: u64) -> Vec<Extent> {
        let extent = |run: &Run| {
            let file_bytes = self.bytes(run.logical);
            let len_bytes = size.checked_sub(file_bytes)?.min(self.bytes(run.len));
            (len_bytes > 0).then(|| Extent::raw(file_bytes, self.position(run), len_bytes))
        };
        runs.iter().filter(|run| !run.is_unwritten).filter_map(extent).collect()
    }

    /// Reads `len` bytes from the block `logical` of a fork on; none where a part of it is a hole.
    pub(super) fn read_fork(&self, runs: &[Run], logical: u64, len: usize) -> Result<Option<Vec<u8>>> {
        let mut bytes = Vec::new();
        let blocks = u64::try_from(len.div_ceil(self.superblock.block_len().max(1))).unwrap_or(u64::MAX);
        let end = logical.saturating_add(blocks);
        let mut next = logical;
        let first = runs.partition_point(|run| run.end() <= logical);
        for run in runs.iter().skip(first).take_while(|run| run.logical < end) {
            let Some(part) = run.between(next, end).filter(|part| part.logical == next) else { break };
            let left = len.saturating_sub(bytes.len());
            let part_len = usize::try_from(self.bytes(part.len)).unwrap_or(usize::MAX).min(left);
            bytes.extend(self.read(self.position(&part), part_len)?);
            next = part.end();
        }
        Ok((bytes.len() == len).then_some(bytes))
    }
}
