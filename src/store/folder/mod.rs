//! A folder of this host as a store: each volume has a folder of its own in it.

mod draft;
mod linked;
mod lock;
mod mount;
mod shelves;

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::statvfs;

use self::linked::volume_folder;
use self::lock::Locked;
use self::mount::check_mount;
use super::{Address, Destination, Draft, Key, Lock, Shelf, Space, Standing, Store};
use crate::archive::read::Files;
use crate::archive::{self, Algorithm};
use crate::device::{self, Device, Io};
use crate::error::{Error, Kind, Result};

/// A folder of this host.
#[derive(Clone, Debug)]
pub struct FolderStore {
    root: PathBuf,
    require_mount: bool,
}

impl FolderStore {
    /// The folder that a destination names.
    #[must_use]
    pub fn new(destination: &Destination) -> Self {
        Self { root: destination.folder.clone(), require_mount: destination.require_mount }
    }

    /// A folder of which nothing is asked but to be there.
    #[must_use]
    pub fn at(root: &Path) -> Self {
        Self { root: root.to_path_buf(), require_mount: false }
    }

    fn path(&self, key: &Key) -> PathBuf {
        self.root.join(key.as_path())
    }
}

impl Store for FolderStore {
    fn address(&self) -> Address {
        self.root.clone().into()
    }

    fn check(&self) -> Result<()> {
        let folder = &self.root;
        match folder.metadata() {
            Ok(metadata) if metadata.is_dir() => {}
            Ok(_) => {
                let message = "is no folder: name the folder that the backups are in";
                return Err(Error::new(Kind::Write, message).on(folder));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let message = "there is no such folder: make it, or mount what it is on";
                return Err(Error::new(Kind::Write, message).on(folder));
            }
            Err(source) => return Err(Error::new(Kind::Write, source).on(folder)),
        }
        if self.require_mount { check_mount(folder) } else { Ok(()) }
    }

    fn is_apart(&self) -> bool {
        Self { require_mount: true, ..self.clone() }.check().is_ok()
    }

    fn folders(&self) -> Result<Vec<String>> {
        names(&self.root)
    }

    fn names(&self, folder: &str) -> Result<Vec<String>> {
        match volume_folder(&self.root, folder)? {
            Some(folder) => names(&folder),
            None => Ok(Vec::new()),
        }
    }

    fn look(&self, key: &Key) -> Result<Option<Standing>> {
        let path = self.path(key);
        match fs::symlink_metadata(&path) {
            Ok(found) if found.is_file() => Ok(Some(Standing::Object(found.len()))),
            Ok(_) => Ok(Some(Standing::Other)),
            Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(Error::new(Kind::Read, source).on(&path)),
        }
    }

    fn shelves(&self) -> Result<Vec<Shelf>> {
        shelves::shelves(&self.root)
    }

    fn open(&self, key: &Key) -> Result<Device> {
        device::open(&self.path(key), Io::Pread)
    }

    fn open_archive(&self, archive: &Key) -> Result<Files> {
        Files::open(&self.path(archive))
    }

    fn descriptor(&self, key: &Key) -> Result<File> {
        let path = self.path(key);
        // A pipe of this name would keep the process that opens it waiting.
        let opened = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(&path);
        opened.map_err(|source| Error::new(Kind::Source, source).on(&path))
    }

    fn create(&self, archive: &Key, algorithm: Algorithm) -> Result<Box<dyn Draft>> {
        draft::create(&self.root, archive, algorithm)
    }

    fn remove_archive(&self, archive: &Key) -> Result<()> {
        archive::remove(&self.path(archive))
    }

    fn remove(&self, key: &Key) -> Result<()> {
        let path = self.path(key);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(Error::new(Kind::Write, source).on(&path))
            }
            _ => Ok(()),
        }
    }

    /// Those of volumes that have no turn any more, too.
    fn remove_left_overs(&self) {
        for name in names(&self.root).unwrap_or_default() {
            if let Ok(Some(folder)) = volume_folder(&self.root, &name) {
                archive::remove_left_overs(&folder);
            }
        }
    }

    fn lock(&self) -> Result<Box<dyn Lock>> {
        self.check()?;
        Ok(Box::new(Locked::lock(&self.root)?))
    }

    fn space(&self) -> Option<Space> {
        let found = statvfs(&self.root).ok()?;
        let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
        // Some filesystems in memory have no size.
        (found.f_blocks > 0)
            .then(|| Space { total_bytes: bytes(found.f_blocks), free_bytes: bytes(found.f_bavail) })
    }
}

/// The names in a folder that are UTF-8: no other is ours.
fn names(folder: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let entries = entries.map_err(|source| Error::new(Kind::Read, source).on(folder))?;
    Ok(entries.iter().filter_map(|entry| entry.file_name().into_string().ok()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::temporary::Name;

    #[test]
    fn what_killed_runs_left_goes_from_all_folders_and_nothing_else() {
        let destination = tempfile::tempdir().unwrap();
        let at = |name: &str| destination.path().join(name);
        let left = [&*Name::random().to_string(), ".web_x.tar.zst.voltar-aaaaaa.part", ".hidden"];
        fs::create_dir(at("web")).unwrap();
        left.iter().for_each(|name| fs::write(at("web").join(name), "").unwrap());
        let held = at("web").join(Name::random().to_string());
        let file = fs::File::create(&held).unwrap();
        file.lock().unwrap();
        FolderStore::at(destination.path()).remove_left_overs();
        let there = left.map(|name| at("web").join(name).exists());
        assert_eq!((there, held.exists()), ([false, true, true], true));
    }
}
