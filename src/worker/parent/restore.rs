//! A disk that comes back: a worker reads the archive, and this process makes the target, its
//! filesystems, and its name.

use std::path::Path;

use super::attend::Attendant;
use super::process::{Process, Program, babble};
use crate::archive::Observer;
use crate::error::{Error, Result};
use crate::printable::harmless;
use crate::restore::{Plan, Restored, TargetFile};
use crate::worker::onto::Onto;
use crate::worker::protocol::{Message, Order};

/// A worker that has read what an archive says of its disk.
#[derive(Debug)]
pub struct Restorer {
    process: Process,
    source_bytes: u64,
    needed_bytes: u64,
    notes: Vec<String>,
}

impl Restorer {
    /// Starts a worker for an archive.
    ///
    /// # Errors
    ///
    /// When the archive or its manifest can't be opened, or the manifest is that of no disk.
    pub fn start(
        program: &Program,
        archive: &Path,
        has_sandbox: bool,
        observer: &dyn Observer,
    ) -> Result<Self> {
        let order = Order::Restore { archive: archive.to_path_buf(), has_sandbox };
        let mut process = program.start(&order, &[])?;
        loop {
            match process.hear()? {
                Message::Note { text } => observer.note(&harmless(&text)),
                Message::Blueprint { source_bytes, needed_bytes, notes } => {
                    let notes = notes.iter().map(|note| harmless(note)).collect();
                    return Ok(Self { process, source_bytes, needed_bytes, notes });
                }
                Message::Error(told) => return Err(told.into()),
                _ => return Err(babble("it was asked for a blueprint")),
            }
        }
    }

    /// Remarks on the disk.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Length of a target that nobody has made yet.
    #[must_use]
    pub fn usual_bytes(&self) -> u64 {
        self.source_bytes.max(self.needed_bytes)
    }

    /// The plan for a target of this length. All of it is checked.
    ///
    /// # Errors
    ///
    /// As [`crate::restore::Blueprint::plan`].
    pub fn plan(&mut self, target_bytes: u64, grow: bool) -> Result<Plan> {
        self.tell(&Order::Plan { target_bytes, grow }, None)?;
        match self.process.hear()? {
            Message::Plan(plan) => plan.check(target_bytes),
            Message::Error(told) => Err(told.into()),
            _ => Err(babble("it was asked for a plan")),
        }
    }

    /// Writes the last plan onto a target on which its filesystems are made. With an error come the
    /// bytes that were written before.
    ///
    /// # Errors
    ///
    /// As [`crate::restore::run`], and when a signal asks to stop.
    pub fn write(mut self, target: &TargetFile, observer: &dyn Observer) -> Result<Restored, (Error, u64)> {
        let onto = Onto {
            len_bytes: target.device().len_bytes(),
            sector_bytes: target.sector_bytes(),
            is_blank: target.is_blank(),
            vanishes: target.vanishes(),
        };
        let mut attendant = Attendant::new(observer, "stopped by a signal");
        let answer = |message| match message {
            Message::Restored(mut restored) => {
                restored.issues.iter_mut().for_each(|issue| *issue = harmless(issue));
                Ok(Some(restored))
            }
            _ => Err(babble("it was asked to write")),
        };
        let outcome = self
            .tell(&Order::Write(onto), Some(target))
            .and_then(|()| attendant.wait(&mut self.process, || Ok(()), answer));
        // It must not write any more when the target gets its name, or is cleared.
        self.process.end();
        outcome.map_err(|error| (error, attendant.written_bytes))
    }

    fn tell(&mut self, order: &Order, target: Option<&TargetFile>) -> Result<()> {
        let files: Vec<_> = target.map(TargetFile::file).into_iter().collect();
        match self.process.tell(order, &files) {
            Ok(()) => Ok(()),
            Err(_) => Err(self.process.died()),
        }
    }
}
