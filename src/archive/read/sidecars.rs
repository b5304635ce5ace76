//! An archive and what stands beside it.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use crate::archive::digest::Algorithm;
use crate::archive::publish::Target;
use crate::device::{self, Device, Io};
use crate::error::{Error, Kind, Result};

/// Bytes that are read of a checksum file; there are two lines in it.
const CHECKSUM_MOST: u64 = 64 << 10;

/// A checksum file.
#[derive(Clone, Debug)]
pub struct Checksum {
    /// Its path.
    pub path: PathBuf,
    /// Which digest it has.
    pub algorithm: Algorithm,
    /// All of it.
    pub text: Vec<u8>,
}

/// The files of an archive, opened.
#[derive(Debug)]
pub struct Files {
    /// The path of the archive.
    pub path: PathBuf,
    /// The archive.
    pub archive: Device,
    /// The path that its manifest has, or would have.
    pub manifest_path: PathBuf,
    /// The manifest, where there is one; an error when it is there but can't be opened.
    pub manifest: Option<Result<Device>>,
    /// Checksum files, one for each digest.
    pub checksums: Vec<Checksum>,
}

impl Files {
    /// Opens an archive and what stands beside it.
    ///
    /// # Errors
    ///
    /// When the archive can't be opened, or a file beside it can't be read.
    pub fn open(path: &Path) -> Result<Self> {
        let archive = device::open(path, Io::Pread)?;
        let manifest_path = Target::new(path, Algorithm::default()).manifest;
        let manifest = manifest_path.try_exists().unwrap_or(true);
        let manifest = manifest.then(|| device::open(&manifest_path, Io::Pread));
        let checksums =
            Algorithm::ALL.into_iter().filter_map(|algorithm| checksum(path, algorithm).transpose());
        let checksums = checksums.collect::<Result<_>>()?;
        Ok(Self { path: path.to_path_buf(), archive, manifest_path, manifest, checksums })
    }
}

fn checksum(archive: &Path, algorithm: Algorithm) -> Result<Option<Checksum>> {
    let path = Target::new(archive, algorithm).checksum;
    let mut text = Vec::new();
    let read = File::open(&path).and_then(|file| file.take(CHECKSUM_MOST).read_to_end(&mut text));
    match read {
        Ok(_) => Ok(Some(Checksum { path, algorithm, text })),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::new(Kind::Source, error).on(&path)),
    }
}
