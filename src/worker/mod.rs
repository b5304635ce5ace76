//! Workers: processes that parse what somebody else wrote, and have no right on any path when they
//! do.
//!
//! A tenant wrote what is on a disk, and whoever can write to a destination may have made what lies
//! there. So the process that runs LVM's commands and hooks, makes, locks and publishes files,
//! starts `mke2fs` and writes tables never parses a byte of them: it starts a worker, which gives
//! up its rights and then parses. Files come to it open.
//!
//! ```text
//! parent ◀─ channel: lines of JSON, descriptors ─▶ child
//! ```
//!
//! The connection is the worker's lifeline: it ends when that does.

mod channel;
pub mod child;
mod child_output;
mod judged;
mod onto;
mod parent;
mod protocol;

use crate::archive::Observer;
use crate::error::Result;
use crate::store::{Key, ReadEnds, Store};

pub use channel::Channel;
pub(crate) use child_output::ChildOutput;
pub use judged::Judged;
pub use parent::{Broker, LookAt, Manifests, Program, Restorer, Verifier, Worker};
pub use protocol::{Look, Made, Task};

/// Makes archives, verifies them and reads the manifests of older ones: with worker processes, or
/// with a fake in a test.
pub trait Archiver: ReadEnds + Verifier {
    /// Makes the archive that the task describes, and publishes it in the store under this name. It
    /// asks `guard` every few seconds, and before it publishes.
    ///
    /// # Errors
    ///
    /// When nothing was published: what failed in the worker, what the guard said, or
    /// [`crate::Kind::Interrupted`].
    fn archive(
        &self,
        task: &Task,
        store: &dyn Store,
        key: &Key,
        observer: &dyn Observer,
        guard: &dyn Guard,
    ) -> Result<Made>;
}

/// Says whether the source is still worth reading.
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
