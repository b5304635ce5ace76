//! What lies in a destination: the history of its volumes is there and nowhere else.

use std::path::PathBuf;

/// An archive that lies in a destination, as its name and its manifest tell.
#[derive(Clone, Debug, PartialEq)]
pub struct Archived {
    /// Name of the volume: of the folder that it lies in.
    pub volume: String,
    /// The archive's own path.
    pub path: PathBuf,
    /// When its run began, in seconds since 1970: the time in its name.
    pub taken: i64,
    /// Bytes of the archive and what stands beside it.
    pub len_bytes: u64,
    /// What its manifest says; `None` where there is none, or it is not whole. Such an archive never counts as complete.
    pub told: Option<Told>,
}

/// What a manifest says of its archive.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// Path of the source.
    pub source: String,
    /// Bytes of files.
    pub data_bytes: u64,
    /// Bytes that were read from the source.
    pub bytes_read: u64,
    /// Entries.
    pub entries: u64,
    /// Issues; none means complete.
    pub issues: u64,
    /// How long it took; `None` for archives that were not told.
    pub seconds: Option<f64>,
}

impl Archived {
    /// Whether all of the source is in it, as far as one knows.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.told.as_ref().is_some_and(|told| told.issues == 0)
    }
}
