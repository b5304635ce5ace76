//! Who watches a run: a progress bar, a log, a test.

use crate::error::Issue;

/// Is told how a run goes, from whatever thread, and may ask it to stop.
pub trait Observer: Sync {
    /// About this many bytes are to be archived.
    fn begin(&self, _total_bytes: u64) {}

    /// Bytes of data that are done so far, without holes, and bytes of the archive that are
    /// written.
    fn progress(&self, _done_bytes: u64, _written_bytes: u64) {}

    /// All is done. `done_bytes` is exact, as the summary has it; the total of [`Observer::begin`]
    /// is an estimate.
    fn finish(&self, _done_bytes: u64, _written_bytes: u64) {}

    /// Something that a person should know, but that costs nothing.
    fn note(&self, _text: &str) {}

    /// Something could not be read.
    fn issue(&self, _issue: &Issue) {}

    /// Whether the run shall end now, with nothing published.
    fn stop_requested(&self) -> bool {
        false
    }

    /// The time at the end of the run, in seconds since 1970.
    fn now(&self) -> u64 {
        super::now()
    }
}

/// Watches nothing, in a world without time: two archives of one disk are the same.
#[derive(Clone, Copy, Debug)]
pub struct Nobody;

impl Observer for Nobody {
    fn now(&self) -> u64 {
        0
    }
}
