//! The hidden files that count the use of space by owner, group and project, with the feature `quota`.
//!
//! A file is a tree of blocks of 1 KiB: four levels of 256 pointers, one for each byte of the number, and behind them entries of what is used.
//! Limits are not in an archive: there are none in it. <https://docs.kernel.org/filesystems/quota.html>; the layout is that of
//! `struct v2_disk_dqheader` and those that follow it in the kernel's `fs/quota/quotaio_v2.h`.

use std::collections::BTreeMap;

use super::record::id;
use crate::fields::{high_half, low_half, put_u16, put_u32};
use crate::filesystem::Metadata;

const BLOCK_LEN: usize = 1024;
const POINTERS: usize = 256;
/// Levels of pointers.
const DEPTH: usize = 4;
const ENTRY_LEN: usize = 72;
const ENTRIES_AT: usize = 16;
const ENTRIES_MOST: usize = (BLOCK_LEN - ENTRIES_AT) / ENTRY_LEN;
/// `V2_INITQVERSIONS`: entries of 72 bytes.
const VERSION: u32 = 1;
/// A week, in seconds, that a soft limit may be exceeded.
const GRACE: u32 = 604_800;

/// Whose use is counted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    magic: u32,
    /// Where the superblock has the number of the file's inode.
    pub inode_at: usize,
    /// Whom an inode counts for.
    of: fn(&Metadata) -> u32,
}

/// All kinds: users, groups, projects.
pub(super) const KINDS: [Kind; 3] = [
    Kind { magic: 0xd9c0_1f11, inode_at: 0x240, of: |new| id(new.uid) },
    Kind { magic: 0xd9c0_1927, inode_at: 0x244, of: |new| id(new.gid) },
    Kind { magic: 0xd9c0_3f14, inode_at: 0x26c, of: |new| new.project.unwrap_or(0) },
];

/// Inodes and bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Used {
    pub inodes: u64,
    pub bytes: u64,
}

/// What is used, by number, for each kind.
#[derive(Debug, Default)]
pub(super) struct Usage([BTreeMap<u32, Used>; KINDS.len()]);

impl Usage {
    /// Counts an inode.
    pub(super) fn add(&mut self, new: &Metadata, used: Used) {
        for (kind, usage) in KINDS.iter().zip(&mut self.0) {
            let sum = usage.entry((kind.of)(new)).or_default();
            sum.inodes = sum.inodes.saturating_add(used.inodes);
            sum.bytes = sum.bytes.saturating_add(used.bytes);
        }
    }

    /// The content of the file of a kind, and the kind.
    pub(super) fn files(&self) -> impl Iterator<Item = (Kind, Vec<u8>)> {
        KINDS.iter().zip(&self.0).map(|(kind, usage)| (*kind, file(*kind, usage)))
    }
}

/// A file as it is built: its blocks.
struct Blocks(Vec<Vec<u8>>);

impl Blocks {
    fn push(&mut self) -> u32 {
        let number = u32::try_from(self.0.len()).unwrap_or(0);
        self.0.push(vec![0; BLOCK_LEN]);
        number
    }

    fn get(&mut self, number: u32) -> &mut [u8] {
        let block = usize::try_from(number).ok().and_then(|number| self.0.get_mut(number));
        block.map_or(&mut [], Vec::as_mut_slice)
    }

    /// The block that the pointers to a number end at, without the last of them, and where that one is.
    fn last_pointer(&mut self, root: u32, id: u32) -> (u32, usize) {
        let bytes = id.to_be_bytes();
        let (last, path) = bytes.split_last().map_or((0, &[][..]), |(last, path)| (*last, path));
        let mut block = root;
        for byte in path {
            let at = usize::from(*byte).saturating_mul(4);
            let next = crate::fields::u32_at(self.get(block), at).unwrap_or(0);
            block = match next {
                0 => {
                    let made = self.push();
                    put_u32(self.get(block), at, made);
                    made
                }
                next => next,
            };
        }
        (block, usize::from(last).saturating_mul(4))
    }
}

fn file(kind: Kind, usage: &BTreeMap<u32, Used>) -> Vec<u8> {
    const { assert!(POINTERS * 4 == BLOCK_LEN && DEPTH == size_of::<u32>()) };
    let mut blocks = Blocks(Vec::new());
    let (head, root) = (blocks.push(), blocks.push());
    // The block of entries that has space, and how many it has.
    let mut open: Option<(u32, usize)> = None;
    for (id, used) in usage {
        let (entries, count) = match open {
            Some(open) => open,
            None => (blocks.push(), 0),
        };
        let (block, at) = blocks.last_pointer(root, *id);
        put_u32(blocks.get(block), at, entries);
        let place = blocks.get(entries);
        let at = count.saturating_mul(ENTRY_LEN).saturating_add(ENTRIES_AT);
        put_u32(place, at, *id);
        for (field, number) in [(24, used.inodes), (48, used.bytes)] {
            put_u32(place, at.saturating_add(field), low_half(number));
            put_u32(place, at.saturating_add(field).saturating_add(4), high_half(number));
        }
        let count = count.saturating_add(1);
        put_u16(place, 8, u16::try_from(count).unwrap_or(u16::MAX));
        open = Some((entries, count)).filter(|_| count < ENTRIES_MOST);
    }
    let count = u32::try_from(blocks.0.len()).unwrap_or(u32::MAX);
    let place = blocks.get(head);
    let fields = [kind.magic, VERSION, GRACE, GRACE, 0, count, 0, open.map_or(0, |(block, _)| block)];
    for (field, at) in fields.into_iter().zip((0..).step_by(4)) {
        put_u32(place, at, field);
    }
    blocks.0.concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::{u16_at, u32_at, u64_at};

    #[test]
    fn each_number_is_found_by_its_bytes() {
        let usage: BTreeMap<u32, Used> = (0..40)
            .chain([0xffff_fffe, 0x0102_0304])
            .map(|id| (id, Used { inodes: u64::from(id) + 1, bytes: 1 << 40 }))
            .collect();
        let file = file(KINDS[0], &usage);
        assert_eq!(file.len(), BLOCK_LEN * u32_at(&file, 20).unwrap() as usize);
        for (id, used) in &usage {
            let pointer = id.to_be_bytes().iter().fold(1_usize, |block, byte| {
                u32_at(&file, block * BLOCK_LEN + usize::from(*byte) * 4).unwrap() as usize
            });
            let entries = &file[pointer * BLOCK_LEN..][..BLOCK_LEN];
            let count = usize::from(u16_at(entries, 8).unwrap());
            let mut places = entries[ENTRIES_AT..].chunks_exact(ENTRY_LEN).take(count);
            let entry = places.find(|entry| u32_at(entry, 0) == Ok(*id)).unwrap();
            assert_eq!((u64_at(entry, 24), u64_at(entry, 48)), (Ok(used.inodes), Ok(used.bytes)), "{id:#x}");
        }
    }
}
