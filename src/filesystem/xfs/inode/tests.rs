use super::super::sample::{record, seal, superblock};
use super::*;
use crate::fields::{put_bytes, put_u8};

fn v3() -> Vec<u8> {
    let mut bytes = record(0o100_644, 2, 5000, 3, &[]);
    bytes.resize(512, 0);
    let fields: [(usize, &[u8]); 6] = [
        (4, &[3]),
        (32, &(1_u64 << 61).to_be_bytes()),
        (90, &0x2d9_u16.to_be_bytes()),
        (120, &(BIG_TIME | DAX).to_be_bytes()),
        (152, &131_u64.to_be_bytes()),
        (160, &[7; 16]),
    ];
    for (at, field) in fields {
        put_bytes(&mut bytes, at, field);
    }
    seal(&mut bytes, CHECKSUM_AT);
    bytes
}

#[test]
fn an_inode_says_what_it_is() {
    let inode = parse(&superblock(5), 131, v3(), false).unwrap();
    assert_eq!((inode.metadata.mode, inode.size_bytes, inode.links, inode.fault), (0o644, 5000, 1, None));
    // 2^61 nanoseconds after 1901-12-13.
    assert_eq!(inode.metadata.accessed, Some(Timestamp { seconds: 158_359_361, nanoseconds: 213_693_952 }));
    assert_eq!(inode.metadata.changed, Some(Timestamp { seconds: -(1 << 31), nanoseconds: 0 }));
    assert_eq!(inode.metadata.flags, Flags(0x2200_00f0));
}

#[test]
fn times_of_32_bits_may_be_before_1970() {
    let mut bytes = record(0o100_644, 2, 0, 0, &[]);
    put_bytes(&mut bytes, 40, &(-2_i32).to_be_bytes());
    put_bytes(&mut bytes, 44, &500_u32.to_be_bytes());
    let inode = parse(&superblock(4), 131, bytes, false).unwrap();
    let modified = Some(Timestamp { seconds: -2, nanoseconds: 500 });
    assert_eq!((inode.metadata.modified, inode.metadata.created), (modified, None));
}

#[test]
fn the_oldest_inodes_keep_their_links_elsewhere() {
    let mut bytes = record(0o020_600, 0, 0, 0, &(5_u32 << 18 | 1).to_be_bytes());
    put_u8(&mut bytes, 4, 1);
    put_bytes(&mut bytes, 6, &3_u16.to_be_bytes());
    let inode = parse(&superblock(4), 131, bytes, false).unwrap();
    assert_eq!((inode.links, inode.kind), (3, FileKind::CharacterDevice { major: 5, minor: 1 }));
}

#[test]
fn an_inode_that_lies_is_refused() {
    let cases: [(usize, &[u8], Fault); 9] = [
        (0, b"X", Fault::Magic(0x584e)),
        (2, &[0, 0], Fault::NotInUse),
        (2, &[0x30, 0], Fault::Kind(0x3000)),
        (4, &[2], Fault::Version(2)),
        (16, &[0, 0, 0, 0], Fault::NotInUse),
        (56, &[0x80], Fault::Size(1 << 63 | 5000)),
        (82, &[43], Fault::ForkOffset(344)),
        (127, &[0x29], Fault::Metadata),
        (159, &[9], Fault::Number(9)),
    ];
    for (at, field, fault) in cases {
        let mut bytes = v3();
        put_bytes(&mut bytes, at, field);
        seal(&mut bytes, CHECKSUM_AT);
        assert_eq!(parse(&superblock(5), 131, bytes, false).unwrap_err(), fault);
    }
    let short = v3()[..90].to_vec();
    assert!(matches!(parse(&superblock(5), 131, short, false), Err(Fault::Short(_))));
    let mut other = v3();
    put_u8(&mut other, 160, 1);
    seal(&mut other, CHECKSUM_AT);
    assert!(matches!(parse(&superblock(5), 131, other, false), Err(Fault::Uuid(_))));
}

#[test]
fn a_wrong_checksum_is_a_fault_of_an_inode_that_can_be_used_unless_the_log_changed_it() {
    let mut bytes = v3();
    bytes[300] = 1;
    let fault = parse(&superblock(5), 131, bytes.clone(), false).unwrap().fault;
    assert!(fault.is_some_and(|fault| fault.starts_with("the inode's checksum is ")));
    assert_eq!(parse(&superblock(5), 131, bytes, true).unwrap().fault, None);
}

#[test]
fn counts_of_extents_are_where_the_inodes_own_flag_says() {
    let mut bytes = v3();
    put_bytes(&mut bytes, 24, &9_u64.to_be_bytes());
    assert_eq!(Private(&bytes).data().unwrap().extents, 3);
    put_bytes(&mut bytes, 120, &LARGE_COUNTS.to_be_bytes());
    assert_eq!(Private(&bytes).data().unwrap().extents, 9);
}
