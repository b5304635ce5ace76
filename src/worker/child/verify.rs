//! Verifies an archive that was opened before all rights were given up.

use std::path::Path;

use super::Parent;
use crate::archive::read::{Files, verify};
use crate::error::Result;
use crate::worker::channel::Channel;
use crate::worker::judged::Judged;
use crate::worker::protocol::Message;

pub(super) fn run(archive: &Path, has_sandbox: bool, channel: Channel, parent: &Parent) -> Result<()> {
    let files = Files::open(archive)?;
    parent.confine(has_sandbox)?;
    parent.watch(channel)?;
    let verdict = verify(&files, parent)?;
    parent.tell(&Message::Verified(Judged::from(&verdict)));
    Ok(())
}
