//! Blocks of a pool's metadata, with their checksums, and the last of them in memory.
//!
//! Layout: `dm_bm_checksum` in `drivers/md/persistent-data/dm-block-manager.c` of the kernel: CRC-32C
//! over all behind the checksum, mixed with a number for each kind of block. Bytes 8 to 15 of each
//! block are its own number.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use lru::LruCache;

use super::node::Node;
use crate::device::{Device, read_vec};
use crate::error::{Error, Result};
use crate::fields::{u32_at, u64_at};

/// `THIN_METADATA_BLOCK_SIZE` is 8 sectors.
pub(super) const BLOCK_BYTES: u64 = 4096;
const BLOCK_LEN: usize = 4096;
/// `SUPERBLOCK_CSUM_XOR`.
pub(super) const SUPERBLOCK: u32 = 160_774;
/// `BTREE_CSUM_XOR`.
pub(super) const NODE: u32 = 121_107;
/// Nodes that are kept: 4 KiB each, 252 mappings of a volume in a leaf.
const NODES_KEPT: NonZeroUsize = NonZeroUsize::new(1024).unwrap();

/// The metadata device.
#[derive(Debug)]
pub(super) struct Blocks {
    device: Device,
    nodes: Mutex<LruCache<u64, Arc<Node>>>,
}

impl Blocks {
    pub(super) fn new(device: Device) -> Self {
        Self { device, nodes: Mutex::new(LruCache::new(NODES_KEPT)) }
    }

    /// Reads a block and checks it.
    pub(super) fn read(&self, number: u64, mixed_with: u32) -> Result<Vec<u8>> {
        let place = |error: Error| error.because(format_args!("metadata block {number}: "), "");
        let at = number.checked_mul(BLOCK_BYTES).ok_or_else(|| place(Error::corrupt("no such block")))?;
        let bytes = read_vec(self.device.as_ref(), at, BLOCK_LEN).map_err(place)?;
        let stored = u32_at(&bytes, 0).map_err(Error::corrupt)?;
        let computed = !crc32c::crc32c(bytes.get(4..).unwrap_or_default()) ^ mixed_with;
        if stored != computed {
            let message = format!("checksum is {stored:#010x}, but {computed:#010x} was computed");
            return Err(place(Error::corrupt(message)));
        }
        let blocknr = u64_at(&bytes, 8).map_err(Error::corrupt)?;
        if blocknr != number {
            return Err(place(Error::corrupt(format!("it says that it is block {blocknr}"))));
        }
        Ok(bytes)
    }

    /// A node of a tree, from memory where it was read before.
    pub(super) fn node(&self, number: u64) -> Result<Arc<Node>> {
        let lock = || self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(node) = lock().get(&number) {
            return Ok(Arc::clone(node));
        }
        let bytes = self.read(number, NODE)?;
        let node = Node::parse(&bytes)
            .map_err(|fault| Error::corrupt(format!("metadata block {number}: {fault}")))?;
        let node = Arc::new(node);
        lock().put(number, Arc::clone(&node));
        Ok(node)
    }
}
