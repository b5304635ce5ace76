//! The names in one directory, kept close together: a directory may have millions.

use std::hash::{BuildHasher, RandomState};
use std::ops::Range;

use super::types::InodeId;

/// Bits for each name when names that are there twice are looked for: about one in ten others is looked at, too.
const BITS_PER_NAME: usize = 8;

/// A name in a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirectoryEntry<'a> {
    /// The name, in bytes as on the disk: 1 to 255 of them, never `/` or NUL, never `.` or `..`.
    pub name: &'a [u8],
    /// The inode that has it.
    pub inode: InodeId,
}

/// Bytes of the number of a tree behind a name.
const TREE_LEN: usize = 8;

/// An inode's number, and where its name lies in [`Listing::names`]: 16 bytes, as there may be
/// millions.
#[derive(Clone, Copy, Debug)]
struct Slot {
    number: u64,
    /// The start of the name; one bit, set where a tree other than 0 stands behind it; and in the
    /// lowest byte its length.
    place: u64,
}

impl Slot {
    fn new(number: u64, start: usize, has_tree: bool, len: u8) -> Self {
        let start = u64::try_from(start).unwrap_or(u64::MAX) << 9;
        Self { number, place: start | u64::from(has_tree) << 8 | u64::from(len) }
    }

    fn range(self) -> Range<usize> {
        let start = usize::try_from(self.place >> 9).unwrap_or(usize::MAX);
        let len = usize::try_from(self.place & 0xff).unwrap_or(0);
        start..start.saturating_add(len)
    }

    fn has_tree(self) -> bool {
        self.place & 0x100 != 0
    }
}

/// The names in one directory.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// Names one behind the other. A tree other than 0 stands behind its name.
    names: Vec<u8>,
    slots: Vec<Slot>,
    /// Whether any tree is not 0.
    has_trees: bool,
}

impl Listing {
    /// Adds a name. One that is longer than 255 bytes is cut off: no filesystem here has such.
    pub fn push(&mut self, name: &[u8], inode: impl Into<InodeId>) {
        let InodeId { tree, number } = inode.into();
        let len = u8::try_from(name.len()).unwrap_or(u8::MAX);
        let start = self.names.len();
        self.names.extend_from_slice(name.get(..usize::from(len)).unwrap_or_default());
        if tree != 0 {
            self.names.extend_from_slice(&tree.to_le_bytes());
            self.has_trees = true;
        }
        if self.slots.len() == self.slots.capacity() {
            // A quarter more, not twice as much: otherwise unused slots would be the largest part
            // of a large directory.
            self.slots.reserve_exact((self.slots.len() / 4).max(64));
        }
        self.slots.push(Slot::new(number, start, tree != 0, len));
    }

    /// Number of names.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there is no name.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The entry at `index`, in the present order.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<DirectoryEntry<'_>> {
        self.slots.get(index).map(|slot| self.entry(slot))
    }

    /// All entries in the present order.
    pub fn iter(&self) -> impl Iterator<Item = DirectoryEntry<'_>> {
        self.slots.iter().map(|slot| self.entry(slot))
    }

    /// Removes entries whose name is there already, and gives their number.
    pub fn remove_repeated_names(&mut self) -> usize {
        let mut suspects = self.maybe_repeated();
        // Of two with the same name, the one that comes first stays, as the kernel finds it.
        suspects.sort_unstable_by(|a, b| self.name_at(*a).cmp(self.name_at(*b)).then(a.cmp(b)));
        let mut repeated = suspects;
        let mut before = None;
        repeated.retain(|index| {
            let same = before.is_some_and(|before| self.name_at(before) == self.name_at(*index));
            before = Some(*index);
            same
        });
        repeated.sort_unstable();
        let mut next = repeated.iter().copied().peekable();
        let mut index = 0_u32;
        self.slots.retain(|_| {
            let is_kept = next.next_if_eq(&index).is_none();
            index = index.saturating_add(1);
            is_kept
        });
        repeated.len()
    }

    /// The indices of names that may be there twice, in order: those whose hash is met twice. Sorting all names would take
    /// longer than all else that is done with a very large directory.
    ///
    /// Indices have 32 bits, to take half the space: of more names than that, which no filesystem here has in one directory,
    /// those after them are not looked at.
    fn maybe_repeated(&self) -> Vec<u32> {
        // The keys are others in each run: nobody can write names that all have the same hash.
        let keys = RandomState::new();
        let mut bits = Bits::new(self.slots.len().saturating_mul(BITS_PER_NAME));
        let mut again = Bits::new(self.slots.len().saturating_mul(BITS_PER_NAME));
        let hash = |slot: &Slot| keys.hash_one(self.entry(slot).name);
        for slot in &self.slots {
            let hash = hash(slot);
            if bits.set(hash) {
                again.set(hash);
            }
        }
        let suspects = (0..=u32::MAX).zip(&self.slots).filter(|(_, slot)| again.has(hash(slot)));
        suspects.map(|(index, _)| index).collect()
    }

    /// Sorts by inode, and names of the same inode as they lie: the order in which inodes, and
    /// mostly the blocks of their files, lie on the device.
    pub fn sort_by_inode(&mut self) {
        if !self.has_trees {
            return self.slots.sort_unstable_by_key(|slot| (slot.number, slot.place));
        }
        let names = &self.names;
        self.slots.sort_unstable_by_key(|slot| (tree(names, *slot), slot.number, slot.place));
    }

    fn name_at(&self, index: u32) -> &[u8] {
        usize::try_from(index).ok().and_then(|index| self.get(index)).map_or(&[], |entry| entry.name)
    }

    fn entry(&self, slot: &Slot) -> DirectoryEntry<'_> {
        let name = self.names.get(slot.range()).unwrap_or_default();
        let inode = InodeId { tree: tree(&self.names, *slot), number: slot.number };
        DirectoryEntry { name, inode }
    }
}

/// The tree of an inode, which stands behind its name where it is not 0.
fn tree(names: &[u8], slot: Slot) -> u64 {
    if !slot.has_tree() {
        return 0;
    }
    let start = slot.range().end;
    let bytes = names.get(start..start.saturating_add(TREE_LEN));
    bytes.and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes)
}

/// A set of hashes, of which only some bits count.
struct Bits {
    words: Vec<u64>,
    mask: u64,
}

impl Bits {
    /// For at least `len` hashes.
    fn new(len: usize) -> Self {
        let words = (len / 64).max(1).next_power_of_two();
        let bits = u64::try_from(words).unwrap_or(1).saturating_mul(64);
        Self { words: vec![0; words], mask: bits.saturating_sub(1) }
    }

    fn place(&self, hash: u64) -> (usize, u64) {
        let bit = hash & self.mask;
        (usize::try_from(bit >> 6).unwrap_or(0), 1 << (bit & 63))
    }

    fn has(&self, hash: u64) -> bool {
        let (word, bit) = self.place(hash);
        self.words.get(word).is_some_and(|word| word & bit != 0)
    }

    /// Adds a hash, and says whether it was there.
    fn set(&mut self, hash: u64) -> bool {
        let (word, bit) = self.place(hash);
        let Some(word) = self.words.get_mut(word) else { return false };
        let was_there = *word & bit != 0;
        *word |= bit;
        was_there
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_by_inode_and_the_first_of_two_equal_ones_stays() {
        let mut listing = Listing::default();
        for (name, inode) in [("b", 30), ("a", 30), ("c", 12), ("b", 11)] {
            listing.push(name.as_bytes(), inode);
        }
        assert_eq!(listing.remove_repeated_names(), 1);
        listing.sort_by_inode();
        let entries: Vec<_> = listing.iter().map(|entry| (entry.name, entry.inode.number)).collect();
        assert_eq!(entries, [(&b"c"[..], 12), (b"b", 30), (b"a", 30)]);
    }

    #[test]
    fn inodes_of_other_trees_are_sorted_behind_those_of_the_first() {
        let mut listing = Listing::default();
        for (name, tree, number) in [("b", 7, 3), ("a", 0, 30), ("c", 7, 2), ("d", u64::MAX, 1), ("a", 9, 1)]
        {
            listing.push(name.as_bytes(), InodeId { tree, number });
        }
        assert_eq!(listing.remove_repeated_names(), 1);
        listing.sort_by_inode();
        let entries: Vec<_> = listing.iter().map(|entry| (entry.name, entry.inode.tree)).collect();
        assert_eq!(entries, [(&b"a"[..], 0), (b"c", 7), (b"b", 7), (b"d", u64::MAX)]);
    }

    #[test]
    fn of_very_many_names_the_repeated_ones_are_found_and_no_others() {
        let mut listing = Listing::default();
        for number in 0..20_000_u64 {
            listing.push(format!("name {}", number % 19_000).as_bytes(), number);
        }
        assert_eq!(listing.remove_repeated_names(), 1000);
        assert!(
            listing.iter().map(|entry| entry.inode.number).eq(0..19_000),
            "the first ones stay, in their order"
        );
        assert_eq!(listing.remove_repeated_names(), 0);
    }
}
