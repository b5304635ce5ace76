//! The names of a directory that changed.

use std::collections::BTreeMap;

use crate::filesystem::Listing;

/// Names that fast commits mention, and which inode has each, if one has.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// The directory is new: nothing of it is on the device.
    pub(super) is_new: bool,
    holders: BTreeMap<Vec<u8>, Option<u64>>,
}

impl Names {
    /// The names of a new directory: none.
    pub(super) fn new() -> Self {
        Self { is_new: true, holders: BTreeMap::new() }
    }

    /// Notes the inode that has `name` on the device; of two, the kernel finds the first.
    pub(super) fn found(&mut self, name: &[u8], inode: u64) {
        self.holders.entry(name.to_vec()).or_insert(Some(inode));
    }

    /// The inode that has `name`.
    pub(super) fn get(&self, name: &[u8]) -> Option<u64> {
        *self.holders.get(name)?
    }

    /// Gives `name` to an inode, or to none.
    pub(super) fn set(&mut self, name: &[u8], inode: Option<u64>) {
        self.holders.insert(name.to_vec(), inode);
    }

    /// The names after the changes: those that no change mentions, then the others.
    pub(super) fn amend(&self, listing: &Listing) -> Listing {
        let mut amended = Listing::default();
        for entry in listing.iter().filter(|entry| !self.holders.contains_key(entry.name)) {
            amended.push(entry.name, entry.inode.number);
        }
        for (name, holder) in &self.holders {
            if let Some(inode) = holder {
                amended.push(name, *inode);
            }
        }
        amended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_go_and_change_hands() {
        let mut names = Names::default();
        for (name, inode) in [("kept", 11), ("gone", 12), ("changed", 13), ("back", 14)] {
            names.found(name.as_bytes(), inode);
        }
        names.set(b"gone", None);
        names.set(b"changed", None);
        names.set(b"changed", Some(20));
        names.set(b"back", None);
        names.set(b"back", Some(14));
        names.set(b"new", Some(21));
        names.set(b"brief", Some(22));
        names.set(b"brief", None);
        let mut listing = Listing::default();
        for (name, inode) in [("other", 10), ("kept", 11), ("gone", 12), ("changed", 13), ("back", 14)] {
            listing.push(name.as_bytes(), inode);
        }
        let amended = names.amend(&listing);
        let amended: Vec<_> = amended.iter().map(|entry| (entry.name, entry.inode.number)).collect();
        let expected: [(&[u8], u64); 5] =
            [(b"other", 10), (b"back", 14), (b"changed", 20), (b"kept", 11), (b"new", 21)];
        assert_eq!(amended, expected);
    }
}
