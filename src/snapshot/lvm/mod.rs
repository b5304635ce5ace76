//! Snapshots of LVM's logical volumes, classic and thin, by its own program `lvm`.
//!
//! `lvm` is the only program that is run, without a shell; a user who may run it by `sudo` needs no other right (docs/lvm.md). It
//! is asked for JSON, and nothing is taken for good that it doesn't say to be so.
//!
//! ```text
//! command (runs it) ▶ complaint (why it refused)
//!                   ▶ lvs, group (what it reports) ▶ find, state
//! size, mark ▶ take ▶ remove ▶ settle
//! ```

mod command;
mod complaint;
mod find;
mod group;
mod lvs;
mod mark;
mod remove;
mod settle;
mod size;
mod state;
mod take;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use command::{Program, Said};
use group::{Group, Named};
use lvs::Row;

use super::{
    Estimate, FailedSnapshot, Marked, Provider, Snapshot, SnapshotRequest, State, Volume, VolumeName,
};
use crate::error::{Error, Kind, Result};

/// How long a command may take, where nothing is said: another one may have the group locked.
const LIMIT: Duration = Duration::from_secs(300);

/// How often a suspended snapshot is asked for again. It is for the moment in which another snapshot of its origin comes or goes.
const MOST_SUSPENDED: u32 = 10;

/// Selects what carries the mark.
const SELECTION: &str = "lv_tags=voltar";

/// LVM on this host.
#[derive(Clone, Debug)]
pub struct Lvm {
    program: Program,
    /// The folder of the block devices.
    devices: PathBuf,
    /// Tells whether a block device is at a path.
    is_node: fn(&Path) -> bool,
    /// Longest pause between two attempts.
    patience: Duration,
    /// How long a command may take that no frozen guest waits for.
    limit: Duration,
    /// Groups that were named by their UUIDs.
    groups: Arc<Mutex<BTreeMap<String, Group>>>,
}

impl Lvm {
    /// Has LVM's commands run by `command`: `["lvm"]`, or `["sudo", "-n", "lvm"]`.
    ///
    /// # Errors
    ///
    /// [`Kind::Usage`] when it is empty.
    pub fn new(command: &[String]) -> Result<Self> {
        Ok(Self {
            program: Program::new(command)?,
            devices: PathBuf::from("/dev"),
            is_node: |path| fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_block_device()),
            patience: Duration::from_secs(60),
            limit: LIMIT,
            groups: Arc::default(),
        })
    }

    fn known_groups(&self) -> MutexGuard<'_, BTreeMap<String, Group>> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a command that is to succeed. `what` names it in an error.
    fn ask(&self, arguments: &[&str], what: &str) -> Result<Said> {
        let said = self.program.run(arguments, self.limit)?;
        match said.status.success() {
            true => Ok(said),
            false => Err(complaint::refusal(what, &said)),
        }
    }

    /// Runs a command that changes a volume.
    fn order(&self, arguments: &[&str], volume: &VolumeName) -> Result<()> {
        let named = self.name_volume(volume)?;
        let mut all = arguments.to_vec();
        all.extend(named.options());
        all.push(&named.text);
        let what = format!("{} {volume}", arguments.first().unwrap_or(&""));
        self.ask(&all, &what).map(drop)
    }

    /// What `lvs` says of `which`; `what` names that in an error.
    fn rows(&self, which: &[&str], what: &str) -> Result<Vec<Row>> {
        let mut arguments =
            vec!["lvs", "--reportformat", "json", "--units", "b", "--nosuffix", "-o", lvs::FIELDS];
        arguments.extend(which);
        let said = self.ask(&arguments, &format!("lvs {what}"))?;
        lvs::parse(&said.out)
    }

    /// What `lvs` says of one thing in a group. Its volumes are named as the group is here.
    fn rows_of(&self, named: &Named, options: &[&str], group: &str, what: &str) -> Result<Vec<Row>> {
        let mut which = options.to_vec();
        which.extend(named.options());
        which.push(&named.text);
        let mut rows = self.rows(&which, what)?;
        for row in &mut rows {
            row.name.group = group.to_owned();
        }
        Ok(rows)
    }

    /// What `lvs` says of the volumes of a group.
    fn rows_of_group(&self, group: &str, options: &[&str]) -> Result<Vec<Row>> {
        self.rows_of(&self.name_group(group)?, options, group, group)
    }

    /// One volume; `None` when its group is there, and has none of that name.
    fn row(&self, name: &VolumeName) -> Result<Option<Row>> {
        self.row_of(name, &|_| Ok(()))
    }

    /// The same. Where LVM gives an error, `why` is asked for a better one before.
    ///
    /// LVM's exit code is the same whether there is no such volume or the answer is not to be had. So the group is asked, too.
    fn row_of(&self, name: &VolumeName, why: &dyn Fn(&Self) -> Result<()>) -> Result<Option<Row>> {
        let named = self.name_volume(name)?;
        let error = match self.rows_of(&named, &[], &name.group, &name.to_string()) {
            Ok(rows) => {
                let row = rows.into_iter().find(|row| row.name == *name);
                let missing =
                    || Error::new(Kind::Snapshot, format!("lvs {name}: LVM reports something else"));
                return row.ok_or_else(missing).map(Some);
            }
            Err(error) => error,
        };
        why(self)?;
        let all = self.rows_of_group(&name.group, &["--all"])?;
        match all.iter().any(|row| row.name == *name) {
            true => Err(error),
            false => Ok(None),
        }
    }
}

impl Provider for Lvm {
    fn find(&self, name: &VolumeName) -> Result<Volume> {
        find::find(self, name)
    }

    fn volumes(&self, group: &str) -> Result<Vec<VolumeName>> {
        find::volumes(self, group)
    }

    fn estimate(&self, volume: &Volume, request: &SnapshotRequest) -> Result<Estimate> {
        take::estimate(volume, request)
    }

    fn take(
        &self,
        volume: &Volume,
        request: &SnapshotRequest,
        note: &dyn Fn(&str),
    ) -> std::result::Result<Snapshot, FailedSnapshot> {
        take::take(self, volume, request, note)
    }

    fn settle(&self, taken: std::result::Result<Snapshot, FailedSnapshot>) -> Result<Snapshot> {
        settle::settle(self, taken)
    }

    fn state(&self, snapshot: &Snapshot, limit: Duration) -> Result<State> {
        let patient = Self { limit, ..self.clone() };
        let mut attempts: u32 = 1;
        loop {
            let Some(row) = patient.row(&snapshot.name)? else {
                return Ok(State::Gone);
            };
            if row.attributes.state == 's' && attempts < MOST_SUSPENDED {
                attempts = attempts.saturating_add(1);
                thread::sleep(Duration::from_millis(200).min(self.patience));
                continue;
            }
            let pool = match row.pool.as_deref() {
                Some(pool) => patient.row(&VolumeName::new(&row.name.group, pool)?)?,
                None => None,
            };
            return state::judge(&row, pool.as_ref());
        }
    }

    fn extend(&self, snapshot: &Snapshot) -> Result<bool> {
        if snapshot.is_thin {
            return Ok(false);
        }
        let missing =
            |name: &VolumeName| Error::new(Kind::Snapshot, format!("{name}: it is not there any more"));
        let before = self.row(&snapshot.name)?.ok_or_else(|| missing(&snapshot.name))?;
        if !matches!(state::judge(&before, None)?, State::Valid { .. }) {
            return Ok(false);
        }
        let origin = self.row(&snapshot.origin)?.ok_or_else(|| missing(&snapshot.origin))?;
        let free_bytes = self.look_up(&snapshot.name.group)?.free_bytes;
        let extents = size::extension(origin.len_bytes, before.len_bytes, free_bytes, before.extent_bytes);
        if extents == 0 {
            return Ok(false);
        }
        self.order(&["lvextend", "--extents", &format!("+{extents}")], &snapshot.name)?;
        let after = self.row(&snapshot.name)?.ok_or_else(|| missing(&snapshot.name))?;
        Ok(after.len_bytes > before.len_bytes)
    }

    fn remove(&self, snapshot: &VolumeName) -> Result<()> {
        remove::remove(self, snapshot)
    }

    fn marked(&self) -> Result<Vec<Marked>> {
        remove::marked(self)
    }
}
