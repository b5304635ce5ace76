//! The manifest: JSON Lines beside the archive, one record an entry, so that questions need not unpack anything.
//!
//! A head, then entries and issues in the archive's order, then the frames' lengths and a tail. Types and modes are
//! written as in `docs/manifest.md`. Both ends are compressed apart from what is between them: [`ends`] reads them alone.

pub(crate) mod capped;
mod disk;
mod ends;
mod escape;
pub(crate) mod record;

use std::collections::BTreeMap;

use serde::Serialize;

pub use ends::{Ends, Head, Source, Tail, ends, ends_of};
pub(crate) use ends::{ends_of_device, regular};

pub use disk::{Area, AreasOf, AreasRecord, FilesystemRecord, SourceRecord, TableRecord, VolumeRecord};

use crate::error::{Issue, Kind};
use crate::filesystem::{FileKind, Inode, Timestamp};
use crate::format::digest::{Algorithm, Digest};
use crate::hex;
use crate::printable::Printable;
use crate::tree::{Body, Entry};

/// Version of the manifest's form; it grows when a program that read the old one would misread the new one.
pub(crate) const FORMAT: u32 = 1;

/// Bytes of one record of an area, before they become text.
pub(crate) const RECORD_BYTES: usize = 48 << 10;

/// Bytes of all areas together. A boot loader takes less than one of them. A table takes 32 KiB,
/// at most 8 MiB.
pub(crate) const KEPT_MOST: u64 = 32 << 20;

/// Room for the line of an entry with a name of usual length.
const USUAL_LINE_LEN: usize = 512;

/// Where a member is in the tar stream, before compression; all in bytes.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Place {
    /// Position of the header.
    pub header: u64,
    /// Position of the data, behind the header and a sparse file's map.
    pub data: u64,
    /// Bytes of data that are stored.
    pub stored: u64,
    /// A sparse file's holes: position in the file and length.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub holes: Vec<(u64, u64)>,
}

/// The record of one entry, as it stands in the manifest.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Record {
    record: &'static str,
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_hex: Option<String>,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(flatten)]
    inode: Option<InodeFields>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_hex: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    link_hex: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    xattrs: BTreeMap<String, String>,
    #[serde(flatten)]
    digest: Option<DigestField>,
    /// Where it is; a socket is nowhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// Whether the entry has content of its own, and so a digest.
    #[serde(skip)]
    pub has_content: bool,
    /// Whether the digest is that of the stored data alone.
    #[serde(skip)]
    pub digest_leaves_out_holes: bool,
}

/// What an inode says of an entry.
#[derive(Debug, Serialize)]
struct InodeFields {
    mode: String,
    uid: u64,
    gid: u64,
    mtime: (i64, u32),
    atime: (i64, u32),
    ctime: (i64, u32),
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<(i64, u32)>,
    inode: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    tree: Option<u64>,
    links: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    rdev: Option<(u32, u32)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    flags: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    project: Option<u32>,
}

/// A digest under the name of its algorithm.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum DigestField {
    Sha1(String),
    Sha256(String),
    Blake3(String),
    DataSha1(String),
    DataSha256(String),
    DataBlake3(String),
}

impl Record {
    pub(crate) fn of_entry(shown: &[u8], entry: &Entry) -> Self {
        let inode = &entry.inode;
        let attributes = inode.metadata.attributes.iter();
        let mut record = Self {
            kind: inode.kind.name(),
            inode: Some(InodeFields::of(inode)),
            size: matches!(inode.kind, FileKind::Regular | FileKind::Symlink).then_some(inode.size_bytes),
            xattrs: attributes.map(|a| (Printable(&a.name).to_string(), hex::encode(&a.value))).collect(),
            has_content: matches!(entry.body, Body::Content(_)),
            ..Self::named(shown)
        };
        if let Body::Target(target) = &entry.body {
            (record.target, record.target_hex) = (Some(text(target)), hex_unless_text(target));
        }
        record
    }

    /// A volume that goes in as it is.
    pub(crate) fn of_image(shown: &[u8], len_bytes: u64) -> Self {
        Self { kind: "image", size: Some(len_bytes), has_content: true, ..Self::named(shown) }
    }

    fn named(shown: &[u8]) -> Self {
        Self { record: "entry", path: text(shown), path_hex: hex_unless_text(shown), ..Self::default() }
    }

    /// Says of which earlier entry this one is a further name.
    pub(crate) fn same_as(&mut self, shown: &[u8]) {
        (self.link, self.link_hex) = (Some(text(shown)), hex_unless_text(shown));
    }

    /// Which kind of entry it is, for counting.
    pub(crate) fn type_name(&self) -> &'static str {
        if self.link.is_some() { "link" } else { self.kind }
    }

    /// Length of the path, in bytes.
    pub(crate) fn path_len(&self) -> usize {
        self.path.len()
    }

    /// The line for the manifest.
    pub(crate) fn line(mut self, algorithm: Algorithm, digest: Option<&Digest>) -> Vec<u8> {
        self.digest = digest.map(|digest| {
            let hex = digest.to_string();
            match (algorithm, self.digest_leaves_out_holes) {
                (Algorithm::Sha1, false) => DigestField::Sha1(hex),
                (Algorithm::Sha256, false) => DigestField::Sha256(hex),
                (Algorithm::Blake3, false) => DigestField::Blake3(hex),
                (Algorithm::Sha1, true) => DigestField::DataSha1(hex),
                (Algorithm::Sha256, true) => DigestField::DataSha256(hex),
                (Algorithm::Blake3, true) => DigestField::DataBlake3(hex),
            }
        });
        line(&self)
    }
}

impl InodeFields {
    fn of(inode: &Inode) -> Self {
        let time = |time: Timestamp| (time.seconds, time.nanoseconds);
        let metadata = &inode.metadata;
        Self {
            mode: format!("{:04o}", metadata.mode),
            uid: metadata.uid,
            gid: metadata.gid,
            mtime: time(metadata.modified.unwrap_or_default()),
            atime: time(metadata.accessed.unwrap_or_default()),
            ctime: time(metadata.changed.unwrap_or_default()),
            created: metadata.created.map(time),
            inode: inode.id.number,
            tree: Some(inode.id.tree).filter(|tree| *tree != 0),
            links: inode.links,
            rdev: inode.kind.device(),
            flags: crate::format::tar::flags::full_text(metadata.flags),
            project: metadata.project.filter(|project| *project != 0),
        }
    }
}

/// The record of an issue.
#[derive(Serialize)]
struct IssueRecord {
    record: &'static str,
    kind: &'static str,
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

/// The line for an issue.
pub(crate) fn issue_line(issue: &Issue) -> Vec<u8> {
    line(&IssueRecord {
        record: "issue",
        kind: kind_name(issue.error.kind()),
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
    // Only a map whose keys are no strings makes this fail, and there is none: memory takes whatever is written to it.
    let _ = serde_json::to_writer(&mut line, record);
    line.push(b'\n');
    line
}

/// What the manifest calls a kind of error.
#[must_use]
pub fn kind_name(kind: Kind) -> &'static str {
    kind.name()
}

/// Bytes as text; where they are not UTF-8, a field with the ending `_hex` has them exactly.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn hex_unless_text(bytes: &[u8]) -> Option<String> {
    std::str::from_utf8(bytes).is_err().then(|| hex::encode(bytes))
}

/// A manifest of these records, parted as a run parts it: for tests of what reads manifests.
#[cfg(test)]
pub(crate) fn of_lines(lines: &[&str]) -> Vec<u8> {
    use std::io::Write as _;

    let mut writer = crate::format::codec::ManifestWriter::new(Vec::new()).unwrap();
    for line in lines {
        writer.write_all(format!("{line}\n").as_bytes()).unwrap();
        writer.flush().unwrap();
    }
    writer.finish().unwrap()
}
