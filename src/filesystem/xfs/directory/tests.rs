use super::super::sample::{BLOCK, extent, inode, metadata};
use super::*;
use crate::fields::{put_bytes, put_u8};

const DIRECTORY: u16 = 0o040_755;

/// A block of names of version 4 without kinds of files; what is left is one free space.
fn block(magic: &[u8], entries: &[(u64, &[u8])], index: usize) -> Vec<u8> {
    let mut block = vec![0; BLOCK];
    put_bytes(&mut block, 0, magic);
    let mut at = 16;
    for (number, name) in entries {
        let len = (11 + name.len()).next_multiple_of(8);
        put_bytes(&mut block, at, &number.to_be_bytes());
        put_u8(&mut block, at + 8, name.len() as u8);
        put_bytes(&mut block, at + 9, name);
        put_bytes(&mut block, at + len - 2, &(at as u16).to_be_bytes());
        at += len;
    }
    let end = BLOCK - index;
    put_bytes(&mut block, at, &[0xff, 0xff]);
    put_bytes(&mut block, at + 2, &((end - at) as u16).to_be_bytes());
    put_bytes(&mut block, end - 2, &(at as u16).to_be_bytes());
    block
}

fn names(metadata: &Metadata, inode: &Inode) -> (Vec<(Vec<u8>, u64)>, Vec<String>) {
    let read = read(metadata, inode).unwrap();
    let found = read.value.iter().map(|entry| (entry.name.to_vec(), entry.inode.number)).collect();
    (found, read.faults.iter().map(ToString::to_string).collect())
}

fn in_blocks(blocks: &[(usize, Vec<u8>)], extents: &[[u8; 16]]) -> (Vec<(Vec<u8>, u64)>, Vec<String>) {
    let inode = inode(DIRECTORY, 2, 1024, extents.len() as u32, &extents.concat());
    names(&metadata(4, blocks), &inode)
}

#[test]
fn names_of_all_blocks_are_found_and_the_index_is_not_read() {
    let first = block(b"XD2D", &[(128, b"."), (128, b".."), (131, b"one")], 0);
    let second = block(b"XD2D", &[(132, b"two")], 0);
    let extents = [extent(0, 30, 1), extent(1, 31, 1), extent(1 << 25, 32, 1)];
    let (found, faults) = in_blocks(&[(30, first), (31, second)], &extents);
    assert_eq!(found, [(b"one".to_vec(), 131), (b"two".to_vec(), 132)]);
    assert_eq!(faults, Vec::<String>::new());
}

#[test]
fn a_directory_of_one_block_ends_where_its_index_begins() {
    let mut single = block(b"XD2B", &[(131, b"one")], 24);
    put_bytes(&mut single, BLOCK - 8, &2_u32.to_be_bytes());
    let (found, faults) = in_blocks(&[(30, single)], &[extent(0, 30, 1)]);
    assert_eq!((found.len(), faults.len()), (1, 0));
}

#[test]
fn a_block_that_lies_costs_what_follows_and_says_why() {
    let good = || block(b"XD2D", &[(131, b"one"), (132, b"two")], 0);
    let changed = |at: usize, bytes: &[u8]| {
        let mut block = good();
        put_bytes(&mut block, at, bytes);
        block
    };
    let mut tail = block(b"XD2B", &[(131, b"one")], 24);
    put_bytes(&mut tail, BLOCK - 8, &u32::MAX.to_be_bytes());
    let cases = [
        (changed(0, b"XXXX"), 0, Fault::Magic { block: 0, magic: 0x5858_5858 }),
        (changed(32, &[0xff, 0xff, 0, 0]), 1, Fault::Length { block: 0, at: 32, len: 0 }),
        (changed(32, &[0xff, 0xff, 0xff, 0xf8]), 1, Fault::Length { block: 0, at: 32, len: 0xfff8 }),
        (changed(32, &[0xff, 0xff, 0, 13]), 1, Fault::Length { block: 0, at: 32, len: 13 }),
        (changed(30, &[0, 99]), 1, Fault::Tag { block: 0, at: 16, tag: 99 }),
        (changed(41, b"a/b"), 1, Fault::Name { block: 0, at: 32 }),
        (changed(41, b"a\0b"), 1, Fault::Name { block: 0, at: 32 }),
        (changed(32, &[0x7f]), 1, Fault::Inode { block: 0, at: 32, inode: 0x7f00_0000_0000_0084 }),
        (tail, 0, Fault::Tail { block: 0, entries: u32::MAX }),
    ];
    for (block, kept, fault) in cases {
        let (found, faults) = in_blocks(&[(30, block)], &[extent(0, 30, 1)]);
        assert_eq!((found.len(), faults), (kept, vec![fault.to_string()]));
    }
}

#[test]
fn a_block_that_comes_twice_can_not_make_names_without_end() {
    // One extent of the largest length over a device that ends before it: each block is read once,
    // and the end is an error.
    let inode = inode(DIRECTORY, 2, 1024, 1, &extent(0, 30, 15_000));
    assert!(read(&metadata(4, &[]), &inode).is_err());
}

#[test]
fn names_in_the_inode_have_numbers_of_four_or_eight_bytes() {
    let narrow = [&[1, 0][..], &[0, 0, 0, 128], &[3, 0, 0], b"one", &[0, 0, 0, 131]].concat();
    let wide = [&[1, 1][..], &[0, 0, 0, 0, 0, 0, 0, 128], &[3, 0, 0], b"one", &[0, 0, 0, 0, 0, 0, 0, 131]];
    for fork in [narrow, wide.concat()] {
        let inode = inode(DIRECTORY, 1, fork.len() as u64, 0, &fork);
        let (found, faults) = names(&metadata(4, &[]), &inode);
        assert_eq!((found, faults.len()), (vec![(b"one".to_vec(), 131)], 0));
    }
}

#[test]
fn a_count_that_lies_ends_with_the_directory() {
    let fork = [&[200, 0][..], &[0, 0, 0, 128], &[3, 0, 0], b"one", &[0, 0, 0, 131]].concat();
    let inode = inode(DIRECTORY, 1, fork.len() as u64, 0, &fork);
    let (found, faults) = names(&metadata(4, &[]), &inode);
    let short = Fault::Short(Short { at: fork.len(), have: fork.len() });
    assert_eq!((found.len(), faults), (1, vec![short.to_string()]));
}
