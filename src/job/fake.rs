//! What stands for LVM, the worker and the person who watches, in tests: it does little, and keeps a log of what it is asked.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use tempfile::TempDir;

use super::witness::Witness;
use crate::archive::manifest::Ends;
use crate::archive::{Digests, Observer};
use crate::config::plan::{Hooks, Plan, Report, SnapshotOptions, Source, VolumeOptions, What};
use crate::device::read_vec;
use crate::error::{Error, Kind, Result};
use crate::retention::Retention;
use crate::snapshot::{
    Estimate, FailedSnapshot, Marked, Provider, Snapshot, SnapshotRequest, State, Volume, VolumeName,
};
use crate::store::{Destination, Here, Key, ReadEnds, Store};
use crate::worker::{Archiver, Guard, Judged, Made, Task, Verifier};

/// All of them in one.
pub struct Fake {
    pub folder: TempDir,
    pub volumes: Vec<Volume>,
    pub marked: Vec<Marked>,
    /// Calls that fail.
    pub fails: Vec<&'static str>,
    /// The call that panics.
    pub panics: Option<&'static str>,
    /// The call after which a stop is requested.
    pub stops_after: Option<&'static str>,
    /// What the snapshot's state is each time that it is asked, and half full from then on.
    pub states: Mutex<VecDeque<Result<State>>>,
    /// How often the guard is asked before the archive is ready.
    pub looks: usize,
    pub extends: bool,
    pub stop: AtomicBool,
}

impl Default for Fake {
    fn default() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            volumes: vec![volume("web"), volume("db")],
            marked: Vec::new(),
            fails: Vec::new(),
            panics: None,
            stops_after: None,
            states: Mutex::default(),
            looks: 0,
            extends: false,
            stop: AtomicBool::new(false),
        }
    }
}

pub fn name(volume: &str) -> VolumeName {
    VolumeName { group: "vg0".to_owned(), volume: volume.to_owned() }
}

pub fn volume(volume: &str) -> Volume {
    Volume {
        name: name(volume),
        device: format!("/dev/vg0/{volume}").into(),
        len_bytes: 1 << 30,
        pool: None,
        is_open: true,
        group_free_bytes: 2 << 30,
        extent_bytes: 4 << 20,
    }
}

impl Fake {
    /// What was asked of it so far, and what hooks wrote into the log.
    pub fn calls(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.log()).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    pub fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    pub fn destination(&self) -> Destination {
        let folder = self.folder.path().join("backups");
        let _ = std::fs::create_dir(&folder);
        Destination { folder, require_mount: false, minimum_free: None }
    }

    /// Options with hooks that write their names into the log.
    pub fn options(&self) -> VolumeOptions {
        let hook = || {
            let script = format!("echo $VOLTAR_HOOK >> '{}'", self.log().display());
            Some(["sh", "-c", &script].map(str::to_owned).to_vec())
        };
        let hooks = Hooks { freeze: hook(), thaw: hook(), time_limit: Duration::from_secs(10) };
        let snapshot = SnapshotOptions { extend: self.extends, hooks, ..SnapshotOptions::default() };
        VolumeOptions { snapshot, ..VolumeOptions::default() }
    }

    pub fn plan(&self, sources: impl IntoIterator<Item = What>) -> Plan {
        let source = |what| Source { what, options: self.options(), retention: Retention::default() };
        Plan {
            sources: sources.into_iter().map(source).collect(),
            destination: self.destination(),
            lvm_command: Vec::new(),
            report: Report::default(),
            verify: None,
        }
    }

    fn call(&self, what: &str, whom: &str) -> Result<()> {
        let mut log = std::fs::File::options().append(true).create(true).open(self.log()).unwrap();
        writeln!(log, "{}", format!("{what} {whom}").trim()).unwrap();
        if self.stops_after == Some(what) {
            self.stop.store(true, Relaxed);
        }
        assert_ne!(self.panics, Some(what), "on purpose");
        let fails = self.fails.iter().any(|fails| *fails == what || *fails == format!("{what} {whom}"));
        match fails {
            true => Err(Error::new(Kind::Read, format!("{what} failed"))),
            false => Ok(()),
        }
    }
}

impl Provider for Fake {
    fn find(&self, name: &VolumeName) -> Result<Volume> {
        self.call("find", &name.to_string())?;
        let found = self.volumes.iter().find(|volume| volume.name == *name).cloned();
        found.ok_or_else(|| Error::new(Kind::Source, format!("there is no volume {name}")))
    }

    fn volumes(&self, group: &str) -> Result<Vec<VolumeName>> {
        self.call("volumes", group)?;
        Ok(self.volumes.iter().map(|volume| volume.name.clone()).filter(|name| name.group == group).collect())
    }

    fn estimate(&self, volume: &Volume, _wish: &SnapshotRequest) -> Result<Estimate> {
        self.call("foresee", &volume.name.to_string())?;
        Ok(Estimate { len_bytes: volume.pool.is_none().then_some(volume.len_bytes), warning: None })
    }

    fn take(
        &self,
        volume: &Volume,
        _wish: &SnapshotRequest,
        note: &dyn Fn(&str),
    ) -> std::result::Result<Snapshot, FailedSnapshot> {
        self.call("take", &volume.name.to_string())?;
        note("less than wished");
        let snapshot = format!("{}-snapshot", volume.name.volume);
        Ok(Snapshot {
            name: VolumeName { volume: snapshot.clone(), ..volume.name.clone() },
            origin: volume.name.clone(),
            device: Path::new("/dev/vg0").join(snapshot),
            is_thin: false,
        })
    }

    fn settle(&self, taken: std::result::Result<Snapshot, FailedSnapshot>) -> Result<Snapshot> {
        let snapshot = taken.map_err(|failed| failed.error)?;
        self.call("settle", &snapshot.origin.to_string())?;
        Ok(snapshot)
    }

    fn state(&self, _snapshot: &Snapshot, _limit: Duration) -> Result<State> {
        self.call("state", "")?;
        let next = self.states.lock().unwrap().pop_front();
        next.unwrap_or(Ok(State::Valid { used_percent: Some(50.0) }))
    }

    fn extend(&self, _snapshot: &Snapshot) -> Result<bool> {
        self.call("extend", "").map(|()| true)
    }

    fn remove(&self, snapshot: &VolumeName) -> Result<()> {
        self.call("remove", &snapshot.to_string())
    }

    fn marked(&self) -> Result<Vec<Marked>> {
        self.call("marked", "")?;
        Ok(self.marked.clone())
    }
}

impl ReadEnds for Fake {
    fn ends(&self, manifest: File) -> Result<Ends> {
        Here.ends(manifest)
    }

    fn ends_inside(&self, archive: File) -> Result<Ends> {
        Here.ends_inside(archive)
    }
}

impl Verifier for Fake {
    fn verify(
        &self,
        store: &dyn Store,
        archive: &Key,
        has_sandbox: bool,
        _observer: &dyn Observer,
    ) -> Result<Judged> {
        let mut name = archive.file_name().to_str().unwrap().to_owned();
        if !has_sandbox {
            name.push_str(" without the sandbox");
        }
        self.call("verify", &name)?;
        let device = store.open(archive).unwrap();
        let is_damaged = device.len_bytes() == 7 && read_vec(device.as_ref(), 0, 7).unwrap() == b"damaged";
        let findings = is_damaged.then(|| "its first frame".to_owned()).into_iter().collect();
        Ok(Judged { findings, finding_count: is_damaged.into(), is_proven: true, ..Judged::default() })
    }
}

impl crate::worker::LookAt for Fake {
    fn look_at(&self, look: &crate::worker::Look) -> Result<Vec<String>> {
        std::fs::metadata(&look.source)
            .map_err(|source| Error::new(Kind::Source, source).on(&look.source))?;
        Ok(vec!["partition 1: ext4, its files".to_owned()])
    }
}

impl Archiver for Fake {
    fn archive(
        &self,
        task: &Task,
        store: &dyn Store,
        key: &Key,
        observer: &dyn Observer,
        guard: &dyn Guard,
    ) -> Result<Made> {
        let draft = store.create(key, task.options.digest)?;
        let failure = self.call("archive", &task.source.display().to_string());
        if observer.stop_requested() {
            return Err(Error::new(Kind::Interrupted, "stopped by a signal"));
        }
        for _ in 0..self.looks {
            guard.look()?;
        }
        failure?;
        guard.vouch()?;
        self.call("publish", "")?;
        let (mut archive, mut manifest) = draft.files()?;
        archive.write_all(b"archive").unwrap();
        manifest.write_all(b"no manifest").unwrap();
        let digest = |text: &[u8]| {
            let mut hasher = task.options.digest.hasher();
            hasher.update(text);
            hasher.finish()
        };
        draft.seal(&Digests { archive: digest(b"archive"), manifest: digest(b"no manifest") })?.commit()?;
        Ok(Made { archive_bytes: 7, ..Made::default() })
    }
}

impl Observer for Fake {
    fn stop_requested(&self) -> bool {
        self.stop.load(Relaxed)
    }
}

impl Witness for Fake {}
