//! What becomes of a name that something has already.

use std::os::fd::AsFd as _;
use std::sync::atomic::Ordering::Relaxed;

use rustix::fs::{Statx, readlinkat};
use rustix::io::Errno;

use super::Existing;
use super::directory::Directory;
use super::run::{Run, refused, stat_at};
use super::target::{changed, modified};
use crate::error::{Error, Kind, Result};
use crate::filesystem::{FileKind, Timestamp};
use crate::printable::Printable;
use crate::view::Item;

/// Latest time that filesystems with 32 bits of seconds have.
const CLIPPED: i64 = 0x7fff_ffff;

/// Digits that times lose: filesystems keep nanoseconds, 100 of them, microseconds or seconds.
const GRAINS: [u32; 4] = [1, 100, 1000, 1_000_000_000];

/// What shall be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// The entry is made; nothing has its name.
    Make,
    /// The entry is made, and replaces what has its name.
    Replace,
    /// It stays as it is.
    Leave,
}

impl Run<'_> {
    /// Looks what has the name, and decides.
    pub(super) fn look(&self, directory: &Directory, name: &[u8], item: &Item) -> Result<Then> {
        match stat_at(directory.file.as_fd(), name) {
            Ok(stat) => self.decide(directory, name, item, &stat),
            Err(Errno::NOENT) => Ok(Then::Make),
            Err(errno) => Err(refused("its name", errno)),
        }
    }

    fn decide(&self, directory: &Directory, name: &[u8], item: &Item, stat: &Statx) -> Result<Then> {
        let began = self.target.began();
        let is_since = changed(stat) >= began;
        if is_since && self.target.is_trusted() && agrees(directory, name, item, stat) {
            self.made_before.fetch_add(1, Relaxed);
            if item.link.is_none() {
                self.later(item, stat);
            }
            return Ok(Then::Leave);
        }
        if kind_of(stat) == 0o040_000 {
            return Err(Error::new(Kind::Unsupported, "not extracted: a directory has its name"));
        }
        // An earlier member of the same name, or what was not written to the disk when the host went down.
        let is_ours =
            is_since && (modified(stat) < began || self.target.is_resumed() && !self.target.is_trusted());
        match self.request.existing {
            _ if is_ours => Ok(Then::Replace),
            Existing::Overwrite => Ok(Then::Replace),
            Existing::Keep => {
                self.kept.fetch_add(1, Relaxed);
                Ok(Then::Leave)
            }
            Existing::Refuse => Err(exists(&item.path)),
        }
    }
}

/// The error of a file that is there already.
pub(super) fn exists(path: &[u8]) -> Error {
    let message = format!(
        "{} is there already: --overwrite replaces such files, --keep leaves them as they are",
        Printable(path)
    );
    Error::new(Kind::Exists, message)
}

/// The type of an inode, as `st_mode` has it.
pub(super) fn kind_of(stat: &Statx) -> u16 {
    stat.stx_mode & 0o170_000
}

/// Whether what is there is what would be made.
fn agrees(directory: &Directory, name: &[u8], item: &Item, stat: &Statx) -> bool {
    let is_of_kind = match item.kind {
        // What a further name leads to is looked at when it is made.
        _ if item.link.is_some() => return false,
        FileKind::Regular | FileKind::Image => kind_of(stat) == 0o100_000 && stat.stx_size == item.size,
        FileKind::Symlink => {
            kind_of(stat) == 0o120_000
                && readlinkat(&directory.file, name, Vec::new())
                    .is_ok_and(|target| Some(target.as_bytes()) == item.target.as_deref())
        }
        FileKind::CharacterDevice { major, minor } => {
            kind_of(stat) == 0o020_000 && (stat.stx_rdev_major, stat.stx_rdev_minor) == (major, minor)
        }
        FileKind::BlockDevice { major, minor } => {
            kind_of(stat) == 0o060_000 && (stat.stx_rdev_major, stat.stx_rdev_minor) == (major, minor)
        }
        FileKind::Fifo => kind_of(stat) == 0o010_000,
        FileKind::Directory | FileKind::Socket => false,
    };
    is_of_kind && item.metadata.modified.is_none_or(|time| is_as_kept(time, modified(stat)))
}

/// Whether a filesystem would keep a time as this one.
fn is_as_kept(time: Timestamp, there: Timestamp) -> bool {
    if time.seconds == there.seconds {
        let grain = |grain: &u32| {
            time.nanoseconds.checked_rem(*grain).and_then(|rest| time.nanoseconds.checked_sub(rest))
        };
        return GRAINS.iter().any(|one| grain(one) == Some(there.nanoseconds));
    }
    let is_clipped_above = time.seconds > there.seconds && there.seconds >= CLIPPED;
    let is_clipped_below = time.seconds < there.seconds && there.seconds <= 0;
    is_clipped_above || is_clipped_below
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_known_again_as_filesystems_keep_it() {
        let time = |seconds, nanoseconds| Timestamp { seconds, nanoseconds };
        let cases = [
            (time(5, 123_456_789), time(5, 123_456_789), true),
            (time(5, 123_456_789), time(5, 123_456_700), true),
            (time(5, 123_456_789), time(5, 123_456_000), true),
            (time(5, 123_456_789), time(5, 0), true),
            (time(5, 123_456_789), time(5, 123_456_788), false),
            (time(5, 0), time(6, 0), false),
            (time(1 << 40, 1), time(CLIPPED, 0), true),
            (time(1 << 40, 1), time(15_032_385_535, 0), true),
            (time(-(1 << 40), 1), time(-2_147_483_648, 0), true),
            (time(-5, 1), time(0, 0), true),
            (time(1 << 30, 0), time(1 << 29, 0), false),
        ];
        for (wanted, there, is_same) in cases {
            assert_eq!(is_as_kept(wanted, there), is_same, "{wanted} {there}");
        }
    }
}
