//! All archives below a folder, whoever made them.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use crate::archive::Compression;
use crate::error::{Error, Kind, Result};
use crate::store::{Key, Shelf};

/// Depth of the folders below one that is searched for archives.
const FOLDERS_MOST: usize = 8;

pub(super) fn shelves(root: &Path) -> Result<Vec<Shelf>> {
    let mut shelves = Vec::new();
    collect(root, Path::new(""), 0, &mut shelves)?;
    Ok(shelves)
}

fn collect(root: &Path, below: &Path, depth: usize, shelves: &mut Vec<Shelf>) -> Result<()> {
    let folder = if below.as_os_str().is_empty() { root.to_path_buf() } else { root.join(below) };
    let refused = |source| Error::new(Kind::Source, source).on(&folder);
    let mut names: Vec<OsString> = Vec::new();
    for entry in fs::read_dir(&folder).map_err(refused)? {
        names.push(entry.map_err(refused)?.file_name());
    }
    names.sort();
    let (mut archives, mut folders) = (Vec::new(), Vec::new());
    // Hidden ones are being written.
    for name in names.iter().filter(|name| !name.as_encoded_bytes().starts_with(b".")) {
        let path = folder.join(name);
        let is_archive = Compression::of_name(&name.to_string_lossy()).is_some();
        if path.is_dir() {
            // Right below a destination a link is a volume's folder that lies elsewhere; deeper, it
            // may lead in circles.
            let is_followed = depth == 0 || !path.is_symlink();
            folders.extend(is_followed.then(|| below.join(name)));
        } else if is_archive && path.is_file() {
            archives.extend(Key::new(below.join(name)));
        }
    }
    if !archives.is_empty() {
        shelves.push(Shelf { folder: Key::new(below), archives });
    }
    if depth < FOLDERS_MOST {
        let depth = depth.saturating_add(1);
        folders.iter().try_for_each(|folder| collect(root, folder, depth, shelves))?;
    }
    Ok(())
}
