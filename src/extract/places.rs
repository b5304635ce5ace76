//! The directories in which a run makes entries under temporary names, for the run after a kill.
//!
//! A file of a fixed form lies in the target: one slot for each entry that is being made at the same
//! time, with the path of its directory. A run that was killed leaves it. The next run into the same
//! target reads it, whatever it extracts, and cleans these directories. Nothing in the file is
//! trusted: it only says where to look for entries that are ours by their names.

use std::fs::File;
use std::os::fd::AsFd as _;
use std::os::unix::fs::FileExt as _;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::{FlockOperation, Mode, OFlags, flock};
use rustix::io::Errno;

use super::name::names;
use super::run::refused;
use super::target::ExtractDirectory;
use crate::error::Result;
use crate::temporary::{self, Folder, Name};

/// The role of the file.
pub(super) const ROLE: &str = "places";

/// Bytes of a slot: a length, and the longest path. A hole takes the place of what is not used.
const SLOT: u64 = (1 << 20) + 4096;
const LEN_BYTES: usize = 4;

/// Slots and files that are read.
const SLOTS_MOST: u64 = 4096;
const FILES_MOST: usize = 64;

/// Which of the slots are in use.
#[derive(Debug, Default)]
pub(super) struct Places(Mutex<Vec<bool>>);

/// A directory in which something is being made.
pub(super) struct Busy<'a> {
    places: &'a Places,
    slot: usize,
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        if let Some(is_used) = self.places.slots().get_mut(self.slot) {
            *is_used = false;
        }
    }
}

impl Places {
    fn slots(&self) -> MutexGuard<'_, Vec<bool>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that an entry is made in a directory from now on, until the answer is dropped.
    pub(super) fn enter(&self, file: Option<&File>, path: &[u8]) -> Result<Busy<'_>> {
        let mut slots = self.slots();
        let free = slots.iter().position(|is_used| !is_used);
        let slot = free.unwrap_or(slots.len());
        match slots.get_mut(slot) {
            Some(is_used) => *is_used = true,
            None => slots.push(true),
        }
        drop(slots);
        let busy = Busy { places: self, slot };
        file.map_or(Ok(()), |file| write(file, slot, path))?;
        Ok(busy)
    }
}

fn write(file: &File, index: usize, path: &[u8]) -> Result<()> {
    let at = u64::try_from(index).unwrap_or(u64::MAX).saturating_mul(SLOT);
    let len = u32::try_from(path.len()).unwrap_or(u32::MAX).to_le_bytes();
    let failed = |error: std::io::Error| {
        refused("the list of directories in work", Errno::from_io_error(&error).unwrap_or(Errno::IO))
    };
    file.write_all_at(&[&len[..], path].concat(), at).map_err(failed)
}

/// Opens the files that killed runs left in the target, and locks them. No byte is read.
pub(super) fn left_over(folder: &Folder) -> Vec<(Name, File)> {
    let names = folder.names().unwrap_or_default().into_iter().filter(|name| name.role() == ROLE);
    let open = |name: Name| {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = folder.open_file(name.to_string(), flags).ok()?;
        let is_file = file.metadata().is_ok_and(|found| found.is_file());
        let is_free = flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok();
        (is_file && is_free).then_some((name, file))
    };
    names.filter_map(open).take(FILES_MOST).collect()
}

/// Removes what killed runs had begun in the directories that a file names.
pub(super) fn clean(target: &ExtractDirectory, file: &File) {
    for slot in 0..SLOTS_MOST {
        let Some(path) = read(file, slot) else { break };
        let Ok(names) = names(&path) else { continue };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        if let Ok(directory) = target.open_below(&names, flags, Mode::empty()) {
            temporary::sweep(directory.as_fd());
        }
    }
}

/// The path in a slot; `None` behind the last one.
fn read(file: &File, slot: u64) -> Option<Vec<u8>> {
    let at = slot.checked_mul(SLOT)?;
    let mut len = [0; LEN_BYTES];
    file.read_exact_at(&mut len, at).ok()?;
    let len = u32::from_le_bytes(len);
    if u64::from(len) >= SLOT {
        return None;
    }
    let mut path = vec![0; usize::try_from(len).ok()?];
    file.read_exact_at(&mut path, at.checked_add(LEN_BYTES.try_into().ok()?)?).ok()?;
    Some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_read_as_it_was_written_and_what_is_cut_ends_the_list() {
        let file = tempfile::tempfile().unwrap();
        let long = b"n".repeat(1 << 20);
        for (index, path) in [b"".as_slice(), b"d/e", &long, b"f"].into_iter().enumerate() {
            write(&file, index, path).unwrap();
            assert_eq!(read(&file, index as u64).unwrap(), path);
        }
        write(&file, 1, b"x").unwrap();
        assert_eq!((read(&file, 1).unwrap(), read(&file, 4)), (b"x".to_vec(), None));
        file.set_len(SLOT * 2 + 100).unwrap();
        assert_eq!((read(&file, 2), read(&file, 3)), (None, None));
        // A length that no path has.
        file.write_all_at(&u32::MAX.to_le_bytes(), 0).unwrap();
        assert_eq!(read(&file, 0), None);
    }
}
