//! Makes the files of an archive for a process that has no right on any path, and names them on
//! order.
//!
//! That process parses, and may have been taken over. We take two digests from it and nothing else,
//! so it can spoil its own archive alone.

use std::os::fd::AsFd as _;
use std::path::Path;

use super::{Parent, gone, next, out_of_turn};
use crate::archive::{Algorithm, ArchiveFiles, Publication};
use crate::error::Result;
use crate::worker::channel::Channel;
use crate::worker::protocol::{Message, Order};

pub(super) fn run(
    archive: &Path,
    algorithm: Algorithm,
    source: &Path,
    force: bool,
    mut channel: Channel,
    parent: &Parent,
) -> Result<()> {
    let target = ArchiveFiles::new(archive, algorithm);
    target.check(Some(source), force)?;
    let publication = Publication::begin(target, force)?;
    let (archive, manifest) = publication.files()?;
    parent.channel.tell(&Message::Files, &[archive.as_fd(), manifest.as_fd()]).map_err(gone)?;
    drop((archive, manifest));
    match next(&mut channel)? {
        Some(Order::Name(digests)) => {
            digests.check(algorithm)?;
            publication.seal(&digests)?.publish()?;
            parent.tell(&Message::Published);
            Ok(())
        }
        Some(_) => Err(out_of_turn()),
        // The files are discarded.
        None => Ok(()),
    }
}
