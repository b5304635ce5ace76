use super::super::sample::seal;
use super::*;
use crate::fields::put_bytes;

/// A superblock of version 5 as mkfs.xfs makes it: 4 groups of 16 MiB.
fn good() -> Vec<u8> {
    let mut bytes = vec![0; 512];
    let fields: [(usize, &[u8]); 20] = [
        (0, b"XFSB"),
        (4, &4096_u32.to_be_bytes()),
        (8, &16_384_u64.to_be_bytes()),
        (32, &[7; 16]),
        (48, &8198_u64.to_be_bytes()),
        (56, &128_u64.to_be_bytes()),
        (84, &4096_u32.to_be_bytes()),
        (88, &4_u32.to_be_bytes()),
        (96, &1000_u32.to_be_bytes()),
        (100, &0xb4a5_u16.to_be_bytes()),
        (102, &512_u16.to_be_bytes()),
        (104, &512_u16.to_be_bytes()),
        (106, &8_u16.to_be_bytes()),
        (108, b"a label"),
        (120, &[12, 9, 9, 3, 12]),
        (128, &64_u64.to_be_bytes()),
        (136, &61_u64.to_be_bytes()),
        (144, &15_000_u64.to_be_bytes()),
        (216, &1_u32.to_be_bytes()),
        (248, &[9; 16]),
    ];
    for (at, field) in fields {
        put_bytes(&mut bytes, at, field);
    }
    seal(&mut bytes, CHECKSUM_AT);
    bytes
}

#[test]
fn a_superblock_says_where_everything_is() {
    let superblock = parse(&good()).unwrap();
    assert_eq!((superblock.label.as_slice(), superblock.len_bytes()), (&b"a label"[..], 64 << 20));
    assert_eq!(superblock.meta_uuid, Uuid::from_bytes([7; 16]));
    assert_eq!(superblock.inode_position(128), Some(16 * 4096));
    assert_eq!(superblock.inode_position(131), Some(16 * 4096 + 3 * 512));
    assert_eq!(superblock.inode_position(1 << 15 | 9), Some((16 << 20) + 4096 + 512));
    assert_eq!(superblock.inode_position(4 << 15), None);
    assert_eq!(superblock.block_position(3 << 12 | 4095), Some((64 << 20) - 4096));
    assert!(superblock.holds_blocks(4095, 1) && !superblock.holds_blocks(4095, 2));
}

#[test]
fn the_metadata_have_a_uuid_of_their_own_where_the_feature_says_so() {
    let mut bytes = good();
    put_bytes(&mut bytes, 216, &5_u32.to_be_bytes());
    seal(&mut bytes, CHECKSUM_AT);
    assert_eq!(parse(&bytes).unwrap().meta_uuid, Uuid::from_bytes([9; 16]));
}

#[test]
fn a_superblock_that_lies_is_refused() {
    let cases: [(usize, &[u8], Fault); 13] = [
        (4, &8192_u32.to_be_bytes(), Fault::Size { name: "a block", size: 8192, log: 12 }),
        (8, &u64::MAX.to_be_bytes(), Fault::Groups { groups: 4, group_blocks: 4096, blocks: u64::MAX }),
        (8, &12_300_u64.to_be_bytes(), Fault::Groups { groups: 4, group_blocks: 4096, blocks: 12_300 }),
        (48, &4090_u64.to_be_bytes(), Fault::Log { start: 4090, last: 5089 }),
        (56, &(1_u64 << 40).to_be_bytes(), Fault::Root(1 << 40)),
        (84, &0_u32.to_be_bytes(), Fault::GroupBlocks { blocks: 0, log: 12 }),
        (84, &8192_u32.to_be_bytes(), Fault::GroupBlocks { blocks: 8192, log: 12 }),
        (88, &0_u32.to_be_bytes(), Fault::Groups { groups: 0, group_blocks: 4096, blocks: 16_384 }),
        (104, &0_u16.to_be_bytes(), Fault::Size { name: "an inode", size: 0, log: 9 }),
        (106, &4_u16.to_be_bytes(), Fault::InodesPerBlock { per_block: 4, log: 3 }),
        (123, &[200], Fault::InodesPerBlock { per_block: 8, log: 200 }),
        (124, &[255], Fault::GroupBlocks { blocks: 4096, log: 255 }),
        (192, &[5], Fault::DirectoryBlock(17)),
    ];
    for (at, field, fault) in cases {
        let mut bytes = good();
        put_bytes(&mut bytes, at, field);
        assert!(matches!(parse(&bytes), Err(Fault::Checksum(_) | Fault::Size { .. })), "{fault}");
        seal(&mut bytes, CHECKSUM_AT);
        assert_eq!(parse(&bytes).unwrap_err(), fault);
    }
    assert_eq!(parse(&good()[..100]).unwrap_err(), Fault::Short(Short { at: 100, have: 100 }));
}

#[test]
fn a_copy_may_be_of_a_filesystem_that_was_not_finished() {
    let mut bytes = good();
    bytes[126] = 1;
    seal(&mut bytes, CHECKSUM_AT);
    assert_eq!(check_finished(&bytes), Err(Fault::InProgress));
    assert!(parse(&bytes).is_ok());
}
