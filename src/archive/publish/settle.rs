//! Ending what a process that was killed began: the next command does it before anything else.

use std::io::{self, Read as _};
use std::path::Path;

use rustix::fs::{FileType, FlockOperation, OFlags, Stat, flock, fstat};
use rustix::io::Errno;

use super::files::ArchiveFiles;
use super::record::{MOST_BYTES, ROLE, Record, State};
use super::removal;
use super::transaction::Steps;
use crate::error::{Error, Kind, Result};
use crate::format::digest::Algorithm;
use crate::printable::Printable;
use crate::temporary::{Folder, Name};

/// Mends the state of one archive whose publication was interrupted: the old files are back, or the
/// new ones complete. Where none was, this costs one look. One that is under way is left alone.
///
/// # Errors
///
/// [`Kind::Write`] when it was interrupted, and can't be mended here.
pub fn settle(archive: &Path) -> Result<()> {
    settle_one(archive, FlockOperation::NonBlockingLockExclusive)
}

/// As [`settle`], and waits for one that is under way.
pub(super) fn wait(archive: &Path) -> Result<()> {
    settle_one(archive, FlockOperation::LockExclusive)
}

fn settle_one(archive: &Path, lock: FlockOperation) -> Result<()> {
    let Some(name) = archive.file_name() else { return Ok(()) };
    let name = Record::name_of(name);
    let path = ArchiveFiles::new(archive, Algorithm::default()).folder().to_path_buf();
    match path.join(name.to_string()).symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        _ => {}
    }
    let settled = Folder::open(&path).and_then(|folder| settle_record(&folder, &name, lock));
    settled.map_err(|source| {
        let record = path.join(name.to_string());
        let message = format!(
            "its publication was interrupted, and can't be ended from here ({source}): run `voltar verify` as a \
             user who may write to its folder; the record of it is {}",
            Printable::path(&record)
        );
        Error::new(Kind::Write, message).on(archive)
    })
}

/// Ends all publications in a folder that were interrupted, and removes temporary files in it that
/// no process holds. What can't be mended or removed stays.
pub fn remove_left_overs(folder: &Path) {
    let Ok(folder) = Folder::open(folder) else { return };
    for name in folder.names().unwrap_or_default() {
        if name.role() == removal::ROLE {
            let _ = removal::end(&folder, &name);
        }
        if name.role() == ROLE {
            // A command that opens that archive reports the failure.
            let _ = settle_record(&folder, &name, FlockOperation::NonBlockingLockExclusive);
        }
    }
    folder.clean();
}

fn settle_record(folder: &Folder, name: &Name, lock: FlockOperation) -> io::Result<()> {
    let text = name.to_string();
    let Some(found) = folder.look(&text)? else { return Ok(()) };
    if !is_trusted(folder, &found)? {
        return Err(io::Error::other("another user made its record"));
    }
    let mut file = match folder.open_file(&text, OFlags::RDWR) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        file => file?,
    };
    loop {
        match flock(&file, lock) {
            Err(Errno::INTR) => {}
            Err(Errno::WOULDBLOCK) => return Ok(()),
            // A filesystem without locks has no protection against two runs at once.
            _ => break,
        }
    }
    let (open, named) = (fstat(&file)?, folder.look(&text)?);
    let identity = |found: &Stat| (found.st_dev, found.st_ino);
    if named.is_none_or(|named| identity(&named) != identity(&open)) {
        // The process that held it has ended it.
        return Ok(());
    }
    let mut bytes = Vec::new();
    file.by_ref().take(MOST_BYTES).read_to_end(&mut bytes)?;
    let record = Record::parse(&bytes).filter(|record| record.name() == *name);
    let Some(record) = record else {
        return Err(io::Error::other("its record can't be understood"));
    };
    let steps = Steps { folder, record: &record, file: &file };
    if record.state == State::Swapping && !steps.is_published()? {
        steps.undo()?;
    }
    steps.drop_all()
}

/// Whether a record is ours, or of the folder's owner where root runs: nobody else can make root
/// rename a file in a folder that all may write to.
fn is_trusted(folder: &Folder, found: &Stat) -> io::Result<bool> {
    let user = rustix::process::geteuid();
    let around = fstat(folder.as_fd())?;
    let is_file = FileType::from_raw_mode(found.st_mode) == FileType::RegularFile && found.st_nlink == 1;
    let is_shared = around.st_mode & 0o1002 != 0;
    let is_owners = user.is_root() && found.st_uid == around.st_uid && !is_shared;
    Ok(is_file && (found.st_uid == user.as_raw() || is_owners))
}
