//! Verifies an archive that was opened before all rights were given up.

use std::path::PathBuf;

use super::{Parent, out_of_turn};
use crate::archive::read::verify;
use crate::error::Result;
use crate::store::{self, Destination, Key};
use crate::worker::channel::Channel;
use crate::worker::judged::Judged;
use crate::worker::protocol::Message;

pub(super) fn run(
    store: PathBuf,
    archive: PathBuf,
    has_sandbox: bool,
    channel: Channel,
    parent: &Parent,
) -> Result<()> {
    let store = store::open(&Destination { folder: store, require_mount: false, minimum_free: None })?;
    let archive = Key::new(archive).ok_or_else(out_of_turn)?;
    let files = store.open_archive(&archive)?;
    parent.confine(has_sandbox)?;
    parent.watch(channel)?;
    let verdict = verify(&files, parent)?;
    parent.tell(&Message::Verified(Judged::from(&verdict)));
    Ok(())
}
