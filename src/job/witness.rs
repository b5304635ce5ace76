//! Who watches a run of many volumes.

use crate::archive::Observer;
use crate::report::outcome::VolumeOutcome;
use crate::store::Address;

/// Is told how a run goes.
pub trait Witness: Observer {
    /// The turn of a volume begins: so many were before it, of so many in all.
    fn turn_begins(&self, _name: &str, _before: usize, _count: usize) {}

    /// It is over.
    fn turn_ends(&self, _outcome: &VolumeOutcome, _destination: &Address) {}

    /// An archive is being verified: so many were before it, of so many in all.
    fn verify_begins(&self, _archive: &Address, _before: usize, _count: usize) {}

    /// Something failed that costs no archive, and that somebody has to put in order.
    fn fault(&self, _text: &str) {}
}
