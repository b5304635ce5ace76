use super::super::sample::{BLOCK, extent, inode, metadata, says};
use super::*;
use crate::fields::put_bytes;

/// A block of a tree: level, then keys and pointers, or extents.
fn node(level: u16, pointers: &[u64]) -> Vec<u8> {
    let mut block = vec![0; BLOCK];
    put_bytes(&mut block, 0, b"BMAP");
    put_bytes(&mut block, 4, &level.to_be_bytes());
    put_bytes(&mut block, 6, &(pointers.len() as u16).to_be_bytes());
    let first = 24 + (BLOCK - 24) / 16 * 8;
    for (number, pointer) in pointers.iter().enumerate() {
        put_bytes(&mut block, first + number * 8, &pointer.to_be_bytes());
    }
    block
}

fn leaf(extents: &[[u8; 16]]) -> Vec<u8> {
    let mut block = node(0, &[]);
    put_bytes(&mut block, 6, &(extents.len() as u16).to_be_bytes());
    put_bytes(&mut block, 24, &extents.concat());
    block
}

/// The fork of an inode whose root points to these blocks.
fn root(level: u16, pointers: &[u64]) -> Vec<u8> {
    let mut fork = vec![0; 156];
    put_bytes(&mut fork, 0, &level.to_be_bytes());
    put_bytes(&mut fork, 2, &(pointers.len() as u16).to_be_bytes());
    let first = 4 + (156 - 4) / 16 * 8;
    for (number, pointer) in pointers.iter().enumerate() {
        put_bytes(&mut fork, first + number * 8, &pointer.to_be_bytes());
    }
    fork
}

fn read(root: &[u8], blocks: &[(usize, Vec<u8>)]) -> crate::error::Result<Vec<Run>> {
    metadata(4, blocks).data_runs(&inode(0o100_644, 3, 9000, 0, root))
}

#[test]
fn a_tree_of_two_levels_gives_all_extents_in_order() {
    let blocks = [
        (10, node(1, &[11, 12])),
        (11, leaf(&[extent(0, 30, 1), extent(5, 31, 2)])),
        (12, leaf(&[extent(9, 40, 1)])),
    ];
    let runs = read(&root(2, &[10]), &blocks).unwrap();
    let found: Vec<_> = runs.iter().map(|run| (run.logical, run.physical, run.len)).collect();
    assert_eq!(found, [(0, 30, 1), (5, 31, 2), (9, 40, 1)]);
}

#[test]
fn a_tree_that_can_not_be_is_refused() {
    let mut magic = leaf(&[]);
    magic[0] = b'X';
    let mut records = leaf(&[]);
    put_bytes(&mut records, 6, &9999_u16.to_be_bytes());
    let cases = [
        (root(0, &[10]), leaf(&[]), Fault::TooDeep(0)),
        (root(200, &[10]), leaf(&[]), Fault::TooDeep(200)),
        (root(1, &[1 << 40]), leaf(&[]), Fault::Outside(1 << 40)),
        (root(1, &[10]), magic, Fault::Magic { block: 10, magic: 0x584d_4150 }),
        (root(1, &[10]), node(1, &[]), Fault::Level { block: 10, found: 1, expected: 0 }),
        (root(1, &[10]), records, Fault::TooManyRecords { records: 9999, most: 62 }),
        (root(1, &[10, 10]), leaf(&[]), Fault::Twice(10)),
        (root(2, &[10]), node(1, &[10]), Fault::Twice(10)),
        (root(1, &[10]), leaf(&[extent(0, 30, 0)]), Fault::Extent(extent::Fault::Empty(0))),
    ];
    for (root, block, fault) in cases {
        assert_eq!(says(read(&root, &[(10, block)])), fault.to_string());
    }
    let many = [1_u16.to_be_bytes(), 9999_u16.to_be_bytes()].concat();
    assert_eq!(says(read(&many, &[])), Fault::TooManyRecords { records: 9999, most: 9 }.to_string());
}

#[test]
fn more_extents_than_fit_in_the_inode_are_refused() {
    let inode = inode(0o100_644, 2, 9000, 1000, &extent(0, 30, 1));
    let said = says(metadata(4, &[]).data_runs(&inode));
    assert_eq!(said, Fault::Inline { extents: 1000, space: 156 }.to_string());
}

#[test]
fn what_lies_behind_the_end_of_a_file_is_not_read() {
    let metadata = metadata(4, &[]);
    let inode = inode(0o100_644, 2, 1500, 2, &[extent(0, 30, 9), extent(20, 50, 1)].concat());
    let extents = metadata.extents(&metadata.data_runs(&inode).unwrap(), inode.size_bytes);
    let expected = crate::filesystem::Extent::raw(0, 30 * 1024, 1500);
    assert_eq!(extents, [expected]);
}
