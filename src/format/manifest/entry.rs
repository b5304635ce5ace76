//! The record of an entry.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::escape::{bytes, hex_unless_text, text, unescaped, unhex};
use super::{Name, line, wrong};
use crate::error::{Error, Result};
use crate::filesystem::{Attribute, FileKind, Flags, Inode, InodeId, Metadata, Timestamp};
use crate::format::digest::{Algorithm, Digest};
use crate::format::tar::flags;
use crate::hex;
use crate::printable::Printable;
use crate::tree::{Body, Entry};

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

/// Where an entry is in the tar stream, before compression; all in bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Position of the first header.
    pub header: u64,
    /// Position of the data, behind the header and the map of a sparse file.
    pub data: u64,
    /// Bytes of data that are stored.
    pub stored: u64,
    /// Position in the file and length of each hole.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "super::capped::list")]
    pub holes: Vec<(u64, u64)>,
}

/// An entry as the manifest has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestEntry {
    /// Path, without `./`; `.` is the root of a bare tree.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: FileKind,
    /// Owner, mode, times, attributes and the like. An image has none: 0600, and nobody's.
    pub metadata: Metadata,
    /// Length of the content.
    pub size: Option<u64>,
    /// The inode.
    pub inode: Option<InodeId>,
    /// Number of names.
    pub links: Option<u32>,
    /// Target of a symbolic link.
    pub target: Option<Vec<u8>>,
    /// For a further name of an inode: the path of the first.
    pub link: Option<Vec<u8>>,
    /// Digest of the content.
    pub content: Option<Content>,
    /// Where it is; a socket is nowhere.
    pub place: Option<Place>,
}

impl ManifestEntry {
    /// The type under which the tail counts it.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        if self.link.is_some() { LINK } else { self.kind.name() }
    }
}

/// The type under which the tail counts further names.
const LINK: &str = "link";

/// Permission bits of a raw image.
const IMAGE_MODE: u16 = 0o600;

/// Seconds and nanoseconds.
type Time = (i64, u32);

/// The record of an entry. Fields stand in this order.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) struct EntryRecord {
    record: Name,
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_hex: Option<String>,
    #[serde(rename = "type")]
    kind: Cow<'static, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gid: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mtime: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    atime: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ctime: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    inode: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tree: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    links: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rdev: Option<(u32, u32)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    flags: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    project: Option<u32>,
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
    #[serde(
        default,
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "super::capped::attributes"
    )]
    xattrs: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha1: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    blake3: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_sha1: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_sha256: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_blake3: Option<String>,
    /// Where it is; a socket is nowhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// Whether the entry has content of its own, and so a digest.
    #[serde(skip)]
    pub has_content: bool,
    /// Whether the digest is that of the stored data alone.
    #[serde(skip)]
    pub data_only: bool,
}

impl EntryRecord {
    pub(crate) fn of_entry(shown: &[u8], entry: &Entry) -> Self {
        let inode = &entry.inode;
        let attributes = inode.metadata.attributes.iter();
        let mut record = Self {
            size: matches!(inode.kind, FileKind::Regular | FileKind::Symlink).then_some(inode.size_bytes),
            xattrs: attributes.map(|a| (Printable(&a.name).to_string(), hex::encode(&a.value))).collect(),
            has_content: matches!(entry.body, Body::Content(_)),
            ..Self::named(shown, inode.kind)
        };
        record.inode(inode);
        if let Body::Target(target) = &entry.body {
            (record.target, record.target_hex) = (Some(text(target)), hex_unless_text(target));
        }
        record
    }

    /// A volume that is stored as a raw image.
    pub(crate) fn of_image(shown: &[u8], len_bytes: u64) -> Self {
        Self { size: Some(len_bytes), has_content: true, ..Self::named(shown, FileKind::Image) }
    }

    fn named(shown: &[u8], kind: FileKind) -> Self {
        Self {
            record: Name::Entry,
            path: text(shown),
            path_hex: hex_unless_text(shown),
            kind: Cow::Borrowed(kind.name()),
            ..Self::default()
        }
    }

    fn inode(&mut self, inode: &Inode) {
        let time = |time: Option<Timestamp>| time.map(|time| (time.seconds, time.nanoseconds));
        let metadata = &inode.metadata;
        self.mode = Some(format!("{:04o}", metadata.mode));
        (self.uid, self.gid) = (Some(metadata.uid), Some(metadata.gid));
        self.mtime = time(Some(metadata.modified.unwrap_or_default()));
        self.atime = time(metadata.accessed);
        self.ctime = time(metadata.changed);
        self.created = time(metadata.created);
        self.inode = Some(inode.id.number);
        self.tree = Some(inode.id.tree).filter(|tree| *tree != 0);
        self.links = Some(inode.links);
        self.rdev = inode.kind.device();
        self.flags = flags::full_text(metadata.flags);
        self.project = metadata.project.filter(|project| *project != 0);
    }

    /// Says of which earlier entry this one is a further name.
    pub(crate) fn same_as(&mut self, shown: &[u8]) {
        (self.link, self.link_hex) = (Some(text(shown)), hex_unless_text(shown));
    }

    /// The type under which the tail counts it.
    pub(crate) fn type_name(&self) -> &'static str {
        match &self.kind {
            _ if self.link.is_some() => LINK,
            Cow::Borrowed(name) => name,
            Cow::Owned(_) => "",
        }
    }

    /// Length of the path, in bytes.
    pub(crate) fn path_len(&self) -> usize {
        self.path.len()
    }

    /// The line for the manifest.
    pub(crate) fn line(mut self, algorithm: Algorithm, digest: Option<&Digest>) -> Vec<u8> {
        if let Some(digest) = digest {
            let data_only = self.data_only;
            let mut fields = self.digests();
            let field = fields.iter_mut().find(|(of, only, _)| (*of, *only) == (algorithm, data_only));
            if let Some((_, _, field)) = field {
                **field = Some(digest.to_string());
            }
        }
        line(&self)
    }

    /// The fields of digests: which digest each has, and whether it leaves the holes out.
    fn digests(&mut self) -> [(Algorithm, bool, &mut Option<String>); 6] {
        [
            (Algorithm::Sha1, false, &mut self.sha1),
            (Algorithm::Sha256, false, &mut self.sha256),
            (Algorithm::Blake3, false, &mut self.blake3),
            (Algorithm::Sha1, true, &mut self.data_sha1),
            (Algorithm::Sha256, true, &mut self.data_sha256),
            (Algorithm::Blake3, true, &mut self.data_blake3),
        ]
    }

    fn content(&mut self) -> Result<Option<Content>> {
        let content = self
            .digests()
            .into_iter()
            .find_map(|(algorithm, data_only, hex)| Some(Content { algorithm, hex: hex.take()?, data_only }));
        match content {
            Some(content) if !content.algorithm.is_hex(&content.hex) => {
                let name = content.algorithm.name();
                Err(wrong(format_args!("a {name} that is none")))
            }
            content => Ok(content),
        }
    }
}

impl TryFrom<EntryRecord> for ManifestEntry {
    type Error = Error;

    fn try_from(mut record: EntryRecord) -> Result<Self> {
        let content = record.content()?;
        let is_plain =
            |flags: &String| flags.bytes().all(|byte| byte.is_ascii_lowercase() || b",-".contains(&byte));
        if record.flags.as_ref().is_some_and(|flags| !is_plain(flags)) {
            return Err(wrong("flags that are none"));
        }
        let kind = FileKind::of_name(&record.kind, record.rdev);
        let kind = kind.ok_or_else(|| wrong(format_args!("the type {:?}", record.kind)))?;
        let mode = record.mode.map(|mode| u16::from_str_radix(&mode, 8)).transpose();
        let attributes = record
            .xattrs
            .iter()
            .map(|(name, value)| Ok(Attribute { name: unescaped(name)?, value: unhex(value)? }));
        let mut attributes: Vec<Attribute> = attributes.collect::<Result<_>>()?;
        attributes.sort_by(|one, other| one.name.cmp(&other.name));
        let time = |(seconds, nanoseconds)| Timestamp { seconds, nanoseconds };
        Ok(Self {
            path: bytes(record.path, record.path_hex)?,
            kind,
            metadata: Metadata {
                mode: mode.map_err(|_| wrong("a mode that is not octal"))?.unwrap_or(IMAGE_MODE),
                uid: record.uid.unwrap_or(0),
                gid: record.gid.unwrap_or(0),
                modified: record.mtime.map(time),
                accessed: record.atime.map(time),
                changed: record.ctime.map(time),
                created: record.created.map(time),
                flags: record.flags.as_deref().map_or(Flags(0), flags::of_full_text),
                project: record.project,
                attributes,
            },
            size: record.size,
            inode: record.inode.map(|number| InodeId { tree: record.tree.unwrap_or(0), number }),
            links: record.links,
            target: record.target.map(|target| bytes(target, record.target_hex)).transpose()?,
            link: record.link.map(|link| bytes(link, record.link_hex)).transpose()?,
            content,
            place: record.place,
        })
    }
}
