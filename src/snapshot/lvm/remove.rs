//! Removing a snapshot, and finding those that were left.

use std::thread;
use std::time::Duration;

use super::Lvm;
use super::group::is_ambiguous;
use super::lvs::Row;
use super::mark::Mark;
use crate::error::{Error, Kind, Result};
use crate::snapshot::{Marked, Owner, VolumeName};

/// Pauses between attempts: udev and its rules open a device for a moment, and what was killed needs one to let go. LVM itself tries for
/// five seconds each time (`retry_deactivation` in lvm.conf).
const PAUSES_MS: [u64; 2] = [500, 2000];

/// See [`crate::snapshot::Provider::remove`].
///
/// Removing an origin would remove all that is in it. So LVM is asked first what it is, and the command itself tells LVM to remove
/// nothing that lacks the mark.
pub(super) fn remove(lvm: &Lvm, name: &VolumeName) -> Result<()> {
    let name = &VolumeName::new(&name.group, &name.volume)?;
    let Some(row) = lvm.row(name)? else {
        return Ok(());
    };
    refuse_foreign(&row)?;
    let mut pauses = PAUSES_MS.iter();
    loop {
        let attempt = lvm.order(&["lvremove", "--yes", "--force", "--select", super::SELECTION], name);
        if lvm.row(name)?.is_none() {
            return Ok(());
        }
        let error = attempt.err().unwrap_or_else(|| {
            Error::new(
                Kind::Snapshot,
                format!("lvremove {name}: LVM gave no error, but the snapshot is still there"),
            )
        });
        match pauses.next() {
            Some(pause) if is_worth_another(&error) => {
                thread::sleep(Duration::from_millis(*pause).min(lvm.patience));
            }
            _ => {
                return Err(Error::new(
                    Kind::Snapshot,
                    format!("{error}; \"voltar clean\" removes it later"),
                ));
            }
        }
    }
}

fn is_worth_another(error: &Error) -> bool {
    let text = error.to_string();
    !text.contains("ermission denied") && !text.contains("sudo")
}

fn refuse_foreign(row: &Row) -> Result<()> {
    let name = &row.name;
    if row.is_leftover() {
        return Ok(());
    }
    let message = match (row.is_marked(), row.is_snapshot()) {
        (true, true) => return Ok(()),
        (_, false) => format!("{name} is no read-only snapshot: it is not removed"),
        (false, true) => format!(
            "{name} doesn't carry the tag voltar: somebody else's snapshot is not removed (lvremove {name} does, where it is not needed)"
        ),
    };
    Err(Error::new(Kind::Snapshot, message))
}

/// See [`crate::snapshot::Provider::marked`].
pub(super) fn marked(lvm: &Lvm) -> Result<Vec<Marked>> {
    let here = Mark::of_this_process()?;
    let rows = lvm.rows(&["--select", super::SELECTION], "all groups")?;
    let is_ours = |row: &Row| row.is_marked() && (row.is_snapshot() || row.is_leftover());
    let mut rows: Vec<Row> = rows.into_iter().filter(is_ours).collect();
    if !rows.is_empty() {
        let groups = lvm.groups()?;
        for row in rows.iter_mut().filter(|row| is_ambiguous(&row.name.group, &groups)) {
            row.name.group.clone_from(&row.group_uuid);
        }
    }
    Ok(rows.into_iter().map(|row| describe(row, &here)).collect())
}

fn describe(row: Row, here: &Mark) -> Marked {
    let owner = Mark::read(&row.tags).map_or(Owner::Unknown, |mark| mark.owner(here));
    let is_snapshot = row.is_snapshot();
    let origin = row.origin.map(|volume| VolumeName { group: row.name.group.clone(), volume });
    Marked { taken: super::mark::taken(&row.name.volume), origin, owner, is_snapshot, name: row.name }
}
