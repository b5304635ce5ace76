//! The source of a command: opened with all rights, parsed with none.

use std::os::fd::BorrowedFd;
use std::path::PathBuf;

use super::args::SourceArguments;
use crate::device::{self, Device};
use crate::disk::Disk;
use crate::error::Result;
use crate::sandbox;

/// A source that is open, and of which no byte was parsed.
pub(super) struct Source {
    path: PathBuf,
    device: Device,
    journal: Option<Device>,
    has_sandbox: bool,
}

impl Source {
    /// Opens all devices that are named.
    pub(super) fn open(arguments: &SourceArguments) -> Result<Self> {
        let open = |path: &PathBuf| device::open(path, arguments.io.into());
        Ok(Self {
            path: arguments.source.clone(),
            device: open(&arguments.source)?,
            journal: arguments.journal.as_ref().map(open).transpose()?,
            has_sandbox: !arguments.no_sandbox,
        })
    }

    /// Gives up all rights but those to publish in `folder`, then reads what is on the disk: from here on every byte may be
    /// hostile, and there is nothing left to open. What the kernel can't close is told to `note`.
    pub(super) fn parse(self, folder: Option<BorrowedFd<'_>>, note: impl FnOnce(&str)) -> Result<Disk> {
        if self.has_sandbox
            && let Some(gap) = sandbox::enter(folder)?.gap()
        {
            note(gap);
        }
        let disk = Disk::from_device(&self.path, self.device).map_err(|error| error.on(&self.path))?;
        Ok(match &self.journal {
            Some(journal) => disk.with_journal(journal),
            None => disk,
        })
    }
}
