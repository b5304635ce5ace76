//! What a disk is restored onto: an image file or a block device, looked at before a byte of it changes.

use std::fs::{self, File, OpenOptions};
use std::io::{Seek as _, SeekFrom};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::in_use::users;
use crate::archive::remove_left_overs;
use crate::device::{WriteAt, WriteDevice, from_file};
use crate::error::{Error, Kind, Result};
use crate::printable::Printable;
use crate::temporary::{Folder, Over, Temporary, standing};

/// Where tables and signatures are: what holds data has some here. Also what is cleared first, so that nothing of an old disk shows through.
pub(super) const ENDS_BYTES: u64 = 1 << 20;

/// Bytes that are read at once.
const READ_LEN: usize = 64 << 10;

/// What is at the target's path.
#[derive(Debug)]
pub enum Destination {
    /// Nothing yet: an image file is made, and has its name when it is whole.
    New {
        /// The name that it gets.
        path: PathBuf,
    },
    /// An image file or a block device that is there.
    Existing {
        /// Its path.
        path: PathBuf,
        /// The file or device itself. A block device is claimed with it, so that nobody else can
        /// mount it or put anything over it; what somebody uses already, and that was forced, can't
        /// be.
        file: File,
        /// Its length in bytes; 0 for a file to be made longer.
        len_bytes: u64,
        /// Whether it is a block device.
        is_block: bool,
        /// Position of a byte that is not zero.
        data_at: Option<u64>,
        /// Who uses it, for people; empty unless that was forced.
        users: Vec<String>,
    },
}

impl Destination {
    /// Looks at what is there, without changing it.
    ///
    /// # Errors
    ///
    /// [`Kind::Exists`] when it is in use or holds data, and that is not forced; [`Kind::Source`] when it can't be a target.
    pub fn look(path: &Path, force: bool) -> Result<Self> {
        Self::look_at(path, force).map_err(|error| error.on(path))
    }

    fn look_at(path: &Path, force: bool) -> Result<Self> {
        let metadata = match fs::metadata(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let folder = folder(path);
                if path.as_os_str().as_encoded_bytes().ends_with(b"/") || !folder.is_dir() {
                    return Err(
                        Error::new(Kind::Write, "there is no such folder to make an image in").on(folder)
                    );
                }
                // A link that leads to nothing: the image could not get its name.
                standing(path)?;
                return Ok(Self::New { path: path.to_path_buf() });
            }
            metadata => metadata.map_err(refused)?,
        };
        let kind = metadata.file_type();
        let is_block = kind.is_block_device();
        if !is_block && !kind.is_file() {
            let message = "is neither a block device nor a regular file: a disk can't be restored onto it";
            return Err(Error::new(Kind::Source, message));
        }
        let mut users: Vec<String> = users(path)?.into_iter().map(|user| user.what).collect();
        let claimed = if is_block { claimed(path)? } else { None };
        if is_block && claimed.is_none() && users.is_empty() {
            users.push(HELD.to_owned());
        }
        if !users.is_empty() && !force {
            let message = format!(
                "is in use: {}. --force writes over it all the same, and whoever uses it has another disk beneath",
                users.join(", ")
            );
            return Err(Error::new(Kind::Exists, message));
        }
        let file = claimed.map_or_else(|| open(path, 0).map_err(refused), Ok)?;
        let len_bytes = (&file).seek(SeekFrom::End(0)).map_err(refused)?;
        let copy = file.try_clone().map_err(refused)?;
        let data_at = if len_bytes == 0 { None } else { first_data(from_file(copy)?.as_ref())? };
        if let Some(at) = data_at.filter(|_| !force) {
            let what = if is_block { "device" } else { "image" };
            let message = format!(
                "holds data, at byte {at} for one: `voltar inspect {}` shows what. --force writes over the {what}, and all of it is lost",
                Printable::path(path)
            );
            return Err(Error::new(Kind::Exists, message));
        }
        Ok(Self::Existing { path: path.to_path_buf(), file, len_bytes, is_block, data_at, users })
    }

    /// Its length in bytes; `None` where a file is made that is as long as it is to be.
    #[must_use]
    pub fn len_bytes(&self) -> Option<u64> {
        match self {
            Self::New { .. } => None,
            Self::Existing { len_bytes, is_block, .. } => {
                Some(*len_bytes).filter(|len| *len > 0 || *is_block)
            }
        }
    }

    /// Bytes of its sectors; an image file has none.
    #[must_use]
    pub fn sector_bytes(&self) -> Option<u32> {
        let Self::Existing { file, .. } = self else { return None };
        from_file(file.try_clone().ok()?).ok()?.sector_bytes()
    }

    /// Who uses it, for people; not empty only where that was forced.
    #[must_use]
    pub fn users(&self) -> &[String] {
        match self {
            Self::New { .. } => &[],
            Self::Existing { users, .. } => users,
        }
    }

    /// The name that a person gave it.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::New { path } | Self::Existing { path, .. } => path,
        }
    }

    /// Opens it for writing; a new image has `len_bytes`.
    ///
    /// # Errors
    ///
    /// When it can't be opened or made.
    pub fn open(self, len_bytes: u64) -> Result<TargetFile> {
        let path = self.path().to_path_buf();
        self.try_open(len_bytes).map_err(|error| error.on(&path))
    }

    fn try_open(self, len_bytes: u64) -> Result<TargetFile> {
        match self {
            Self::New { path } => {
                let folder = folder(&path);
                remove_left_overs(folder);
                let folder = Folder::open(folder).map_err(unwritable)?;
                let partial = folder.make().map_err(unwritable)?;
                partial.file().set_len(len_bytes).map_err(unwritable)?;
                let file = partial.file().try_clone().map_err(unwritable)?;
                let target = from_file(file.try_clone().map_err(unwritable)?)?;
                Ok(TargetFile { target, file, is_blank: true, new: Some(New { partial, folder, path }) })
            }
            Self::Existing { file, len_bytes: there, is_block, data_at, .. } => {
                if there == 0 && !is_block {
                    file.set_len(len_bytes).map_err(unwritable)?;
                } else if !is_block && data_at.is_some() {
                    // A hole instead of what was there, all of it.
                    file.set_len(0).and_then(|()| file.set_len(there)).map_err(unwritable)?;
                }
                let target = from_file(file.try_clone().map_err(unwritable)?)?;
                let is_blank = !is_block && target.next_data(0).is_none();
                Ok(TargetFile { target, file, is_blank, new: None })
            }
        }
    }
}

/// An open target for writing: its bytes, and no path.
#[derive(Clone, Debug)]
pub struct Output {
    /// Its bytes.
    pub device: WriteDevice,
    /// Whether it has zeros wherever nothing was written.
    pub is_blank: bool,
    /// Whether nobody sees it before it is whole.
    pub vanishes: bool,
}

/// A target that is open for writing.
#[derive(Debug)]
pub struct TargetFile {
    target: WriteDevice,
    /// The same, to be handed to another process.
    file: File,
    /// Whether it is known to have zeros where nothing was written.
    is_blank: bool,
    new: Option<New>,
}

/// An image that has no name yet.
#[derive(Debug)]
struct New {
    partial: Temporary,
    folder: Folder,
    path: PathBuf,
}

impl TargetFile {
    /// Its file, to be handed to another process.
    #[must_use]
    pub fn file(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// Its bytes.
    #[must_use]
    pub fn device(&self) -> &WriteDevice {
        &self.target
    }

    /// The file of an image that nobody else can see yet.
    pub(super) fn image(&self) -> Option<&File> {
        self.new.as_ref().map(|new| new.partial.file())
    }

    /// Whether it has zeros wherever nothing was written.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        self.is_blank
    }

    /// Bytes of its sectors, where it is a block device.
    #[must_use]
    pub fn sector_bytes(&self) -> Option<u32> {
        self.target.sector_bytes()
    }

    /// Whether what was written is gone when the run fails.
    #[must_use]
    pub fn vanishes(&self) -> bool {
        self.new.is_some()
    }

    /// Syncs it, and gives it its name.
    ///
    /// # Errors
    ///
    /// [`Kind::Write`] when it can't be synced, [`Kind::Exists`] when something has the name by now.
    pub fn finish(self) -> Result<()> {
        self.target.sync()?;
        let Some(New { partial, folder, path }) = self.new else { return Ok(()) };
        partial.file().sync_all().map_err(unwritable)?;
        partial.place(path.file_name().unwrap_or_default(), Over::Nothing).map_err(|source| {
            let kind = match source.kind() {
                std::io::ErrorKind::AlreadyExists => Kind::Exists,
                _ => Kind::Write,
            };
            Error::new(kind, source).on(&path)
        })?;
        folder.sync().map_err(unwritable)
    }
}

/// What holds a device, as far as the kernel tells.
const HELD: &str = "the kernel gives it to nobody else (a mount, LVM, RAID, device mapper)";

/// Opens a block device so that nobody else has it who claims it for himself; `None` where somebody does already.
fn claimed(path: &Path) -> Result<Option<File>> {
    match open(path, libc::O_EXCL) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.raw_os_error() == Some(libc::EBUSY) => Ok(None),
        Err(error) => Err(refused(error)),
    }
}

/// Opens for reading and writing.
fn open(path: &Path, more: i32) -> std::io::Result<File> {
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY | more;
    OpenOptions::new().read(true).write(true).custom_flags(flags).open(path)
}

/// A byte that is not zero, where tables and signatures are.
fn first_data(device: &dyn WriteAt) -> Result<Option<u64>> {
    let len = device.len_bytes();
    let mut buffer = vec![0; READ_LEN];
    let ends = [(0, len.min(ENDS_BYTES)), (len.saturating_sub(ENDS_BYTES).max(ENDS_BYTES.min(len)), len)];
    for (mut at, end) in ends {
        while at < end {
            let most = usize::try_from(end.saturating_sub(at)).unwrap_or(usize::MAX).min(READ_LEN);
            let piece = buffer.get_mut(..most).unwrap_or_default();
            device.read_at(at, piece)?;
            if let Some(index) = piece.iter().position(|byte| *byte != 0) {
                return Ok(Some(at.saturating_add(u64::try_from(index).unwrap_or(0))));
            }
            at = at.saturating_add(u64::try_from(most).unwrap_or(u64::MAX));
        }
    }
    Ok(None)
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

fn refused(source: std::io::Error) -> Error {
    let hint = match source.kind() {
        std::io::ErrorKind::PermissionDenied => "permission denied; permission to write is needed",
        _ => return Error::new(Kind::Source, source),
    };
    Error::new(Kind::Source, hint)
}

fn unwritable(source: std::io::Error) -> Error {
    match source.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
            Error::new(Kind::Write, format!("no space is left for the image: {source}"))
        }
        _ => Error::new(Kind::Write, source),
    }
}

#[cfg(test)]
mod tests {
    use tempfile::NamedTempFile;

    use super::*;

    #[test]
    fn a_byte_at_either_end_is_data() {
        let file = NamedTempFile::new().unwrap();
        let len = 5 << 20;
        file.as_file().set_len(len).unwrap();
        assert!(Destination::look(file.path(), false).is_ok());
        for at in [0, 511, ENDS_BYTES - 1, len - ENDS_BYTES, len - 1] {
            rustix::io::pwrite(file.as_file(), b"x", at).unwrap();
            let error = Destination::look(file.path(), false).unwrap_err();
            assert_eq!(error.kind(), Kind::Exists);
            assert!(error.to_string().contains(&format!("at byte {at} ")), "{error}");
            assert!(Destination::look(file.path(), true).is_ok());
            rustix::io::pwrite(file.as_file(), b"\0", at).unwrap();
        }
    }
}
