//! The worker that makes an archive, as the process sees it that started it.

use std::fs::File;
use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use super::attend::Attendant;
use super::manifests::Manifests;
use super::process::{Process, Program, babble};
use crate::archive::Observer;
use crate::archive::manifest::Ends;
use crate::error::{Error, Issue, Kind, Result};
use crate::hex;
use crate::printable::harmless;
use crate::store::{Key, ReadEnds, Store};
use crate::temporary::{is_full, told_missing};
use crate::worker::protocol::{Made, Message, Order, Task, Told};
use crate::worker::{Archiver, Guard};

/// Issues that are kept word by word; all are in the manifest.
const ISSUES_KEPT: usize = 20;
/// The next step where the destination is full.
const NEXT: &str = "remove archives (voltar prune), or choose another destination";
/// The error after a signal.
const STOPPED: &str = "stopped by a signal; nothing was published";
/// How often the guard is asked.
const LOOK_EVERY: Duration = Duration::from_secs(3);

/// Starts a worker for each task.
#[derive(Debug)]
pub struct Worker {
    program: Program,
    manifests: Manifests,
    look_every: Duration,
}

impl Worker {
    /// With workers that are started like this.
    #[must_use]
    pub fn new(program: Program) -> Self {
        let manifests = Manifests::new(program.clone(), true);
        Self { program, manifests, look_every: LOOK_EVERY }
    }
}

impl Worker {
    pub(super) fn program(&self) -> &Program {
        &self.program
    }
}

impl ReadEnds for Worker {
    fn ends(&self, manifest: File) -> Result<Ends> {
        self.manifests.ends(manifest)
    }

    fn ends_inside(&self, archive: File) -> Result<Ends> {
        self.manifests.ends_inside(archive)
    }
}

impl Archiver for Worker {
    fn archive(
        &self,
        task: &Task,
        store: &dyn Store,
        key: &Key,
        observer: &dyn Observer,
        guard: &dyn Guard,
    ) -> Result<Made> {
        let draft = store.create(key, task.options.digest)?;
        let (archive, manifest) = draft.files()?;
        let order = Order::Archive(Box::new(task.clone()));
        let mut process = self.program.start(&order, &[archive.as_fd(), manifest.as_fd()])?;
        let outcome = attend(&mut process, observer, guard, self.look_every);
        // From here on nobody writes into the files.
        process.end();
        let mut made = outcome.map_err(|error| match is_full(&error) {
            true => error.on(store.address().of(key).as_path()),
            false => error,
        })?;
        let digests = made.digests.take().ok_or_else(|| babble("it made an archive without a digest"))?;
        digests.check(task.options.digest)?;
        made.digest = (task.options.digest.name().to_owned(), digests.archive.to_string());
        made.entries = made.entries.into_iter().map(|(name, count)| (harmless(&name), count)).collect();
        let sealed = draft.seal(&digests)?;
        if observer.stop_requested() {
            return Err(Error::new(Kind::Interrupted, STOPPED));
        }
        guard.vouch()?;
        sealed.commit()?;
        Ok(made)
    }
}

/// Passes on what the worker says until all is written.
fn attend(
    process: &mut Process,
    observer: &dyn Observer,
    guard: &dyn Guard,
    look_every: Duration,
) -> Result<Made> {
    let mut looked = Instant::now();
    let beat = || {
        if looked.elapsed() >= look_every {
            guard.look()?;
            looked = Instant::now();
        }
        Ok(())
    };
    let mut issues = Vec::new();
    let answer = |message| match message {
        Message::Issue { path_hex, error } => {
            let issue = issue(path_hex.as_deref(), error);
            observer.issue(&issue);
            if issues.len() < ISSUES_KEPT {
                issues.push(issue.to_string());
            }
            Ok(None)
        }
        Message::Ready(made) => Ok(Some(Made { issues: std::mem::take(&mut issues), ..made })),
        _ => Err(babble("it was asked for an archive")),
    };
    let mut attendant = Attendant::new(observer, STOPPED);
    let outcome = attendant.wait(process, beat, answer);
    outcome.map_err(|error| told_missing(error, attendant.done_bytes, attendant.total_bytes, NEXT))
}

fn issue(path_hex: Option<&str>, error: Told) -> Issue {
    Issue { path: path_hex.and_then(hex::decode), error: error.into() }
}

#[cfg(test)]
#[path = "archive/tests.rs"]
mod tests;
