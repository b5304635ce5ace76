//! What came of a run: the facts that every form of the report is made of.

use std::time::Duration;

use crate::report::verified::Verified;
use crate::store::archives::{Archived, Removed};
use crate::store::{Address, Key, Space};

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// This host's name.
    pub host: String,
    /// When the run began, in seconds since 1970.
    pub started: i64,
    /// How long it took.
    pub elapsed: Duration,
    /// The address of the destination.
    pub destination: Address,
    /// Whether something is mounted there; `false` where it is a folder of the filesystem around it.
    pub is_mounted: bool,
    /// Each volume, in order.
    pub volumes: Vec<VolumeOutcome>,
    /// What failed besides the volumes: a group that can't be listed, a leftover that can't be removed.
    pub errors: Vec<String>,
    /// Archives that were verified when all volumes had had their turn.
    pub verified: Vec<Verified>,
    /// Whether another run has the destination. Then this one did nothing, and what is told of the other is not to be replaced.
    pub is_refused: bool,
    /// Snapshots that an earlier run left behind and this one removed.
    pub cleaned: Vec<String>,
    /// The destination's space when the run was over; `None` where that can't be asked.
    pub space: Option<Space>,
    /// All archives that lay in the destination when the run was over, oldest first.
    pub history: Vec<Archived>,
}

/// What came of one volume.
#[derive(Clone, Debug)]
pub struct VolumeOutcome {
    /// Its name: `cinder-volumes/volume-00000001`, or a path.
    pub name: String,
    /// The folder of its archives, within the destination.
    pub folder: String,
    /// How long it took, with snapshot and removal of old archives.
    pub elapsed: Duration,
    /// The archive, or why there is none.
    pub result: Result<Published, String>,
    /// What one should know, and what is no issue: a snapshot smaller than wished.
    pub notes: Vec<String>,
    /// Archives that its retention removed.
    pub removed: Vec<Removed>,
    /// What its retention is, in words: `14 days`.
    pub retention: String,
    /// The archive that retention removes next, and when (seconds since 1970), if nothing changes.
    pub next_to_expire: Option<(Key, i64)>,
    /// The latest archive before this one.
    pub previous: Option<Archived>,
}

/// An archive that was published.
#[derive(Clone, Debug)]
pub struct Published {
    /// Its name in the destination.
    pub key: Key,
    /// Its own bytes.
    pub archive_bytes: u64,
    /// Bytes of files in it.
    pub data_bytes: u64,
    /// Bytes that were read from the source.
    pub bytes_read: u64,
    /// Entries.
    pub entries: u64,
    /// Partitions among them that are stored as images.
    pub images: u64,
    /// Its digest: algorithm and hexadecimal digits.
    pub digest: (String, String),
    /// How many issues there were.
    pub issue_count: u64,
    /// The first of them, in words.
    pub issues: Vec<String>,
    /// How full the snapshot got, in percent.
    pub snapshot_percent: Option<f64>,
}

/// How a run was, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Each volume has a complete archive, and nothing else went wrong.
    Complete,
    /// Each volume has an archive, but of some a part could not be read.
    Incomplete,
    /// A volume has none, or an archive is damaged, or something else failed, or there was no
    /// volume at all.
    Failed,
}

impl Verdict {
    /// `complete`, `incomplete`, `failed`: as programs read it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Incomplete => "incomplete",
            Self::Failed => "failed",
        }
    }
}

impl VolumeOutcome {
    /// How it was for this volume.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match &self.result {
            Err(_) => Verdict::Failed,
            Ok(published) if published.issue_count > 0 => Verdict::Incomplete,
            Ok(_) => Verdict::Complete,
        }
    }
}

impl Outcome {
    /// How the run was: as bad as its worst part.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let worst = self.volumes.iter().map(VolumeOutcome::verdict).max().unwrap_or(Verdict::Failed);
        if self.errors.is_empty() && self.damaged().next().is_none() { worst } else { Verdict::Failed }
    }

    /// The verified archives that are damaged, or could not be read.
    pub fn damaged(&self) -> impl Iterator<Item = &Verified> {
        self.verified.iter().filter(|verified| verified.is_damaged())
    }

    /// How many volumes have no archive of this run, and how many have an incomplete one.
    #[must_use]
    pub fn trouble(&self) -> (usize, usize) {
        let count = |verdict| self.volumes.iter().filter(|volume| volume.verdict() == verdict).count();
        (count(Verdict::Failed), count(Verdict::Incomplete))
    }
}
