//! Reads both ends of manifests, one after the other.

use std::fs::File;

use super::{Parent, next, out_of_turn};
use crate::archive::manifest::{self, Ends};
use crate::archive::read::ends_inside;
use crate::error::{Error, Kind, Result};
use crate::worker::channel::Channel;
use crate::worker::protocol::{Message, Order};

pub(super) fn run(has_sandbox: bool, mut channel: Channel, parent: &Parent) -> Result<()> {
    parent.confine(has_sandbox)?;
    while let Some(order) = next(&mut channel)? {
        let read: fn(File) -> Result<Ends> = match order {
            Order::Ends => manifest::ends_of,
            Order::EndsInside => ends_inside,
            _ => return Err(out_of_turn()),
        };
        let file = channel.file().map_err(|source| Error::new(Kind::System, source))?;
        match read(file) {
            Ok(ends) => parent.tell(&Message::Ends(Box::new(ends))),
            Err(error) => parent.tell(&Message::error(&error)),
        }
    }
    Ok(())
}
