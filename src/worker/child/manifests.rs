//! Reads both ends of manifests, one after the other.

use super::{Parent, next, out_of_turn};
use crate::archive::manifest;
use crate::error::{Error, Kind, Result};
use crate::worker::channel::Channel;
use crate::worker::protocol::{Message, Order};

pub(super) fn run(has_sandbox: bool, mut channel: Channel, parent: &Parent) -> Result<()> {
    parent.confine(has_sandbox)?;
    while let Some(order) = next(&mut channel)? {
        let Order::Ends = order else { return Err(out_of_turn()) };
        let file = channel.file().map_err(|source| Error::new(Kind::System, source))?;
        match manifest::ends_of(&file) {
            Ok(ends) => parent.tell(&Message::Ends(Box::new(ends))),
            Err(error) => parent.tell(&Message::error(&error)),
        }
    }
    Ok(())
}
