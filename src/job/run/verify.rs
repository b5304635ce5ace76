//! Archives that are verified when all volumes have had their turn, before an old one is removed.

use std::mem;
use std::time::Instant;

use super::Run;
use crate::error::{Kind, Result};
use crate::report::outcome::Outcome;
use crate::report::verified::Verified;
use crate::retention::Retention;
use crate::store::choice::Choice;
use crate::store::{Key, ReadEnds, Shelf, Store, archives};

/// The archives in a destination that are ours, folder by folder, oldest first.
pub(super) fn shelves(store: &dyn Store, manifests: &dyn ReadEnds) -> Result<Vec<Shelf>> {
    let shelf = |folder: String| {
        let archives = archives::of_volume(store, &folder, manifests)?.into_iter();
        let archives = archives.map(|archived| archived.key).collect();
        Ok(Shelf { folder: Key::new(folder), archives })
    };
    archives::volumes(store)?.into_iter().map(shelf).collect()
}

impl Run<'_> {
    /// Verifies the chosen archives of the destination, and says whether all had their turn.
    /// `without_sandbox` are the folders of sources that have none.
    pub(super) fn verify(&self, choice: &Choice, without_sandbox: &[String], outcome: &mut Outcome) -> bool {
        let chosen = match shelves(self.store, self.archiver) {
            Ok(shelves) => choice.of(&shelves, outcome.started),
            Err(error) => {
                self.fault(outcome, format!("the archives to verify can't be listed: {error}"));
                return false;
            }
        };
        let count = chosen.len();
        for (before, key) in chosen.into_iter().enumerate() {
            let left = count.saturating_sub(before);
            let stopped =
                format!("{left} of {count} archives were not verified: the run was stopped by a signal");
            if self.witness.stop_requested() {
                self.fault(outcome, stopped);
                return false;
            }
            let address = outcome.destination.of(&key);
            self.witness.verify_begins(&address, before, count);
            let began = Instant::now();
            let folder = key.folder();
            let has_sandbox = !without_sandbox.contains(&folder);
            let result = self.archiver.verify(self.store, &key, has_sandbox, self.witness);
            if result.as_ref().is_err_and(|error| error.kind() == Kind::Interrupted) {
                self.fault(outcome, stopped);
                return false;
            }
            let verified = Verified {
                folder,
                elapsed: began.elapsed(),
                result: result.map_err(|error| error.to_string()),
                key,
            };
            if let Some(reason) = verified.reason() {
                let (word, next) = (verified.word(), verified.next_step(&outcome.destination));
                self.witness.fault(&format!("{address}: {word}: {reason}; {next}"));
            }
            outcome.verified.push(verified);
        }
        true
    }

    /// Removes expired archives, but none of a volume that has a damaged one.
    pub(super) fn expire_waiting(
        &self,
        waiting: &[(usize, &Retention)],
        is_whole: bool,
        outcome: &mut Outcome,
    ) {
        let mut volumes = mem::take(&mut outcome.volumes);
        for (index, rules) in waiting {
            let Some(volume) = volumes.get_mut(*index) else { continue };
            let is_damaged = outcome.damaged().any(|verified| verified.folder == volume.folder);
            if is_damaged {
                volume.notes.push("no old archive was removed, as one of this volume is damaged".to_owned());
            } else if !is_whole {
                volume.notes.push("no old archive was removed, as not all were verified".to_owned());
            } else {
                self.expire(rules, volume, outcome);
            }
        }
        outcome.volumes = volumes;
    }
}
