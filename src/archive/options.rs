//! The options of a run: the configuration and the command line fill them in, the archive obeys
//! them.
//!
//! A worker gets them as JSON. A new option is a field here, a row in the configuration's table of
//! keys, and an argument in `cli/options.rs`.

use std::ffi::OsString;
use std::num::{NonZeroU16, NonZeroUsize};
use std::os::unix::ffi::OsStrExt as _;
use std::thread;

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::format::codec::Compression;
use crate::format::digest::Algorithm;
use crate::format::tar::form::Form;
use crate::tree::Exclude;
use crate::volume::{Reading, VolumeId};

/// Which volumes are stored as raw images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Raw {
    /// Those that can't be read as files.
    #[default]
    Auto,
    /// None: each that can't be read as files is an issue.
    Never,
    /// All, also those that could be read as files.
    Always,
}

/// Says which part of a disk is archived, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// How the disk is read.
    pub reading: Reading,
    /// The volumes; empty means all.
    pub volumes: Vec<VolumeId>,
    /// Patterns of files that are skipped, see [`Exclude`].
    pub exclude: Vec<OsString>,
    /// How the archive is compressed.
    pub compression: Compression,
    /// How much; `None` is the usual level.
    pub level: Option<i32>,
    /// Threads that make frames; `None` is one for each core.
    pub threads: Option<NonZeroU16>,
    /// The digest of the archive.
    pub digest: Algorithm,
    /// The digest of each file.
    pub file_digest: Algorithm,
    /// Choices for the tar, where readers differ.
    pub form: Form,
    /// Whether the manifest is stored in the archive too.
    pub embed_manifest: bool,
    /// Which volumes are stored as raw images.
    pub raw: Raw,
    /// Whether the first issue ends the run.
    pub strict: bool,
    /// Whether bytes that can't be read become zeros and an issue, instead of ending the run.
    pub keep_going: bool,
    /// Longest tar stream in bytes; `None` is a limit in relation to the disk.
    pub max_output: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            reading: Reading::default(),
            volumes: Vec::new(),
            exclude: Vec::new(),
            compression: Compression::default(),
            level: None,
            threads: None,
            digest: Algorithm::default(),
            file_digest: Algorithm::OF_FILES,
            form: Form::default(),
            embed_manifest: false,
            raw: Raw::default(),
            strict: false,
            keep_going: false,
            max_output: None,
        }
    }
}

impl Options {
    /// Checks what needs no disk.
    ///
    /// # Errors
    ///
    /// [`crate::Kind::Usage`] when the compression has no such level.
    pub fn check(&self) -> Result<()> {
        self.compression.level(self.level).map(drop)
    }

    /// Counts the cores, where no number of threads was given. It opens files, so we call it before
    /// the sandbox.
    pub fn count_threads(&mut self) {
        self.threads.get_or_insert_with(|| NonZeroU16::try_from(cores()).unwrap_or(NonZeroU16::MAX));
    }

    /// The patterns, ready to be asked.
    pub(super) fn excluded(&self) -> Exclude {
        let mut exclude = Exclude::new();
        self.exclude.iter().for_each(|pattern| exclude.add(pattern.as_bytes()));
        exclude
    }
}

/// The number of threads to use: one for each core, where none is asked for.
#[must_use]
pub fn threads(asked: Option<NonZeroU16>) -> usize {
    asked.map_or_else(cores, NonZeroUsize::from).get()
}

fn cores() -> NonZeroUsize {
    thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}
