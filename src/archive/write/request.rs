//! The parts of a request for an archive, and where the archive goes.

use std::fs::File;
use std::io::Write;

use serde::{Deserialize, Serialize};

use crate::archive::observer::Observer;
use crate::archive::options::Options;

/// The identity of a run: which disk, when, on which host. The manifest has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// When the run began, in seconds since 1970.
    pub started: u64,
    /// The origin of the snapshot that is read.
    pub snapshot_of: Option<String>,
    /// Name of this host, for an archive that lies beside those of other hosts.
    pub host: Option<String>,
}

/// Says which part of a disk to archive, and how.
pub struct Request<'a> {
    /// The options.
    pub options: &'a Options,
    /// The facts for the manifest.
    pub identity: Identity,
    /// Watches the run.
    pub observer: &'a dyn Observer,
}

/// Where the archive and its manifest go.
pub struct Output<'a> {
    /// The archive.
    pub archive: &'a mut (dyn Write + Send),
    /// The manifest, where one is wanted: a record each write, a flush where it is to be parted.
    pub manifest: Option<&'a mut (dyn Write + Send)>,
    /// An empty file, where the manifest shall be the last member of the archive too: it is
    /// gathered there, as all of it comes before that member.
    pub embedded: Option<File>,
}
