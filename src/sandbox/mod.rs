//! The sandbox: once all is open, the process gives up every right that parsing a disk does not
//! need.
//!
//! A tenant wrote the bytes that are parsed, and the process may run as root beside other tenants'
//! volumes. Should a parser or a compressor be made to do what it was not written for, it has what
//! is open already, and nothing else:
//!
//! - no descriptor that the caller left open, but stdin, stdout and stderr;
//! - no capability, whoever started it; what extracts keeps those that owners, modes and attributes
//!   take;
//! - no new privileges: no program that it starts would gain any (`PR_SET_NO_NEW_PRIVS`);
//! - Landlock: no path can be opened, and no name made or removed, but in the folder of what
//!   extracts;
//! - seccomp: no system call but those that reading and computing (or extracting) take: no path can
//!   even be looked at.
//!
//! Each of the last two stands where the kernel lacks the other. All of it lasts until the process
//! ends.

mod capabilities;
mod descriptors;
mod landlock;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64"))]
mod seccomp;

use std::fmt::Display;
use std::os::fd::BorrowedFd;

use rustix::thread::CapabilitySet;

use crate::error::{Error, Kind, Result};

/// What keeps the process in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sandbox {
    /// Whether Landlock does, as far as this kernel has it.
    pub landlock: bool,
    /// Whether seccomp does.
    pub seccomp: bool,
}

impl Sandbox {
    /// What is open because this kernel can't close it; `None` when there is nothing.
    #[must_use]
    pub fn gap(self) -> Option<&'static str> {
        match (self.landlock, self.seccomp) {
            (true, true) => None,
            (false, true) => Some(
                "this kernel has no Landlock: seccomp alone keeps what parses the disk from other files \
                 (--no-sandbox goes without both, silently)",
            ),
            (true, false) => Some(
                "this kernel has no seccomp filters: Landlock alone keeps what parses the disk from other files \
                 (--no-sandbox goes without both, silently)",
            ),
            (false, false) => Some(
                "this kernel has neither Landlock nor seccomp filters: what parses the disk may do all that its \
                 user may (--no-sandbox silences this)",
            ),
        }
    }
}

/// Where something can still be written.
#[derive(Clone, Copy, Debug)]
pub enum Writing<'a> {
    /// Nowhere, but to what is open.
    Nowhere,
    /// Nowhere, but to what is open and to what another process sends by a socket that is open.
    Receiving,
    /// In this folder files of all kinds can be made, written and removed; none can be read.
    /// Call [`close_inherited`] before: once the folder is the root, there is no `/proc`.
    Extracting {
        /// The folder.
        folder: BorrowedFd<'a>,
        /// Whether device nodes can be made too.
        devices: bool,
    },
}

/// Puts the calling thread, and every thread that it starts from now on, into the sandbox, for
/// good.
///
/// Call it before any other thread is started: those that are there stay outside. Nothing is left
/// but what is open.
///
/// # Errors
///
/// [`Kind::System`] when the kernel has what it takes, but refuses it. That it has not is no error:
/// see [`Sandbox::gap`].
pub fn enter() -> Result<Sandbox> {
    confine(Writing::Nowhere)
}

/// As [`enter`], with what can still be written.
///
/// # Errors
///
/// As [`enter`].
pub fn confine(writing: Writing<'_>) -> Result<Sandbox> {
    match writing {
        Writing::Nowhere | Writing::Receiving => {
            close_inherited()?;
            capabilities::drop_all_but(CapabilitySet::empty()).map_err(refused)?;
        }
        Writing::Extracting { devices, .. } => {
            let nodes = if devices { capabilities::DEVICES } else { CapabilitySet::empty() };
            capabilities::drop_all_but(capabilities::EXTRACTING.union(nodes)).map_err(refused)?;
        }
    }
    // Without it, both of the others take privileges; and they must not confuse a setuid program.
    rustix::thread::set_no_new_privs(true).map_err(refused)?;
    let landlock = landlock::restrict(writing).map_err(refused)?;
    // Last, because it takes away the system calls of the others.
    let seccomp = restrict_calls(writing)?;
    if !seccomp && matches!(writing, Writing::Extracting { .. }) {
        // Nothing keeps what CAP_SYS_ADMIN allows from being called.
        let kept = capabilities::EXTRACTING_UNFILTERED.union(capabilities::DEVICES);
        capabilities::drop_all_but(kept).map_err(refused)?;
    }
    Ok(Sandbox { landlock, seccomp })
}

/// Closes the descriptors that the caller left open, but for stdin, stdout and stderr. A process
/// that was started to do one thing does this first; every other one does it when it enters the
/// sandbox.
///
/// # Errors
///
/// [`Kind::System`] when the kernel does not list them.
pub fn close_inherited() -> Result<()> {
    descriptors::close_inherited()
        .map_err(|source| refused(format!("what the caller left open is not listed in /proc: {source}")))
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64"))]
fn restrict_calls(writing: Writing<'_>) -> Result<bool> {
    seccomp::restrict(writing).map_err(refused)
}

/// Filters are compiled for some architectures only.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")))]
fn restrict_calls(_writing: Writing<'_>) -> Result<bool> {
    Ok(false)
}

fn refused(source: impl Display) -> Error {
    let message = format!("the sandbox can't be entered: {source}; --no-sandbox goes without it");
    Error::new(Kind::System, message)
}
