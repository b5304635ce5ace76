//! The records of a manifest, typed. `docs/manifest.md` says what the fields are.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::RECORD_BYTES;
use super::disk::{Area, AreasRecord, SourceRecord, TableRecord, VolumeRecord};
use super::escape::{bytes, unescaped, unhex};
use crate::error::{Error, Result};
use crate::filesystem::{Attribute, InodeId, Timestamp};
use crate::format::base64;
use crate::format::digest::Algorithm;
use crate::printable::harmless;

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

/// How the archive was made.
#[derive(Clone, Debug, Deserialize)]
pub struct Head {
    /// Version of the form.
    pub format: u32,
    /// What made it.
    #[serde(default)]
    pub tool: String,
    /// When, in seconds since 1970.
    #[serde(default)]
    pub started: u64,
    /// `zstd`, `gzip`, `none`.
    #[serde(default)]
    pub compression: String,
    /// The volumes of the disk.
    #[serde(default, deserialize_with = "crate::format::manifest::capped::volumes")]
    pub volumes: Vec<VolumeRecord>,
    /// What the archive is of.
    #[serde(default)]
    pub source: SourceRecord,
    /// The disk's partition table.
    #[serde(default)]
    pub table: Option<TableRecord>,
    /// What there is of areas outside of the files; `None` in manifests that are older than those.
    #[serde(default)]
    pub areas: Option<AreasRecord>,
}

#[derive(Deserialize)]
struct AreaFields {
    start_bytes: u64,
    data: String,
}

/// What an archive came to.
#[derive(Clone, Debug, Deserialize)]
pub struct Tail {
    /// Whether all could be read.
    pub complete: bool,
    /// Entries of each type.
    #[serde(deserialize_with = "crate::format::manifest::capped::counts")]
    pub entries: BTreeMap<String, u64>,
    /// Number of issues.
    pub issues: u64,
    /// Bytes of the tar stream.
    pub stream_bytes: u64,
    /// Bytes of the archive; 0 in a manifest that is in the archive itself.
    #[serde(default)]
    pub archive_bytes: u64,
    /// Position of the embedded manifest's header in the tar stream.
    #[serde(default)]
    pub manifest_at: Option<u64>,
    sha1: Option<String>,
    sha256: Option<String>,
    blake3: Option<String>,
}

impl Tail {
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

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A character device.
    CharacterDevice,
    /// A block device.
    BlockDevice,
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
    /// A partition that went in as it is.
    Image,
}

/// The digest of a file's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// Which digest.
    pub algorithm: Algorithm,
    /// Hexadecimal digits.
    pub hex: String,
    /// Whether it is that of the stored data alone, without the holes.
    pub data_only: bool,
}

/// Where an entry is in the tar stream.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Place {
    /// Position of the first header.
    pub header: u64,
    /// Position of the data.
    pub data: u64,
    /// Bytes of data that are stored.
    pub stored: u64,
    /// Position in the file and length of each hole.
    #[serde(default, deserialize_with = "crate::format::manifest::capped::list")]
    pub holes: Vec<(u64, u64)>,
}

/// An entry as the manifest has it.
#[derive(Clone, Debug)]
pub struct ManifestEntry {
    /// Path, without `./`; `.` is the root of a bare tree.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: EntryKind,
    /// Permission bits; a partition has none.
    pub mode: Option<u16>,
    /// Numeric owner.
    pub uid: Option<u32>,
    /// Numeric group.
    pub gid: Option<u32>,
    /// Length of the content.
    pub size: Option<u64>,
    /// Last change of the content.
    pub modified: Option<Timestamp>,
    /// Last read.
    pub accessed: Option<Timestamp>,
    /// Last change of the inode.
    pub changed: Option<Timestamp>,
    /// Creation.
    pub created: Option<Timestamp>,
    /// The inode.
    pub inode: Option<InodeId>,
    /// Number of names.
    pub links: Option<u32>,
    /// Major and minor, of devices.
    pub device: Option<(u32, u32)>,
    /// Target of a symbolic link.
    pub target: Option<Vec<u8>>,
    /// Inode flags as text.
    pub flags: Option<String>,
    /// The project that quota counts it for.
    pub project: Option<u32>,
    /// Extended attributes, sorted by name.
    pub attributes: Vec<Attribute>,
    /// For a further name of an inode: the path of the first.
    pub link: Option<Vec<u8>>,
    /// Digest of the content.
    pub content: Option<Content>,
    /// Where it is; a socket is nowhere.
    pub place: Option<Place>,
}

impl ManifestEntry {
    /// What the tail counts it as.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self.kind {
            _ if self.link.is_some() => "link",
            EntryKind::File => "file",
            EntryKind::Directory => "dir",
            EntryKind::Symlink => "symlink",
            EntryKind::CharacterDevice => "chr",
            EntryKind::BlockDevice => "blk",
            EntryKind::Fifo => "fifo",
            EntryKind::Socket => "sock",
            EntryKind::Image => "image",
        }
    }
}

#[derive(Deserialize)]
struct Fields {
    path: String,
    path_hex: Option<String>,
    #[serde(rename = "type")]
    kind: String,
    mode: Option<String>,
    uid: Option<u32>,
    gid: Option<u32>,
    size: Option<u64>,
    mtime: Option<(i64, u32)>,
    atime: Option<(i64, u32)>,
    ctime: Option<(i64, u32)>,
    created: Option<(i64, u32)>,
    inode: Option<u64>,
    #[serde(default)]
    tree: u64,
    links: Option<u32>,
    rdev: Option<(u32, u32)>,
    target: Option<String>,
    target_hex: Option<String>,
    flags: Option<String>,
    project: Option<u32>,
    #[serde(default, deserialize_with = "crate::format::manifest::capped::attributes")]
    xattrs: BTreeMap<String, String>,
    link: Option<String>,
    link_hex: Option<String>,
    sha1: Option<String>,
    sha256: Option<String>,
    blake3: Option<String>,
    data_sha1: Option<String>,
    data_sha256: Option<String>,
    data_blake3: Option<String>,
    place: Option<Place>,
}

#[derive(Deserialize)]
struct FramesFields {
    frame_bytes: u64,
    #[serde(deserialize_with = "crate::format::manifest::capped::list")]
    packed: Vec<u64>,
}

#[derive(Deserialize)]
struct IssueFields {
    #[serde(default)]
    message: String,
    path: Option<String>,
    path_hex: Option<String>,
}

#[derive(Deserialize)]
struct Name {
    record: String,
}

/// What each record of an entry begins with: asking for the kind first would read each line twice.
pub(crate) const ENTRY_START: &[u8] = b"{\"record\":\"entry\",";

/// Reads a line.
pub(crate) fn parse(line: &[u8]) -> Result<Record> {
    if line.starts_with(ENTRY_START) {
        return entry(line);
    }
    let name: Name = serde_json::from_slice(line).map_err(wrong)?;
    match name.record.as_str() {
        "head" => serde_json::from_slice(line).map(|head| Record::Head(Box::new(head))).map_err(wrong),
        "entry" => entry(line),
        "issue" => {
            let IssueFields { message, path, path_hex } = serde_json::from_slice(line).map_err(wrong)?;
            let message = harmless(&message);
            Ok(Record::Issue { message, path: path.map(|path| bytes(path, path_hex)).transpose()? })
        }
        "area" => {
            let AreaFields { start_bytes, data } = serde_json::from_slice(line).map_err(wrong)?;
            let data = base64::decode(&data, RECORD_BYTES)?;
            Ok(Record::Area(Area { start_bytes, data }))
        }
        "frames" => {
            let FramesFields { frame_bytes, packed } = serde_json::from_slice(line).map_err(wrong)?;
            Ok(Record::Frames { frame_bytes, packed })
        }
        "tail" => serde_json::from_slice(line).map(|tail| Record::Tail(Box::new(tail))).map_err(wrong),
        _ => serde_json::from_slice::<IgnoredAny>(line).map(|_| Record::Unknown).map_err(wrong),
    }
}

fn wrong(error: serde_json::Error) -> Error {
    Error::corrupt(format!("a line of the manifest is no record: {error}"))
}

fn entry(line: &[u8]) -> Result<Record> {
    let fields: Fields = serde_json::from_slice(line).map_err(wrong)?;
    let content = content(&fields)?;
    let is_plain =
        |flags: &String| flags.bytes().all(|byte| byte.is_ascii_lowercase() || b",-".contains(&byte));
    if fields.flags.as_ref().is_some_and(|flags| !is_plain(flags)) {
        return Err(Error::corrupt("a line of the manifest has flags that are none"));
    }
    let time =
        |time: Option<(i64, u32)>| time.map(|(seconds, nanoseconds)| Timestamp { seconds, nanoseconds });
    let kind = match fields.kind.as_str() {
        "file" => EntryKind::File,
        "dir" => EntryKind::Directory,
        "symlink" => EntryKind::Symlink,
        "chr" => EntryKind::CharacterDevice,
        "blk" => EntryKind::BlockDevice,
        "fifo" => EntryKind::Fifo,
        "sock" => EntryKind::Socket,
        "image" => EntryKind::Image,
        other => return Err(Error::corrupt(format!("a line of the manifest has the type {other:?}"))),
    };
    let mode = fields.mode.map(|mode| u16::from_str_radix(&mode, 8)).transpose();
    let mode = mode.map_err(|_| Error::corrupt("a line of the manifest has a mode that is not octal"))?;
    let attributes = fields
        .xattrs
        .iter()
        .map(|(name, value)| Ok(Attribute { name: unescaped(name)?, value: unhex(value)? }));
    let mut attributes: Vec<Attribute> = attributes.collect::<Result<_>>()?;
    attributes.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(Record::Entry(Box::new(ManifestEntry {
        path: bytes(fields.path, fields.path_hex)?,
        kind,
        mode,
        uid: fields.uid,
        gid: fields.gid,
        size: fields.size,
        modified: time(fields.mtime),
        accessed: time(fields.atime),
        changed: time(fields.ctime),
        created: time(fields.created),
        inode: fields.inode.map(|number| InodeId { tree: fields.tree, number }),
        links: fields.links,
        device: fields.rdev,
        target: fields.target.map(|target| bytes(target, fields.target_hex)).transpose()?,
        flags: fields.flags,
        project: fields.project,
        attributes,
        link: fields.link.map(|link| bytes(link, fields.link_hex)).transpose()?,
        content,
        place: fields.place,
    })))
}

fn content(fields: &Fields) -> Result<Option<Content>> {
    let known = [
        (Algorithm::Sha1, &fields.sha1, false),
        (Algorithm::Sha256, &fields.sha256, false),
        (Algorithm::Blake3, &fields.blake3, false),
        (Algorithm::Sha1, &fields.data_sha1, true),
        (Algorithm::Sha256, &fields.data_sha256, true),
        (Algorithm::Blake3, &fields.data_blake3, true),
    ];
    let content = known
        .into_iter()
        .find_map(|(algorithm, hex, data_only)| Some(Content { algorithm, hex: hex.clone()?, data_only }));
    match content {
        Some(content) if !is_digest(content.algorithm, &content.hex) => {
            let name = content.algorithm.name();
            Err(Error::corrupt(format!("a line of the manifest has a {name} that is none")))
        }
        content => Ok(content),
    }
}

/// Whether these are the digits of such a digest, as they are written.
fn is_digest(algorithm: Algorithm, hex: &str) -> bool {
    let digits = match algorithm {
        Algorithm::Sha1 => 40,
        Algorithm::Sha256 | Algorithm::Blake3 => 64,
    };
    hex.len() == digits && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
