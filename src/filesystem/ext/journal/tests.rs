//! Journals in memory, each with what recovery must make of it.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::fault::{Damage, DamagedTransaction};
use super::superblock::Checksums;
use super::writer::{BLOCKS, FILESYSTEM_BLOCKS, FIRST, Format, OLD, Writer};
use super::{Recovery, recover};
use crate::device::{Device, ReadAt as _, read_vec};

const INODE_BYTES: u16 = 256;
const MAGIC: [u8; 4] = [0xC0, 0x3B, 0x39, 0x98];
#[rustfmt::skip]
const FORMATS: [Format; 8] = [
    Format::new(Checksums::None, false), Format::new(Checksums::None, true),
    Format::new(Checksums::V1, false), Format::new(Checksums::V1, true),
    Format::new(Checksums::V2, false), Format::new(Checksums::V2, true),
    Format::new(Checksums::V3, false), Format::new(Checksums::V3, true),
];
const V3: Format = Format::new(Checksums::V3, true);

fn recovered(writer: &Writer) -> (Device, Recovery) {
    let (device, log) = writer.finish();
    let recovery = recover(&log, FILESYSTEM_BLOCKS, INODE_BYTES).unwrap();
    (device, recovery)
}

/// The blocks that recovery changed, by what they are filled with.
fn changed(device: Device, recovery: Recovery) -> BTreeMap<u64, u8> {
    let block_bytes = recovery.overlay.block_bytes as usize;
    let overlaid = recovery.overlay.over(device);
    let all = read_vec(&overlaid, 0, block_bytes * FILESYSTEM_BLOCKS as usize).unwrap();
    all.chunks(block_bytes)
        .zip(0..)
        .filter(|(block, _)| block.iter().any(|byte| *byte != OLD))
        .map(|(block, number)| {
            assert!(block.iter().all(|byte| *byte == block[0]), "block {number} is torn");
            (number, block[0])
        })
        .collect()
}

fn outcome(writer: &Writer) -> (BTreeMap<u64, u8>, Option<DamagedTransaction>) {
    let (device, recovery) = recovered(writer);
    let damage = recovery.faults.first().map(|error| *error.cause().downcast_ref().unwrap());
    (changed(device, recovery), damage)
}

fn blocks<const N: usize>(blocks: [(u64, u8); N]) -> BTreeMap<u64, u8> {
    blocks.into()
}

#[test]
fn complete_transactions_are_replayed_and_the_last_copy_wins() {
    for format in FORMATS {
        let mut writer = Writer::new(format);
        writer.blocks(&[(3, 1), (4, 2)]).blocks(&[(60, 3)]).commit();
        writer.blocks(&[(4, 5), (7, 6), (4, 7)]).commit();
        assert_eq!(outcome(&writer), (blocks([(3, 1), (4, 7), (7, 6), (60, 3)]), None), "{format:?}");
    }
}

#[test]
fn a_transaction_without_a_commit_block_is_not_replayed() {
    for format in FORMATS {
        let mut writer = Writer::new(format);
        writer.blocks(&[(3, 1)]).commit().blocks(&[(3, 2), (4, 2)]).revoke(&[3]);
        assert_eq!(outcome(&writer), (blocks([(3, 1)]), None), "{format:?}");
    }
}

#[test]
fn an_empty_journal_changes_nothing() {
    let mut writer = Writer::new(V3);
    writer.blocks(&[(3, 1)]).commit();
    writer.put(0, 0x1C, &[0; 4]);
    writer.seal_superblock();
    let (_, recovery) = recovered(&writer);
    assert!(recovery.overlay.is_empty() && recovery.faults.is_empty());
}

#[test]
fn a_revoked_block_is_not_replayed_unless_it_was_written_again() {
    for format in FORMATS {
        let mut writer = Writer::new(format);
        writer.blocks(&[(3, 1), (4, 1), (5, 1), (6, 1)]).commit();
        writer.revoke(&[3, 4, 6]).blocks(&[(6, 2)]).commit();
        writer.blocks(&[(4, 3)]).revoke(&[9]).commit();
        let expected = blocks([(4, 3), (5, 1)]);
        assert_eq!(outcome(&writer), (expected, None), "{format:?}");
    }
}

#[test]
fn a_revocation_that_was_not_committed_does_not_count() {
    for format in FORMATS {
        let mut writer = Writer::new(format);
        writer.blocks(&[(3, 1)]).commit().revoke(&[3]);
        assert_eq!(outcome(&writer), (blocks([(3, 1)]), None), "{format:?}");
    }
}

#[test]
fn a_block_that_begins_with_the_magic_number_of_journals_comes_back_as_it_was() {
    for format in FORMATS {
        let mut writer = Writer::new(format);
        let mut content = writer.content(0x42);
        content[..4].copy_from_slice(&MAGIC);
        writer.contents(&[(3, content.clone()), (4, writer.content(0))]).commit();
        let (device, recovery) = recovered(&writer);
        let overlaid = recovery.overlay.over(device);
        let at = 3 * format.block_bytes as u64;
        assert_eq!(read_vec(&overlaid, at, format.block_bytes).unwrap(), content, "{format:?}");
        for (start, len) in [(0, 2), (1, 2), (2, 4), (3, 1), (4, 3)] {
            let got = read_vec(&overlaid, at + start, len as usize).unwrap();
            assert_eq!(got, content[start as usize..][..len as usize], "{len} bytes at {start}");
        }
    }
}

#[test]
fn the_log_goes_on_at_its_start_and_transaction_numbers_at_zero() {
    for format in FORMATS {
        for start in BLOCKS - 12..BLOCKS {
            let mut writer = Writer::starting(format, start, u32::MAX - 1);
            for fill in 1..=4 {
                writer.blocks(&[(3, fill), (fill.into(), fill)]).revoke(&[20]).commit();
            }
            let expected = blocks([(1, 1), (2, 2), (3, 4), (4, 4)]);
            assert_eq!(outcome(&writer), (expected, None), "{format:?} from {start}");
        }
    }
}

#[test]
fn a_log_that_is_full_ends_where_it_began() {
    let mut writer = Writer::new(V3);
    // 1023 blocks, three for each transaction.
    while writer.at < BLOCKS - 3 {
        writer.blocks(&[(3, 1)]).commit();
    }
    writer.blocks(&[(4, 2)]).commit();
    assert_eq!(writer.at, FIRST);
    assert_eq!(outcome(&writer), (blocks([(3, 1), (4, 2)]), None));
}

/// Transaction 7 fills block 3, transaction 8 (revocation, descriptor, two copies, commit from log block 4 on)
/// blocks 3 and 4, transaction 9 block 5. `break_it` makes it wrong.
fn broken(format: Format, break_it: impl FnOnce(&mut Writer)) -> Writer {
    let mut writer = Writer::new(format);
    writer.blocks(&[(3, 1)]).commit();
    writer.revoke(&[50]).blocks(&[(3, 2), (4, 2)]).commit();
    writer.blocks(&[(5, 3)]).commit();
    break_it(&mut writer);
    writer
}

const REVOCATION: u32 = 4;
const DESCRIPTOR: u32 = 5;
const COPY: u32 = 7;
const COMMIT: u32 = 8;

fn only_first() -> BTreeMap<u64, u8> {
    blocks([(3, 1)])
}

#[test]
fn what_comes_before_a_damaged_transaction_is_replayed() {
    for format in
        FORMATS.into_iter().filter(|format| matches!(format.checksums, Checksums::V2 | Checksums::V3))
    {
        let cases = [
            (DESCRIPTOR, 900, Damage::DescriptorChecksum { log_block: DESCRIPTOR }),
            (REVOCATION, 17, Damage::RevocationChecksum { log_block: REVOCATION }),
            (COPY, 100, Damage::DataChecksum { log_block: COPY, block: 4 }),
        ];
        for (log_block, at, damage) in cases {
            let writer = broken(format, |writer| writer.put(log_block, at, &[0x77]));
            let expected = Some(DamagedTransaction { sequence: 8, damage });
            assert_eq!(outcome(&writer), (only_first(), expected), "{format:?}");
        }
    }
}

#[test]
fn a_commit_block_with_a_wrong_checksum_is_damage() {
    for format in FORMATS.into_iter().filter(|format| format.checksums != Checksums::None) {
        let writer = broken(format, |writer| writer.put(COMMIT, 0x10, &[1, 2, 3, 4]));
        let (replayed, damage) = outcome(&writer);
        assert_eq!(replayed, only_first(), "{format:?}");
        let Some(DamagedTransaction {
            sequence: 8,
            damage: Damage::CommitChecksum { log_block, stored, .. },
        }) = damage
        else {
            panic!("{format:?}: {damage:?}")
        };
        assert_eq!((log_block, stored), (COMMIT, 0x0102_0304));
    }
}

#[test]
fn the_first_checksums_cover_the_descriptor_and_the_copies() {
    let v1 = Format::new(Checksums::V1, false);
    for (log_block, at) in [(DESCRIPTOR, 1000), (COPY, 100)] {
        let writer = broken(v1, |writer| writer.put(log_block, at, &[0x77]));
        let (replayed, damage) = outcome(&writer);
        assert_eq!(replayed, only_first());
        assert!(matches!(damage.unwrap().damage, Damage::CommitChecksum { log_block: COMMIT, .. }));
    }
}

#[test]
fn a_first_checksum_that_was_not_written_is_no_damage() {
    let v1 = Format::new(Checksums::V1, false);
    let writer = broken(v1, |writer| {
        writer.put(COMMIT, 0x0C, &[0; 8]);
        writer.put(COPY, 100, &[2]);
    });
    assert_eq!(outcome(&writer), (blocks([(3, 2), (4, 2), (5, 3)]), None));
}

#[test]
fn a_commit_block_of_which_only_the_structure_was_written_counts() {
    let writer = broken(V3, |writer| writer.put(COMMIT, 0x3C, &[0x77; 1024 - 0x3C]));
    assert_eq!(outcome(&writer), (blocks([(3, 2), (4, 2), (5, 3)]), None));
}

#[test]
fn what_an_earlier_use_of_the_journal_left_is_its_end_and_no_damage() {
    for (log_block, at) in [(DESCRIPTOR, 900), (REVOCATION, 17), (COMMIT, 0x10)] {
        let writer = broken(V3, |writer| {
            writer.put(log_block, at, &[0x77]);
            writer.put(COMMIT, 0x30, &999_u64.to_be_bytes());
        });
        assert_eq!(outcome(&writer), (only_first(), None), "log block {log_block}");
    }
}

#[test]
fn damage_in_the_second_of_the_commit_before_is_damage() {
    for (log_block, at) in [(DESCRIPTOR, 900), (REVOCATION, 17), (COMMIT, 0x10)] {
        let writer = broken(V3, |writer| {
            writer.put(log_block, at, &[0x77]);
            writer.put(COMMIT, 0x30, &1000_u64.to_be_bytes());
        });
        let (replayed, damage) = outcome(&writer);
        assert_eq!((replayed, damage.unwrap().sequence), (only_first(), 8), "log block {log_block}");
    }
}

#[test]
fn with_asynchronous_commits_the_last_transaction_may_be_incomplete() {
    for checksums in [Checksums::V1, Checksums::V3] {
        let format = Format { async_commit: true, ..Format::new(checksums, false) };
        let mut writer = Writer::new(format);
        writer.blocks(&[(3, 1)]).commit().blocks(&[(3, 2), (4, 2)]).commit();
        writer.put(6, 0x10, &[1, 2, 3, 4]);
        writer.put(7, 0x10, &[1, 2, 3, 4]);
        assert_eq!(outcome(&writer), (only_first(), None), "{checksums:?}");
        writer.blocks(&[(5, 3)]).commit();
        let (replayed, damage) = outcome(&writer);
        assert_eq!(replayed, only_first());
        assert_eq!(damage.unwrap().sequence, 8, "{checksums:?}");
    }
}

#[test]
fn a_damaged_copy_that_was_revoked_does_not_matter() {
    let mut writer = broken(V3, |writer| writer.put(COPY, 100, &[0x77]));
    writer.revoke(&[4]).commit();
    assert_eq!(outcome(&writer), (blocks([(3, 2), (5, 3)]), None));
}

#[test]
fn a_damaged_copy_matters_again_when_its_revocation_is_not_replayed() {
    let mut writer = broken(V3, |writer| writer.put(COPY, 100, &[0x77]));
    let copy = writer.at + 2;
    writer.revoke(&[4]).blocks(&[(6, 4)]).commit();
    writer.put(copy, 100, &[0x77]);
    let damage = Damage::DataChecksum { log_block: COPY, block: 4 };
    assert_eq!(outcome(&writer), (only_first(), Some(DamagedTransaction { sequence: 8, damage })));
}

#[test]
fn a_copy_of_a_block_outside_the_filesystem_is_damage() {
    for format in FORMATS {
        let mut writer = Writer::new(format);
        writer.blocks(&[(3, 1)]).commit().blocks(&[(FILESYSTEM_BLOCKS, 2)]).commit();
        let damage =
            Damage::OutsideFilesystem { log_block: 5, block: FILESYSTEM_BLOCKS, blocks: FILESYSTEM_BLOCKS };
        let expected = Some(DamagedTransaction { sequence: 8, damage });
        assert_eq!(outcome(&writer), (only_first(), expected), "{format:?}");
    }
}

#[test]
fn block_numbers_have_the_bits_that_the_journal_says() {
    for format in FORMATS {
        let mut writer = Writer::new(format);
        writer.blocks(&[(3 | 1 << 32, 1)]).commit();
        let (_, damage) = outcome(&writer);
        assert_eq!(damage.is_some(), format.wide, "{format:?}");
    }
}

#[test]
fn a_revocation_block_longer_than_itself_is_damage() {
    for (format, limit) in [(FORMATS[0], 1024), (V3, 1020)] {
        let writer = broken(format, |writer| {
            let mut block = writer.block(REVOCATION).to_vec();
            block[12..16].copy_from_slice(&5000_u32.to_be_bytes());
            writer.seal(&mut block);
            writer.put(REVOCATION, 0, &block);
        });
        let damage = Damage::RevocationLength { log_block: REVOCATION, r_count: 5000, limit };
        let expected = Some(DamagedTransaction { sequence: 8, damage });
        assert_eq!(outcome(&writer), (only_first(), expected));
    }
}

#[test]
fn a_log_without_an_end_is_damage() {
    let mut writer = Writer::new(FORMATS[0]);
    writer.revoke(&[]);
    while writer.at != FIRST {
        writer.revoke(&[]);
    }
    let damage = Damage::Endless { blocks: BLOCKS - FIRST };
    assert_eq!(outcome(&writer), (blocks([]), Some(DamagedTransaction { sequence: 7, damage })));
}

#[test]
fn a_descriptor_block_that_describes_more_than_the_log_is_damage() {
    let format = Format { block_bytes: 16384, ..FORMATS[0] };
    let mut writer = Writer::new(format);
    writer.blocks(&[(3, 1)]).commit().blocks(&[(4, 2)]);
    let tags: Vec<u8> = [0, 0, 0, 5, 0, 0, 0, 2].repeat(2046);
    writer.put(4, 12, &tags);
    let damage = Damage::LongerThanTheLog { log_block: 4, tags: 2046, blocks: BLOCKS - FIRST };
    assert_eq!(outcome(&writer), (only_first(), Some(DamagedTransaction { sequence: 8, damage })));
}

#[test]
fn a_journal_of_the_first_format_has_no_features() {
    let mut writer = Writer::new(FORMATS[0]);
    writer.put(0, 4, &3_u32.to_be_bytes());
    writer.put(0, 0x28, &0xFFFF_u32.to_be_bytes());
    writer.blocks(&[(3, 1)]).commit();
    assert_eq!(outcome(&writer), (only_first(), None));
}

#[test]
fn any_read_of_the_recovered_device_is_a_part_of_the_whole() {
    let mut writer = Writer::new(V3);
    writer.blocks(&[(0, 1), (3, 2), (4, 3), (63, 4)]).commit();
    let (device, recovery) = recovered(&writer);
    let overlaid = recovery.overlay.over(device.clone());
    let end = device.len_bytes();
    let whole = read_vec(&overlaid, 0, end as usize).unwrap();
    let edges = [0, 1, 1023, 1024, 3071, 3072, 3073, 4096, 5119, 5120, 64_511, 64_512, 65_536, 70_000, end];
    for start in edges {
        for stop in edges.into_iter().filter(|stop| *stop >= start) {
            let got = read_vec(&overlaid, start, (stop - start) as usize).unwrap();
            assert_eq!(got, whole[start as usize..stop as usize], "{start} to {stop}");
        }
        assert!(overlaid.read_at(start, &mut vec![0; (end - start) as usize + 1]).is_err());
    }
}

proptest! {
    /// Whatever the log holds, recovery ends, and replaces blocks of the filesystem, each once.
    #[test]
    fn any_damage_leaves_a_device_that_can_be_read(
        format in 0..FORMATS.len(),
        changes in prop::collection::vec((0..40_u32, 0..64_usize, any::<u8>()), 0..12),
        is_sealed in any::<bool>(),
    ) {
        let mut writer = Writer::new(FORMATS[format]);
        for fill in 1..8 {
            writer.blocks(&[(fill.into(), fill), (9, fill)]).revoke(&[2]).commit();
        }
        for (log_block, at, byte) in changes {
            writer.put(log_block + FIRST, at, &[byte]);
            if is_sealed {
                let mut block = writer.block(log_block + FIRST).to_vec();
                writer.seal(&mut block);
                writer.put(log_block + FIRST, 0, &block);
            }
        }
        let (device, recovery) = recovered(&writer);
        let replaced: Vec<_> = recovery.overlay.replacements.iter().map(|found| found.block).collect();
        prop_assert!(replaced.is_sorted_by(|a, b| a < b));
        prop_assert!(replaced.iter().all(|block| *block < FILESYSTEM_BLOCKS));
        let overlaid = recovery.overlay.over(device.clone());
        prop_assert!(read_vec(&overlaid, 0, device.len_bytes() as usize).is_ok());
    }
}
