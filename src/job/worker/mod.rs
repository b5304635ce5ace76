//! The worker: a process of its own for each volume, which reads the disk and writes the archive, and does nothing else.
//!
//! A tenant wrote what it parses. So the process that runs LVM's commands and hooks, with all their rights, never looks at a byte
//! of a disk: it starts a worker, which opens what the task names, gives up its rights, and then parses.
//!
//! The two talk in lines of JSON, and the worker's stdin is its lifeline: it ends, and discards what it wrote, when that does.

mod parent;
mod protocol;

use crate::archive::Observer;
use crate::error::Result;

pub use parent::Worker;
pub use protocol::{Made, Message, PUBLISH, Task};

/// What makes archives: a worker process, or what stands for one in a test.
pub trait Archiver: Sync {
    /// Makes and publishes the archive that the task describes. It asks `guard` every few seconds, and before it publishes.
    ///
    /// # Errors
    ///
    /// When nothing was published: what failed in the worker, what the guard said, or [`crate::Kind::Interrupted`].
    fn archive(&self, task: &Task, observer: &dyn Observer, guard: &dyn Guard) -> Result<Made>;
}

/// Who says whether what is read is still worth reading.
pub trait Guard {
    /// Asked every few seconds.
    ///
    /// # Errors
    ///
    /// When it is known to be worth nothing: then the worker is stopped.
    fn look(&self) -> Result<()>;

    /// Asked after the last read.
    ///
    /// # Errors
    ///
    /// When it is not known to be worth something: then nothing is published.
    fn vouch(&self) -> Result<()>;
}
