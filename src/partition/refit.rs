//! A table as it is to be written onto a device, which may have another length than the one that it was read from.
//!
//! A table goes back byte by byte: its codes, hybrid entries and addresses by cylinder are as they were. What changes is what depends
//! on the device's length: the place of a GPT's second copy, and the end of the last partition where it is to grow.

use super::boot_sector::{BYTES, BYTES_ON_DISK, PROTECTIVE};
use super::{Table, sector_count};
use crate::device::{ReadAt, read_vec};
use crate::error::{Error, Result};
use crate::fields::u32_at;
use crate::units::ByteRange;

/// Pieces of a table, and where each is to lie.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refit {
    /// Position on the device, in bytes, and what lies there.
    pub pieces: Vec<(u64, Vec<u8>)>,
    /// The number of the partition that grew, and where it lies now.
    pub grown: Option<(u32, ByteRange)>,
}

/// Where the four entries of a boot sector are, and how far they are apart.
const ENTRIES_AT: [usize; 4] = [0x1be, 0x1ce, 0x1de, 0x1ee];
/// In an entry: its type, its start and its length in sectors, the address of its end by cylinder, head and sector.
const SYS_AT: usize = 4;
const END_CHS_AT: usize = 5;
const START_AT: usize = 8;
const LEN_AT: usize = 12;
/// The address of all that lies behind the last cylinder.
const BEYOND_CHS: [u8; 3] = [0xfe, 0xff, 0xff];

impl Table {
    /// The partition that ends last, which is the one that can grow.
    #[must_use]
    pub fn last(&self) -> Option<&super::Partition> {
        let own = self.partitions.iter().filter(|partition| !partition.is_container);
        own.max_by_key(|partition| partition.range.end())
    }

    /// The shortest device that takes all partitions, and what of the table lies behind them; in bytes.
    #[must_use]
    pub fn needed_bytes(&self) -> u64 {
        let ends = self.partitions.iter().map(|partition| partition.range.end());
        ends.max().unwrap_or(BYTES_ON_DISK).saturating_add(self.behind_bytes)
    }

    pub(super) fn refit_mbr(&self, device: &dyn ReadAt, target_bytes: u64, grow: bool) -> Result<Refit> {
        let mut refit = Refit::default();
        for range in &self.structures {
            refit.pieces.push((range.start(), read_vec(device, range.start(), BYTES)?));
        }
        let sector = u64::from(self.sector_bytes);
        let Some(last) = self.last().filter(|_| grow) else { return Ok(refit) };
        // No more than an entry can say, and whole sectors.
        let start = last.range.start().checked_div(sector).unwrap_or(0);
        let end = sector_count_of(target_bytes, self.sector_bytes).min(start.saturating_add(u32::MAX.into()));
        let container = self.partitions.iter().filter(|_| last.number > 4).find(|partition| {
            partition.is_container
                && partition.range.start() <= last.range.start()
                && last.range.end() <= partition.range.end()
        });
        // The length of an extended partition has a bound of its own.
        let container_start =
            container.map(|container| container.range.start().checked_div(sector).unwrap_or(0));
        let end = end.min(container_start.map_or(u64::MAX, |start| start.saturating_add(u32::MAX.into())));
        let range = ByteRange::between(last.range.start(), end.saturating_mul(sector));
        let Some(range) = range.filter(|range| range.len() > last.range.len()) else { return Ok(refit) };
        let is_last = |at: u64, len: u64| {
            at.saturating_mul(sector) == last.range.start() && len.saturating_mul(sector) == last.range.len()
        };
        // The boot record that has the last logical partition, which other entries name.
        let mut record = None;
        for (at, bytes) in &mut refit.pieces {
            let lba = at.checked_div(sector).unwrap_or(0);
            let own = ENTRIES_AT.iter().find(|entry| {
                entry_of(bytes, **entry).is_some_and(|(sys, from, len)| {
                    !is_extended(sys) && is_last(lba.saturating_add(from), len)
                })
            });
            if let Some(entry) = own {
                set_len(bytes, *entry, end.saturating_sub(start));
                record = Some(lba);
                break;
            }
        }
        let record =
            record.ok_or_else(|| Error::corrupt("the entry of the last partition is not where it was"))?;
        if let Some(container_start) = container_start {
            for (at, bytes) in &mut refit.pieces {
                for entry in ENTRIES_AT {
                    let extended = entry_of(bytes, entry).filter(|(sys, ..)| is_extended(*sys));
                    let Some((_, from, _)) = extended else { continue };
                    // In the first sector the container itself, elsewhere the link to the record.
                    let from = if *at == 0 { from } else { container_start.saturating_add(from) };
                    let grows = if *at == 0 { from == container_start } else { from == record };
                    if grows {
                        set_len(bytes, entry, end.saturating_sub(from));
                    }
                }
            }
        }
        refit.grown = Some((last.number, range));
        Ok(refit)
    }
}

/// How many whole sectors there are in so many bytes.
pub(super) fn sector_count_of(bytes: u64, sector_bytes: u32) -> u64 {
    bytes.checked_div(sector_bytes.into()).unwrap_or_default()
}

fn is_extended(sys: u8) -> bool {
    matches!(sys, 0x05 | 0x0f | 0x85)
}

/// Type, start and length of the entry at this place, where it is in use.
fn entry_of(sector: &[u8], at: usize) -> Option<(u8, u64, u64)> {
    let sys = *sector.get(at.checked_add(SYS_AT)?)?;
    let start = u32_at(sector, at.checked_add(START_AT)?).ok()?;
    let len = u32_at(sector, at.checked_add(LEN_AT)?).ok()?;
    (len != 0).then_some((sys, start.into(), len.into()))
}

fn set_len(sector: &mut [u8], at: usize, sectors: u64) {
    put(sector, at.saturating_add(LEN_AT), &u32::try_from(sectors).unwrap_or(u32::MAX).to_le_bytes());
    put(sector, at.saturating_add(END_CHS_AT), &BEYOND_CHS);
}

/// Puts bytes into a structure, where they fit.
pub(super) fn put(structure: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(field) = structure.get_mut(at..).and_then(|rest| rest.get_mut(..bytes.len())) {
        field.copy_from_slice(bytes);
    }
}

/// Makes the protective entry of a first sector reach to the end of the device, if it reached to the end of the old one.
pub(super) fn protect(sector: &mut [u8], device: &dyn ReadAt, target_bytes: u64, sector_bytes: u32) {
    let old = sector_count(device, sector_bytes).saturating_sub(1);
    let new = sector_count_of(target_bytes, sector_bytes).saturating_sub(1);
    for at in ENTRIES_AT {
        if let Some((PROTECTIVE, 1, len)) = entry_of(sector, at)
            && len == old.min(u32::MAX.into())
            && old != new
        {
            put(sector, at.saturating_add(LEN_AT), &u32::try_from(new).unwrap_or(u32::MAX).to_le_bytes());
        }
    }
}

#[cfg(test)]
mod tests;
