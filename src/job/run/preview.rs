//! What a run would do, without doing any of it.

use std::path::Path;

use super::super::backup::{Subject, describe};
use super::super::clean::{self, Mode};
use super::targets::{BackupTarget, Targets, expand};
use super::verify::shelves;
use crate::archive::Compression;
use crate::config::plan::{Plan, What};
use crate::job::ownership;
use crate::snapshot::{Estimate, Provider, SnapshotRequest};
use crate::store::archives::{self, Archived, Removed, Told};
use crate::store::choice::Choice;
use crate::store::{self, Address, Key, ReadEnds, Store};
use crate::units::Bytes;
use crate::worker::{Look, LookAt};
use crate::{calendar, retention};

/// What a run would do.
#[derive(Debug, Default)]
pub struct Preview {
    /// The address of the destination.
    pub destination: Address,
    /// Leftovers that it would remove.
    pub cleaned: Vec<String>,
    /// Each volume, in order.
    pub volumes: Vec<Previewed>,
    /// Archives that would be verified; `None` where none is asked for.
    pub verified: Option<WouldVerify>,
    /// What would fail.
    pub errors: Vec<String>,
}

/// Archives that would be verified.
#[derive(Debug, Default)]
pub struct WouldVerify {
    /// Whether the newest of each volume is among them. The run makes it.
    pub newest: bool,
    /// The archives of today's sample.
    pub sample: Vec<Key>,
}

/// What it would do with one volume.
#[derive(Debug)]
pub struct Previewed {
    /// Its name.
    pub name: String,
    /// The folder of its archives.
    pub folder: String,
    /// What it is, and which snapshot would be taken of it; or why none could be.
    pub what: Result<String, String>,
    /// What one should know.
    pub notes: Vec<String>,
    /// Archives that would be removed after success.
    pub removed: Vec<Removed>,
    /// What its retention is, in words.
    pub retention: String,
}

/// Finds out what a run would do. It writes nothing and takes nothing.
#[must_use]
pub fn preview(plan: &Plan, provider: &dyn Provider, workers: &(impl ReadEnds + LookAt)) -> Preview {
    let destination = plan.destination.folder.clone().into();
    let mut preview = Preview { destination, ..Preview::default() };
    let store = match store::open(&plan.destination) {
        Ok(store) => store,
        Err(error) => return Preview { errors: vec![error.to_string()], ..preview },
    };
    let store = store.as_ref();
    let ready = store.check();
    if let Err(error) = ready.and_then(|()| store::check_free(store, plan.destination.minimum_free)) {
        preview.errors.push(error.to_string());
    }
    if plan.sources.iter().any(|source| !matches!(source.what, What::Device(_))) {
        match clean::clean(provider, &[], Mode::Show) {
            Ok(cleaned) => {
                preview.cleaned.extend(cleaned.removed.iter().map(ToString::to_string));
                preview.errors.extend(cleaned.errors);
            }
            Err(error) => preview.errors.push(error.to_string()),
        }
    }
    let Targets { targets, errors } = expand(plan, provider);
    preview.errors.extend(errors);
    preview.volumes = targets.into_iter().map(|target| volume(store, provider, workers, target)).collect();
    if let Some(choice) = plan.verify {
        let mut would = WouldVerify { newest: choice.newest, sample: Vec::new() };
        if choice.sample.is_some() {
            match shelves(store, workers) {
                Ok(shelves) => {
                    would.sample = Choice { newest: false, ..choice }.of(&shelves, calendar::now())
                }
                Err(error) => preview.errors.push(error.to_string()),
            }
        }
        preview.verified = Some(would);
    }
    preview
}

fn volume(
    store: &dyn Store,
    provider: &dyn Provider,
    disks: &(impl ReadEnds + LookAt),
    target: BackupTarget<'_>,
) -> Previewed {
    let manifests: &dyn ReadEnds = disks;
    let rules = &target.source.retention;
    let mut notes = Vec::new();
    let archives = archives::of_volume(store, &target.folder, manifests);
    let foreign = archives.and_then(|archives| ownership::check(store, &archives, &target.name)).err();
    let fault = target.fault.clone().or_else(|| foreign.map(|error| error.to_string()));
    let what = match (fault, &target.subject) {
        (Some(fault), _) => Err(fault),
        (None, Subject::Device(path)) => match disks.look_at(&look(path, &target)) {
            Ok(lines) => {
                notes.extend(lines);
                Ok("read as it is, without a snapshot".to_owned())
            }
            Err(error) => Err(error.to_string()),
        },
        (None, Subject::Volume(name)) => match provider.find(name) {
            Ok(volume) => {
                let request = SnapshotRequest { size: target.source.options.snapshot.size };
                let estimate = provider.estimate(&volume, &request).map_err(|error| error.to_string());
                estimate.map(|estimate| {
                    notes.extend(estimate.warning.clone());
                    match disks.look_at(&look(&volume.device, &target)) {
                        Ok(lines) => notes.extend(lines),
                        // A guest writes to it: what a snapshot shows may be sound.
                        Err(error) => notes.push(format!("in its present state: {error}")),
                    }
                    format!("{}; {}", describe(&volume), snapshot(&estimate))
                })
            }
            Err(error) => Err(error.to_string()),
        },
    };
    let removed = match &what {
        Ok(_) => expiring(store, &target.folder, manifests, |archives| {
            retention::decide(archives, rules, calendar::now())
                .into_iter()
                .filter(retention::Decision::is_removal)
                .map(|decision| Removed {
                    key: decision.archived.key.clone(),
                    len_bytes: decision.archived.len_bytes,
                })
                .collect()
        }),
        // Nothing is removed for a volume that failed.
        Err(_) => Vec::new(),
    };
    Previewed {
        name: target.name,
        folder: target.folder,
        what,
        notes,
        removed,
        retention: retention::describe(rules),
    }
}

/// A target's disk, and how it is read.
fn look(source: &Path, target: &BackupTarget<'_>) -> Look {
    Look { source: source.to_path_buf(), options: target.source.options.archive.clone() }
}

/// What would be removed if a complete archive were added now.
fn expiring(
    store: &dyn Store,
    folder: &str,
    manifests: &dyn ReadEnds,
    decide: impl FnOnce(&[Archived]) -> Vec<Removed>,
) -> Vec<Removed> {
    let Ok(mut archives) = archives::of_volume(store, folder, manifests) else {
        return Vec::new();
    };
    let told = Told {
        source: String::new(),
        snapshot_of: None,
        host: None,
        data_bytes: 0,
        bytes_read: 0,
        entries: 0,
        images: 0,
        issues: 0,
        seconds: None,
    };
    archives.push(Archived {
        volume: folder.to_owned(),
        key: Key::of_archive(folder, calendar::now(), Compression::None),
        taken: calendar::now(),
        len_bytes: 0,
        told: Some(told),
    });
    decide(&archives)
}

/// Which snapshot would be taken.
fn snapshot(estimate: &Estimate) -> String {
    match estimate.len_bytes {
        None => "a thin snapshot".to_owned(),
        Some(len_bytes) => format!("a snapshot with {} for changes", Bytes(len_bytes)),
    }
}
