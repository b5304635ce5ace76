//! Entries that are made by the thousand in a tree of folders, as `extract` makes them.
//!
//! A link and a device node can't be locked, and only a regular file can be made without a name.
//! So these entries have no locks of their own: a process that makes them holds a shared lock of
//! each folder in which it does. A process that gets that lock alone knows that nobody makes any
//! there, and removes those that a killed one left.

use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use rustix::fs::{AtFlags, Dir, FlockOperation, flock, unlinkat};
use rustix::io::Errno;

use super::name::Name;

/// Prefix of their roles.
const START: &str = "extract-";

/// How often we try to lock a folder that another process cleans, and the time between. Cleaning
/// takes a few milliseconds. Somebody who keeps the lock out of spite must not hold us up for long.
const ATTEMPTS: usize = 10;
const PAUSE: Duration = Duration::from_millis(1);

/// The names of one process's entries.
#[derive(Debug)]
pub struct Names {
    id: u64,
    made: AtomicU64,
}

impl Names {
    /// Names with this number.
    #[must_use]
    pub fn new(id: u64) -> Self {
        Self { id, made: AtomicU64::new(0) }
    }

    /// A name that no other entry has.
    #[must_use]
    pub fn next(&self) -> Name {
        let number = self.made.fetch_add(1, Relaxed);
        // A process that resumes the work of a killed one has the same number.
        Name::new(self.id, &format!("{START}{:x}-{number:x}", std::process::id()))
    }
}

/// Locks a folder in which this process is about to make entries, as long as it is open. `is_fresh`
/// says that this process made the folder. In another one the entries of killed processes are
/// removed first.
pub fn enter(folder: BorrowedFd<'_>, is_fresh: bool) {
    if !is_fresh {
        sweep(folder);
    }
    for _ in 0..ATTEMPTS {
        // Without a lock, as on filesystems that have none, only the protection is missing.
        if flock(folder, FlockOperation::NonBlockingLockShared) != Err(Errno::WOULDBLOCK) {
            break;
        }
        thread::sleep(PAUSE);
    }
}

/// Whether an entry of this role is made in this way.
pub(super) fn is_shared(role: &str) -> bool {
    role.starts_with(START)
}

/// Removes such entries, where no process makes any in the folder. If so, the folder is locked
/// afterwards, as long as it is open.
pub fn sweep(folder: BorrowedFd<'_>) {
    if flock(folder, FlockOperation::NonBlockingLockExclusive).is_err() {
        return;
    }
    let Ok(listing) = Dir::read_from(folder) else { return };
    for entry in listing.flatten() {
        if Name::parse(entry.file_name().to_bytes()).is_some_and(|name| is_shared(name.role())) {
            // The next one tries again.
            let _ = unlinkat(folder, entry.file_name(), AtFlags::empty());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::fd::AsFd as _;
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    use super::super::Folder;
    use super::*;

    #[test]
    fn what_a_killed_process_left_goes_and_what_is_being_made_stays() {
        let place = tempfile::tempdir().unwrap();
        let names = Names::new(7);
        let at = |name: &Name| -> PathBuf { place.path().join(name.to_string()) };
        let (file, link, further) = (names.next(), names.next(), names.next());
        assert_ne!(file, link);
        let make = || {
            fs::write(at(&file), "half of").unwrap();
            symlink("elsewhere", at(&link)).unwrap();
            fs::hard_link(place.path().join("own"), at(&further)).unwrap();
        };
        let foreign = ["own", ".voltar-7.extract-1-1", ".voltar-00000000000000070000.extract-1-1"];
        foreign.iter().for_each(|name| fs::write(place.path().join(name), "").unwrap());
        make();
        let busy = fs::File::open(place.path()).unwrap();
        enter(busy.as_fd(), true);
        let count = || fs::read_dir(place.path()).unwrap().count();
        let other = fs::File::open(place.path()).unwrap();
        enter(other.as_fd(), false);
        Folder::open(place.path()).unwrap().clean();
        assert_eq!(count(), 6);
        drop((busy, other));
        Folder::open(place.path()).unwrap().clean();
        assert_eq!(count(), 3);
        make();
        let next = fs::File::open(place.path()).unwrap();
        enter(next.as_fd(), false);
        assert_eq!(count(), 3);
        // Cleaning keeps no lock.
        let folder = Folder::open(place.path()).unwrap();
        folder.clean();
        flock(fs::File::open(place.path()).unwrap(), FlockOperation::NonBlockingLockShared).unwrap();
    }
}
