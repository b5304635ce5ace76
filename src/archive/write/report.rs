//! What a run came to.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::error::Issue;
use crate::format::codec::FrameLengths;
use crate::format::digest::{Algorithm, Digest};
use crate::format::manifest::Tail;

/// Issues that are kept word by word; all are in the manifest.
const ISSUES_KEPT: usize = 100;

/// What a run came to.
#[derive(Debug, Default)]
pub struct Report {
    /// Entries by type: `file`, `dir`, `symlink`, `chr`, `blk`, `fifo`, `sock`, `link`, `image`.
    pub entries: BTreeMap<String, u64>,
    /// The first issues.
    pub issues: Vec<Issue>,
    /// Number of issues.
    pub issue_count: u64,
    /// Bytes of files that were read from the device.
    pub data_bytes: u64,
    /// Bytes of the tar stream.
    pub stream_bytes: u64,
    /// Bytes of the archive.
    pub archive_bytes: u64,
    /// Bytes that were read from the device in all.
    pub bytes_read: u64,
    /// When the last frame was made, in seconds since 1970.
    pub finished: u64,
    /// Lengths of the frames.
    pub frames: Vec<FrameLengths>,
    /// The archive's digest.
    pub digest: Option<(Algorithm, Digest)>,
}

impl Report {
    /// Whether everything could be read.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.issue_count == 0
    }

    /// Number of entries of all types.
    #[must_use]
    pub fn entry_count(&self) -> u64 {
        self.entries.values().fold(0, |sum, count| sum.saturating_add(*count))
    }

    pub(super) fn count_entry(&mut self, type_name: &str) {
        match self.entries.get_mut(type_name) {
            Some(count) => *count = count.saturating_add(1),
            None => {
                self.entries.insert(type_name.to_owned(), 1);
            }
        }
    }

    pub(super) fn count_issue(&mut self, issue: Issue) {
        self.issue_count = self.issue_count.saturating_add(1);
        if self.issues.len() < ISSUES_KEPT {
            self.issues.push(issue);
        }
    }

    /// The report as the manifest's tail has it.
    #[must_use]
    pub fn tail(&self) -> Tail {
        Tail {
            complete: self.is_complete(),
            entries: self.entries.clone(),
            issues: self.issue_count,
            data_bytes: self.data_bytes,
            stream_bytes: self.stream_bytes,
            archive_bytes: self.archive_bytes,
            bytes_read: self.bytes_read,
            finished: Some(self.finished),
            ..Tail::new(self.digest.as_ref())
        }
    }

    /// The report as JSON; the manifest's tail holds the same.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut report = json!(self.tail());
        if let Some(fields) = report.as_object_mut() {
            fields.remove("record");
        }
        report
    }
}
