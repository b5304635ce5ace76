//! From what a person names to archives: folders, and whatever a shell makes of `*`.

use std::path::{Path, PathBuf};

use crate::archive::{Algorithm, ArchiveFiles, Compression};
use crate::calendar;
use crate::error::{Error, Kind, Result};
use crate::store::Shelf;
use crate::store::choice::Choice;
use crate::store::scope::shelves;

/// The archives that are meant.
#[derive(Debug, Default)]
pub(super) struct Archives {
    pub archives: Vec<PathBuf>,
    /// Whether a folder was among what was named.
    pub has_folders: bool,
    /// How many archives of the folders have no turn.
    pub passed_over: u64,
}

/// Finds the archives, each once. A manifest or a checksum file stands for the archive that it is
/// beside.
pub(super) fn archives(named: &[PathBuf], choice: &Choice) -> Result<Archives> {
    let mut found = Archives::default();
    let (mut all, mut paths): (Vec<Shelf>, Vec<PathBuf>) = Default::default();
    for path in named {
        if path.is_dir() {
            found.has_folders = true;
            let (store, shelves) = shelves(path)?;
            let keys = shelves.iter().flat_map(|shelf| &shelf.archives);
            paths.extend(keys.map(|key| store.address().of(key).as_path().to_path_buf()));
            all.extend(shelves);
        } else {
            found.add(archive_of(path));
        }
    }
    if !choice.is_all() && !found.has_folders {
        let message = "--newest and --sample choose among the archives of a folder: name a folder";
        return Err(Error::new(Kind::Usage, message));
    }
    for (path, is_chosen) in paths.into_iter().zip(choice.flags(&all, calendar::now())) {
        match is_chosen {
            true => found.add(path),
            false => found.passed_over = found.passed_over.saturating_add(1),
        }
    }
    Ok(found)
}

impl Archives {
    fn add(&mut self, path: PathBuf) {
        if !self.archives.contains(&path) {
            self.archives.push(path);
        }
    }
}

/// The archive that a path means.
fn archive_of(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    for compression in [Compression::Zstd, Compression::Gzip, Compression::None] {
        let ending = compression.ending();
        for (at, _) in name.match_indices(ending) {
            let archive = path.with_file_name(name.get(..at.saturating_add(ending.len())).unwrap_or(&name));
            let is_beside = |algorithm| {
                let target = ArchiveFiles::new(&archive, algorithm);
                target.manifest == path || target.checksum == path
            };
            if Algorithm::ALL.into_iter().any(is_beside) && archive.is_file() {
                return archive;
            }
        }
    }
    path.to_path_buf()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_beside_an_archive_means_the_archive() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["a.tar.zst", "b.tar.gz", "c.tar"] {
            std::fs::write(at(name), "").unwrap();
            for ending in ["", ".manifest.jsonl.zst", ".sha1", ".sha256", ".blake3"] {
                let path = at(&format!("{name}{ending}"));
                assert_eq!(archive_of(&path), at(name), "{path:?}");
            }
        }
        // Whose archive is not there is itself what is meant.
        assert_eq!(archive_of(&at("d.tar.zst.sha1")), at("d.tar.zst.sha1"));
        let all: Vec<PathBuf> = ["a.tar.zst", "a.tar.zst.sha1", "b.tar.gz", "a.tar.zst.manifest.jsonl.zst"]
            .iter()
            .map(|name| at(name))
            .collect();
        let found = archives(&all, &Choice::default()).unwrap();
        assert_eq!(found.archives, [at("a.tar.zst"), at("b.tar.gz")]);
        assert!(archives(&all, &Choice { newest: true, sample: None }).is_err());
        let found = archives(&[folder.path().to_owned()], &Choice { newest: true, sample: None }).unwrap();
        assert_eq!((found.archives, found.passed_over), (vec![at("c.tar")], 2));
    }
}
