//! Which blocks of the device hold a file's blocks: what extent trees and block maps come to.

use std::collections::HashSet;

use thiserror::Error;

use super::superblock::Superblock;
use crate::fields::Short;
use crate::filesystem::Extent;

/// A run of blocks that follow each other in the file and on the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// First block in the file.
    pub logical: u64,
    /// First block on the device.
    pub physical: u64,
    /// Number of blocks, at least 1.
    pub len: u64,
}

/// What is wrong with a map of blocks.
#[derive(Debug, Error, PartialEq, Eq)]
pub(super) enum Fault {
    #[error(transparent)]
    Short(#[from] Short),
    #[error("extent magic {0:#06x} instead of 0xf30a")]
    Magic(u16),
    #[error("extent tree depth {0}, at most 5")]
    TooDeep(u16),
    #[error("extent node of depth {found} where {expected} was due")]
    Depth { found: u16, expected: u16 },
    #[error("{entries} entries in an extent node for {max}")]
    TooManyEntries { entries: u16, max: u16 },
    #[error("an extent node for {max} entries in {space} bytes")]
    NodeSize { max: u16, space: usize },
    #[error(
        "checksum of the extent node in block {block} is {stored:#010x}, but {computed:#010x} was computed"
    )]
    Checksum { block: u64, stored: u32, computed: u32 },
    #[error("blocks {physical} to {last} are outside the filesystem")]
    Outside { physical: u64, last: u64 },
    #[error("file block {logical} comes again, or out of order")]
    Order { logical: u64 },
    #[error("block {0} is used twice in the map of one file")]
    Twice(u64),
    #[error("the file has more blocks than the {0} of the filesystem")]
    TooMany(u64),
}

/// Collects the runs of one file, in order, and refuses what can't be.
pub(super) struct Runs<'a> {
    superblock: &'a Superblock,
    runs: Vec<Run>,
    /// Blocks of the map itself. Each can be used once: this bounds the time, whatever the map says.
    nodes: HashSet<u64>,
    next_logical: u64,
    /// Blocks that the file can still have: all of the filesystem has no more. This bounds the memory, and the time to read it.
    blocks_left: u64,
}

impl<'a> Runs<'a> {
    pub(super) fn new(superblock: &'a Superblock) -> Self {
        let blocks_left = superblock.blocks_count;
        Self { superblock, runs: Vec::new(), nodes: HashSet::new(), next_logical: 0, blocks_left }
    }

    /// Enters a block of the map itself.
    pub(super) fn enter(&mut self, block: u64) -> Result<(), Fault> {
        self.check(block, 1)?;
        if self.nodes.insert(block) { Ok(()) } else { Err(Fault::Twice(block)) }
    }

    /// Adds a run of data; one that goes on where the last one ends becomes a part of it.
    pub(super) fn push(&mut self, run: Run) -> Result<(), Fault> {
        self.check(run.physical, run.len)?;
        self.pass(run.logical, run.len)?;
        if let Some(last) = self.runs.last_mut() {
            let follows = last.logical.saturating_add(last.len) == run.logical
                && last.physical.saturating_add(last.len) == run.physical;
            if follows {
                last.len = last.len.saturating_add(run.len);
                return Ok(());
            }
        }
        self.runs.push(run);
        Ok(())
    }

    /// Passes over blocks of the file that are allocated, but were never written: they must not come again.
    pub(super) fn pass(&mut self, logical: u64, len: u64) -> Result<(), Fault> {
        if logical < self.next_logical {
            return Err(Fault::Order { logical });
        }
        let left = self.blocks_left.checked_sub(len);
        self.blocks_left = left.ok_or(Fault::TooMany(self.superblock.blocks_count))?;
        self.next_logical = logical.saturating_add(len);
        Ok(())
    }

    fn check(&self, physical: u64, len: u64) -> Result<(), Fault> {
        if self.superblock.holds_blocks(physical, len) {
            return Ok(());
        }
        Err(Fault::Outside { physical, last: physical.saturating_add(len).saturating_sub(1) })
    }

    /// The runs as extents in bytes, cut off where the file ends.
    pub(super) fn into_extents(self, size_bytes: u64) -> Vec<Extent> {
        let block_size = u64::from(self.superblock.block_size);
        self.runs
            .into_iter()
            .map_while(|run| {
                let file_bytes = run.logical.saturating_mul(block_size);
                let rest = size_bytes.checked_sub(file_bytes).filter(|rest| *rest > 0)?;
                let at = self.superblock.block_position(run.physical);
                Some(Extent::raw(file_bytes, at, run.len.saturating_mul(block_size).min(rest)))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filesystem::ext::superblock::tests::sound;

    fn run(logical: u64, physical: u64, len: u64) -> Run {
        Run { logical, physical, len }
    }

    #[test]
    fn neighbours_become_one_and_the_end_of_the_file_cuts() {
        let superblock = sound();
        let block = u64::from(superblock.block_size);
        let mut runs = Runs::new(&superblock);
        for next in [run(0, 100, 2), run(2, 102, 1), run(4, 103, 1), run(9, 200, 1)] {
            runs.push(next).unwrap();
        }
        let extents: Vec<_> = runs
            .into_extents(block * 4 + 10)
            .iter()
            .map(|extent| (extent.file_bytes / block, extent.at().unwrap() / block, extent.len_bytes))
            .collect();
        assert_eq!(extents, [(0, 100, 3 * block), (4, 103, 10)]);
    }

    #[test]
    fn what_can_not_be_is_refused() {
        let superblock = sound();
        let count = superblock.blocks_count;
        let cases = [
            (vec![run(0, 0, 1)], Fault::Outside { physical: 0, last: 0 }),
            (vec![run(0, count, 1)], Fault::Outside { physical: count, last: count }),
            (vec![run(0, 100, count)], Fault::Outside { physical: 100, last: 99 + count }),
            (vec![run(5, 100, 1), run(5, 101, 1)], Fault::Order { logical: 5 }),
            (vec![run(5, 100, 3), run(6, 200, 1)], Fault::Order { logical: 6 }),
        ];
        for (pushed, fault) in cases {
            let mut runs = Runs::new(&superblock);
            let outcome = pushed.iter().try_for_each(|run| runs.push(*run));
            assert_eq!(outcome, Err(fault), "{pushed:?}");
        }
        let mut runs = Runs::new(&superblock);
        let again = (0..).map(|logical| runs.push(run(logical, 100, 1))).find(Result::is_err);
        assert_eq!(again, Some(Err(Fault::TooMany(count))));
        let mut runs = Runs::new(&superblock);
        runs.enter(100).unwrap();
        assert_eq!(runs.enter(100), Err(Fault::Twice(100)));
    }
}
