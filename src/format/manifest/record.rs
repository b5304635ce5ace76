//! All other records, and lines.

/// A moment in seconds since 1970; one before that is as good as none.
fn moment<'de, D: serde::Deserializer<'de>>(source: D) -> std::result::Result<Option<u64>, D::Error> {
    let seconds: Option<i64> = serde::Deserialize::deserialize(source)?;
    Ok(seconds.and_then(|seconds| u64::try_from(seconds).ok()))
}

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Display;

use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};

use super::RECORD_BYTES;
use super::entry::{EntryRecord, ManifestEntry};
use super::escape::{bytes, hex_unless_text, text};
use super::head::{Head, Volumes};
use crate::error::{Error, Issue, Result};
use crate::format::base64;
use crate::format::digest::{Algorithm, Digest};
use crate::printable::harmless;

/// Initial capacity of a line: enough for an entry with a name of usual length.
const USUAL_LINE_LEN: usize = 512;

/// The start of each entry's line. To ask for the name of the record first would read each line
/// twice.
pub(crate) const ENTRY_START: &[u8] = b"{\"record\":\"entry\",";

/// The names of records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Name {
    #[default]
    Head,
    Area,
    Entry,
    Issue,
    Frames,
    Tail,
    #[serde(other)]
    Unknown,
}

impl Name {
    /// As it stands in the manifest.
    fn text(self) -> &'static str {
        match self {
            Self::Head => "head",
            Self::Area => "area",
            Self::Entry => "entry",
            Self::Issue => "issue",
            Self::Frames => "frames",
            Self::Tail => "tail",
            Self::Unknown => "of an unknown kind",
        }
    }
}

/// One line.
#[derive(Debug)]
pub enum Record {
    /// The first.
    Head(Box<Head>),
    /// Bytes of the disk that are in no file.
    Area(Area),
    /// An entry.
    Entry(Box<ManifestEntry>),
    /// Something that could not be read when the archive was made.
    Issue {
        /// What was wrong.
        message: String,
        /// Of which entry.
        path: Option<Vec<u8>>,
    },
    /// Lengths of the archive's frames, and the bytes of the tar stream in each.
    Frames {
        /// Bytes of the tar stream in each frame but the last.
        frame_bytes: u64,
        /// Bytes of each in the archive.
        packed: Vec<u64>,
    },
    /// The last.
    Tail(Box<Tail>),
    /// One that is not known here.
    Unknown,
}

/// Bytes of the disk that are in no file: of its table, of boot loaders, of headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Area {
    /// Position on the source.
    pub start_bytes: u64,
    /// The bytes there.
    pub data: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct AreaRecord {
    record: Name,
    start_bytes: u64,
    data: String,
}

#[derive(Serialize, Deserialize)]
struct IssueRecord {
    record: Name,
    #[serde(default)]
    kind: Cow<'static, str>,
    #[serde(default)]
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_hex: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    inode: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tree: Option<u64>,
}

/// Lengths of the archive's frames.
#[derive(Serialize, Deserialize)]
pub(crate) struct FramesRecord {
    record: Name,
    frame_bytes: u64,
    #[serde(deserialize_with = "super::capped::list")]
    packed: Vec<u64>,
}

/// What an archive came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tail {
    /// Whether all of the source is in the archive.
    pub complete: bool,
    /// Entries by type; `link` for further names.
    #[serde(deserialize_with = "super::capped::counts")]
    pub entries: BTreeMap<String, u64>,
    /// Number of issues.
    pub issues: u64,
    /// Bytes of files.
    #[serde(default)]
    pub data_bytes: u64,
    /// Bytes of the tar stream.
    pub stream_bytes: u64,
    /// Bytes of the archive; 0 in a manifest that is in the archive itself.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub archive_bytes: u64,
    /// Position of the manifest's own header in the tar stream, in a manifest that is in the
    /// archive: there it stands at this place.
    #[serde(rename = "manifest_at", skip_deserializing, skip_serializing_if = "Option::is_none")]
    pub own_position: Option<u64>,
    /// Bytes that were read from the source.
    #[serde(default)]
    pub bytes_read: u64,
    /// When it was done, in seconds since 1970; `None` in older manifests.
    #[serde(default, deserialize_with = "moment")]
    pub finished: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sha1: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sha256: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) blake3: Option<String>,
    pub(crate) record: Name,
    /// Position of the embedded manifest's header in the tar stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest_at: Option<u64>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Tail {
    /// A tail, with the archive's digest where that is known.
    pub(crate) fn new(digest: Option<&(Algorithm, Digest)>) -> Self {
        let mut tail = Self { record: Name::Tail, ..Self::default() };
        if let Some((algorithm, digest)) = digest {
            let field = match algorithm {
                Algorithm::Sha1 => &mut tail.sha1,
                Algorithm::Sha256 => &mut tail.sha256,
                Algorithm::Blake3 => &mut tail.blake3,
            };
            *field = Some(digest.to_string());
        }
        tail
    }

    /// The archive's digest, in hexadecimal digits.
    #[must_use]
    pub fn digest(&self) -> Option<(Algorithm, &str)> {
        let known = [
            (Algorithm::Sha1, &self.sha1),
            (Algorithm::Sha256, &self.sha256),
            (Algorithm::Blake3, &self.blake3),
        ];
        known.into_iter().find_map(|(algorithm, hex)| Some((algorithm, hex.as_deref()?)))
    }
}

impl Area {
    /// The line for the manifest.
    pub(crate) fn line(&self) -> Vec<u8> {
        let data = base64::encode(&self.data);
        line(&AreaRecord { record: Name::Area, start_bytes: self.start_bytes, data })
    }
}

impl FramesRecord {
    pub(crate) fn new(frame_bytes: u64, packed: Vec<u64>) -> Self {
        Self { record: Name::Frames, frame_bytes, packed }
    }
}

/// The line for an issue.
pub(crate) fn issue_line(issue: &Issue) -> Vec<u8> {
    line(&IssueRecord {
        record: Name::Issue,
        kind: Cow::Borrowed(issue.error.kind().name()),
        message: issue.error.to_string(),
        path: issue.path.as_deref().map(text),
        path_hex: issue.path.as_deref().and_then(hex_unless_text),
        inode: issue.error.place().inode,
        tree: issue.error.place().tree,
    })
}

/// A record as a line.
pub(crate) fn line(record: &impl Serialize) -> Vec<u8> {
    let mut line = Vec::with_capacity(USUAL_LINE_LEN);
    // It would only fail for a map with keys that are no strings, and no record has one. Memory
    // takes whatever is written to it.
    let _ = serde_json::to_writer(&mut line, record);
    line.push(b'\n');
    line
}

/// Reads a line.
pub(crate) fn parse(line: &[u8]) -> Result<Record> {
    let name = if line.starts_with(ENTRY_START) { Name::Entry } else { name_of(line)? };
    Ok(match name {
        Name::Head => Record::Head(Box::new(read(name, line)?)),
        Name::Entry => Record::Entry(Box::new(read::<EntryRecord>(name, line)?.try_into()?)),
        Name::Issue => {
            let IssueRecord { message, path, path_hex, .. } = read(name, line)?;
            let path = path.map(|path| bytes(path, path_hex)).transpose()?;
            Record::Issue { message: harmless(&message), path }
        }
        Name::Area => {
            let AreaRecord { start_bytes, data, .. } = read(name, line)?;
            Record::Area(Area { start_bytes, data: base64::decode(&data, RECORD_BYTES)? })
        }
        Name::Frames => {
            let FramesRecord { frame_bytes, packed, .. } = read(name, line)?;
            Record::Frames { frame_bytes, packed }
        }
        Name::Tail => Record::Tail(Box::new(read(name, line)?)),
        Name::Unknown => {
            let IgnoredAny = read(name, line)?;
            Record::Unknown
        }
    })
}

/// Reads a line that must be a head, and of a form that is known here.
pub(crate) fn head_of<V: Volumes>(line: &[u8]) -> Result<Head<V>> {
    match name_of(line)? {
        Name::Head => read::<Head<V>>(Name::Head, line)?.known(),
        other => Err(Error::corrupt(format!("a record `{}` stands where `head` belongs", other.text()))),
    }
}

fn name_of(line: &[u8]) -> Result<Name> {
    #[derive(Deserialize)]
    struct Named {
        record: Name,
    }
    let named: serde_json::Result<Named> = serde_json::from_slice(line);
    named.map(|named| named.record).map_err(|error| Error::corrupt(format!("is no record: {error}")))
}

fn read<T: DeserializeOwned>(name: Name, line: &[u8]) -> Result<T> {
    let read = serde_json::from_slice(line);
    read.map_err(|error| Error::corrupt(format!("the record `{}`: {error}", name.text())))
}

/// The error of a line with something that no manifest has.
pub(crate) fn wrong(what: impl Display) -> Error {
    Error::corrupt(format!("a line of the manifest has {what}"))
}
