//! Inodes: the core and the forks that a transaction changed (`struct xfs_inode_log_format`).
//!
//! The core is in the byte order of the machine that wrote it, and so is the root of a tree of
//! extents in the form that it has in memory; on the device both are big-endian.

use super::super::checksum;
use super::super::inode::{CHECKSUM_AT, CORE_3_LEN, CORE_LEN, FLAGS_2_AT, MAGIC};
use super::super::map::{HEADER_5_LEN, HEADER_LEN, KEY_LEN, ROOT_HEADER_LEN};
use super::fault::Fault;
use super::place::BLOCK;
use super::transaction::Item;
use crate::fields::{Short, be16_at, be64_at, bytes_at, put_bytes, slice_at, u8_at, u16_at, u32_at, u64_at};

/// Lengths of the format: with padding, and as 32-bit machines write it.
const PADDED_LEN: usize = 56;
const PACKED_LEN: usize = 52;
/// `XFS_ILOG_*`.
const DATA: u32 = 0x002 | 0x004;
const DATA_ROOT: u32 = 0x008;
const DEVICE: u32 = 0x010;
const ATTRIBUTES: u32 = 0x040 | 0x080;
const ATTRIBUTES_ROOT: u32 = 0x100;
/// `XFS_DIFLAG2_BIGTIME`.
const BIG_TIME: u64 = 0x8;
/// A key and a pointer of a tree of extents.
const RECORD_LEN: usize = 16;
/// `DI_MAX_FLUSH`.
const FLUSHES_MOST: u16 = u16::MAX;
const FLUSHES_AT: usize = 30;
const LSN_AT: usize = 112;
const FORK_OFFSET_AT: usize = 82;
/// Fields of the core whose bytes are turned round: position and length. Times are not among them.
const FIELDS: [(usize, usize); 16] = [
    (0, 2),
    (2, 2),
    (8, 4),
    (12, 4),
    (16, 4),
    (20, 2),
    (22, 2),
    (24, 8),
    (56, 8),
    (64, 8),
    (72, 4),
    (76, 4),
    (80, 2),
    (84, 4),
    (88, 2),
    (90, 2),
];
const FIELDS_3: [(usize, usize); 4] = [(104, 8), (120, 8), (128, 4), (152, 8)];
const GENERATION: (usize, usize) = (92, 4);
const TIMES: [usize; 3] = [32, 40, 48];
const CREATED_AT: usize = 144;
const UUID_AT: usize = 160;

/// An inode that a transaction changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub number: u64,
    fields: u32,
    device: u32,
    /// The buffer that it lies in, in sectors of 512 bytes, and where in it.
    pub sector: i64,
    pub sectors: i32,
    offset: i32,
}

impl Change {
    pub(super) fn parse(item: &Item) -> Result<Self, Fault> {
        let format = item.region(0);
        let at: usize = match format.len() {
            PACKED_LEN => 12,
            len if len >= PADDED_LEN => 16,
            len => return Err(Short { at: PACKED_LEN, have: len }.into()),
        };
        let field = |offset: usize| at.saturating_add(offset);
        let signed = |offset: usize| bytes_at(format, field(offset)).map(i32::from_le_bytes);
        Ok(Self {
            number: u64_at(format, at)?,
            fields: u32_at(format, 4)?,
            device: u32_at(format, field(8))?,
            sector: bytes_at(format, field(24)).map(i64::from_le_bytes)?,
            sectors: signed(32)?,
            offset: signed(36)?,
        })
    }

    /// Position of its record, in bytes.
    pub(super) fn position(&self, inode_size: u16, device_bytes: u64) -> Result<u64, Fault> {
        let start = u64::try_from(self.sector).ok().and_then(|sector| sector.checked_mul(BLOCK));
        let len = u64::try_from(self.sectors).ok().and_then(|sectors| sectors.checked_mul(BLOCK));
        let offset = u64::try_from(self.offset).ok();
        let position = start.zip(len).zip(offset).and_then(|((start, len), offset)| {
            let fits = offset.checked_add(inode_size.into())? <= len
                && offset.checked_rem(inode_size.into()) == Some(0);
            let ends = start.checked_add(len)? <= device_bytes;
            start.checked_add(offset).filter(|_| fits && ends)
        });
        position.ok_or(Fault::Inode { sector: self.sector, len: self.sectors })
    }

    /// The record as the change leaves it; none where what lies on the device is newer.
    pub(super) fn apply(
        &self,
        item: &Item,
        lsn: u64,
        mut record: Vec<u8>,
        has_checksums: bool,
    ) -> Result<Option<Vec<u8>>, Fault> {
        let wrong = |reason| Fault::InodeItem { number: self.number, reason };
        if be16_at(&record, 0)? != MAGIC {
            return Err(wrong("there is no inode where the log changes one"));
        }
        let core = item.region(1);
        if u16_at(core, 0)? != MAGIC {
            return Err(wrong("the log's copy is no inode"));
        }
        if self.is_older(core, lsn, &record, has_checksums)? {
            return Ok(None);
        }
        write_core(core, lsn, has_checksums, &mut record)?;
        let start = if u8_at(&record, 4)? >= 3 { CORE_3_LEN } else { CORE_LEN };
        let offset = usize::from(u8_at(&record, FORK_OFFSET_AT)?).saturating_mul(8);
        let forks = record.len().saturating_sub(start);
        if offset > forks {
            return Err(wrong("its attributes begin behind its end"));
        }
        let data_len = if offset == 0 { forks } else { offset };
        if self.fields & DEVICE != 0 {
            put_bytes(&mut record, start, &self.device.to_be_bytes());
        }
        let mut region = 2;
        let mut fork = |at: usize, len: usize, plain: u32, root: u32| -> Result<(), Fault> {
            let set = self.fields & (plain | root);
            if set == 0 {
                return Ok(());
            }
            let bytes = item.region(region);
            region = region.saturating_add(1);
            let bytes = match set & root {
                0 => bytes.to_vec(),
                _ => root_on_disk(bytes, len, has_checksums)?,
            };
            if bytes.len() > len {
                return Err(wrong("a fork is longer than its space"));
            }
            put_bytes(&mut record, at, &bytes);
            Ok(())
        };
        fork(start, data_len, DATA, DATA_ROOT)?;
        let at = start.saturating_add(data_len);
        fork(at, forks.saturating_sub(data_len), ATTRIBUTES, ATTRIBUTES_ROOT)?;
        if has_checksums {
            let crc = checksum::of(&record, CHECKSUM_AT)?;
            put_bytes(&mut record, CHECKSUM_AT, &crc.to_le_bytes());
        }
        Ok(Some(record))
    }

    /// Whether the record on the device is newer than the change.
    fn is_older(&self, core: &[u8], lsn: u64, record: &[u8], has_checksums: bool) -> Result<bool, Fault> {
        if has_checksums {
            let di_lsn = be64_at(record, LSN_AT)?;
            return Ok(u8_at(record, 4)? >= 3 && di_lsn != 0 && di_lsn != u64::MAX && di_lsn > lsn);
        }
        let logged = u16_at(core, FLUSHES_AT)?;
        let there = be16_at(record, FLUSHES_AT)?;
        let has_wrapped = there == FLUSHES_MOST && logged < FLUSHES_MOST / 2;
        Ok(logged < there && !has_wrapped)
    }
}

/// Writes the log's core over that of a record.
fn write_core(core: &[u8], lsn: u64, has_checksums: bool, record: &mut [u8]) -> Result<(), Short> {
    let is_v3 = u8_at(core, 4)? >= 3;
    slice_at(core, 0, if is_v3 { CORE_3_LEN } else { 96 })?;
    let turn = |(at, len): (usize, usize), record: &mut [u8]| -> Result<(), Short> {
        let mut field = slice_at(core, at, len)?.to_vec();
        field.reverse();
        put_bytes(record, at, &field);
        Ok(())
    };
    FIELDS.into_iter().chain([GENERATION]).try_for_each(|field| turn(field, record))?;
    for at in [4, 5, 82, 83] {
        put_bytes(record, at, &bytes_at::<1>(core, at)?);
    }
    put_bytes(record, 6, &[0; 2]);
    if !is_v3 {
        // The count of flushes begins anew.
        put_bytes(record, 24, &[0; 8]);
    }
    let is_big = is_v3 && u64_at(core, FLAGS_2_AT)? & BIG_TIME != 0;
    let created = is_v3.then_some(CREATED_AT);
    for at in TIMES.into_iter().chain(created) {
        match is_big {
            true => turn((at, 8), record)?,
            false => [at, at.saturating_add(4)].into_iter().try_for_each(|half| turn((half, 4), record))?,
        }
    }
    if is_v3 && has_checksums {
        FIELDS_3.into_iter().try_for_each(|field| turn(field, record))?;
        put_bytes(record, LSN_AT, &lsn.to_be_bytes());
        put_bytes(record, UUID_AT, &bytes_at::<16>(core, UUID_AT)?);
    }
    Ok(())
}

/// The root of a tree of extents in its form on the device, in a fork of `len` bytes.
fn root_on_disk(root: &[u8], len: usize, has_checksums: bool) -> Result<Vec<u8>, Fault> {
    let header = if has_checksums { HEADER_5_LEN } else { HEADER_LEN };
    let records = usize::from(be16_at(root, 6)?);
    let most = |bytes: usize, header: usize| bytes.saturating_sub(header) / RECORD_LEN;
    let (most_before, most_after) = (most(root.len(), header), most(len, ROOT_HEADER_LEN));
    if records > most_before || records > most_after {
        return Err(Short { at: header, have: root.len() }.into());
    }
    let mut made = vec![0; len];
    put_bytes(&mut made, 0, slice_at(root, 4, ROOT_HEADER_LEN)?);
    let all = records.saturating_mul(KEY_LEN);
    put_bytes(&mut made, ROOT_HEADER_LEN, slice_at(root, header, all)?);
    let pointers = |header: usize, most: usize| header.saturating_add(most.saturating_mul(KEY_LEN));
    let from = slice_at(root, pointers(header, most_before), all)?;
    put_bytes(&mut made, pointers(ROOT_HEADER_LEN, most_after), from);
    Ok(made)
}
