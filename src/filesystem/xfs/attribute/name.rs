//! Namespaces: bits on the disk, prefixes in the kernel's interface.

/// `XFS_ATTR_ROOT`, `XFS_ATTR_SECURE`, `XFS_ATTR_PARENT`, `XFS_ATTR_INCOMPLETE`.
const ROOT: u8 = 0x2;
const SECURE: u8 = 0x4;
const PARENT: u8 = 0x8;
const INCOMPLETE: u8 = 0x80;

/// The namespace of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::filesystem::xfs) enum Space {
    User,
    Trusted,
    Security,
}

impl Space {
    /// The namespace of an entry with these flags; none for what nobody sees: pointers to parents,
    /// and values that are not whole yet.
    pub(in crate::filesystem::xfs) fn of(flags: u8) -> Option<Self> {
        match flags {
            flags if flags & (PARENT | INCOMPLETE) != 0 => None,
            flags if flags & ROOT != 0 => Some(Self::Trusted),
            flags if flags & SECURE != 0 => Some(Self::Security),
            _ => Some(Self::User),
        }
    }

    fn prefix(self) -> &'static [u8] {
        match self {
            Self::User => b"user.",
            Self::Trusted => b"trusted.",
            Self::Security => b"security.",
        }
    }
}

/// The name with its namespace.
pub(super) fn shown(space: Space, name: &[u8]) -> Vec<u8> {
    [space.prefix(), name].concat()
}

/// The name of the access control list that an attribute holds, if it does.
pub(super) fn of_acl(space: Space, name: &[u8]) -> Option<&'static [u8]> {
    match (space, name) {
        (Space::Trusted, b"SGI_ACL_FILE") => Some(b"system.posix_acl_access"),
        (Space::Trusted, b"SGI_ACL_DEFAULT") => Some(b"system.posix_acl_default"),
        _ => None,
    }
}

/// Name of an attribute, and the name of the access control list that it stands for.
pub(in crate::filesystem::xfs) fn names(space: Space, name: &[u8]) -> (Vec<u8>, Option<&'static [u8]>) {
    (shown(space, name), of_acl(space, name))
}
