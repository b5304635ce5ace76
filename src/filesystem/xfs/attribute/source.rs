//! The fork that an inode's attributes lie in.

use super::super::extent::Run;
use super::super::metadata::Metadata;

/// The fork that attributes lie in.
pub(super) struct Source<'a> {
    pub metadata: &'a Metadata,
    pub owner: u64,
    pub runs: Vec<Run>,
}

impl Source<'_> {
    /// Position of a block of the fork on the device, in bytes.
    pub(super) fn position(&self, block: u32) -> Option<u64> {
        let logical = u64::from(block);
        let run = self.runs.get(self.runs.partition_point(|run| run.end() <= logical))?;
        run.between(logical, logical.saturating_add(1)).map(|run| self.metadata.position(&run))
    }
}
