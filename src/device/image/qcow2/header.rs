//! The header of a qcow2 image, versions 2 and 3, with its extensions.
//!
//! Layout: <https://www.qemu.org/docs/master/interop/qcow2.html>. All fields are big-endian.

use thiserror::Error;

use crate::fields::{Short, be32_at, be64_at, slice_at, u8_at};

pub(super) const MAGIC: &[u8] = b"QFI\xfb";

/// Largest L1 table, in entries: 32 MiB, as QEMU has it.
const MOST_L1_ENTRIES: u32 = (32 << 20) / 8;

/// Most internal snapshots, as QEMU has it.
const MOST_SNAPSHOTS: u32 = 65536;

/// Longest name of a backing file, as QEMU has it.
const LONGEST_NAME: u32 = 1023;

const DIRTY: u64 = 1 << 0;
const CORRUPT: u64 = 1 << 1;
const EXTERNAL_DATA: u64 = 1 << 2;
const COMPRESSION_TYPE: u64 = 1 << 3;
const EXTENDED_L2: u64 = 1 << 4;
const KNOWN: u64 = DIRTY | CORRUPT | EXTERNAL_DATA | COMPRESSION_TYPE | EXTENDED_L2;

const BACKING_FORMAT: u32 = 0xe279_2aca;
const DATA_FILE: u32 = 0x4441_5441;

/// What makes a header useless.
#[derive(Debug, Error, PartialEq, Eq)]
pub(super) enum Fault {
    #[error("has a header that can't be trusted: {0}")]
    Short(#[from] Short),
    #[error("doesn't begin as a qcow2 image")]
    Magic,
    #[error("is a qcow2 image of version {0}; versions 2 and 3 are read here")]
    Version(u32),
    #[error("has clusters of 2^{0} bytes; 2^9 to 2^21 are possible")]
    ClusterBits(u32),
    #[error("is encrypted ({0}), which is not read here")]
    Encrypted(&'static str),
    #[error("uses unknown features ({0:#x})")]
    Features(u64),
    #[error("has an L1 table of {0} entries, at most {MOST_L1_ENTRIES} are possible")]
    L1Entries(u32),
    #[error("has a disk of {size} bytes, of which its L1 table of {entries} entries can map {mapped}")]
    L1Short { size: u64, entries: u32, mapped: u64 },
    #[error("has a table at byte {0}, which is no start of a cluster")]
    Unaligned(u64),
    #[error("has {0} internal snapshots, at most {MOST_SNAPSHOTS} are possible")]
    Snapshots(u32),
    #[error("has a backing file's name of {0} bytes, at most {LONGEST_NAME} are possible")]
    NameLength(u32),
    #[error("uses compression type {0}, which is unknown")]
    Compression(u8),
    #[error("keeps its data in another file and doesn't name it")]
    NoDataFile,
    #[error("has a header of {0} bytes, which doesn't fit into its first cluster")]
    HeaderLength(u32),
}

/// How clusters are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    Deflate,
    Zstd,
}

/// What the header says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub version: u32,
    pub cluster_bits: u32,
    pub size: u64,
    pub l1_entries: u32,
    pub l1_at: u64,
    pub refcounts_at: u64,
    pub refcounts_len: u64,
    pub snapshots: u32,
    pub snapshots_at: u64,
    pub is_corrupt: bool,
    pub has_extended_l2: bool,
    pub compression: Compression,
    pub backing_name: Option<Vec<u8>>,
    pub backing_format: Option<String>,
    pub data_file: Option<Vec<u8>>,
}

impl Header {
    /// Parses the header at the start of `head`, which has the first cluster, or the first 2 MiB.
    pub(super) fn parse(head: &[u8]) -> Result<Self, Fault> {
        if !head.starts_with(MAGIC) {
            return Err(Fault::Magic);
        }
        let version = be32_at(head, 4)?;
        if !(2..=3).contains(&version) {
            return Err(Fault::Version(version));
        }
        let backing_file_offset = be64_at(head, 8)?;
        let backing_file_size = be32_at(head, 16)?;
        let cluster_bits = be32_at(head, 20)?;
        if !(9..=21).contains(&cluster_bits) {
            return Err(Fault::ClusterBits(cluster_bits));
        }
        let size = be64_at(head, 24)?;
        match be32_at(head, 32)? {
            0 => {}
            1 => return Err(Fault::Encrypted("AES")),
            2 => return Err(Fault::Encrypted("LUKS")),
            _ => return Err(Fault::Encrypted("by an unknown method")),
        }
        let l1_size = be32_at(head, 36)?;
        let l1_table_offset = be64_at(head, 40)?;
        let refcount_table_offset = be64_at(head, 48)?;
        let refcount_table_clusters = be32_at(head, 56)?;
        let nb_snapshots = be32_at(head, 60)?;
        let snapshots_offset = be64_at(head, 64)?;
        let later = version >= 3;
        let incompatible_features = if later { be64_at(head, 72)? } else { 0 };
        if incompatible_features & !KNOWN != 0 {
            return Err(Fault::Features(incompatible_features & !KNOWN));
        }
        let header_length = if later { be32_at(head, 100)? } else { 72 };
        let has = |feature: u64| incompatible_features & feature != 0;
        let compression = match has(COMPRESSION_TYPE).then(|| u8_at(head, 104)).transpose()? {
            None | Some(0) => Compression::Deflate,
            Some(1) => Compression::Zstd,
            Some(other) => return Err(Fault::Compression(other)),
        };
        let cluster = 1_usize.wrapping_shl(cluster_bits);
        let first = head.get(..cluster).unwrap_or(head);
        let header_len = usize::try_from(header_length).unwrap_or(usize::MAX);
        let extensions = first.get(header_len..).ok_or(Fault::HeaderLength(header_length))?;
        let extensions = Extensions::parse(extensions)?;
        if backing_file_size > LONGEST_NAME {
            return Err(Fault::NameLength(backing_file_size));
        }
        let backing_name = match usize::try_from(backing_file_offset).unwrap_or(usize::MAX) {
            0 => None,
            at => {
                Some(slice_at(first, at, usize::try_from(backing_file_size).unwrap_or(usize::MAX))?.to_vec())
            }
        };
        if has(EXTERNAL_DATA) && extensions.data_file.is_none() {
            return Err(Fault::NoDataFile);
        }
        let header = Self {
            version,
            cluster_bits,
            size,
            l1_entries: l1_size,
            l1_at: l1_table_offset,
            refcounts_at: refcount_table_offset,
            refcounts_len: u64::from(refcount_table_clusters).wrapping_shl(cluster_bits),
            snapshots: nb_snapshots,
            snapshots_at: snapshots_offset,
            is_corrupt: has(CORRUPT),
            has_extended_l2: has(EXTENDED_L2),
            compression,
            backing_name: backing_name.filter(|name| !name.is_empty()),
            backing_format: extensions.backing_format,
            data_file: extensions.data_file.filter(|_| has(EXTERNAL_DATA)),
        };
        header.check_l1(header.l1_at, header.l1_entries, size)?;
        if nb_snapshots > MOST_SNAPSHOTS {
            return Err(Fault::Snapshots(nb_snapshots));
        }
        Ok(header)
    }

    /// Checks that an L1 table maps all of a disk of `size` bytes.
    pub(super) fn check_l1(&self, at: u64, entries: u32, size: u64) -> Result<(), Fault> {
        if entries > MOST_L1_ENTRIES {
            return Err(Fault::L1Entries(entries));
        }
        if at & self.cluster_bytes().wrapping_sub(1) != 0 {
            return Err(Fault::Unaligned(at));
        }
        // At most 2^22 entries of 2^(21 + 18) bytes each.
        let mapped = u64::from(entries).wrapping_shl(self.cluster_bits.saturating_add(self.l2_bits()));
        if mapped < size {
            return Err(Fault::L1Short { size, entries, mapped });
        }
        Ok(())
    }

    pub(super) fn cluster_bytes(&self) -> u64 {
        1_u64.wrapping_shl(self.cluster_bits)
    }

    /// Bytes of an L2 entry.
    pub(super) fn entry_bytes(&self) -> u64 {
        if self.has_extended_l2 { 16 } else { 8 }
    }

    /// How many clusters an L2 table maps, as a power of 2.
    pub(super) fn l2_bits(&self) -> u32 {
        self.cluster_bits.saturating_sub(self.entry_bytes().trailing_zeros())
    }
}

/// The header extensions that count for a reader.
#[derive(Default)]
struct Extensions {
    backing_format: Option<String>,
    data_file: Option<Vec<u8>>,
}

impl Extensions {
    fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        let mut found = Self::default();
        let mut rest = bytes;
        // The list ends with type 0, or where the first cluster ends.
        while let (Ok(kind), Ok(length)) = (be32_at(rest, 0), be32_at(rest, 4)) {
            if kind == 0 {
                break;
            }
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            let data = slice_at(rest, 8, length)?;
            match kind {
                BACKING_FORMAT => found.backing_format = Some(String::from_utf8_lossy(data).into_owned()),
                DATA_FILE => found.data_file = Some(data.to_vec()),
                _ => {}
            }
            let padded = length.checked_next_multiple_of(8).and_then(|padded| padded.checked_add(8));
            rest = padded.and_then(|next| rest.get(next..)).unwrap_or_default();
        }
        Ok(found)
    }
}
