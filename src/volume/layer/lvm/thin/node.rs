//! A node of the B-trees of a pool's metadata.
//!
//! Layout: `struct btree_node` in `drivers/md/persistent-data/dm-btree-internal.h` of the kernel:
//! a header of 32 bytes, then room for `max_entries` keys, then as many values. All are
//! little-endian, and every value that is read here has 8 bytes.

use thiserror::Error;

use crate::fields::{Short, u32_at, u64_at};

const HEADER_LEN: usize = 32;
pub(super) const INTERNAL: u32 = 1;
pub(super) const LEAF: u32 = 2;

#[derive(Debug, Error, PartialEq, Eq)]
pub(super) enum Fault {
    #[error(transparent)]
    Short(#[from] Short),
    #[error("flags {0:#x} of a node")]
    Flags(u32),
    #[error("{entries} entries of {size} bytes in a node with room for {room}")]
    Entries { entries: u32, room: u32, size: u32 },
    #[error("keys of a node that do not grow")]
    Order,
}

/// A node: keys in order, and for each a value or the block of a child.
#[derive(Debug)]
pub(super) struct Node {
    pub is_leaf: bool,
    pub entries: Vec<(u64, u64)>,
}

impl Node {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        let flags = u32_at(bytes, 4)?;
        let nr_entries = u32_at(bytes, 16)?;
        let max_entries = u32_at(bytes, 20)?;
        let value_size = u32_at(bytes, 24)?;
        if !matches!(flags, INTERNAL | LEAF) {
            return Err(Fault::Flags(flags));
        }
        let lie = Fault::Entries { entries: nr_entries, room: max_entries, size: value_size };
        if nr_entries > max_entries || value_size != 8 {
            return Err(lie);
        }
        let (Ok(count), Ok(room)) = (usize::try_from(nr_entries), usize::try_from(max_entries)) else {
            return Err(lie);
        };
        let keys = bytes.get(HEADER_LEN..).unwrap_or_default();
        let values = room
            .checked_mul(8)
            .and_then(|len| keys.get(len..))
            .ok_or(Short { at: HEADER_LEN, have: bytes.len() })?;
        let entries = (0..count)
            .map(|index| {
                let at = index.saturating_mul(8);
                Ok((u64_at(keys, at)?, u64_at(values, at)?))
            })
            .collect::<Result<Vec<_>, Short>>()?;
        if !entries.is_sorted_by(|(before, _), (after, _)| before < after) {
            return Err(Fault::Order);
        }
        Ok(Self { is_leaf: flags == LEAF, entries })
    }
}
