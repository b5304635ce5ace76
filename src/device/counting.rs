//! A device that counts what is read from it: for reports, benchmarks and tests.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::{Device, ReadAt};
use crate::error::Result;
use crate::units::ByteRange;

/// Passes everything on to another device, and counts.
#[derive(Debug)]
pub struct Counting {
    device: Device,
    bytes: AtomicU64,
    reads: AtomicU64,
}

impl Counting {
    /// Counts what is read from `device`, from zero on.
    #[must_use]
    pub fn new(device: Device) -> Self {
        Self { device, bytes: AtomicU64::new(0), reads: AtomicU64::new(0) }
    }

    /// Bytes read so far.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.bytes.load(Relaxed)
    }

    /// Reads so far.
    #[must_use]
    pub fn reads(&self) -> u64 {
        self.reads.load(Relaxed)
    }
}

impl ReadAt for Counting {
    fn len_bytes(&self) -> u64 {
        self.device.len_bytes()
    }

    fn read_at(&self, offset_bytes: u64, buffer: &mut [u8]) -> Result<()> {
        self.device.read_at(offset_bytes, buffer)?;
        self.bytes.fetch_add(u64::try_from(buffer.len()).unwrap_or(u64::MAX), Relaxed);
        self.reads.fetch_add(1, Relaxed);
        Ok(())
    }

    fn will_need(&self, range: ByteRange) {
        self.device.will_need(range);
    }

    fn done_with(&self, range: ByteRange) {
        self.device.done_with(range);
    }

    fn next_data(&self, from_bytes: u64) -> Option<ByteRange> {
        self.device.next_data(from_bytes)
    }

    fn sector_bytes(&self) -> Option<u32> {
        self.device.sector_bytes()
    }
}
