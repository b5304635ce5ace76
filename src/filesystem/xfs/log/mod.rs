//! The log: recovery in memory, with the device untouched.
//!
//! ```text
//! head ▶ record ▶ transaction ▶ replay (buffer, inode, create) ▶ overlay
//!                                      (intent)                ▶ edits
//! ```
//!
//! A filesystem that was not unmounted is only consistent together with its log: it keeps changes
//! of metadata, not whole blocks. Recovery makes the sectors that complete transactions lead to;
//! [`Overlaid`] is the device with these in their place. Changes that were begun and not finished
//! are finished here, as far as a reader would see them.
//!
//! Format: `fs/xfs/libxfs/xfs_log_format.h` in the kernel; behaviour: `fs/xfs/xfs_log_recover.c`,
//! `xfs_*_item_recover.c`.

mod buffer;
mod create;
mod edits;
mod exchange;
mod fault;
mod head;
mod inode;
mod intent;
mod item;
mod overlay;
mod place;
mod record;
mod replay;
mod transaction;

#[cfg(test)]
mod tests;

pub(super) use edits::Edits;
pub(super) use overlay::{Overlay, overlaid};

use std::sync::Arc;

use super::metadata::Metadata;
use super::superblock::{self, Superblock};
use crate::device::Device;
use crate::error::{Error, Kind, Result};
use crate::filesystem::FileKind;
use fault::Fault;
use place::Log;

/// A filesystem as its log leaves it.
pub(super) struct Recovered {
    pub metadata: Metadata,
    /// Faults that kept parts of the log from being used.
    pub faults: Vec<Error>,
}

/// Recovers a filesystem, if it needs that; `journal` is the device that has its log where that is
/// another one.
///
/// A log that can't be used is a fault, and the filesystem is read as it lies there. Of a log that
/// is damaged in its middle, version 5 is given what comes before: each of its blocks says how new
/// it is.
///
/// # Errors
///
/// When a device can't be read, or when the log belongs to no such filesystem.
pub(super) fn recover(
    device: &Device,
    superblock: &Superblock,
    journal: Option<&Device>,
) -> Result<Recovered> {
    let stale = |error: Error| {
        let after = "; the filesystem is read without it, and the newest changes are missing";
        let error = error.because("the log was not replayed: ", after);
        let metadata = Metadata::new(Arc::clone(device), superblock.clone());
        Recovered { metadata, faults: vec![error] }
    };
    let log = match Log::new(device, superblock, journal) {
        Ok(log) => log,
        Err(error) if journal.is_none() || error.kind() == Kind::Corrupt => return Ok(stale(error)),
        Err(error) => return Err(error),
    };
    match try_recover(device, superblock, &log) {
        Ok(recovered) => Ok(recovered),
        Err(error) if matches!(error.kind(), Kind::Corrupt | Kind::Unsupported | Kind::Read) => {
            Ok(stale(error))
        }
        Err(error) => Err(error),
    }
}

fn try_recover(device: &Device, superblock: &Superblock, log: &Log) -> Result<Recovered> {
    let unreplayed = || Metadata::new(Arc::clone(device), superblock.clone());
    let Some(active) = head::find(log)? else {
        return Ok(Recovered { metadata: unreplayed(), faults: Vec::new() });
    };
    let unknown = superblock.features.unknown_in_log();
    if unknown != 0 {
        return Err(Fault::Features(unknown).into());
    }
    let replay::Outcome { overlay, intents, fault } = replay::replay(device, superblock, log, active)?;
    let fault = fault.map(Error::from);
    if let Some(fault) = &fault
        && !superblock.features.has_checksums()
    {
        return Err(fault.clone());
    }
    let present = present(device, superblock, &overlay)?;
    let mut metadata = Metadata::replayed(device, present, overlay, Edits::default());
    let mut faults = Vec::new();
    if let Some(block) = active.lost {
        faults.push(Error::corrupt(format!(
            "the log's oldest record, at block {block}, is damaged: what it holds is missing"
        )));
    }
    if let Some(fault) = fault {
        if !has_root(&metadata) && has_root(&unreplayed()) {
            return Err(fault);
        }
        faults.push(fault.because("the log is damaged: ", "; what it holds from there on is missing"));
    }
    faults.extend(intent::finish(&mut metadata, intents));
    Ok(Recovered { metadata, faults })
}

/// The superblock as the log leaves it: it may say that the filesystem has grown.
fn present(device: &Device, superblock: &Superblock, overlay: &Overlay) -> Result<Superblock> {
    if !overlay.holds(0, superblock.sector_size.into()) {
        return Ok(superblock.clone());
    }
    let bytes = overlay.read_over(device.as_ref(), 0, superblock.sector_size.into())?;
    superblock::parse_replayed(&bytes).map_err(Error::corrupt)
}

fn has_root(metadata: &Metadata) -> bool {
    metadata.inode(metadata.superblock.root).is_ok_and(|root| root.kind == FileKind::Directory)
}
