//! The broker names an archive while this process, which has no right on any path, makes it.

use std::fs::File;
use std::path::Path;

use super::process::Program;
use crate::archive::{Algorithm, Digests};
use crate::error::{Error, Result};
use crate::printable::Printable;
use crate::worker::channel::Channel;
use crate::worker::protocol::{Message, Order};

/// A process that holds the folder of an archive. It discards the files and ends when this process
/// ends, however that does.
#[derive(Debug)]
pub struct Broker {
    channel: Channel,
    archive: String,
}

impl Broker {
    /// Starts it, and has it make the files: the archive and its manifest. Call it before the
    /// sandbox.
    ///
    /// # Errors
    ///
    /// As [`crate::archive::ArchiveFiles::check`] and [`crate::archive::Publication::begin`].
    pub fn start(
        program: &Program,
        archive: &Path,
        algorithm: Algorithm,
        source: &Path,
        force: bool,
    ) -> Result<(Self, File, File)> {
        let shown = Printable::path(archive).to_string();
        let (archive, source) = (archive.to_path_buf(), source.to_path_buf());
        let order = Order::Publish { archive, algorithm, source, force };
        let mut broker = Self { channel: program.leave(order.role())?, archive: shown };
        match broker.ask(&order)? {
            Message::Files => {
                let mut file = || broker.channel.file().map_err(Error::internal);
                let (archive, manifest) = (file()?, file()?);
                Ok((broker, archive, manifest))
            }
            _ => Err(babble()),
        }
    }

    /// Has the files synced and named. They are written.
    ///
    /// # Errors
    ///
    /// As [`crate::archive::Publication::seal`] and [`crate::archive::Sealed::publish`].
    pub fn publish(mut self, digests: &Digests) -> Result<()> {
        match self.ask(&Order::Name(digests.clone()))? {
            Message::Published => Ok(()),
            _ => Err(babble()),
        }
    }

    fn ask(&mut self, order: &Order) -> Result<Message> {
        let answer = self.channel.tell(order, &[]).and_then(|()| self.channel.hear());
        match answer {
            Ok(Some(Message::Error(told))) => Err(told.into()),
            Ok(Some(message)) => Ok(message),
            Ok(None) => Err(self.is_gone("it was ended by somebody")),
            Err(source) => Err(self.is_gone(&source.to_string())),
        }
    }

    fn is_gone(&self, why: &str) -> Error {
        let archive = &self.archive;
        Error::internal(format!(
            "the process that names the archive is gone ({why}): voltar verify {archive} tells whether it is there"
        ))
    }
}

fn babble() -> Error {
    Error::internal("the process that names the archive says what can't be understood")
}
