//! A store in memory, in tests: it shows that lists, retention and verification need no folder.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};

use super::{Address, Draft, Key, Lock, Sealed, Shelf, Space, Standing, Store};
use crate::archive::read::{Checksum, Files};
use crate::archive::{Algorithm, Compression, Digests};
use crate::device::Device;
use crate::error::{Error, Kind, Result};

type Objects = Arc<Mutex<BTreeMap<Key, Vec<u8>>>>;

/// A store in memory.
#[derive(Debug, Default)]
pub struct Memory {
    objects: Objects,
    is_locked: Arc<AtomicBool>,
}

impl Memory {
    fn objects(&self) -> MutexGuard<'_, BTreeMap<Key, Vec<u8>>> {
        self.objects.lock().unwrap()
    }

    /// Puts an object into it.
    pub fn put(&self, key: &Key, bytes: &[u8]) {
        self.objects().insert(key.clone(), bytes.to_vec());
    }

    fn get(&self, key: &Key) -> Result<Vec<u8>> {
        let found = self.objects().get(key).cloned();
        found.ok_or_else(|| Error::new(Kind::Source, std::io::Error::from(std::io::ErrorKind::NotFound)))
    }
}

impl Store for Memory {
    fn address(&self) -> Address {
        "memory://tests".into()
    }

    fn check(&self) -> Result<()> {
        Ok(())
    }

    fn is_apart(&self) -> bool {
        true
    }

    fn folders(&self) -> Result<Vec<String>> {
        let folders: BTreeSet<String> = self.objects().keys().map(Key::folder).collect();
        Ok(folders.into_iter().collect())
    }

    fn names(&self, folder: &str) -> Result<Vec<String>> {
        let objects = self.objects();
        let keys = objects.keys().filter(|key| key.folder() == folder);
        Ok(keys.map(|key| key.file_name().to_str().unwrap().to_owned()).collect())
    }

    fn look(&self, key: &Key) -> Result<Option<Standing>> {
        Ok(self.objects().get(key).map(|bytes| Standing::Object(bytes.len() as u64)))
    }

    fn shelves(&self) -> Result<Vec<Shelf>> {
        let mut shelves: BTreeMap<String, Vec<Key>> = BTreeMap::new();
        for key in self.objects().keys() {
            if Compression::of_name(key.file_name().to_str().unwrap()).is_some() {
                shelves.entry(key.folder()).or_default().push(key.clone());
            }
        }
        let shelf = |(folder, archives): (String, Vec<Key>)| Shelf { folder: Key::new(folder), archives };
        Ok(shelves.into_iter().map(shelf).collect())
    }

    fn open(&self, key: &Key) -> Result<Device> {
        Ok(Arc::new(self.get(key)?))
    }

    fn open_archive(&self, archive: &Key) -> Result<Files> {
        let sums = Algorithm::ALL.into_iter().filter_map(|algorithm| {
            let key = archive.checksum(algorithm);
            let text = self.get(&key).ok()?;
            Some(Checksum { path: key.as_path().to_path_buf(), algorithm, text })
        });
        Ok(Files {
            path: archive.as_path().to_path_buf(),
            archive: self.open(archive)?,
            manifest_path: archive.manifest().as_path().to_path_buf(),
            manifest: self.open(&archive.manifest()).ok().map(Ok),
            checksums: sums.collect(),
            unread: Vec::new(),
        })
    }

    fn descriptor(&self, key: &Key) -> Result<File> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&self.get(key)?).unwrap();
        file.rewind().unwrap();
        Ok(file)
    }

    fn create(&self, archive: &Key, algorithm: Algorithm) -> Result<Box<dyn Draft>> {
        if self.look(archive)?.is_some() {
            return Err(Error::new(Kind::Exists, "exists already"));
        }
        let files = [tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap()];
        let objects = Arc::clone(&self.objects);
        Ok(Box::new(Written { archive: archive.clone(), algorithm, files, checksum: Vec::new(), objects }))
    }

    fn remove_archive(&self, archive: &Key) -> Result<()> {
        self.remove(archive)?;
        archive.sidecars().iter().try_for_each(|key| self.remove(key))
    }

    fn remove(&self, key: &Key) -> Result<()> {
        self.objects().remove(key);
        Ok(())
    }

    fn remove_left_overs(&self) {}

    fn lock(&self) -> Result<Box<dyn Lock>> {
        match self.is_locked.swap(true, Relaxed) {
            true => Err(Error::new(Kind::Exists, "is in use")),
            false => Ok(Box::new(Held(Arc::clone(&self.is_locked)))),
        }
    }

    fn space(&self) -> Option<Space> {
        let used = self.objects().values().map(|bytes| bytes.len() as u64).sum::<u64>();
        Some(Space { total_bytes: 1 << 30, free_bytes: (1 << 30) - used })
    }
}

#[derive(Debug)]
struct Held(Arc<AtomicBool>);

impl Lock for Held {}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.store(false, Relaxed);
    }
}

struct Written {
    archive: Key,
    algorithm: Algorithm,
    files: [File; 2],
    checksum: Vec<u8>,
    objects: Objects,
}

impl Draft for Written {
    fn files(&self) -> Result<(File, File)> {
        let [archive, manifest] = &self.files;
        Ok((archive.try_clone().unwrap(), manifest.try_clone().unwrap()))
    }

    fn seal(mut self: Box<Self>, digests: &Digests) -> Result<Box<dyn Sealed>> {
        let names = [&self.archive, &self.archive.manifest()].map(|key| key.file_name().to_owned());
        let digests = [&digests.archive, &digests.manifest];
        for (digest, name) in digests.iter().zip(&names) {
            writeln!(self.checksum, "{digest}  {}", name.to_str().unwrap()).unwrap();
        }
        Ok(self)
    }
}

impl Sealed for Written {
    fn commit(self: Box<Self>) -> Result<()> {
        let Self { archive, algorithm, files, checksum, objects } = *self;
        let [bytes, manifest] = files.map(|mut file| {
            let mut bytes = Vec::new();
            file.rewind().unwrap();
            file.read_to_end(&mut bytes).unwrap();
            bytes
        });
        let mut objects = objects.lock().unwrap();
        if objects.contains_key(&archive) {
            return Err(Error::new(Kind::Exists, "exists already"));
        }
        objects.insert(archive.checksum(algorithm), checksum);
        objects.insert(archive.manifest(), manifest);
        objects.insert(archive, bytes);
        Ok(())
    }
}
