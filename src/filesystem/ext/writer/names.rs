//! The names of a directory, in memory until it is written.

use crate::filesystem::FileKind;

/// Names, one behind the other in one piece of memory.
#[derive(Debug, Default)]
pub(super) struct Names {
    bytes: Vec<u8>,
    count: usize,
}

/// A name, and the inode that it is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Name<'a> {
    pub inode: u32,
    pub kind: u8,
    pub name: &'a [u8],
}

/// Inode, type, and length of the name, before it.
const HEAD_LEN: usize = 6;

impl Names {
    /// Adds a name of at most 255 bytes.
    pub(super) fn push(&mut self, inode: u32, kind: FileKind, name: &[u8]) {
        self.bytes.extend(inode.to_le_bytes());
        self.bytes.push(type_of(kind));
        self.bytes.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
        self.bytes.extend(name.get(..usize::from(u8::MAX)).unwrap_or(name));
        self.count = self.count.saturating_add(1);
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// The name that lies at this place, and where the next one does.
    pub(super) fn at(&self, at: usize) -> Option<(Name<'_>, usize)> {
        let (head, rest) = self.bytes.get(at..)?.split_first_chunk::<HEAD_LEN>()?;
        let [a, b, c, d, kind, len] = *head;
        let name = rest.get(..usize::from(len))?;
        let next = at.saturating_add(HEAD_LEN).saturating_add(name.len());
        Some((Name { inode: u32::from_le_bytes([a, b, c, d]), kind, name }, next))
    }

    /// All of them with their places.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, Name<'_>)> {
        let mut next = 0;
        std::iter::from_fn(move || {
            let at = next;
            let (name, behind) = self.at(at)?;
            next = behind;
            Some((at, name))
        })
    }
}

/// `EXT4_FT_*`.
pub(super) fn type_of(kind: FileKind) -> u8 {
    match kind {
        FileKind::Regular | FileKind::Image => 1,
        FileKind::Directory => 2,
        FileKind::CharacterDevice { .. } => 3,
        FileKind::BlockDevice { .. } => 4,
        FileKind::Fifo => 5,
        FileKind::Socket => 6,
        FileKind::Symlink => 7,
    }
}
