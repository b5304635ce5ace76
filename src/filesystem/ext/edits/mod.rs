//! What fast commits change, kept in memory beside the device: inodes, maps of blocks and names.
//!
//! The journal's transactions replace whole blocks; fast commits say what changed in an inode or a directory, and leave it
//! to who replays them where that goes. Here it goes nowhere: the reader asks [`Edits`] before the device.

mod names;
mod ranges;
mod replay;

use std::collections::BTreeMap;

use self::names::Names;
use self::ranges::Ranges;
use super::map::Run;
use crate::filesystem::Listing;

pub(super) use self::replay::{Base, replay};

/// Changes of inodes, their maps and their names.
#[derive(Debug, Default)]
pub(super) struct Edits {
    records: BTreeMap<u64, Vec<u8>>,
    maps: BTreeMap<u64, Ranges>,
    directories: BTreeMap<u64, Names>,
}

impl Edits {
    /// The whole record of an inode, if it is another than that on the device.
    pub(super) fn record(&self, inode: u64) -> Option<&[u8]> {
        self.records.get(&inode).map(Vec::as_slice)
    }

    /// All written blocks of an inode in their order, if they are others than its extents say.
    pub(super) fn runs(&self, inode: u64) -> Option<impl Iterator<Item = Run>> {
        self.maps.get(&inode).map(Ranges::iter)
    }

    /// Whether the directory is new: nothing of it is on the device.
    pub(super) fn is_new(&self, directory: u64) -> bool {
        self.directories.get(&directory).is_some_and(|names| names.is_new)
    }

    /// The names of a directory after the changes; `listing` is what is on the device.
    pub(super) fn amend(&self, directory: u64, listing: Listing) -> Listing {
        match self.directories.get(&directory) {
            Some(names) => names.amend(&listing),
            None => listing,
        }
    }
}
