use std::collections::BTreeMap;
use std::io::Cursor;

use gpt::disk::LogicalBlockSize;
use gpt::mbr::ProtectiveMBR;
use gpt::{GptConfig, partition_types};
use libdeflater::crc32;

use super::*;
use crate::error::Kind;
use crate::partition::read;

const SECTORS: usize = 4096;
const LAST: usize = SECTORS - 1;

/// A disk of 4096 sectors with three partitions in the slots 1, 2 and 7.
fn disk_with(block: LogicalBlockSize) -> Vec<u8> {
    let sector = block.as_u64();
    let mut bytes = Cursor::new(vec![0; SECTORS * sector as usize]);
    ProtectiveMBR::with_lb_size(SECTORS as u32 - 1).overwrite_lba0(&mut bytes).unwrap();
    let config = GptConfig::new().writable(true).logical_block_size(block);
    let mut disk = config.create_from_device(&mut bytes, None).unwrap();
    disk.update_partitions(BTreeMap::new()).unwrap();
    let add = |disk: &mut gpt::GptDisk<_>, id, name, lba, sectors, kind, flags| {
        disk.add_partition_at(name, id, lba, sectors, kind, flags).unwrap()
    };
    add(&mut disk, 1, "boot", 100, 100, partition_types::BIOS, 4);
    add(&mut disk, 2, "root", 200, 1000, partition_types::LINUX_FS, 0);
    add(&mut disk, 3, "swäp", 2000, 1000, partition_types::LINUX_SWAP, 0);
    disk.write().unwrap();
    let mut bytes = bytes.into_inner();
    for lba in [1, LAST] {
        move_third_entry(&mut bytes, lba * sector as usize, sector as usize);
    }
    bytes
}

/// Moves the entry from slot 3 to slot 7, which the crate would never leave unused.
fn move_third_entry(disk: &mut [u8], header: usize, sector: usize) {
    let array = u64::from_le_bytes(disk[header + 72..header + 80].try_into().unwrap()) as usize * sector;
    let third = array + 2 * 128;
    disk.copy_within(third..third + 128, array + 6 * 128);
    disk[third..third + 128].fill(0);
    let sum = crc32(&disk[array..array + 128 * 128]);
    put(disk, header + 88, &sum.to_le_bytes());
    repair_header(disk, header);
}

fn disk() -> Vec<u8> {
    disk_with(LogicalBlockSize::Lb512)
}

fn put(disk: &mut [u8], at: usize, bytes: &[u8]) {
    disk[at..at + bytes.len()].copy_from_slice(bytes);
}

fn le32(disk: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(disk[at..at + 4].try_into().unwrap())
}

/// Repairs the checksum of the header at byte `at`.
fn repair_header(disk: &mut [u8], at: usize) {
    let len = le32(disk, at + 12) as usize;
    put(disk, at + 16, &[0; 4]);
    let sum = crc32(&disk[at..at + len]);
    put(disk, at + 16, &sum.to_le_bytes());
}

/// Changes bytes of the primary header, and repairs its checksum.
fn forge(disk: &mut [u8], field: usize, bytes: &[u8]) {
    put(disk, 512 + field, bytes);
    repair_header(disk, 512);
}

fn places(table: &Table) -> Vec<(u32, u64, u64)> {
    let sector = u64::from(table.sector_bytes);
    table.partitions.iter().map(|p| (p.number, p.range.start() / sector, p.range.len() / sector)).collect()
}

const PLACES: [(u32, u64, u64); 3] = [(1, 100, 100), (2, 200, 1000), (7, 2000, 1000)];

#[test]
fn a_sound_table_is_read_whole_for_both_sizes_of_sectors() {
    for block in [LogicalBlockSize::Lb512, LogicalBlockSize::Lb4096] {
        let table = read(&disk_with(block)).unwrap().unwrap();
        assert_eq!((table.scheme, u64::from(table.sector_bytes)), (Scheme::Gpt, block.as_u64()));
        assert_eq!(places(&table), PLACES);
        assert_eq!((table.warnings.len(), &table.fault), (0, &None));
        let [boot, root, swap] = &table.partitions[..] else { panic!("three partitions") };
        assert_eq!((boot.name.as_str(), boot.type_name.as_str(), boot.bootable), ("boot", "BIOS boot", true));
        assert_eq!(root.type_id, "0FC63DAF-8483-4772-8E79-3D69D8477DE4");
        assert_eq!((root.type_name.as_str(), root.bootable, &root.fault), ("Linux filesystem", false, &None));
        assert_eq!((swap.name.as_str(), swap.uuid.len()), ("swäp", 36));
    }
}

#[test]
fn each_damage_to_the_primary_copy_has_its_fault_and_the_backup_is_used() {
    let whole = disk();
    let stored = le32(&whole, 512 + 88);
    let mut entries = whole[1024..1024 + 128 * 128].to_vec();
    entries[56] ^= 1;
    let computed = crc32(&entries);
    type Damage = fn(&mut [u8]);
    let cases: [(Damage, Fault); 12] = [
        (|disk| put(disk, 512, b"x"), Fault::Signature { lba: 1 }),
        (|disk| forge(disk, 12, &[91]), Fault::HeaderSize { header_size: 91, most: 512 }),
        (|disk| put(disk, 512 + 12, &[1, 2]), Fault::HeaderSize { header_size: 513, most: 512 }),
        (|disk| forge(disk, 24, &[2]), Fault::MyLba { my_lba: 2, lba: 1 }),
        (
            |disk| forge(disk, 40, &u64::MAX.to_le_bytes()),
            Fault::UsableRange { first_usable_lba: u64::MAX, last_usable_lba: 4062 },
        ),
        (|disk| forge(disk, 84, &[127]), Fault::EntrySize(127)),
        (|disk| forge(disk, 84, &[132]), Fault::EntrySize(132)),
        (|disk| forge(disk, 84, &[0; 4]), Fault::EntrySize(0)),
        (
            |disk| forge(disk, 80, &[0xff; 4]),
            Fault::TooManyEntries { count: u32::MAX, entry_bytes: 128, most: 4 << 20 },
        ),
        (
            |disk| forge(disk, 72, &4090_u64.to_le_bytes()),
            Fault::EntriesOutside { lba: 4090, array_bytes: 128 * 128, device_bytes: 4096 * 512 },
        ),
        (
            |disk| forge(disk, 72, &u64::MAX.to_le_bytes()),
            Fault::EntriesOutside { lba: u64::MAX, array_bytes: 128 * 128, device_bytes: 4096 * 512 },
        ),
        (|disk| disk[1024 + 56] ^= 1, Fault::EntriesChecksum { stored, computed }),
    ];
    for (damage, fault) in cases {
        let mut disk = whole.clone();
        damage(&mut disk);
        assert_eq!(Copies::read(&disk, None).primary, Err(fault.clone()));
        let table = read(&disk).unwrap().unwrap();
        assert_eq!(places(&table), PLACES);
        assert_eq!(table.warnings, [format!("primary GPT: {fault}; the backup at LBA {LAST} is used")]);
    }
}

#[test]
fn a_wrong_header_checksum_is_named_in_the_warning() {
    let mut disk = disk();
    disk[512 + 56] ^= 1;
    let table = read(&disk).unwrap().unwrap();
    assert!(table.warnings[0].starts_with("primary GPT: the header's checksum is wrong (0x"), "{table:?}");
}

#[test]
fn two_bad_copies_are_an_error_with_both_causes() {
    let mut disk = disk();
    put(&mut disk, 512, b"x");
    put(&mut disk, LAST * 512 + 24, &[9]);
    repair_header(&mut disk, LAST * 512);
    let error = read(&disk).unwrap_err();
    assert_eq!(error.kind(), Kind::Corrupt);
    let message = "both copies of the GPT are bad: primary: there is no header at LBA 1; \
        backup: the header at LBA 4095 is one for LBA 3849";
    assert_eq!(error.to_string(), message);
}

#[test]
fn a_disk_without_its_end_is_read_with_a_warning() {
    let mut disk = disk();
    disk.truncate(2500 * 512);
    let table = read(&disk).unwrap().unwrap();
    assert_eq!(places(&table), PLACES);
    let warning = "backup GPT: the header is to be at LBA 4095, but the device has 2500 sectors; \
        is the image cut off?";
    assert_eq!(table.warnings, [warning]);
    assert!(table.partitions[1].past_end.is_none() && table.partitions[2].past_end.is_some());
}

#[test]
fn on_a_disk_that_grew_the_backup_is_where_the_primary_header_says() {
    let mut disk = disk();
    disk.resize(disk.len() + 5000, 0);
    assert_eq!(read(&disk).unwrap().unwrap().warnings, Vec::<String>::new());
    disk[512 + 56] ^= 1;
    assert_eq!(places(&read(&disk).unwrap().unwrap()), PLACES);
}

#[test]
fn copies_that_differ_are_a_warning() {
    let mut disk = disk();
    disk[1024 + 56] = b'B';
    let sum = crc32(&disk[1024..1024 + 128 * 128]);
    forge(&mut disk, 88, &sum.to_le_bytes());
    let table = read(&disk).unwrap().unwrap();
    assert_eq!(table.partitions[0].name, "Boot");
    assert_eq!(table.warnings, ["the backup GPT differs from the primary one, which is used"]);
}

#[test]
fn without_a_protective_entry_the_primary_copy_counts() {
    let mut disk = disk();
    disk[..512].fill(0);
    let table = read(&disk).unwrap().unwrap();
    assert_eq!(places(&table), PLACES);
    assert_eq!(table.warnings, ["the first sector has no protective entry for the GPT"]);
}

#[test]
fn a_backup_alone_counts_only_on_a_disk_whose_head_was_wiped() {
    let mut disk = disk();
    disk[..100 * 512].fill(0);
    let table = read(&disk).unwrap().unwrap();
    assert_eq!((places(&table), table.warnings.len()), (PLACES.to_vec(), 2));
    put(&mut disk, 1080, &[0x53, 0xef]);
    assert_eq!(read(&disk).unwrap(), None);
}

#[test]
fn entries_of_256_bytes_and_headers_of_a_whole_sector_are_legal() {
    let mut disk = disk();
    let old = disk[1024..1024 + 128 * 16].to_vec();
    for (slot, entry) in old.chunks(128).enumerate() {
        put(&mut disk, 1024 + slot * 256, entry);
        put(&mut disk, 1024 + slot * 256 + 128, &[7; 128]);
    }
    let sum = crc32(&disk[1024..1024 + 16 * 256]);
    put(&mut disk, 512 + 80, &16_u32.to_le_bytes());
    put(&mut disk, 512 + 84, &256_u32.to_le_bytes());
    put(&mut disk, 512 + 88, &sum.to_le_bytes());
    forge(&mut disk, 12, &512_u32.to_le_bytes());
    assert_eq!(Copies::read(&disk, None).primary.map(|copy| copy.partitions.len()), Ok(3));
    assert_eq!(places(&read(&disk).unwrap().unwrap()), PLACES);
}

#[test]
fn any_byte_of_the_table_may_be_wrong_without_a_panic() {
    let mut disk = disk();
    for at in (0..1024 + 512).chain(LAST * 512..SECTORS * 512) {
        let whole = disk[at];
        for value in [0x00, 0x7f, 0xff] {
            disk[at] = value;
            if (512..1024).contains(&at) && le32(&disk, 512 + 12) <= 512 {
                repair_header(&mut disk, 512);
            }
            let _ = read(&disk);
        }
        disk[at] = whole;
        repair_header(&mut disk, 512);
    }
    assert_eq!(places(&read(&disk).unwrap().unwrap()), PLACES);
}
