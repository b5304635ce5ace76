//! A run: all volumes of a plan, one after the other, and what is kept of each.

mod preview;
mod targets;
mod verify;

use std::time::{Duration, Instant};

pub use self::preview::{Preview, Previewed, WouldVerify, preview};
pub use self::targets::{BackupTarget, Targets, expand};
use super::backup::{Backup, Finished};
use super::clean::{self, Mode};
use super::witness::Witness;
use crate::archive::host_name;
use crate::calendar;
use crate::config::plan::{Plan, What};
use crate::error::{Error, Kind};
use crate::job::ownership;
use crate::report::outcome::{Outcome, VolumeOutcome};
use crate::retention::{self, Retention};
use crate::snapshot::Provider;
use crate::store::archives::{self, Archived, Removed};
use crate::store::{self, Store};
use crate::worker::Archiver;

/// Runs a plan. Whatever happens to one volume, the others have their turn; a signal ends the run, and what was not begun is
/// told as failed.
pub fn run(plan: &Plan, provider: &dyn Provider, archiver: &dyn Archiver, witness: &dyn Witness) -> Outcome {
    let began = Instant::now();
    let opened = store::open(&plan.destination);
    let mut outcome = Outcome {
        host: host_name(),
        started: calendar::now(),
        elapsed: began.elapsed(),
        destination: plan.destination.folder.clone().into(),
        is_mounted: opened.as_ref().is_ok_and(|store| store.is_apart()),
        volumes: Vec::new(),
        errors: Vec::new(),
        verified: Vec::new(),
        is_refused: false,
        cleaned: Vec::new(),
        space: None,
        history: Vec::new(),
    };
    let store = match &opened {
        Ok(store) => store.as_ref(),
        Err(error) => {
            witness.fault(&error.to_string());
            outcome.errors.push(error.to_string());
            return outcome;
        }
    };
    let run = Run { plan, store, provider, archiver, witness };
    match store.lock() {
        Ok(_lock) => {
            // Before space is asked for: they may have it.
            store.remove_left_overs();
            match store::check_free(store, plan.destination.minimum_free) {
                Ok(()) => run.all(&mut outcome),
                Err(error) => run.nothing(&mut outcome, &error),
            }
        }
        Err(error) if error.kind() == Kind::Exists => {
            outcome.is_refused = true;
            run.fault(&mut outcome, error.to_string());
        }
        Err(error) => run.nothing(&mut outcome, &error),
    }
    outcome.space = store.space();
    match archives::all(store, archiver) {
        Ok(history) => outcome.history = history,
        // Then the run failed for the same reason, which was told.
        Err(_) if !outcome.errors.is_empty() => {}
        Err(error) => {
            run.fault(&mut outcome, format!("the archives in the destination can't be listed: {error}"));
        }
    }
    outcome.elapsed = began.elapsed();
    outcome
}

struct Run<'a> {
    plan: &'a Plan,
    store: &'a dyn Store,
    provider: &'a dyn Provider,
    archiver: &'a dyn Archiver,
    witness: &'a dyn Witness,
}

impl Run<'_> {
    fn all(&self, outcome: &mut Outcome) {
        if self.plan.sources.iter().any(|source| !matches!(source.what, What::Device(_))) {
            self.clean(outcome);
        }
        let Targets { targets, errors } = expand(self.plan, self.provider);
        for error in errors {
            self.fault(outcome, error);
        }
        let count = targets.len();
        let (mut waiting, mut without_sandbox) = (Vec::new(), Vec::new());
        for (before, target) in targets.into_iter().enumerate() {
            self.witness.turn_begins(&target.name, before, count);
            let rules = &target.source.retention;
            let has_sandbox = target.source.options.archive.reading.has_sandbox;
            let (volume, is_in_order) = self.turn(target, outcome);
            self.witness.turn_ends(&volume, &outcome.destination);
            waiting.extend(is_in_order.then_some((outcome.volumes.len(), rules)));
            without_sandbox.extend((!has_sandbox).then(|| volume.folder.clone()));
            outcome.volumes.push(volume);
        }
        if let Some(choice) = &self.plan.verify {
            let is_whole = self.verify(choice, &without_sandbox, outcome);
            self.expire_waiting(&waiting, is_whole, outcome);
        }
    }

    /// Tells each volume as failed, since the destination is of no use.
    fn nothing(&self, outcome: &mut Outcome, error: &Error) {
        self.fault(outcome, error.to_string());
        let Targets { targets, errors } = expand(self.plan, self.provider);
        for error in errors {
            self.fault(outcome, error);
        }
        let volumes = targets.iter().map(|target| not_begun(target, format!("not begun: {error}")));
        outcome.volumes.extend(volumes);
    }

    /// Removes what an earlier run that was killed left behind.
    fn clean(&self, outcome: &mut Outcome) {
        match clean::clean(self.provider, &[], Mode::Remove) {
            Ok(cleaned) => {
                for name in cleaned.removed {
                    self.witness
                        .note(&format!("removed the snapshot {name}, which an earlier run left behind"));
                    outcome.cleaned.push(name.to_string());
                }
                for leftover in cleaned.leftovers {
                    self.witness.note(&leftover);
                }
                for error in cleaned.errors {
                    self.fault(outcome, error);
                }
            }
            Err(error) => {
                self.fault(outcome, format!("leftovers of earlier runs can't be looked for: {error}"))
            }
        }
    }

    /// The turn of one volume. Its old archives are removed here, unless archives are verified
    /// first. Gives back whether they may be removed.
    fn turn(&self, target: BackupTarget<'_>, outcome: &mut Outcome) -> (VolumeOutcome, bool) {
        let began = Instant::now();
        let retention = &target.source.retention;
        let mut volume = not_begun(&target, "not begun: the run was stopped by a signal before".to_owned());
        if let Some(fault) = target.fault {
            volume.result = Err(fault);
            return (volume, false);
        }
        if self.witness.stop_requested() {
            return (volume, false);
        }
        // What can't be listed now can't be listed afterwards either, and is told then.
        let before = archives::of_volume(self.store, &volume.folder, self.archiver).unwrap_or_default();
        volume.previous = before.last().cloned();
        if let Err(error) = ownership::check(self.store, &before, &volume.name) {
            volume.result = Err(format!("not begun: {error}"));
            return (volume, false);
        }
        let Self { store, provider, archiver, witness, plan } = *self;
        let minimum_free = plan.destination.minimum_free;
        let backup = Backup { provider, archiver, witness, store, minimum_free };
        let Finished { result, notes, errors } =
            backup.make(&target.subject, &volume.folder, &target.source.options);
        volume.notes.extend(notes);
        let is_in_order = errors.is_empty();
        outcome.errors.extend(errors);
        volume.result = result.map_err(|error| error.to_string());
        let may_expire = volume.result.is_ok() && is_in_order;
        if may_expire && self.plan.verify.is_none() {
            self.expire(retention, &mut volume, outcome);
        }
        volume.elapsed = began.elapsed();
        (volume, may_expire)
    }

    /// Removes what the volume's retention does not keep. Called after success only, and where nothing is left to be put in order.
    fn expire(&self, rules: &Retention, volume: &mut VolumeOutcome, outcome: &mut Outcome) {
        let archives = archives::of_volume(self.store, &volume.folder, self.archiver);
        let ours = archives
            .and_then(|archives| ownership::check(self.store, &archives, &volume.name).map(|()| archives));
        let kept = match ours {
            Ok(archives) => self.remove_expired(rules, &archives, &mut volume.removed, outcome),
            Err(error) => {
                return self.fault(
                    outcome,
                    format!(
                        "{}: which archives are its own can't be found out, and none was removed: {error}",
                        volume.name
                    ),
                );
            }
        };
        volume.next_to_expire = retention::next_to_expire(&kept, rules, calendar::now());
    }

    /// Gives back what is still there.
    fn remove_expired(
        &self,
        rules: &Retention,
        archives: &[Archived],
        removed: &mut Vec<Removed>,
        outcome: &mut Outcome,
    ) -> Vec<Archived> {
        let mut kept = Vec::new();
        for decision in retention::decide(archives, rules, calendar::now()) {
            if !decision.is_removal() {
                kept.push(decision.archived.clone());
                continue;
            }
            match archives::remove(self.store, decision.archived) {
                Ok(gone) => removed.push(gone),
                Err(error) => {
                    kept.push(decision.archived.clone());
                    self.fault(outcome, format!("an expired archive can't be removed: {error}"));
                }
            }
        }
        kept
    }

    fn fault(&self, outcome: &mut Outcome, text: String) {
        self.witness.fault(&text);
        outcome.errors.push(text);
    }
}

/// What is told of a volume that had no turn, for this reason.
fn not_begun(target: &BackupTarget<'_>, reason: String) -> VolumeOutcome {
    VolumeOutcome {
        name: target.name.clone(),
        folder: target.folder.clone(),
        elapsed: Duration::ZERO,
        result: Err(reason),
        notes: Vec::new(),
        removed: Vec::new(),
        retention: retention::describe(&target.source.retention),
        next_to_expire: None,
        previous: None,
    }
}

#[cfg(test)]
mod tests;
