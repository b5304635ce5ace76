//! The directory that is extracted to becomes the root of the process, where that runs as root.
//!
//! Then no path and no link leads out of it, whatever else fails. One thing is still needed from
//! outside: the kernel takes modes and attributes of links and device nodes by a path alone, and
//! the only path that leads to what is open, whatever has its name by now, is that in
//! `/proc/self/fd`. So the process gets an instance of procfs of its own that is mounted nowhere.
//! It has the processes alone, and of those only the ones that this process could trace: itself. As
//! it is mounted nowhere, `..` does not lead out of it.

use std::os::fd::{AsRawFd as _, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_string, fsmount, fsopen,
};
use rustix::process::{chroot, fchdir, geteuid};

use super::run::refused;
use crate::error::Result;

/// How what is open is called by a path, for calls that take nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Descriptors {
    /// Below `/proc`.
    InProc,
    /// Below the current directory, which is the procfs of an enclosed process.
    InCurrent,
}

impl Descriptors {
    pub(super) fn path(self, file: BorrowedFd<'_>) -> String {
        let number = file.as_raw_fd();
        match self {
            Self::InProc => format!("/proc/self/fd/{number}"),
            Self::InCurrent => format!("self/fd/{number}"),
        }
    }
}

/// Makes a directory the root of this process, if that may be done: by root, where a procfs can be
/// had.
pub(super) fn enclose(root: BorrowedFd<'_>) -> Result<Descriptors> {
    if !geteuid().is_root() {
        return Ok(Descriptors::InProc);
    }
    // In most containers root may not: Landlock and seccomp stand alone there.
    let Ok(proc) = own_proc() else { return Ok(Descriptors::InProc) };
    let enclosed = fchdir(root).and_then(|()| chroot(".")).and_then(|()| fchdir(&proc));
    match enclosed {
        Ok(()) => Ok(Descriptors::InCurrent),
        Err(Errno::PERM) => Ok(Descriptors::InProc),
        Err(errno) => Err(refused("the directory can't become the root of this process", errno)),
    }
}

/// A procfs that is mounted nowhere.
fn own_proc() -> Result<OwnedFd, Errno> {
    let proc = fsopen("proc", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_string(&proc, "subset", "pid")?;
    fsconfig_set_string(&proc, "hidepid", "ptraceable")?;
    fsconfig_create(&proc)?;
    let attributes = MountAttrFlags::MOUNT_ATTR_RDONLY
        | MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    fsmount(&proc, FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}
