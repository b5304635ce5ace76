//! An archive and what stands beside it.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use crate::archive::publish::{ArchiveFiles, settle};
use crate::device::{self, Device, Io};
use crate::error::{Error, Kind, Result};
use crate::format::digest::Algorithm;

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
    /// Checksum files that are there but can't be read, and why.
    pub unread: Vec<(PathBuf, Error)>,
}

impl Files {
    /// Opens an archive and what stands beside it.
    ///
    /// # Errors
    ///
    /// When the archive can't be opened, or its publication was interrupted and can't be ended.
    pub fn open(path: &Path) -> Result<Self> {
        settle(path)?;
        let archive = device::open(path, Io::Pread)?;
        let manifest_path = ArchiveFiles::new(path, Algorithm::default()).manifest;
        let manifest = manifest_path.try_exists().unwrap_or(true);
        let manifest = manifest.then(|| device::open_plain(&manifest_path));
        let (mut checksums, mut unread) = (Vec::new(), Vec::new());
        for algorithm in Algorithm::ALL {
            let path = ArchiveFiles::new(path, algorithm).checksum;
            match text(&path) {
                Ok(Some(text)) => checksums.push(Checksum { path, algorithm, text }),
                Ok(None) => {}
                Err(source) => unread.push((path, Error::new(Kind::Source, source))),
            }
        }
        Ok(Self { path: path.to_path_buf(), archive, manifest_path, manifest, checksums, unread })
    }
}

/// The text of a checksum file; `None` where there is none. A pipe of that name is not waited for.
fn text(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match rustix::fs::open(path, flags, Mode::empty()).map_err(io::Error::from) {
        Ok(file) => File::from(file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("is no regular file"));
    }
    let mut text = Vec::new();
    file.take(CHECKSUM_MOST).read_to_end(&mut text)?;
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_file_that_can_not_be_read_is_told_and_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let archive = folder.path().join("a.tar");
        std::fs::write(&archive, [0; 1024]).unwrap();
        let sums = ArchiveFiles::new(&archive, Algorithm::Sha1).checksum;
        rustix::fs::mknodat(rustix::fs::CWD, &sums, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        let files = Files::open(&archive).unwrap();
        assert!(files.checksums.is_empty());
        let [(path, error)] = files.unread.as_slice() else { panic!("{:?}", files.unread) };
        assert_eq!((path, error.to_string().as_str()), (&sums, "is no regular file"));
    }
}
