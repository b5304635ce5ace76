//! The written blocks of a file, as a map that can be changed.

use std::collections::BTreeMap;

use crate::filesystem::ext::map::Run;

/// Runs of written blocks, none overlapping another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ranges {
    /// By the first block in the file: the first block on the device, and the number of blocks.
    runs: BTreeMap<u64, (u64, u64)>,
}

impl Ranges {
    /// Number of runs.
    pub(super) fn len(&self) -> usize {
        self.runs.len()
    }

    /// The runs in the order of the file.
    pub(super) fn iter(&self) -> impl Iterator<Item = Run> {
        self.runs.iter().map(|(logical, (physical, len))| Run {
            logical: *logical,
            physical: *physical,
            len: *len,
        })
    }

    /// Puts `run` where it says, instead of what was there.
    pub(super) fn set(&mut self, run: Run) {
        self.clear(run.logical, run.len);
        if run.len > 0 {
            self.runs.insert(run.logical, (run.physical, run.len));
        }
    }

    /// Makes `len` blocks from `logical` on a hole.
    pub(super) fn clear(&mut self, logical: u64, len: u64) {
        let end = logical.saturating_add(len);
        // The only run before the hole that can reach into it is the last.
        let before = self.runs.range(..logical).next_back().map(|(start, run)| (*start, *run));
        let inside: Vec<_> = self.runs.range(logical..end).map(|(start, run)| (*start, *run)).collect();
        for (start, (physical, run_len)) in before.into_iter().chain(inside) {
            self.runs.remove(&start);
            let kept = run_len.min(logical.saturating_sub(start));
            self.insert(start, physical, kept);
            let behind = end.saturating_sub(start);
            self.insert(end, physical.saturating_add(behind), run_len.saturating_sub(behind));
        }
    }

    fn insert(&mut self, logical: u64, physical: u64, len: u64) {
        if len > 0 {
            self.runs.insert(logical, (physical, len));
        }
    }
}

impl FromIterator<Run> for Ranges {
    fn from_iter<T: IntoIterator<Item = Run>>(runs: T) -> Self {
        let mut ranges = Self::default();
        runs.into_iter().for_each(|run| ranges.set(run));
        ranges
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BLOCKS: u64 = 24;

    proptest! {
        #[test]
        fn any_changes_come_to_the_same_as_block_by_block(
            changes in prop::collection::vec((any::<bool>(), 0..BLOCKS, 0..BLOCKS), 0..12)
        ) {
            let mut ranges = Ranges::default();
            let mut blocks = BTreeMap::new();
            for (number, (is_set, logical, len)) in (1_000_u64..).step_by(100).zip(changes) {
                for block in logical..logical + len {
                    blocks.remove(&block);
                    if is_set {
                        blocks.insert(block, number + block - logical);
                    }
                }
                match is_set {
                    true => ranges.set(Run { logical, physical: number, len }),
                    false => ranges.clear(logical, len),
                }
            }
            let found: Vec<_> = ranges
                .iter()
                .flat_map(|run| (0..run.len).map(move |at| (run.logical + at, run.physical + at)))
                .collect();
            prop_assert_eq!(found, blocks.into_iter().collect::<Vec<_>>());
        }
    }
}
