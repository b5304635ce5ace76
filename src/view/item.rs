//! An entry of whatever place.

use super::name::of_entry;
use crate::archive::flags_text;
use crate::archive::read::{Content, EntryKind, ManifestEntry, Member, MemberKind};
use crate::filesystem::{Attribute, Extent, FileKind, Inode, InodeId, Timestamp};
use crate::volume::VolumeId;

/// Whether a path begins at the root.
fn is_absolute(path: &[u8]) -> bool {
    path.starts_with(b"/")
}

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ItemKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A character device, by its numbers.
    CharacterDevice(u32, u32),
    /// A block device, by its numbers.
    BlockDevice(u32, u32),
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
    /// A raw image.
    Image,
}

impl ItemKind {
    /// What the manifest calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Directory => "dir",
            Self::Symlink => "symlink",
            Self::CharacterDevice(..) => "chr",
            Self::BlockDevice(..) => "blk",
            Self::Fifo => "fifo",
            Self::Socket => "sock",
            Self::Image => "image",
        }
    }

    /// Whether it has content.
    #[must_use]
    pub fn has_content(self) -> bool {
        matches!(self, Self::File | Self::Image)
    }
}

/// Where an entry's content is.
#[derive(Clone, Debug, Default)]
pub(super) enum Body {
    /// It has none, or nobody knows.
    #[default]
    Nowhere,
    /// In the archive's member whose first header is at this position of the tar stream.
    Member(u64),
    /// On this volume.
    Extents(VolumeId, Vec<Extent>),
    /// Here.
    Inline(Vec<u8>),
    /// The volume itself.
    Volume(VolumeId),
}

impl Body {
    /// Bytes of memory that it holds outside of its own size.
    pub(super) fn memory(&self) -> usize {
        match self {
            Self::Extents(_, extents) => extents.len().saturating_mul(size_of::<Extent>()),
            Self::Inline(bytes) => bytes.len(),
            Self::Nowhere | Self::Member(_) | Self::Volume(_) => 0,
        }
    }
}

/// An entry.
#[derive(Clone, Debug)]
pub struct Item {
    /// The path, as [`super::clean`] gives it.
    pub path: Vec<u8>,
    /// What it is. A further name of an inode is what the inode is, as far as that is known.
    pub kind: ItemKind,
    /// Permission bits.
    pub mode: u16,
    /// Numeric owner.
    pub uid: u64,
    /// Numeric group.
    pub gid: u64,
    /// The owner's name, where an archive tells it.
    pub uname: Vec<u8>,
    /// The group's name, where an archive tells it.
    pub gname: Vec<u8>,
    /// Length of the content, or of a symbolic link's target.
    pub size: u64,
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
    /// Target of a symbolic link.
    pub target: Option<Vec<u8>>,
    /// For a further name: the path of the first.
    pub link: Option<Vec<u8>>,
    /// Extended attributes, sorted by name. A further name has none: they are with the first.
    pub attributes: Vec<Attribute>,
    /// Inode flags as text.
    pub flags: Option<String>,
    /// The project that quota counts it for, where that is known.
    pub project: Option<u32>,
    /// Digest of the content, where it is known without reading it.
    pub content: Option<Content>,
    /// What the archive says of it in a way that is not understood here, by its keywords: it is lost.
    pub lost: Vec<String>,
    /// Whether the archive has a slash in front of its path, or of the name that it is the same as.
    pub is_absolute: bool,
    pub(super) body: Body,
}

impl Item {
    /// A directory of which nothing but the name is known.
    pub(super) fn directory(path: &[u8]) -> Self {
        Self::new(path.to_vec(), ItemKind::Directory, 0o755)
    }

    /// A raw image.
    pub(super) fn image(path: Vec<u8>, id: VolumeId, len_bytes: u64) -> Self {
        Self { size: len_bytes, body: Body::Volume(id), ..Self::new(path, ItemKind::Image, 0o600) }
    }

    fn new(path: Vec<u8>, kind: ItemKind, mode: u16) -> Self {
        Self {
            path,
            kind,
            mode,
            uid: 0,
            gid: 0,
            uname: Vec::new(),
            gname: Vec::new(),
            size: 0,
            modified: None,
            accessed: None,
            changed: None,
            created: None,
            inode: None,
            links: None,
            target: None,
            link: None,
            attributes: Vec::new(),
            flags: None,
            project: None,
            content: None,
            lost: Vec::new(),
            is_absolute: false,
            body: Body::Nowhere,
        }
    }

    pub(super) fn of_manifest(entry: ManifestEntry) -> Self {
        let (major, minor) = entry.device.unwrap_or_default();
        let kind = match entry.kind {
            EntryKind::File => ItemKind::File,
            EntryKind::Directory => ItemKind::Directory,
            EntryKind::Symlink => ItemKind::Symlink,
            EntryKind::CharacterDevice => ItemKind::CharacterDevice(major, minor),
            EntryKind::BlockDevice => ItemKind::BlockDevice(major, minor),
            EntryKind::Fifo => ItemKind::Fifo,
            EntryKind::Socket => ItemKind::Socket,
            EntryKind::Image => ItemKind::Image,
        };
        let body = entry.place.map_or(Body::Nowhere, |place| Body::Member(place.header));
        Self {
            uid: entry.uid.map_or(0, u64::from),
            gid: entry.gid.map_or(0, u64::from),
            size: entry.size.unwrap_or(0),
            modified: entry.modified,
            accessed: entry.accessed,
            changed: entry.changed,
            created: entry.created,
            inode: entry.inode,
            links: entry.links,
            target: entry.target,
            is_absolute: is_absolute(&entry.path) || entry.link.as_deref().is_some_and(is_absolute),
            link: entry.link.map(|link| of_entry(&link)),
            attributes: entry.attributes,
            flags: entry.flags,
            project: entry.project,
            content: entry.content,
            body,
            ..Self::new(of_entry(&entry.path), kind, entry.mode.unwrap_or(0o600))
        }
    }

    /// `None` for a member that is no entry.
    pub(super) fn of_member(member: Member) -> Option<Self> {
        let kind = match member.kind {
            MemberKind::File | MemberKind::Link => ItemKind::File,
            MemberKind::Directory => ItemKind::Directory,
            MemberKind::Symlink => ItemKind::Symlink,
            MemberKind::CharacterDevice { major, minor } => ItemKind::CharacterDevice(major, minor),
            MemberKind::BlockDevice { major, minor } => ItemKind::BlockDevice(major, minor),
            MemberKind::Fifo => ItemKind::Fifo,
            MemberKind::Other(_) => return None,
        };
        let is_absolute =
            is_absolute(&member.path) || member.kind == MemberKind::Link && is_absolute(&member.link);
        let (target, link) = match member.kind {
            MemberKind::Symlink => (Some(member.link), None),
            MemberKind::Link => (None, Some(of_entry(&member.link))),
            _ => (None, None),
        };
        let size = target.as_ref().map_or(member.size, |target| u64::try_from(target.len()).unwrap_or(0));
        Some(Self {
            uid: member.uid,
            gid: member.gid,
            uname: member.uname,
            gname: member.gname,
            size,
            modified: Some(member.modified),
            accessed: member.accessed,
            changed: member.changed,
            created: member.created,
            target,
            link,
            attributes: member.attributes,
            flags: member.flags,
            lost: member.lost,
            is_absolute,
            body: Body::Member(member.place.header),
            ..Self::new(of_entry(&member.path), kind, member.mode)
        })
    }

    pub(super) fn of_inode(path: Vec<u8>, inode: &Inode) -> Self {
        let kind = match inode.kind {
            FileKind::Regular => ItemKind::File,
            FileKind::Directory => ItemKind::Directory,
            FileKind::Symlink => ItemKind::Symlink,
            FileKind::CharacterDevice { major, minor } => ItemKind::CharacterDevice(major, minor),
            FileKind::BlockDevice { major, minor } => ItemKind::BlockDevice(major, minor),
            FileKind::Fifo => ItemKind::Fifo,
            FileKind::Socket => ItemKind::Socket,
        };
        let size = match kind {
            ItemKind::File | ItemKind::Symlink => inode.size_bytes,
            _ => 0,
        };
        Self {
            uid: u64::from(inode.uid),
            gid: u64::from(inode.gid),
            size,
            modified: Some(inode.modified),
            accessed: Some(inode.accessed),
            changed: Some(inode.changed),
            created: inode.created,
            inode: Some(inode.id),
            links: Some(inode.links),
            flags: flags_text(inode.flags),
            project: inode.project.filter(|project| *project != 0),
            ..Self::new(path, kind, inode.mode)
        }
    }
}
