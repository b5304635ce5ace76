//! The walk: a directory, then what is in it other than directories, then its directories, each by inode number.
//!
//! By inode number, because this is how inodes lie in their tables and mostly how files lie on the device; what differs
//! between two walks of the same filesystem is nothing.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use super::{Body, Entry, Exclude};
use crate::error::{Error, Issue, Kind, Result};
use crate::filesystem::{FileKind, Filesystem, Inode, InodeNumber, Listing};

/// Deepest path, in components. The kernel makes none that is longer than `PATH_MAX` in one call, but by changing
/// directories on the way down a program can; 4096 is `PATH_MAX` itself.
const MAX_DEPTH: usize = 4096;

/// What the walk comes to.
#[derive(Debug)]
pub enum Step {
    /// An entry.
    Entry(Box<Entry>),
    /// Something that could not be read; the walk goes on.
    Issue(Issue),
}

/// The walk over one filesystem. An error ends it: what is left could not be trusted.
pub struct Walk<'a> {
    filesystem: &'a dyn Filesystem,
    exclude: &'a Exclude,
    folder: &'a [u8],
    levels: Vec<Level>,
    directories_seen: HashSet<InodeNumber>,
    /// Inodes with names still to come: the first name, and how many.
    names_to_come: HashMap<InodeNumber, (Arc<[u8]>, u32)>,
    pending: VecDeque<Step>,
    has_begun: bool,
    keep_going: bool,
}

/// A directory that the walk is in.
struct Level {
    path: Arc<[u8]>,
    listing: Listing,
    next: usize,
    /// Directories found among the entries: they come when the others are done.
    directories: Listing,
    next_directory: usize,
}

impl<'a> Walk<'a> {
    /// A walk over all of `filesystem`, without what `exclude` names. `folder` is what the archive calls the root, for
    /// patterns that begin with it; empty where the archive has no such folder.
    #[must_use]
    pub fn new(filesystem: &'a dyn Filesystem, exclude: &'a Exclude, folder: &'a [u8]) -> Self {
        Self {
            filesystem,
            exclude,
            folder,
            levels: Vec::new(),
            directories_seen: HashSet::new(),
            names_to_come: HashMap::new(),
            pending: VecDeque::new(),
            has_begun: false,
            keep_going: false,
        }
    }

    /// Whether metadata that the device fails to read are an issue, and not the end of the walk.
    #[must_use]
    pub fn keep_going(self, keep_going: bool) -> Self {
        Self { keep_going, ..self }
    }

    fn begin(&mut self) -> Result<()> {
        let root = self.filesystem.inode(self.filesystem.root())?;
        if root.kind != FileKind::Directory {
            return Err(Error::corrupt("the root is no directory").in_inode(root.number));
        }
        self.enter(Arc::from([]), root)
    }

    /// Makes the steps of one more entry.
    fn advance(&mut self) -> Result<bool> {
        let Some(level) = self.levels.last_mut() else { return Ok(false) };
        if let Some(entry) = level.listing.get(level.next) {
            level.next = level.next.saturating_add(1);
            let path = join(&level.path, entry.name);
            if self.exclude.excludes(self.folder, &path) {
                return Ok(true);
            }
            match self.filesystem.inode(entry.inode) {
                Ok(inode) if inode.kind == FileKind::Directory => {
                    level.directories.push(entry.name, entry.inode);
                }
                Ok(inode) => self.leaf(path, inode)?,
                Err(error) => self.issue(&path, error)?,
            }
            return Ok(true);
        }
        // The names are not needed any more, and the directories below may have as many.
        level.listing = Listing::default();
        let Some(entry) = level.directories.get(level.next_directory) else {
            self.levels.pop();
            return Ok(true);
        };
        level.next_directory = level.next_directory.saturating_add(1);
        let path = join(&level.path, entry.name);
        match self.filesystem.inode(entry.inode) {
            Ok(inode) => self.enter(path, inode)?,
            Err(error) => self.issue(&path, error)?,
        }
        Ok(true)
    }

    /// Comes to a directory, and goes into it.
    fn enter(&mut self, path: Arc<[u8]>, inode: Inode) -> Result<()> {
        if !self.directories_seen.insert(inode.number) {
            let error = Error::corrupt("the directory was met before under another name");
            return self.issue(&path, error.in_inode(inode.number));
        }
        if self.levels.len() >= MAX_DEPTH {
            let error = Error::corrupt(format!("lies deeper than {MAX_DEPTH} directories"));
            return self.issue(&path, error.in_inode(inode.number));
        }
        let read = self.filesystem.directory(&inode);
        self.entry(Arc::clone(&path), inode, Body::Nothing)?;
        match read {
            Ok(read) => {
                for fault in read.faults {
                    self.issue(&path, fault)?;
                }
                self.descend(path, read.value)
            }
            Err(error) => self.issue(&path, error),
        }
    }

    fn descend(&mut self, path: Arc<[u8]>, mut listing: Listing) -> Result<()> {
        let repeated = listing.remove_repeated_names();
        if repeated > 0 {
            self.issue(
                &path,
                Error::corrupt(format!("{repeated} names are in this directory more than once")),
            )?;
        }
        listing.sort_by_inode();
        let directories = Listing::default();
        self.levels.push(Level { path, listing, next: 0, directories, next_directory: 0 });
        Ok(())
    }

    /// Comes to anything but a directory.
    fn leaf(&mut self, path: Arc<[u8]>, inode: Inode) -> Result<()> {
        if let Some((first, to_come)) = self.names_to_come.get_mut(&inode.number) {
            let body = Body::SameAs(Arc::clone(first));
            *to_come = to_come.saturating_sub(1);
            if *to_come == 0 {
                self.names_to_come.remove(&inode.number);
            }
            let entry = Entry { path, inode, body, attributes: Vec::new() };
            self.pending.push_back(Step::Entry(Box::new(entry)));
            return Ok(());
        }
        let body = match inode.kind {
            FileKind::Regular => self.filesystem.content(&inode).map(Body::Content),
            FileKind::Symlink => self.filesystem.link_target(&inode).map(Body::Target),
            _ => Ok(Body::Nothing),
        };
        match body {
            Ok(body) => {
                if inode.links > 1 {
                    let to_come = inode.links.saturating_sub(1);
                    self.names_to_come.insert(inode.number, (Arc::clone(&path), to_come));
                }
                self.entry(path, inode, body)
            }
            Err(error) => self.issue(&path, error),
        }
    }

    fn entry(&mut self, path: Arc<[u8]>, inode: Inode, body: Body) -> Result<()> {
        let attributes = match self.filesystem.attributes(&inode) {
            Ok(found) => {
                for fault in found.faults {
                    self.issue(&path, fault)?;
                }
                found.value
            }
            Err(error) => {
                self.issue(&path, error)?;
                Vec::new()
            }
        };
        if let Some(fault) = &inode.fault {
            self.issue(&path, Error::corrupt(fault.clone()).in_inode(inode.number))?;
        }
        self.pending.push_back(Step::Entry(Box::new(Entry { path, inode, body, attributes })));
        Ok(())
    }

    /// Records what is wrong with one entry, unless it ends the walk: a device that fails, a limit, a signal.
    fn issue(&mut self, path: &[u8], error: Error) -> Result<()> {
        if error.ends_the_run() && !(self.keep_going && error.kind() == Kind::Read) {
            return Err(error);
        }
        self.pending.push_back(Step::Issue(Issue { path: Some(path.to_vec()), error }));
        Ok(())
    }
}

impl Iterator for Walk<'_> {
    type Item = Result<Step>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(step) = self.pending.pop_front() {
                return Some(Ok(step));
            }
            let more = match std::mem::replace(&mut self.has_begun, true) {
                false => self.begin().map(|()| true),
                true => self.advance(),
            };
            match more {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => {
                    self.levels.clear();
                    return Some(Err(error));
                }
            }
        }
    }
}

fn join(folder: &[u8], name: &[u8]) -> Arc<[u8]> {
    match folder {
        [] => Arc::from(name),
        folder => [folder, b"/", name].concat().into(),
    }
}
