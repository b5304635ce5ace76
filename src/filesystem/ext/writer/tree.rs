//! Directories and the names in them, until they are written.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};

use super::names::Names;
use crate::error::{Error, Result};
use crate::filesystem::{FileKind, Metadata, Timestamp};
use crate::printable::Printable;

/// `EXT4_NAME_LEN`.
const NAME_MOST: usize = 255;

/// A directory that was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Folder(usize);

/// A directory.
#[derive(Debug)]
pub(super) struct Directory {
    pub inode: u32,
    /// The inode that `..` leads to.
    pub parent: u32,
    pub new: Metadata,
    pub names: Names,
    /// Directories in it.
    pub directories: u32,
    /// Bytes that it has at least.
    pub least_bytes: u64,
}

/// All directories.
pub(super) struct Tree {
    directories: Vec<(Option<Directory>, Folder, Vec<u8>)>,
    /// Hashes of names with their directories: what is in there twice is looked at.
    seen: HashSet<u64>,
    random: RandomState,
}

impl Tree {
    pub(super) fn new(root: u32) -> Self {
        let nothing = Some(Timestamp::default());
        let new = Metadata {
            mode: 0o755,
            accessed: nothing,
            modified: nothing,
            changed: nothing,
            ..Metadata::default()
        };
        let root = Directory {
            inode: root,
            parent: root,
            new,
            names: Names::default(),
            directories: 0,
            least_bytes: 0,
        };
        let directories = vec![(Some(root), Folder(0), Vec::new())];
        Self { directories, seen: HashSet::new(), random: RandomState::new() }
    }

    pub(super) fn root(&self) -> Folder {
        Folder(0)
    }

    fn get(&self, folder: Folder) -> Option<&Directory> {
        self.directories.get(folder.0).and_then(|(directory, ..)| directory.as_ref())
    }

    fn get_mut(&mut self, folder: Folder) -> Option<&mut Directory> {
        self.directories.get_mut(folder.0).and_then(|(directory, ..)| directory.as_mut())
    }

    pub(super) fn set(&mut self, folder: Folder, new: Metadata) {
        if let Some(directory) = self.get_mut(folder) {
            directory.new = new;
        }
    }

    /// Directories in a directory.
    pub(super) fn directories(&self, folder: Folder) -> u32 {
        self.get(folder).map_or(0, |directory| directory.directories)
    }

    /// Checks that a name can be added to a directory.
    pub(super) fn check(&self, parent: Folder, name: &[u8]) -> Result<()> {
        let can_be = !name.is_empty()
            && name.len() <= NAME_MOST
            && !matches!(name, b"." | b"..")
            && !name.contains(&b'/')
            && !name.contains(&0);
        if !can_be {
            return Err(Error::corrupt(format!("{} is a name that no file can have", Printable(name))));
        }
        let directory = self.get(parent).ok_or_else(|| Error::corrupt("its directory is not there"))?;
        if self.seen.contains(&self.random.hash_one((parent, name)))
            && directory.names.iter().any(|(_, other)| other.name == name)
        {
            return Err(Error::corrupt("its directory has this name already"));
        }
        Ok(())
    }

    /// Adds a name that was checked.
    pub(super) fn push(&mut self, parent: Folder, name: &[u8], inode: u32, kind: FileKind) {
        self.seen.insert(self.random.hash_one((parent, name)));
        if let Some(directory) = self.get_mut(parent) {
            directory.names.push(inode, kind, name);
        }
    }

    /// Adds a directory whose name was checked.
    pub(super) fn add(
        &mut self,
        parent: Folder,
        name: &[u8],
        inode: u32,
        new: Metadata,
        least_bytes: u64,
    ) -> Folder {
        self.push(parent, name, inode, FileKind::Directory);
        let mut above = 0;
        if let Some(directory) = self.get_mut(parent) {
            directory.directories = directory.directories.saturating_add(1);
            above = directory.inode;
        }
        let names = Names::default();
        let directory = Directory { inode, parent: above, new, names, directories: 0, least_bytes };
        let folder = Folder(self.directories.len());
        self.directories.push((Some(directory), parent, name.to_vec()));
        folder
    }

    /// All directories, each behind the one that it is in.
    pub(super) fn folders(&self) -> impl Iterator<Item = Folder> + use<> {
        (0..self.directories.len()).map(Folder)
    }

    /// Takes a directory out, to be written.
    pub(super) fn take(&mut self, folder: Folder) -> Option<Directory> {
        self.directories.get_mut(folder.0).and_then(|(directory, ..)| directory.take())
    }

    /// The path of a directory, for a message.
    pub(super) fn path(&self, folder: Folder) -> Vec<u8> {
        let mut names: Vec<&[u8]> = Vec::new();
        let mut at = folder;
        while at != self.root()
            && let Some((_, parent, name)) = self.directories.get(at.0)
        {
            names.push(name);
            at = *parent;
        }
        names.reverse();
        if names.is_empty() { b"/".to_vec() } else { names.join(&b'/') }
    }
}
