//! Tells what a folder on the command line means: a destination, with a folder for each volume, or
//! one volume's folder.
//!
//! All commands that take a folder ask here, so it means the same to each of them.

use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::error::{Error, Kind, Result};
use crate::printable::Printable;
use crate::store::folder::FolderStore;
use crate::store::names::folder_of;
use crate::store::{Shelf, Store, archives};

/// Volumes of a destination.
#[derive(Debug, PartialEq, Eq)]
pub struct Scope {
    /// The destination.
    pub destination: PathBuf,
    /// The folders of volumes in it that are meant, by name.
    pub volumes: Vec<String>,
}

impl Scope {
    /// Finds the volumes that a folder and names of volumes stand for: all of a destination where
    /// none is named.
    ///
    /// # Errors
    ///
    /// When the folder can't be read, is a file, or has no archives of a volume that is named.
    pub fn of(folder: &Path, named: &[String]) -> Result<Self> {
        check_folder(folder)?;
        let (destination, all) = match volume_folder(folder)? {
            Some((destination, volume)) => (destination, vec![volume]),
            None => (folder.to_path_buf(), archives::volumes(&FolderStore::at(folder))?),
        };
        if named.is_empty() {
            return Ok(Self { destination, volumes: all });
        }
        let found = named.iter().map(|name| {
            // As the folder is called, or as the volume is: `GROUP/VOLUME`.
            let volume = if all.contains(name) { name.clone() } else { folder_of(name) };
            match all.contains(&volume) {
                true => Ok(volume),
                false => Err(nothing_of(name, folder, &all)),
            }
        });
        let volumes = found.collect::<Result<_>>()?;
        Ok(Self { destination, volumes })
    }
}

/// All archives in a folder and below it, whatever they are called: those of other programs too.
/// Each folder that has some is a shelf; there is one at least.
///
/// # Errors
///
/// When a folder can't be read, is a file, or there is no archive.
pub fn shelves(folder: &Path) -> Result<(Box<dyn Store>, Vec<Shelf>)> {
    check_folder(folder)?;
    let store = FolderStore::at(folder);
    let shelves = store.shelves()?;
    if shelves.is_empty() {
        let message =
            "there is no archive in this folder or below: name the folder of the backups, or of one volume";
        return Err(Error::new(Kind::Source, message).on(folder));
    }
    Ok((Box::new(store), shelves))
}

/// Checks that a folder is one.
fn check_folder(folder: &Path) -> Result<()> {
    let error = match fs::metadata(folder) {
        Ok(metadata) if metadata.is_dir() => return Ok(()),
        Ok(_) => {
            let message = "is a file, and a folder is wanted: that of the backups, or of one volume";
            Error::new(Kind::Usage, message)
        }
        Err(source) if source.kind() == io::ErrorKind::NotFound => {
            let message = "there is no such folder: name that of the backups, or of one volume";
            Error::new(Kind::Source, message)
        }
        Err(source) => Error::new(Kind::Source, source),
    };
    Err(error.on(folder))
}

/// The destination and the volume of a folder in which archives are named after it.
fn volume_folder(folder: &Path) -> Result<Option<(PathBuf, String)>> {
    // First the path as the user wrote it, since a link to a volume's folder may have the volume's
    // name. Then the resolved path, for `.` and others.
    let whole = fs::canonicalize(folder).map_err(|source| Error::new(Kind::Source, source).on(folder))?;
    for path in [folder, &whole] {
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        if archives::is_volume(&FolderStore::at(parent), name)? {
            return Ok(Some((parent.to_path_buf(), name.to_owned())));
        }
    }
    Ok(None)
}

fn nothing_of(name: &str, folder: &Path, all: &[String]) -> Error {
    const MOST_NAMES: usize = 20;
    let there: Vec<String> =
        all.iter().take(MOST_NAMES).map(|volume| Printable(volume.as_bytes()).to_string()).collect();
    let rest = all.len().saturating_sub(there.len());
    let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
    let there = if there.is_empty() { "none".to_owned() } else { there.join(", ") };
    let message =
        format!("there are no archives of {}; volumes here: {there}{more}", Printable(name.as_bytes()));
    Error::new(Kind::Source, message).on(folder)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    const WEB: &str = "web/web_2026-05-09T010203Z.tar.zst";
    const DB: &str = "db/db_2026-05-09T010203Z.tar.zst";

    fn destination(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        folder
    }

    #[test]
    fn a_folder_is_a_destination_or_one_volumes_folder() {
        let folder = destination(&[WEB, DB, "lost+found/x", "other/web_2026-05-09T010203Z.tar.zst"]);
        let at = |name: &str| folder.path().join(name);
        symlink(at("web"), at("latest")).unwrap();
        let whole = fs::canonicalize(folder.path()).unwrap();
        let cases: [(PathBuf, &[&str], &Path, &[&str]); 7] = [
            (at(""), &[], &at(""), &["db", "web"]),
            (at(""), &["web"], &at(""), &["web"]),
            (at(""), &["vg0/web"], &at(""), &["web"]),
            (at("web"), &[], folder.path(), &["web"]),
            (at("web/"), &["vg0/web"], folder.path(), &["web"]),
            (at("db/../web"), &[], &at("db/.."), &["web"]),
            (at("latest"), &[], &whole, &["web"]),
        ];
        for (path, named, destination, volumes) in cases {
            let named: Vec<String> = named.iter().map(|name| (*name).to_owned()).collect();
            let scope = Scope::of(&path, &named).unwrap();
            assert_eq!(
                (scope.destination.as_path(), scope.volumes),
                (destination, volumes.iter().map(|volume| (*volume).to_owned()).collect()),
                "{path:?}"
            );
        }
        let error = Scope::of(folder.path(), &["mail".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("no archives of mail; volumes here: db, web"), "{error}");
        let error = Scope::of(&at("web"), &["db".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("volumes here: web"), "{error}");
    }

    #[test]
    fn all_archives_below_are_found_folder_by_folder() {
        let folder =
            destination(&[WEB, DB, "web/a.tar.gz", "web/notes.txt", "web/.hidden.tar.zst", "deep/er/b.tar"]);
        let at = |name: &str| folder.path().join(name);
        let elsewhere = destination(&["c.tar"]);
        symlink(elsewhere.path(), at("linked")).unwrap();
        symlink(folder.path(), at("deep/circle")).unwrap();
        let (_, found) = shelves(folder.path()).unwrap();
        let names: Vec<Vec<&str>> = found
            .iter()
            .map(|shelf| shelf.archives.iter().map(|key| key.file_name().to_str().unwrap()).collect())
            .collect();
        let expected: [&[&str]; 4] = [
            &["db_2026-05-09T010203Z.tar.zst"],
            &["b.tar"],
            &["c.tar"],
            &["a.tar.gz", "web_2026-05-09T010203Z.tar.zst"],
        ];
        assert_eq!(names, expected);
        assert_eq!(shelves(&at("web")).unwrap().1.len(), 1);
    }

    #[test]
    fn what_is_no_folder_or_has_no_archive_is_said() {
        let folder = destination(&[WEB, "empty/x"]);
        let at = |name: &str| folder.path().join(name);
        for (path, said) in
            [(at(WEB), "is a file, and a folder is wanted"), (at("nosuch"), "there is no such folder")]
        {
            assert!(shelves(&path).unwrap_err().to_string().contains(said), "{path:?}");
            assert!(Scope::of(&path, &[]).unwrap_err().to_string().contains(said), "{path:?}");
        }
        assert!(shelves(&at("empty")).unwrap_err().to_string().contains("no archive in this folder"));
    }
}
