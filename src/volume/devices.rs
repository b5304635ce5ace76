//! What a disk is read from: opened with all rights, and not parsed yet.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::reading::Reading;
use crate::device::image::{self, RAW, Wish};
use crate::device::{self, Device};
use crate::error::{Error, Kind, Result};

/// Longest key file, as cryptsetup limits it (`DEFAULT_KEYFILE_SIZE_MAXKB`).
const KEY_BYTES_MOST: u64 = 8 << 20;

/// Key files and further disks, at most: each key costs seconds, each disk a few open files.
const NAMED_MOST: usize = 64;

/// Devices that are open, and of which nothing is parsed yet: now is the time to give up rights.
#[derive(Debug)]
pub struct Devices {
    /// What messages call the disk.
    pub path: PathBuf,
    /// The disk, as the guest sees it.
    pub device: Device,
    /// Whether it is a disk whatever its bytes look like: a block device, or an image in a format
    /// that is not raw.
    pub is_certainly_disk: bool,
    /// Further disks of the same guest, which have parts of its groups and arrays.
    pub further: Vec<(PathBuf, Device)>,
    /// What has the journal, for filesystems that have it on another device.
    pub journal: Option<Device>,
    /// Bytes of the sectors that partition tables count in; `None` where that is to be found.
    pub sector_bytes: Option<u32>,
    /// Contents of key files, for encrypted volumes.
    pub keys: Vec<Vec<u8>>,
    /// What should be known of the image files, though nothing is lost by it.
    pub warnings: Vec<String>,
    /// What is wrong with the image files. Each is an issue.
    pub faults: Vec<Error>,
}

impl Devices {
    /// One disk, with nothing else given.
    #[must_use]
    pub fn new(path: &Path, device: Device) -> Self {
        Self {
            path: path.to_path_buf(),
            is_certainly_disk: device.sector_bytes().is_some(),
            device,
            further: Vec::new(),
            journal: None,
            sector_bytes: None,
            keys: Vec::new(),
            warnings: Vec::new(),
            faults: Vec::new(),
        }
    }

    /// Opens the disk at `path`, and all files and devices that `reading` names.
    ///
    /// # Errors
    ///
    /// [`Kind::Source`] when one of them can't be opened; [`Kind::Usage`] when there are too many.
    pub fn open(path: &Path, reading: &Reading) -> Result<Self> {
        let Reading { io, journal, sector_size, image, with, key_files, .. } = reading;
        if with.len().max(key_files.len()) > NAMED_MOST {
            let message = format!("at most {NAMED_MOST} disks and {NAMED_MOST} key files can be given");
            return Err(Error::new(Kind::Usage, message));
        }
        let opened = image::open(path, *io, image)?;
        let is_format = opened.format != RAW;
        let mut devices = Self::new(path, opened.device);
        devices.is_certainly_disk |= is_format;
        devices.sector_bytes = *sector_size;
        devices.warnings = opened.warnings;
        devices.faults = opened.faults;
        for path in with {
            let wish = Wish { snapshot: None, ..image.clone() };
            let opened = image::open(path, *io, &wish)?;
            devices.warnings.extend(opened.warnings);
            devices.faults.extend(opened.faults.into_iter().map(|fault| fault.on(path)));
            devices.further.push((path.clone(), opened.device));
        }
        devices.journal = journal.as_deref().map(|journal| device::open(journal, *io)).transpose()?;
        devices.keys = key_files.iter().map(|path| key(path)).collect::<Result<_>>()?;
        Ok(devices)
    }
}

/// The bytes of a key file.
fn key(path: &Path) -> Result<Vec<u8>> {
    let refused = |source| Error::new(Kind::Source, source).on(path);
    let mut key = Vec::new();
    let file = File::open(path).map_err(refused)?;
    file.take(KEY_BYTES_MOST.saturating_add(1)).read_to_end(&mut key).map_err(refused)?;
    match u64::try_from(key.len()) {
        Ok(1..=KEY_BYTES_MOST) => Ok(key),
        Ok(0) => Err(Error::new(Kind::Source, "is empty: a key file has the key").on(path)),
        _ => {
            let message = format!("has more than {KEY_BYTES_MOST} bytes: key files are shorter");
            Err(Error::new(Kind::Source, message).on(path))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_file_is_read_whole_and_never_without_bound() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("key"), b"secret\n").unwrap();
        std::fs::write(at("empty"), b"").unwrap();
        assert_eq!(key(&at("key")).unwrap(), b"secret\n");
        for path in [at("empty"), at("absent"), PathBuf::from("/dev/zero")] {
            assert_eq!(key(&path).unwrap_err().kind(), Kind::Source, "{}", path.display());
        }
    }
}
