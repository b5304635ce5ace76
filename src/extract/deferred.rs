//! Flags that let nothing be changed any more: they are set when all else is there.

use rustix::fs::{IFlags, Mode, OFlags, Statx, ioctl_getflags, ioctl_setflags};

use super::name::names;
use super::run::Run;
use super::unsupported::What;
use crate::filesystem::FileKind;
use crate::view::{Budget, Item};

/// `FS_APPEND_FL` and `FS_IMMUTABLE_FL` (`linux/fs.h`).
pub(super) const DEFERRED: u32 = 0x30;

/// Bytes of the entries with such flags that are remembered. There are few of them on a system.
const BYTES_MOST: usize = 32 << 20;

/// An entry that gets such flags.
#[derive(Debug)]
pub(super) struct Deferred {
    path: Vec<u8>,
    kind: FileKind,
    flags: u32,
    /// Device and number of the inode: what has its name by then may be another.
    inode: (u32, u32, u64),
}

/// The entries that get such flags.
#[derive(Debug)]
pub(super) struct DeferredList {
    entries: Vec<Deferred>,
    budget: Budget,
}

impl Default for DeferredList {
    fn default() -> Self {
        Self { entries: Vec::new(), budget: Budget::new(BYTES_MOST) }
    }
}

/// What tells an inode from all others of this host.
pub(super) fn identity(stat: &Statx) -> (u32, u32, u64) {
    (stat.stx_dev_major, stat.stx_dev_minor, stat.stx_ino)
}

impl Run<'_> {
    /// Remembers an entry, if it has such flags.
    pub(super) fn later(&self, item: &Item, stat: &Statx) {
        let flags = item.metadata.flags.0 & DEFERRED;
        if flags == 0 {
            return;
        }
        if !self.rights.is_root {
            self.left.add(What::DeniedFlags);
            return;
        }
        let mut late = self.late();
        if late.budget.has(item.path.len()) {
            late.entries.push(Deferred {
                path: item.path.clone(),
                kind: item.kind,
                flags,
                inode: identity(stat),
            });
        } else {
            self.left.add_of(What::LateFlags, &item.path);
        }
    }

    /// Sets what was remembered: of what lies deepest first, of the root when `with_root` says so.
    pub(super) fn set_late(&self, with_root: bool) {
        let mut late = std::mem::take(&mut self.late().entries);
        late.sort_by_key(|one| std::cmp::Reverse(one.path.len()));
        let (now, then) = late.into_iter().partition(|one: &Deferred| with_root || !one.path.is_empty());
        self.late().entries = then;
        for one in &now {
            if !self.set_one(one) {
                self.left.add_of(What::Flags, &one.path);
            }
        }
    }

    fn set_one(&self, one: &Deferred) -> bool {
        let flags = match one.kind {
            FileKind::Directory => OFlags::RDONLY | OFlags::DIRECTORY,
            _ => OFlags::WRONLY | OFlags::NONBLOCK,
        };
        let Ok(names) = names(&one.path) else { return false };
        let Ok(file) = self.target.open_below(&names, flags, Mode::empty()) else { return false };
        let is_same = super::run::stat_of(&file).is_ok_and(|stat| identity(&stat) == one.inode);
        is_same
            && ioctl_getflags(&file)
                .and_then(|there| ioctl_setflags(&file, there | IFlags::from_bits_retain(one.flags)))
                .is_ok()
    }
}
