//! The worker that makes an archive, as the process sees it that started it.

use std::path::Path;
use std::time::{Duration, Instant};

use super::manifests::{Manifests, ReadEnds};
use super::process::{Process, Program, babble};
use crate::archive::manifest::Ends;
use crate::archive::{Observer, remove_left_overs};
use crate::error::{Error, Issue, Kind, Result};
use crate::hex;
use crate::printable::{Printable, harmless};
use crate::worker::protocol::{Made, Message, Order, Task, Told};
use crate::worker::{Archiver, Guard};

/// Issues that are kept word by word; all are in the manifest.
const ISSUES_KEPT: usize = 20;
/// How often signals are asked for.
const BEAT: Duration = Duration::from_millis(100);
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

impl ReadEnds for Worker {
    fn ends(&self, path: &Path) -> Result<Ends> {
        self.manifests.ends(path)
    }
}

impl Archiver for Worker {
    fn archive(&self, task: &Task, observer: &dyn Observer, guard: &dyn Guard) -> Result<Made> {
        let process = self.program.start(&Order::Archive(Box::new(task.clone())), &[])?;
        let mut session = Session { process, archive: task.archive.clone() };
        let outcome = session.attend(observer, guard, self.look_every);
        session.process.end();
        if outcome.is_err() {
            // One that was killed could not do it.
            remove_left_overs(task.archive.parent().unwrap_or(Path::new(".")));
        }
        outcome
    }
}

/// A worker that runs.
struct Session {
    process: Process,
    archive: std::path::PathBuf,
}

impl Session {
    /// Passes on what the worker says until it has published, or until nothing is to be published any more.
    fn attend(&mut self, observer: &dyn Observer, guard: &dyn Guard, look_every: Duration) -> Result<Made> {
        let mut looked = Instant::now();
        let mut issues = Vec::new();
        let mut made: Option<Made> = None;
        loop {
            // Once it publishes there is no way back.
            if made.is_none() {
                if observer.stop_requested() {
                    return Err(stopped());
                }
                if looked.elapsed() >= look_every {
                    guard.look()?;
                    looked = Instant::now();
                }
            }
            let heard = self.process.hear_within(BEAT);
            let Some(message) = heard.map_err(|error| self.explain(error, made.is_some()))? else { continue };
            match message {
                Message::Total { bytes } => observer.begin(bytes),
                Message::Progress { done_bytes, written_bytes } => {
                    observer.progress(done_bytes, written_bytes)
                }
                Message::Note { text } => observer.note(&harmless(&text)),
                Message::Issue { path_hex, error } => {
                    let issue = issue(path_hex.as_deref(), error);
                    observer.issue(&issue);
                    if issues.len() < ISSUES_KEPT {
                        issues.push(issue.to_string());
                    }
                }
                Message::Ready(ready) if made.is_none() => {
                    if observer.stop_requested() {
                        return Err(stopped());
                    }
                    guard.vouch()?;
                    made = Some(ready);
                    if self.process.tell(&Order::Publish, &[]).is_err() {
                        let died = self.process.died();
                        return Err(self.explain(died, true));
                    }
                }
                Message::Published => {
                    let made = made.ok_or_else(|| babble("it published, and was not asked to"))?;
                    return Ok(Made { issues, ..made });
                }
                Message::Ready(_) => return Err(babble("it is ready twice")),
                Message::Error(told) => return Err(told.into()),
                _ => return Err(babble("it was asked for an archive")),
            }
        }
    }

    fn explain(&self, error: Error, may_be_published: bool) -> Error {
        if !may_be_published {
            return error;
        }
        let path = Printable::path(&self.archive);
        error.because("", format_args!("; the archive may be there under its name: voltar verify {path}"))
    }
}

fn issue(path_hex: Option<&str>, error: Told) -> Issue {
    Issue { path: path_hex.and_then(hex::decode), error: error.into() }
}

fn stopped() -> Error {
    Error::new(Kind::Interrupted, "stopped by a signal; nothing was published")
}

#[cfg(test)]
#[path = "archive/tests.rs"]
mod tests;
