//! Extents: where a run of a fork's blocks lies.
//!
//! Layout: `xfs_bmbt_rec` in the kernel's `fs/xfs/libxfs/xfs_format.h`, packed into 128 bits.

use thiserror::Error;

use super::superblock::Superblock;
use crate::fields::{Short, be64_at};

/// Length of one on the device.
pub(super) const LEN: usize = 16;
/// Extents of one fork: as many as the runs of a sparse file in an archive.
const EXTENTS_MOST: usize = 4_194_304;

/// A run of blocks that follow each other in the fork and on the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// First block in the fork.
    pub logical: u64,
    /// Number of the first block in the filesystem: its group and the block in that.
    pub physical: u64,
    /// Number of blocks, at least 1.
    pub len: u64,
    /// Whether nothing was ever written there: it reads as zeros.
    pub is_unwritten: bool,
}

impl Run {
    /// The block behind the last one, in the fork.
    pub(super) fn end(&self) -> u64 {
        self.logical.saturating_add(self.len)
    }

    /// The part of it between two blocks of the fork.
    pub(super) fn between(&self, start: u64, end: u64) -> Option<Self> {
        let logical = self.logical.max(start);
        let len = self.end().min(end).checked_sub(logical).filter(|len| *len > 0)?;
        let physical = self.physical.saturating_add(logical.saturating_sub(self.logical));
        Some(Self { logical, physical, len, ..*self })
    }
}

/// Faults of a fork's extents.
#[derive(Debug, Error, PartialEq, Eq)]
pub(super) enum Fault {
    #[error(transparent)]
    Short(#[from] Short),
    #[error("blocks {physical:#x} to {last:#x} are outside the filesystem")]
    Outside { physical: u64, last: u64 },
    #[error("an extent of no blocks at block {0}")]
    Empty(u64),
    #[error("block {0} of the file comes again, or out of order")]
    Order(u64),
    #[error("it has more than 4194304 extents")]
    TooMany,
}

/// Reads an extent.
pub(super) fn parse(bytes: &[u8]) -> Result<Run, Short> {
    let (high, low) = (be64_at(bytes, 0)?, be64_at(bytes, 8)?);
    Ok(Run {
        logical: high >> 9 & 0x003f_ffff_ffff_ffff,
        physical: (high & 0x1ff) << 43 | low >> 21,
        len: low & 0x1f_ffff,
        is_unwritten: high >> 63 == 1,
    })
}

/// Collects the runs of one fork, in order, and refuses what can't be.
#[derive(Debug)]
pub(super) struct Runs<'a> {
    superblock: &'a Superblock,
    runs: Vec<Run>,
}

impl<'a> Runs<'a> {
    pub(super) fn new(superblock: &'a Superblock) -> Self {
        Self { superblock, runs: Vec::new() }
    }

    /// Adds a run, and joins it to the last one if it continues that.
    pub(super) fn push(&mut self, run: Run) -> Result<(), Fault> {
        if run.len == 0 {
            return Err(Fault::Empty(run.logical));
        }
        if !self.superblock.holds_blocks(run.physical, run.len) {
            let last = run.physical.saturating_add(run.len).saturating_sub(1);
            return Err(Fault::Outside { physical: run.physical, last });
        }
        if let Some(before) = self.runs.last_mut() {
            if run.logical < before.end() {
                return Err(Fault::Order(run.logical));
            }
            let follows = before.end() == run.logical
                && before.is_unwritten == run.is_unwritten
                && before.physical.saturating_add(before.len) == run.physical;
            if follows {
                before.len = before.len.saturating_add(run.len);
                return Ok(());
            }
        }
        if self.runs.len() >= EXTENTS_MOST {
            return Err(Fault::TooMany);
        }
        self.runs.push(run);
        Ok(())
    }

    /// Adds all extents in `bytes`.
    pub(super) fn push_all(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        bytes.chunks_exact(LEN).try_for_each(|extent| self.push(parse(extent)?))
    }

    pub(super) fn into_runs(self) -> Vec<Run> {
        self.runs
    }
}

#[cfg(test)]
mod tests;
