//! From a path on this host to a device.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek as _, SeekFrom};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Device;
use super::direct::Direct;
use super::file::{Backing, Positional};
use super::mapped::Mapped;
use super::named::named;
use crate::error::{Error, Kind, Result};

/// How the bytes come from the device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Io {
    /// `O_DIRECT` for block devices that take it, `pread` for everything else.
    #[default]
    Auto,
    /// `pread` through the page cache.
    Pread,
    /// `O_DIRECT` for large reads.
    Direct,
    /// A mapping into memory; image files only.
    Mmap,
}

/// A block device or a regular file that is open.
pub(super) struct Opened {
    pub device: Device,
    pub is_block: bool,
}

/// Opens a block device or a regular file, read-only, whatever its bytes mean.
///
/// # Errors
///
/// [`Kind::Source`] when it can't be opened, is neither of the two, or is empty.
pub(super) fn open_any(path: &Path, io: Io) -> Result<Opened> {
    open_called(path, io, path)
}

/// As [`open_any`], for a file that messages call by another path.
pub(super) fn open_called(path: &Path, io: Io, name: &Path) -> Result<Opened> {
    let opened = try_open(path, io).map_err(|error| error.on(name))?;
    Ok(Opened { device: named(opened.device, name), ..opened })
}

/// Opens a file that is no image, as the manifest of an archive: none of its bytes are read.
///
/// # Errors
///
/// As [`super::open`].
pub fn open_plain(path: &Path) -> Result<Device> {
    Ok(open_any(path, Io::Pread)?.device)
}

fn try_open(path: &Path, io: Io) -> Result<Opened> {
    let file = open_file(path, 0).map_err(|source| match no_path(path) {
        Some(why) if source.kind() == io::ErrorKind::NotFound => Error::new(Kind::Source, why),
        _ => refused(source),
    })?;
    let backing = backing(&file)?;
    let len_bytes = (&file).seek(SeekFrom::End(0)).map_err(refused)?;
    if len_bytes == 0 {
        return Err(unfit("is empty"));
    }
    let direct = || open_file(path, libc::O_DIRECT);
    let second = |file: &File| file.try_clone().map_err(refused);
    let device: Device = match io {
        Io::Pread => Arc::new(Positional::new(file, len_bytes, backing)),
        Io::Direct => {
            let direct = direct().map_err(|source| {
                Error::new(Kind::Source, format!("does not take O_DIRECT ({source}); use --io pread"))
            })?;
            Arc::new(Direct::new(direct, Positional::new(file, len_bytes, backing)))
        }
        Io::Mmap if backing != Backing::Image => {
            return Err(Error::new(Kind::Usage, "is a block device, which is never mapped; use --io pread"));
        }
        Io::Mmap => Arc::new(Mapped::new(&file, Positional::new(second(&file)?, len_bytes, backing))?),
        Io::Auto => match (backing, direct()) {
            (Backing::Block { .. }, Ok(direct)) => {
                Arc::new(Direct::new(direct, Positional::new(file, len_bytes, backing)))
            }
            _ => Arc::new(Positional::new(file, len_bytes, backing)),
        },
    };
    Ok(Opened { device, is_block: backing != Backing::Image })
}

/// A regular file that is open, of this length. No path is looked at.
#[must_use]
pub fn of_file(file: File, len_bytes: u64) -> Device {
    Arc::new(Positional::new(file, len_bytes, Backing::Image))
}

/// Opens without waiting (a fifo would wait for a writer) and without becoming a controlling terminal.
fn open_file(path: &Path, flags: i32) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY | flags).open(path)
}

fn backing(file: &File) -> Result<Backing> {
    let metadata = file.metadata().map_err(refused)?;
    let kind = metadata.file_type();
    if kind.is_block_device() {
        return Ok(Backing::Block { sector_bytes: sector_bytes(metadata.rdev()) });
    }
    if kind.is_file() {
        return Ok(Backing::Image);
    }
    Err(unfit(if kind.is_dir() { "is a directory" } else { "is neither a block device nor a regular file" }))
}

/// The logical sector of a block device, as the kernel tells it below `/sys/dev/block`; 512 where it does not.
pub(super) fn sector_bytes(rdev: u64) -> u32 {
    let (major, minor) = (rustix::fs::major(rdev), rustix::fs::minor(rdev));
    ["queue", "../queue"]
        .iter()
        .map(|queue| format!("/sys/dev/block/{major}:{minor}/{queue}/logical_block_size"))
        .find_map(|path| std::fs::read_to_string(path).ok()?.trim().parse().ok())
        .unwrap_or(512)
}

/// Why a path that is no file can't be one; `None` where it is a path like others.
fn no_path(path: &Path) -> Option<&'static str> {
    let text = path.as_os_str().as_encoded_bytes();
    if text == b"-" {
        return Some("a stream can't be read by position: write it into a file first (cat > FILE)");
    }
    let is_url = text.windows(3).any(|piece| piece == b"://");
    is_url.then_some("is a URL, and nothing is read over the network: download it first (curl -O URL)")
}

fn refused(source: io::Error) -> Error {
    let hint = match source.kind() {
        io::ErrorKind::NotFound => "there is no such file or device",
        io::ErrorKind::PermissionDenied => {
            "permission denied; read permission is needed (for a volume, group disk has it on most systems)"
        }
        _ => return Error::new(Kind::Source, source),
    };
    Error::new(Kind::Source, hint)
}

fn unfit(what: &str) -> Error {
    Error::new(Kind::Source, format!("{what}; a block device or a raw image file is needed"))
}
