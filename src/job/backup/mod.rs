//! The backup of one volume: find it, freeze, take a snapshot, thaw, read the snapshot, ask it, publish, remove it.
//!
//! Whatever happens on the way, what was begun is put in order: what was frozen is thawed, the snapshot is removed, and an archive
//! that can't be relied on does not appear.

mod watch;

use std::cell::RefCell;
use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};

use self::watch::{Unguarded, Watch};
use super::hooks::quiesced;
use super::witness::Witness;
use crate::archive::{Identity, clock, fixed_time, host_name};
use crate::config::plan::VolumeOptions;
use crate::error::{Error, Kind, Result};
use crate::report::outcome::Published;
use crate::snapshot::{Provider, Snapshot, SnapshotRequest, Volume, VolumeName};
use crate::store::{self, Free, Key, Store};
use crate::units::{Bytes, seconds};
use crate::worker::{Archiver, Guard, Made, Task};

/// One thing to back up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A volume, of which a snapshot is taken.
    Volume(VolumeName),
    /// A device or image, read as it is.
    Device(PathBuf),
}

/// What a backup is made with.
pub struct Backup<'a> {
    /// Takes the snapshot.
    pub provider: &'a dyn Provider,
    /// Makes the archive.
    pub archiver: &'a dyn Archiver,
    /// Who watches.
    pub witness: &'a dyn Witness,
    /// Where archives go.
    pub store: &'a dyn Store,
    /// How much must be free there.
    pub minimum_free: Option<Free>,
}

/// What came of it.
#[derive(Debug)]
pub struct Finished {
    /// The archive, or why there is none.
    pub result: Result<Published>,
    /// What one should know, and what is no issue.
    pub notes: Vec<String>,
    /// What was not put in order: a guest that may still be frozen, a snapshot that is still there.
    pub errors: Vec<String>,
}

impl Backup<'_> {
    /// Backs one thing up into a folder of the destination.
    pub fn make(&self, subject: &Subject, folder: &str, options: &VolumeOptions) -> Finished {
        let turn =
            Turn { backup: self, folder, options, notes: RefCell::default(), errors: RefCell::default() };
        let result = match subject {
            Subject::Volume(name) => turn.volume(name),
            Subject::Device(path) => turn.device(path),
        };
        Finished { result, notes: turn.notes.into_inner(), errors: turn.errors.into_inner() }
    }
}

/// The turn of one volume.
struct Turn<'a> {
    backup: &'a Backup<'a>,
    folder: &'a str,
    options: &'a VolumeOptions,
    notes: RefCell<Vec<String>>,
    errors: RefCell<Vec<String>>,
}

impl Turn<'_> {
    fn volume(&self, name: &VolumeName) -> Result<Published> {
        let provider = self.backup.provider;
        let volume = provider.find(name)?;
        self.backup.witness.note(&describe(&volume));
        self.check()?;
        let (snapshot, started) = self.snapshot(&volume)?;
        let note = |text: &str| self.note(text);
        let watch = Watch::new(provider, &snapshot, self.options.snapshot.extend, &note);
        // A fault of our own leaves no snapshot either.
        let made = catch_unwind(AssertUnwindSafe(|| {
            let made = self.archive(&snapshot.device, Some(name), started, &watch);
            made.map_err(|error| watch.explain(error))
        }));
        let percent = watch.most_percent();
        if let Err(error) = provider.remove(&snapshot.name) {
            let name = &snapshot.name;
            self.fault(format!(
                "the snapshot {name} could not be removed ({error}); voltar clean {name} tries again"
            ));
        }
        let (key, made) = made.unwrap_or_else(|panic| resume_unwind(panic))?;
        Ok(published(key, made, percent))
    }

    /// Takes the snapshot between freeze and thaw, and settles it afterwards. With it comes the moment that it shows, in seconds
    /// since 1970.
    fn snapshot(&self, volume: &Volume) -> Result<(Snapshot, u64)> {
        let Backup { provider, witness, .. } = *self.backup;
        let hooks = &self.options.snapshot.hooks;
        let request = SnapshotRequest { size: self.options.snapshot.size };
        let stop = || witness.stop_requested();
        let quiesced = quiesced(hooks, volume, &stop, || {
            self.may_go_on()?;
            let started = clock();
            Ok((provider.take(volume, &request, &|text| self.note(text)), started))
        });
        if hooks.freeze.is_some() && quiesced.result.is_ok() {
            witness.note(&format!("{} was frozen for {}", volume.name, seconds(quiesced.elapsed)));
        }
        if let Some(error) = quiesced.thaw_error {
            self.fault(format!("{}: what was frozen may still be frozen: {error}", volume.name));
        }
        let (taken, started) = quiesced.result?;
        Ok((provider.settle(taken)?, started))
    }

    fn device(&self, path: &Path) -> Result<Published> {
        let hooks = &self.options.snapshot.hooks;
        if hooks.freeze.is_some() || hooks.thaw.is_some() {
            self.note("freeze and thaw are not run: they are for the moment of a snapshot, and none is taken of a device");
        }
        if changes(path) {
            self.note("this device is read as it is, and what changes meanwhile may not fit together; a snapshot does not change");
        }
        self.check()?;
        self.archive(path, None, clock(), &Unguarded).map(|(key, made)| published(key, made, None))
    }

    /// Makes the archive of what can be read at `source`, as it was at `started`.
    fn archive(
        &self,
        source: &Path,
        snapshot_of: Option<&VolumeName>,
        started: u64,
        guard: &dyn Guard,
    ) -> Result<(Key, Made)> {
        self.may_go_on()?;
        let store = self.backup.store;
        let compression = self.options.archive.compression;
        let key = Key::of_archive(self.folder, i64::try_from(started).unwrap_or(i64::MAX), compression);
        if matches!(store.look(&key), Ok(Some(_))) {
            let message = "is there already: it was begun in this very second; wait for the next one";
            return Err(Error::new(Kind::Exists, message).on(store.address().of(&key).as_path()));
        }
        let identity = Identity {
            // The name tells when it was made; the times inside may be set.
            started: fixed_time().unwrap_or(started),
            snapshot_of: snapshot_of.map(VolumeName::to_string),
            host: Some(host_name()),
        };
        let (source, options) = (source.to_path_buf(), self.options.archive.clone());
        let task = Task { source, identity, options };
        let made = self.backup.archiver.archive(&task, store, &key, self.backup.witness, guard)?;
        Ok((key, made))
    }

    /// Finds out what costs nothing to find out, before anybody is frozen.
    fn check(&self) -> Result<()> {
        self.may_go_on()?;
        self.options.archive.check()?;
        // The backup disk may be gone since the run began.
        self.backup.store.check()?;
        store::check_free(self.backup.store, self.backup.minimum_free)
    }

    fn may_go_on(&self) -> Result<()> {
        match self.backup.witness.stop_requested() {
            true => Err(Error::new(Kind::Interrupted, "stopped by a signal; nothing was published")),
            false => Ok(()),
        }
    }

    /// Says what the report shall say too.
    fn note(&self, text: &str) {
        self.backup.witness.note(text);
        self.notes.borrow_mut().push(text.to_owned());
    }

    fn fault(&self, text: String) {
        self.backup.witness.fault(&text);
        self.errors.borrow_mut().push(text);
    }
}

/// `vg0/web: 20.0 GiB, thin (in pool), in use`.
#[must_use]
pub fn describe(volume: &Volume) -> String {
    let space = match &volume.pool {
        Some(pool) => format!("thin, in the pool {pool}"),
        None => "with space of its own".to_owned(),
    };
    let is_open = if volume.is_open { "in use" } else { "not in use" };
    format!("{}: {}, {space}, {is_open}", volume.name, Bytes(volume.len_bytes))
}

/// Whether this is a block device that can be written to, so that it may change while it is read.
///
/// `ro` below `/sys/dev/block`, see the kernel's Documentation/ABI/stable/sysfs-block.
fn changes(path: &Path) -> bool {
    let Ok(metadata) = fs::metadata(path) else { return false };
    if !metadata.file_type().is_block_device() {
        return false;
    }
    let (major, minor) = (rustix::fs::major(metadata.rdev()), rustix::fs::minor(metadata.rdev()));
    let read_only = fs::read_to_string(format!("/sys/dev/block/{major}:{minor}/ro"));
    !read_only.is_ok_and(|text| text.trim() == "1")
}

fn published(key: Key, made: Made, snapshot_percent: Option<f64>) -> Published {
    Published {
        key,
        archive_bytes: made.archive_bytes,
        data_bytes: made.data_bytes,
        bytes_read: made.bytes_read,
        images: made.entries.get(crate::store::archives::IMAGE).copied().unwrap_or(0),
        entries: made.entries.values().fold(0, |sum, count| sum.saturating_add(*count)),
        digest: made.digest,
        issue_count: made.issue_count,
        issues: made.issues,
        snapshot_percent,
    }
}

#[cfg(test)]
mod tests;
