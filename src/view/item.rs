//! An entry of whatever place.

use super::name::of_entry;
use crate::archive::read::{Content, ManifestEntry, Member, MemberKind};
use crate::archive::{flags_text, named_flags};
use crate::filesystem::{Extent, FileKind, Inode, InodeId, Metadata};
use crate::volume::VolumeId;

/// Whether a path begins at the root.
fn is_absolute(path: &[u8]) -> bool {
    path.starts_with(b"/")
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
    pub kind: FileKind,
    /// Owner, mode, times, attributes and the like. A further name has no attributes: they are with
    /// the first.
    pub metadata: Metadata,
    /// The owner's name, where an archive tells it.
    pub uname: Vec<u8>,
    /// The group's name, where an archive tells it.
    pub gname: Vec<u8>,
    /// Length of the content, or of a symbolic link's target.
    pub size: u64,
    /// The inode.
    pub inode: Option<InodeId>,
    /// Number of names.
    pub links: Option<u32>,
    /// Target of a symbolic link.
    pub target: Option<Vec<u8>>,
    /// For a further name: the path of the first.
    pub link: Option<Vec<u8>>,
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
        Self::new(path.to_vec(), FileKind::Directory, 0o755)
    }

    /// A raw image.
    pub(super) fn image(path: Vec<u8>, id: VolumeId, len_bytes: u64) -> Self {
        Self { size: len_bytes, body: Body::Volume(id), ..Self::new(path, FileKind::Image, 0o600) }
    }

    fn new(path: Vec<u8>, kind: FileKind, mode: u16) -> Self {
        Self::with_metadata(path, kind, Metadata { mode, ..Metadata::default() })
    }

    fn with_metadata(path: Vec<u8>, kind: FileKind, metadata: Metadata) -> Self {
        Self {
            path,
            kind,
            metadata,
            uname: Vec::new(),
            gname: Vec::new(),
            size: 0,
            inode: None,
            links: None,
            target: None,
            link: None,
            content: None,
            lost: Vec::new(),
            is_absolute: false,
            body: Body::Nowhere,
        }
    }

    pub(super) fn of_manifest(entry: ManifestEntry) -> Self {
        Self {
            size: entry.size.unwrap_or(0),
            inode: entry.inode,
            links: entry.links,
            target: entry.target,
            is_absolute: is_absolute(&entry.path) || entry.link.as_deref().is_some_and(is_absolute),
            link: entry.link.map(|link| of_entry(&link)),
            content: entry.content,
            body: entry.place.map_or(Body::Nowhere, |place| Body::Member(place.header)),
            ..Self::with_metadata(of_entry(&entry.path), entry.kind, entry.metadata)
        }
    }

    /// `None` for a member that is no entry.
    pub(super) fn of_member(member: Member) -> Option<Self> {
        let is_link = member.kind == MemberKind::Link;
        let kind = match member.kind {
            MemberKind::File(kind) => kind,
            MemberKind::Link => FileKind::Regular,
            MemberKind::Other(_) => return None,
        };
        let is_absolute = is_absolute(&member.path) || is_link && is_absolute(&member.link);
        let (target, link) = match kind {
            _ if is_link => (None, Some(of_entry(&member.link))),
            FileKind::Symlink => (Some(member.link), None),
            _ => (None, None),
        };
        let size = target.as_ref().map_or(member.size, |target| u64::try_from(target.len()).unwrap_or(0));
        Some(Self {
            uname: member.uname,
            gname: member.gname,
            size,
            target,
            link,
            lost: member.lost,
            is_absolute,
            body: Body::Member(member.place.header),
            ..Self::with_metadata(of_entry(&member.path), kind, member.metadata)
        })
    }

    /// An inode, with the attributes that are in it.
    pub(super) fn of_inode(path: Vec<u8>, inode: Inode) -> Self {
        let Inode { id, kind, mut metadata, size_bytes, links, .. } = inode;
        metadata.flags = named_flags(metadata.flags);
        metadata.project = metadata.project.filter(|project| *project != 0);
        let size = if matches!(kind, FileKind::Regular | FileKind::Symlink) { size_bytes } else { 0 };
        Self { size, inode: Some(id), links: Some(links), ..Self::with_metadata(path, kind, metadata) }
    }

    /// The names of its flags, with commas between them.
    #[must_use]
    pub fn flags(&self) -> Option<String> {
        flags_text(self.metadata.flags)
    }
}
