//! From what a person names to a place: a file or device on this host, and a path in it.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::Place;
use super::archive::Archive;
use super::image::Image;
use super::name::clean;
use crate::archive::read::{Container, Manifest};
use crate::archive::{Algorithm, ArchiveFiles, Compression, settle};
use crate::device::{self, Device};
use crate::error::{Error, Kind, Result};
use crate::volume::{Devices, Disk, Reading};

/// A file or device, and a path in it: `FILE`, or `FILE:PATH`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// The file or device.
    pub file: PathBuf,
    /// The path in it, clean; empty for the whole.
    pub path: Vec<u8>,
}

impl Location {
    /// Takes apart what a person wrote. A file whose name has a colon is found under its own name first.
    #[must_use]
    pub fn parse(text: &OsStr) -> Self {
        let whole = Self { file: PathBuf::from(text), path: Vec::new() };
        if whole.file.exists() {
            return whole;
        }
        let bytes = text.as_bytes();
        if bytes.windows(3).any(|piece| piece == b"://") {
            return whole;
        }
        let colons = bytes.iter().enumerate().rev().filter(|(_, byte)| **byte == b':').map(|(at, _)| at);
        for colon in colons {
            let (file, path) = bytes.split_at_checked(colon).unwrap_or((bytes, &[]));
            let file = Path::new(OsStr::from_bytes(file));
            if !file.as_os_str().is_empty() && file.exists() {
                return Self { file: file.to_path_buf(), path: clean(path.get(1..).unwrap_or_default()) };
            }
        }
        // What is not there is told with the name that it would have.
        match bytes.iter().position(|byte| *byte == b':') {
            Some(colon) if colon > 0 => {
                let file = OsStr::from_bytes(bytes.get(..colon).unwrap_or(bytes));
                Self { file: PathBuf::from(file), path: Vec::new() }
            }
            _ => whole,
        }
    }

    /// Opens the file, and the manifest where one is beside it. No byte is parsed.
    ///
    /// # Errors
    ///
    /// [`Kind::Source`] when it can't be opened.
    pub fn open(&self, reading: &Reading) -> Result<Opened> {
        // An archive and a manifest that don't belong together would be read as one.
        settle(&self.file)?;
        let devices = Devices::open(&self.file, reading)?;
        // A manifest that can't be opened is as good as none: what it says is in the archive too.
        let manifest = ArchiveFiles::new(&self.file, Algorithm::default()).manifest;
        let manifest = manifest.exists().then(|| device::open_plain(&manifest).ok()).flatten();
        Ok(Opened { devices, manifest })
    }
}

/// A place that is open, and of which nothing was parsed: now is the time to give up rights.
#[derive(Debug)]
pub struct Opened {
    devices: Devices,
    manifest: Option<Device>,
}

impl Opened {
    /// Whether a manifest is beside it.
    #[must_use]
    pub fn has_manifest(&self) -> bool {
        self.manifest.is_some()
    }

    /// Finds out what it is.
    ///
    /// # Errors
    ///
    /// [`Kind::Unrecognised`] when it is nothing that is known, [`Kind::Ambiguous`] when it is both; otherwise as the archive or the disk says.
    pub fn place(self) -> Result<Box<dyn Place>> {
        let file = self.devices.path.clone();
        self.parse().map_err(|error| error.on(&file))
    }

    fn parse(self) -> Result<Box<dyn Place>> {
        let Self { devices, manifest } = self;
        let (file, device) = (devices.path.clone(), Device::clone(&devices.device));
        let is_certainly_disk = devices.is_certainly_disk;
        let disk = Disk::from_devices(devices);
        // A tenant decides which bytes are on it: they never make an archive of it.
        if is_certainly_disk {
            return Self::disk(disk?);
        }
        let is_disk = |disk: &Disk| disk.is_recognised() && !disk.is_damaged_filesystem();
        if Container::is_archive(&device)? {
            let packed = Container::open(Device::clone(&device))?;
            // A file that can't be unpacked is an archive: a damaged one.
            return match (disk, packed.check_is_tar()) {
                (Ok(disk), Err(error)) if is_disk(&disk) && error.kind() == Kind::Unrecognised => {
                    Self::disk(disk)
                }
                (_, Err(error)) if error.kind() == Kind::Unrecognised => Err(error),
                (Ok(disk), _) if is_disk(&disk) => {
                    let message = "is an archive and a disk, and which of them is meant can't be told: \
                                   give the disk as a block device (losetup --read-only), or unpack \
                                   the archive with tar";
                    Err(Error::new(Kind::Ambiguous, message))
                }
                _ => archive(device, manifest),
            };
        }
        match disk? {
            disk if disk.is_recognised() => Self::disk(disk),
            // Zeros, as long as the shortest tar has at its end.
            _ if Container::of_zeros(&device)? => archive(device, manifest),
            _ if Compression::of_name(&file.to_string_lossy()).is_some() => {
                let message = "is named like an archive, but neither zstd, nor gzip, nor a tar is in \
                               it: is it damaged?";
                Err(Error::new(Kind::Unrecognised, message))
            }
            disk => {
                disk.require_disk()?;
                Self::disk(disk)
            }
        }
    }

    fn disk(disk: Disk) -> Result<Box<dyn Place>> {
        Ok(Box::new(Image::new(disk)?))
    }
}

fn archive(device: Device, manifest: Option<Device>) -> Result<Box<dyn Place>> {
    let packed = Container::open(device)?;
    packed.check_is_tar()?;
    let manifest = Manifest::of_archive(&packed, manifest);
    Ok(Box::new(Archive::new(packed, manifest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_file_and_a_path_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("a.img"), "x").unwrap();
        std::fs::write(at("a.img:p1"), "x").unwrap();
        let cases = [
            ("a.img", "a.img", ""),
            ("a.img:p2/etc", "a.img", "p2/etc"),
            ("a.img:/p2//etc/", "a.img", "p2/etc"),
            ("a.img:p1", "a.img:p1", ""),
            ("a.img:p1:x", "a.img:p1", "x"),
            ("a.img:x:y", "a.img", "x:y"),
            ("a.img:", "a.img", ""),
        ];
        for (text, file, path) in cases {
            let location = Location::parse(at(text).as_os_str());
            assert_eq!((location.file, location.path), (at(file), path.as_bytes().to_vec()), "{text}");
        }
    }
}
