//! The index of a large directory: its names sorted by their hashes, and a tree that says which block begins with which hash.
//!
//! Block 0 is the root; behind it are the blocks of names, and then the inner blocks of the tree, from the lowest level up.
//! <https://docs.kernel.org/filesystems/ext4/directory.html#hash-tree-directories>

use super::blocks::{Blocks, Form, record_len};
use super::hash::Hasher;
use super::names::{Name, Names};
use crate::error::Result;
use crate::fields::{put_u8, put_u16, put_u32};

/// Where the root says what kind of index it is, behind `.` and `..`, and where its entries begin.
const ROOT_INFO_AT: usize = 0x18;
const ROOT_INFO_LEN: usize = 8;
/// Where the entries of an inner block begin, behind a record that fills the block.
const NODE_ENTRIES_AT: usize = 0x8;
const ENTRY_LEN: usize = 8;
/// `struct dx_tail`.
const TAIL_LEN: usize = 8;
/// A part of a block, one in so many, is left for names to come.
const SLACK: usize = 5;

/// An entry of the tree: the first hash of what is below, and the block in the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    hash: u32,
    block: u32,
}

/// What is to be written.
pub(super) struct Index {
    version: u8,
    /// Places of names, sorted by hash.
    order: Vec<usize>,
    /// How many of them each block of names has.
    leaves: Vec<usize>,
    /// Inner blocks, level by level.
    nodes: Vec<Vec<Entry>>,
    root: Vec<Entry>,
    levels: u8,
}

/// Plans the index of a directory; `None` where it has more names than an index can have.
pub(super) fn plan(form: &Form, names: &Names, hasher: Hasher, large: bool) -> Option<Index> {
    let mut hashed: Vec<(u32, u32, usize)> = Vec::with_capacity(names.len());
    hashed.extend(names.iter().map(|(at, name)| {
        let (hash, minor) = hasher.hash(name.name);
        (hash, minor, at)
    }));
    hashed.sort_unstable();
    let capacity = form.capacity();
    let filled = capacity.saturating_sub(capacity / SLACK);
    let (mut leaves, mut entries) = (Vec::new(), Vec::new());
    let (mut count, mut len, mut last) = (0_usize, 0_usize, None);
    for (hash, _, at) in &hashed {
        let record = names.at(*at).map_or(0, |(name, _)| record_len(name.name));
        let next = len.saturating_add(record);
        if entries.is_empty() || next > filled {
            if count > 0 {
                leaves.push(count);
            }
            // The lowest bit says that names with this hash are in the block before, too.
            let goes_on = u32::from(last == Some(*hash));
            let block = u32::try_from(entries.len()).ok()?.checked_add(1)?;
            entries.push(Entry { hash: *hash | goes_on, block });
            (count, len) = (0, 0);
        }
        count = count.saturating_add(1);
        len = len.saturating_add(record);
        last = Some(*hash);
    }
    leaves.push(count);
    let (root_most, node_most) =
        (entries_most(form, ROOT_INFO_AT.saturating_add(ROOT_INFO_LEN)), entries_most(form, NODE_ENTRIES_AT));
    let levels_most = if large { 2 } else { 1 };
    let (mut nodes, mut levels) = (Vec::new(), 0_u8);
    let mut next_block = u32::try_from(entries.len()).ok()?.checked_add(1)?;
    while entries.len() > root_most {
        if levels == levels_most {
            return None;
        }
        levels = levels.saturating_add(1);
        let mut above = Vec::new();
        for part in entries.chunks(node_most.max(1)) {
            above.push(Entry { hash: part.first()?.hash, block: next_block });
            nodes.push(part.to_vec());
            next_block = next_block.checked_add(1)?;
        }
        entries = above;
    }
    let order = hashed.into_iter().map(|(_, _, at)| at).collect();
    Some(Index { version: hasher.version, order, leaves, nodes, root: entries, levels })
}

/// Entries that have space in a block from `start` on.
fn entries_most(form: &Form, start: usize) -> usize {
    let tail = if form.has_checksums { TAIL_LEN } else { 0 };
    form.block_len.saturating_sub(start).saturating_sub(tail) / ENTRY_LEN
}

impl Index {
    pub(super) fn write(&self, blocks: &mut Blocks<'_, '_>, form: &Form, names: &Names) -> Result<()> {
        blocks.put(&self.root(form))?;
        let mut order = self.order.iter();
        for count in &self.leaves {
            let part = order.by_ref().take(*count).filter_map(|at| names.at(*at)).map(|(name, _)| name);
            blocks.put(&form.leaf(part))?;
        }
        self.nodes.iter().try_for_each(|node| {
            let mut block = vec![0; form.block_len];
            form.put_len(&mut block, 0, form.block_len);
            fill(&mut block, form, NODE_ENTRIES_AT, node);
            blocks.put(&block)
        })
    }

    fn root(&self, form: &Form) -> Vec<u8> {
        let mut block = vec![0; form.block_len];
        let [itself, parent] = form.first_names();
        let at = form.record(&mut block, 0, itself);
        form.record(&mut block, at, Name { ..parent });
        form.put_len(&mut block, at, form.block_len.saturating_sub(at));
        put_u8(&mut block, ROOT_INFO_AT.saturating_add(4), self.version);
        put_u8(&mut block, ROOT_INFO_AT.saturating_add(5), u8::try_from(ROOT_INFO_LEN).unwrap_or(0));
        put_u8(&mut block, ROOT_INFO_AT.saturating_add(6), self.levels);
        fill(&mut block, form, ROOT_INFO_AT.saturating_add(ROOT_INFO_LEN), &self.root);
        block
    }
}

/// Puts entries into a block from `start` on, and the checksum behind the place of the last that could be there.
fn fill(block: &mut [u8], form: &Form, start: usize, entries: &[Entry]) {
    let most = entries_most(form, start);
    let mut at = start;
    for entry in entries {
        put_u32(block, at, entry.hash);
        put_u32(block, at.saturating_add(4), entry.block);
        at = at.saturating_add(ENTRY_LEN);
    }
    // The first entry has no hash: all names with lower ones are below it. In its place is how many there are.
    put_u16(block, start, u16::try_from(most).unwrap_or(u16::MAX));
    put_u16(block, start.saturating_add(2), u16::try_from(entries.len()).unwrap_or(u16::MAX));
    if form.has_checksums {
        let tail = most.saturating_mul(ENTRY_LEN).saturating_add(start);
        let in_use = block.get(..at).unwrap_or_default();
        let checksum = form.seed.with(in_use).with_zeros::<8>().value();
        put_u32(block, tail.saturating_add(4), checksum);
    }
}
