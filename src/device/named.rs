//! A device whose errors say which file it is.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Device, ReadAt};
use crate::error::Result;
use crate::units::ByteRange;

/// A device with the path that it was opened by.
#[derive(Debug)]
struct Named {
    device: Device,
    path: PathBuf,
}

/// The device, whose errors name this path.
pub(super) fn named(device: Device, path: &Path) -> Device {
    Arc::new(Named { device, path: path.to_path_buf() })
}

impl ReadAt for Named {
    fn len_bytes(&self) -> u64 {
        self.device.len_bytes()
    }

    fn read_at(&self, offset_bytes: u64, buffer: &mut [u8]) -> Result<()> {
        self.device.read_at(offset_bytes, buffer).map_err(|error| error.on(&self.path))
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
