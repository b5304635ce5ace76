//! What is kept of a file besides its name and its content, wherever it comes from.

use std::fmt;

/// A point in time: seconds since 1970 (may be before) and nanoseconds, which count forward.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp {
    /// Seconds since 1970-01-01 00:00:00 UTC.
    pub seconds: i64,
    /// 0 to 999,999,999.
    pub nanoseconds: u32,
}

impl fmt::Display for Timestamp {
    /// As a decimal number of seconds, the way pax writes it: `-1.5` is half a second before `-1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SECOND: u32 = 1_000_000_000;
        let Self { seconds, nanoseconds } = *self;
        // Before 1970, the fraction leads back towards it.
        let (sign, whole, mut fraction) = match (seconds < 0, nanoseconds) {
            (false, _) | (true, 0) => ("", seconds, nanoseconds),
            (true, _) => {
                ("-", seconds.saturating_add(1).saturating_neg(), SECOND.saturating_sub(nanoseconds))
            }
        };
        if fraction == 0 {
            return write!(f, "{sign}{whole}");
        }
        let mut digits = 9_usize;
        while fraction % 10 == 0 {
            (fraction, digits) = (fraction / 10, digits.saturating_sub(1));
        }
        write!(f, "{sign}{whole}.{fraction:0digits$}")
    }
}

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FileKind {
    /// A regular file.
    Regular,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A character device.
    CharacterDevice {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A block device.
    BlockDevice {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
    /// A whole volume, stored as one file; no filesystem has such.
    Image,
}

impl FileKind {
    /// What the manifest calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Regular => "file",
            Self::Directory => "dir",
            Self::Symlink => "symlink",
            Self::CharacterDevice { .. } => "chr",
            Self::BlockDevice { .. } => "blk",
            Self::Fifo => "fifo",
            Self::Socket => "sock",
            Self::Image => "image",
        }
    }

    /// What the manifest means by a name; `device` has the numbers of a device.
    #[must_use]
    pub fn of_name(name: &str, device: Option<(u32, u32)>) -> Option<Self> {
        let (major, minor) = device.unwrap_or_default();
        let kinds = [
            Self::Regular,
            Self::Directory,
            Self::Symlink,
            Self::CharacterDevice { major, minor },
            Self::BlockDevice { major, minor },
            Self::Fifo,
            Self::Socket,
            Self::Image,
        ];
        kinds.into_iter().find(|kind| kind.name() == name)
    }

    /// Major and minor number of a device.
    #[must_use]
    pub fn device(self) -> Option<(u32, u32)> {
        match self {
            Self::CharacterDevice { major, minor } | Self::BlockDevice { major, minor } => {
                Some((major, minor))
            }
            _ => None,
        }
    }

    /// Whether it has content.
    #[must_use]
    pub fn has_content(self) -> bool {
        matches!(self, Self::Regular | Self::Image)
    }
}

/// The inode flags that `chattr` sets and `lsattr` shows, with Linux's values (`FS_*_FL` in `linux/fs.h`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(pub u32);

impl Flags {
    /// `FS_VERITY_FL`: fs-verity protects the content by a tree of hashes.
    pub const VERITY: Self = Self(0x0010_0000);
}

/// What is kept of a file besides its kind, its names and its content.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// Permission bits, with set-user-id, set-group-id and sticky: `0o7777` at most.
    pub mode: u16,
    /// Numeric owner.
    pub uid: u64,
    /// Numeric group.
    pub gid: u64,
    /// Last change of the content.
    pub modified: Option<Timestamp>,
    /// Last read.
    pub accessed: Option<Timestamp>,
    /// Last change of the inode.
    pub changed: Option<Timestamp>,
    /// Creation, where it is known.
    pub created: Option<Timestamp>,
    /// Flags that a user can set and see.
    pub flags: Flags,
    /// Project that its blocks are counted for, where that is known. 0 is the usual one.
    pub project: Option<u32>,
    /// Extended attributes, sorted by name.
    pub attributes: Vec<Attribute>,
}

/// An extended attribute, as listxattr(2) and getxattr(2) show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// The name with its namespace, `user.comment`.
    pub name: Vec<u8>,
    /// The value.
    pub value: Vec<u8>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_decimal_numbers_also_before_1970() {
        let cases = [
            (0, 0, "0"),
            (1, 500_000_000, "1.5"),
            (-2, 500_000_000, "-1.5"),
            (-1, 999_999_999, "-0.000000001"),
            (15_032_385_535, 1, "15032385535.000000001"),
            (-2_147_483_648, 0, "-2147483648"),
        ];
        for (seconds, nanoseconds, shown) in cases {
            assert_eq!(Timestamp { seconds, nanoseconds }.to_string(), shown);
        }
    }
}
