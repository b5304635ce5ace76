//! Snapshots: the state of a volume at one moment, to be read while the volume goes on changing.
//!
//! [`Provider`] is what a run needs of a snapshot technique. What implements it drives the technique's own programs, and knows
//! nothing of files and archives.

pub mod lvm;
mod name;
pub(crate) mod priority;

use std::path::PathBuf;
use std::time::Duration;

use crate::error::{Error, Result};

pub use lvm::Lvm;
pub use name::VolumeName;

/// What takes snapshots of volumes: one technique, on one host.
pub trait Provider: Sync {
    /// Finds a volume that can be backed up, as it is now.
    ///
    /// # Errors
    ///
    /// When there is none of that name, when a snapshot of it makes no sense, or when the technique's programs can't be asked.
    fn find(&self, name: &VolumeName) -> Result<Volume>;

    /// All volumes of a group that are worth a backup, by name: no snapshots, no pools, nothing internal.
    ///
    /// One that is not active is among them, for it would be missed: [`Provider::find`] says what to do about it.
    ///
    /// # Errors
    ///
    /// As [`Provider::find`].
    fn volumes(&self, group: &str) -> Result<Vec<VolumeName>>;

    /// What [`Provider::take`] would take.
    ///
    /// # Errors
    ///
    /// When there is no space for it.
    fn estimate(&self, volume: &Volume, request: &SnapshotRequest) -> Result<Estimate>;

    /// Takes a snapshot that can only be read, and marks it as this process's own. What is worth knowing is told to `note`.
    ///
    /// A guest may be frozen meanwhile: it does no more than it must, and trusts `volume`. Call [`Provider::find`] right before, and
    /// [`Provider::settle`] with what comes of it when the guest is thawed.
    ///
    /// # Errors
    ///
    /// When there is no space for it, or the technique refuses.
    fn take(
        &self,
        volume: &Volume,
        request: &SnapshotRequest,
        note: &dyn Fn(&str),
    ) -> std::result::Result<Snapshot, FailedSnapshot>;

    /// Does what needs no frozen guest: waits until the snapshot can be read, or removes what a failed attempt left.
    ///
    /// # Errors
    ///
    /// What made the attempt fail, or that there is nothing to read. Nothing is left behind then, or the error says so.
    fn settle(&self, taken: std::result::Result<Snapshot, FailedSnapshot>) -> Result<Snapshot>;

    /// How a snapshot is. An absence of read errors proves nothing: ask this after the last read. No command that it takes goes on for
    /// longer than `limit`.
    ///
    /// # Errors
    ///
    /// When it can't be found out, which is as bad as an overflow.
    fn state(&self, snapshot: &Snapshot, limit: Duration) -> Result<State>;

    /// Makes room for more changes. `false` where there is no more room to be had.
    ///
    /// # Errors
    ///
    /// When the technique refuses.
    fn extend(&self, snapshot: &Snapshot) -> Result<bool>;

    /// Removes a snapshot.
    ///
    /// # Errors
    ///
    /// When it is still there afterwards.
    fn remove(&self, snapshot: &VolumeName) -> Result<()>;

    /// All snapshots that carry this program's mark, whoever took them, and what an unfinished
    /// removal left of some.
    ///
    /// # Errors
    ///
    /// As [`Provider::find`].
    fn marked(&self) -> Result<Vec<Marked>>;
}

/// A volume that a snapshot can be taken of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// Its name.
    pub name: VolumeName,
    /// The block device.
    pub device: PathBuf,
    /// Its size in bytes.
    pub len_bytes: u64,
    /// The thin pool that it lives in; `None` where its space is all its own.
    pub pool: Option<String>,
    /// Whether something has the device open: a guest runs on it.
    pub is_open: bool,
    /// Bytes of its group that a snapshot can have.
    pub group_free_bytes: u64,
    /// Bytes of an extent, the unit that the group gives space in.
    pub extent_bytes: u64,
}

/// What a snapshot is asked to be like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotRequest {
    /// Space for changes that happen to the origin while the snapshot is there; thin snapshots need none of their own.
    pub size: Size,
}

/// A snapshot that was not taken yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Estimate {
    /// Its space in bytes; `None` where it needs none of its own.
    pub len_bytes: Option<u64>,
    /// Why it may overflow, although it was asked to have all that there is to have.
    pub warning: Option<String>,
}

/// Space for changes to the origin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Size {
    /// As much as the origin has, or what is free if that is less, with a warning.
    #[default]
    Automatic,
    /// Percent of the origin's size.
    PercentOfOrigin(u32),
    /// Bytes.
    Bytes(u64),
}

/// A snapshot that this process took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Its name.
    pub name: VolumeName,
    /// What it is a snapshot of.
    pub origin: VolumeName,
    /// The block device to read.
    pub device: PathBuf,
    /// Whether it lives in a thin pool.
    pub is_thin: bool,
}

/// A snapshot that was not taken.
#[derive(Debug)]
pub struct FailedSnapshot {
    /// Why not.
    pub error: Error,
    /// What may be there all the same, begun and not finished.
    pub left: Option<VolumeName>,
}

impl From<Error> for FailedSnapshot {
    /// Nothing was begun.
    fn from(error: Error) -> Self {
        Self { error, left: None }
    }
}

/// How a snapshot is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum State {
    /// It shows the origin as it was.
    Valid {
        /// How much of its space for changes is used; `None` where it has none of its own.
        used_percent: Option<f64>,
    },
    /// More was changed than it had space for: what is read from it is worth nothing.
    Overflowed,
    /// It is not there any more.
    Gone,
}

/// A snapshot that carries this program's mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marked {
    /// Its name.
    pub name: VolumeName,
    /// What it is a snapshot of, where that is still known.
    pub origin: Option<VolumeName>,
    /// When it was taken, in seconds since 1970, as far as its name tells.
    pub taken: Option<i64>,
    /// Who took it.
    pub owner: Owner,
    /// Whether it still is a snapshot: the removal of one that was cut short leaves a volume in its
    /// own right.
    pub is_snapshot: bool,
}

/// The process that took a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// It still runs, on this host.
    Alive {
        /// Its process id.
        pid: u32,
    },
    /// It was on this host, and is no more: the snapshot is a leftover.
    Dead,
    /// It was on another host that sees the same volumes: only that host can tell whether it still runs.
    Elsewhere {
        /// That host's name.
        host: String,
    },
    /// The mark does not tell: somebody made it by hand. Never removed without being named.
    Unknown,
}
