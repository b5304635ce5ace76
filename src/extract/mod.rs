//! Files come back: from an archive, an image or a device into a directory of this host, with all that the kernel lets be set.
//!
//! ```text
//! scout (in order: names, directories) ▶ line (batches) ▶ make (in parallel: content, metadata, name)
//! ```
//!
//! What is extracted is as hostile as a disk. No path is ever resolved as a whole: a directory is opened below its parent's
//! descriptor, without symbolic links (`openat2(2)`), and everything else happens in a directory that is open. So whatever an archive
//! says, and whatever somebody else does to the tree meanwhile, nothing outside of the target is touched.
//!
//! A file is made under a temporary name and gets its own when all of it is there. What has its name is whole.

mod attributes;
mod content;
mod deferred;
mod directory;
mod enclosure;
mod existing;
mod folding;
mod line;
mod make;
mod metadata;
mod name;
mod places;
mod planner;
mod read_back;
mod run;
mod target;
mod unsupported;

use std::collections::BTreeMap;

use crate::archive::Observer;
use crate::error::Result;
use crate::tree::Exclude;
use crate::view::Place;

pub use self::target::{ExtractDirectory, Source};

/// What becomes of a file that is there already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Existing {
    /// Nothing is extracted.
    #[default]
    Refuse,
    /// It is replaced.
    Overwrite,
    /// It stays as it is.
    Keep,
}

/// What is asked for.
pub struct Request<'a> {
    /// Paths in the place, clean, with all that is below them; none for all.
    pub paths: Vec<Vec<u8>>,
    /// What is left out.
    pub exclude: Exclude,
    /// What becomes of files that are there already.
    pub existing: Existing,
    /// Whether device nodes are made.
    pub devices: bool,
    /// Threads that make files.
    pub threads: usize,
    /// Bytes of content that are written at most.
    pub max_output: Option<u64>,
    /// Whether all is counted before, for a progress bar.
    pub count_first: bool,
    /// Who watches.
    pub observer: &'a dyn Observer,
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Entries that were made, by their type; `link` for further names.
    pub entries: BTreeMap<String, u64>,
    /// Bytes of content that were written.
    pub data_bytes: u64,
    /// Files whose digest is that of the manifest.
    pub verified: u64,
    /// Entries that an earlier run, which was interrupted, had made.
    pub made_before: u64,
    /// Entries that were there, and stayed as they were.
    pub kept: u64,
    /// What could not be extracted.
    pub issues: u64,
    /// What was left, as it had to be: a sentence each.
    pub left: Vec<String>,
}

impl Report {
    /// Whether all that was asked for is there.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.issues == 0
    }
}

/// Extracts what is asked for.
///
/// # Errors
///
/// [`crate::error::Kind::Exists`] when a file is there already and shall not be replaced, [`crate::error::Kind::Write`] when the target can't be written,
/// [`crate::error::Kind::Interrupted`] when the observer wants it to end; and when the place can't be read. What was complete by then stays, and the same call
/// goes on from there.
pub fn extract(place: &dyn Place, target: &ExtractDirectory, request: &Request<'_>) -> Result<Report> {
    planner::extract(place, target, request)
}
