//! The names in one directory, kept close together: a directory may have millions.

use super::InodeNumber;

/// A name in a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirectoryEntry<'a> {
    /// The name, in bytes as on the disk: 1 to 255 of them, never `/` or NUL, never `.` or `..`.
    pub name: &'a [u8],
    /// The inode that has it.
    pub inode: InodeNumber,
}

/// Where a name lies in [`Listing::names`].
#[derive(Clone, Copy, Debug)]
struct Slot {
    inode: InodeNumber,
    start: usize,
    len: u8,
}

/// The names in one directory.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    names: Vec<u8>,
    slots: Vec<Slot>,
}

impl Listing {
    /// Adds a name; one that is longer than 255 bytes is cut off, no filesystem here has such.
    pub fn push(&mut self, name: &[u8], inode: InodeNumber) {
        let len = u8::try_from(name.len()).unwrap_or(u8::MAX);
        let start = self.names.len();
        self.names.extend_from_slice(name.get(..usize::from(len)).unwrap_or_default());
        self.slots.push(Slot { inode, start, len });
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
        let Self { names, slots } = self;
        let name = |slot: &Slot| names.get(slot.start..).and_then(|rest| rest.get(..usize::from(slot.len)));
        let before = slots.len();
        // A stable sort: of two with the same name, the one that lies first stays, as the kernel finds it.
        slots.sort_by(|a, b| name(a).cmp(&name(b)));
        slots.dedup_by(|later, first| name(later) == name(first));
        before.saturating_sub(slots.len())
    }

    /// Sorts by inode number, and names of the same inode by name: the order in which inodes, and mostly the blocks
    /// of their files, lie on the device.
    pub fn sort_by_inode(&mut self) {
        let Self { names, slots } = self;
        let name = |slot: &Slot| names.get(slot.start..).and_then(|rest| rest.get(..usize::from(slot.len)));
        slots.sort_unstable_by(|a, b| a.inode.cmp(&b.inode).then_with(|| name(a).cmp(&name(b))));
    }

    fn entry(&self, slot: &Slot) -> DirectoryEntry<'_> {
        let name = self.names.get(slot.start..).and_then(|rest| rest.get(..usize::from(slot.len)));
        DirectoryEntry { name: name.unwrap_or_default(), inode: slot.inode }
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
        let entries: Vec<_> = listing.iter().map(|entry| (entry.name, entry.inode)).collect();
        assert_eq!(entries, [(&b"c"[..], 12), (b"a", 30), (b"b", 30)]);
    }
}
