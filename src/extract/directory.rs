//! Directories: each is open as long as something is made in it, and gets its metadata when all is.
//!
//! Archives name a directory, then what is in it. So those that are open are a branch of the tree, and a directory is done when the branch has left it and
//! the last thread with something to make in it lets go. Where an archive comes back to a directory later, its times are put back.

use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{AtFlags, Mode, OFlags, Timespec, Timestamps, futimens, mkdirat, unlinkat};
use rustix::io::Errno;

use super::Existing;
use super::attributes::has_default_acl;
use super::existing::Then;
use super::folding::Folding;
use super::metadata::Open;
use super::run::{Run, refused, stat_of};
use super::target::{changed, created, modified, open_in};
use crate::error::{Error, Kind, Result};
use crate::filesystem::FileKind;
use crate::temporary;
use crate::view::Item;

/// Bytes of what directories that are open get when they are done.
const FINISHES_BYTES_MOST: usize = 64 << 20;

const OPEN: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY);

/// A directory that is open.
pub(super) struct Directory {
    parent: Option<Arc<Directory>>,
    /// Its own name. Whole paths of a deep branch would take gigabytes.
    name: Vec<u8>,
    pub file: OwnedFd,
    /// Whether this run made it: then nothing is in it but what this run puts there.
    pub is_fresh: bool,
    /// Whether what is made in it gets its ACLs.
    pub inherits: bool,
    finish: Mutex<Finish>,
    /// The names in it, where it folds them.
    pub folding: Folding,
}

/// What is to be done when all is in it.
#[derive(Default)]
struct Finish {
    item: Option<Box<Item>>,
    times: Option<Timestamps>,
}

/// The directories on the way to where the archive is, the target first.
pub(super) struct Branch(Vec<Arc<Directory>>);

impl Branch {
    /// The target alone.
    pub(super) fn new(run: &Run<'_>) -> Result<Self> {
        let failed = |errno| refused("the target", errno);
        let file = run.target.open_below(&[], OPEN, Mode::empty()).map_err(failed)?;
        let is_fresh = run.target.is_empty() && !run.target.is_resumed();
        let root = run.opened(None, &[], file, is_fresh)?;
        Ok(Self(vec![root]))
    }

    /// Goes to a directory; those that are not there are made. `ready` is asked for each that is not open yet.
    pub(super) fn enter(
        &mut self,
        run: &Run<'_>,
        names: &[&[u8]],
        item: Option<&Item>,
        ready: &mut dyn FnMut(&[u8]),
    ) -> Result<Arc<Directory>> {
        let is_on_the_way = |(directory, name): &(&Arc<Directory>, &&[u8])| directory.name == **name;
        let same = self.0.iter().skip(1).zip(names).take_while(is_on_the_way).count();
        while self.0.len() > same.saturating_add(1) {
            if let Some(directory) = self.0.pop() {
                run.release(directory)?;
            }
        }
        for (index, name) in names.iter().enumerate().skip(same) {
            let parent = self.last()?;
            let path = names.get(..=index).unwrap_or_default().join(&b'/');
            ready(&path);
            let item = item.filter(|_| index.saturating_add(1) == names.len());
            let directory = run.open_or_make(&parent, name, item)?;
            self.0.push(directory);
        }
        self.last()
    }

    fn last(&self) -> Result<Arc<Directory>> {
        self.0.last().cloned().ok_or_else(|| Error::corrupt("the target is not open"))
    }

    /// Leaves all directories but the target, which is given back.
    pub(super) fn leave(mut self, run: &Run<'_>) -> Result<Option<Arc<Directory>>> {
        while self.0.len() > 1 {
            if let Some(directory) = self.0.pop() {
                run.release(directory)?;
            }
        }
        Ok(self.0.pop())
    }
}

impl Directory {
    /// Its path below the target.
    pub(super) fn path(&self) -> Vec<u8> {
        let mut names = vec![self.name.as_slice()];
        let mut above = self.parent.as_deref();
        while let Some(directory) = above {
            names.push(&directory.name);
            above = directory.parent.as_deref();
        }
        names.reverse();
        // The target's own name is empty.
        names.split_first().map_or_else(Vec::new, |(_, below)| below.join(&b'/'))
    }

    /// Says what it gets when all is in it.
    pub(super) fn will_be(&self, run: &Run<'_>, mut item: Item) {
        // What was there, and shall be kept, keeps its metadata too. A run that goes on knows the directories of the first by when they were made.
        let is_kept = run.request.existing == Existing::Keep && !self.is_fresh;
        let is_since = stat_of(&self.file)
            .is_ok_and(|stat| created(&stat).is_some_and(|created| created >= run.target.began()));
        let mut finish = self.finish.lock().unwrap_or_else(PoisonError::into_inner);
        if is_kept && !is_since && finish.times.is_none() {
            return;
        }
        let path = std::mem::take(&mut item.path);
        finish.forget(run);
        if run.finishes.load(Relaxed).saturating_add(item.memory()) > FINISHES_BYTES_MOST {
            item.metadata.attributes.clear();
            let most = FINISHES_BYTES_MOST >> 20;
            let message = format!(
                "extracted, but without its attributes: those of the directories on the way to it take more \
                 memory than {most} MiB; extract it alone, by its path"
            );
            run.issue(Some(&path), Error::new(Kind::Limit, message));
        }
        run.finishes.fetch_add(item.memory(), Relaxed);
        finish.item = Some(Box::new(item));
    }
}

impl Finish {
    /// Takes the entry out, if there is one.
    fn forget(&mut self, run: &Run<'_>) -> Option<Box<Item>> {
        let item = self.item.take()?;
        run.finishes.fetch_sub(item.memory(), Relaxed);
        Some(item)
    }
}

impl Run<'_> {
    fn opened(
        &self,
        parent: Option<Arc<Directory>>,
        name: &[u8],
        file: OwnedFd,
        is_fresh: bool,
    ) -> Result<Arc<Directory>> {
        let mut finish = Finish::default();
        if !is_fresh {
            let stat = stat_of(&file).map_err(|errno| refused("directory", errno))?;
            // Changed since this began, and yet with a time from before: it has its metadata already.
            if changed(&stat) >= self.target.began() && modified(&stat) < self.target.began() {
                let time = |time: &rustix::fs::StatxTimestamp| Timespec {
                    tv_sec: time.tv_sec,
                    tv_nsec: time.tv_nsec.into(),
                };
                let (access, modification) = (time(&stat.stx_atime), time(&stat.stx_mtime));
                finish.times = Some(Timestamps { last_access: access, last_modification: modification });
            }
        }
        temporary::enter(file.as_fd(), is_fresh);
        let inherits = match &parent {
            Some(parent) if is_fresh => parent.inherits,
            _ => has_default_acl(file.as_fd()),
        };
        let (finish, folding, name) = (Mutex::new(finish), Folding::default(), name.to_vec());
        Ok(Arc::new(Directory { parent, name, file, is_fresh, inherits, finish, folding }))
    }

    fn open_or_make(
        &self,
        parent: &Arc<Directory>,
        name: &[u8],
        item: Option<&Item>,
    ) -> Result<Arc<Directory>> {
        let folder = parent.file.as_fd();
        let open = || open_in(folder, name, OPEN);
        if !parent.is_fresh {
            match open() {
                Ok(file) => {
                    if let Some(names) = parent.names(name) {
                        names.check(name)?;
                    }
                    return self.opened(Some(Arc::clone(parent)), name, file, false);
                }
                Err(Errno::NOENT) => {}
                Err(Errno::NOTDIR | Errno::LOOP) => self.make_way(parent, name, item)?,
                Err(errno) => return Err(refused("its directory", errno)),
            }
        }
        let is_fresh = match mkdirat(folder, name, Mode::RWXU) {
            Ok(()) => true,
            Err(Errno::EXIST) => false,
            Err(errno) => return Err(refused("its directory", errno)),
        };
        let file = match open() {
            Err(Errno::NOTDIR | Errno::LOOP) if !is_fresh => {
                self.make_way(parent, name, item)?;
                mkdirat(folder, name, Mode::RWXU).and_then(|()| open())
            }
            other => other,
        };
        let file = file.map_err(|errno| refused("its directory", errno))?;
        if let Some(mut names) = parent.names(name) {
            if is_fresh {
                names.made(name);
            }
            names.check(name)?;
        }
        let directory = self.opened(Some(Arc::clone(parent)), name, file, is_fresh)?;
        if is_fresh && item.is_none() {
            // Nothing in the archive says what it is like.
            rustix::fs::fchmod(&directory.file, Mode::from(0o755))
                .map_err(|errno| refused("its directory", errno))?;
        }
        Ok(directory)
    }

    /// Removes what has the name of a directory and is none, where that may be.
    fn make_way(&self, parent: &Directory, name: &[u8], item: Option<&Item>) -> Result<()> {
        let stays = |why: &str| Err(Error::new(Kind::Unsupported, format!("not extracted: {why}")));
        let Some(item) = item else {
            return stays(
                "something that is no directory, perhaps a symbolic link, has the name of one on its way",
            );
        };
        match self.look(parent, name, item)? {
            Then::Leave => stays("something that is no directory has its name, and is kept"),
            Then::Make => Ok(()),
            Then::Replace => unlinkat(&parent.file, name, AtFlags::empty())
                .map_err(|errno| refused("what has its name", errno)),
        }
    }

    /// Lets go of a directory; the last one to do so gives it its metadata.
    pub(super) fn release(&self, directory: Arc<Directory>) -> Result<()> {
        let mut next = Some(directory);
        while let Some(directory) = next {
            let Some(mut directory) = Arc::into_inner(directory) else { break };
            // What is left undone is done by the run that goes on.
            let outcome = if self.has_ended() { Ok(()) } else { self.finish(&directory) };
            let outcome = outcome.or_else(|error| self.settle(&directory.path(), Err(error)));
            next = directory.parent.take();
            outcome?;
        }
        Ok(())
    }

    fn finish(&self, directory: &Directory) -> Result<()> {
        self.check_names(directory);
        let mut finish = directory.finish.lock().unwrap_or_else(PoisonError::into_inner);
        let (item, times) = (finish.forget(self), finish.times.take());
        drop(finish);
        match (item, times) {
            (Some(mut item), _) => {
                item.path = directory.path();
                let inherits = directory.inherits && directory.is_fresh;
                let file = directory.file.as_fd();
                self.dress(Open { file, is_place: false, inherits }, &item)?;
                let stat = stat_of(file).map_err(|errno| refused("directory", errno))?;
                self.later(&item, &stat);
                Ok(())
            }
            (None, Some(times)) => {
                futimens(&directory.file, &times).map_err(|errno| refused("its times", errno))
            }
            (None, None) => Ok(()),
        }
    }
}

/// A directory of which nothing but the kind is asked.
pub(super) fn is_directory(item: &Item) -> bool {
    item.kind == FileKind::Directory && item.link.is_none()
}
