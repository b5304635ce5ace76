//! A device that keeps a record of every read.

use std::sync::{Mutex, PoisonError};

use voltar::Result;
use voltar::device::{Device, ReadAt};
use voltar::units::ByteRange;

/// Passes everything on to another device, and keeps which ranges were read.
#[derive(Debug)]
pub struct Recording {
    device: Device,
    reads: Mutex<Vec<ByteRange>>,
}

impl Recording {
    pub fn new(device: Device) -> Self {
        Self { device, reads: Mutex::new(Vec::new()) }
    }

    /// What was read since this was last asked.
    pub fn take(&self) -> Reads {
        let mut reads = self.reads.lock().unwrap_or_else(PoisonError::into_inner);
        Reads::new(std::mem::take(&mut *reads))
    }
}

impl ReadAt for Recording {
    fn len_bytes(&self) -> u64 {
        self.device.len_bytes()
    }

    fn read_at(&self, offset_bytes: u64, buffer: &mut [u8]) -> Result<()> {
        self.device.read_at(offset_bytes, buffer)?;
        let range = ByteRange::new(offset_bytes, buffer.len() as u64).expect("the device has these bytes");
        self.reads.lock().unwrap_or_else(PoisonError::into_inner).push(range);
        Ok(())
    }

    fn next_data(&self, from_bytes: u64) -> Option<ByteRange> {
        self.device.next_data(from_bytes)
    }

    fn sector_bytes(&self) -> Option<u32> {
        self.device.sector_bytes()
    }
}

/// What some reads come to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reads {
    pub count: u64,
    pub bytes: u64,
    /// Of these bytes, those that had been read before.
    pub again: u64,
}

impl Reads {
    fn new(mut ranges: Vec<ByteRange>) -> Self {
        let (count, bytes) = (ranges.len() as u64, ranges.iter().map(ByteRange::len).sum());
        ranges.sort_unstable();
        let (mut distinct, mut end) = (0, 0);
        for range in ranges {
            distinct += range.end().saturating_sub(range.start().max(end));
            end = end.max(range.end());
        }
        Self { count, bytes, again: bytes - distinct }
    }

    /// Bytes of one read, on average.
    pub fn mean_bytes(&self) -> u64 {
        self.bytes.checked_div(self.count).unwrap_or(0)
    }
}
