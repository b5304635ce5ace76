//! Block maps: how ext2 and ext3 find a file's blocks, by direct, indirect, double and triple indirect pointers.
//!
//! <https://docs.kernel.org/filesystems/ext4/dynamic.html#direct-indirect-block-addressing>

use super::map::{Run, Runs};
use super::metadata::Metadata;
use crate::error::{Error, Result};
use crate::fields::u32_at;

const POINTER_LEN: usize = 4;
/// `EXT4_NDIR_BLOCKS`.
const DIRECT_POINTERS: usize = 12;
/// Levels of pointers below the last three pointers of an inode.
const LEVELS: [u32; 3] = [1, 2, 3];

/// A pointer that is still to be followed: its block, the levels below it, and the file's block that it begins with.
struct Step {
    block: u32,
    level: u32,
    logical: u64,
}

/// Adds all runs of the block map that lies in the inode to `runs`, up to `blocks` blocks of the file.
pub(super) fn walk(metadata: &Metadata, i_block: &[u8], blocks: u64, runs: &mut Runs<'_>) -> Result<()> {
    let per_block = metadata.superblock.block_size / 4;
    let spans: [u64; 4] = [0, 1, 2, 3].map(|level| u64::from(per_block).saturating_pow(level));
    let span = |level: u32| spans.get(usize::try_from(level).unwrap_or(0)).copied().unwrap_or(1);

    let mut logical = 0_u64;
    let levels = std::iter::repeat_n(0, DIRECT_POINTERS).chain(LEVELS);
    for (index, level) in levels.enumerate() {
        let block = u32_at(i_block, index.saturating_mul(POINTER_LEN)).map_err(Error::corrupt)?;
        // At most one step a pointer of each level is waiting: per_block times three.
        let mut waiting = vec![Step { block, level, logical }];
        while let Some(step) = waiting.pop() {
            if step.block == 0 || step.logical >= blocks {
                continue;
            }
            if step.level == 0 {
                let run = Run { logical: step.logical, physical: u64::from(step.block), len: 1 };
                runs.push(run).map_err(Error::corrupt)?;
                continue;
            }
            runs.enter(u64::from(step.block)).map_err(Error::corrupt)?;
            let pointers = metadata.block(u64::from(step.block))?;
            let below = step.level.saturating_sub(1);
            let steps = pointers.chunks_exact(POINTER_LEN).enumerate().map(|(index, pointer)| Step {
                block: u32_at(pointer, 0).unwrap_or(0),
                level: below,
                logical: u64::try_from(index)
                    .unwrap_or(u64::MAX)
                    .saturating_mul(span(below))
                    .saturating_add(step.logical),
            });
            let first = waiting.len();
            waiting.extend(steps.filter(|step| step.block != 0));
            // The last one in is the first one out: turned round, they come out in the file's order.
            waiting.get_mut(first..).unwrap_or_default().reverse();
        }
        logical = logical.saturating_add(span(level));
    }
    Ok(())
}
