//! A device on which a journal or a log replaces some parts.

use crate::device::{Device, ReadAt};
use crate::error::Result;
use crate::units::ByteRange;

/// The parts of a device that are replaced.
pub(super) trait Replaced: std::fmt::Debug + Send + Sync {
    /// Reads from the device, and from its replaced parts.
    fn read_over(&self, device: &dyn ReadAt, offset_bytes: u64, buffer: &mut [u8]) -> Result<()>;

    /// The first part that ends after this position.
    fn next_replaced(&self, from_bytes: u64) -> Option<ByteRange>;
}

/// A device with its replaced parts.
#[derive(Debug)]
pub(super) struct Overlaid<R> {
    device: Device,
    replaced: R,
}

impl<R: Replaced> Overlaid<R> {
    pub(super) fn new(device: Device, replaced: R) -> Self {
        Self { device, replaced }
    }
}

impl<R: Replaced> ReadAt for Overlaid<R> {
    fn len_bytes(&self) -> u64 {
        self.device.len_bytes()
    }

    fn read_at(&self, offset_bytes: u64, buffer: &mut [u8]) -> Result<()> {
        self.replaced.read_over(self.device.as_ref(), offset_bytes, buffer)
    }

    fn will_need(&self, range: ByteRange) {
        self.device.will_need(range);
    }

    fn done_with(&self, range: ByteRange) {
        self.device.done_with(range);
    }

    /// A replaced part may lie where the device below has a hole.
    fn next_data(&self, from_bytes: u64) -> Option<ByteRange> {
        let data = self.device.next_data(from_bytes);
        let replaced = self.replaced.next_replaced(from_bytes);
        let replaced = replaced.and_then(|part| ByteRange::between(part.start().max(from_bytes), part.end()));
        match (data, replaced) {
            (Some(data), Some(replaced)) if replaced.start() < data.start() => Some(replaced),
            (None, replaced) => replaced,
            (data, _) => data,
        }
    }

    fn sector_bytes(&self) -> Option<u32> {
        self.device.sector_bytes()
    }
}
