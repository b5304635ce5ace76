//! What the walk finds: an inode under a name, with all that an archive keeps of it.

use super::TreePath;
use crate::filesystem::{Content, Inode};

/// An inode under one of its names.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The path below the filesystem's root.
    pub path: TreePath,
    /// The inode, with its attributes. A further name of an inode has none: they are with the first.
    pub inode: Inode,
    /// What its kind calls for.
    pub body: Body,
}

/// What an entry holds besides its inode.
#[derive(Clone, Debug)]
pub enum Body {
    /// Nothing: a directory, a device, a fifo, a socket.
    Nothing,
    /// The bytes of a regular file.
    Content(Content),
    /// The target of a symbolic link.
    Target(Vec<u8>),
    /// The path of the entry before this one that is the same inode.
    SameAs(TreePath),
}
