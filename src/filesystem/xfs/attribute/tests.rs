use super::super::sample::{BLOCK, extent, metadata, with_attributes};
use super::*;
use crate::fields::{put_bytes, put_u8};

/// Flags, name, and a value or the block and length of one.
type Entry<'a> = (u8, &'a [u8], Result<&'a [u8], (u32, u32)>);

/// A leaf of version 4.
fn leaf(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut block = vec![0; BLOCK];
    put_bytes(&mut block, 8, &0xfbee_u16.to_be_bytes());
    put_bytes(&mut block, 12, &(entries.len() as u16).to_be_bytes());
    let mut at = 512;
    for (number, (flags, name, value)) in entries.iter().enumerate() {
        let body = match value {
            Ok(value) => [&(value.len() as u16).to_be_bytes()[..], &[name.len() as u8], name, value].concat(),
            Err((block, len)) => {
                [&block.to_be_bytes()[..], &len.to_be_bytes(), &[name.len() as u8], name].concat()
            }
        };
        let entry = 32 + number * 8;
        put_bytes(&mut block, entry + 4, &(at as u16).to_be_bytes());
        put_u8(&mut block, entry + 6, flags | u8::from(value.is_ok()));
        put_bytes(&mut block, at, &body);
        at += body.len();
    }
    block
}

fn node(level: u16, below: &[u32]) -> Vec<u8> {
    let mut block = vec![0; BLOCK];
    put_bytes(&mut block, 8, &0xfebe_u16.to_be_bytes());
    put_bytes(&mut block, 12, &(below.len() as u16).to_be_bytes());
    put_bytes(&mut block, 14, &level.to_be_bytes());
    for (number, before) in below.iter().enumerate() {
        put_bytes(&mut block, 16 + number * 8 + 4, &before.to_be_bytes());
    }
    block
}

fn found(blocks: &[(usize, Vec<u8>)]) -> (Vec<(String, usize)>, Vec<String>) {
    let inode = with_attributes(2, 1, &extent(0, 30, 8));
    shown(list(&metadata(4, blocks), &inode).unwrap())
}

fn shown(found: Salvaged<Vec<Attribute>>) -> (Vec<(String, usize)>, Vec<String>) {
    let text = |attribute: Attribute| (String::from_utf8(attribute.name).unwrap(), attribute.value.len());
    let faults = found.faults.iter().map(ToString::to_string).collect();
    (found.value.into_iter().map(text).collect(), faults)
}

#[test]
fn names_get_their_namespace_and_what_nobody_sees_is_left_out() {
    let entries: [Entry<'_>; 6] = [
        (0, b"a", Ok(b"1")),
        (2, b"b", Ok(b"22")),
        (4, b"c", Err((5, 2000))),
        (8, b"a parent", Ok(b"")),
        (0x80, b"not whole", Ok(b"")),
        (2, b"SGI_ACL_FILE", Ok(&[0, 0, 0, 0])),
    ];
    let (names, faults) = found(&[(30, leaf(&entries))]);
    let expected = [
        ("security.c", 2000),
        ("system.posix_acl_access", 4),
        ("trusted.SGI_ACL_FILE", 4),
        ("trusted.b", 2),
        ("user.a", 1),
    ];
    assert_eq!(names, expected.map(|(name, len)| (name.to_owned(), len)));
    assert_eq!(faults, Vec::<String>::new());
}

#[test]
fn a_tree_gives_the_attributes_of_all_its_leaves() {
    let blocks =
        [(30, node(1, &[1, 2])), (31, leaf(&[(0, b"a", Ok(b"1"))])), (32, leaf(&[(0, b"b", Ok(b"2"))]))];
    assert_eq!(found(&blocks).0.len(), 2);
}

#[test]
fn what_lies_costs_itself() {
    let good = || (31, leaf(&[(0, b"good", Ok(b"1"))]));
    let mut many = leaf(&[]);
    put_bytes(&mut many, 12, &5000_u16.to_be_bytes());
    let mut outside = leaf(&[(0, b"a", Ok(b"1"))]);
    put_bytes(&mut outside, 36, &1020_u16.to_be_bytes());
    put_bytes(&mut outside, 1020, &[0xff, 0xff, 1, b'a']);
    let mut magic = leaf(&[]);
    magic[8] = 0;
    let cases = [
        (node(1, &[2, 1]), many, Fault::TooMany { block: 2, entries: 5000 }),
        (node(1, &[2, 1]), outside, Fault::Entry { block: 2, at: 1020, len: 65_536 }),
        (node(1, &[2, 1]), magic, Fault::Magic { block: 2, magic: 0xee }),
        (node(1, &[2, 1]), node(1, &[]), Fault::Level { block: 2, found: 1, expected: 0 }),
        (node(1, &[0, 1]), leaf(&[]), Fault::Twice(0)),
        (node(1, &[99, 1]), leaf(&[]), Fault::Hole(99)),
        (node(1, &[2, 1]), leaf(&[(0, b"", Ok(b"1"))]), Fault::Name),
        (node(1, &[2, 1]), leaf(&[(0, b"a", Err((5, 70_000)))]), Fault::ValueSize(70_000)),
        (node(1, &[2, 1]), leaf(&[(0, b"a", Err((99, 10)))]), Fault::ValueHole(99)),
        (node(1, &[2, 1]), leaf(&[(0, b"good", Ok(b"2"))]), Fault::Repeated(1)),
    ];
    for (root, bad, fault) in cases {
        let (names, faults) = found(&[(30, root), good(), (32, bad)]);
        assert_eq!(names, [("user.good".to_owned(), 1)], "{fault}");
        assert_eq!(faults, [fault.to_string()]);
    }
}

#[test]
fn attributes_in_the_inode_end_with_their_space() {
    let entries = [&[1, 2, 0][..], b"a22", &[1, 1, 2], b"b1"].concat();
    let fork = [&[0, 4 + entries.len() as u8, 2, 0][..], &entries].concat();
    let read = |fork: &[u8]| shown(list(&metadata(4, &[]), &with_attributes(1, 0, fork)).unwrap());
    let (names, faults) = read(&fork);
    assert_eq!(names, [("trusted.b".to_owned(), 1), ("user.a".to_owned(), 2)]);
    assert_eq!(faults, Vec::<String>::new());
    let mut lies = fork;
    lies[2] = 200;
    let (names, faults) = read(&lies);
    assert_eq!((names.len(), faults), (2, vec![Fault::Short(Short { at: 15, have: 15 }).to_string()]));
}
