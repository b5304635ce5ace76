//! Putting a whole file in the place of another: who reads it sees all of the old one or all of the
//! new one.

use std::io::{self, Write as _};
use std::path::Path;

use super::folder::{Folder, Over};
use super::full::told_full;
use super::occupied::{Standing, standing};
use crate::error::{Error, Kind, Result};

/// Writes a file with these permissions, and syncs it. What a killed process left in the folder is
/// removed.
///
/// # Errors
///
/// [`Kind::Write`] when it can't be written, [`Kind::Exists`] when something else than a regular
/// file is there.
pub fn replace(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let over = match standing(path)? {
        Standing::Nothing => Over::Nothing,
        Standing::File => Over::Anything,
    };
    try_replace(path, bytes, mode, over).map_err(|source| Error::new(Kind::Write, source).on(path))
}

fn try_replace(path: &Path, bytes: &[u8], mode: u32, over: Over) -> io::Result<()> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
    let folder = Folder::around(path)?;
    folder.clean();
    let made = folder.make_with(mode)?;
    let told = |error| told_full(made.file(), error);
    made.file().write_all(bytes).map_err(told)?;
    made.file().sync_all().map_err(told)?;
    made.place(name, over)?;
    folder.sync()
}
