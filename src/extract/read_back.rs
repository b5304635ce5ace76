//! Reads back what was set: filesystems that can't hold a time, an owner or a flag often say that
//! they took it. `attributes.rs` does the same for attributes.

use std::os::fd::AsFd as _;

use rustix::fs::{Statx, ioctl_getflags};

use super::metadata::Open;
use super::run::{Run, stat_of};
use super::target::modified;
use super::unsupported::What;
use crate::filesystem::Timestamp;
use crate::view::Item;

/// The metadata that should have been set, as far as setting it succeeded.
pub(super) struct Wanted {
    /// Numbers of owner and group, if they were set.
    pub owner: Option<(u32, u32)>,
    /// Permission bits, if they were set.
    pub mode: Option<u16>,
}

impl Run<'_> {
    /// Holds an entry's metadata against what the target has of them now.
    pub(super) fn read_back(&self, open: Open<'_>, item: &Item, wanted: &Wanted) {
        let Ok(stat) = stat_of(open.file.as_fd()) else { return };
        let path = &item.path;
        if !has_times(item, &stat) {
            self.left.add_of(What::Times, path);
        }
        if wanted.owner.is_some_and(|owner| owner != (stat.stx_uid, stat.stx_gid)) {
            self.left.add_of(What::OwnerRefused, path);
        }
        if wanted.mode.is_some_and(|mode| mode != stat.stx_mode & 0o7777) {
            self.left.add_of(What::Mode, path);
        }
    }

    /// Whether the target has the flags that it took.
    pub(super) fn has_flags(&self, open: Open<'_>, flags: u32) -> bool {
        ioctl_getflags(open.file).is_ok_and(|there| there.bits() & flags == flags)
    }
}

/// Whether an inode has the times of an entry, to the nanosecond.
fn has_times(item: &Item, stat: &Statx) -> bool {
    let accessed = Timestamp { seconds: stat.stx_atime.tv_sec, nanoseconds: stat.stx_atime.tv_nsec };
    item.metadata.modified.is_none_or(|time| time == modified(stat))
        && item.metadata.accessed.is_none_or(|time| time == accessed)
}
