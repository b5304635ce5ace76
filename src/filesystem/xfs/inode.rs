//! Inodes: from the record on the device to what it says.
//!
//! Layout: `struct xfs_dinode` in the kernel's `fs/xfs/libxfs/xfs_format.h`.

use thiserror::Error;
use uuid::Uuid;

use super::checksum;
use super::superblock::Superblock;
use crate::fields::{Short, be16_at, be32_at, be64_at, bytes_at, slice_at, u8_at};
use crate::filesystem::{FileKind, Flags, Inode, Metadata, Timestamp};

pub(super) const MAGIC: u16 = 0x494e;
/// Position of the forks: behind the core, which is longer in version 3.
pub(super) const CORE_LEN: usize = 100;
pub(super) const CORE_3_LEN: usize = 176;
pub(super) const CHECKSUM_AT: usize = 100;
pub(super) const FLAGS_2_AT: usize = 120;

/// `XFS_DIFLAG_REALTIME`.
const REALTIME: u16 = 0x1;
/// `XFS_DIFLAG_*`, and the flags that the kernel shows for them (`fileattr_fill_xflags`).
const FLAGS: [(u16, u32); 6] = [
    (0x0008, 0x0000_0010),
    (0x0010, 0x0000_0020),
    (0x0020, 0x0000_0008),
    (0x0040, 0x0000_0080),
    (0x0080, 0x0000_0040),
    (0x0200, 0x2000_0000),
];
/// `XFS_DIFLAG2_DAX`, and `FS_DAX_FL`.
const DAX: u64 = 0x1;
const DAX_SHOWN: u32 = 0x0200_0000;
/// `XFS_DIFLAG2_BIGTIME`, `XFS_DIFLAG2_NREXT64`, `XFS_DIFLAG2_METADATA`.
const BIG_TIME: u64 = 0x8;
pub(super) const LARGE_COUNTS: u64 = 0x10;
const METADATA: u64 = 0x20;
/// `XFS_BIGTIME_EPOCH_OFFSET`: where wide times begin, in seconds before 1970.
const BIG_TIME_EPOCH: i64 = 1 << 31;
const SECOND: u64 = 1_000_000_000;

/// Faults that make an inode useless.
#[derive(Debug, Error, PartialEq, Eq)]
pub(super) enum Fault {
    #[error(transparent)]
    Short(#[from] Short),
    #[error("it is outside the filesystem")]
    Outside,
    #[error("inode magic {0:#06x} instead of 0x494e")]
    Magic(u16),
    #[error("inode version {0}")]
    Version(u8),
    #[error("it is not in use: it has no mode or no links")]
    NotInUse,
    #[error("mode {0:#o} is no kind of file")]
    Kind(u16),
    #[error("it says that it is inode {0}")]
    Number(u64),
    #[error("it is of another filesystem, {0}")]
    Uuid(Uuid),
    #[error("a size of {0} bytes, at most 2^63-1")]
    Size(u64),
    #[error("attributes begin at byte {0}, behind its end")]
    ForkOffset(usize),
    #[error("it belongs to the filesystem itself")]
    Metadata,
}

/// How a fork is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// The number of a device.
    Device,
    /// The content itself.
    Local,
    /// A list of extents.
    Extents,
    /// The root of a tree of extents.
    Tree,
    /// Nothing that is known here.
    Other(u8),
}

impl Format {
    fn of(byte: u8) -> Self {
        match byte {
            0 => Self::Device,
            1 => Self::Local,
            2 => Self::Extents,
            3 => Self::Tree,
            other => Self::Other(other),
        }
    }
}

/// A fork: what an inode leads to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fork<'a> {
    pub format: Format,
    /// Extents in it.
    pub extents: u64,
    /// Its part of the record.
    pub bytes: &'a [u8],
}

/// The fields that only the reader of XFS needs, read from [`Inode::record`] when they are needed.
pub(super) struct Private<'a>(pub &'a [u8]);

impl<'a> Private<'a> {
    pub(super) fn of(inode: &'a Inode) -> Self {
        Self(&inode.record)
    }

    fn version(&self) -> u8 {
        u8_at(self.0, 4).unwrap_or(0)
    }

    fn core_len(&self) -> usize {
        if self.version() >= 3 { CORE_3_LEN } else { CORE_LEN }
    }

    fn flags_2(&self) -> u64 {
        if self.version() >= 3 { be64_at(self.0, FLAGS_2_AT).unwrap_or(0) } else { 0 }
    }

    /// Whether its data lie on the realtime device.
    pub(super) fn is_realtime(&self) -> bool {
        be16_at(self.0, 90).is_ok_and(|flags| flags & REALTIME != 0)
    }

    /// Position of the attributes in the forks; 0 when they have no fork.
    fn fork_offset(&self) -> usize {
        usize::from(u8_at(self.0, 82).unwrap_or(0)).saturating_mul(8)
    }

    /// The fork of the content, the names or the target.
    pub(super) fn data(&self) -> Result<Fork<'a>, Short> {
        let forks = self.0.get(self.core_len()..).unwrap_or_default();
        let end = match self.fork_offset() {
            0 => forks.len(),
            offset => offset.min(forks.len()),
        };
        let extents = match self.flags_2() & LARGE_COUNTS {
            0 => u64::from(be32_at(self.0, 76)?),
            _ => be64_at(self.0, 24)?,
        };
        Ok(Fork { format: Format::of(u8_at(self.0, 5)?), extents, bytes: slice_at(forks, 0, end)? })
    }

    /// The fork of the attributes, if there is one.
    pub(super) fn attributes(&self) -> Result<Option<Fork<'a>>, Short> {
        let offset = self.fork_offset();
        if offset == 0 {
            return Ok(None);
        }
        let forks = self.0.get(self.core_len()..).unwrap_or_default();
        let extents = match self.flags_2() & LARGE_COUNTS {
            0 => u64::from(be16_at(self.0, 80)?),
            _ => u64::from(be32_at(self.0, 76)?),
        };
        let bytes = forks.get(offset..).unwrap_or_default();
        Ok(Some(Fork { format: Format::of(u8_at(self.0, 83)?), extents, bytes }))
    }
}

/// Reads an inode from its record, which is as long as the superblock's inode size. `is_replayed`
/// tells that the log changed it: its checksum is that of before.
pub(super) fn parse(
    superblock: &Superblock,
    number: u64,
    record: Vec<u8>,
    is_replayed: bool,
) -> Result<Inode, Fault> {
    let at = record.as_slice();
    let di_magic = be16_at(at, 0)?;
    if di_magic != MAGIC {
        return Err(Fault::Magic(di_magic));
    }
    let di_version = u8_at(at, 4)?;
    let versions = if superblock.features.has_checksums() { 3..=3 } else { 1..=2 };
    if !versions.contains(&di_version) {
        return Err(Fault::Version(di_version));
    }
    let mut fault = None;
    if di_version == 3 {
        if !is_replayed {
            fault = checksum::check(at, CHECKSUM_AT).err().map(|fault| format!("the inode's {fault}"));
        }
        identity(superblock, number, at)?;
    }
    let di_mode = be16_at(at, 2)?;
    let links = if di_version == 1 { u32::from(be16_at(at, 6)?) } else { be32_at(at, 16)? };
    if di_mode == 0 || links == 0 {
        return Err(Fault::NotInUse);
    }
    let private = Private(at);
    let flags_2 = private.flags_2();
    if flags_2 & METADATA != 0 {
        return Err(Fault::Metadata);
    }
    if private.fork_offset() > at.len().saturating_sub(private.core_len()) {
        return Err(Fault::ForkOffset(private.fork_offset()));
    }
    let size_bytes = be64_at(at, 56)?;
    if i64::try_from(size_bytes).is_err() {
        return Err(Fault::Size(size_bytes));
    }
    let kind = kind(di_mode, private.data()?.bytes)?;
    let time = |field_at| timestamp(at, field_at, flags_2 & BIG_TIME != 0);
    let (accessed, modified, changed) = (Some(time(32)?), Some(time(40)?), Some(time(48)?));
    let created = if di_version == 3 { Some(time(144)?) } else { None };
    Ok(Inode {
        id: number.into(),
        kind,
        metadata: Metadata {
            mode: di_mode & 0o7777,
            uid: be32_at(at, 8)?.into(),
            gid: be32_at(at, 12)?.into(),
            accessed,
            modified,
            changed,
            created,
            flags: flags(be16_at(at, 90)?, flags_2),
            project: Some(project(superblock, di_version, at)?).filter(|project| *project != 0),
            attributes: Vec::new(),
        },
        size_bytes,
        links,
        encrypted: false,
        fault,
        record,
    })
}

/// Whether the record is that of this inode, and of this filesystem.
fn identity(superblock: &Superblock, number: u64, record: &[u8]) -> Result<(), Fault> {
    let di_ino = be64_at(record, 152)?;
    if di_ino != number {
        return Err(Fault::Number(di_ino));
    }
    let di_uuid = Uuid::from_bytes(bytes_at(record, 160)?);
    if di_uuid != superblock.meta_uuid { Err(Fault::Uuid(di_uuid)) } else { Ok(()) }
}

fn kind(di_mode: u16, fork: &[u8]) -> Result<FileKind, Fault> {
    // A device's number in the form of System V: 14 bits and 18 bits.
    let device = || be32_at(fork, 0).map(|number| (number >> 18 & 0x3fff, number & 0x3_ffff));
    Ok(match di_mode >> 12 {
        0o1 => FileKind::Fifo,
        0o2 => {
            let (major, minor) = device()?;
            FileKind::CharacterDevice { major, minor }
        }
        0o4 => FileKind::Directory,
        0o6 => {
            let (major, minor) = device()?;
            FileKind::BlockDevice { major, minor }
        }
        0o10 => FileKind::Regular,
        0o12 => FileKind::Symlink,
        0o14 => FileKind::Socket,
        _ => return Err(Fault::Kind(di_mode)),
    })
}

fn flags(di_flags: u16, flags_2: u64) -> Flags {
    let shown = FLAGS.iter().filter(|(bit, _)| di_flags & bit != 0);
    let dax = if flags_2 & DAX != 0 { DAX_SHOWN } else { 0 };
    Flags(shown.fold(dax, |flags, (_, shown)| flags | shown))
}

fn project(superblock: &Superblock, version: u8, record: &[u8]) -> Result<u32, Short> {
    if version == 1 {
        return Ok(0);
    }
    let low = u32::from(be16_at(record, 20)?);
    let high = if superblock.features.has_wide_projects() { be16_at(record, 22)? } else { 0 };
    Ok(u32::from(high) << 16 | low)
}

/// A time: seconds and nanoseconds of 32 bits each, or nanoseconds since 1901.
fn timestamp(record: &[u8], at: usize, is_big: bool) -> Result<Timestamp, Short> {
    if !is_big {
        let seconds = i32::from_be_bytes(bytes_at(record, at)?);
        let nanoseconds = be32_at(record, at.saturating_add(4))?.min(999_999_999);
        return Ok(Timestamp { seconds: seconds.into(), nanoseconds });
    }
    let all = be64_at(record, at)?;
    let seconds = i64::try_from(all / SECOND).unwrap_or(i64::MAX).saturating_sub(BIG_TIME_EPOCH);
    Ok(Timestamp { seconds, nanoseconds: u32::try_from(all % SECOND).unwrap_or(0) })
}

#[cfg(test)]
mod tests;
