//! Removing an archive with its sidecars, so that a kill leaves nothing for ever.
//!
//! A mark with the archive's name is there meanwhile. The archive goes first. When the next command
//! finds a mark and no archive, it removes the sidecars.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read as _, Write as _};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::Path;

use super::files::ArchiveFiles;
use super::record::MOST_BYTES;
use crate::error::{Error, Kind, Result};
use crate::format::digest::Algorithm;
use crate::temporary::{Folder, Name, Temporary};

/// The role of a mark's name.
pub(super) const ROLE: &str = "removing";

/// Removes an archive and what stands beside it. That something is not there is as good.
///
/// # Errors
///
/// [`Kind::Write`] when something can't be removed.
pub fn remove(archive: &Path) -> Result<()> {
    let target = ArchiveFiles::new(archive, Algorithm::default());
    let Some(name) = archive.file_name() else { return Ok(()) };
    let removed = Folder::open(target.folder()).and_then(|folder| {
        let mark = Name::of_bytes(name.as_bytes(), ROLE);
        folder.remove(mark.to_string())?;
        // A full disk has no space for a mark, and needs the removal the most.
        let _mark = make(&folder, &mark, name).ok();
        folder.remove(name)?;
        remove_sidecars(&folder, name)
    });
    removed.map_err(|source| Error::new(Kind::Write, source).on(archive))
}

/// Makes a mark, which goes when this is dropped.
fn make(folder: &Folder, mark: &Name, archive: &OsStr) -> io::Result<Temporary> {
    let mut made = folder.make()?;
    made.file().write_all(archive.as_bytes())?;
    made.stage(mark)?;
    Ok(made)
}

/// Ends a removal that was interrupted, whose mark is there.
pub(super) fn end(folder: &Folder, mark: &Name) -> io::Result<()> {
    let text = mark.to_string();
    let Some(file) = folder.hold(&text) else { return Ok(()) };
    let mut bytes = Vec::new();
    (&file).take(MOST_BYTES).read_to_end(&mut bytes)?;
    let name = OsString::from_vec(bytes);
    let is_of_mark = !name.as_bytes().contains(&b'/') && Name::of_bytes(name.as_bytes(), ROLE) == *mark;
    if !folder.is_own(&text)? || !is_of_mark {
        return Ok(());
    }
    if folder.look(&name)?.is_none() {
        remove_sidecars(folder, &name)?;
    }
    folder.remove(&text)
}

fn remove_sidecars(folder: &Folder, archive: &OsStr) -> io::Result<()> {
    let target = ArchiveFiles::new(Path::new(archive), Algorithm::default());
    target.all().iter().skip(1).try_for_each(|sidecar| folder.remove(sidecar))
}
