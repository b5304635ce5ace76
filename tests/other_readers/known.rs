//! The known faults of the other readers.

use super::readers::Reader;

/// A fault of another reader.
#[derive(Debug)]
pub struct Known {
    pub reader: Reader,
    /// The filesystems that it shows on.
    pub on: &'static [&'static str],
    /// The paths that it shows on; all where there is none.
    pub paths: &'static [&'static str],
    /// What it shows in.
    pub field: &'static str,
    /// A part of what it says there; empty where that is a digest or the like.
    pub says: &'static str,
    /// What the reader does.
    pub why: &'static str,
}

/// Filesystems whose directories have block maps.
const BLOCK_MAPS: &[&str] = &[
    "ext2-indirect",
    "ext2-revision-0",
    "ext3",
    "gpt p1",
    "gpt-4096 p1",
    "gpt-entries-damaged p1",
    "gpt-primary-damaged p1",
    "guest p3",
    "mbr p1",
    "mbr p5",
];

pub const KNOWN: &[Known] = &[
    Known {
        reader: Reader::Ext4View,
        on: &["ext4-extra-isize"],
        paths: &["folder/extra-0"],
        field: "inode",
        says: "invalid checksum",
        why: "it wants the high half of the checksum in an inode that has no extra fields",
    },
    Known {
        reader: Reader::Ext4View,
        on: &["ext4-extra-isize"],
        paths: &["folder/extra-4", "folder/extra-8"],
        field: "mtime",
        says: "5000000000",
        why: "it reads extra fields of times that are behind those that the inode has",
    },
    Known {
        reader: Reader::FsExt4,
        on: &["ext4-extra-isize"],
        paths: &["folder/extra-0"],
        field: "mtime",
        says: "705032704",
        why: "the kernel takes an inode without extra fields for one that has all of them",
    },
    Known {
        reader: Reader::Ext4View,
        on: &["ext2-revision-0"],
        paths: &[""],
        field: "filesystem",
        says: "FILE_TYPE_IN_DIR_ENTRY",
        why: "it wants the types of files in directories, which came with revision 1",
    },
    Known {
        reader: Reader::Ext4View,
        on: &["ext4-casefold", "ext4-ea-inode", "ext4-inline-data", "ext4-meta-bg", "ext4-mmp"],
        paths: &[""],
        field: "filesystem",
        says: "unsupported features",
        why: "it knows neither casefold, ea_inode, inline_data, meta_bg nor mmp",
    },
    Known {
        reader: Reader::Ext4View,
        on: &["ext4-inode-128"],
        paths: &[""],
        field: "inode",
        says: "is truncated: size=128",
        why: "with metadata_csum it wants the high half of the checksum, which an inode of 128 bytes does not have",
    },
    Known {
        reader: Reader::Ext4View,
        on: &["ext2-indirect"],
        paths: &["indirect"],
        field: "content",
        says: "from block 0",
        why: "it reads block 0 where a whole block of the map is a hole",
    },
    Known {
        reader: Reader::Ext4View,
        on: &["guest p4"],
        paths: &["home/ana/slow"],
        field: "target",
        says: "invalid symlink path",
        why: "it refuses a link target with a component of over 255 bytes, which is just text",
    },
    Known {
        reader: Reader::Ext4View,
        on: &["guest p4"],
        paths: &[
            "srv/time-1901",
            "srv/time-before-1970",
            "srv/time-before-2038",
            "srv/time-after-2038",
            "srv/time-after-2106",
            "srv/time-2242",
        ],
        field: "inode",
        says: "invalid timestamp",
        why: "it refuses a time whose low half has its highest bit set, which is a number below zero: one of the four \
              times of each of these is such, before 1970 or after 2038",
    },
    Known {
        reader: Reader::FsExt4,
        on: BLOCK_MAPS,
        paths: &[],
        field: "names",
        says: "legacy (non-extent) dirs not yet supported",
        why: "it lists no directory that has a block map",
    },
];
