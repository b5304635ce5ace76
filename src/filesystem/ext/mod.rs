//! ext2, ext3 and ext4.

use super::Filesystem;
use crate::device::Device;
use crate::error::{Error, Kind, Result};

/// Opens an ext2, ext3 or ext4 filesystem.
pub(super) fn open(_device: Device) -> Result<Box<dyn Filesystem>> {
    Err(Error::new(Kind::Unsupported, "not yet"))
}
