//! The master boot record: four primary partitions.
//!
//! What counts as a partition, and which number it has, is as in `msdos_partition` of the kernel
//! (`block/partitions/msdos.c`). All addresses are 32-bit sector numbers on the disk and 64-bit ones here.

use super::boot_sector::{BYTES_ON_DISK, BootSector, Entry};
use super::extended::{self, Logical};
use super::{IsKnown, Partition, SECTOR_SIZES, Scheme, Table, mbr_types, sector_range, sector_sizes};
use crate::device::ReadAt;
use crate::units::ByteRange;

/// The active flag of a boot indicator.
const ACTIVE: u8 = 0x80;

/// Reads the partitions with the size of a sector that is decided, or at which most of what they
/// name is found: a boot record of logical partitions, or something that is known. Of those that
/// find as much, the likelier one.
pub(super) fn find(
    device: &dyn ReadAt,
    boot: &BootSector,
    decided: Option<u32>,
    is_known: &IsKnown<'_>,
) -> Table {
    let sizes = sector_sizes(device, decided);
    let mut tables = sizes.into_iter().map(|size| read(device, boot, size));
    let Some(mut best) = tables.next() else { return read(device, boot, SECTOR_SIZES[0]) };
    if decided.is_some() {
        return best;
    }
    let mut found = evidence(device, &best, is_known);
    // No other size can do better than one that finds everything.
    if found < most_evidence(&best) {
        let likely = best.sector_bytes;
        for table in tables {
            let of_table = evidence(device, &table, is_known);
            if of_table > found {
                (best, found) = (table, of_table);
            }
        }
        if best.sector_bytes != likely && device.sector_bytes().is_none() {
            let size = best.sector_bytes;
            best.warnings.push(format!(
                "the MBR is read in sectors of {size} bytes, because its partitions then hold something \
                 known; --sector-size decides otherwise"
            ));
        }
    }
    best
}

/// How much of what the table names is found.
fn evidence(device: &dyn ReadAt, table: &Table, is_known: &IsKnown<'_>) -> usize {
    let holds_something = |partition: &&Partition| {
        let end = partition.range.end().min(device.len_bytes());
        let range = ByteRange::between(partition.range.start(), end).filter(|range| !range.is_empty());
        !partition.is_container && range.is_some_and(is_known)
    };
    let boot_records = table.structures.len().saturating_sub(1);
    table.partitions.iter().filter(holds_something).count().saturating_add(boot_records)
}

/// Partitions, boot records of the extended ones included.
fn most_evidence(table: &Table) -> usize {
    let own = table.partitions.iter().filter(|partition| !partition.is_container).count();
    let containers = table.partitions.len().saturating_sub(own);
    own.saturating_add(containers.max(table.structures.len().saturating_sub(1)))
}

/// Reads the partitions that `boot` and its extended partitions name.
pub(super) fn read(device: &dyn ReadAt, boot: &BootSector, sector_bytes: u32) -> Table {
    let mut table = Table {
        scheme: Scheme::Mbr,
        id: format!("{:08x}", boot.disk_id),
        sector_bytes,
        partitions: Vec::new(),
        warnings: Vec::new(),
        fault: None,
        structures: ByteRange::new(0, BYTES_ON_DISK).into_iter().collect(),
        behind_bytes: 0,
    };
    for (number, entry) in (1..).zip(&boot.entries).filter(|(_, entry)| entry.is_used()) {
        table.partitions.extend(partition(boot.disk_id, number, entry, sector_bytes));
        if !entry.has_boot_indicator() {
            let found = entry.boot_ind;
            table.warnings.push(format!("partition {number}: boot indicator {found:#04x}, not 0x00 or 0x80"));
        }
    }
    let mut chains = extended::Chains::new(device, sector_bytes);
    let slots = (1_u32..).zip(&boot.entries);
    for (number, extended) in slots.filter(|(_, entry)| entry.is_used() && entry.is_extended()) {
        if let Err(fault) = chains.follow(extended.start_sect, extended.nr_sects) {
            table.fault.get_or_insert_with(|| format!("extended partition {number}: {fault}"));
        }
    }
    let records = chains.records().iter().filter_map(|lba| lba.checked_mul(sector_bytes.into()));
    table.structures.extend(records.filter_map(|at| ByteRange::new(at, BYTES_ON_DISK)));
    for Logical { number, entry } in chains.logicals() {
        table.partitions.extend(partition(boot.disk_id, *number, entry, sector_bytes));
    }
    table
}

fn partition(disk_id: u32, number: u32, entry: &Entry, sector_bytes: u32) -> Option<Partition> {
    Some(Partition {
        number,
        range: sector_range(entry.start_sect, entry.nr_sects, sector_bytes)?,
        type_id: format!("{:02x}", entry.sys_ind),
        type_name: mbr_types::name(entry.sys_ind).to_owned(),
        name: String::new(),
        uuid: format!("{disk_id:08x}-{number:02x}"),
        bootable: entry.boot_ind == ACTIVE,
        is_container: number <= 4 && entry.is_extended(),
        fault: None,
        past_end: None,
    })
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use mbrman::{BOOT_ACTIVE, BOOT_INACTIVE, CHS, MBR, MBRPartitionEntry};

    use super::*;
    use crate::partition::read;

    /// A disk of 20,000 sectors with two primaries, and three logicals in an extended partition.
    fn disk() -> Vec<u8> {
        let mut bytes = Cursor::new(vec![0; 20_000 * 512]);
        let mut mbr = MBR::new_from(&mut bytes, 512, [0x22, 0x63, 0x06, 0x74]).unwrap();
        mbr.align = 1;
        let entry = |boot, sys, starting_lba, sectors| MBRPartitionEntry {
            boot,
            first_chs: CHS::empty(),
            sys,
            last_chs: CHS::empty(),
            starting_lba,
            sectors,
        };
        mbr[1] = entry(BOOT_ACTIVE, 0x83, 100, 900);
        mbr[2] = entry(BOOT_INACTIVE, 0x05, 1000, 9000);
        mbr[4] = entry(BOOT_INACTIVE, 0x82, 10_000, 5000);
        for start in [1000, 2000, 3000] {
            mbr.push(0x83, start, 1000).unwrap();
        }
        mbr.write_into(&mut bytes).unwrap();
        bytes.into_inner()
    }

    fn table(disk: Vec<u8>) -> Table {
        read(&disk).unwrap().unwrap()
    }

    fn places(table: &Table) -> Vec<(u32, u64, u64)> {
        let sectors = |p: &Partition| (p.number, p.range.start() / 512, p.range.len() / 512);
        table.partitions.iter().map(sectors).collect()
    }

    const PLACES: [(u32, u64, u64); 6] =
        [(1, 100, 900), (2, 1000, 9000), (4, 10_000, 5000), (5, 1001, 999), (6, 2001, 999), (7, 3001, 999)];

    #[test]
    fn primaries_have_the_number_of_their_slot_and_logicals_follow_from_five() {
        let table = table(disk());
        assert_eq!((table.scheme, table.id.as_str(), table.sector_bytes), (Scheme::Mbr, "74066322", 512));
        assert_eq!(places(&table), PLACES);
        assert_eq!((&table.fault, table.warnings.len()), (&None, 0));
        assert!(table.partitions.iter().all(|partition| partition.fault.is_none()));
        let first = &table.partitions[0];
        assert_eq!((first.uuid.as_str(), first.type_id.as_str()), ("74066322-01", "83"));
        assert_eq!((first.type_name.as_str(), first.bootable, first.is_container), ("Linux", true, false));
        assert!(table.partitions[1].is_container);
        assert_eq!(table.partitions[5].uuid, "74066322-07");
    }

    #[test]
    fn an_odd_boot_indicator_is_a_warning_and_loses_nothing() {
        let mut disk = disk();
        disk[0x1be] = 0x13;
        disk[2000 * 512 + 0x1be] = 0x77;
        let table = table(disk);
        assert_eq!(places(&table), PLACES);
        assert_eq!(table.warnings, ["partition 1: boot indicator 0x13, not 0x00 or 0x80"]);
    }

    #[test]
    fn a_broken_chain_keeps_the_primaries_and_the_logicals_before_the_break() {
        let mut disk = disk();
        disk[2000 * 512 + 510] = 0;
        let table = table(disk);
        assert_eq!(places(&table), PLACES[..4]);
        let fault = "extended partition 2: the boot record at LBA 2000 has no signature 0xaa55";
        assert_eq!(table.fault.as_deref(), Some(fault));
    }

    #[test]
    fn addresses_of_32_bits_do_not_wrap() {
        let mut disk = disk();
        disk[0x1be + 8..0x1be + 16].fill(0xff);
        let table = table(disk);
        let sectors = u64::from(u32::MAX);
        assert_eq!(places(&table)[0], (1, sectors, sectors));
        assert!(table.partitions[0].past_end.as_ref().unwrap().contains("is the image cut off?"));
    }

    #[test]
    fn a_partition_at_lba_0_that_holds_another_is_read() {
        let mut disk = disk();
        disk[0x1be + 8..0x1be + 12].fill(0);
        let table = table(disk);
        assert_eq!(places(&table)[0], (1, 0, 900));
        assert_eq!(table.fault, None);
    }

    #[test]
    fn a_stale_gpt_behind_an_mbr_is_a_warning() {
        let mut disk = disk();
        disk[512..520].copy_from_slice(b"EFI PART");
        let table = table(disk);
        assert_eq!(table.scheme, Scheme::Mbr);
        assert!(table.warnings[0].contains("the MBR counts"), "{:?}", table.warnings);
    }
}
