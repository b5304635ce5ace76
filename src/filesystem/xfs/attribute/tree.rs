//! The blocks of an inode's attributes: one leaf, or nodes above many (`struct xfs_da_intnode`).

use std::collections::HashSet;

use super::super::block;
use super::super::inode::Fork;
use super::super::map;
use super::super::metadata::Metadata;
use super::source::Source;
use super::{Fault, Found, leaf};
use crate::error::{Error, Kind, Result};
use crate::fields::{be16_at, be32_at};

/// Magic numbers in version 4 and 5.
const LEAF: [u16; 2] = [0xfbee, 0x3bee];
const NODE: [u16; 2] = [0xfebe, 0x3ebe];
/// Lengths of a node's header; its number of entries and its level are the four bytes from here on.
const HEADER_LEN: usize = 16;
const HEADER_5_LEN: usize = 64;
const COUNT_AT: usize = 12;
const COUNT_5_AT: usize = 56;
const ENTRY_LEN: usize = 8;
/// `XFS_DA_NODE_MAXDEPTH`.
const LEVELS_MOST: u16 = 5;

/// A tree while it is read: each of its blocks can be used once, which bounds the time.
struct Tree<'a, 'b> {
    source: &'b Source<'a>,
    blocks: HashSet<u32>,
    found: &'b mut Found,
}

/// Adds the attributes in a fork of blocks.
pub(super) fn read(metadata: &Metadata, owner: u64, fork: &Fork<'_>, found: &mut Found) -> Result<()> {
    let source = Source { metadata, owner, runs: map::runs(metadata, owner, fork)? };
    Tree { source: &source, blocks: HashSet::new(), found }.block(0, None)
}

impl Tree<'_, '_> {
    /// Reads a block of this level, and what is below it. A block that can't be used costs what it
    /// leads to.
    fn block(&mut self, number: u32, level: Option<u16>) -> Result<()> {
        match self.try_block(number, level) {
            Err(error) if matches!(error.kind(), Kind::Corrupt | Kind::Read) => {
                self.found.fault(error);
                Ok(())
            }
            read => read,
        }
    }

    fn try_block(&mut self, number: u32, level: Option<u16>) -> Result<()> {
        if !self.blocks.insert(number) {
            return Err(Fault::Twice(number).into());
        }
        let metadata = self.source.metadata;
        let position = self.source.position(number).ok_or(Fault::Hole(number))?;
        let block = metadata.read(position, metadata.superblock.block_len())?;
        let magic = be16_at(&block, 8).map_err(Error::corrupt)?;
        let version = usize::from(metadata.superblock.features.has_checksums());
        let is_leaf = LEAF.get(version) == Some(&magic);
        if !is_leaf && NODE.get(version) != Some(&magic) {
            return Err(Fault::Magic { block: number, magic }.into());
        }
        if version == 1 {
            let len = u64::from(metadata.superblock.block_size);
            let expected = metadata.expected(position, len, self.source.owner);
            block::TREE.check(&block, &expected).map_err(Fault::Block)?;
        }
        if is_leaf {
            return match level {
                None | Some(0) => leaf::read(number, &block, self.source, self.found),
                Some(expected) => Err(Fault::Level { block: number, found: 0, expected }.into()),
            };
        }
        let (found, below) = node(number, &block, version == 1)?;
        if level.is_some_and(|level| level != found) || found == 0 || found > LEVELS_MOST {
            return Err(Fault::Level { block: number, found, expected: level.unwrap_or(LEVELS_MOST) }.into());
        }
        below.into_iter().try_for_each(|block| self.block(block, found.checked_sub(1)))
    }
}

/// The level of a node, and the blocks below it.
fn node(number: u32, block: &[u8], has_checksums: bool) -> Result<(u16, Vec<u32>), Fault> {
    let (count_at, first) = if has_checksums { (COUNT_5_AT, HEADER_5_LEN) } else { (COUNT_AT, HEADER_LEN) };
    let count = be16_at(block, count_at)?;
    let level = be16_at(block, count_at.saturating_add(2))?;
    let end = usize::from(count).saturating_mul(ENTRY_LEN).saturating_add(first);
    if end > block.len() {
        return Err(Fault::TooMany { block: number, entries: count });
    }
    let at =
        |entry: u16| first.saturating_add(usize::from(entry).saturating_mul(ENTRY_LEN)).saturating_add(4);
    let blocks: Result<Vec<u32>, _> = (0..count).map(|entry| be32_at(block, at(entry))).collect();
    Ok((level, blocks?))
}
