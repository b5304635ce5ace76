//! The vocabulary that all filesystems share.

use std::fmt;

use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::metadata::{FileKind, Metadata};
use crate::error::{Error, Result};

/// Names an inode on its filesystem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InodeId {
    /// The tree that the number counts in; 0 where a filesystem has one tree alone.
    pub tree: u64,
    /// The number; never 0.
    pub number: u64,
}

impl InodeId {
    /// Adds to an error which inode it is about.
    #[must_use]
    pub fn locate(self, error: Error) -> Error {
        error.in_inode(self.number).in_tree(self.tree)
    }
}

impl fmt::Display for InodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.tree {
            0 => write!(f, "{}", self.number),
            tree => write!(f, "{} in tree {tree}", self.number),
        }
    }
}

/// The inode with this number, on a filesystem with one tree.
impl From<u64> for InodeId {
    fn from(number: u64) -> Self {
        Self { tree: 0, number }
    }
}

/// What a filesystem says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// As the probe calls it: `ext4`, `xfs`.
    pub name: &'static str,
    /// The volume's UUID.
    pub uuid: Option<Uuid>,
    /// The volume's label, in bytes made safe to show; empty when it has none.
    pub label: String,
    /// Length of the filesystem, in bytes; the partition may be larger.
    pub size_bytes: u64,
    /// Bytes in use by files and directories, as `df` counts them.
    pub used_bytes: u64,
    /// Bytes not in use.
    pub free_bytes: u64,
    /// Bytes of a block.
    pub block_bytes: u32,
    /// Inodes in use.
    pub used_inodes: u64,
    /// Names of the features that are set, as `dumpe2fs` and the like call them.
    pub features: Vec<String>,
    /// What should be known of it, though nothing is lost by it.
    pub warnings: Vec<String>,
    /// The settings that make the same filesystem again, as its own reader writes them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub geometry: Option<Value>,
}

/// An inode, without its content.
#[derive(Clone, Debug)]
pub struct Inode {
    /// Its name on the filesystem.
    pub id: InodeId,
    /// What it is.
    pub kind: FileKind,
    /// Owner, mode, times and the like. Attributes are read on their own.
    pub metadata: Metadata,
    /// Length in bytes of the content; for a directory, of its blocks.
    pub size_bytes: u64,
    /// Number of names that it has. Some filesystems say 1 for a directory with very many.
    pub links: u32,
    /// Whether content or names are encrypted, and no key is here to read them.
    pub encrypted: bool,
    /// What was wrong with the inode, but not so wrong that it can't be used.
    pub fault: Option<String>,
    /// The inode as it lies on the device, for the filesystem that it came from.
    pub(super) record: Vec<u8>,
}

/// A run of a file's bytes that is stored in one piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Position in the file, in bytes.
    pub file_bytes: u64,
    /// Length in bytes, at least 1.
    pub len_bytes: u64,
    /// Where the bytes are.
    pub stored: Stored,
}

impl Extent {
    /// A run of bytes that lie on the device as they are in the file.
    #[must_use]
    pub fn raw(file_bytes: u64, at: u64, len_bytes: u64) -> Self {
        Self { file_bytes, len_bytes, stored: Stored::Raw { at } }
    }

    /// The position on the device of bytes that lie there as they are.
    ///
    /// # Errors
    ///
    /// When they are encoded.
    pub fn at(&self) -> Result<u64> {
        match self.stored {
            Stored::Raw { at } => Ok(at),
            Stored::Encoded { .. } => Err(Error::corrupt("these bytes can't be encoded")),
        }
    }
}

/// Where a run of bytes is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// On the filesystem's device, as they are.
    Raw {
        /// Position in bytes.
        at: u64,
    },
    /// In a unit that has to be decoded, which may hold more than this run.
    Encoded {
        /// The unit.
        unit: Unit,
        /// Bytes of the decoded unit before the run.
        skip: u32,
    },
}

impl Stored {
    /// Where the rest of the run is, behind this many bytes.
    #[must_use]
    pub fn after(self, bytes: u64) -> Self {
        match self {
            Self::Raw { at } => Self::Raw { at: at.saturating_add(bytes) },
            Self::Encoded { unit, skip } => {
                let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
                Self::Encoded { unit, skip: skip.saturating_add(bytes) }
            }
        }
    }
}

/// Bytes that were encoded together, and that only [`Filesystem::decode`](super::Filesystem) can
/// read. Several files may share one.
///
/// A unit takes no more bytes on the device than it has decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unit {
    /// Where it begins on the filesystem's device: units are read in this order.
    pub at: u64,
    /// Bytes of it when it is decoded, at most [`Unit::MOST_BYTES`].
    pub len_bytes: u32,
    /// A number that only the filesystem understands: how long it is on the device, and encoded how.
    pub key: u32,
}

impl Unit {
    /// Bytes of the longest unit, decoded: each thread that decodes keeps one in memory.
    pub const MOST_BYTES: u32 = 16 << 20;
}

/// Where the bytes of a file are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// In the filesystem's own structures: here they are, at most as many as the file has. What is behind them is a hole.
    Inline(Vec<u8>),
    /// Stored in extents: in the file's order, none overlapping another, none past its size. What
    /// lies between them, or after the last, is holes: zeros that take no space.
    Extents(Vec<Extent>),
}
