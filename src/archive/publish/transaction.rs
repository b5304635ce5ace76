//! Giving the files of an archive their names, all or none.
//!
//! ```text
//! record made        the final names are as they were
//! new files staged   archive, manifest, checksum under hidden names
//! old files saved    a second, hidden name for each (a hard link)
//! record: swapping
//! swap               the checksum files, the manifest, the archive
//! tidy               second names and record removed
//! ```
//!
//! A failure puts back what was there. A process that is killed leaves the record, by which the
//! next command does the same ([`super::settle`]): it puts the old files back as long as the new
//! archive does not have its name, and tidies afterwards.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use rustix::fs::FileType;

use super::files::{ArchiveFiles, exists};
use super::record::{Record, Slot, State};
use super::{failed, settle};
use crate::archive::write::writing::write_error;
use crate::error::{Error, Kind, Result};
use crate::temporary::{Folder, Over, Standing, Temporary, standing};

/// How often a record that somebody else holds is waited for.
const ATTEMPTS: usize = 100;

/// Three files that lack nothing but their names, and a fourth for the record.
#[derive(Debug)]
pub(super) struct Transaction {
    pub(super) target: ArchiveFiles,
    pub(super) force: bool,
    pub(super) folder: Folder,
    pub(super) archive: Temporary,
    pub(super) manifest: Temporary,
    pub(super) checksum: Temporary,
    pub(super) record: Temporary,
}

impl Transaction {
    pub(super) fn publish(self) -> Result<ArchiveFiles> {
        let Self { target, force, folder, archive, manifest, checksum, record } = self;
        let len = |file: &Temporary| file.file().metadata().map(|found| found.len()).map_err(write_error);
        let names = Record {
            state: State::Preparing,
            algorithm: target.algorithm,
            lens: [len(&archive)?, len(&manifest)?, len(&checksum)?],
            archive: target.archive.file_name().unwrap_or_default().to_owned(),
        };
        let file = claim(&target, &names, record)?;
        let steps = Steps { folder: &folder, record: &names, file: &file };
        let staged = steps.prepare(&target, force, [archive, manifest, checksum]);
        let held = match staged {
            Ok(held) => held,
            Err(error) => {
                // The final names are as they were, so what can't be removed does no harm.
                let _ = steps.drop_all();
                return Err(error);
            }
        };
        if let Err(error) = steps.swap(&target, force) {
            return Err(match steps.undo().and_then(|()| steps.drop_all()) {
                Ok(()) => error,
                Err(undo) => error.because(
                    "",
                    format_args!(
                        "; the files from before could not be put back ({undo}): the next command for this \
                         archive tries again"
                    ),
                ),
            });
        }
        // All is there. The next command removes what stays here.
        let _ = steps.drop_all();
        drop(held);
        Ok(target)
    }
}

/// Makes the record. One that is there belongs to another process, for which we wait, or was left.
fn claim(target: &ArchiveFiles, names: &Record, mut record: Temporary) -> Result<Arc<File>> {
    record.file().write_all_at(&names.bytes(), 0).map_err(write_error)?;
    record.file().sync_all().map_err(write_error)?;
    for _ in 0..ATTEMPTS {
        match record.stage(&names.name()) {
            Ok(()) => return Ok(record.leave()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => settle::wait(&target.archive)?,
            Err(source) => return Err(failed(source, &target.archive)),
        }
    }
    Err(Error::new(Kind::Exists, "is published again and again by other processes").on(&target.archive))
}

/// The work in a folder for one record, whose lock this process holds.
pub(super) struct Steps<'a> {
    pub(super) folder: &'a Folder,
    pub(super) record: &'a Record,
    pub(super) file: &'a File,
}

impl Steps<'_> {
    /// Stages the new files, and gives the old ones a second name.
    fn prepare(&self, target: &ArchiveFiles, force: bool, files: [Temporary; 3]) -> Result<[Arc<File>; 3]> {
        let slots = self.record.slots();
        let failed = |source| failed(source, &target.archive);
        for slot in &slots {
            // The record is ours alone: files with its number are of nobody.
            let names = slot.new.iter().map(|(name, _)| name).chain([&slot.old]);
            names.into_iter().try_for_each(|name| self.folder.remove(name.to_string())).map_err(failed)?;
        }
        for path in target.all() {
            if standing(&path)? == Standing::File && !force {
                return Err(exists(&path));
            }
        }
        let [mut archive, mut manifest, mut checksum] = files;
        let name = self.record.name();
        archive.stage(&name.with_role("archive")).map_err(failed)?;
        manifest.stage(&name.with_role("manifest")).map_err(failed)?;
        checksum.stage(&name.with_role("checksum")).map_err(failed)?;
        for slot in slots.iter().filter(|_| force) {
            // On a filesystem without hard links it is renamed, later.
            let _ = self.folder.link(&slot.name, slot.old.to_string());
        }
        let held = [archive.leave(), manifest.leave(), checksum.leave()];
        self.folder.sync().map_err(failed)?;
        self.set(State::Swapping).map_err(failed)?;
        Ok(held)
    }

    fn set(&self, state: State) -> io::Result<()> {
        self.file.write_all_at(&[state.byte()], 0)?;
        self.file.sync_data()
    }

    /// Gives the new files their names, and makes the names last.
    fn swap(&self, target: &ArchiveFiles, force: bool) -> Result<()> {
        for slot in self.record.slots() {
            let path = target.folder().join(&slot.name);
            if standing(&path)? == Standing::File && !force {
                return Err(exists(&path));
            }
            self.swap_one(&slot).map_err(|source| match source.kind() {
                io::ErrorKind::AlreadyExists => exists(&path),
                _ => Error::new(Kind::Write, source).on(&path),
            })?;
        }
        self.folder.sync().map_err(|source| failed(source, &target.archive))
    }

    fn swap_one(&self, slot: &Slot) -> io::Result<()> {
        let old = slot.old.to_string();
        let is_there = self.folder.look(&slot.name)?.is_some();
        let is_saved = self.folder.look(&old)?.is_some();
        if is_there && !is_saved {
            self.folder.rename(&slot.name, &old, Over::Nothing)?;
        }
        match &slot.new {
            Some((new, _)) => {
                let over = if is_saved { Over::Anything } else { Over::Nothing };
                self.folder.rename(new.to_string(), &slot.name, over)
            }
            None if is_there && is_saved => self.folder.remove(&slot.name),
            None => Ok(()),
        }
    }

    /// Whether the new archive has its name: then all is there.
    pub(super) fn is_published(&self) -> io::Result<bool> {
        let slots = self.record.slots();
        let Some(Slot { name, new: Some((new, len)), .. }) = slots.last() else { return Ok(false) };
        Ok(self.folder.look(new.to_string())?.is_none() && self.is_file_of(name, *len)?)
    }

    fn is_file_of(&self, name: &std::ffi::OsStr, len_bytes: u64) -> io::Result<bool> {
        let found = self.folder.look(name)?;
        Ok(found.is_some_and(|found| {
            let is_file = FileType::from_raw_mode(found.st_mode) == FileType::RegularFile;
            is_file && u64::try_from(found.st_size) == Ok(len_bytes)
        }))
    }

    /// Puts back what was there before, the archive first, and says in the record that it is there.
    pub(super) fn undo(&self) -> io::Result<()> {
        for slot in self.record.slots().iter().rev() {
            let old = slot.old.to_string();
            if let Some((new, len)) = &slot.new
                && self.folder.look(new.to_string())?.is_none()
                && self.is_file_of(&slot.name, *len)?
            {
                self.folder.rename(&slot.name, new.to_string(), Over::Nothing)?;
            }
            if self.folder.look(&old)?.is_some() {
                self.folder.rename(&old, &slot.name, Over::Anything)?;
                // Two names of one file: renaming the one to the other does nothing.
                self.folder.remove(&old)?;
            }
        }
        self.folder.sync()?;
        self.set(State::Preparing)
    }

    /// Removes the hidden files, the record last.
    pub(super) fn drop_all(&self) -> io::Result<()> {
        for slot in self.record.slots() {
            if let Some((new, _)) = &slot.new {
                self.folder.remove(new.to_string())?;
            }
            self.folder.remove(slot.old.to_string())?;
        }
        self.folder.remove(self.record.name().to_string())
    }
}
