//! Whether an archive is good: a worker that has no rights reads it.

use super::archive::Worker;
use super::attend::Attendant;
use super::process::babble;
use crate::archive::Observer;
use crate::error::Result;
use crate::store::{Key, Store};
use crate::worker::judged::Judged;
use crate::worker::protocol::{Message, Order};

/// Verifies archives: with a worker, or with a fake in a test.
pub trait Verifier {
    /// Reads an archive in a store, with its sidecars, to the end.
    ///
    /// # Errors
    ///
    /// When it can't be read, or is no archive; [`crate::Kind::Interrupted`] when the observer wants it to
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
        // The backup itself says which rights the kernel can't take away.
        let mut attendant = Attendant::new(observer, "stopped by a signal").without_notes();
        attendant.wait(
            &mut process,
            || Ok(()),
            |message| match message {
                Message::Verified(judged) => Ok(Some(judged.harmless())),
                _ => Err(babble("it was asked to verify an archive")),
            },
        )
    }
}
