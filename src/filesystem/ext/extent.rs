//! Extent trees: how ext4 finds a file's blocks.
//!
//! <https://docs.kernel.org/filesystems/ext4/dynamic.html#extent-tree>

use super::checksum::Crc;
use super::map::{Fault, Run, Runs};
use super::metadata::Metadata;
use crate::error::{Error, Result};
use crate::fields::{slice_at, u16_at, u32_at, wide};

pub(super) const MAGIC: u16 = 0xf30a;
/// `EXT4_MAX_EXTENT_DEPTH`.
const MAX_DEPTH: u16 = 5;
pub(super) const HEADER_LEN: usize = 12;
pub(super) const ENTRY_LEN: usize = 12;
const CHECKSUM_LEN: usize = 4;
/// `EXT_INIT_MAX_LEN`: a longer run was allocated, but never written, and reads as zeros.
pub(super) const INITIALISED_MOST: u16 = 0x8000;

/// The header of one node: `entries` is at most `max`, and `max` entries are in the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Header {
    entries: usize,
    max: usize,
    depth: u16,
}

/// An entry of an inner node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Index {
    logical: u32,
    block: u64,
}

/// Adds all runs below the root, which lies in the inode, to `runs`.
///
/// Runs that were allocated but not written are passed over: they are holes.
pub(super) fn walk(metadata: &Metadata, root: &[u8], seed: Crc, runs: &mut Runs<'_>) -> Result<()> {
    let header = header(root, None).map_err(Error::corrupt)?;
    if header.depth == 0 {
        return leaf(root, header, runs).map_err(Error::corrupt);
    }
    // What is still to be read of each level above the leaves; there are MAX_DEPTH of them at the most.
    let mut levels = vec![(header.depth, index(root, header).map_err(Error::corrupt)?.into_iter())];
    while let Some((depth, entries)) = levels.last_mut() {
        let Some(entry) = entries.next() else {
            levels.pop();
            continue;
        };
        let below = depth.saturating_sub(1);
        runs.enter(entry.block).map_err(Error::corrupt)?;
        let node = metadata.block(entry.block)?;
        let header = self::header(&node, Some(below)).map_err(Error::corrupt)?;
        if metadata.superblock.features.has_metadata_checksums() {
            verify(&node, header, seed, entry.block).map_err(Error::corrupt)?;
        }
        if below == 0 {
            leaf(&node, header, runs).map_err(Error::corrupt)?;
        } else {
            levels.push((below, index(&node, header).map_err(Error::corrupt)?.into_iter()));
        }
    }
    Ok(())
}

fn header(node: &[u8], expected_depth: Option<u16>) -> Result<Header, Fault> {
    let eh_magic = u16_at(node, 0x0)?;
    let eh_entries = u16_at(node, 0x2)?;
    let eh_max = u16_at(node, 0x4)?;
    let eh_depth = u16_at(node, 0x6)?;
    if eh_magic != MAGIC {
        return Err(Fault::Magic(eh_magic));
    }
    if eh_depth > MAX_DEPTH {
        return Err(Fault::TooDeep(eh_depth));
    }
    if let Some(expected) = expected_depth.filter(|expected| *expected != eh_depth) {
        return Err(Fault::Depth { found: eh_depth, expected });
    }
    if eh_entries > eh_max {
        return Err(Fault::TooManyEntries { entries: eh_entries, max: eh_max });
    }
    let max = usize::from(eh_max);
    let space = node.len().saturating_sub(HEADER_LEN);
    if max.saturating_mul(ENTRY_LEN) > space {
        return Err(Fault::NodeSize { max: eh_max, space });
    }
    Ok(Header { entries: usize::from(eh_entries), max, depth: eh_depth })
}

/// The entries that are in use, `ENTRY_LEN` bytes each.
fn entries(node: &[u8], header: Header) -> impl Iterator<Item = &[u8]> {
    node.get(HEADER_LEN..).unwrap_or_default().chunks_exact(ENTRY_LEN).take(header.entries)
}

fn index(node: &[u8], header: Header) -> Result<Vec<Index>, Fault> {
    let index = |entry: &[u8]| -> Result<Index, Fault> {
        let (ei_leaf_lo, ei_leaf_hi) = (u32_at(entry, 0x4)?, u16_at(entry, 0x8)?);
        Ok(Index { logical: u32_at(entry, 0x0)?, block: wide(u32::from(ei_leaf_hi), ei_leaf_lo) })
    };
    let index = entries(node, header).map(index).collect::<Result<Vec<_>, _>>()?;
    match index.windows(2).find(|pair| matches!(pair, [a, b] if a.logical >= b.logical)) {
        Some([_, later]) => Err(Fault::Order { logical: u64::from(later.logical) }),
        _ => Ok(index),
    }
}

fn leaf(node: &[u8], header: Header, runs: &mut Runs<'_>) -> Result<(), Fault> {
    for entry in entries(node, header) {
        let ee_block = u32_at(entry, 0x0)?;
        let ee_len = u16_at(entry, 0x4)?;
        let ee_start = wide(u32::from(u16_at(entry, 0x6)?), u32_at(entry, 0x8)?);
        let logical = u64::from(ee_block);
        match ee_len {
            0 => return Err(Fault::Order { logical }),
            len if len <= INITIALISED_MOST => {
                runs.push(Run { logical, physical: ee_start, len: u64::from(len) })?;
            }
            len => runs.pass(logical, u64::from(len.saturating_sub(INITIALISED_MOST)))?,
        }
    }
    Ok(())
}

/// Compares the checksum behind the entries of a node that has a block of its own.
fn verify(node: &[u8], header: Header, seed: Crc, block: u64) -> Result<(), Fault> {
    let at = header.max.saturating_mul(ENTRY_LEN).saturating_add(HEADER_LEN);
    if at.saturating_add(CHECKSUM_LEN) > node.len() {
        return Err(Fault::NodeSize {
            max: u16::try_from(header.max).unwrap_or(u16::MAX),
            space: node.len(),
        });
    }
    let stored = u32_at(node, at)?;
    let computed = seed.with(slice_at(node, 0, at)?).value();
    if stored == computed { Ok(()) } else { Err(Fault::Checksum { block, stored, computed }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filesystem::ext::superblock::tests::sound;

    /// A node with these header fields, and entries of 12 bytes.
    fn node(magic: u16, entries: u16, max: u16, depth: u16, body: &[[u8; 12]]) -> Vec<u8> {
        let mut node: Vec<u8> =
            [magic, entries, max, depth, 0, 0].iter().flat_map(|field| field.to_le_bytes()).collect();
        node.extend(body.concat());
        node.resize(60, 0);
        node
    }

    /// An entry of a leaf.
    fn entry(block: u32, len: u16, start: u32) -> [u8; 12] {
        let mut entry = [0; 12];
        entry[..4].copy_from_slice(&block.to_le_bytes());
        entry[4..6].copy_from_slice(&len.to_le_bytes());
        entry[8..].copy_from_slice(&start.to_le_bytes());
        entry
    }

    #[test]
    fn headers_that_lie_are_refused() {
        let cases = [
            (node(0xf30b, 0, 4, 0, &[]), None, Fault::Magic(0xf30b)),
            (node(MAGIC, 5, 4, 0, &[]), None, Fault::TooManyEntries { entries: 5, max: 4 }),
            (node(MAGIC, 0, 4, 6, &[]), None, Fault::TooDeep(6)),
            (node(MAGIC, 0, 5, 0, &[]), None, Fault::NodeSize { max: 5, space: 48 }),
            (node(MAGIC, 0, 4, 1, &[]), Some(0), Fault::Depth { found: 1, expected: 0 }),
        ];
        for (node, depth, fault) in cases {
            assert_eq!(header(&node, depth), Err(fault));
        }
    }

    #[test]
    fn unwritten_runs_are_holes_and_order_is_kept() {
        let superblock = sound();
        let read = |body: &[[u8; 12]]| {
            let node = node(MAGIC, u16::try_from(body.len()).unwrap(), 4, 0, body);
            let mut runs = Runs::new(&superblock);
            leaf(&node, header(&node, None).unwrap(), &mut runs).map(|()| runs.into_extents(1 << 40).len())
        };
        assert_eq!(read(&[entry(0, 1, 100), entry(1, 0x8001, 101), entry(2, 1, 102)]), Ok(2));
        assert_eq!(read(&[entry(0, 0, 100)]), Err(Fault::Order { logical: 0 }));
        assert_eq!(read(&[entry(3, 0x8002, 100), entry(4, 1, 200)]), Err(Fault::Order { logical: 4 }));
    }

    #[test]
    fn an_index_that_goes_backwards_is_refused() {
        let body = [entry(5, 0, 0), entry(5, 0, 0)];
        let node = node(MAGIC, 2, 4, 1, &body);
        assert_eq!(index(&node, header(&node, None).unwrap()), Err(Fault::Order { logical: 5 }));
    }
}
