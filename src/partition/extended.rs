//! Extended partitions: chains of boot records with a logical partition and a link each.
//!
//! Which entries count, and where their addresses start from, is as in `parse_extended` of the kernel
//! (`block/partitions/msdos.c`): a partition's from its own boot record, a link's from the extended partition.

use std::collections::HashSet;

use thiserror::Error;

use super::boot_sector::{self, BootSector, Entry};
use crate::device::{ReadAt, read_vec};
use crate::fields::Short;

/// Partitions that Linux gives a number: `DISK_MAX_PARTS`, `include/linux/blkdev.h`.
const MAX_NUMBER: u32 = 255;
/// Boot records without a partition, one after the other, that Linux follows: `parse_extended`.
const MAX_EMPTY_RECORDS: u32 = 100;

/// Why there may be more logical partitions than were found.
#[derive(Debug, Error, PartialEq, Eq)]
pub(super) enum Fault {
    #[error("the boot record at LBA {lba} links to LBA {link}, which was read before: the chain is a cycle")]
    Cycle { lba: u64, link: u64 },
    #[error(
        "the boot record at LBA {lba} links to LBA {link}, outside of the extended partition ({start} to {last})"
    )]
    Outside { lba: u64, link: u64, start: u64, last: u64 },
    #[error("the boot record at LBA {lba} can't be read: {cause}")]
    Unreadable { lba: u64, cause: String },
    #[error("the boot record at LBA {lba} has no signature 0xaa55")]
    Signature { lba: u64 },
    #[error("there are logical partitions after number {MAX_NUMBER}, the last that Linux counts")]
    TooMany,
    #[error(
        "{MAX_EMPTY_RECORDS} boot records without a partition up to LBA {lba}, the most that Linux follows"
    )]
    TooManyEmpty { lba: u64 },
    #[error("the boot record at LBA {lba}: {source}")]
    Short { lba: u64, source: Short },
}

/// A logical partition; the start in `entry` counts from the start of the device.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Logical {
    pub(super) number: u32,
    pub(super) entry: Entry,
}

/// The chains of all extended partitions of a device, numbered on from one to the next.
#[derive(Debug)]
pub(super) struct Chains<'a> {
    device: &'a dyn ReadAt,
    sector_bytes: u32,
    logicals: Vec<Logical>,
    /// Sectors of the boot records that were read.
    records: Vec<u64>,
    next_number: u32,
}

impl<'a> Chains<'a> {
    pub(super) fn new(device: &'a dyn ReadAt, sector_bytes: u32) -> Self {
        Self { device, sector_bytes, logicals: Vec::new(), records: Vec::new(), next_number: 5 }
    }

    /// The sectors of the boot records that were read, in the chains' order.
    pub(super) fn records(&self) -> &[u64] {
        &self.records
    }

    pub(super) fn logicals(&self) -> &[Logical] {
        &self.logicals
    }

    /// Follows the chain of the extended partition of `sectors` sectors at `start`, both in sectors.
    ///
    /// What was found before a fault stays. Links may lead back on the disk (a partition deleted and made again
    /// comes last in the chain), but never to a boot record that was read already.
    pub(super) fn follow(&mut self, start: u64, sectors: u64) -> Result<(), Fault> {
        let end = start.saturating_add(sectors);
        let mut seen = HashSet::from([start]);
        let mut empty_records: u32 = 0;
        let (mut lba, mut record_sectors) = (start, sectors);
        loop {
            let record = self.record(lba)?;
            if record.is_blank && lba == start {
                return Ok(());
            }
            if !record.has_signature {
                return Err(Fault::Signature { lba });
            }
            self.records.push(lba);
            empty_records = match self.take_partitions(&record, lba, record_sectors, start..end)? {
                0 => empty_records.saturating_add(1),
                _ => 0,
            };
            let Some(next) = record.entries.iter().find(|entry| entry.is_used() && entry.is_extended())
            else {
                return Ok(());
            };
            let link = start.saturating_add(next.start_sect);
            if !(start..end).contains(&link) {
                return Err(Fault::Outside { lba, link, start, last: end.saturating_sub(1) });
            }
            if !seen.insert(link) {
                return Err(Fault::Cycle { lba, link });
            }
            if empty_records >= MAX_EMPTY_RECORDS {
                return Err(Fault::TooManyEmpty { lba });
            }
            (lba, record_sectors) = (link, next.nr_sects);
        }
    }

    fn record(&self, lba: u64) -> Result<BootSector, Fault> {
        let at = lba.saturating_mul(self.sector_bytes.into());
        let sector = read_vec(self.device, at, boot_sector::BYTES)
            .map_err(|error| Fault::Unreadable { lba, cause: error.cause().to_string() })?;
        BootSector::parse(&sector).map_err(|source| Fault::Short { lba, source })
    }

    /// Takes the partitions of one boot record, and returns how many there were.
    fn take_partitions(
        &mut self,
        record: &BootSector,
        lba: u64,
        record_sectors: u64,
        within: std::ops::Range<u64>,
    ) -> Result<usize, Fault> {
        let before = self.logicals.len();
        for (slot, entry) in record.entries.iter().enumerate() {
            if !entry.is_used() || entry.is_extended() {
                continue;
            }
            let start = lba.saturating_add(entry.start_sect);
            let end = start.saturating_add(entry.nr_sects);
            // The third and fourth entry hold garbage at times: they count only where they fit.
            let fits = entry.start_sect.saturating_add(entry.nr_sects) <= record_sectors
                && within.contains(&start)
                && end <= within.end;
            if slot >= 2 && !fits {
                continue;
            }
            let number = self.next_number;
            if number > MAX_NUMBER {
                return Err(Fault::TooMany);
            }
            self.next_number = number.saturating_add(1);
            self.logicals.push(Logical { number, entry: Entry { start_sect: start, ..*entry } });
        }
        Ok(self.logicals.len().saturating_sub(before))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: u64 = 100;
    const SECTORS: u64 = 900;

    /// Writes a boot record: entries of type, start and length.
    fn record(disk: &mut [u8], lba: usize, entries: &[(u8, u32, u32)]) {
        let sector = &mut disk[lba * 512..][..512];
        for (slot, (sys, start, len)) in entries.iter().enumerate() {
            let at = 0x1be + 16 * slot;
            sector[at + 4] = *sys;
            sector[at + 8..at + 12].copy_from_slice(&start.to_le_bytes());
            sector[at + 12..at + 16].copy_from_slice(&len.to_le_bytes());
        }
        sector[510..].copy_from_slice(&[0x55, 0xaa]);
    }

    /// Three boot records with a partition each.
    fn chain() -> Vec<u8> {
        let mut disk = vec![0; 1000 * 512];
        record(&mut disk, 100, &[(0x83, 1, 9), (0x05, 100, 10)]);
        record(&mut disk, 200, &[(0x83, 1, 9), (0x05, 50, 10)]);
        record(&mut disk, 150, &[(0x83, 1, 9)]);
        disk
    }

    fn follow(disk: &Vec<u8>) -> (Vec<(u32, u64)>, Result<(), Fault>) {
        let mut chains = Chains::new(disk, 512);
        let outcome = chains.follow(START, SECTORS);
        (
            chains.logicals().iter().map(|logical| (logical.number, logical.entry.start_sect)).collect(),
            outcome,
        )
    }

    #[test]
    fn numbers_follow_the_chain_and_not_the_disk() {
        assert_eq!(follow(&chain()), (vec![(5, 101), (6, 201), (7, 151)], Ok(())));
    }

    #[test]
    fn a_chain_that_breaks_says_where_and_keeps_what_came_before() {
        let found = |n: usize| [(5, 101), (6, 201), (7, 151)][..n].to_vec();
        type Damage = fn(&mut Vec<u8>);
        let cases: [(Damage, usize, Fault); 6] = [
            (
                |disk| record(disk, 150, &[(0x83, 1, 9), (0x05, 50, 1)]),
                3,
                Fault::Cycle { lba: 150, link: 150 },
            ),
            (
                |disk| record(disk, 150, &[(0x83, 1, 9), (0x0f, 0, 1)]),
                3,
                Fault::Cycle { lba: 150, link: 100 },
            ),
            (
                |disk| record(disk, 200, &[(0x83, 1, 9), (0x85, 900, 1)]),
                2,
                Fault::Outside { lba: 200, link: 1000, start: 100, last: 999 },
            ),
            (
                |disk| record(disk, 100, &[(0x83, 1, 9), (0x05, u32::MAX, u32::MAX)]),
                1,
                Fault::Outside { lba: 100, link: 100 + u64::from(u32::MAX), start: 100, last: 999 },
            ),
            (|disk| disk[200 * 512 + 511] = 0, 1, Fault::Signature { lba: 200 }),
            (|disk| disk[100 * 512 + 511] = 0, 0, Fault::Signature { lba: 100 }),
        ];
        for (damage, kept, fault) in cases {
            let mut disk = chain();
            damage(&mut disk);
            assert_eq!(follow(&disk), (found(kept), Err(fault)));
        }
    }

    #[test]
    fn a_boot_record_past_the_end_of_the_device_is_a_fault() {
        let mut disk = chain();
        disk.truncate(180 * 512);
        let (found, outcome) = follow(&disk);
        assert_eq!(found, [(5, 101)]);
        let Err(Fault::Unreadable { lba: 200, cause }) = outcome else { panic!("{outcome:?}") };
        assert_eq!(cause, "512 bytes are to be read here, but the device ends at 92160");
    }

    #[test]
    fn an_extended_partition_that_was_never_written_to_is_empty() {
        assert_eq!(follow(&vec![0; 1000 * 512]), (vec![], Ok(())));
    }

    #[test]
    fn the_third_and_fourth_entry_count_only_where_they_fit() {
        let mut disk = vec![0; 1000 * 512];
        record(&mut disk, 100, &[(0x05, 200, 100), (0x83, 1, 9), (0x83, 20, 10), (0x83, 20, 1000)]);
        record(&mut disk, 300, &[(0, 0, 0), (0x83, 5000, 5), (0x83, 50, 50), (0x83, 51, 50)]);
        assert_eq!(follow(&disk), (vec![(5, 101), (6, 120), (7, 5300), (8, 350)], Ok(())));
    }

    #[test]
    fn chains_end_where_linux_stops_counting() {
        let mut disk = vec![0; 1000 * 512];
        let mut empty = disk.clone();
        for lba in 100..999 {
            record(&mut disk, lba, &[(0x83, 1, 1), (0x05, lba as u32 - 99, 1)]);
            record(&mut empty, lba, &[(0x05, lba as u32 - 99, 1)]);
        }
        let (found, outcome) = follow(&disk);
        assert_eq!((found.last(), outcome), (Some(&(255, 351)), Err(Fault::TooMany)));
        assert_eq!(follow(&empty), (vec![], Err(Fault::TooManyEmpty { lba: 199 })));
    }
}
