//! A device of zeros, which is stored nowhere.

use crate::device::ReadAt;
use crate::error::{Error, Kind, Result};
use crate::units::ByteRange;

/// Zeros in a number.
#[derive(Debug)]
pub(super) struct Zeros {
    len_bytes: u64,
}

impl Zeros {
    pub(super) fn new(len_bytes: u64) -> Self {
        Self { len_bytes }
    }
}

impl ReadAt for Zeros {
    fn len_bytes(&self) -> u64 {
        self.len_bytes
    }

    fn read_at(&self, offset_bytes: u64, buffer: &mut [u8]) -> Result<()> {
        let len = u64::try_from(buffer.len()).unwrap_or(u64::MAX);
        if offset_bytes.checked_add(len).is_none_or(|end| end > self.len_bytes) {
            let message = format!("the device ends at {}", self.len_bytes);
            return Err(Error::new(Kind::Corrupt, message).at_byte(offset_bytes));
        }
        buffer.fill(0);
        Ok(())
    }

    fn next_data(&self, _: u64) -> Option<ByteRange> {
        None
    }
}
