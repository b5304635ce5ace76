use super::*;
use crate::filesystem::ext::fixture;

/// The superblock of a sound ext4 with checksums.
pub(in crate::filesystem::ext) fn sound() -> Superblock {
    parse(&bytes()).unwrap()
}

fn bytes() -> Vec<u8> {
    fixture("ext4")[1024..2048].to_vec()
}

/// The superblock with some bytes replaced, and its checksum repaired.
fn with(at: usize, replacement: &[u8]) -> Vec<u8> {
    let mut bytes = bytes();
    bytes[at..at + replacement.len()].copy_from_slice(replacement);
    let checksum = Crc::START.with(&bytes[..CHECKSUM_AT]).value();
    bytes[CHECKSUM_AT..].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

#[test]
fn a_superblock_that_lies_is_refused_for_the_right_reason() {
    let sound = sound();
    let block_size = sound.block_size;
    let per_group = sound.blocks_per_group;
    let bits = u64::from(block_size) * 8;
    let cases: [(usize, &[u8], Fault); 12] = [
        (0x38, &[0, 0], Fault::Magic(0)),
        (0x60, &[0xff, 0xff, 0xff, 0xff], {
            let features = Features { incompat: u32::MAX, ..Features::default() };
            Fault::Feature(features.check().unwrap_err())
        }),
        (0x18, &[7, 0, 0, 0], Fault::BlockSize(7)),
        (0x18, &[255, 255, 255, 255], Fault::BlockSize(u32::MAX)),
        (0x58, &[0, 0], Fault::InodeSize { inode_size: 0, block_size }),
        (0x58, &[129, 0], Fault::InodeSize { inode_size: 129, block_size }),
        (0xfe, &[0, 0], Fault::DescriptorSize(0)),
        (0xfe, &[0, 8], Fault::DescriptorSize(2048)),
        (0x20, &[0; 4], Fault::BlocksPerGroup { blocks_per_group: 0, most: bits }),
        (0x28, &[0; 4], {
            let least = sound.inodes_per_block();
            Fault::InodesPerGroup { inodes_per_group: 0, least, most: bits }
        }),
        (0x0, &[1, 0, 0, 0], {
            let (groups, inodes_per_group) = (sound.groups, sound.inodes_per_group);
            Fault::InodesCount { inodes_count: 1, groups, inodes_per_group }
        }),
        (0x150, &[255, 255, 255, 255], {
            let blocks_count = wide(u32::MAX, u32::try_from(sound.blocks_count).unwrap());
            Fault::TooLarge { blocks_count, block_size }
        }),
    ];
    assert!(per_group > 0);
    for (at, replacement, fault) in cases {
        assert_eq!(parse(&with(at, replacement)).unwrap_err(), fault, "{at:#x}: {replacement:?}");
    }
}

#[test]
fn one_wrong_bit_anywhere_is_noticed() {
    for at in [0, 0x20, 0x68, 0x200, CHECKSUM_AT] {
        let mut bytes = bytes();
        bytes[at] ^= 1;
        assert!(matches!(parse(&bytes), Err(Fault::Checksum { .. })), "{at:#x}");
    }
}

#[test]
fn a_superblock_of_any_length_is_an_error_and_not_a_panic() {
    let bytes = bytes();
    for len in 0..bytes.len() {
        assert!(parse(&bytes[..len]).is_err(), "{len}");
    }
}

#[test]
fn copies_are_where_the_features_say() {
    let mut superblock = sound();
    superblock.features.ro_compat |= 1;
    superblock.features.compat &= !0x200;
    let groups: Vec<u64> = (0..100).filter(|group| superblock.group_has_copy(*group)).collect();
    assert_eq!(groups, [0, 1, 3, 5, 7, 9, 25, 27, 49, 81]);
    superblock.features.compat |= 0x200;
    superblock.backup_groups = [1, 42];
    let groups: Vec<u64> = (0..100).filter(|group| superblock.group_has_copy(*group)).collect();
    assert_eq!(groups, [0, 1, 42]);
}
