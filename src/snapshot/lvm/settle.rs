//! What follows the taking of a snapshot, and no frozen guest waits for.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::lvs::Row;
use super::mark::Mark;
use super::{Lvm, remove};
use crate::error::{Error, Kind, Result};
use crate::snapshot::{FailedSnapshot, Snapshot, VolumeName};

/// How long udev has to make the device's node.
const NODE_LIMIT: Duration = Duration::from_secs(10);

/// See [`crate::snapshot::Provider::settle`].
pub(super) fn settle(lvm: &Lvm, taken: std::result::Result<Snapshot, FailedSnapshot>) -> Result<Snapshot> {
    match taken {
        Ok(snapshot) => match node(lvm, &snapshot) {
            Ok(()) => Ok(snapshot),
            Err(error) => Err(abandoned(lvm, &snapshot.name, error)),
        },
        Err(FailedSnapshot { error, left: Some(name) }) => Err(abandoned(lvm, &name, error)),
        Err(FailedSnapshot { error, left: None }) => Err(error),
    }
}

/// Waits for the snapshot's device, and makes LVM bring it up where it didn't by itself.
fn node(lvm: &Lvm, snapshot: &Snapshot) -> Result<()> {
    let Snapshot { name, device, .. } = snapshot;
    if appears(lvm, device, Duration::from_secs(1)) {
        return Ok(());
    }
    let row = lvm.row(name)?.ok_or_else(|| gone(name))?;
    if !row.is_active() {
        lvm.order(&["lvchange", "--activate", "y", "--ignoreactivationskip"], name)?;
    }
    match appears(lvm, device, NODE_LIMIT) {
        true => Ok(()),
        false => Err(Error::new(
            Kind::Snapshot,
            format!(
                "{}: there is no such block device, though LVM made the snapshot: activate its origin, and see whether udev runs \
                 (vgscan --mknodes)",
                device.display()
            ),
        )),
    }
}

fn appears(lvm: &Lvm, device: &Path, limit: Duration) -> bool {
    let started = Instant::now();
    loop {
        if (lvm.is_node)(device) {
            return true;
        }
        if started.elapsed() >= limit.min(lvm.patience) {
            return false;
        }
        thread::sleep(Duration::from_millis(10));
    }
}

fn gone(name: &VolumeName) -> Error {
    Error::new(Kind::Snapshot, format!("{name}: LVM said it made this snapshot, but it is not there"))
}

/// Removes what a failed attempt may have left, and gives the error that made it fail.
fn abandoned(lvm: &Lvm, name: &VolumeName, error: Error) -> Error {
    let outcome = Mark::of_this_process().and_then(|mark| {
        let is_ours = |row: &Row| Mark::read(&row.tags).is_some_and(|theirs| theirs == mark);
        match lvm.row(name)?.is_some_and(|row| is_ours(&row)) {
            true => remove::remove(lvm, name),
            false => Ok(()),
        }
    });
    match outcome {
        Ok(()) => error,
        Err(second) => error.because(
            "",
            format_args!("; what may be left of snapshot {name} could not be removed: {second}"),
        ),
    }
}
