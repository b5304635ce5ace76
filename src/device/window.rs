//! A part of a device that looks like a device of its own: a partition.

use super::{Device, ReadAt, within};
use crate::error::{Error, Kind, Result};
use crate::units::ByteRange;

/// A range of another device.
#[derive(Debug)]
pub struct Window {
    device: Device,
    range: ByteRange,
}

impl Window {
    /// The part `range` of `device`.
    ///
    /// # Errors
    ///
    /// [`Kind::Corrupt`] when the range reaches past the end of the device.
    pub fn new(device: Device, range: ByteRange) -> Result<Self> {
        if range.end() > device.len_bytes() {
            let (end, len) = (range.end(), device.len_bytes());
            return Err(Error::new(Kind::Corrupt, format!("ends at byte {end}, but the device at {len}")));
        }
        Ok(Self { device, range })
    }

    /// The same range, as the device below counts.
    fn below(&self, range: ByteRange) -> Option<ByteRange> {
        let end = range.end().min(self.range.len());
        ByteRange::between(range.start(), end)
            .and_then(|inside| ByteRange::new(self.range.start().checked_add(inside.start())?, inside.len()))
    }
}

impl ReadAt for Window {
    fn len_bytes(&self) -> u64 {
        self.range.len()
    }

    fn read_at(&self, offset_bytes: u64, buffer: &mut [u8]) -> Result<()> {
        within(self.range.len(), offset_bytes, buffer.len())?;
        self.device.read_at(self.range.start().saturating_add(offset_bytes), buffer)
    }

    fn will_need(&self, range: ByteRange) {
        if let Some(range) = self.below(range) {
            self.device.will_need(range);
        }
    }

    fn done_with(&self, range: ByteRange) {
        if let Some(range) = self.below(range) {
            self.device.done_with(range);
        }
    }

    fn next_data(&self, from_bytes: u64) -> Option<ByteRange> {
        let from = self.range.start().checked_add(from_bytes).filter(|from| *from < self.range.end())?;
        let data = self.device.next_data(from)?;
        let start = data.start().checked_sub(self.range.start())?;
        let end = data.end().min(self.range.end()).checked_sub(self.range.start())?;
        ByteRange::between(start, end).filter(|data| !data.is_empty())
    }

    fn sector_bytes(&self) -> Option<u32> {
        self.device.sector_bytes()
    }
}
