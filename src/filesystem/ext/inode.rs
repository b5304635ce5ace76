//! Inodes, by their records: <https://docs.kernel.org/filesystems/ext4/inodes.html>.

use thiserror::Error;

use super::checksum::Crc;
use super::superblock::{Superblock, inode_seed};
use crate::fields::{Short, high_quarter, low_quarter, put_u16, slice_at, u16_at, u32_at, wide};
use crate::filesystem::{FileKind, Flags, Inode, Metadata, Timestamp};

/// Length with all extra fields that the kernel knows (`sizeof(struct ext4_inode)`).
const KNOWN_LEN: usize = 160;
/// Length of the part that every inode has; what follows it is as long as `i_extra_isize` says.
pub(super) const BASE_LEN: usize = 128;
const CHECKSUM_LOW_AT: usize = 0x7c;
const CHECKSUM_HIGH_AT: usize = 0x82;
const GENERATION_AT: usize = 0x64;
pub(super) const I_BLOCK_AT: usize = 0x28;
const I_BLOCK_LEN: usize = 60;
const NANOSECONDS_MOST: u32 = 999_999_999;

/// Flags with a meaning for the reader: `EXT4_*_FL`.
const EXTENTS_FL: u32 = 0x8_0000;
pub(super) const INDEX_FL: u32 = 0x1000;
const ENCRYPT_FL: u32 = 0x800;
pub(super) const HUGE_FILE_FL: u32 = 0x4_0000;
pub(super) const EA_INODE_FL: u32 = 0x20_0000;
const INLINE_DATA_FL: u32 = 0x1000_0000;
/// `EXT4_FL_USER_VISIBLE`.
const USER_VISIBLE: u32 = 0x725b_dfff;

/// What makes an inode useless.
#[derive(Debug, Error, PartialEq, Eq)]
pub(super) enum Fault {
    #[error(transparent)]
    Short(#[from] Short),
    #[error("it is not in use: it has no links")]
    NotInUse,
    #[error("mode {0:#o} is no kind of file")]
    Kind(u16),
    #[error("its extra fields take {extra_isize} bytes, at most {most} are there")]
    ExtraSize { extra_isize: u16, most: usize },
    #[error("a size of {0} bytes, at most 2^63-1")]
    Size(u64),
}

/// What is wrong with an inode that can be used all the same.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("checksum of the inode is {stored:#010x}, but {computed:#010x} was computed")]
struct Mismatch {
    stored: u32,
    computed: u32,
}

/// The fields that only the reader of ext needs, read from [`Inode::record`] when they are needed.
pub(super) struct Private<'a>(pub &'a [u8]);

impl<'a> Private<'a> {
    pub(super) fn of(inode: &'a Inode) -> Self {
        Self(&inode.record)
    }

    fn flags(&self) -> u32 {
        u32_at(self.0, 0x20).unwrap_or(0)
    }

    /// The blocks are found through extents, not through a block map.
    pub(super) fn has_extents(&self) -> bool {
        self.flags() & EXTENTS_FL != 0
    }

    /// The directory has an index of hashes.
    pub(super) fn has_index(&self) -> bool {
        self.flags() & INDEX_FL != 0
    }

    /// The content is in the inode itself.
    pub(super) fn has_inline_data(&self) -> bool {
        self.flags() & INLINE_DATA_FL != 0
    }

    /// The inode holds the value of an attribute.
    pub(super) fn is_attribute_value(&self) -> bool {
        self.flags() & EA_INODE_FL != 0
    }

    /// The root of the extents or of the block map, a short symlink's target, or inline data.
    pub(super) fn i_block(&self) -> Result<&'a [u8], Short> {
        slice_at(self.0, I_BLOCK_AT, I_BLOCK_LEN)
    }

    pub(super) fn generation(&self) -> u32 {
        u32_at(self.0, GENERATION_AT).unwrap_or(0)
    }

    /// The block that holds attributes; 0 for none.
    pub(super) fn attribute_block(&self, superblock: &Superblock) -> u64 {
        let low = u32_at(self.0, 0x68).unwrap_or(0);
        let high = if superblock.features.is_64bit() { u16_at(self.0, 0x76).unwrap_or(0) } else { 0 };
        wide(u32::from(high), low)
    }

    /// The part behind the extra fields, where attributes may be.
    pub(super) fn attribute_space(&self) -> &'a [u8] {
        match usize::from(u16_at(self.0, BASE_LEN).unwrap_or(0)) {
            0 => &[],
            extra => self.0.get(BASE_LEN..).and_then(|rest| rest.get(extra..)).unwrap_or_default(),
        }
    }

    /// Blocks that are allocated, in units of 512 bytes, those of attributes included.
    pub(super) fn allocated_sectors(&self, superblock: &Superblock) -> u64 {
        let low = u32_at(self.0, 0x1c).unwrap_or(0);
        if !superblock.features.has_huge_file() {
            return u64::from(low);
        }
        let count = wide(u32::from(u16_at(self.0, 0x74).unwrap_or(0)), low);
        let in_blocks = self.flags() & HUGE_FILE_FL != 0;
        count.saturating_mul(if in_blocks { u64::from(superblock.block_size / 512) } else { 1 })
    }

    /// Seconds of the last access, which in an inode that holds an attribute's value is a hash of it.
    pub(super) fn value_hash(&self) -> u32 {
        u32_at(self.0, 0x8).unwrap_or(0)
    }

    /// Where the checksums of the structures that belong to this inode begin.
    pub(super) fn seed(&self, superblock: &Superblock, number: u64) -> Crc {
        inode_seed(superblock, u32::try_from(number).unwrap_or(0), self.generation())
    }
}

/// Reads an inode from its record, which is as long as the superblock's inode size.
pub(super) fn parse(superblock: &Superblock, number: u64, record: Vec<u8>) -> Result<Inode, Fault> {
    let inode = parse_unlinked(superblock, number, record)?;
    if inode.links == 0 { Err(Fault::NotInUse) } else { Ok(inode) }
}

/// As [`parse`], also for an inode without a name: the journal, an attribute's value, an orphan.
pub(super) fn parse_unlinked(superblock: &Superblock, number: u64, record: Vec<u8>) -> Result<Inode, Fault> {
    let at = record.as_slice();
    let i_mode = u16_at(at, 0x0)?;
    let i_links_count = u16_at(at, 0x1a)?;
    let i_flags = u32_at(at, 0x20)?;
    if i_mode == 0 && i_links_count == 0 {
        return Err(Fault::NotInUse);
    }
    let extra = extra_fields(at)?;
    let kind = kind(i_mode, at)?;
    let fault = checksum_mismatch(superblock, number, extra, at)?.map(|mismatch| mismatch.to_string());
    let extra = extra.or_unsaid(at.len());
    let time = |low, high| timestamp(at, low, extra.has(high, 4).then_some(high));
    let has_project = superblock.features.has_project() && extra.has(0x9c, 4);
    Ok(Inode {
        id: number.into(),
        kind,
        metadata: Metadata {
            mode: i_mode & 0o7777,
            uid: joined(u16_at(at, 0x78)?, u16_at(at, 0x2)?).into(),
            gid: joined(u16_at(at, 0x7a)?, u16_at(at, 0x18)?).into(),
            accessed: Some(time(0x8, 0x8c)?),
            modified: Some(time(0x10, 0x88)?),
            changed: Some(time(0xc, 0x84)?),
            created: if extra.has(0x90, 4) { Some(time(0x90, 0x94)?) } else { None },
            flags: Flags(i_flags & USER_VISIBLE),
            project: if has_project { Some(u32_at(at, 0x9c)?) } else { None },
            attributes: Vec::new(),
        },
        size_bytes: size(superblock, kind, at)?,
        links: u32::from(i_links_count),
        encrypted: i_flags & ENCRYPT_FL != 0,
        fault,
        record,
    })
}

/// The extra fields that an inode has: the bytes up to `end` of its record.
#[derive(Clone, Copy)]
struct Extra {
    end: usize,
}

impl Extra {
    /// Whether the field of `len` bytes at `at` is one of them (`EXT4_FITS_IN_INODE`).
    fn has(self, at: usize, len: usize) -> bool {
        at.saturating_add(len) <= self.end
    }

    /// The fields that the kernel reads: where an inode of `record_len` bytes says that it has none, those that it knows.
    fn or_unsaid(self, record_len: usize) -> Self {
        match self.end {
            BASE_LEN => Self { end: record_len.min(KNOWN_LEN) },
            _ => self,
        }
    }
}

fn extra_fields(record: &[u8]) -> Result<Extra, Fault> {
    if record.len() <= BASE_LEN {
        return Ok(Extra { end: BASE_LEN });
    }
    let i_extra_isize = u16_at(record, BASE_LEN)?;
    let most = record.len().saturating_sub(BASE_LEN);
    if usize::from(i_extra_isize) > most || i_extra_isize % 4 != 0 {
        return Err(Fault::ExtraSize { extra_isize: i_extra_isize, most });
    }
    Ok(Extra { end: BASE_LEN.saturating_add(usize::from(i_extra_isize)) })
}

fn kind(i_mode: u16, record: &[u8]) -> Result<FileKind, Fault> {
    Ok(match i_mode >> 12 {
        0o1 => FileKind::Fifo,
        0o2 => {
            let (major, minor) = device_number(record)?;
            FileKind::CharacterDevice { major, minor }
        }
        0o4 => FileKind::Directory,
        0o6 => {
            let (major, minor) = device_number(record)?;
            FileKind::BlockDevice { major, minor }
        }
        0o10 => FileKind::Regular,
        0o12 => FileKind::Symlink,
        0o14 => FileKind::Socket,
        _ => return Err(Fault::Kind(i_mode)),
    })
}

/// Major and minor number: the old form (8 bits each) in the first word of `i_block`, else the new one (12 and 20 bits)
/// in the second.
fn device_number(record: &[u8]) -> Result<(u32, u32), Short> {
    let old = u32_at(record, I_BLOCK_AT)?;
    if old != 0 {
        return Ok((old >> 8 & 0xff, old & 0xff));
    }
    let new = u32_at(record, I_BLOCK_AT.saturating_add(4))?;
    Ok((new >> 8 & 0xfff, new & 0xff | new >> 12 & 0xf_ff00))
}

fn size(superblock: &Superblock, kind: FileKind, record: &[u8]) -> Result<u64, Fault> {
    let is_wide = match kind {
        FileKind::Regular => true,
        FileKind::Directory => superblock.features.has_large_dir(),
        _ => false,
    };
    let i_size_high = if is_wide { u32_at(record, 0x6c)? } else { 0 };
    let i_size = wide(i_size_high, u32_at(record, 0x4)?);
    if i64::try_from(i_size).is_err() { Err(Fault::Size(i_size)) } else { Ok(i_size) }
}

fn joined(high: u16, low: u16) -> u32 {
    (u32::from(high) << 16) | u32::from(low)
}

/// A time of 32 bits and, where there is one, its extra field: two more bits of seconds, and the nanoseconds.
///
/// <https://docs.kernel.org/filesystems/ext4/inodes.html#inode-timestamps>
fn timestamp(record: &[u8], low_at: usize, extra_at: Option<usize>) -> Result<Timestamp, Short> {
    let [a, b, c, d] = u32_at(record, low_at)?.to_le_bytes();
    let seconds = i64::from(i32::from_le_bytes([a, b, c, d]));
    let extra = extra_at.map_or(Ok(0), |at| u32_at(record, at))?;
    Ok(Timestamp {
        seconds: seconds.saturating_add(i64::from(extra & 0x3) << 32),
        nanoseconds: (extra >> 2).min(NANOSECONDS_MOST),
    })
}

/// Computes the checksum of an inode; it counts its own field as zeros.
fn checksum_mismatch(
    superblock: &Superblock,
    number: u64,
    extra: Extra,
    record: &[u8],
) -> Result<Option<Mismatch>, Short> {
    if !superblock.has_inode_checksums() {
        return Ok(None);
    }
    let computed = computed_checksum(superblock, number, extra, record)?;
    let has_high = extra.has(CHECKSUM_HIGH_AT, 2);
    let stored_high = if has_high { u16_at(record, CHECKSUM_HIGH_AT)? } else { 0 };
    let stored = joined(stored_high, u16_at(record, CHECKSUM_LOW_AT)?);
    Ok((stored != computed).then_some(Mismatch { stored, computed }))
}

fn computed_checksum(
    superblock: &Superblock,
    number: u64,
    extra: Extra,
    record: &[u8],
) -> Result<u32, Short> {
    let has_high = extra.has(CHECKSUM_HIGH_AT, 2);
    let between = |start: usize, end: usize| slice_at(record, start, end.saturating_sub(start));
    let low = between(CHECKSUM_LOW_AT.saturating_add(2), BASE_LEN)?;
    let mut crc = Private(record)
        .seed(superblock, number)
        .with(between(0, CHECKSUM_LOW_AT)?)
        .with_zeros::<2>()
        .with(low);
    if has_high {
        crc = crc
            .with(between(BASE_LEN, CHECKSUM_HIGH_AT)?)
            .with_zeros::<2>()
            .with(between(CHECKSUM_HIGH_AT.saturating_add(2), record.len())?);
    } else {
        crc = crc.with(between(BASE_LEN, record.len())?);
    }
    Ok(if has_high { crc.value() } else { u32::from(crc.low_half()) })
}

/// Puts the checksum into the record of an inode, where there are checksums.
pub(super) fn seal(superblock: &Superblock, number: u64, record: &mut [u8]) -> Result<(), Fault> {
    if !superblock.has_inode_checksums() {
        return Ok(());
    }
    let extra = extra_fields(record)?;
    let computed = computed_checksum(superblock, number, extra, record)?;
    put_u16(record, CHECKSUM_LOW_AT, low_quarter(computed));
    if extra.has(CHECKSUM_HIGH_AT, 2) {
        put_u16(record, CHECKSUM_HIGH_AT, high_quarter(computed));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filesystem::ext::superblock::tests::sound;

    /// The record of a regular file with one link; its checksum is not right.
    fn record() -> Vec<u8> {
        let mut record = vec![0; usize::from(sound().inode_size)];
        record[..2].copy_from_slice(&0o100_644_u16.to_le_bytes());
        record[0x1a] = 1;
        record[BASE_LEN] = 32;
        record
    }

    fn with(at: usize, bytes: &[u8]) -> Vec<u8> {
        let mut record = record();
        record[at..at + bytes.len()].copy_from_slice(bytes);
        record
    }

    #[test]
    fn inodes_that_lie_are_refused() {
        let cases = [
            (with(0x1a, &[0]), Fault::NotInUse),
            (with(0, &[0, 0]), Fault::Kind(0)),
            (with(0, &[0, 0xf0]), Fault::Kind(0xf000)),
            (with(BASE_LEN, &[0xff, 0]), Fault::ExtraSize { extra_isize: 255, most: 128 }),
            (with(BASE_LEN, &[30, 0]), Fault::ExtraSize { extra_isize: 30, most: 128 }),
            (with(0x6f, &[0x80]), Fault::Size(1 << 63)),
        ];
        for (record, fault) in cases {
            assert_eq!(parse(&sound(), 12, record).unwrap_err(), fault);
        }
    }

    #[test]
    fn a_wrong_checksum_is_told_and_the_inode_is_used_all_the_same() {
        let inode = parse(&sound(), 12, record()).unwrap();
        assert!(inode.fault.unwrap().starts_with("checksum of the inode is 0x00000000, but"));
    }

    #[test]
    fn times_reach_from_1901_to_2446() {
        let cases = [
            (0x8000_0000_u32, None, i64::from(i32::MIN), 0),
            (0x7fff_ffff, Some(0), i64::from(i32::MAX), 0),
            (0x8000_0000, Some(1), 0x8000_0000, 0),
            (0x7fff_ffff, Some(3), 0x3_7fff_ffff, 0),
            (0, Some(999_999_999 << 2), 0, 999_999_999),
            (0, Some(u32::MAX), 3 << 32, NANOSECONDS_MOST),
        ];
        for (low, extra, seconds, nanoseconds) in cases {
            let record = [low.to_le_bytes(), extra.unwrap_or(0_u32).to_le_bytes()].concat();
            let time = timestamp(&record, 0, extra.map(|_| 4)).unwrap();
            assert_eq!(time, Timestamp { seconds, nanoseconds }, "{low:#x} {extra:?}");
        }
    }

    #[test]
    fn device_numbers_have_an_old_and_a_new_form() {
        let number = |first: u32, second: u32| {
            let bytes = [first.to_le_bytes(), second.to_le_bytes()].concat();
            device_number(&with(I_BLOCK_AT, &bytes)).unwrap()
        };
        assert_eq!(number(0x0801, 0), (8, 1));
        assert_eq!(number(0, 0xfff0_00ff), (0, 0xf_ffff));
        assert_eq!(number(0, 0x0001_2345), (0x123, 0x45));
    }

    #[test]
    fn a_record_of_any_length_is_an_error_and_not_a_panic() {
        for len in 0..256 {
            let _ = parse(&sound(), 12, record()[..len].to_vec());
        }
    }
}
