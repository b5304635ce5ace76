//! What a disk is read from.

use std::path::{Path, PathBuf};

use crate::device::Device;

/// Devices that are open, and of which nothing is parsed yet: now is the time to give up rights.
pub struct Devices {
    /// What messages call the disk.
    pub path: PathBuf,
    /// The disk.
    pub device: Device,
    /// Further disks of the same guest, which have parts of its groups and arrays.
    pub further: Vec<(PathBuf, Device)>,
    /// What has the journal, for filesystems that have it on another device.
    pub journal: Option<Device>,
    /// Bytes of the sectors that partition tables count in; `None` where that is to be found.
    pub sector_bytes: Option<u32>,
    /// Contents of key files, for encrypted volumes.
    pub keys: Vec<Vec<u8>>,
}

impl Devices {
    /// One disk, with nothing else given.
    #[must_use]
    pub fn new(path: &Path, device: Device) -> Self {
        Self {
            path: path.to_path_buf(),
            device,
            further: Vec::new(),
            journal: None,
            sector_bytes: None,
            keys: Vec::new(),
        }
    }
}
