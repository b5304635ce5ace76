//! Both ends of manifests, read by a worker: whoever can write to the destination may have made
//! them.

use std::fs::File;
use std::os::fd::AsFd as _;
use std::sync::{Mutex, PoisonError};

use super::process::{Process, Program, babble};
use crate::archive::manifest::Ends;
use crate::error::Result;
use crate::store::ReadEnds;
use crate::worker::protocol::{Message, Order};

/// A worker that is started for the first manifest, and reads all others too. It gets each as a
/// descriptor.
#[derive(Debug)]
pub struct Manifests {
    program: Program,
    has_sandbox: bool,
    process: Mutex<Option<Process>>,
}

impl Manifests {
    /// With this program as the worker.
    #[must_use]
    pub fn of_this_program() -> Self {
        Self::new(Program::this(&["worker"]), true)
    }

    /// With workers that are started like this.
    #[must_use]
    pub fn new(program: Program, has_sandbox: bool) -> Self {
        Self { program, has_sandbox, process: Mutex::new(None) }
    }

    fn read(&self, file: &File, order: &Order) -> Result<Ends> {
        let mut running = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        let mut process = match running.take() {
            Some(process) => process,
            None => self.program.start(&Order::Manifests { has_sandbox: self.has_sandbox }, &[])?,
        };
        if process.tell(order, &[file.as_fd()]).is_err() {
            return Err(process.died());
        }
        loop {
            match process.hear()? {
                Message::Ends(ends) => {
                    ends.check()?;
                    *running = Some(process);
                    return Ok(*ends);
                }
                Message::Error(told) => {
                    *running = Some(process);
                    return Err(told.into());
                }
                // The backup itself reports what the kernel lacks.
                Message::Note { .. } => {}
                _ => return Err(babble("it was asked for a manifest")),
            }
        }
    }
}

impl ReadEnds for Manifests {
    fn ends(&self, manifest: File) -> Result<Ends> {
        self.read(&manifest, &Order::Ends)
    }

    fn ends_inside(&self, archive: File) -> Result<Ends> {
        self.read(&archive, &Order::EndsInside)
    }
}
