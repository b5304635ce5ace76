//! The target that a worker writes to.

use serde::{Deserialize, Serialize};

/// The facts about a target that a worker writes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Onto {
    /// Its length.
    pub len_bytes: u64,
    /// Bytes of its sectors, where it is a block device.
    pub sector_bytes: Option<u32>,
    /// Whether it has zeros wherever nothing was written.
    pub is_blank: bool,
    /// Whether nobody sees it before it is whole.
    pub vanishes: bool,
}
