//! Image formats: the disk that a guest sees, in a file that is laid out in another way.
//!
//! A format is one folder or file here, and one row in the table `FORMATS`. It tells where the
//! bytes of the guest's disk are (`Map`); `Sparse` makes a device of that.
//!
//! Headers are read when an image is opened, and the files that they name are opened then, below
//! allowed folders only. Tables are read later, piece by piece: a worker is in its sandbox by then.
//!
//! A format is never detected where a guest can write the first bytes. A regular file is taken as
//! an image of a format when its name and its magic bytes agree; a block device is raw unless the
//! user names a format.

mod files;
mod qcow2;
mod sparse;
mod tables;
mod vdi;
mod vhd;
mod vhdx;
mod vmdk;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::open::{Io, Opened as File, open_any};
use super::{Device, foreign, read_vec};
use crate::error::{Error, Kind, Result};
use crate::printable::Printable;
use files::Files;

/// The name of the format that is none: bytes of the file are bytes of the disk.
pub const RAW: &str = "raw";

/// What the user says about an image.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Wish {
    /// The name of its format, where it is not to be detected.
    pub format: Option<String>,
    /// The internal snapshot that is read instead of the image's current state, by name or id.
    pub snapshot: Option<String>,
    /// Folders that files named by the image may lie in, apart from the image's own.
    pub allow_below: Vec<PathBuf>,
}

/// An image that is open.
#[derive(Debug)]
pub struct Opened {
    /// The disk that the guest sees.
    pub device: Device,
    /// The name of its format: `qcow2`, `raw`.
    pub format: &'static str,
    /// Facts that people should know, though nothing is lost by them.
    pub warnings: Vec<String>,
    /// Faults that may have cost data.
    pub faults: Vec<Error>,
    /// Number of files that it is made of.
    pub files: usize,
}

/// An image file that is to be opened, as a format sees it.
struct Image<'a> {
    file: Device,
    path: &'a Path,
    snapshot: Option<&'a str>,
    files: &'a mut Files,
}

/// The disk in an image, as a format found it.
struct Disk {
    device: Device,
    warnings: Vec<String>,
    faults: Vec<Error>,
}

impl Disk {
    /// A disk that nothing is wrong with.
    fn sound(device: Device) -> Self {
        Self { device, warnings: Vec::new(), faults: Vec::new() }
    }
}

/// One format.
struct Format {
    name: &'static str,
    /// How files of this format are called.
    extensions: &'static [&'static str],
    /// Whether a file that begins and ends with these bytes is of this format.
    is_it: fn(head: &[u8], tail: &[u8]) -> bool,
    open: fn(&mut Image<'_>) -> Result<Disk>,
}

/// The formats, a row each.
const FORMATS: [Format; 5] = [
    Format { name: "qcow2", extensions: &["qcow2", "qcow"], is_it: qcow2::is_it, open: qcow2::open },
    Format { name: "vmdk", extensions: &["vmdk"], is_it: vmdk::is_it, open: vmdk::open },
    Format { name: "vhd", extensions: &["vhd", "vpc"], is_it: vhd::is_it, open: vhd::open },
    Format { name: "vhdx", extensions: &["vhdx"], is_it: vhdx::is_it, open: vhdx::open },
    Format { name: "vdi", extensions: &["vdi"], is_it: vdi::is_it, open: vdi::open },
];

/// Bytes at the end of a file that are looked at.
const TAIL_BYTES: u64 = 512;

/// The names that [`Wish::format`] takes.
pub fn names() -> impl Iterator<Item = &'static str> {
    std::iter::once(RAW).chain(FORMATS.iter().map(|format| format.name))
}

/// Opens a block device or an image file, read-only, and everything that it is made of.
///
/// # Errors
///
/// [`Kind::Source`] when it can't be opened, when its format is not read here, or when it names a
/// file that lies elsewhere; [`Kind::Corrupt`] when its header can't be trusted;
/// [`Kind::Usage`] for a format or a snapshot that doesn't exist.
pub fn open(path: &Path, io: Io, wish: &Wish) -> Result<Opened> {
    let mut files = Files::new(path, &wish.allow_below, io);
    let file = open_any(path, io)?;
    let snapshot = wish.snapshot.as_deref();
    let (disk, format) = open_one(path, file, wish.format.as_deref(), snapshot, &mut files)?;
    let files = files.opened().saturating_add(1);
    Ok(Opened { device: disk.device, format, warnings: disk.warnings, faults: disk.faults, files })
}

/// Opens one image of a chain.
fn open_one(
    path: &Path,
    file: File,
    format: Option<&str>,
    snapshot: Option<&str>,
    files: &mut Files,
) -> Result<(Disk, &'static str)> {
    let format = choose(path, &file, format).map_err(|error| error.on(path))?;
    let Some(format) = format else {
        if snapshot.is_some() {
            return Err(Error::new(Kind::Usage, "is a raw image, which has no snapshots inside").on(path));
        }
        return Ok((Disk::sound(file.device), RAW));
    };
    files.enter(path)?;
    let mut image = Image { file: file.device, path, snapshot, files };
    let disk = (format.open)(&mut image).map_err(|error| with_next_step(error, path).on(path));
    files.leave();
    Ok((disk?, format.name))
}

/// Adds what may help with an image that can't be read here.
fn with_next_step(error: Error, path: &Path) -> Error {
    if error.kind() != Kind::Corrupt || error.place().path.is_some() {
        return error;
    }
    let command = foreign::conversion(path);
    error.because("", format_args!("; QEMU may be able to read it: {command}"))
}

impl Image<'_> {
    /// Opens the image that this one lies on, which it calls `name`.
    fn underneath(&mut self, name: &[u8], format: Option<&str>) -> Result<Disk> {
        let (path, file) = self.files.open(self.path, name)?;
        Ok(open_one(&path, file, format, None, self.files)?.0)
    }

    /// Opens a file with a part of the guest's bytes.
    fn part(&mut self, name: &[u8]) -> Result<Device> {
        Ok(self.files.open(self.path, name)?.1.device)
    }

    /// Refuses the snapshot that was asked for, in a format that has none.
    fn without_snapshots(&self) -> Result<()> {
        match self.snapshot {
            None => Ok(()),
            Some(_) => Err(Error::new(Kind::Usage, "an image of this format has no snapshots inside")),
        }
    }
}

/// The format of a file; `None` for a raw one.
fn choose(path: &Path, file: &File, wanted: Option<&str>) -> Result<Option<&'static Format>> {
    if wanted == Some(RAW) {
        return Ok(None);
    }
    if let Some(wanted) = wanted {
        let known = FORMATS.iter().find(|format| format.name == wanted).map(Some);
        return known.ok_or_else(|| {
            let names: Vec<_> = names().collect();
            let message =
                format!("format {} isn't read here, only {}", Printable(wanted.as_bytes()), names.join(", "));
            Error::new(Kind::Usage, message)
        });
    }
    if file.is_block {
        return Ok(None);
    }
    let len = file.device.len_bytes();
    let head_len = usize::try_from(len).unwrap_or(usize::MAX).min(foreign::HEAD_BYTES);
    let head = read_vec(file.device.as_ref(), 0, head_len)?;
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
    let is_named = |format: &&Format| {
        extension.as_deref().is_some_and(|extension| format.extensions.contains(&extension))
    };
    // A file that is not named as an image is a raw disk or an archive, of which nothing more is
    // read here: this may be before the sandbox.
    if let Some(named) = FORMATS.iter().find(is_named) {
        let tail_len = usize::try_from(len.min(TAIL_BYTES)).unwrap_or(0);
        let tail = read_vec(file.device.as_ref(), len.saturating_sub(TAIL_BYTES), tail_len)?;
        if (named.is_it)(&head, &tail) {
            return Ok(Some(named));
        }
    }
    // Only the head counts from here on: a guest writes the end of its disk as it likes.
    if let Some(format) = FORMATS.iter().find(|format| (format.is_it)(&head, &[])) {
        let name = format.name;
        return Err(Error::new(
            Kind::Source,
            format!(
                "is a {name} image by its first bytes, but isn't named so; \
                 say --format {name} if it is one, or --format raw if the disk's guest wrote these bytes"
            ),
        ));
    }
    match foreign::recognise(&head) {
        None => Ok(None),
        Some(format) => Err(Error::new(Kind::Source, format.told(path))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_no_source_is_refused_in_words() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("empty"), "").unwrap();
        for name in ["image.qcow2", "image.img"] {
            std::fs::write(at(name), b"QFI\xfb\0\0\0\x03").unwrap();
        }
        std::fs::write(at("image.qed"), b"QED\0\0\0\0\x03").unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, at("fifo"), rustix::fs::FileType::Fifo, 0o600.into(), 0)
            .unwrap();
        let cases = [
            ("absent", Kind::Source, "there is no such file"),
            ("", Kind::Source, "is a directory"),
            ("empty", Kind::Source, "is empty"),
            ("fifo", Kind::Source, "is neither a block device nor a regular file"),
            ("image.qcow2", Kind::Corrupt, "has a header that can't be trusted"),
            ("image.img", Kind::Source, "is a qcow2 image by its first bytes, but isn't named so"),
            ("image.qed", Kind::Source, "is a QED image"),
            ("https://example.org/image.img", Kind::Source, "is a URL"),
        ];
        for (name, kind, words) in cases {
            let error = open(&at(name), Io::Auto, &Wish::default()).unwrap_err();
            assert_eq!(error.kind(), kind, "{name}: {error}");
            assert!(error.to_string().contains(words), "{name}: {error}");
        }
    }

    #[test]
    fn the_user_has_the_last_word_on_the_format() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("image.qcow2");
        std::fs::write(&path, b"QFI\xfb\0\0\0\x03").unwrap();
        let wish = |format: &str| Wish { format: Some(format.to_owned()), ..Wish::default() };
        let raw = open(&path, Io::Auto, &wish(RAW)).unwrap();
        assert_eq!((raw.format, raw.device.len_bytes(), raw.files), (RAW, 8, 1));
        for (format, kind) in [("vdi", Kind::Corrupt), ("vhd", Kind::Corrupt), ("ova", Kind::Usage)] {
            assert_eq!(open(&path, Io::Auto, &wish(format)).unwrap_err().kind(), kind, "{format}");
        }
    }
}
