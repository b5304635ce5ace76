//! The manifest: JSON Lines beside the archive, one record an entry, so that questions need not unpack anything.
//!
//! A head, then entries and issues in the archive's order, then the frames' lengths and a tail. Types and modes are
//! written as in `docs/manifest.md`.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::digest::{Algorithm, Digest};
use crate::error::{Issue, Kind};
use crate::filesystem::{FileKind, Timestamp};
use crate::printable::Printable;
use crate::tree::{Body, Entry};

/// Version of the manifest's form; it grows when a program that read the old one would misread the new one.
pub(super) const FORMAT: u32 = 1;

/// Where a member is in the tar stream, before compression; all in bytes.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Place {
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

/// The record of one entry.
#[derive(Debug)]
pub(super) struct Record {
    fields: Map<String, Value>,
    /// Whether the entry has content of its own, and so a digest.
    pub has_content: bool,
    /// Whether the digest is that of the stored data alone.
    pub digest_leaves_out_holes: bool,
    /// Where it is; a socket is nowhere.
    pub place: Option<Place>,
}

impl Record {
    pub(super) fn of_entry(shown: &[u8], entry: &Entry) -> Self {
        let inode = &entry.inode;
        let mut fields = Map::new();
        let mut put = |key: &str, value: Value| fields.insert(key.to_owned(), value);
        put("record", json!("entry"));
        put("path", text(shown));
        if std::str::from_utf8(shown).is_err() {
            put("path_hex", json!(hex(shown)));
        }
        put("type", json!(type_name(inode.kind)));
        put("mode", json!(format!("{:04o}", inode.mode)));
        put("uid", json!(inode.uid));
        put("gid", json!(inode.gid));
        if matches!(inode.kind, FileKind::Regular | FileKind::Symlink) {
            put("size", json!(inode.size_bytes));
        }
        put("mtime", time(inode.modified));
        put("atime", time(inode.accessed));
        put("ctime", time(inode.changed));
        if let Some(created) = inode.created {
            put("created", time(created));
        }
        put("inode", json!(inode.number));
        put("links", json!(inode.links));
        if let FileKind::CharacterDevice { major, minor } | FileKind::BlockDevice { major, minor } =
            inode.kind
        {
            put("rdev", json!([major, minor]));
        }
        if let Body::Target(target) = &entry.body {
            put("target", text(target));
            if std::str::from_utf8(target).is_err() {
                put("target_hex", json!(hex(target)));
            }
        }
        if let Some(flags) = super::fflags::text(inode.flags) {
            put("flags", json!(flags));
        }
        if let Some(project) = inode.project.filter(|project| *project != 0) {
            put("project", json!(project));
        }
        if !entry.attributes.is_empty() {
            let attributes = entry.attributes.iter();
            let attributes = attributes.map(|a| (Printable(&a.name).to_string(), json!(hex(&a.value))));
            put("xattrs", Value::Object(attributes.collect()));
        }
        let has_content = matches!(entry.body, Body::Content(_));
        Self { fields, has_content, digest_leaves_out_holes: false, place: None }
    }

    /// A volume that goes in as it is.
    pub(super) fn of_image(shown: &[u8], len_bytes: u64) -> Self {
        let mut fields = Map::new();
        fields.insert("record".to_owned(), json!("entry"));
        fields.insert("path".to_owned(), text(shown));
        fields.insert("type".to_owned(), json!("image"));
        fields.insert("size".to_owned(), json!(len_bytes));
        Self { fields, has_content: true, digest_leaves_out_holes: false, place: None }
    }

    /// Says of which earlier entry this one is a further name.
    pub(super) fn same_as(&mut self, shown: &[u8]) {
        self.fields.insert("link".to_owned(), text(shown));
        if std::str::from_utf8(shown).is_err() {
            self.fields.insert("link_hex".to_owned(), json!(hex(shown)));
        }
    }

    /// Which kind of entry it is, for counting.
    pub(super) fn type_name(&self) -> &str {
        match self.fields.contains_key("link") {
            true => "link",
            false => self.fields.get("type").and_then(Value::as_str).unwrap_or_default(),
        }
    }

    /// The line for the manifest.
    pub(super) fn line(mut self, algorithm: Algorithm, digest: Option<&Digest>) -> Vec<u8> {
        if let Some(digest) = digest {
            let name = algorithm.name();
            let key = if self.digest_leaves_out_holes { format!("data_{name}") } else { name.to_owned() };
            self.fields.insert(key, json!(digest.to_string()));
        }
        if let Some(place) = &self.place {
            self.fields.insert("place".to_owned(), json!(place));
        }
        line(&Value::Object(self.fields))
    }
}

/// The line for an issue.
pub(super) fn issue_line(issue: &Issue) -> Vec<u8> {
    let place = issue.error.place();
    let mut record = json!({
        "record": "issue",
        "kind": kind_name(issue.error.kind()),
        "message": issue.error.to_string(),
    });
    if let Some(fields) = record.as_object_mut() {
        if let Some(path) = &issue.path {
            fields.insert("path".to_owned(), text(path));
            if std::str::from_utf8(path).is_err() {
                fields.insert("path_hex".to_owned(), json!(hex(path)));
            }
        }
        if let Some(inode) = place.inode {
            fields.insert("inode".to_owned(), json!(inode));
        }
    }
    line(&record)
}

/// A record as a line.
pub(super) fn line(record: &Value) -> Vec<u8> {
    let mut line = record.to_string().into_bytes();
    line.push(b'\n');
    line
}

/// What the manifest calls a kind of error.
#[must_use]
pub fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Usage => "usage",
        Kind::Source => "source",
        Kind::Read => "read",
        Kind::Write => "write",
        Kind::Exists => "exists",
        Kind::Corrupt => "corrupt",
        Kind::Unsupported => "unsupported",
        Kind::Unrecognised => "unrecognised",
        Kind::Ambiguous => "ambiguous",
        Kind::Limit => "limit",
        Kind::Interrupted => "interrupted",
    }
}

fn type_name(kind: FileKind) -> &'static str {
    match kind {
        FileKind::Regular => "file",
        FileKind::Directory => "dir",
        FileKind::Symlink => "symlink",
        FileKind::CharacterDevice { .. } => "chr",
        FileKind::BlockDevice { .. } => "blk",
        FileKind::Fifo => "fifo",
        FileKind::Socket => "sock",
    }
}

/// Bytes as text; where they are not UTF-8, a field with the ending `_hex` has them exactly.
fn text(bytes: &[u8]) -> Value {
    Value::String(String::from_utf8_lossy(bytes).into_owned())
}

fn time(time: Timestamp) -> Value {
    json!([time.seconds, time.nanoseconds])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
