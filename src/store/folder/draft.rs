//! An archive that is being written into a folder.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use super::linked::volume_folder;
use crate::archive::{self, Algorithm, ArchiveFiles, Digests, Publication};
use crate::error::{Error, Kind, Result};
use crate::store::{Draft, Key, Sealed};

/// A folder that was made for an archive. Without the archive it is removed again.
#[derive(Debug)]
struct NewFolder(PathBuf);

impl Drop for NewFolder {
    fn drop(&mut self) {
        // A folder with something in it stays.
        let _ = fs::remove_dir(&self.0);
    }
}

struct FolderDraft {
    publication: Publication,
    _new: Option<NewFolder>,
}

struct SealedFiles {
    sealed: archive::Sealed,
    _new: Option<NewFolder>,
}

pub(super) fn create(root: &Path, archive: &Key, algorithm: Algorithm) -> Result<Box<dyn Draft>> {
    let new = make_folder(root, &archive.folder())?;
    let files = ArchiveFiles::new(&root.join(archive.as_path()), algorithm);
    files.check(None, false)?;
    Ok(Box::new(FolderDraft { publication: Publication::begin(files, false)?, _new: new }))
}

/// Makes the folder of a volume's archives, for its owner alone; `None` when it is there already.
fn make_folder(root: &Path, folder: &str) -> Result<Option<NewFolder>> {
    volume_folder(root, folder)?;
    let folder = root.join(folder);
    match DirBuilder::new().mode(0o700).create(&folder) {
        Ok(()) => Ok(Some(NewFolder(folder))),
        Err(source) if source.kind() == io::ErrorKind::AlreadyExists => Ok(None),
        Err(source) => Err(Error::new(Kind::Write, source).on(&folder)),
    }
}

impl Draft for FolderDraft {
    fn files(&self) -> Result<(File, File)> {
        self.publication.files()
    }

    fn seal(self: Box<Self>, digests: &Digests) -> Result<Box<dyn Sealed>> {
        Ok(Box::new(SealedFiles { sealed: self.publication.seal(digests)?, _new: self._new }))
    }
}

impl Sealed for SealedFiles {
    fn commit(self: Box<Self>) -> Result<()> {
        self.sealed.publish().map(drop)
    }
}
