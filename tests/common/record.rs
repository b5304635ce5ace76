//! What is known of one entry of a tree: from the kernel, from what an extractor made, or from an archive.

use std::collections::BTreeMap;
use std::fmt;

use super::content::Content;

/// A tree: a record for each path, in bytes, relative to the root; the root itself is the empty path.
pub type Tree = BTreeMap<Vec<u8>, Record>;

/// The type of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    File,
    Directory,
    Symlink,
    CharacterDevice,
    BlockDevice,
    Fifo,
    Socket,
}

/// Seconds and nanoseconds since 1970; the nanoseconds count upwards from the second, also before 1970.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Time {
    pub seconds: i64,
    pub nanoseconds: u32,
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}s+{:09}ns", self.seconds, self.nanoseconds)
    }
}

/// One entry. What a source cannot show is `None`, and is not compared.
#[derive(Clone, Debug)]
pub struct Record {
    pub kind: Kind,
    /// Permission bits, with set-uid, set-gid and sticky; `None` for a partition stored as one file.
    pub mode: Option<u32>,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    /// Length of a regular file.
    pub size_bytes: Option<u64>,
    pub mtime: Option<Time>,
    pub atime: Option<Time>,
    pub ctime: Option<Time>,
    pub btime: Option<Time>,
    /// Major and minor number of a device.
    pub device: Option<(u32, u32)>,
    /// Where a symbolic link points.
    pub target: Option<Vec<u8>>,
    /// The first path, in byte order, of the file that this is a hard link of; `None` for a single link.
    pub linked: Option<Vec<u8>>,
    /// Links that the file has; `None` for directories, whose count is the filesystem's own.
    pub links: Option<u64>,
    pub content: Option<Content>,
    /// Digest of the content, of files that are not too long for their holes to be read.
    pub sha1: Option<[u8; 20]>,
    /// Digest of the stored ranges of the content, one after the other, without the holes.
    pub data_sha1: Option<[u8; 20]>,
    /// Bytes that the source stores: for the content without its holes, and on a filesystem for what belongs to it.
    pub stored_bytes: Option<u64>,
    /// The most that an extracted copy may take on a filesystem of 4 KiB blocks.
    pub most_stored_bytes: Option<u64>,
    pub xattrs: Option<BTreeMap<Vec<u8>, Vec<u8>>>,
    /// Inode flags, as `FS_IOC_GETFLAGS` gives them.
    pub flags: Option<u32>,
}

impl Record {
    /// A record of which nothing but the type is known.
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            mode: None,
            uid: None,
            gid: None,
            size_bytes: None,
            mtime: None,
            atime: None,
            ctime: None,
            btime: None,
            device: None,
            target: None,
            linked: None,
            links: None,
            content: None,
            sha1: None,
            data_sha1: None,
            stored_bytes: None,
            most_stored_bytes: None,
            xattrs: None,
            flags: None,
        }
    }
}

/// Fills in `linked` and `links` from the identity that each entry's source gave it.
///
/// `identities` maps a path to anything that all links of a file share.
pub fn group_links<I: Ord>(tree: &mut Tree, identities: BTreeMap<Vec<u8>, I>) {
    let mut groups: BTreeMap<I, Vec<Vec<u8>>> = BTreeMap::new();
    for (path, identity) in identities {
        groups.entry(identity).or_default().push(path);
    }
    for paths in groups.into_values().filter(|paths| paths.len() > 1) {
        for path in &paths {
            if let Some(record) = tree.get_mut(path) {
                record.linked = Some(paths[0].clone());
            }
        }
    }
}

/// A path for people: everything that is not printable ASCII is escaped.
pub fn shown(path: &[u8]) -> String {
    const LONGEST: usize = 160;
    let text = path.escape_ascii().to_string();
    match text.len() {
        0 => ".".to_owned(),
        length if length > LONGEST => {
            format!("{}…{} ({} bytes)", &text[..LONGEST / 2], &text[length - LONGEST / 2..], path.len())
        }
        _ => text,
    }
}
