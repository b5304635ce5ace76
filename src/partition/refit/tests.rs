use std::collections::BTreeMap;
use std::io::Cursor;

use ::gpt::GptConfig;
use ::gpt::disk::LogicalBlockSize;
use mbrman::{BOOT_INACTIVE, CHS, MBR, MBRPartitionEntry};

use super::*;
use crate::error::Kind;
use crate::partition::read;

const SECTORS: usize = 20_000;

/// A GPT by the crate `gpt`: partitions of 1000 sectors at 1000 and, the last one, at 5000.
fn gpt_disk(block: LogicalBlockSize) -> Vec<u8> {
    let sector = u64::from(block) as usize;
    let mut device = Cursor::new(vec![0; SECTORS * sector]);
    let protective = ::gpt::mbr::ProtectiveMBR::with_lb_size(SECTORS as u32 - 1);
    protective.overwrite_lba0(&mut device).unwrap();
    let mut disk = GptConfig::new()
        .writable(true)
        .logical_block_size(block)
        .change_partition_count(true)
        .create_from_device(device, None)
        .unwrap();
    disk.update_partitions(BTreeMap::new()).unwrap();
    for (number, start) in [(1, 1000), (2, 5000)] {
        disk.add_partition_at("data", number, start, 1000, ::gpt::partition_types::LINUX_FS, 4).unwrap();
    }
    disk.write().unwrap().into_inner()
}

/// A primary at 100 and logicals of 999 sectors behind 1000 and 3000, all by the crate `mbrman`.
fn mbr_disk() -> Vec<u8> {
    let mut bytes = Cursor::new(vec![0; SECTORS * 512]);
    let mut mbr = MBR::new_from(&mut bytes, 512, [1, 2, 3, 4]).unwrap();
    mbr.align = 1;
    let entry = |sys, starting_lba, sectors| MBRPartitionEntry {
        boot: BOOT_INACTIVE,
        first_chs: CHS::empty(),
        sys,
        last_chs: CHS::empty(),
        starting_lba,
        sectors,
    };
    mbr[1] = entry(0x83, 100, 900);
    mbr[2] = entry(0x05, 1000, 4000);
    for start in [1000, 3000] {
        mbr.push(0x83, start, 1000).unwrap();
    }
    mbr.write_into(&mut bytes).unwrap();
    bytes.into_inner()
}

/// A device of another length with the pieces of the refit, and nothing else.
fn apply(disk: &Vec<u8>, target_bytes: usize, grow: bool) -> (Vec<u8>, Refit) {
    let table = read(disk).unwrap().unwrap();
    let refit = table.refit(disk, target_bytes as u64, grow).unwrap();
    let mut target = vec![0; target_bytes];
    for (at, bytes) in &refit.pieces {
        put(&mut target, *at as usize, bytes);
    }
    (target, refit)
}

#[test]
fn on_a_device_of_the_same_length_it_is_the_same_byte_by_byte() {
    let disks = [gpt_disk(LogicalBlockSize::Lb512), gpt_disk(LogicalBlockSize::Lb4096), mbr_disk()];
    for disk in disks {
        let (target, refit) = apply(&disk, disk.len(), false);
        assert!(target == disk);
        assert_eq!(refit.grown, None);
    }
}

#[test]
fn a_damaged_copy_is_mended() {
    let disk = gpt_disk(LogicalBlockSize::Lb512);
    // In the checksum of each header.
    for at in [512 + 18, disk.len() - 512 + 18] {
        let mut damaged = disk.clone();
        damaged[at] ^= 1;
        assert_eq!(read(&damaged).unwrap().unwrap().warnings.len(), 1);
        assert!(apply(&damaged, disk.len(), false).0 == disk, "byte {at}");
    }
}

#[test]
fn the_second_copy_goes_to_the_end_of_a_longer_or_shorter_device() {
    for (block, sector) in [(LogicalBlockSize::Lb512, 512), (LogicalBlockSize::Lb4096, 4096)] {
        let disk = gpt_disk(block);
        let before = read(&disk).unwrap().unwrap();
        for sectors in [6000 + 33, 7000, SECTORS + 1, SECTORS * 3] {
            let (target, _) = apply(&disk, sectors * sector, false);
            let after = read(&target).unwrap().unwrap();
            assert_eq!((&after.partitions, &after.warnings), (&before.partitions, &Vec::new()));
            let config = GptConfig::new().logical_block_size(block).only_valid_headers(true);
            let other = config.open_from_device(Cursor::new(target.clone())).unwrap();
            let (primary, backup) = (other.primary_header().unwrap(), other.backup_header().unwrap());
            assert_eq!(primary.backup_lba, sectors as u64 - 1);
            assert_eq!((backup.current_lba, backup.backup_lba), (sectors as u64 - 1, 1));
            assert_eq!(primary.last_usable, backup.part_start - 1);
            assert_eq!(u32_at(&target, 0x1be + 12).unwrap(), sectors as u32 - 1, "the protective entry");
        }
    }
}

#[test]
fn the_last_partition_of_a_gpt_grows_to_the_last_usable_sector() {
    let disk = gpt_disk(LogicalBlockSize::Lb512);
    let (target, refit) = apply(&disk, SECTORS * 2 * 512, true);
    let after = read(&target).unwrap().unwrap();
    let range = after.partitions[1].range;
    assert_eq!(refit.grown, Some((2, range)));
    let behind = target.len() as u64 - range.end();
    assert_eq!((range.start(), behind), (5000 * 512, after.behind_bytes));
    assert_eq!(after.partitions[0], read(&disk).unwrap().unwrap().partitions[0]);
    assert!(after.warnings.is_empty(), "{:?}", after.warnings);
}

#[test]
fn the_last_logical_partition_grows_with_all_that_holds_it() {
    let disk = mbr_disk();
    let (target, refit) = apply(&disk, SECTORS * 512, true);
    let after = read(&target).unwrap().unwrap();
    let places: Vec<_> =
        after.partitions.iter().map(|p| (p.number, p.range.start() / 512, p.range.len() / 512)).collect();
    let end = SECTORS as u64;
    assert_eq!(places, [(1, 100, 900), (2, 1000, end - 1000), (5, 1001, 999), (6, 3001, end - 3001)]);
    assert_eq!(refit.grown.map(|(number, _)| number), Some(6));
    let mbr = MBR::read_from(&mut Cursor::new(target), 512).unwrap();
    assert_eq!(mbr[6].sectors, end as u32 - 3001);
    assert_eq!(mbr.logical_partitions[1].ebr_sectors, Some(end as u32 - 3000));
}

#[test]
fn a_primary_partition_grows_as_far_as_an_entry_can_say() {
    let mut disk = mbr_disk();
    // The extended partition is gone: the first is the last.
    disk[0x1ce..0x1de].fill(0);
    let table = read(&disk).unwrap().unwrap();
    let grown = |target_bytes: u64| table.refit(&disk, target_bytes, true).unwrap().grown;
    assert_eq!(
        grown(SECTORS as u64 * 512),
        ByteRange::between(100 * 512, SECTORS as u64 * 512).map(|r| (1, r))
    );
    let most = ByteRange::new(100 * 512, u64::from(u32::MAX) * 512).map(|range| (1, range));
    assert_eq!(grown(1 << 50), most);
    assert_eq!(grown(1000 * 512), None);
}

#[test]
fn a_device_that_is_too_short_is_told_by_how_much() {
    for (disk, needed) in [(gpt_disk(LogicalBlockSize::Lb512), 6033 * 512), (mbr_disk(), 5000 * 512)] {
        let table = read(&disk).unwrap().unwrap();
        assert_eq!(table.needed_bytes(), needed);
        let error = table.refit(&disk, needed - 1, false).unwrap_err();
        assert_eq!(error.kind(), Kind::Source);
        assert!(error.to_string().contains(&format!("the partitions need {needed}: 1 B more")), "{error}");
        table.refit(&disk, needed, false).unwrap();
    }
}
