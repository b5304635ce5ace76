//! The disk that a worker is to look at.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::archive::Raw;
use crate::device::Io;

/// A disk, and how it is read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {
    /// The device or image.
    pub source: PathBuf,
    /// How its bytes come from the device.
    pub io: Io,
    /// Its external journal.
    pub journal: Option<PathBuf>,
    /// Bytes of the sectors that its partition table counts in; `None` where that is to be found.
    pub sector_size: Option<u32>,
    /// Numbers of partitions; empty means all.
    pub partitions: Vec<u32>,
    /// How partitions that can't be read as files are stored.
    pub raw: Raw,
    /// Whether the worker gives up its rights before it parses.
    pub has_sandbox: bool,
}
