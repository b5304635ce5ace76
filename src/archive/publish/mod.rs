//! Publishing: an archive appears under its name complete, synced and with its sidecars, or not at
//! all.
//!
//! Two sides, so that two processes can do it:
//!
//! ```text
//! Publication   knows paths: settles, makes, names       Writers   has two open files and no path
//!    begin ──── files ────────────────────────────────────▶ new
//!                                                           archive and manifest are written
//!    seal  ◀─── Digests ─────────────────────────────────── finish
//!    publish (transaction.rs)
//! ```

mod files;
mod record;
mod removal;
mod settle;
mod transaction;
mod writers;

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::BorrowedFd;
use std::path::Path;

pub use files::ArchiveFiles;
pub(super) use files::checksum_line;
pub use removal::remove;
pub use settle::{remove_left_overs, settle};
pub use writers::{Digests, Writers};

use self::transaction::Transaction;
use super::write::writing::write_error;
use crate::error::{Error, Kind, Result};
use crate::temporary::{Folder, Temporary, told_full};

/// Files that are being written, of which nobody sees anything yet.
///
/// All that it opens it opens at the beginning: later it only names and removes, and only within
/// its folder, so that a process that is not allowed anything else can end it.
#[derive(Debug)]
pub struct Publication {
    target: ArchiveFiles,
    force: bool,
    folder: Folder,
    archive: Temporary,
    manifest: Temporary,
    checksum: Temporary,
    record: Temporary,
}

impl Publication {
    /// Ends what a killed process began here, removes what it left, and makes the files.
    ///
    /// # Errors
    ///
    /// [`Kind::Write`] when they can't be made, or when the archive's own state can't be mended.
    pub fn begin(target: ArchiveFiles, force: bool) -> Result<Self> {
        let path = target.folder();
        let failed = |source: io::Error| Error::new(Kind::Write, source).on(path);
        settle(&target.archive)?;
        let folder = Folder::open(path).map_err(failed)?;
        remove_left_overs(path);
        let make = || folder.make().map_err(failed);
        let (archive, manifest, checksum, record) = (make()?, make()?, make()?, make()?);
        Ok(Self { target, force, folder, archive, manifest, checksum, record })
    }

    /// The folder that the files are in.
    #[must_use]
    pub fn folder(&self) -> BorrowedFd<'_> {
        self.folder.as_fd()
    }

    /// The archive and the manifest, for who writes them.
    ///
    /// # Errors
    ///
    /// [`Kind::System`] when no more files can be open.
    pub fn files(&self) -> Result<(File, File)> {
        let copy =
            |file: &Temporary| file.file().try_clone().map_err(|source| Error::new(Kind::System, source));
        Ok((copy(&self.archive)?, copy(&self.manifest)?))
    }

    /// Writes the checksum file, and syncs all three. Without [`Sealed::publish`] they are gone
    /// afterwards.
    ///
    /// # Errors
    ///
    /// [`Kind::Write`] when something can't be written.
    pub fn seal(self, digests: &Digests) -> Result<Sealed> {
        let Self { target, force, folder, archive, manifest, checksum, record } = self;
        for (digest, path) in [(&digests.archive, &target.archive), (&digests.manifest, &target.manifest)] {
            let line = checksum_line(&digest.to_string(), path);
            let written = checksum.file().write_all(&line);
            written.map_err(|error| write_error(told_full(checksum.file(), error)))?;
        }
        for file in [&archive, &manifest, &checksum] {
            let synced = file.file().sync_all();
            synced.map_err(|error| write_error(told_full(file.file(), error)))?;
        }
        let transaction = Transaction { target, force, folder, archive, manifest, checksum, record };
        Ok(Sealed(transaction))
    }
}

/// Files that are written and synced, and lack nothing but their names. They are gone when this is
/// dropped.
#[derive(Debug)]
pub struct Sealed(Transaction);

impl Sealed {
    /// Gives the files their names.
    ///
    /// # Errors
    ///
    /// [`Kind::Write`] when something can't be named, [`Kind::Exists`] when somebody else was
    /// faster. When it fails, the files from before are there again.
    pub fn publish(self) -> Result<ArchiveFiles> {
        self.0.publish()
    }
}

/// The error of an operation in a folder.
fn failed(source: io::Error, path: &Path) -> Error {
    let kind = match source.kind() {
        io::ErrorKind::AlreadyExists => Kind::Exists,
        _ => Kind::Write,
    };
    Error::new(kind, source).on(path)
}
