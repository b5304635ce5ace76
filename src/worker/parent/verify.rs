//! Whether an archive is good: a worker that has no rights reads it.

use std::time::Duration;

use super::archive::Worker;
use super::process::babble;
use crate::archive::Observer;
use crate::error::{Error, Kind, Result};
use crate::store::{Key, Store};
use crate::worker::judged::Judged;
use crate::worker::protocol::{Message, Order};

/// Signals are asked for this often.
const BEAT: Duration = Duration::from_millis(100);

/// Verifies archives: with a worker, or with a fake in a test.
pub trait Verifier {
    /// Reads an archive in a store, with its sidecars, to the end.
    ///
    /// # Errors
    ///
    /// When it can't be read, or is no archive; [`Kind::Interrupted`] when the observer wants it to
    /// stop.
    fn verify(
        &self,
        store: &dyn Store,
        archive: &Key,
        has_sandbox: bool,
        observer: &dyn Observer,
    ) -> Result<Judged>;
}

impl Verifier for Worker {
    fn verify(
        &self,
        store: &dyn Store,
        archive: &Key,
        has_sandbox: bool,
        observer: &dyn Observer,
    ) -> Result<Judged> {
        let (store, archive) = (store.address().as_path().to_path_buf(), archive.as_path().to_path_buf());
        let order = Order::Verify { store, archive, has_sandbox };
        // It ends when this is dropped.
        let mut process = self.program().start(&order, &[])?;
        loop {
            if observer.stop_requested() {
                return Err(Error::new(Kind::Interrupted, "stopped by a signal"));
            }
            match process.hear_within(BEAT)? {
                // The backup itself says which rights the kernel can not close.
                None | Some(Message::Note { .. }) => {}
                Some(Message::Total { bytes }) => observer.begin(bytes),
                Some(Message::Progress { done_bytes, written_bytes }) => {
                    observer.progress(done_bytes, written_bytes);
                }
                Some(Message::Verified(judged)) => return Ok(judged.harmless()),
                Some(Message::Error(told)) => return Err(told.into()),
                Some(_) => return Err(babble("it was asked to verify an archive")),
            }
        }
    }
}
