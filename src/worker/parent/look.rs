//! Foresees how each volume of a disk would be stored: a worker that has no rights looks at it.

use super::archive::Worker;
use super::process::babble;
use crate::error::Result;
use crate::printable::harmless;
use crate::worker::protocol::{Look, Message, Order};

/// Looks at disks.
pub trait LookAt {
    /// How each volume would be stored, a line each.
    ///
    /// # Errors
    ///
    /// When it can't be opened or read, or is no disk.
    fn look_at(&self, look: &Look) -> Result<Vec<String>>;
}

impl LookAt for Worker {
    fn look_at(&self, look: &Look) -> Result<Vec<String>> {
        let mut process = self.program().start(&Order::Look(Box::new(look.clone())), &[])?;
        let answer = process.hear();
        process.end();
        match answer? {
            Message::Looked { lines } => Ok(lines.iter().map(|line| harmless(line)).collect()),
            Message::Error(told) => Err(told.into()),
            _ => Err(babble("it was asked to look at a disk")),
        }
    }
}
