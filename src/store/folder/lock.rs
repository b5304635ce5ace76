//! One run at a time in a destination: a lock on a file there, which says who holds it.
//!
//! The kernel drops the lock with the process that holds it, however that ends: a file that nobody has locked is nobody's, whatever
//! is written in it. It stays where it is, since removing it would let two runs lock two files of one name.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::archive::host_name;
use crate::calendar::{now, readable};
use crate::error::{Error, Kind, Result};
use crate::printable::Printable;
use crate::store::Lock;
use crate::temporary::{Folder, told_full};

const NAME: &str = ".voltar.lock";
/// What a holder says of itself is no longer.
const MOST_BYTES: u64 = 4096;
/// How often a file that vanished between opening and locking is opened anew.
const ATTEMPTS: usize = 10;

/// A destination that is this process's own until this is dropped.
#[derive(Debug)]
pub struct Locked {
    // Locked while it is open; nobody inherits it.
    _file: File,
}

/// Who holds a lock.
#[derive(Debug, Serialize, Deserialize)]
struct Holder {
    pid: u32,
    host: String,
    /// Seconds since 1970.
    started: i64,
}

impl Locked {
    /// Locks a folder that was checked.
    ///
    /// # Errors
    ///
    /// [`Kind::Exists`] when somebody else holds it, [`Kind::Write`] when it can't be locked.
    pub fn lock(folder: &Path) -> Result<Self> {
        let path = folder.join(NAME);
        for _ in 0..ATTEMPTS {
            let mut file = open(&path)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(held(&mut file, folder)),
                Err(TryLockError::Error(source)) => return Err(unlockable(source).on(&path)),
            }
            if is_at(&file, &path) {
                sign(&mut file)
                    .map_err(|source| Error::new(Kind::Write, told_full(&file, source)).on(&path))?;
                return Ok(Self { _file: file });
            }
        }
        Err(Error::new(Kind::Write, "is removed again and again by somebody else").on(&path))
    }
}

impl Lock for Locked {}

fn open(path: &Path) -> Result<File> {
    let mut options = OpenOptions::new();
    // A link could lead anywhere, and a pipe would keep who opens it waiting.
    options.read(true).write(true).create(true).mode(0o644).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
    let refused = |source: io::Error| {
        let source = match Folder::around(path) {
            Ok(folder) => told_full(folder.as_fd(), source),
            Err(_) => source,
        };
        let message = match source.kind() {
            io::ErrorKind::ReadOnlyFilesystem => "can't be locked: the filesystem is read-only",
            io::ErrorKind::PermissionDenied => "can't be locked: no permission to write there",
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                let message = format!("can't be locked: {source}; remove archives (voltar prune)");
                return Error::new(Kind::Write, message).on(path);
            }
            _ => return Error::new(Kind::Write, source).on(path),
        };
        Error::new(Kind::Write, message).on(path)
    };
    let file = options.open(path).map_err(refused)?;
    match file.metadata() {
        Ok(metadata) if metadata.is_file() => Ok(file),
        Ok(_) => Err(Error::new(Kind::Write, "is no regular file: remove it").on(path)),
        Err(source) => Err(Error::new(Kind::Write, source).on(path)),
    }
}

/// The error of a filesystem that has no locks.
fn unlockable(source: io::Error) -> Error {
    let has_none = source
        .raw_os_error()
        .is_some_and(|code| [libc::ENOLCK, libc::EOPNOTSUPP, libc::ENOSYS].contains(&code));
    if !has_none {
        return Error::new(Kind::Write, source);
    }
    let message =
        format!("this filesystem has no locks ({source}); over NFS the server's lock service must run");
    Error::new(Kind::Write, message)
}

/// Whether the file is still the one of this name.
fn is_at(file: &File, path: &Path) -> bool {
    let identity = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
    let (Ok(open), Ok(named)) = (file.metadata(), path.symlink_metadata()) else { return false };
    identity(open) == identity(named)
}

/// Writes who holds the lock.
fn sign(file: &mut File) -> io::Result<()> {
    let holder = Holder { pid: std::process::id(), host: host_name(), started: now() };
    let mut line = serde_json::to_vec(&holder)?;
    line.push(b'\n');
    file.rewind()?;
    file.set_len(0)?;
    file.write_all(&line)
}

/// The error that names the holder.
fn held(file: &mut File, folder: &Path) -> Error {
    let mut text = String::new();
    // The holder may be about to sign, and some filesystems don't let others read a locked file.
    let holder = file.take(MOST_BYTES).read_to_string(&mut text).ok();
    let holder = holder.and_then(|_| serde_json::from_str::<Holder>(&text).ok());
    let message = match holder {
        Some(Holder { pid, host, started }) => {
            let (host, since) = (Printable(host.as_bytes()).to_string(), readable(started));
            format!("is in use by process {pid} on {host} since {since}: wait for it, or end it")
        }
        None => format!("is in use by another process, which holds {NAME} there: wait for it, or end it"),
    };
    Error::new(Kind::Exists, message).on(folder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::folder::FolderStore;
    use crate::store::{Destination, Store as _};

    fn lock(folder: &Path) -> Result<Box<dyn Lock>> {
        FolderStore::at(folder).lock()
    }

    #[test]
    fn a_second_lock_is_refused_and_told_who_holds_the_first() {
        let folder = tempfile::tempdir().unwrap();
        let first = lock(folder.path()).unwrap();
        let error = lock(folder.path()).unwrap_err();
        assert_eq!(error.kind(), Kind::Exists);
        let process = format!("in use by process {} on {} since 20", std::process::id(), host_name());
        assert!(error.to_string().contains(&process), "{error}");
        drop(first);
        lock(folder.path()).unwrap();
    }

    #[test]
    fn a_file_that_nobody_has_locked_is_taken_over_whatever_is_in_it() {
        let long = "x".repeat(10_000);
        for left in ["", "nonsense", r#"{"pid":1,"host":"elsewhere","started":0}"#, &long] {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join(NAME), left).unwrap();
            let _first = lock(folder.path()).unwrap();
            let error = lock(folder.path()).unwrap_err().to_string();
            assert!(error.contains(&format!("process {}", std::process::id())), "{error}");
        }
    }

    #[test]
    fn a_holder_that_says_nothing_of_use_is_a_holder() {
        for said in ["", "{", r#"{"pid":-1}"#, "\u{0}"] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join(NAME);
            std::fs::write(&path, said).unwrap();
            let holder = File::open(&path).unwrap();
            holder.lock().unwrap();
            let error = lock(folder.path()).unwrap_err();
            assert_eq!(error.kind(), Kind::Exists);
            assert!(error.to_string().contains("is in use by another process"), "{error}");
        }
    }

    #[test]
    fn a_holders_name_cannot_steer_the_terminal() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(NAME);
        std::fs::write(&path, "{\"pid\":7,\"host\":\"\\u001b[2J\",\"started\":9223372036854775807}").unwrap();
        let holder = File::open(&path).unwrap();
        holder.lock().unwrap();
        let error = lock(folder.path()).unwrap_err().to_string();
        assert!(error.contains(r"process 7 on \u{1b}[2J since 9999-"), "{error}");
    }

    #[test]
    fn what_is_no_lock_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let elsewhere = folder.path().join("elsewhere");
        std::os::unix::fs::symlink(&elsewhere, folder.path().join(NAME)).unwrap();
        assert_eq!(lock(folder.path()).unwrap_err().kind(), Kind::Write);
        assert!(!elsewhere.exists());
        let absent = lock(&folder.path().join("absent")).unwrap_err();
        assert!(absent.to_string().contains("make it, or mount what it is on"), "{absent}");
        std::fs::write(&elsewhere, "").unwrap();
        let file = lock(&elsewhere).unwrap_err();
        assert!(file.to_string().contains("is no folder"), "{file}");
    }

    #[test]
    fn nothing_is_locked_where_nothing_is_mounted() {
        let folder = tempfile::tempdir().unwrap();
        let destination =
            Destination { folder: folder.path().into(), require_mount: true, minimum_free: None };
        assert!(
            FolderStore::new(&destination)
                .lock()
                .unwrap_err()
                .to_string()
                .contains("nothing is mounted here")
        );
        assert!(!folder.path().join(NAME).exists());
    }
}
