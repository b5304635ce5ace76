//! The names of an archive and of what stands beside it.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::error::{Error, Kind, Result};
use crate::format::digest::Algorithm;
use crate::printable::Printable;
use crate::temporary::{Standing, standing_for_stream};

/// End of the manifest's name.
const MANIFEST_ENDING: &str = ".manifest.jsonl.zst";

/// Bytes of the longest name that Linux filesystems take.
const NAME_MOST: usize = 255;

/// The files of one archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchiveFiles {
    /// The archive.
    pub archive: PathBuf,
    /// Its checksum and that of the manifest, in a form that `sha1sum -c` and the like read.
    pub checksum: PathBuf,
    /// Which digest that is.
    pub algorithm: Algorithm,
    /// The manifest beside the archive.
    pub manifest: PathBuf,
}

impl ArchiveFiles {
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

    /// Checks, before anything is read, that the archive can be published here: its folder is
    /// there, nothing is replaced that should stay, and nothing that is no regular file is ever
    /// replaced.
    ///
    /// # Errors
    ///
    /// [`Kind::Exists`] when one of the files is there and `force` is not given, or one is the
    /// source itself, or no regular file; [`Kind::Write`] when the folder is not there, or an
    /// interrupted publication can't be mended.
    pub fn check(&self, source: Option<&Path>, force: bool) -> Result<()> {
        let folder = self.folder();
        if !folder.is_dir() {
            return Err(Error::new(Kind::Write, "there is no such folder to write to").on(folder));
        }
        let longest = self.manifest.file_name().map_or(0, OsStr::len);
        if let Some(more) = longest.checked_sub(NAME_MOST).filter(|more| *more > 0) {
            let message = format!(
                "the name is too long by {more} bytes, with what the name of the manifest adds: choose a \
                 shorter one"
            );
            return Err(Error::new(Kind::Write, message).on(&self.archive));
        }
        // A publication that was interrupted leaves names that are not there afterwards.
        super::settle(&self.archive)?;
        let source = source.and_then(|source| fs::metadata(source).ok());
        let source = source.map(|source| (source.dev(), source.ino()));
        for path in self.all() {
            let behind = fs::metadata(&path).ok().map(|found| (found.dev(), found.ino()));
            if source.is_some() && source == behind {
                return Err(Error::new(Kind::Exists, "is the source itself").on(&path));
            }
            if standing_for_stream(&path)? == Standing::File && !force {
                return Err(exists(&path));
            }
        }
        Ok(())
    }

    /// The folder that the files are in.
    pub(super) fn folder(&self) -> &Path {
        let folder = self.archive.parent().filter(|folder| !folder.as_os_str().is_empty());
        folder.unwrap_or(Path::new("."))
    }

    /// The archive, the manifest, and the checksum files of all digests: one of another digest
    /// would say something of an archive that is gone.
    pub(super) fn all(&self) -> [PathBuf; 5] {
        let [sha1, sha256, blake3] = Algorithm::ALL.map(|other| Self::new(&self.archive, other).checksum);
        [self.archive.clone(), self.manifest.clone(), sha1, sha256, blake3]
    }
}

/// The error for a file that is there, and is not to be replaced.
pub(super) fn exists(path: &Path) -> Error {
    Error::new(Kind::Exists, "exists already; --force replaces it").on(path)
}

/// `HEX  NAME`. A name with a backslash or a newline is escaped the way coreutils do it, and a
/// backslash says so.
pub(in crate::archive) fn checksum_line(digest: &str, path: &Path) -> Vec<u8> {
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

impl std::fmt::Display for ArchiveFiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", Printable::path(&self.archive))
    }
}
