//! Buffers: the parts of a metadata block that a transaction changed (`struct xfs_buf_log_format`).

use uuid::Uuid;

use super::fault::Fault;
use super::item::Order;
use super::place::BLOCK;
use super::transaction::Item;
use crate::fields::{Short, be16_at, be32_at, be64_at, bytes_at, u16_at, u32_at, u64_at};

/// `XFS_BLF_*`.
const INODES: u16 = 0x1;
const CANCEL: u16 = 0x2;
const QUOTA: u16 = 0x4 | 0x8 | 0x10;
/// `XFS_BLF_CHUNK`: what one bit of the map stands for.
const CHUNK: usize = 128;
const MAP_AT: usize = 20;
/// Words of the map of the longest buffer, 64 KiB (`XFS_BLF_DATAMAP_SIZE`).
const WORDS_MOST: u32 = 17;

/// By a buffer's magic number: the positions of its LSN and its filesystem's UUID.
const BY_LONG_MAGIC: [(u32, usize, usize); 20] = [
    (0x4142_3342, 24, 32),   // AB3B, a tree of free space, short form
    (0x4142_3343, 24, 32),   // AB3C
    (0x4142_5442, 24, 32),   // ABTB
    (0x4142_5443, 24, 32),   // ABTC
    (0x524d_4233, 24, 32),   // RMB3, reverse mappings
    (0x5233_4643, 24, 32),   // R3FC, reference counts
    (0x4941_4233, 24, 32),   // IAB3, inodes
    (0x4941_4254, 24, 32),   // IABT
    (0x4649_4233, 24, 32),   // FIB3, free inodes
    (0x4649_4254, 24, 32),   // FIBT
    (0x424d_4133, 32, 40),   // BMA3, a file's map, long form
    (0x424d_4150, 32, 40),   // BMAP
    (0x5841_4746, 208, 64),  // XAGF
    (0x5841_464c, 24, 8),    // XAFL
    (0x5841_4749, 320, 296), // XAGI
    (0x5853_4c4d, 48, 16),   // XSLM, a symbolic link
    (0x5844_4233, 16, 24),   // XDB3, a directory
    (0x5844_4433, 16, 24),   // XDD3
    (0x5844_4633, 16, 24),   // XDF3
    (0x5846_5342, 240, 32),  // XFSB
];
const SUPERBLOCK: u32 = 0x5846_5342;
const META_UUID_AT: usize = 248;
/// Leaves and nodes of directories and attributes: their magic number stands at byte 8.
const BY_SHORT_MAGIC: [u16; 4] = [0x3df1, 0x3dff, 0x3ebe, 0x3bee];
/// Bytes of a buffer in which all of these fields are.
pub(super) const FIELDS_LEN: u64 = 512;

/// A buffer that a transaction changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Buffer {
    flags: u16,
    /// Its position on the device, in sectors of 512 bytes, and its length.
    pub sector: i64,
    pub sectors: u16,
    words: u32,
}

impl Buffer {
    pub(super) fn parse(item: &Item) -> Result<Self, Fault> {
        let format = item.region(0);
        let blf_map_size = u32_at(format, 16)?;
        if blf_map_size > WORDS_MOST {
            return Err(Fault::BufferMap);
        }
        Ok(Self {
            flags: u16_at(format, 4)?,
            sectors: u16_at(format, 6)?,
            sector: i64::from_le_bytes(u64_at(format, 8)?.to_le_bytes()),
            words: blf_map_size,
        })
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.flags & CANCEL != 0
    }

    /// Whether replaying it changes nothing that a reader sees: of a buffer of inodes only the
    /// lists of unlinked ones are replayed, and quotas are read by nobody.
    pub(super) fn is_unseen(&self) -> bool {
        self.flags & (INODES | QUOTA) != 0
    }

    pub(super) fn order(&self) -> Order {
        match self.flags {
            flags if flags & CANCEL != 0 => Order::Cancelled,
            flags if flags & INODES != 0 => Order::InodeBuffers,
            _ => Order::Buffers,
        }
    }

    /// Its position in bytes, and its length; none where that is outside of `device_bytes`.
    pub(super) fn range(&self, device_bytes: u64) -> Result<(u64, u64), Fault> {
        let len = u64::from(self.sectors).saturating_mul(BLOCK);
        let start = u64::try_from(self.sector).ok().and_then(|sector| sector.checked_mul(BLOCK));
        start
            .filter(|start| len > 0 && start.checked_add(len).is_some_and(|end| end <= device_bytes))
            .map(|start| (start, len))
            .ok_or(Fault::Buffer { sector: self.sector, len: self.sectors })
    }

    /// The parts of it that changed: where in the buffer, and the new bytes.
    pub(super) fn parts<'a>(&self, item: &'a Item) -> Result<Vec<(u64, &'a [u8])>, Fault> {
        let format = item.region(0);
        let mut dirty = Vec::new();
        for word in 0..self.words {
            let at = usize::try_from(word).unwrap_or(0).saturating_mul(4).saturating_add(MAP_AT);
            let bits = u32_at(format, at)?;
            let first = usize::try_from(word).unwrap_or(0).saturating_mul(32);
            dirty.extend((0..32).filter(|bit| bits >> bit & 1 == 1).map(|bit| first.saturating_add(bit)));
        }
        let mut dirty = dirty.into_iter();
        let mut parts = Vec::new();
        let len = u64::from(self.sectors).saturating_mul(BLOCK);
        // A run of dirty chunks may be split over several regions; each begins at a chunk.
        for region in item.regions.iter().skip(1) {
            let chunks = region.len() / CHUNK;
            let first = dirty.next().ok_or(Fault::BufferMap)?;
            let mut last = first;
            for _ in 1..chunks {
                let next = dirty.next().filter(|next| Some(*next) == last.checked_add(1));
                last = next.ok_or(Fault::BufferMap)?;
            }
            let at = u64::try_from(first.saturating_mul(CHUNK)).unwrap_or(u64::MAX);
            let bytes = region.get(..chunks.saturating_mul(CHUNK)).unwrap_or_default();
            let end = at.checked_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
            if chunks == 0 || end.is_none_or(|end| end > len) {
                return Err(Fault::BufferMap);
            }
            parts.push((at, bytes));
        }
        if dirty.next().is_some() { Err(Fault::BufferMap) } else { Ok(parts) }
    }
}

/// How new a block on the device says that it is; none where it does not say, or is of another
/// filesystem.
pub(super) fn lsn(block: &[u8], uuid: Uuid, has_meta_uuid: bool) -> Result<Option<u64>, Short> {
    let magic = be32_at(block, 0)?;
    let long = BY_LONG_MAGIC.iter().find(|(known, ..)| *known == magic);
    let (lsn_at, uuid_at) = match long {
        Some((SUPERBLOCK, lsn_at, _)) if has_meta_uuid => (*lsn_at, META_UUID_AT),
        Some((_, lsn_at, uuid_at)) => (*lsn_at, *uuid_at),
        None if BY_SHORT_MAGIC.contains(&be16_at(block, 8)?) => (24, 32),
        None => return Ok(None),
    };
    let is_own = Uuid::from_bytes(bytes_at(block, uuid_at)?) == uuid;
    let lsn = be64_at(block, lsn_at)?;
    Ok(Some(lsn).filter(|lsn| is_own && *lsn != 0 && *lsn != u64::MAX))
}
