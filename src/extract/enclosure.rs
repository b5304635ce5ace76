//! The directory that files are extracted to becomes the root of the process, where that runs as
//! root.
//!
//! Then no path and no link leads out of it, whatever else fails. One thing is still needed from
//! outside: the kernel takes attributes of links and device nodes by a path alone. The only path
//! that leads to what is open, whatever has its name by now, is that in `/proc/self/fd`. So we clone
//! the mount of that one directory. The clone is mounted nowhere, so `..` does not lead out of it,
//! and it has nothing in it but the descriptors of this process.
//!
//! Cloning takes `CAP_SYS_ADMIN`, which root has not in most containers. The root changes there too,
//! and no path leads to what is open. FIFOs are opened then, and device nodes are made with
//! the mode that they shall have. Attributes that have no other way are issues.

use std::os::fd::{AsRawFd as _, BorrowedFd, OwnedFd};

use rustix::fs::{CWD, Mode};
use rustix::io::Errno;
use rustix::mount::{OpenTreeFlags, open_tree};
use rustix::process::{chroot, fchdir, geteuid, umask};

use super::run::refused;
use crate::error::Result;

/// The descriptors of this process, as paths (proc_pid_fd(5)).
const DESCRIPTORS: &str = "/proc/self/fd";

/// How what is open is called by a path, for calls that take nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Descriptors {
    /// Below `/proc`.
    InProc,
    /// In the current directory, which is the clone of an enclosed process.
    InCurrent,
    /// Not at all.
    Nowhere,
}

impl Descriptors {
    /// The path that leads to what is open; `None` where there is no such path.
    pub(super) fn path(self, file: BorrowedFd<'_>) -> Option<String> {
        let number = file.as_raw_fd();
        match self {
            Self::InProc => Some(format!("{DESCRIPTORS}/{number}")),
            Self::InCurrent => Some(number.to_string()),
            Self::Nowhere => None,
        }
    }
}

/// Makes a directory the root of this process, if that may be done: by root.
pub(super) fn enclose(root: BorrowedFd<'_>) -> Result<Descriptors> {
    if !geteuid().is_root() {
        return Ok(Descriptors::InProc);
    }
    let clone = clone_of_descriptors();
    match fchdir(root).and_then(|()| chroot(".")) {
        Ok(()) => {}
        // Without CAP_SYS_CHROOT. Landlock and seccomp stand alone.
        Err(Errno::PERM) => return Ok(Descriptors::InProc),
        Err(errno) => return Err(refused("the directory can't become the root of this process", errno)),
    }
    let Ok(clone) = clone else {
        // Device nodes get their modes when they are made.
        umask(Mode::empty());
        return Ok(Descriptors::Nowhere);
    };
    fchdir(clone).map_err(|errno| refused("the descriptors of this process", errno))?;
    Ok(Descriptors::InCurrent)
}

/// The directory of this process's descriptors, as a mount of its own that is mounted nowhere.
fn clone_of_descriptors() -> Result<OwnedFd, Errno> {
    open_tree(CWD, DESCRIPTORS, OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC)
}
