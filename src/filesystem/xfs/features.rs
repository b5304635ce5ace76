//! The features that a superblock declares, in version 4 and in version 5.
//!
//! Bits: `fs/xfs/libxfs/xfs_format.h` in the kernel.

use thiserror::Error;

/// `XFS_SB_VERSION_NUMBITS`: the part of `sb_versionnum` that is the version.
const VERSION: u16 = 0x000f;
const DIRECTORY_V2: u16 = 0x2000;
const MORE_BITS: u16 = 0x8000;
const LOG_V2: u16 = 0x0400;

const PROJECT_32: u32 = 0x80;
const FILE_TYPE_V4: u32 = 0x200;

const FILE_TYPE: u32 = 0x1;
const META_UUID: u32 = 0x4;
const NEEDS_REPAIR: u32 = 0x10;
const ZONED: u32 = 0x200;
/// Incompatible features that are read here: all up to metadata directories.
const INCOMPATIBLE_READ: u32 = 0x1ff & !NEEDS_REPAIR;
/// `XFS_SB_FEAT_INCOMPAT_LOG_XATTRS`: the log may hold changes of attributes.
const LOG_KNOWN: u32 = 0x1;

/// A name for each bit, as `xfs_info` and `xfs_db version` have them.
const VERSION_NAMES: [(u32, &str); 8] = [
    (0x0010, "attr"),
    (0x0040, "quota"),
    (0x0080, "align"),
    (0x0100, "dalign"),
    (0x0400, "logv2"),
    (0x0800, "sector"),
    (0x1000, "extflg"),
    (0x4000, "ascii-ci"),
];
const VERSION_2_NAMES: [(u32, &str); 4] =
    [(0x2, "lazysbcount"), (0x8, "attr2"), (PROJECT_32, "projid32bit"), (FILE_TYPE_V4, "ftype")];
const INCOMPATIBLE_NAMES: [(u32, &str); 11] = [
    (FILE_TYPE, "ftype"),
    (0x2, "sparse"),
    (META_UUID, "metauuid"),
    (0x8, "bigtime"),
    (NEEDS_REPAIR, "needsrepair"),
    (0x20, "nrext64"),
    (0x40, "exchange"),
    (0x80, "parent"),
    (0x100, "metadir"),
    (ZONED, "zoned"),
    (0x400, "zone-gaps"),
];
const READ_ONLY_NAMES: [(u32, &str); 4] =
    [(0x1, "finobt"), (0x2, "rmapbt"), (0x4, "reflink"), (0x8, "inobtcount")];

/// Why a filesystem can't be read.
#[derive(Debug, Error, PartialEq, Eq)]
pub(super) enum Unread {
    #[error("XFS version {0} can't be read, only 4 and 5")]
    Version(u16),
    #[error("directories of version 1 can't be read")]
    DirectoryV1,
    #[error(
        "the filesystem is marked as in need of repair: run xfs_repair first, or store it as a raw image"
    )]
    NeedsRepair,
    #[error("a zoned filesystem can't be read yet; store it as a raw image")]
    Zoned,
    #[error("unknown incompatible features {0:#x}; store it as a raw image")]
    Incompatible(u32),
}

/// The features of one filesystem.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Features {
    /// `sb_versionnum`.
    pub version: u16,
    /// `sb_features2`.
    pub more: u32,
    /// `sb_features_ro_compat`.
    pub read_only: u32,
    /// `sb_features_incompat`.
    pub incompatible: u32,
    /// `sb_features_log_incompat`.
    pub log: u32,
}

impl Features {
    fn number(self) -> u16 {
        self.version & VERSION
    }

    fn more(self) -> u32 {
        if self.has_checksums() || self.version & MORE_BITS != 0 { self.more } else { 0 }
    }

    /// Whether this is version 5, in which metadata have checksums.
    pub(super) fn has_checksums(self) -> bool {
        self.number() == 5
    }

    /// Whether names in directories have the kind of file beside them.
    pub(super) fn has_file_type(self) -> bool {
        match self.has_checksums() {
            true => self.incompatible & FILE_TYPE != 0,
            false => self.more() & FILE_TYPE_V4 != 0,
        }
    }

    /// Whether the metadata have a UUID of their own, as that of the filesystem was changed.
    pub(super) fn has_meta_uuid(self) -> bool {
        self.has_checksums() && self.incompatible & META_UUID != 0
    }

    /// Whether project numbers have 32 bits.
    pub(super) fn has_wide_projects(self) -> bool {
        self.has_checksums() || self.more() & PROJECT_32 != 0
    }

    /// Whether log records may be longer than 32 KiB.
    pub(super) fn has_log_v2(self) -> bool {
        self.has_checksums() || self.version & LOG_V2 != 0
    }

    /// Features of the log that are not known here.
    pub(super) fn unknown_in_log(self) -> u32 {
        if self.has_checksums() { self.log & !LOG_KNOWN } else { 0 }
    }

    /// Whether it can be read.
    pub(super) fn check(self) -> Result<(), Unread> {
        match self.number() {
            4 if self.version & DIRECTORY_V2 == 0 => Err(Unread::DirectoryV1),
            4 => Ok(()),
            5 if self.incompatible & ZONED != 0 => Err(Unread::Zoned),
            5 if self.incompatible & !(INCOMPATIBLE_READ | NEEDS_REPAIR) != 0 => {
                Err(Unread::Incompatible(self.incompatible & !(INCOMPATIBLE_READ | NEEDS_REPAIR)))
            }
            5 if self.incompatible & NEEDS_REPAIR != 0 => Err(Unread::NeedsRepair),
            5 => Ok(()),
            other => Err(Unread::Version(other)),
        }
    }

    /// Their names, the version first.
    pub(super) fn names(self) -> Vec<String> {
        let mut names = vec![format!("v{}", self.number())];
        let sets: &[(u32, &[(u32, &str)])] = match self.has_checksums() {
            true => &[
                (0x1, &[(0x1, "crc")]),
                (self.read_only, &READ_ONLY_NAMES),
                (self.incompatible, &INCOMPATIBLE_NAMES),
            ],
            false => &[(u32::from(self.version), &VERSION_NAMES), (self.more(), &VERSION_2_NAMES)],
        };
        for (bits, known) in sets {
            let set = known.iter().filter(|(bit, _)| bits & bit != 0);
            names.extend(set.map(|(_, name)| (*name).to_owned()));
        }
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_not_be_read_is_refused_by_name() {
        let v5 = |incompatible| Features { version: 0xb4a5, incompatible, ..Features::default() };
        let cases = [
            (v5(0x1ef), Ok(())),
            (v5(0x11), Err(Unread::NeedsRepair)),
            (v5(0x200), Err(Unread::Zoned)),
            (v5(0x8000_0001), Err(Unread::Incompatible(0x8000_0000))),
            (Features { version: 0xb4a4, ..Features::default() }, Ok(())),
            (Features { version: 0x4, ..Features::default() }, Err(Unread::DirectoryV1)),
            (Features { version: 0x3, ..Features::default() }, Err(Unread::Version(3))),
        ];
        for (features, read) in cases {
            assert_eq!(features.check(), read, "{features:?}");
        }
    }

    #[test]
    fn more_features_of_version_4_count_only_where_it_says_so() {
        let v4 = |version| Features { version, more: 0x282, ..Features::default() };
        assert!(v4(0xa004).has_file_type() && v4(0xa004).has_wide_projects());
        assert!(!v4(0x2004).has_file_type() && !v4(0x2004).has_wide_projects());
        assert_eq!(v4(0xa004).names(), ["v4", "lazysbcount", "projid32bit", "ftype"]);
    }
}
