//! The feature flags of a superblock: their names, and which can be read here.
//!
//! <https://docs.kernel.org/filesystems/ext4/super.html>; the names are those of `dumpe2fs` and `mke2fs -O`.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Names of features, as `dumpe2fs` and `mke2fs -O` call them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeatureNames {
    /// Those that a program may ignore.
    pub compat: Vec<String>,
    /// Those that no program may ignore.
    pub incompat: Vec<String>,
    /// Those that a program which only reads may ignore.
    pub ro_compat: Vec<String>,
}

impl FeatureNames {
    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &str> {
        [&self.compat, &self.incompat, &self.ro_compat].into_iter().flatten().map(String::as_str)
    }

    /// Whether this is one of them.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.all().any(|feature| feature == name)
    }
}

/// Flags that a reader may ignore, that a writer may ignore, and that nobody may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Features {
    pub compat: u32,
    pub incompat: u32,
    pub ro_compat: u32,
}

/// A feature without which the filesystem can't be understood.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("it needs the feature {0}, which is not known here")]
pub(super) struct Unknown(String);

const COMPAT: [(u32, &str); 12] = [
    (0x1, "dir_prealloc"),
    (0x2, "imagic_inodes"),
    (0x4, "has_journal"),
    (0x8, "ext_attr"),
    (0x10, "resize_inode"),
    (0x20, "dir_index"),
    (0x40, "lazy_bg"),
    (0x100, "exclude_bitmap"),
    (0x200, "sparse_super2"),
    (0x400, "fast_commit"),
    (0x800, "stable_inodes"),
    (0x1000, "orphan_file"),
];

const INCOMPAT: [(u32, &str); 16] = [
    (0x1, "compression"),
    (0x2, "filetype"),
    (0x4, "needs_recovery"),
    (0x8, "journal_dev"),
    (0x10, "meta_bg"),
    (0x40, "extent"),
    (0x80, "64bit"),
    (0x100, "mmp"),
    (0x200, "flex_bg"),
    (0x400, "ea_inode"),
    (0x1000, "dirdata"),
    (0x2000, "metadata_csum_seed"),
    (0x4000, "large_dir"),
    (0x8000, "inline_data"),
    (0x1_0000, "encrypt"),
    (0x2_0000, "casefold"),
];

const RO_COMPAT: [(u32, &str); 17] = [
    (0x1, "sparse_super"),
    (0x2, "large_file"),
    (0x4, "btree_dir"),
    (0x8, "huge_file"),
    (0x10, "uninit_bg"),
    (0x20, "dir_nlink"),
    (0x40, "extra_isize"),
    (0x80, "has_snapshot"),
    (0x100, "quota"),
    (0x200, "bigalloc"),
    (0x400, "metadata_csum"),
    (0x800, "replica"),
    (0x1000, "read-only"),
    (0x2000, "project"),
    (0x4000, "shared_blocks"),
    (0x8000, "verity"),
    (0x1_0000, "orphan_present"),
];

/// All incompatible features but those that change what this reader would have to do: `compression` and `dirdata`
/// were never in the kernel, and `journal_dev` is no filesystem.
const READABLE: u32 =
    0x2 | 0x4 | 0x10 | 0x40 | 0x80 | 0x100 | 0x200 | 0x400 | 0x2000 | 0x4000 | 0x8000 | 0x1_0000 | 0x2_0000;

macro_rules! tests {
    ($($name:ident: $set:ident & $bit:literal, $doc:literal;)*) => {
        impl Features {
            $(
                #[doc = $doc]
                pub(super) fn $name(&self) -> bool {
                    self.$set & $bit != 0
                }
            )*
        }
    };
}

tests! {
    has_journal: compat & 0x4, "There is a journal.";
    has_directory_index: compat & 0x20, "Large directories have an index of hashes.";
    has_sparse_super2: compat & 0x200, "Backups of the superblock are in two named groups only.";
    needs_recovery: incompat & 0x4, "The journal holds changes that are not in their place yet.";
    has_file_types: incompat & 0x2, "Names have the type of what they are of.";
    has_extents: incompat & 0x40, "Files may have an extent tree.";
    has_meta_bg: incompat & 0x10, "Group descriptors lie in the groups that they describe.";
    is_64bit: incompat & 0x80, "Block numbers have 64 bits.";
    has_ea_inode: incompat & 0x400, "Large attribute values have an inode of their own.";
    has_csum_seed: incompat & 0x2000, "The seed of checksums is kept apart from the UUID.";
    has_large_dir: incompat & 0x4000, "Directories may be larger than 4 GiB.";
    has_sparse_super: ro_compat & 0x1, "Backups of the superblock are in some groups only.";
    has_huge_file: ro_compat & 0x8, "A file's number of blocks has 48 bits.";
    has_group_checksums: ro_compat & 0x10, "Group descriptors have a CRC-16.";
    has_uncounted_directories: ro_compat & 0x20, "A directory with very many directories counts none of them.";
    has_quota: ro_compat & 0x100, "The use of space is counted in hidden files.";
    has_bigalloc: ro_compat & 0x200, "Blocks are allocated in clusters.";
    has_metadata_checksums: ro_compat & 0x400, "All metadata have a CRC-32C.";
    has_project: ro_compat & 0x2000, "Inodes belong to a project.";
}

/// Features that only ext4 has, apart from those that come with a journal; as `blkid` tells the three apart.
const EXT4_INCOMPAT: u32 =
    0x40 | 0x80 | 0x100 | 0x200 | 0x400 | 0x2000 | 0x4000 | 0x8000 | 0x1_0000 | 0x2_0000;
const EXT4_RO_COMPAT: u32 = 0x8 | 0x10 | 0x20 | 0x40 | 0x100 | 0x200 | 0x400 | 0x2000 | 0x8000;

impl Features {
    /// Fails when there is an incompatible feature that is not known here.
    pub(super) fn check(&self) -> Result<(), Unknown> {
        match self.incompat & !READABLE {
            0 => Ok(()),
            unknown => Err(Unknown(names(unknown, &INCOMPAT, 'I').join(", "))),
        }
    }

    /// The names of all features that are set.
    pub(super) fn names(&self) -> Vec<String> {
        self.names_of().all().map(str::to_owned).collect()
    }

    /// Those that are no state that the filesystem is in: a journal to be replayed, orphans.
    pub(super) fn lasting(self) -> Self {
        const NEEDS_RECOVERY: u32 = 0x4;
        const ORPHAN_PRESENT: u32 = 0x1_0000;
        let (incompat, ro_compat) = (self.incompat & !NEEDS_RECOVERY, self.ro_compat & !ORPHAN_PRESENT);
        Self { compat: self.compat, incompat, ro_compat }
    }

    /// The same in the three sets.
    pub(super) fn names_of(self) -> FeatureNames {
        FeatureNames {
            compat: names(self.compat, &COMPAT, 'C'),
            incompat: names(self.incompat, &INCOMPAT, 'I'),
            ro_compat: names(self.ro_compat, &RO_COMPAT, 'R'),
        }
    }

    /// The features with these names; those that nobody knows are none.
    pub(super) fn of_names(names: &FeatureNames) -> Self {
        Self {
            compat: bits(&names.compat, &COMPAT),
            incompat: bits(&names.incompat, &INCOMPAT),
            ro_compat: bits(&names.ro_compat, &RO_COMPAT),
        }
    }

    /// What people call a filesystem with these features.
    pub(super) fn filesystem_name(&self) -> &'static str {
        if self.incompat & EXT4_INCOMPAT != 0 || self.ro_compat & EXT4_RO_COMPAT != 0 {
            "ext4"
        } else if self.has_journal() {
            "ext3"
        } else {
            "ext2"
        }
    }
}

/// The bits with these names.
fn bits(names: &[String], table: &[(u32, &str)]) -> u32 {
    let known = |name: &String| table.iter().find(|(_, known)| known == name).map(|(bit, _)| *bit);
    names.iter().filter_map(known).fold(0, |set, bit| set | bit)
}

/// The names of the bits of `set`; one without a name is called as e2fsprogs does, `FEATURE_I18`.
fn names(set: u32, table: &[(u32, &str)], letter: char) -> Vec<String> {
    (0..u32::BITS)
        .filter(|bit| set >> bit & 1 == 1)
        .map(|bit| {
            let known = table.iter().find(|(value, _)| *value == 1 << bit);
            known.map_or_else(|| format!("FEATURE_{letter}{bit}"), |(_, name)| (*name).to_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_incompatible_feature_is_named() {
        let features = |incompat| Features { incompat, ..Features::default() };
        assert_eq!(features(0x2 | 0x40).check(), Ok(()));
        assert_eq!(features(0x2 | 0x1).check(), Err(Unknown("compression".into())));
        assert_eq!(features(0x8000_0008).check(), Err(Unknown("journal_dev, FEATURE_I31".into())));
    }

    #[test]
    fn the_three_are_told_apart_by_their_features() {
        let cases = [
            (0, 0x2, 0x3, "ext2"),
            (0x4, 0x2, 0x3, "ext3"),
            (0x4, 0x42, 0x3, "ext4"),
            (0, 0x2, 0x403, "ext4"),
        ];
        for (compat, incompat, ro_compat, name) in cases {
            assert_eq!(Features { compat, incompat, ro_compat }.filesystem_name(), name);
        }
    }
}
