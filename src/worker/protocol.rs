//! Messages between a worker and the process that started it: a line of JSON each, and descriptors.
//!
//! ```text
//! to the worker                        from the worker
//! Archive + archive, manifest
//!                                      total, progress, note, issue …
//!                                      ready      (all is written, nothing has its name)
//!
//! Publish
//!                                      files + archive, manifest
//! Name
//!                                      published
//!
//! Manifests
//! Ends + a manifest, EndsInside + an archive, as often as wanted
//!                                      ends
//!
//! Verify
//!                                      total, progress …, verified
//!
//! Restore
//!                                      blueprint
//! Plan, as often as wanted
//!                                      plan
//! Write + the target
//!                                      total, progress, note …
//!                                      restored
//! ```
//!
//! `error` is the answer to any order. The end of the connection ends a worker.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::archive::manifest::Ends;
use crate::archive::{Algorithm, Digests, Identity, Options, Report};
use crate::error::{Error, Issue, Kind, Place};
use crate::hex;
use crate::printable::harmless;
use crate::restore::{Plan, Restored};
use crate::worker::{judged::Judged, onto::Onto};

/// The order to a worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "snake_case")]
pub enum Order {
    /// Make an archive.
    Archive(Box<Task>),
    /// Make the files of an archive, for the process that orders it: it has no right on any path.
    Publish {
        /// The path that the archive gets.
        archive: PathBuf,
        /// Which digest the checksum file has.
        algorithm: Algorithm,
        /// The source of the archive, which it must not replace.
        source: PathBuf,
        /// Whether an archive that is there is replaced.
        force: bool,
    },
    /// Give the files their names.
    Name(Digests),
    /// Say what would become of each volume of a disk.
    Look(Box<Look>),
    /// Read manifests.
    Manifests {
        /// Whether the worker gives up its rights before it parses.
        has_sandbox: bool,
    },
    /// Read both ends of the manifest that comes with this.
    Ends,
    /// The same of the manifest in the archive that comes with this.
    EndsInside,
    /// Verify an archive.
    Verify {
        /// The address of the store that it is in.
        store: PathBuf,
        /// Its name there.
        archive: PathBuf,
        /// Whether the worker gives up its rights before it parses.
        has_sandbox: bool,
    },
    /// Read what an archive says of its disk.
    Restore {
        /// The archive.
        archive: PathBuf,
        /// Whether the worker gives up its rights before it parses.
        has_sandbox: bool,
    },
    /// Say what would be written where onto a target.
    Plan {
        /// Length of the target.
        target_bytes: u64,
        /// Whether the last volume grows to its end.
        grow: bool,
    },
    /// Write the last plan onto the target that comes with this.
    Write(Onto),
}

impl Order {
    /// The word for it among the arguments of a worker: whoever looks at processes sees what it
    /// does.
    #[must_use]
    pub fn role(&self) -> &'static str {
        match self {
            Self::Archive(_) => "archive",
            Self::Look(_) => "look",
            Self::Publish { .. } | Self::Name(_) => "publish",
            Self::Manifests { .. } | Self::Ends | Self::EndsInside => "manifests",
            Self::Verify { .. } => "verify",
            Self::Restore { .. } | Self::Plan { .. } | Self::Write(_) => "restore",
        }
    }
}

/// The task of a worker that makes an archive.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// The device or image to read.
    pub source: PathBuf,
    /// The facts for the manifest.
    pub identity: Identity,
    /// The options.
    pub options: Options,
}

/// A disk to look at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {
    /// The device or image.
    pub source: PathBuf,
    /// The options with which it would be archived.
    pub options: Options,
}

/// A message of a worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Message {
    /// The expected number of bytes to archive.
    Total {
        /// Bytes.
        bytes: u64,
    },
    /// Bytes read so far, and bytes of the archive written.
    Progress {
        /// Bytes of the device.
        done_bytes: u64,
        /// Bytes of the archive.
        written_bytes: u64,
    },
    /// All is done. The bytes are exact; the total was an estimate.
    Finished {
        /// Bytes of data.
        done_bytes: u64,
        /// Bytes of the archive.
        written_bytes: u64,
    },
    /// A remark for people that costs nothing.
    Note {
        /// In words.
        text: String,
    },
    /// A thing that could not be read.
    Issue {
        /// The path in the archive, in hexadecimal digits: it need not be text.
        path_hex: Option<String>,
        /// The fault.
        error: Told,
    },
    /// All is written, and nothing has its name yet.
    Ready(Made),
    /// The files of an archive, which come with this.
    Files,
    /// All files have their names.
    Published,
    /// How each volume would be stored, a line each.
    Looked {
        /// In words.
        lines: Vec<String>,
    },
    /// Both ends of a manifest.
    Ends(Box<Ends>),
    /// The verdict on an archive.
    Verified(Judged),
    /// An archive's facts about its disk.
    Blueprint {
        /// Length of what was archived.
        source_bytes: u64,
        /// The shortest target that takes all of it.
        needed_bytes: u64,
        /// Remarks on the disk.
        notes: Vec<String>,
    },
    /// The plan of a restore.
    Plan(Box<Plan>),
    /// All is on the target.
    Restored(Restored),
    /// Nothing is published, and the worker ends.
    Error(Told),
}

/// An error with all that is known of it, field by field: on the other side it is the same error.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// Its kind, as manifests call it.
    pub kind: String,
    /// Its cause, in words.
    pub message: String,
    /// The device, image or archive on this host, in hexadecimal digits: a path need not be text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_hex: Option<String>,
    /// Number of the partition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<u32>,
    /// Name of the volume that is not a partition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume: Option<String>,
    /// Number of the inode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inode: Option<u64>,
    /// The tree that the inode's number counts in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tree: Option<u64>,
    /// Position in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub byte: Option<u64>,
}

impl From<&Error> for Told {
    fn from(error: &Error) -> Self {
        let place = error.place();
        Self {
            kind: error.kind().name().to_owned(),
            message: error.cause().to_string(),
            on_hex: place.path.as_ref().map(|path| hex::encode(path.as_os_str().as_bytes())),
            partition: place.partition,
            volume: place.volume.clone(),
            inode: place.inode,
            tree: place.tree,
            byte: place.offset_bytes,
        }
    }
}

impl From<Told> for Error {
    /// Texts of a worker are not trusted: we make them harmless for a terminal.
    fn from(told: Told) -> Self {
        let Told { kind, message, on_hex, partition, volume, inode, tree, byte } = told;
        let path =
            on_hex.and_then(|text| hex::decode(&text)).map(|bytes| PathBuf::from(OsString::from_vec(bytes)));
        Error::new(Kind::of_name(&kind).unwrap_or(Kind::Internal), harmless(&message)).at(Place {
            path,
            partition,
            volume: volume.as_deref().map(harmless),
            inode,
            tree,
            offset_bytes: byte,
        })
    }
}

/// The archive that a worker made.
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
    /// The digests for the checksum file.
    pub digests: Option<Digests>,
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
            digests: None,
            issue_count: report.issue_count,
            issues: Vec::new(),
        }
    }
}

impl Message {
    /// The message for an issue.
    #[must_use]
    pub fn issue(issue: &Issue) -> Self {
        Self::Issue { path_hex: issue.path.as_deref().map(hex::encode), error: Told::from(&issue.error) }
    }

    /// The message for the error that ends the conversation.
    #[must_use]
    pub fn error(error: &Error) -> Self {
        Self::Error(Told::from(error))
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::path::Path;

    use super::*;

    #[test]
    fn a_message_is_a_line_with_a_type() {
        let made = Made { digest: ("sha1".to_owned(), "00".to_owned()), ..Made::default() };
        let cases = [
            (Message::Total { bytes: 7 }, r#"{"type":"total","bytes":7}"#),
            (
                Message::error(&Error::new(Kind::Write, "no space\nis left")),
                r#"{"type":"error","kind":"write","message":"no space\nis left"}"#,
            ),
            (
                Message::Ready(made),
                r#"{"type":"ready","entries":{},"data_bytes":0,"archive_bytes":0,"bytes_read":0,"digest":["sha1","00"],"digests":null,"issue_count":0}"#,
            ),
        ];
        for (message, line) in cases {
            assert_eq!(serde_json::to_string(&message).unwrap(), line);
            let again = serde_json::from_str::<Message>(line).unwrap();
            assert_eq!(serde_json::to_string(&again).unwrap(), line);
        }
    }

    #[test]
    fn an_error_is_the_same_on_the_other_side() {
        let error = |kind| Error::new(kind, "bad \\ block");
        let cases = [
            error(Kind::Read)
                .on(Path::new("/dev/vg0/web\u{e9}"))
                .in_partition(2)
                .in_inode(12)
                .at_byte(u64::MAX),
            error(Kind::Corrupt).on(Path::new(OsStr::from_bytes(b"/a\xff"))).at_byte(0),
            error(Kind::System).in_inode(1 << 40).in_tree(5),
            error(Kind::Internal),
        ];
        for error in cases {
            let line = serde_json::to_string(&Message::error(&error)).unwrap();
            let Ok(Message::Error(told)) = serde_json::from_str(&line) else { panic!("{line}") };
            let same = Error::from(told);
            assert_eq!((same.kind(), same.place()), (error.kind(), error.place()), "{line}");
            assert_eq!(same.to_string(), error.to_string());
        }
    }

    #[test]
    fn what_a_worker_says_steers_no_terminal() {
        let told = Told { kind: "no kind".to_owned(), message: "\u{1b}[2J".to_owned(), ..Told::default() };
        let error = Error::from(told);
        assert_eq!((error.kind(), error.to_string().as_str()), (Kind::Internal, r"\u{1b}[2J"));
    }
}
