//! How a disk is opened and read.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::device::Io;
use crate::device::image::Wish;

/// The options of everything that reads a disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Reading {
    /// How its bytes come from the device.
    pub io: Io,
    /// The device with the journal of a filesystem that has it apart.
    pub journal: Option<PathBuf>,
    /// Bytes of the sectors that its partition table counts in; `None` where we find out.
    pub sector_size: Option<u32>,
    /// The format of the image file, where it is not to be detected, and what may be opened with it.
    pub image: Wish,
    /// Further disks of the same guest: groups and arrays may lie on several.
    pub with: Vec<PathBuf>,
    /// Files with the keys of encrypted volumes.
    pub key_files: Vec<PathBuf>,
    /// Whether the process gives up its rights before it parses.
    pub has_sandbox: bool,
}

impl Default for Reading {
    fn default() -> Self {
        Self {
            io: Io::default(),
            journal: None,
            sector_size: None,
            image: Wish::default(),
            with: Vec::new(),
            key_files: Vec::new(),
            has_sandbox: true,
        }
    }
}
