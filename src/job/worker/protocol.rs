//! What goes to and fro between a worker and the process that started it: a line of JSON each.
//!
//! ```text
//! to the worker       from the worker
//! Task
//!                     total, progress, note, issue …
//!                     ready      (all is written and synced, nothing has its name)
//! publish
//!                     published
//! ```
//!
//! `error` ends the conversation at any time. So does the end of the worker's stdin: it discards what it wrote.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::archive::{Algorithm, Compression, Raw, Report, kind_name};
use crate::device::Io;
use crate::error::{Error, Issue, Kind};

/// The line that makes a worker publish.
pub const PUBLISH: &str = "publish";

/// What a worker is to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// The device or image to read.
    pub source: PathBuf,
    /// What it is a snapshot of, for the manifest.
    pub snapshot_of: Option<String>,
    /// Name of this host, for the manifest.
    pub host: String,
    /// How its bytes come from the device.
    pub io: Io,
    /// Where its journal is, if not in it.
    pub journal: Option<PathBuf>,
    /// The archive to write; its folder is there.
    pub archive: PathBuf,
    /// When the volume's turn came, in seconds since 1970.
    pub started: u64,
    /// Numbers of partitions; all, where there is none.
    pub partitions: Vec<u32>,
    /// What is left out.
    pub exclude: Vec<String>,
    /// Compression.
    pub compression: Compression,
    /// How much.
    pub level: Option<i32>,
    /// Which digest, of the archive.
    pub digest: Algorithm,
    /// Which digest, of each file.
    pub file_digest: Algorithm,
    /// Partitions that can't be read as files.
    pub raw: Raw,
    /// Threads; all cores, where it is not said.
    pub threads: Option<usize>,
    /// Whether every issue is an error.
    pub strict: bool,
    /// Whether what the device fails to read becomes zeros and an issue.
    pub keep_going: bool,
    /// Longest tar stream in bytes.
    pub max_output: Option<u64>,
    /// Whether the worker gives up its rights before it parses.
    pub has_sandbox: bool,
}

/// What a worker says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Message {
    /// About so many bytes are to be archived.
    Total {
        /// Bytes.
        bytes: u64,
    },
    /// So many are read, and so many of the archive are written.
    Progress {
        /// Bytes of the device.
        done_bytes: u64,
        /// Bytes of the archive.
        written_bytes: u64,
    },
    /// What a person should know, and what costs nothing.
    Note {
        /// In words.
        text: String,
    },
    /// What could not be read.
    Issue {
        /// The path in the archive, as far as it is text.
        path: Option<String>,
        /// The error's kind, as manifests call it.
        kind: String,
        /// In words.
        message: String,
    },
    /// All is written and synced, and nothing has its name yet.
    Ready(Made),
    /// All files have their names.
    Published,
    /// Nothing is published, and the worker ends.
    Error {
        /// The error's kind, as manifests call it.
        kind: String,
        /// In words.
        message: String,
    },
}

/// What a worker made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    /// Entries by type.
    pub entries: BTreeMap<String, u64>,
    /// Bytes of files.
    pub data_bytes: u64,
    /// Bytes of the archive.
    pub archive_bytes: u64,
    /// Bytes that were read from the source.
    pub bytes_read: u64,
    /// The archive's digest: algorithm and hexadecimal digits.
    pub digest: (String, String),
    /// How many issues there were.
    pub issue_count: u64,
    /// The first of them, in words. The worker leaves this to who reads its messages.
    #[serde(skip)]
    pub issues: Vec<String>,
}

impl From<&Report> for Made {
    fn from(report: &Report) -> Self {
        let digest = report.digest.as_ref();
        Self {
            entries: report.entries.clone(),
            data_bytes: report.data_bytes,
            archive_bytes: report.archive_bytes,
            bytes_read: report.bytes_read,
            digest: digest
                .map(|(name, digest)| (name.name().to_owned(), digest.to_string()))
                .unwrap_or_default(),
            issue_count: report.issue_count,
            issues: Vec::new(),
        }
    }
}

impl Message {
    /// The message for an issue.
    #[must_use]
    pub fn issue(issue: &Issue) -> Self {
        Self::Issue {
            path: issue.path.as_deref().map(|path| String::from_utf8_lossy(path).into_owned()),
            kind: kind_name(issue.error.kind()).to_owned(),
            message: issue.error.to_string(),
        }
    }

    /// The message for the error that ends the conversation.
    #[must_use]
    pub fn error(error: &Error) -> Self {
        Self::Error { kind: kind_name(error.kind()).to_owned(), message: error.to_string() }
    }
}

/// The kind of error that has this name.
pub(super) fn kind_of_name(name: &str) -> Kind {
    const KINDS: [Kind; 12] = [
        Kind::Usage,
        Kind::Source,
        Kind::Read,
        Kind::Write,
        Kind::Exists,
        Kind::Corrupt,
        Kind::Unsupported,
        Kind::Unrecognised,
        Kind::Ambiguous,
        Kind::Snapshot,
        Kind::Limit,
        Kind::Interrupted,
    ];
    KINDS.into_iter().find(|kind| kind_name(*kind) == name).unwrap_or(Kind::Corrupt)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_a_line_with_a_type() {
        let made = Made { digest: ("sha1".to_owned(), "00".to_owned()), ..Made::default() };
        let cases = [
            (Message::Total { bytes: 7 }, r#"{"type":"total","bytes":7}"#),
            (Message::Published, r#"{"type":"published"}"#),
            (
                Message::error(&Error::new(Kind::Write, "no space\nis left")),
                r#"{"type":"error","kind":"write","message":"no space\nis left"}"#,
            ),
            (
                Message::Ready(made),
                r#"{"type":"ready","entries":{},"data_bytes":0,"archive_bytes":0,"bytes_read":0,"digest":["sha1","00"],"issue_count":0}"#,
            ),
        ];
        for (message, line) in cases {
            assert_eq!(serde_json::to_string(&message).unwrap(), line);
            assert_eq!(serde_json::from_str::<Message>(line).unwrap(), message);
        }
    }

    #[test]
    fn an_errors_kind_survives_the_way() {
        for kind in [Kind::Usage, Kind::Write, Kind::Read, Kind::Interrupted] {
            assert_eq!(kind_of_name(kind_name(kind)), kind);
        }
    }
}
