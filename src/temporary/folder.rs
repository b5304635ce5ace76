//! A folder that is open, and the temporary files in it.
//!
//! All names are looked up in the open folder, never by path: a folder that is renamed or replaced
//! meanwhile changes nothing.

use std::ffi::OsStr;
use std::fs::{File, Permissions};
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{
    AtFlags, CWD, FlockOperation, Mode, OFlags, RenameFlags, Stat, flock, fstat, linkat, openat, renameat,
    renameat_with, statat, unlinkat,
};
use rustix::io::Errno;

use super::full::told_full;
use super::name::Name;

/// How often a name is tried anew. A cleaner that takes the file before it is locked costs one.
const ATTEMPTS: usize = 100;

/// Permissions of a file whose maker says nothing else: an archive holds every secret of a guest.
const PRIVATE: u32 = 0o600;

/// An open folder.
#[derive(Clone, Debug)]
pub struct Folder {
    file: Arc<File>,
    path: PathBuf,
    /// Whether files are made without a name.
    may_be_unnamed: bool,
}

/// Files that a temporary file may replace when it gets its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// Nothing.
    Nothing,
    /// A file, which is replaced.
    Anything,
}

impl Folder {
    /// Opens a folder.
    ///
    /// # Errors
    ///
    /// When it does not exist, or can't be opened.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let file = rustix::fs::open(path, flags, Mode::empty())?;
        Ok(Self::of(file.into(), path))
    }

    /// Opens the folder that a file is in, or is to be in.
    ///
    /// # Errors
    ///
    /// As [`Folder::open`].
    pub fn around(path: &Path) -> io::Result<Self> {
        Self::open(above(path))
    }

    /// The folder that is open as `file`.
    #[must_use]
    pub fn of(file: File, path: &Path) -> Self {
        // A file without a name gets one by its descriptor's path.
        let may_be_unnamed = Path::new("/proc/self/fd").is_dir();
        Self { file: Arc::new(file), path: path.to_path_buf(), may_be_unnamed }
    }

    /// The same folder on a filesystem that has no files without a name.
    #[cfg(test)]
    pub(crate) fn with_names_only(self) -> Self {
        Self { may_be_unnamed: false, ..self }
    }

    /// Its path when it was opened, for messages.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes a file in it that is locked, for its owner alone.
    ///
    /// # Errors
    ///
    /// When it can't be made.
    pub fn make(&self) -> io::Result<Temporary> {
        self.make_with(PRIVATE)
    }

    /// Makes a file with these permissions in it, which is locked.
    ///
    /// # Errors
    ///
    /// When it can't be made.
    pub fn make_with(&self, mode: u32) -> io::Result<Temporary> {
        self.try_make_with(mode).map_err(|error| told_full(&self.file, error))
    }

    fn try_make_with(&self, mode: u32) -> io::Result<Temporary> {
        let made = match self.unnamed()? {
            Some(file) => Temporary { folder: self.clone(), file: Arc::new(file), name: None },
            None => self.named(OFlags::RDWR)?,
        };
        if mode != PRIVATE {
            made.file.set_permissions(Permissions::from_mode(mode))?;
        }
        Ok(made)
    }

    /// Makes a file with a hidden name that can only be written: for a process that may not read in
    /// the folder, or has no /proc.
    ///
    /// # Errors
    ///
    /// When it can't be made.
    pub fn make_to_write(&self) -> io::Result<Temporary> {
        self.named(OFlags::WRONLY)
    }

    /// A file without a name; `None` where the filesystem has no such files.
    fn unnamed(&self) -> io::Result<Option<File>> {
        if !self.may_be_unnamed {
            return Ok(None);
        }
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        match openat(&self.file, ".", flags, Mode::from(PRIVATE)) {
            Ok(file) => {
                let file = File::from(file);
                // A filesystem without locks can't protect it once it has a name.
                let _ = flock(&file, FlockOperation::NonBlockingLockExclusive);
                Ok(Some(file))
            }
            // Old kernels, and filesystems without such files, answer like this.
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::NOSYS | Errno::INVAL | Errno::NOENT) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    /// A file with a name. A cleaner may have it between the moment in which it is made and that in
    /// which it is locked. We find that out, and make another.
    fn named(&self, access: OFlags) -> io::Result<Temporary> {
        let flags = access | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        for _ in 0..ATTEMPTS {
            let name = Name::random();
            let file = match openat(&self.file, name.to_string(), flags, Mode::from(PRIVATE)) {
                Ok(file) => File::from(file),
                Err(Errno::EXIST) => continue,
                Err(errno) => return Err(errno.into()),
            };
            let locked = flock(&file, FlockOperation::NonBlockingLockExclusive);
            let made = Temporary { folder: self.clone(), file: Arc::new(file), name: Some(name) };
            match locked {
                Err(Errno::WOULDBLOCK) => {}
                _ if made.has_its_name() => return Ok(made),
                _ => {}
            }
        }
        Err(io::Error::other("the temporary file is removed again and again by somebody else"))
    }

    /// Looks at a name; a link is not followed. `None` when nothing has the name.
    ///
    /// # Errors
    ///
    /// When that can't be found out.
    pub fn look(&self, name: impl AsRef<OsStr>) -> io::Result<Option<Stat>> {
        match statat(&self.file, name.as_ref(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(found) => Ok(Some(found)),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Opens a file in it, never through a link.
    ///
    /// # Errors
    ///
    /// When it can't be opened.
    pub fn open_file(&self, name: impl AsRef<OsStr>, flags: OFlags) -> io::Result<File> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        Ok(openat(&self.file, name.as_ref(), flags, Mode::empty())?.into())
    }

    /// Gives a file a second name; nothing may have it.
    ///
    /// # Errors
    ///
    /// When it can't be done, on a filesystem without hard links for one.
    pub fn link(&self, from: impl AsRef<OsStr>, to: impl AsRef<OsStr>) -> io::Result<()> {
        Ok(linkat(&self.file, from.as_ref(), &self.file, to.as_ref(), AtFlags::empty())?)
    }

    /// Renames a file.
    ///
    /// # Errors
    ///
    /// When it can't be done, or something has the name that must not.
    pub fn rename(&self, from: impl AsRef<OsStr>, to: impl AsRef<OsStr>, over: Over) -> io::Result<()> {
        let (folder, from, to) = (&self.file, from.as_ref(), to.as_ref());
        if over == Over::Anything {
            return Ok(renameat(folder, from, folder, to)?);
        }
        match renameat_with(folder, from, folder, to, RenameFlags::NOREPLACE) {
            // The filesystem does not know that way.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {}
            done => return Ok(done?),
        }
        match self.link(from, to) {
            Ok(()) => return self.remove(from),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(error),
            Err(_) => {}
        }
        match self.look(to)? {
            Some(_) => Err(io::ErrorKind::AlreadyExists.into()),
            None => Ok(renameat(folder, from, folder, to)?),
        }
    }

    /// Removes a file; that it is not there is as good.
    ///
    /// # Errors
    ///
    /// When it can't be removed.
    pub fn remove(&self, name: impl AsRef<OsStr>) -> io::Result<()> {
        match unlinkat(&self.file, name.as_ref(), AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Waits until the names in it outlast a loss of power.
    ///
    /// # Errors
    ///
    /// When they may not.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    /// The open folder, for the sandbox and for listing.
    #[must_use]
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// A file that is being written, and locked. It is gone when this is dropped.
#[derive(Debug)]
pub struct Temporary {
    folder: Folder,
    file: Arc<File>,
    name: Option<Name>,
}

impl Temporary {
    /// The file.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Gives it a hidden name, which replaces nothing.
    ///
    /// # Errors
    ///
    /// When it can't be named, or something has the name.
    pub fn stage(&mut self, name: &Name) -> io::Result<()> {
        let hidden = name.to_string();
        match &self.name {
            Some(old) => self.folder.rename(old.to_string(), hidden, Over::Nothing)?,
            None => self.link(hidden.as_ref())?,
        }
        self.name = Some(name.clone());
        Ok(())
    }

    /// Gives it its final name.
    ///
    /// # Errors
    ///
    /// When it can't be named, or something has the name that must not. Then the file is gone.
    pub fn place(mut self, name: &OsStr, over: Over) -> io::Result<Arc<File>> {
        match (&self.name, over) {
            (None, Over::Nothing) => self.link(name)?,
            (None, Over::Anything) => {
                self.stage(&Name::random())?;
                return self.place(name, over);
            }
            (Some(hidden), _) => self.folder.rename(hidden.to_string(), name, over)?,
        }
        Ok(self.leave())
    }

    /// Takes its name away. From now on it is there for those alone who have it open.
    ///
    /// # Errors
    ///
    /// When its name can't be removed.
    pub fn unname(self) -> io::Result<File> {
        if let Some(name) = &self.name {
            self.folder.remove(name.to_string())?;
        }
        self.leave().try_clone()
    }

    /// Leaves it under the name that it has: somebody else takes care of it now. It is locked as
    /// long as the result is there.
    #[must_use]
    pub fn leave(mut self) -> Arc<File> {
        self.name = None;
        Arc::clone(&self.file)
    }

    fn link(&self, to: &OsStr) -> io::Result<()> {
        let path = format!("/proc/self/fd/{}", self.file.as_raw_fd());
        Ok(linkat(CWD, path, &self.folder.file, to, AtFlags::SYMLINK_FOLLOW)?)
    }

    fn has_its_name(&self) -> bool {
        let Some(name) = &self.name else { return true };
        let named = self.folder.look(name.to_string());
        let (Ok(Some(named)), Ok(open)) = (named, fstat(&self.file)) else { return false };
        is_same(&named, &open)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(name) = &self.name {
            // A file that stays is removed by the next command, as nobody holds it any more.
            let _ = self.folder.remove(name.to_string());
        }
    }
}

/// Whether both are the same file.
pub(super) fn is_same(one: &Stat, other: &Stat) -> bool {
    (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)
}

/// The folder that a file is in.
pub(super) fn above(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
