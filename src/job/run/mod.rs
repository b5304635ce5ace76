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
use crate::store::folder::{self, Destination, Locked};
use crate::worker::Archiver;

/// Runs a plan. Whatever happens to one volume, the others have their turn; a signal ends the run, and what was not begun is
/// told as failed.
pub fn run(plan: &Plan, provider: &dyn Provider, archiver: &dyn Archiver, witness: &dyn Witness) -> Outcome {
    let began = Instant::now();
    let mut outcome = Outcome {
        host: host_name(),
        started: calendar::now(),
        elapsed: began.elapsed(),
        destination: plan.destination.folder.clone(),
        is_mounted: is_mounted(&plan.destination),
        volumes: Vec::new(),
        errors: Vec::new(),
        verified: Vec::new(),
        is_refused: false,
        cleaned: Vec::new(),
        space: None,
        history: Vec::new(),
    };
    let run = Run { plan, provider, archiver, witness };
    match Locked::lock(&plan.destination) {
        Ok(_locked) => {
            // Before space is asked for: they may have it.
            folder::remove_left_overs(&plan.destination);
            match folder::check_free(&plan.destination) {
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
    outcome.space = folder::space(&plan.destination.folder);
    match archives::all(&plan.destination.folder, archiver) {
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
            self.witness.turn_ends(&volume);
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
        let destination = &self.plan.destination;
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
        let before =
            archives::of_volume(&destination.folder, &volume.folder, self.archiver).unwrap_or_default();
        volume.previous = before.last().cloned();
        if let Err(error) = ownership::check(&before, &volume.name) {
            volume.result = Err(format!("not begun: {error}"));
            return (volume, false);
        }
        let Self { provider, archiver, witness, .. } = *self;
        let backup = Backup { provider, archiver, witness, destination };
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
        let folder = &self.plan.destination.folder;
        let archives = archives::of_volume(folder, &volume.folder, self.archiver);
        let ours = archives.and_then(|archives| ownership::check(&archives, &volume.name).map(|()| archives));
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
            match archives::remove(decision.archived) {
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

/// Whether something is mounted at the folder, whether or not the plan asks for that.
fn is_mounted(destination: &Destination) -> bool {
    folder::check_folder(&Destination { require_mount: true, ..destination.clone() }).is_ok()
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
