//! The place of the log: a ring of blocks of 512 bytes.

use super::super::superblock::Superblock;
use super::fault::Fault;
use crate::device::Device;
use crate::error::{Error, Kind, Result};
use crate::fields::be32_at;
use uuid::Uuid;

/// Bytes of a block of the log (`BBSIZE`), whatever a sector has.
pub(super) const BLOCK: u64 = 512;
pub(super) const BLOCK_LEN: usize = 512;
/// `XLOG_HEADER_MAGIC_NUM`, which no other block of the log can begin with.
pub(super) const RECORD_MAGIC: u32 = 0xfeed_babe;
/// `XFS_MIN_LOG_BYTES` is 10 MiB for what mkfs.xfs makes; this is what a search takes for granted.
const BLOCKS_LEAST: u64 = 64;

/// A log.
pub(super) struct Log {
    device: Device,
    /// Its position on that device, in bytes.
    start: u64,
    /// Its length in blocks of 512 bytes.
    pub blocks: u64,
    pub uuid: Uuid,
    pub has_checksums: bool,
    pub is_v2: bool,
}

impl Log {
    /// The log of a filesystem: in it, or on a device of its own.
    pub(super) fn new(device: &Device, superblock: &Superblock, journal: Option<&Device>) -> Result<Self> {
        let bytes = u64::from(superblock.log_blocks).saturating_mul(superblock.block_size.into());
        let (device, start) = match (superblock.log_start, journal) {
            (0, Some(journal)) => (journal, 0),
            (0, None) => {
                let message = "it is on another device: --journal names it";
                return Err(Error::new(Kind::Source, message));
            }
            (start, _) => (device, superblock.block_position(start).unwrap_or(u64::MAX)),
        };
        let end = start.checked_add(bytes);
        if end.is_none_or(|end| end > device.len_bytes()) {
            let there = device.len_bytes();
            let message =
                format!("its {bytes} bytes are more than there are on the device, which has {there}");
            return Err(Error::corrupt(message));
        }
        let blocks = bytes / BLOCK;
        if blocks < BLOCKS_LEAST {
            return Err(Fault::TooShort(blocks).into());
        }
        Ok(Self {
            device: Device::clone(device),
            start,
            blocks,
            uuid: superblock.uuid,
            has_checksums: superblock.features.has_checksums(),
            is_v2: superblock.features.has_log_v2(),
        })
    }

    /// The block `by` blocks behind `block`, in the ring.
    pub(super) fn after(&self, block: u64, by: u64) -> u64 {
        block.saturating_add(by).checked_rem(self.blocks).unwrap_or(0)
    }

    /// The block `by` blocks before `block`, in the ring; `by` is at most the ring's length.
    pub(super) fn before(&self, block: u64, by: u64) -> u64 {
        self.after(block, self.blocks.saturating_sub(by))
    }

    /// Blocks from one to another, in the ring.
    pub(super) fn distance(&self, from: u64, to: u64) -> u64 {
        self.after(to, self.blocks.saturating_sub(from))
    }

    /// Reads blocks of the ring; what comes behind its end is at its start.
    pub(super) fn read(&self, block: u64, count: u64) -> Result<Vec<u8>> {
        let len = |blocks: u64| usize::try_from(blocks.saturating_mul(BLOCK)).unwrap_or(0);
        let mut bytes = vec![0; len(count)];
        let (first, second) = bytes.split_at_mut(len(count.min(self.blocks.saturating_sub(block))));
        self.device.read_at(self.start.saturating_add(block.saturating_mul(BLOCK)), first)?;
        if !second.is_empty() {
            self.device.read_at(self.start, second)?;
        }
        Ok(bytes)
    }
}

/// The number of times that the ring had been written when this block was.
pub(super) fn cycle(block: &[u8]) -> u32 {
    match be32_at(block, 0).unwrap_or(0) {
        RECORD_MAGIC => be32_at(block, 4).unwrap_or(0),
        cycle => cycle,
    }
}
