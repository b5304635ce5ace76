//! Which blocks hold a fork's blocks: the extents in the inode, or the tree that it leads to.
//!
//! Layout: the long form of `struct xfs_btree_block`, and `struct xfs_bmdr_block` for the root.

use std::collections::HashSet;

use thiserror::Error;

use super::block;
use super::extent::{self, Run, Runs};
use super::inode::{Fork, Format, Private};
use super::metadata::Metadata;
use crate::error::{Error, Result};
use crate::fields::{Short, be16_at, be32_at, be64_at, slice_at};
use crate::filesystem::Inode;

const MAGIC: u32 = 0x424d_4150;
const MAGIC_5: u32 = 0x424d_4133;
/// Length of a block's header, in version 4 and 5.
pub(super) const HEADER_LEN: usize = 24;
pub(super) const HEADER_5_LEN: usize = 72;
/// Length of the root's header: level and number of records.
pub(super) const ROOT_HEADER_LEN: usize = 4;
/// A key and a pointer.
const ENTRY_LEN: usize = 16;
pub(super) const KEY_LEN: usize = 8;
/// `XFS_BM_MAXLEVELS` is 5 for most filesystems; of the smallest blocks it takes more.
const LEVELS_MOST: u16 = 9;

/// Faults of a map of blocks.
#[derive(Debug, Error, PartialEq, Eq)]
pub(super) enum Fault {
    #[error(transparent)]
    Short(#[from] Short),
    #[error(transparent)]
    Extent(#[from] extent::Fault),
    #[error(transparent)]
    Block(#[from] block::Fault),
    #[error("{extents} extents in {space} bytes of the inode")]
    Inline { extents: u64, space: usize },
    #[error("block {block:#x} of the map has magic {magic:#010x}")]
    Magic { block: u64, magic: u32 },
    #[error("block {block:#x} of the map is of level {found} where {expected} was due")]
    Level { block: u64, found: u16, expected: u16 },
    #[error("the map has {0} levels")]
    TooDeep(u16),
    #[error("{records} records in a block of the map, which has space for {most}")]
    TooManyRecords { records: u16, most: usize },
    #[error("block {0:#x} of the map is outside the filesystem")]
    Outside(u64),
    #[error("block {0:#x} comes twice in the map of one file")]
    Twice(u64),
    #[error("a fork of format {0:?} has no blocks")]
    Format(Format),
}

/// The runs of a fork, in order.
pub(super) fn runs(metadata: &Metadata, owner: u64, fork: &Fork<'_>) -> Result<Vec<Run>> {
    let mut runs = Runs::new(&metadata.superblock);
    match fork.format {
        Format::Extents => runs.push_all(inline(fork).map_err(Error::corrupt)?).map_err(Error::corrupt)?,
        Format::Tree => Tree { metadata, owner, blocks: HashSet::new(), runs: &mut runs }.root(fork.bytes)?,
        other => return Err(Error::corrupt(Fault::Format(other))),
    }
    Ok(runs.into_runs())
}

fn inline<'a>(fork: &Fork<'a>) -> Result<&'a [u8], Fault> {
    let len = usize::try_from(fork.extents).ok().and_then(|extents| extents.checked_mul(extent::LEN));
    len.and_then(|len| fork.bytes.get(..len))
        .ok_or(Fault::Inline { extents: fork.extents, space: fork.bytes.len() })
}

impl Metadata {
    /// The runs of the fork that holds content, names or a target.
    pub(super) fn data_runs(&self, inode: &Inode) -> Result<Vec<Run>> {
        let fork = Private::of(inode).data().map_err(Error::corrupt)?;
        let runs = runs(self, inode.id.number, &fork)?;
        Ok(self.edits.amend(inode.id.number, runs))
    }
}

/// A tree of extents while it is read.
struct Tree<'a, 'b> {
    metadata: &'a Metadata,
    owner: u64,
    /// Its blocks so far. Each can be used once: this bounds the time, whatever the map says.
    blocks: HashSet<u64>,
    runs: &'b mut Runs<'a>,
}

impl Tree<'_, '_> {
    fn root(&mut self, root: &[u8]) -> Result<()> {
        let (level, pointers) = pointers_of_root(root).map_err(Error::corrupt)?;
        self.below(level, &pointers)
    }

    /// Reads the blocks that a node of this level points to.
    fn below(&mut self, level: u16, pointers: &[u64]) -> Result<()> {
        let below = level.saturating_sub(1);
        for pointer in pointers {
            let block = self.read(*pointer)?;
            let header_len = self.header_len();
            let records = self.header(*pointer, &block, below).map_err(Error::corrupt)?;
            let body = block.get(header_len..).unwrap_or_default();
            if below == 0 {
                let len = usize::from(records).saturating_mul(extent::LEN);
                let leaf = slice_at(body, 0, len).map_err(Error::corrupt)?;
                self.runs.push_all(leaf).map_err(Error::corrupt)?;
            } else {
                let pointers = pointers_in(body, records).map_err(Error::corrupt)?;
                self.below(below, &pointers)?;
            }
        }
        Ok(())
    }

    fn header_len(&self) -> usize {
        if self.metadata.superblock.features.has_checksums() { HEADER_5_LEN } else { HEADER_LEN }
    }

    fn read(&mut self, pointer: u64) -> Result<Vec<u8>> {
        let position = self.metadata.superblock.block_position(pointer);
        let position = position.ok_or_else(|| Error::corrupt(Fault::Outside(pointer)))?;
        if !self.blocks.insert(pointer) {
            return Err(Error::corrupt(Fault::Twice(pointer)));
        }
        let block = self.metadata.read(position, self.metadata.superblock.block_len())?;
        if self.metadata.superblock.features.has_checksums() {
            let len = u64::try_from(block.len()).unwrap_or(u64::MAX);
            let expected = self.metadata.expected(position, len, self.owner);
            match block::MAP.check(&block, &expected) {
                // Exchanging the maps of two files leaves owners of before until the log is done.
                Err(block::Fault::Owner { .. }) if self.metadata.was_replayed() => {}
                checked => checked.map_err(Error::corrupt)?,
            }
        }
        Ok(block)
    }

    /// Checks a block's header, and gives the number of its records.
    fn header(&self, pointer: u64, block: &[u8], level: u16) -> Result<u16, Fault> {
        let bb_magic = be32_at(block, 0)?;
        let magic = if self.metadata.superblock.features.has_checksums() { MAGIC_5 } else { MAGIC };
        if bb_magic != magic {
            return Err(Fault::Magic { block: pointer, magic: bb_magic });
        }
        let bb_level = be16_at(block, 4)?;
        if bb_level != level {
            return Err(Fault::Level { block: pointer, found: bb_level, expected: level });
        }
        let bb_numrecs = be16_at(block, 6)?;
        let most = block.len().saturating_sub(self.header_len()) / ENTRY_LEN;
        if usize::from(bb_numrecs) > most {
            return Err(Fault::TooManyRecords { records: bb_numrecs, most });
        }
        Ok(bb_numrecs)
    }
}

/// The level of a root in an inode, and what it points to.
fn pointers_of_root(root: &[u8]) -> Result<(u16, Vec<u64>), Fault> {
    let bb_level = be16_at(root, 0)?;
    let bb_numrecs = be16_at(root, 2)?;
    if bb_level == 0 || bb_level > LEVELS_MOST {
        return Err(Fault::TooDeep(bb_level));
    }
    Ok((bb_level, pointers_in(root.get(ROOT_HEADER_LEN..).unwrap_or_default(), bb_numrecs)?))
}

/// The pointers of a node without its header: they stand behind as many keys as there is space for.
fn pointers_in(body: &[u8], records: u16) -> Result<Vec<u64>, Fault> {
    let most = body.len() / ENTRY_LEN;
    if usize::from(records) > most {
        return Err(Fault::TooManyRecords { records, most });
    }
    let first = most.saturating_mul(KEY_LEN);
    let at = |number: u16| first.saturating_add(usize::from(number).saturating_mul(KEY_LEN));
    (0..records).map(|number| Ok(be64_at(body, at(number))?)).collect()
}

#[cfg(test)]
mod tests;
