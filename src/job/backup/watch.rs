//! Watching a snapshot while it is read: how full it is, and whether it is still worth anything.

use std::cell::Cell;
use std::time::Duration;

use crate::error::{Error, Kind, Result};
use crate::snapshot::{Provider, Snapshot, State};
use crate::worker::Guard;

/// From here on a snapshot is nearly full.
const NEARLY_FULL_PERCENT: f64 = 80.0;

/// How long LVM may take to say so while the archive is made: signals wait for the answer, and the next look is soon.
const LOOK_LIMIT: Duration = Duration::from_secs(30);
/// How long it may take when the archive depends on it: another command may have the group locked.
const VOUCH_LIMIT: Duration = Duration::from_secs(300);

/// Watches one snapshot.
pub(super) struct Watch<'a> {
    provider: &'a dyn Provider,
    snapshot: &'a Snapshot,
    extends: bool,
    note: &'a dyn Fn(&str),
    /// The fullest that it was.
    most_percent: Cell<Option<f64>>,
    /// Whether it was said that it is nearly full, and nothing can be done.
    was_warned: Cell<bool>,
    /// Whether it was said that its state can't be asked.
    was_deaf: Cell<bool>,
}

impl<'a> Watch<'a> {
    pub(super) fn new(
        provider: &'a dyn Provider,
        snapshot: &'a Snapshot,
        extends: bool,
        note: &'a dyn Fn(&str),
    ) -> Self {
        Self {
            provider,
            snapshot,
            extends,
            note,
            most_percent: Cell::new(None),
            was_warned: Cell::new(false),
            was_deaf: Cell::new(false),
        }
    }

    /// How full it got, in percent.
    pub(super) fn most_percent(&self) -> Option<f64> {
        self.most_percent.get()
    }

    /// An error of the worker, with the reason if that is the snapshot: one that overflowed fails to be read.
    pub(super) fn explain(&self, error: Error) -> Error {
        if matches!(
            error.kind(),
            Kind::Interrupted | Kind::Write | Kind::Exists | Kind::Usage | Kind::Snapshot
        ) {
            return error;
        }
        match self.provider.state(self.snapshot, VOUCH_LIMIT) {
            Ok(state) => self.fault(state).map_or(error, |fault| fault),
            // What is known is the worker's error.
            Err(_) => error,
        }
    }

    /// What makes the snapshot worth nothing.
    fn fault(&self, state: State) -> Option<Error> {
        let origin = &self.snapshot.origin;
        let message = match state {
            State::Valid { .. } => return None,
            State::Overflowed => format!(
                "snapshot overflowed: more of {origin} was changed than {} had space for, and nothing of what was read is \
                 worth anything; nothing was published. Give it more (--snapshot-size, snapshot_size), or let it be extended (--extend, extend_snapshot)",
                self.snapshot.name
            ),
            State::Gone => format!(
                "the snapshot {} is gone: somebody removed it while it was read; nothing was published",
                self.snapshot.name
            ),
        };
        Some(Error::new(Kind::Snapshot, message))
    }

    fn nearly_full(&self, percent: f64) {
        let name = &self.snapshot.name;
        if self.extends {
            match self.provider.extend(self.snapshot) {
                Ok(true) => {
                    (self.note)(&format!("the snapshot {name} was {percent:.0} % full, and was extended"));
                }
                Ok(false) => self.warn(percent, "and there is no more space to extend it"),
                Err(error) => self.warn(percent, &format!("and can't be extended: {error}")),
            }
        } else {
            self.warn(percent, "and is worth nothing when it overflows (--extend lets it grow)");
        }
    }

    fn warn(&self, percent: f64, consequence: &str) {
        if !self.was_warned.replace(true) {
            (self.note)(&format!(
                "the snapshot {} is {percent:.0} % full, {consequence}",
                self.snapshot.name
            ));
        }
    }
}

impl Guard for Watch<'_> {
    fn look(&self) -> Result<()> {
        let state = match self.provider.state(self.snapshot, LOOK_LIMIT) {
            Ok(state) => state,
            Err(error) => {
                // It may be known again at the end, which is what counts.
                if !self.was_deaf.replace(true) {
                    (self.note)(&format!(
                        "how full the snapshot is can't be found out for the moment: {error}"
                    ));
                }
                return Ok(());
            }
        };
        if let Some(fault) = self.fault(state) {
            return Err(fault);
        }
        if let State::Valid { used_percent: Some(percent) } = state {
            self.most_percent.set(Some(self.most_percent.get().map_or(percent, |most| most.max(percent))));
            if percent >= NEARLY_FULL_PERCENT {
                self.nearly_full(percent);
            }
        }
        Ok(())
    }

    fn vouch(&self) -> Result<()> {
        let state = self.provider.state(self.snapshot, VOUCH_LIMIT).map_err(|error| {
            let message = format!(
                "whether the snapshot {} is still worth anything can't be found out ({error}); nothing was published",
                self.snapshot.name
            );
            Error::new(Kind::Snapshot, message)
        })?;
        if let State::Valid { used_percent: Some(percent) } = state {
            self.most_percent.set(Some(self.most_percent.get().map_or(percent, |most| most.max(percent))));
        }
        self.fault(state).map_or(Ok(()), Err)
    }
}

/// Watches nothing: a device without a snapshot.
pub(super) struct Unguarded;

impl Guard for Unguarded {
    fn look(&self) -> Result<()> {
        Ok(())
    }

    fn vouch(&self) -> Result<()> {
        Ok(())
    }
}
