//! From a file's runs of blocks to what its inode has of them: an extent tree, or a block map.

use super::core::Core;
use crate::error::{Error, Result};
use crate::fields::{high_half, low_half, low_quarter, put_u16, put_u32};
use crate::filesystem::ext::extent::{ENTRY_LEN, HEADER_LEN, INITIALISED_MOST, MAGIC};
use crate::filesystem::ext::map::Run;

/// Bytes of `i_block`.
pub(super) const I_BLOCK_LEN: usize = 60;
/// Entries in the root of an extent tree, which is in `i_block`.
const ROOT_ENTRIES: usize = 4;
/// `EXT4_NDIR_BLOCKS`.
const DIRECT_POINTERS: u64 = 12;
const POINTER_LEN: usize = 4;
/// `EXT4_EXTENTS_FL`.
const EXTENTS_FL: u32 = 0x8_0000;

/// What an inode has of its blocks.
#[derive(Debug)]
pub(super) struct Map {
    pub i_block: [u8; I_BLOCK_LEN],
    /// Clusters that the map itself takes.
    pub clusters: u64,
    /// What it adds to the inode's flags.
    pub flags: u32,
}

/// Longest file that can be mapped, in blocks.
pub(super) fn blocks_most(core: &Core) -> u64 {
    if core.superblock.features.has_extents() {
        return u64::from(u32::MAX);
    }
    let per_block = u64::from(core.superblock.block_size / 4);
    (1..=3).fold(DIRECT_POINTERS, |sum, level| sum.saturating_add(per_block.saturating_pow(level)))
}

/// Writes what does not fit in the inode, and gives what does. The runs are in order.
pub(super) fn write(core: &mut Core, number: u32, runs: &[Run]) -> Result<Map> {
    if core.superblock.features.has_extents() {
        return extents(core, number, runs);
    }
    let mut pointers = Pointers { core, runs, clusters: 0 };
    let i_block = pointers.root()?;
    let clusters = pointers.clusters;
    Ok(Map { i_block, clusters, flags: 0 })
}

/// An entry of a node: the first block of the file that it is of, and its twelve bytes.
type Entry = (u32, [u8; ENTRY_LEN]);

/// Builds an extent tree from its leaves up.
///
/// <https://docs.kernel.org/filesystems/ext4/dynamic.html#extent-tree>
fn extents(core: &mut Core, number: u32, runs: &[Run]) -> Result<Map> {
    let mut entries: Vec<Entry> = Vec::new();
    for run in runs {
        let mut done = 0;
        while done < run.len {
            let len = run.len.saturating_sub(done).min(u64::from(INITIALISED_MOST));
            let logical = Core::narrow(run.logical.saturating_add(done))?;
            let physical = run.physical.saturating_add(done);
            let mut entry = [0; ENTRY_LEN];
            put_u32(&mut entry, 0x0, logical);
            put_u16(&mut entry, 0x4, u16::try_from(len).unwrap_or(INITIALISED_MOST));
            put_u16(&mut entry, 0x6, low_quarter(high_half(physical)));
            put_u32(&mut entry, 0x8, low_half(physical));
            entries.push((logical, entry));
            done = done.saturating_add(len);
        }
    }
    let seed = core.seed(number);
    let block_len = core.superblock.block_len();
    let per_node = block_len.saturating_sub(HEADER_LEN).checked_div(ENTRY_LEN).unwrap_or(1);
    let (mut depth, mut clusters) = (0_u16, 0_u64);
    while entries.len() > ROOT_ENTRIES {
        let mut above = Vec::new();
        for part in entries.chunks(per_node) {
            let block = core.block()?;
            clusters = clusters.saturating_add(1);
            let mut node = vec![0; block_len];
            fill(&mut node, part, per_node, depth);
            if core.superblock.features.has_metadata_checksums() {
                let at = per_node.saturating_mul(ENTRY_LEN).saturating_add(HEADER_LEN);
                let checksum = seed.with(node.get(..at).unwrap_or_default()).value();
                put_u32(&mut node, at, checksum);
            }
            core.write_block(block, &node)?;
            let first = part.first().map_or(0, |(logical, _)| *logical);
            let mut index = [0; ENTRY_LEN];
            put_u32(&mut index, 0x0, first);
            put_u32(&mut index, 0x4, low_half(block));
            put_u16(&mut index, 0x8, low_quarter(high_half(block)));
            above.push((first, index));
        }
        entries = above;
        depth = depth.saturating_add(1);
    }
    let mut i_block = [0; I_BLOCK_LEN];
    fill(&mut i_block, &entries, ROOT_ENTRIES, depth);
    Ok(Map { i_block, clusters, flags: EXTENTS_FL })
}

fn fill(node: &mut [u8], entries: &[Entry], most: usize, depth: u16) {
    put_u16(node, 0x0, MAGIC);
    put_u16(node, 0x2, u16::try_from(entries.len()).unwrap_or(0));
    put_u16(node, 0x4, u16::try_from(most).unwrap_or(0));
    put_u16(node, 0x6, depth);
    let places = node.get_mut(HEADER_LEN..).unwrap_or_default().chunks_exact_mut(ENTRY_LEN);
    for (place, (_, entry)) in places.zip(entries) {
        place.copy_from_slice(entry);
    }
}

/// Builds a block map.
///
/// <https://docs.kernel.org/filesystems/ext4/dynamic.html#direct-indirect-block-addressing>
struct Pointers<'a> {
    core: &'a mut Core,
    runs: &'a [Run],
    clusters: u64,
}

impl Pointers<'_> {
    fn root(&mut self) -> Result<[u8; I_BLOCK_LEN]> {
        let mut i_block = [0; I_BLOCK_LEN];
        let per_block = self.per_block();
        let spans = (0..DIRECT_POINTERS).map(|_| 0).chain([1, 2, 3]);
        let mut first = 0_u64;
        for (level, place) in spans.zip(i_block.chunks_exact_mut(POINTER_LEN)) {
            put_u32(place, 0, self.pointer(level, first)?);
            first = first.saturating_add(per_block.saturating_pow(level));
        }
        match self.runs.last() {
            Some(last) if last.logical.saturating_add(last.len) > first => {
                Err(Error::corrupt("the file is too long for a block map"))
            }
            _ => Ok(i_block),
        }
    }

    fn per_block(&self) -> u64 {
        u64::from(self.core.superblock.block_size / 4)
    }

    /// What points at the file's blocks from `first` on, as many as are below a pointer of this level (3 at the most); 0 where all of them
    /// are holes.
    fn pointer(&mut self, level: u32, first: u64) -> Result<u32> {
        let end = first.saturating_add(self.per_block().saturating_pow(level));
        let at = self.runs.partition_point(|run| run.logical.saturating_add(run.len) <= first);
        let Some(run) = self.runs.get(at).filter(|run| run.logical < end) else { return Ok(0) };
        if level == 0 {
            let physical = run.physical.saturating_add(first.saturating_sub(run.logical));
            return Core::narrow(physical);
        }
        let block = self.core.block()?;
        self.clusters = self.clusters.saturating_add(1);
        let below = level.saturating_sub(1);
        let span = self.per_block().saturating_pow(below);
        let mut content = vec![0; self.core.superblock.block_len()];
        let mut next = first;
        for place in content.chunks_exact_mut(POINTER_LEN) {
            put_u32(place, 0, self.pointer(below, next)?);
            next = next.saturating_add(span);
        }
        self.core.write_block(block, &content)?;
        Core::narrow(block)
    }
}
