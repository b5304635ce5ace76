//! The way from a number to what it names: blocks, groups, inodes, and the bytes of files that are metadata themselves.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use lru::LruCache;

use super::edits::Edits;
use super::group::{self, Group};
use super::inode;
use super::superblock::Superblock;
use super::table::Tables;
use crate::device::{Device, read_vec};
use crate::error::{Error, Kind, Result};
use crate::filesystem::{Extent, Inode};

/// Blocks of attributes that are kept, because many inodes share one: 1 MiB with blocks of 4 KiB.
const SHARED_BLOCKS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(255);

/// A filesystem's metadata, as far as they are read.
pub(super) struct Metadata {
    pub device: Device,
    pub superblock: Superblock,
    /// What fast commits changed.
    pub edits: Edits,
    tables: Tables,
    /// Blocks of maps and attributes that were read so far.
    blocks_read: AtomicU64,
    shared: Mutex<LruCache<u64, Arc<[u8]>>>,
}

impl Metadata {
    pub(super) fn new(device: Device, superblock: Superblock) -> Self {
        let features = superblock.features;
        let use_is_known = features.has_metadata_checksums() || features.has_group_checksums();
        Self {
            tables: Tables::new(Arc::clone(&device), use_is_known),
            blocks_read: AtomicU64::new(0),
            shared: Mutex::new(LruCache::new(SHARED_BLOCKS)),
            device,
            superblock,
            edits: Edits::default(),
        }
    }

    /// Reads a block.
    pub(super) fn block(&self, block: u64) -> Result<Vec<u8>> {
        self.blocks_read.fetch_add(1, Relaxed);
        read_vec(self.device.as_ref(), self.superblock.block_position(block), self.superblock.block_len())
    }

    /// Fails when so many single blocks were read that files must share them: for what has no other bound on its time.
    pub(super) fn check_blocks_read(&self) -> Result<()> {
        const FREE: u64 = 65_536;
        let most = self.superblock.blocks_count.saturating_mul(4).saturating_add(FREE);
        if self.blocks_read.load(Relaxed) <= most {
            return Ok(());
        }
        let message = "its maps of blocks are read over and over: many inodes share the same blocks";
        Err(Error::new(Kind::Limit, message))
    }

    /// Reads a block that is likely to be asked for again.
    pub(super) fn shared_block(&self, block: u64) -> Result<Arc<[u8]>> {
        let lock = || self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = lock().get(&block).cloned() {
            return Ok(found);
        }
        let read: Arc<[u8]> = self.block(block)?.into();
        lock().put(block, Arc::clone(&read));
        Ok(read)
    }

    fn descriptor(&self, group: u64) -> Result<Vec<u8>> {
        let (table, at) = group::descriptor_place(&self.superblock, group);
        self.tables.record(table, at, usize::from(self.superblock.descriptor_size))
    }

    fn group(&self, group: u64) -> Result<Group> {
        let descriptor = self.descriptor(group)?;
        group::parse(&self.superblock, group, &descriptor).map_err(Error::corrupt)
    }

    /// What is wrong with the group descriptors: the first few faults, and how many there are in all.
    pub(super) fn descriptor_faults(&self, most: usize) -> (Vec<Error>, u64) {
        let mut faults = Vec::new();
        let mut count = 0_u64;
        for group in 0..self.superblock.groups {
            let checked = self.descriptor(group).and_then(|descriptor| {
                group::verify(&self.superblock, group, &descriptor).map_err(Error::corrupt)
            });
            if let Err(error) = checked {
                count = count.saturating_add(1);
                if faults.len() < most {
                    faults.push(error);
                }
            }
        }
        (faults, count)
    }

    /// The record of an inode, as long as the superblock says.
    pub(super) fn inode_record(&self, number: u64) -> Result<Vec<u8>> {
        let index = number.checked_sub(1).filter(|index| *index < u64::from(self.superblock.inodes_count));
        let Some(index) = index else {
            let count = self.superblock.inodes_count;
            return Err(Error::corrupt(format!("there are only {count} inodes")).in_inode(number));
        };
        if let Some(record) = self.edits.record(number) {
            return Ok(record.to_vec());
        }
        let per_group = u64::from(self.superblock.inodes_per_group);
        let group = self.group(index.checked_div(per_group).unwrap_or(0))?;
        let inode_size = self.superblock.inode_size;
        let at = index.checked_rem(per_group).unwrap_or(0).saturating_mul(u64::from(inode_size));
        self.tables
            .record(group.inode_table, at, usize::from(inode_size))
            .map_err(|error| error.in_inode(number))
    }

    /// An inode, also one without a name.
    pub(super) fn inode(&self, number: u64) -> Result<Inode> {
        let record = self.inode_record(number)?;
        inode::parse_unlinked(&self.superblock, number, record)
            .map_err(|fault| Error::corrupt(fault).in_inode(number))
    }

    /// Reads a whole small file that the filesystem itself keeps; the caller has checked its size.
    pub(super) fn read_extents(&self, extents: &[Extent], size_bytes: u64) -> Result<Vec<u8>> {
        let too_large = || Error::corrupt(format!("{size_bytes} bytes are too many to hold"));
        let mut bytes = vec![0; usize::try_from(size_bytes).map_err(|_| too_large())?];
        for extent in extents {
            let start = usize::try_from(extent.file_bytes).map_err(|_| too_large())?;
            let len = usize::try_from(extent.len_bytes).map_err(|_| too_large())?;
            let part = bytes.get_mut(start..).and_then(|rest| rest.get_mut(..len)).ok_or_else(too_large)?;
            self.device.read_at(extent.at()?, part)?;
        }
        Ok(bytes)
    }
}
