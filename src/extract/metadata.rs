//! Metadata: owner, attributes, mode, times, flags, in the order in which one does not undo the other.

use std::os::fd::BorrowedFd;

use rustix::fs::{
    AtFlags, Gid, IFlags, Mode, Timespec, Timestamps, UTIME_OMIT, Uid, chownat, fchmod, fchown, fremovexattr,
    futimens, ioctl_getflags, ioctl_setflags, utimensat,
};
use rustix::io::Errno;

use super::attributes::{ACCESS_ACL, CAPABILITY, DEFAULT_ACL};
use super::deferred::DEFERRED;
use super::read_back::Wanted;
use super::run::{Run, refused};
use super::unsupported::What;
use crate::archive::settable_flags;
use crate::error::Result;
use crate::filesystem::{FileKind, Timestamp};
use crate::view::Item;

const SET_ID: u16 = 0o6000;

/// What is dressed: open, and not reached by its name any more.
#[derive(Clone, Copy)]
pub(super) struct Open<'a> {
    pub file: BorrowedFd<'a>,
    /// Whether it is open as a place in the tree only (`O_PATH`), as links and devices are.
    pub is_place: bool,
    /// Whether it may have ACLs of the directory that it was made in.
    pub inherits: bool,
}

impl Run<'_> {
    /// Sets all that the entry has, as far as it can be set here.
    pub(super) fn dress(&self, open: Open<'_>, item: &Item) -> Result<()> {
        let is_owned = self.own(open, item)?;
        if open.inherits && !open.is_place {
            // That there is none is as good.
            let _ = fremovexattr(open.file, ACCESS_ACL);
            if item.kind == FileKind::Directory {
                let _ = fremovexattr(open.file, DEFAULT_ACL);
            }
        }
        let (capability, others): (Vec<_>, Vec<_>) =
            item.metadata.attributes.iter().partition(|attribute| attribute.name == CAPABILITY);
        let mut taken = Vec::new();
        for attribute in others {
            taken.extend(self.attribute(open, item, attribute)?.then_some(attribute));
        }
        let mut mode = item.metadata.mode;
        if !open.is_place {
            if !is_owned && mode & SET_ID != 0 && item.kind != FileKind::Directory {
                self.left.add(What::SetId);
                mode &= !SET_ID;
            }
            self.mode(item, fchmod(open.file, Mode::from(u32::from(mode))))?;
        }
        for attribute in capability {
            taken.extend(self.attribute(open, item, attribute)?.then_some(attribute));
        }
        self.times(open, item);
        // Things that this user may not set have been reported already.
        let owner = u32::try_from(item.metadata.uid).ok().zip(u32::try_from(item.metadata.gid).ok());
        let is_checked = item.kind != FileKind::Symlink && self.rights.is_root;
        let mode = is_checked.then_some(mode);
        self.read_back(open, item, &Wanted { owner: owner.filter(|_| is_owned), mode });
        if !taken.into_iter().all(|attribute| self.has_attribute(open, attribute, item.metadata.mode)) {
            self.left.add_of(What::Attribute, &item.path);
        }
        if item.metadata.project.is_some() {
            self.left.add(What::Project);
        }
        self.flags(open, item);
        Ok(())
    }

    /// Goes on without the mode where the filesystem refuses it.
    pub(super) fn mode(&self, item: &Item, outcome: Result<(), Errno>) -> Result<()> {
        match outcome {
            Err(errno @ (Errno::IO | Errno::ROFS | Errno::NOSPC | Errno::DQUOT)) => {
                Err(refused("mode", errno))
            }
            Err(_) if !self.rights.is_root => {
                self.left.add_of(What::Mode, &item.path);
                Ok(())
            }
            // A failure of root shows when the entry is read back.
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Whether the owner and the group are those of the entry now.
    fn own(&self, open: Open<'_>, item: &Item) -> Result<bool> {
        // The last number stands for no change in the system call.
        let number = |id: u64| u32::try_from(id).ok().filter(|id| *id != u32::MAX);
        let (Some(uid), Some(gid)) = (number(item.metadata.uid), number(item.metadata.gid)) else {
            self.left.add(What::Owner);
            return Ok(false);
        };
        let rights = &self.rights;
        let is_own = rights.uid == uid;
        let may_have_group = rights.is_root || rights.groups.contains(&gid) || rights.gid == gid;
        let owner = rights.is_root.then(|| Uid::from_raw(uid));
        let group = may_have_group.then(|| Gid::from_raw(gid));
        if owner.is_some() || group.is_some() {
            let outcome = match open.is_place {
                true => chownat(open.file, c"", owner, group, AtFlags::EMPTY_PATH),
                false => fchown(open.file, owner, group),
            };
            match outcome {
                Ok(()) => {}
                // In a user namespace, root is not root of all numbers.
                Err(Errno::INVAL) => {
                    self.left.add(What::Owner);
                    return Ok(false);
                }
                Err(Errno::PERM | Errno::OPNOTSUPP) => {
                    let what = if rights.is_root { What::OwnerRefused } else { What::Owner };
                    self.left.add_of(what, &item.path);
                    return Ok(false);
                }
                Err(errno) => return Err(refused("owner", errno)),
            }
        }
        let is_owned = (rights.is_root || is_own) && may_have_group;
        if !is_owned {
            self.left.add(What::Owner);
        }
        Ok(is_owned)
    }

    fn times(&self, open: Open<'_>, item: &Item) {
        let times = Timestamps {
            last_access: timespec(item.metadata.accessed),
            last_modification: timespec(item.metadata.modified),
        };
        let outcome = match open.is_place {
            true => utimensat(open.file, c"", &times, AtFlags::EMPTY_PATH),
            false => futimens(open.file, &times),
        };
        // A refusal is seen when they are read back.
        let _ = outcome;
    }

    /// Sets the flags that can be set now. Those that let nothing be changed any more come when the entry has its name.
    fn flags(&self, open: Open<'_>, item: &Item) {
        let flags = settable_flags(item.metadata.flags).0;
        if open.is_place || !matches!(item.kind, FileKind::Regular | FileKind::Directory | FileKind::Image) {
            return;
        }
        let now = flags & !DEFERRED;
        let set = |wanted: u32| {
            let there = ioctl_getflags(open.file)?;
            ioctl_setflags(open.file, there | IFlags::from_bits_retain(wanted))
        };
        if now == 0 {
            return;
        }
        if set(now).is_err() {
            // One of them may be to blame.
            let bits = (0..32).map(|bit| 1_u32 << bit).filter(|bit| now & bit != 0);
            for bit in bits {
                // A refusal is seen when they are read back.
                let _ = set(bit);
            }
        }
        if !self.has_flags(open, now) {
            self.left.add_of(What::Flags, &item.path);
        }
    }
}

fn timespec(time: Option<Timestamp>) -> Timespec {
    match time {
        Some(time) => Timespec { tv_sec: time.seconds, tv_nsec: time.nanoseconds.min(999_999_999).into() },
        None => Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
    }
}
