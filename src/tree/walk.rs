//! The walk: a directory, then what is in it other than directories, then its directories, each by inode number.
//!
//! By inode number, because this is how inodes lie in their tables and mostly how files lie on the device; what differs
//! between two walks of the same filesystem is nothing.

use std::collections::{HashMap, HashSet, VecDeque};

use super::{Body, Entry, Exclude, TreePath};
use crate::error::{Error, Issue, Kind, Result};
use crate::filesystem::{FileKind, Filesystem, Inode, InodeId, Listing};

/// Deepest path, in components. The kernel makes none that is longer than `PATH_MAX` in one call, but by changing
/// directories on the way down a program can; 4096 is `PATH_MAX` itself.
const MAX_DEPTH: usize = 4096;

/// Names of one directory that can't be read and are told one by one; of the others the number is told. A name takes few
/// bytes on the disk, and an issue hundreds here.
const ISSUES_TOLD: u64 = 100;

/// Bytes of paths that are compared with patterns, for each byte of the filesystem, and besides: names may lie very deep.
const COMPARED_PER_BYTE: u64 = 16;
const COMPARED_FREE: u64 = 64 << 20;

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
    directories_seen: HashSet<InodeId>,
    /// Inodes with names still to come: the first name, and how many.
    names_to_come: HashMap<InodeId, (TreePath, u32)>,
    /// Names that may still come: no sound filesystem has more than fit on it.
    names_left: u64,
    /// Bytes of paths that may still be compared with patterns.
    compared_left: u64,
    pending: VecDeque<Step>,
    has_begun: bool,
    keep_going: bool,
    may_go_on: Box<dyn Fn() -> Result<()> + 'a>,
}

/// A directory that the walk is in.
struct Level {
    path: TreePath,
    listing: Listing,
    next: usize,
    /// Directories found among the entries: they come when the others are done.
    directories: Listing,
    next_directory: usize,
    /// Names in it that could not be read so far.
    bad_names: u64,
}

impl<'a> Walk<'a> {
    /// A walk over all of `filesystem`, without what `exclude` names. `folder` is what the archive calls the root, for
    /// patterns that begin with it; empty where the archive has no such folder.
    #[must_use]
    pub fn new(filesystem: &'a dyn Filesystem, exclude: &'a Exclude, folder: &'a [u8]) -> Self {
        let (size_bytes, bounds) = (filesystem.summary().size_bytes, filesystem.reader().bounds);
        Self {
            filesystem,
            exclude,
            folder,
            levels: Vec::new(),
            directories_seen: HashSet::new(),
            names_to_come: HashMap::new(),
            names_left: size_bytes.checked_div(bounds.name_bytes).unwrap_or(size_bytes),
            compared_left: size_bytes.saturating_mul(COMPARED_PER_BYTE).saturating_add(COMPARED_FREE),
            pending: VecDeque::new(),
            has_begun: false,
            keep_going: false,
            may_go_on: Box::new(|| Ok(())),
        }
    }

    /// Whether metadata that the device fails to read are an issue, and not the end of the walk.
    #[must_use]
    pub fn keep_going(self, keep_going: bool) -> Self {
        Self { keep_going, ..self }
    }

    /// What is asked before each entry, also those of which nothing comes: an error ends the walk.
    #[must_use]
    pub fn asking(self, may_go_on: impl Fn() -> Result<()> + 'a) -> Self {
        Self { may_go_on: Box::new(may_go_on), ..self }
    }

    fn begin(&mut self) -> Result<()> {
        let root = self.filesystem.inode(self.filesystem.root())?;
        if root.kind != FileKind::Directory {
            return Err(root.id.locate(Error::corrupt("the root is no directory")));
        }
        self.enter(TreePath::default(), root)
    }

    /// Makes the steps of one more entry.
    fn advance(&mut self) -> Result<bool> {
        let Some(level) = self.levels.last_mut() else { return Ok(false) };
        if let Some(entry) = level.listing.get(level.next) {
            level.next = level.next.saturating_add(1);
            let (name, number) = (entry.name.to_vec(), entry.inode);
            return self.name(&name, number).map(|()| true);
        }
        // The names are not needed any more, and the directories below may have as many.
        level.listing = Listing::default();
        let Some(entry) = level.directories.get(level.next_directory) else {
            return self.leave().map(|()| true);
        };
        level.next_directory = level.next_directory.saturating_add(1);
        let path = level.path.join(entry.name);
        match self.filesystem.inode(entry.inode) {
            Ok(inode) => self.enter(path, inode)?,
            Err(error) => self.bad_name(&path, error)?,
        }
        Ok(true)
    }

    /// The path of a name in the present directory.
    fn path_of(&self, name: &[u8]) -> TreePath {
        self.levels.last().map_or_else(TreePath::default, |level| level.path.join(name))
    }

    fn is_excluded(&mut self, name: &[u8]) -> Result<bool> {
        if self.exclude.is_empty() {
            return Ok(false);
        }
        let path = self.path_of(name);
        let len = u64::try_from(path.len()).unwrap_or(u64::MAX);
        let too_deep = "so many names lie so deep that comparing their paths with patterns has no end";
        let left = self.compared_left.checked_sub(len);
        self.compared_left = left.ok_or_else(|| Error::new(Kind::Limit, too_deep))?;
        Ok(self.exclude.excludes(self.folder, &path.to_bytes()))
    }

    /// Comes to a name in the present directory. A directory waits until the others are done.
    fn name(&mut self, name: &[u8], id: InodeId) -> Result<()> {
        if self.is_excluded(name)? {
            return Ok(());
        }
        match self.filesystem.inode(id) {
            Ok(inode) if inode.kind == FileKind::Directory => {
                if let Some(level) = self.levels.last_mut() {
                    level.directories.push(name, id);
                }
                Ok(())
            }
            Ok(inode) => self.leaf(self.path_of(name), inode),
            Err(error) if self.is_one_of_many(&error) => Ok(()),
            Err(error) => self.issue(&self.path_of(name), error),
        }
    }

    /// Leaves a directory whose entries are all done.
    fn leave(&mut self) -> Result<()> {
        let Some(level) = self.levels.pop() else { return Ok(()) };
        match level.bad_names.saturating_sub(ISSUES_TOLD) {
            0 => Ok(()),
            more => {
                self.issue(&level.path, Error::corrupt(format!("{more} more of its names can't be read")))
            }
        }
    }

    /// Comes to a directory, and goes into it.
    fn enter(&mut self, path: TreePath, inode: Inode) -> Result<()> {
        if !self.directories_seen.insert(inode.id) {
            let error = Error::corrupt("the directory was met before under another name");
            return self.bad_name(&path, inode.id.locate(error));
        }
        if self.levels.len() >= MAX_DEPTH {
            let error = Error::corrupt(format!("lies deeper than {MAX_DEPTH} directories"));
            return self.bad_name(&path, inode.id.locate(error));
        }
        let read = self.filesystem.directory(&inode);
        self.entry(path.clone(), inode, Body::Nothing)?;
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

    fn descend(&mut self, path: TreePath, mut listing: Listing) -> Result<()> {
        let names = u64::try_from(listing.len()).unwrap_or(u64::MAX);
        let too_many =
            "there are more names than the filesystem has space for: directories share their blocks";
        let left = self.names_left.checked_sub(names);
        self.names_left = left.ok_or_else(|| Error::new(Kind::Limit, too_many))?;
        let repeated = listing.remove_repeated_names();
        if repeated > 0 {
            self.issue(
                &path,
                Error::corrupt(format!("{repeated} names are in this directory more than once")),
            )?;
        }
        listing.sort_by_inode();
        let directories = Listing::default();
        self.levels.push(Level { path, listing, next: 0, directories, next_directory: 0, bad_names: 0 });
        Ok(())
    }

    /// Comes to anything but a directory.
    fn leaf(&mut self, path: TreePath, inode: Inode) -> Result<()> {
        if let Some((first, to_come)) = self.names_to_come.get_mut(&inode.id) {
            let body = Body::SameAs(first.clone());
            *to_come = to_come.saturating_sub(1);
            if *to_come == 0 {
                self.names_to_come.remove(&inode.id);
            }
            let entry = Entry { path, inode, body };
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
                    self.names_to_come.insert(inode.id, (path.clone(), to_come));
                }
                self.entry(path, inode, body)
            }
            Err(error) => self.bad_name(&path, error),
        }
    }

    fn entry(&mut self, path: TreePath, mut inode: Inode, body: Body) -> Result<()> {
        inode.metadata.attributes = match self.filesystem.attributes(&inode) {
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
            self.issue(&path, inode.id.locate(Error::corrupt(fault.clone())))?;
        }
        self.pending.push_back(Step::Entry(Box::new(Entry { path, inode, body })));
        Ok(())
    }

    /// Records that a name in the present directory can't be read; of very many, only how many.
    fn bad_name(&mut self, path: &TreePath, error: Error) -> Result<()> {
        if self.is_one_of_many(&error) { Ok(()) } else { self.issue(path, error) }
    }

    /// Counts a name in the present directory that can't be read, and says whether only the number is told.
    fn is_one_of_many(&mut self, error: &Error) -> bool {
        let is_told = error.ends_the_run() && !self.is_tolerated(error);
        let Some(level) = self.levels.last_mut().filter(|_| !is_told) else { return false };
        level.bad_names = level.bad_names.saturating_add(1);
        level.bad_names > ISSUES_TOLD
    }

    fn is_tolerated(&self, error: &Error) -> bool {
        self.keep_going && error.kind() == Kind::Read
    }

    /// Records what is wrong with one entry, unless it ends the walk: a device that fails, a limit, a signal.
    fn issue(&mut self, path: &TreePath, error: Error) -> Result<()> {
        if error.ends_the_run() && !self.is_tolerated(&error) {
            return Err(error);
        }
        self.pending.push_back(Step::Issue(Issue { path: Some(path.to_bytes()), error }));
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
            let has_begun = std::mem::replace(&mut self.has_begun, true);
            let more = (self.may_go_on)().and_then(|()| match has_begun {
                false => self.begin().map(|()| true),
                true => self.advance(),
            });
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
