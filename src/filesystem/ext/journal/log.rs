//! Where the blocks of a journal lie, and reading them.

use crate::device::Device;
use crate::error::{Error, Result};
use crate::filesystem::Extent;
use crate::units::ByteRange;

/// Bytes that are read at once: recovery goes through the log in order.
const READ_AHEAD_BYTES: u32 = 256 << 10;

/// Where the blocks of a journal lie.
#[derive(Clone, Debug)]
pub(in crate::filesystem::ext) struct Log {
    /// The device that the journal is on: the filesystem's own, or another.
    pub(in crate::filesystem::ext) device: Device,
    /// The journal's bytes, in its order.
    pub(in crate::filesystem::ext) extents: Vec<Extent>,
    /// Bytes of a block.
    pub(in crate::filesystem::ext) block_bytes: u32,
    /// Block of the journal that its superblock is in: 0 in a file.
    pub(in crate::filesystem::ext) superblock: u32,
}

impl Log {
    /// Blocks from the start to the first hole, or to the end.
    pub(super) fn len_blocks(&self) -> u64 {
        let mut end_bytes = 0_u64;
        for extent in &self.extents {
            if extent.file_bytes != end_bytes {
                break;
            }
            end_bytes = end_bytes.saturating_add(extent.len_bytes);
        }
        end_bytes.checked_div(self.block_bytes.into()).unwrap_or(0)
    }

    /// Where the block lies on the journal's device, and how many bytes from there on are the journal's.
    pub(super) fn locate(&self, log_block: u32) -> Option<ByteRange> {
        let at = u64::from(log_block).checked_mul(self.block_bytes.into())?;
        let after = self.extents.partition_point(|extent| extent.file_bytes <= at);
        let extent = self.extents.get(after.checked_sub(1)?)?;
        let within = at.checked_sub(extent.file_bytes)?;
        let len = extent.len_bytes.checked_sub(within)?;
        if len < self.block_bytes.into() {
            return None;
        }
        ByteRange::new(extent.at().ok()?.checked_add(within)?, len)
    }
}

/// Reads the blocks of a log, some of them ahead.
pub(super) struct Blocks<'a> {
    log: &'a Log,
    /// Journal blocks from `first` on.
    buffer: Vec<u8>,
    first: u32,
}

impl<'a> Blocks<'a> {
    pub(super) fn new(log: &'a Log) -> Self {
        Self { log, buffer: Vec::new(), first: 0 }
    }

    /// The bytes of a block.
    pub(super) fn get(&mut self, log_block: u32) -> Result<&[u8]> {
        if self.buffered(log_block).is_none() {
            self.fill(log_block)?;
        }
        self.buffered(log_block).ok_or_else(|| missing(log_block))
    }

    fn buffered(&self, log_block: u32) -> Option<&[u8]> {
        let block_bytes = usize::try_from(self.log.block_bytes).ok()?;
        let start = usize::try_from(log_block.checked_sub(self.first)?).ok()?.checked_mul(block_bytes)?;
        self.buffer.get(start..start.checked_add(block_bytes)?)
    }

    fn fill(&mut self, log_block: u32) -> Result<()> {
        let found = self.log.locate(log_block).ok_or_else(|| missing(log_block))?;
        let ahead = found.len().min(READ_AHEAD_BYTES.max(self.log.block_bytes).into());
        self.first = log_block;
        // What lies ahead may be of no use, so that it doesn't matter when it can't be read.
        self.read(found.start(), ahead).or_else(|_| self.read(found.start(), self.log.block_bytes.into()))
    }

    fn read(&mut self, start_bytes: u64, len_bytes: u64) -> Result<()> {
        self.buffer.clear();
        self.buffer.resize(usize::try_from(len_bytes).unwrap_or(0), 0);
        let outcome = self.log.device.read_at(start_bytes, &mut self.buffer);
        if outcome.is_err() {
            self.buffer.clear();
        }
        outcome
    }
}

fn missing(log_block: u32) -> Error {
    Error::corrupt(format!("block {log_block} of the journal has no place on the device"))
}
