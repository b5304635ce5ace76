//! A file for the use of this process and its children alone.

use std::fs::File;
use std::io;

use super::folder::Folder;

/// Makes a file without a name where this machine has temporary files (`TMPDIR`, `/tmp`).
///
/// # Errors
///
/// When it can't be made.
pub fn scratch() -> io::Result<File> {
    let folder = Folder::open(&std::env::temp_dir())?;
    folder.make()?.unname()
}
