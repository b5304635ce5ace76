//! Makes one entry: under a temporary name, with all its metadata; then it gets its own.

use std::fs::File;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::atomic::Ordering::Relaxed;

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, RenameFlags, chmod, linkat, makedev, mknodat, openat, renameat,
    renameat_with, symlinkat, unlinkat,
};
use rustix::io::Errno;

use super::content::Read;
use super::deferred::identity;
use super::directory::Directory;
use super::enclosure::Descriptors;
use super::existing::{Then, kind_of};
use super::metadata::Open;
use super::name;
use super::run::{Run, refused, stat_at, stat_of};
use super::unsupported::What;
use crate::error::{Error, Kind, Result};
use crate::filesystem::{FileKind, Flags};
use crate::view::Item;

const NEW_FILE: OFlags =
    OFlags::WRONLY.union(OFlags::CREATE).union(OFlags::EXCL).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

impl Run<'_> {
    /// Makes an entry that is no directory and no further name. `read` gives its content, `data_bytes` is how much that is, where it is known.
    pub(super) fn make(
        &self,
        directory: &Directory,
        name: &[u8],
        item: &Item,
        content: impl FnOnce(&mut dyn FnMut(Option<u64>, &mut Read<'_>) -> Result<()>) -> Result<()>,
    ) -> Result<()> {
        let Some(then) = self.ahead(directory, name, item)? else { return Ok(()) };
        let _busy = self.places.enter(self.target.places(), &directory.path())?;
        let temporary = self.names.next().to_string().into_bytes();
        let outcome = self.prepare(directory, &temporary, item, content);
        let outcome = outcome.and_then(|()| self.publish(directory, &temporary, name, item, then));
        if outcome.is_err() {
            let _ = unlinkat(&directory.file, &temporary, AtFlags::empty());
        } else {
            self.made(item.kind.name());
            if item.metadata.flags != Flags(0)
                && let Ok(stat) = stat_at(&directory.file, name)
            {
                self.later(item, &stat);
            }
        }
        outcome
    }

    /// What is to be done, or `None` where nothing is.
    fn ahead(&self, directory: &Directory, name: &[u8], item: &Item) -> Result<Option<Then>> {
        // What somebody else put into a directory that is fresh is seen when the entry gets its name.
        let then = if directory.is_fresh { Then::Make } else { self.look(directory, name, item)? };
        if then != Then::Make
            && let Some(names) = directory.names(name)
        {
            names.check(name)?;
        }
        if then == Then::Leave {
            self.pass(item.size);
            return Ok(None);
        }
        Ok(Some(then))
    }

    fn prepare(
        &self,
        directory: &Directory,
        temporary: &[u8],
        item: &Item,
        content: impl FnOnce(&mut dyn FnMut(Option<u64>, &mut Read<'_>) -> Result<()>) -> Result<()>,
    ) -> Result<()> {
        let folder = directory.file.as_fd();
        let reaches = self.target.descriptors() != Descriptors::Nowhere;
        let node = |kind, device| {
            // Where no path leads to the node later, it is made with its mode.
            let mode = if reaches { 0o600 } else { u32::from(item.metadata.mode) };
            mknodat(folder, temporary, kind, Mode::from(mode), device)
        };
        let device = |kind, major, minor| {
            node(kind, makedev(major, minor)).map_err(|errno| refused("device node", errno))
        };
        match item.kind {
            FileKind::Regular | FileKind::Image => {
                let file = openat(folder, temporary, NEW_FILE, Mode::from(0o600));
                let file = File::from(file.map_err(|errno| refused("it can't be made", errno))?);
                content(&mut |data_bytes, read| self.fill(&file, item, data_bytes, read))?;
                let open = Open { file: file.as_fd(), is_place: false, inherits: directory.inherits };
                return self.dress(open, item);
            }
            FileKind::Symlink => {
                let target = item.target.as_deref().unwrap_or_default();
                symlinkat(target, folder, temporary).map_err(|errno| refused("symbolic link", errno))?;
            }
            FileKind::Fifo => node(FileType::Fifo, 0).map_err(|errno| refused("fifo", errno))?,
            FileKind::CharacterDevice { major, minor } => device(FileType::CharacterDevice, major, minor)?,
            FileKind::BlockDevice { major, minor } => device(FileType::BlockDevice, major, minor)?,
            FileKind::Socket | FileKind::Directory => {
                return Err(Error::new(Kind::Unsupported, "is nothing that is made in this way"));
            }
        }
        let open = self.open_node(directory, temporary, item)?;
        if item.kind != FileKind::Symlink
            && let Some(path) = self.target.descriptors().path(open.as_fd())
        {
            self.mode(item, chmod(path, Mode::from(u32::from(item.metadata.mode))))?;
        }
        self.dress(Open { file: open.as_fd(), is_place: true, inherits: false }, item)
    }

    /// Opens what was made without looking into it, and makes sure that it is that.
    fn open_node(&self, directory: &Directory, temporary: &[u8], item: &Item) -> Result<OwnedFd> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let open = openat(&directory.file, temporary, flags, Mode::empty());
        let open = open.map_err(|errno| refused("what was made", errno))?;
        let stat = stat_of(&open).map_err(|errno| refused("what was made", errno))?;
        let kind = match item.kind {
            FileKind::Symlink => 0o120_000,
            FileKind::Fifo => 0o010_000,
            FileKind::CharacterDevice { .. } => 0o020_000,
            _ => 0o060_000,
        };
        if kind_of(&stat) != kind || stat.stx_nlink != 1 || stat.stx_uid != self.rights.uid {
            let message = "not extracted: somebody else changes the directory at the same time";
            return Err(Error::new(Kind::Unsupported, message));
        }
        Ok(open)
    }

    /// Gives an entry its name.
    fn publish(
        &self,
        directory: &Directory,
        temporary: &[u8],
        name: &[u8],
        item: &Item,
        then: Then,
    ) -> Result<()> {
        let folder = &directory.file;
        // Held, so that no other thread gives a file the same name under another spelling
        // meanwhile.
        let mut names = directory.names(temporary);
        if let Some(names) = &names
            && stat_at(folder, name).is_ok()
        {
            names.check(name)?;
        }
        let failed = |errno: Errno| match errno {
            Errno::ISDIR | Errno::NOTEMPTY | Errno::EXIST => {
                Error::new(Kind::Unsupported, "not extracted: a directory has its name")
            }
            Errno::PERM if then == Then::Replace => refused(
                "what has its name can't be replaced, perhaps it is immutable (lsattr, chattr -ia)",
                errno,
            ),
            errno => refused("its name", errno),
        };
        if then == Then::Make {
            match renameat_with(folder, temporary, folder, name, RenameFlags::NOREPLACE) {
                Ok(()) => {
                    names.iter_mut().for_each(|names| names.made(name));
                    return Ok(());
                }
                // Some filesystems don't know how not to replace.
                Err(Errno::EXIST | Errno::INVAL | Errno::NOSYS) => {
                    if self.look(directory, name, item)? == Then::Leave {
                        return unlinkat(folder, temporary, AtFlags::empty()).map_err(failed);
                    }
                }
                Err(errno) => return Err(failed(errno)),
            }
        }
        renameat(folder, temporary, folder, name).map_err(failed)?;
        names.iter_mut().for_each(|names| names.made(name));
        Ok(())
    }

    /// Gives what is below the target under the path `first` a further name.
    pub(super) fn link(&self, directory: &Directory, name: &[u8], item: &Item, first: &[u8]) -> Result<()> {
        let names = name::names(first)?;
        let Some((base, above)) = names.split_last() else {
            return Err(Error::corrupt("it is a further name of the root"));
        };
        let missing = || {
            let first = crate::printable::Printable(first);
            Error::new(
                Kind::Unsupported,
                format!("not extracted: {first}, which it is a further name of, is not there"),
            )
        };
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        let from = self.target.open_below(above, flags, Mode::empty()).map_err(|_| missing())?;
        let there = stat_at(&from, base).map_err(|_| missing())?;
        let own = stat_at(&directory.file, name);
        if own.is_ok_and(|own| identity(&own) == identity(&there)) {
            if let Some(names) = directory.names(name) {
                names.check(name)?;
            }
            let count = if self.target.is_resumed() { &self.made_before } else { &self.kept };
            count.fetch_add(1, Relaxed);
            return Ok(());
        }
        let Some(then) = self.ahead(directory, name, item)? else { return Ok(()) };
        let _busy = self.places.enter(self.target.places(), &directory.path())?;
        let temporary = self.names.next().to_string().into_bytes();
        let outcome = linkat(&from, *base, &directory.file, &temporary, AtFlags::empty());
        let outcome = outcome.map_err(|errno| refused("further name", errno));
        let outcome = outcome.and_then(|()| self.publish(directory, &temporary, name, item, then));
        if outcome.is_err() {
            let _ = unlinkat(&directory.file, &temporary, AtFlags::empty());
        } else {
            self.made("link");
        }
        outcome
    }

    /// Whether an entry is one that is not made, because of what it is; then it is counted.
    pub(super) fn is_left(&self, item: &Item) -> bool {
        let what = match item.kind {
            FileKind::Socket => What::Socket,
            FileKind::CharacterDevice { .. } | FileKind::BlockDevice { .. } if !self.request.devices => {
                What::Device
            }
            FileKind::CharacterDevice { .. } | FileKind::BlockDevice { .. } if !self.rights.is_root => {
                What::DeniedDevice
            }
            _ => return false,
        };
        self.left.add(what);
        true
    }
}
