//! Publishing: an archive appears under its name complete, synced and with its sidecars, or not at all.
//!
//! Everything is written under temporary names in the target's folder, synced, and renamed, the archive last. A temporary
//! file is locked by the process that writes it: one that isn't was left behind by a run that was killed, and goes.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::num::NonZeroU64;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{Advice, fadvise};
use tempfile::{Builder, NamedTempFile, PersistError};

use super::codec::ManifestWriter;
use super::digest::{Algorithm, Digest};
use super::run::write_error;
use crate::error::{Error, Kind, Result};
use crate::printable::Printable;

/// Ends of the sidecars' names, and of temporary files.
const MANIFEST_ENDING: &str = ".manifest.jsonl.zst";
const PARTIAL_MARK: &str = ".voltar-";
const PARTIAL_ENDING: &str = ".part";

/// The files of one archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The archive.
    pub archive: PathBuf,
    /// Its checksum and that of the manifest, in a form that `sha1sum -c` and the like read.
    pub checksum: PathBuf,
    /// Which digest that is.
    pub algorithm: Algorithm,
    /// What is in it.
    pub manifest: PathBuf,
}

impl Target {
    /// The files of an archive under this path.
    #[must_use]
    pub fn new(archive: &Path, algorithm: Algorithm) -> Self {
        let with = |ending: &str| {
            let mut path = archive.as_os_str().to_owned();
            path.push(ending);
            PathBuf::from(path)
        };
        let checksum = with(&format!(".{}", algorithm.name()));
        Self { checksum, algorithm, manifest: with(MANIFEST_ENDING), archive: archive.to_path_buf() }
    }

    /// Checks, before anything is read, that the archive can be published here: its folder is there, and nothing is
    /// replaced that should stay.
    ///
    /// # Errors
    ///
    /// [`Kind::Exists`] when one of the files is there and `force` is not given, or one is the source itself;
    /// [`Kind::Write`] when the folder is not there.
    pub fn check(&self, source: &Path, force: bool) -> Result<()> {
        let folder = folder(&self.archive);
        if !folder.is_dir() {
            return Err(Error::new(Kind::Write, "there is no such folder to write to").on(folder));
        }
        let source = fs::metadata(source).map(|source| (source.dev(), source.ino())).ok();
        for path in [&self.archive, &self.checksum, &self.manifest] {
            let Ok(found) = fs::symlink_metadata(path) else { continue };
            let behind = fs::metadata(path).unwrap_or(found);
            if source == Some((behind.dev(), behind.ino())) {
                return Err(Error::new(Kind::Exists, "is the source itself").on(path));
            }
            if behind.is_dir() {
                return Err(Error::new(Kind::Exists, "is a directory").on(path));
            }
            if !force {
                return Err(Error::new(Kind::Exists, "exists already; --force replaces it").on(path));
            }
        }
        Ok(())
    }
}

/// Files that are being written, under names that say so.
///
/// All that it opens it opens at the beginning: later it only renames and removes, and only within its folder, so that
/// a process that is not allowed anything else can end it.
pub struct Publication {
    target: Target,
    force: bool,
    folder: File,
    checksum: NamedTempFile,
    archive: BufWriter<Flowing>,
    manifest: ManifestWriter<BufWriter<NamedTempFile>>,
}

impl Publication {
    /// Opens the folder and the temporary files, after removing those that a killed run left.
    ///
    /// # Errors
    ///
    /// [`Kind::Write`] when they can't be opened or made.
    pub fn begin(target: Target, force: bool) -> Result<Self> {
        let path = folder(&target.archive);
        remove_left_overs(path);
        let folder = File::open(path).map_err(|source| Error::new(Kind::Write, source).on(path))?;
        let archive = BufWriter::new(Flowing::new(partial(&target.archive)?));
        let manifest = BufWriter::new(partial(&target.manifest)?);
        let manifest = ManifestWriter::new(manifest).map_err(write_error)?;
        let checksum = partial(&target.checksum)?;
        Ok(Self { target, force, folder, checksum, archive, manifest })
    }

    /// The folder that the files are in.
    #[must_use]
    pub fn folder(&self) -> BorrowedFd<'_> {
        self.folder.as_fd()
    }

    /// Where the archive and the manifest are written to.
    pub fn writers(&mut self) -> (&mut (dyn Write + Send), &mut (dyn Write + Send)) {
        (&mut self.archive, &mut self.manifest)
    }

    /// Writes what is still to be written, and syncs all. Without [`Sealed::publish`] the files are gone afterwards.
    ///
    /// # Errors
    ///
    /// [`Kind::Write`] when something can't be written.
    pub fn seal(self, digest: &Digest) -> Result<Sealed> {
        let Self { target, force, folder, mut checksum, archive, manifest } = self;
        let algorithm = target.algorithm;
        let archive = archive.into_inner().map_err(|error| write_error(error.into_error()))?.file;
        let manifest = manifest.finish().map_err(write_error)?;
        let manifest = manifest.into_inner().map_err(|error| write_error(error.into_error()))?;
        let digest_of_manifest = digest_of(manifest.as_file(), algorithm)?;
        for (digest, path) in [(digest, &target.archive), (&digest_of_manifest, &target.manifest)] {
            checksum.write_all(&checksum_line(&digest.to_string(), path)).map_err(write_error)?;
        }
        for file in [&archive, &manifest, &checksum] {
            file.as_file().sync_all().map_err(write_error)?;
        }
        Ok(Sealed { target, force, folder, manifest, checksum, archive })
    }
}

/// Files that are written and synced, and lack nothing but their names. They are gone when this is dropped.
pub struct Sealed {
    target: Target,
    force: bool,
    folder: File,
    manifest: NamedTempFile,
    checksum: NamedTempFile,
    archive: NamedTempFile,
}

impl Sealed {
    /// Gives the files their names.
    ///
    /// # Errors
    ///
    /// [`Kind::Write`] when something can't be renamed, [`Kind::Exists`] when somebody else was faster.
    pub fn publish(self) -> Result<Target> {
        let Self { target, force, folder, manifest, checksum, archive } = self;
        let files = [(manifest, &target.manifest), (checksum, &target.checksum), (archive, &target.archive)];
        let mut published: Vec<&PathBuf> = Vec::new();
        for (file, path) in files {
            let renamed = if force { file.persist(path) } else { file.persist_noclobber(path) };
            if let Err(error) = renamed {
                // Sidecars of an archive that does not appear shall not appear either.
                published.iter().for_each(|path| drop(fs::remove_file(path)));
                return Err(rename_error(error, path));
            }
            published.push(path);
        }
        if let Err(source) = folder.sync_all() {
            // Names that the disk may not keep are worse than none. The archive goes first, as it came last.
            published.iter().rev().for_each(|path| drop(fs::remove_file(path)));
            return Err(write_error(source));
        }
        Ok(target)
    }
}

/// Bytes after which the disk is set to work.
const FLOW_BYTES: u64 = 32 << 20;

/// A file that goes to the disk while it is written. Left to itself the kernel waits for half a minute, or until a tenth of the memory is to
/// be written, and then the run waits for all of it when it syncs.
struct Flowing {
    file: NamedTempFile,
    /// Bytes that were written, and how many of them the disk was set to work on.
    written: u64,
    flowing: u64,
}

impl Flowing {
    fn new(file: NamedTempFile) -> Self {
        Self { file, written: 0, flowing: 0 }
    }
}

impl Write for Flowing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = self.file.write(bytes)?;
        self.written = self.written.saturating_add(u64::try_from(len).unwrap_or(0));
        let waiting = self.written.saturating_sub(self.flowing);
        if waiting >= FLOW_BYTES {
            // Of pages that aren't needed the kernel begins to write those that have changed (posix_fadvise(2)); nobody waits for it. Nor
            // does an archive take the cache from the machines that run here. A hint: where it is refused, the sync at the end takes longer.
            let _ = fadvise(self.file.as_file(), self.flowing, NonZeroU64::new(waiting), Advice::DontNeed);
            self.flowing = self.written;
        }
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// The digest of a file that was just written.
fn digest_of(file: &File, algorithm: Algorithm) -> Result<Digest> {
    let (mut hasher, mut buffer, mut at) = (algorithm.hasher(), vec![0; 1 << 20], 0_u64);
    loop {
        let len = file.read_at(&mut buffer, at).map_err(write_error)?;
        if len == 0 {
            return Ok(hasher.finish());
        }
        hasher.update(buffer.get(..len).unwrap_or_default());
        at = at.saturating_add(u64::try_from(len).unwrap_or(u64::MAX));
    }
}

fn rename_error(error: PersistError, path: &Path) -> Error {
    let kind = match error.error.kind() {
        io::ErrorKind::AlreadyExists => Kind::Exists,
        _ => Kind::Write,
    };
    Error::new(kind, error.error).on(path)
}

/// A locked temporary file beside `path`, readable by its owner alone: an archive holds every secret of a guest.
fn partial(path: &Path) -> Result<NamedTempFile> {
    let mut prefix = std::ffi::OsString::from(".");
    prefix.push(path.file_name().unwrap_or_default());
    prefix.push(PARTIAL_MARK);
    let file = Builder::new().prefix(&prefix).suffix(PARTIAL_ENDING).tempfile_in(folder(path));
    let file = file.map_err(|source| Error::new(Kind::Write, source).on(folder(path)))?;
    // A filesystem without locks has no protection against two runs at once, and no need of more.
    let _ = file.as_file().try_lock();
    Ok(file)
}

/// Removes temporary files in a folder, of whatever archive, that no process holds. What can't be removed stays.
pub fn remove_left_overs(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let is_ours = is_partial(name.as_bytes()) && entry.file_type().is_ok_and(|kind| kind.is_file());
        // Over NFS a file is locked by who may write to it.
        let open = || File::options().read(true).write(true).open(entry.path());
        if is_ours && open().is_ok_and(|file| file.try_lock().is_ok()) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Whether this is the name of a temporary file as [`partial`] makes them.
fn is_partial(name: &[u8]) -> bool {
    let mark = PARTIAL_MARK.as_bytes();
    name.starts_with(b".")
        && name.ends_with(PARTIAL_ENDING.as_bytes())
        && name.windows(mark.len()).any(|part| part == mark)
}

/// The folder that a file is in.
fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// `HEX  NAME`. A name with a backslash or a newline is escaped the way coreutils do it, and a backslash says so.
pub(super) fn checksum_line(digest: &str, path: &Path) -> Vec<u8> {
    let name = path.file_name().unwrap_or_default().as_bytes();
    let mut escaped = Vec::new();
    for byte in name {
        match byte {
            b'\\' => escaped.extend_from_slice(b"\\\\"),
            b'\n' => escaped.extend_from_slice(b"\\n"),
            b'\r' => escaped.extend_from_slice(b"\\r"),
            byte => escaped.push(*byte),
        }
    }
    let mark: &[u8] = if escaped == name { b"" } else { b"\\" };
    [mark, digest.as_bytes(), b"  ", &escaped, b"\n"].concat()
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", Printable::path(&self.archive))
    }
}
