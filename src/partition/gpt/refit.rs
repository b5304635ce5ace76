//! A GPT for a device of another length: its second copy lies at the device's end, and both name each other.
//!
//! Both copies are made of the one that is sound, so that a damaged one is mended on the way.

use libdeflater::crc32;

use super::header::{self, checksum};
use super::{Copies, PRIMARY_LBA};
use crate::device::{ReadAt, read_vec};
use crate::error::{Error, Result};
use crate::fields::u64_at;
use crate::partition::refit::{Refit, protect, put, sector_count_of};
use crate::partition::{SECTOR_SIZES, Table};
use crate::units::ByteRange;

/// In a header: places of its checksum, of its own and the other's position, of the last sector for partitions, of the position and the
/// checksum of the entries.
const CHECKSUM_AT: usize = 16;
const MY_LBA_AT: usize = 24;
const ALTERNATE_AT: usize = 32;
const FIRST_USABLE_AT: usize = 40;
const LAST_USABLE_AT: usize = 48;
const ENTRIES_LBA_AT: usize = 72;
const ENTRIES_CRC_AT: usize = 88;
/// In an entry: its last sector.
const ENDING_LBA_AT: usize = 40;

/// See [`Table::refit`].
pub(in crate::partition) fn refit(
    device: &dyn ReadAt,
    table: &Table,
    target_bytes: u64,
    grow: bool,
) -> Result<Refit> {
    let copies = Copies::read(device, Some(table.sector_bytes));
    let sector_bytes = copies.sector_bytes;
    let bytes = |lba: u64| lba.saturating_mul(sector_bytes.into());
    let gone = || Error::corrupt("no copy of the GPT can be read any more");
    let copy = copies.primary.as_ref().or(copies.backup.as_ref()).map_err(|_| gone())?;
    let mut sector = header::sector(device, copy.header.my_lba, sector_bytes).map_err(Error::corrupt)?;
    let array_bytes = u64::from(copy.header.num_partition_entries)
        .saturating_mul(copy.header.sizeof_partition_entry.into());
    let array_len = usize::try_from(array_bytes).map_err(|_| gone())?;
    let mut array = read_vec(device, bytes(copy.header.partition_entry_lba), array_len)?;
    let array_sectors = array_bytes.div_ceil(u64::from(sector_bytes).max(1));

    // Where everything lies: as it was, where the device is as long as it was.
    let is_same = target_bytes == device.len_bytes();
    let last_lba = sector_count_of(target_bytes, sector_bytes).saturating_sub(1);
    let moved = (last_lba, last_lba.saturating_sub(array_sectors));
    let (backup_lba, backup_entries_lba) = match &copies.backup {
        Ok(backup) if is_same => (backup.header.my_lba, backup.header.partition_entry_lba),
        _ => moved,
    };
    let primary_entries_lba = match &copies.primary {
        Ok(primary) => primary.header.partition_entry_lba,
        Err(_) => PRIMARY_LBA.saturating_add(1),
    };
    let old_usable = u64_at(&sector, LAST_USABLE_AT).map_err(Error::corrupt)?;
    let first_usable = u64_at(&sector, FIRST_USABLE_AT).map_err(Error::corrupt)?;
    let is_where_it_was = is_same && copies.backup.is_ok();
    let last_usable = if is_where_it_was { old_usable } else { backup_entries_lba.saturating_sub(1) };
    if last_usable < first_usable {
        return Err(Error::corrupt("the GPT leaves no sector for partitions"));
    }

    let mut refit = Refit::default();
    if let Some(last) = table.last().filter(|_| grow) {
        let end = bytes(last_usable.saturating_add(1));
        let range =
            ByteRange::between(last.range.start(), end).filter(|range| range.len() > last.range.len());
        if let Some(range) = range {
            let size = usize::try_from(copy.header.sizeof_partition_entry).map_err(|_| gone())?;
            let number = usize::try_from(last.number).map_err(|_| gone())?;
            let at = number.saturating_sub(1).saturating_mul(size).saturating_add(ENDING_LBA_AT);
            put(&mut array, at, &last_usable.to_le_bytes());
            refit.grown = Some((last.number, range));
        }
    }

    let mut first = read_vec(device, 0, usize::try_from(SECTOR_SIZES[0]).map_err(|_| gone())?)?;
    protect(&mut first, device, target_bytes, sector_bytes);
    refit.pieces.push((0, first));
    put(&mut sector, ENTRIES_CRC_AT, &crc32(&array).to_le_bytes());
    put(&mut sector, LAST_USABLE_AT, &last_usable.to_le_bytes());
    let places =
        [(PRIMARY_LBA, backup_lba, primary_entries_lba), (backup_lba, PRIMARY_LBA, backup_entries_lba)];
    for (my_lba, alternate_lba, entries_lba) in places {
        put(&mut sector, MY_LBA_AT, &my_lba.to_le_bytes());
        put(&mut sector, ALTERNATE_AT, &alternate_lba.to_le_bytes());
        put(&mut sector, ENTRIES_LBA_AT, &entries_lba.to_le_bytes());
        let covered = header::covered(&sector).map_err(Error::corrupt)?;
        let sum = checksum(covered).map_err(Error::corrupt)?;
        put(&mut sector, CHECKSUM_AT, &sum.to_le_bytes());
        refit.pieces.push((bytes(my_lba), sector.clone()));
        refit.pieces.push((bytes(entries_lba), array.clone()));
    }
    Ok(refit)
}

/// Where the table lies on its device: the first sector, and both copies as far as they are sound. And how much of it lies behind
/// the partitions, whatever the device's length.
pub(super) fn structures(copies: &Copies, device: &dyn ReadAt) -> (Vec<ByteRange>, u64) {
    let sector = u64::from(copies.sector_bytes);
    let mut ranges: Vec<ByteRange> = ByteRange::new(0, sector.min(device.len_bytes())).into_iter().collect();
    let mut behind = 0;
    for copy in [&copies.primary, &copies.backup].into_iter().flatten() {
        let header = &copy.header;
        let array =
            u64::from(header.num_partition_entries).saturating_mul(header.sizeof_partition_entry.into());
        behind = array.div_ceil(sector.max(1)).saturating_add(1).saturating_mul(sector);
        let places = [(header.my_lba, sector), (header.partition_entry_lba, array)];
        ranges.extend(places.iter().filter_map(|(lba, len)| ByteRange::new(lba.checked_mul(sector)?, *len)));
    }
    (ranges, behind)
}
