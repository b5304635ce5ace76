//! The directory that files are extracted to, and what an interrupted run leaves in it for the next one.
//!
//! While a run is under way, [`STATE`] stands in the directory. It says what is extracted, and its own time is when that began. The
//! next run of the same kind finds it, and knows by it which files are its own: those whose inodes changed since (nobody can set
//! that time back) and that are what the place has. All others are somebody else's. At the end it is removed.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustix::fs::{
    AtFlags, Dir, FlockOperation, Mode, OFlags, ResolveFlags, Statx, StatxFlags, flock, openat2, syncfs,
    unlinkat,
};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::Request;
use super::enclosure::{Descriptors, enclose};
use super::places;
use super::run::{refused, stat_of};
use crate::error::{Error, Kind, Result};
use crate::filesystem::Timestamp;
use crate::printable::Printable;
use crate::sandbox::{self, Writing};
use crate::temporary::{Folder, Name, Over, room};

/// Name of the file that says what is under way.
pub(super) const STATE: &str = ".voltar-extract.json";

/// Bytes of it that are read.
const STATE_MOST: u64 = 16 << 20;

/// Bytes of a path that is resolved at once; `PATH_MAX` is 4096.
const PATH_MOST: usize = 3000;

/// What tells one boot of this host from another (random(4)).
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// How directories are resolved: below the one that is open, and through no link.
const BENEATH: ResolveFlags =
    ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_MAGICLINKS);

/// What is extracted from, as far as it tells one from another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    path: String,
    len_bytes: u64,
    modified: (i64, i64),
}

impl Source {
    /// The file or device under this path.
    ///
    /// # Errors
    ///
    /// When it is not there.
    pub fn of(path: &Path) -> Result<Self> {
        let failed = |source: io::Error| Error::new(Kind::Source, source).on(path);
        let absolute = std::fs::canonicalize(path).map_err(failed)?;
        let found = std::fs::metadata(&absolute).map_err(failed)?;
        Ok(Self {
            path: Printable::path(&absolute).to_string(),
            len_bytes: found.len(),
            modified: (found.mtime(), found.mtime_nsec()),
        })
    }
}

/// What a run extracts: the same is gone on with. What becomes of files that are there may be another thing each time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct What {
    source: Source,
    paths: Vec<String>,
    exclude: Vec<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct State {
    what: What,
    /// The number in the temporary names of the run.
    id: String,
    /// Which boot it began in: what was not written to the disk when the host went down is not whole.
    boot: String,
}

/// The directory that files are extracted to.
#[derive(Debug)]
pub struct ExtractDirectory {
    path: PathBuf,
    root: OwnedFd,
    /// How what is open is called by a path.
    descriptors: Descriptors,
    what: What,
    id: u64,
    boot: String,
    is_empty: bool,
    /// The file of an earlier run, locked and not read yet.
    state: Option<File>,
    /// The same file, read. The lock keeps other runs from resuming it.
    found: Option<(File, Timestamp, bool)>,
    begun: OnceLock<(Arc<File>, Timestamp)>,
    /// Where killed runs made something, locked and not read yet.
    left_over: Vec<(Name, File)>,
    /// Where this run makes something.
    places: OnceLock<Arc<File>>,
}

impl ExtractDirectory {
    /// Opens the directory, which is made where it is not there yet, and looks for what an earlier run left. Nothing in it is changed.
    ///
    /// # Errors
    ///
    /// When it can't be opened, when another run is under way in it, or another one was interrupted there; [`Kind::Unsupported`] when the kernel has no
    /// `openat2(2)`.
    pub fn open(path: &Path, source: Source, request: &Request<'_>) -> Result<Self> {
        let failed = |source: io::Error| Error::new(Kind::Write, source).on(path);
        std::fs::create_dir_all(path).map_err(failed)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(path, flags, Mode::empty()).map_err(|errno| failed(errno.into()))?;
        match openat2(&root, ".", flags, Mode::empty(), BENEATH) {
            Ok(_) => {}
            Err(Errno::NOSYS) => {
                let message = "this kernel has no openat2 (it came with Linux 5.6), and without it a hostile archive can't be kept in the \
                               directory: extract with tar, as a user who may write nowhere else";
                return Err(Error::new(Kind::Unsupported, message));
            }
            Err(errno) => return Err(failed(errno.into())),
        }
        let shown = |bytes: &[u8]| Printable(bytes).to_string();
        let what = What {
            source,
            paths: request.paths.iter().map(|path| shown(path)).collect(),
            exclude: request.exclude.patterns().map(shown).collect(),
        };
        let boot = std::fs::read_to_string(BOOT_ID).unwrap_or_default().trim().to_owned();
        let id = Name::random().id();
        let folder = Folder::open(path).map_err(failed)?;
        folder.clean();
        let left_over = places::left_over(&folder);
        let is_empty = Dir::read_from(&root)
            .and_then(|listing| {
                for entry in listing {
                    if !matches!(entry?.file_name().to_bytes(), b"." | b"..") {
                        return Ok(false);
                    }
                }
                Ok(true)
            })
            .map_err(|errno| failed(errno.into()))?;
        let path = path.to_path_buf();
        let descriptors = Descriptors::InProc;
        let (state, found, begun, places) = (None, None, OnceLock::new(), OnceLock::new());
        let target = Self {
            path,
            root,
            descriptors,
            what,
            id,
            boot,
            is_empty,
            state,
            found,
            begun,
            left_over,
            places,
        };
        target.with_state()
    }

    /// Opens what an earlier run left, and reads none of it.
    fn with_state(self) -> Result<Self> {
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match openat2(&self.root, STATE, flags, Mode::empty(), BENEATH) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT) => return Ok(self),
            Err(errno) => return Err(self.failed(STATE, errno)),
        };
        flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|_| busy(&self.path))?;
        Ok(Self { state: Some(file), ..self })
    }

    /// Makes the directory the root of this process, if it may, and gives up all other rights.
    /// `note` gets a sentence about rights that the kernel can't take away.
    ///
    /// # Errors
    ///
    /// When the kernel has what it takes, but refuses it.
    pub fn confine(self, devices: bool, note: impl FnOnce(&str)) -> Result<Self> {
        sandbox::close_inherited()?;
        let descriptors = enclose(self.root.as_fd())?;
        let sandbox = sandbox::confine(Writing::Extracting { folder: self.root.as_fd(), devices })?;
        if let Some(gap) = sandbox.gap() {
            note(gap);
        }
        Ok(Self { descriptors, ..self })
    }

    /// Reads what an earlier run left, if there is something: whoever can write to the directory
    /// may have made it.
    ///
    /// # Errors
    ///
    /// [`Kind::Exists`] when another extraction was interrupted here, or that can't be told.
    pub fn resume(self) -> Result<Self> {
        let mut target = self.resumed()?;
        for (name, file) in std::mem::take(&mut target.left_over) {
            places::clean(&target, &file);
            // The next one tries again.
            let _ = unlinkat(&target.root, name.to_string(), AtFlags::empty());
        }
        Ok(target)
    }

    fn resumed(mut self) -> Result<Self> {
        let Some(file) = self.state.take() else { return Ok(self) };
        let name = Printable::path(&self.path.join(STATE)).to_string();
        let mut text = String::new();
        let read = (&file).take(STATE_MOST).read_to_string(&mut text);
        if read.is_ok() && text.is_empty() {
            // Killed before it had begun.
            unlinkat(&self.root, STATE, AtFlags::empty()).map_err(|errno| self.failed(STATE, errno))?;
            return Ok(self);
        }
        let state = read.ok().and_then(|_| serde_json::from_str::<State>(&text).ok());
        let numbered = state.and_then(|state| Some((u64::from_str_radix(&state.id, 16).ok()?, state)));
        let Some((id, state)) = numbered else {
            let message = format!("{name} is there, and can't be understood: remove it to extract anew");
            return Err(Error::new(Kind::Exists, message));
        };
        if state.what != self.what {
            let message = format!(
                "here the extraction of {} was interrupted, which is another one than this (other source, paths or exclusions): run that again, or \
                 remove {name}",
                state.what.source.path
            );
            return Err(Error::new(Kind::Exists, message));
        }
        let began = stat_of(&file).map(|stat| modified(&stat)).map_err(|errno| self.failed(STATE, errno))?;
        let is_same_boot = state.boot == self.boot && !self.boot.is_empty();
        Ok(Self { id, found: Some((file, began, is_same_boot)), ..self })
    }

    /// Says in the directory what is under way. From now on it is written to.
    pub(super) fn begin(&self) -> Result<()> {
        if self.begun.get().is_some() {
            return Ok(());
        }
        let failed = |source: io::Error| Error::new(Kind::Write, source).on(&self.path);
        let folder = File::from(self.root.try_clone().map_err(failed)?);
        let folder = Folder::of(folder, &self.path);
        if self.found.is_none() {
            let state =
                State { what: self.what.clone(), id: format!("{:016x}", self.id), boot: self.boot.clone() };
            let text = serde_json::to_vec(&state).map_err(|source| Error::new(Kind::Write, source))?;
            // It gets its name whole and locked: nobody takes it for what a killed run left.
            let made = folder.make_to_write().map_err(failed)?;
            made.file().write_all_at(&text, 0).map_err(failed)?;
            let file = made.place(STATE.as_ref(), Over::Nothing).map_err(|source| match source.kind() {
                io::ErrorKind::AlreadyExists => busy(&self.path),
                _ => failed(source),
            })?;
            let began =
                stat_of(&*file).map(|stat| modified(&stat)).map_err(|errno| self.failed(STATE, errno))?;
            let _ = self.begun.set((file, began));
        }
        let made = folder.make_to_write().map_err(failed)?;
        let places = made.place(self.places_name().as_ref(), Over::Anything).map_err(failed)?;
        let _ = self.places.set(places);
        Ok(())
    }

    fn places_name(&self) -> String {
        Name::new(self.id, places::ROLE).to_string()
    }

    /// The file that says where something is being made.
    pub(super) fn places(&self) -> Option<&File> {
        self.places.get().map(|file| &**file)
    }

    /// All is there: the next run is a new one.
    pub(super) fn finish(&self) -> Result<()> {
        syncfs(&self.root).map_err(|errno| self.failed(".", errno))?;
        if self.places.get().is_some() {
            let name = self.places_name();
            unlinkat(&self.root, &name, AtFlags::empty()).map_err(|errno| self.failed(&name, errno))?;
        }
        unlinkat(&self.root, STATE, AtFlags::empty()).map_err(|errno| self.failed(STATE, errno))
    }

    fn failed(&self, name: &str, errno: Errno) -> Error {
        refused(name, errno).of_kind(Kind::Write).on(&self.path)
    }

    /// Its path, and the free space of its filesystem.
    pub(super) fn room(&self) -> String {
        format!("{} ({})", Printable::path(&self.path), room(&self.root))
    }

    /// How what is open is called by a path.
    pub(super) fn descriptors(&self) -> Descriptors {
        self.descriptors
    }

    /// Whether nothing was in it.
    pub(super) fn is_empty(&self) -> bool {
        self.is_empty
    }

    /// Whether an earlier run of the same kind was interrupted here.
    #[must_use]
    pub fn is_resumed(&self) -> bool {
        self.found.is_some()
    }

    /// Whether what that run made is on the disk as it made it.
    pub(super) fn is_trusted(&self) -> bool {
        self.found.as_ref().is_some_and(|(_, _, is_same_boot)| *is_same_boot)
    }

    /// When it began, by the clock of the filesystem.
    pub(super) fn began(&self) -> Timestamp {
        match (&self.found, self.begun.get()) {
            (Some((_, began, _)), _) | (None, Some((_, began))) => *began,
            (None, None) => Timestamp { seconds: i64::MAX, nanoseconds: 0 },
        }
    }

    /// The number in the temporary names of this run, and of the runs that it resumes.
    pub(super) fn id(&self) -> u64 {
        self.id
    }

    /// Opens what is below the directory, through no link.
    pub(super) fn open_below(&self, names: &[&[u8]], flags: OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut above: Option<OwnedFd> = None;
        let mut path: Vec<u8> = Vec::new();
        for name in names {
            if path.len().saturating_add(name.len()) > PATH_MOST {
                let directory = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
                let from = above.as_ref().map_or(self.root.as_fd(), |above| above.as_fd());
                above = Some(openat2(from, path.as_slice(), directory, Mode::empty(), BENEATH)?);
                path.clear();
            }
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(name);
        }
        let path = if path.is_empty() { b".".as_slice() } else { path.as_slice() };
        openat2(above.as_ref().map_or(self.root.as_fd(), |above| above.as_fd()), path, flags, mode, BENEATH)
    }
}

fn busy(path: &Path) -> Error {
    Error::new(Kind::Exists, "another voltar is extracting to this directory").on(path)
}

/// Opens the directory of this name in another one, if it is one and no link to one.
pub(super) fn open_in(directory: BorrowedFd<'_>, name: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    openat2(directory, name, flags | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty(), BENEATH)
}

pub(super) fn modified(stat: &Statx) -> Timestamp {
    Timestamp { seconds: stat.stx_mtime.tv_sec, nanoseconds: stat.stx_mtime.tv_nsec }
}

pub(super) fn changed(stat: &Statx) -> Timestamp {
    Timestamp { seconds: stat.stx_ctime.tv_sec, nanoseconds: stat.stx_ctime.tv_nsec }
}

/// When an inode was made, where the filesystem keeps that.
pub(super) fn created(stat: &Statx) -> Option<Timestamp> {
    (stat.stx_mask & StatxFlags::BTIME.bits() != 0)
        .then_some(Timestamp { seconds: stat.stx_btime.tv_sec, nanoseconds: stat.stx_btime.tv_nsec })
}
