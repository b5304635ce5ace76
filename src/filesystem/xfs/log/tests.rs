mod items;

use std::sync::Arc;

use super::super::sample::{self, UUID};
use super::head::{self, Active};
use super::place::{BLOCK_LEN, Log};
use super::record;
use super::transaction::{self, Transaction};
use super::*;
use crate::fields::{Short, put_bytes};

/// Blocks of the log, of 512 bytes.
const BLOCKS: usize = 2048;
const START: u8 = 1;
const COMMIT: u8 = 2;
const CONTINUE: u8 = 4;
const WAS_CONTINUED: u8 = 8;
const END: u8 = 16;
const UNMOUNT: u8 = 32;

/// An operation: transaction, flags, bytes.
type Operation = (u32, u8, Vec<u8>);

/// A log under construction: records one after the other, in a ring.
struct Ring {
    bytes: Vec<u8>,
    version: u16,
    at: usize,
    cycle: u32,
}

impl Ring {
    /// A ring whose blocks are all of the cycle before this one.
    fn new(version: u16, cycle: u32, at: usize) -> Self {
        let mut bytes = vec![0; BLOCKS * BLOCK_LEN];
        for (number, block) in bytes.chunks_mut(BLOCK_LEN).enumerate() {
            let cycle = if number < at { cycle } else { cycle - 1 };
            block[..4].copy_from_slice(&cycle.to_be_bytes());
        }
        Self { bytes, version, at, cycle }
    }

    /// Adds a record; gives its block.
    fn record(&mut self, tail: usize, operations: &[Operation]) -> usize {
        let mut body = Vec::new();
        for (tid, flags, data) in operations {
            body.extend(tid.to_be_bytes());
            body.extend((data.len() as u32).to_be_bytes());
            body.extend([0x69, *flags, 0, 0]);
            body.extend(data);
        }
        body.resize(body.len().next_multiple_of(BLOCK_LEN), 0);
        let mut head = vec![0; BLOCK_LEN];
        let fields: [(usize, &[u8]); 11] = [
            (0, &0xfeed_babe_u32.to_be_bytes()),
            (4, &self.cycle.to_be_bytes()),
            (8, &2_u32.to_be_bytes()),
            (12, &(body.len() as u32).to_be_bytes()),
            (16, &self.cycle.to_be_bytes()),
            (20, &(self.at as u32).to_be_bytes()),
            (28, &(tail as u32).to_be_bytes()),
            (40, &(operations.len() as u32).to_be_bytes()),
            (300, &1_u32.to_be_bytes()),
            (304, UUID.as_bytes()),
            (320, &32_768_u32.to_be_bytes()),
        ];
        for (at, field) in fields {
            put_bytes(&mut head, at, field);
        }
        for (number, block) in body.chunks_mut(BLOCK_LEN).enumerate() {
            put_bytes(&mut head, 44 + number * 4, &block[..4]);
            let cycle = self.cycle + u32::from(self.at + 1 + number >= BLOCKS);
            block[..4].copy_from_slice(&cycle.to_be_bytes());
        }
        if self.version == 5 {
            let crc = crc32c::crc32c_append(crc32c::crc32c(&head[..328]), &body);
            put_bytes(&mut head, 32, &crc.to_le_bytes());
        }
        let block = self.at;
        for piece in head.chunks(BLOCK_LEN).chain(body.chunks(BLOCK_LEN)) {
            self.bytes[self.at * BLOCK_LEN..][..BLOCK_LEN].copy_from_slice(piece);
            self.at += 1;
            if self.at == BLOCKS {
                (self.at, self.cycle) = (0, self.cycle + 1);
            }
        }
        block
    }

    fn log(&self) -> Log {
        let mut superblock = sample::superblock(self.version);
        superblock.log_start = 0;
        let journal: Device = Arc::new(self.bytes.clone());
        Log::new(&journal, &superblock, Some(&journal)).unwrap()
    }
}

/// A whole transaction: its header, and an item of each of these.
fn whole(tid: u32, items: &[&[&[u8]]]) -> Vec<Operation> {
    let header = [&0x5452_414e_u32.to_le_bytes()[..], &[0; 12]].concat();
    let mut operations = vec![(tid, START, vec![]), (tid, 0, header)];
    operations.extend(items.iter().flat_map(|item| item.iter()).map(|region| (tid, 0, region.to_vec())));
    operations.push((tid, COMMIT, vec![]));
    operations
}

/// The first region of an item: its type, the number of its regions, and an id.
fn format(kind: u16, regions: u16, id: u64) -> Vec<u8> {
    [&kind.to_le_bytes()[..], &regions.to_le_bytes(), &[0; 4], &id.to_le_bytes()].concat()
}

fn transactions(log: &Log, active: Active) -> (Vec<Transaction>, Option<Fault>) {
    let mut found = Vec::new();
    let fault = transaction::each(log, active, &mut |transaction| {
        found.push(transaction);
        Ok(Ok(()))
    });
    (found, fault.unwrap())
}

fn active(ring: &Ring) -> Option<Active> {
    head::find(&ring.log()).unwrap()
}

#[test]
fn what_lies_between_tail_and_head_is_active_also_around_the_end_of_the_ring() {
    for start in [10, BLOCKS - 3] {
        let mut ring = Ring::new(5, 7, start);
        ring.record(start, &whole(1, &[&[&format(0x1236, 1, 1)]]));
        ring.record(start, &whole(2, &[&[&format(0x1236, 1, 2)]]));
        let found = active(&ring).unwrap();
        assert_eq!((found.tail, found.head), (start as u64, ring.at as u64));
        let (all, fault) = transactions(&ring.log(), found);
        assert_eq!((all.len(), fault), (2, None));
        assert_eq!(all[0].lsn >> 32, 7);
    }
}

#[test]
fn nothing_is_active_in_a_new_log_or_after_an_unmount() {
    let mut ring = Ring::new(5, 7, 10);
    ring.record(10, &whole(1, &[]));
    ring.record(10, &[(9, UNMOUNT, vec![0; 8])]);
    assert_eq!(active(&ring), None);
    ring.bytes.fill(0);
    assert_eq!(active(&ring), None);
}

#[test]
fn a_record_that_was_not_whole_is_dropped() {
    let mut ring = Ring::new(5, 7, 10);
    let first = ring.record(10, &whole(1, &[&[&format(0x1236, 1, 1)]]));
    let last = ring.record(10, &whole(2, &[&[&format(0x1236, 1, 2)]]));
    ring.bytes[(last + 1) * BLOCK_LEN + 30] ^= 1;
    assert_eq!(active(&ring), Some(Active { tail: first as u64, head: last as u64, lost: None }));
    // Of one that ends elsewhere, only a part was written.
    let mut ring = Ring::new(5, 7, 10);
    ring.record(10, &whole(1, &[&[&format(0x1236, 1, 1)]]));
    let last = ring.record(10, &whole(2, &[&[&format(0x1236, 1, 2), &[0; 1000]]]));
    let cut = (last + 2) * BLOCK_LEN;
    ring.bytes[cut..cut + 4].copy_from_slice(&6_u32.to_be_bytes());
    assert_eq!(active(&ring).map(|active| active.head), Some(last as u64));
}

#[test]
fn a_damaged_record_in_the_middle_ends_the_replay_before_it() {
    let mut ring = Ring::new(5, 7, 10);
    for tid in 0..20 {
        ring.record(10, &whole(tid, &[&[&format(0x1236, 1, 1)]]));
    }
    ring.bytes[13 * BLOCK_LEN + 30] ^= 1;
    let found = active(&ring).unwrap();
    let (all, fault) = transactions(&ring.log(), found);
    assert_eq!(all.len(), 1);
    assert!(matches!(fault, Some(Fault::Checksum { block: 12, .. })), "{fault:?}");
}

#[test]
fn a_region_that_a_records_end_has_cut_is_put_together() {
    let mut ring = Ring::new(5, 7, 10);
    let header = [&0x5452_414e_u32.to_le_bytes()[..], &[0; 12]].concat();
    ring.record(10, &[(1, START, vec![]), (1, CONTINUE, header[..6].to_vec())]);
    ring.record(10, &[(1, WAS_CONTINUED | END, header[6..].to_vec()), (1, CONTINUE, format(0x1236, 2, 1))]);
    let more = [(1, WAS_CONTINUED | END, vec![7; 4]), (1, 0, vec![8; 12]), (1, COMMIT, vec![])];
    ring.record(10, &more);
    let (all, fault) = transactions(&ring.log(), active(&ring).unwrap());
    assert_eq!((all.len(), fault), (1, None));
    let regions = &all[0].items[0].regions;
    assert_eq!((regions.len(), regions[0].len(), regions[1].len()), (2, 20, 12));
}

#[test]
fn a_transaction_without_its_end_does_not_count() {
    let mut ring = Ring::new(5, 7, 10);
    let mut operations = whole(1, &[&[&format(0x1236, 1, 1)]]);
    operations.pop();
    ring.record(10, &operations);
    let (all, fault) = transactions(&ring.log(), active(&ring).unwrap());
    assert_eq!((all.len(), fault), (0, None));
}

#[test]
fn operations_that_can_not_be_are_faults() {
    let header = || [&0x5452_414e_u32.to_le_bytes()[..], &[0; 12]].concat();
    let begun = |more: Vec<Operation>| [vec![(1, START, vec![]), (1, 0, header())], more].concat();
    let cases: [(Vec<Operation>, Fault); 6] = [
        (begun(vec![(1, 0x40, vec![])]), Fault::Flags(0x40)),
        (begun(vec![(1, 0, vec![0x36, 0x12, 0, 0])]), Fault::Regions(0)),
        (begun(vec![(1, 0, vec![0x36, 0x12, 0, 9])]), Fault::Regions(0x900)),
        (begun(vec![(1, 0, vec![1])]), Fault::Short(Short { at: 2, have: 1 })),
        (begun(vec![(1, WAS_CONTINUED, vec![1])]), Fault::Continuation),
        (
            vec![(1, START, vec![]), (1, 0, vec![9; 16])],
            Fault::TransactionHeader { len: 16, magic: 0x0909_0909 },
        ),
    ];
    for (operations, fault) in cases {
        let mut ring = Ring::new(4, 7, 10);
        ring.record(10, &operations);
        let (_, found) = transactions(&ring.log(), active(&ring).unwrap());
        assert_eq!(found, Some(fault));
    }
}

#[test]
fn headers_that_lie_are_faults() {
    let cases: [(usize, &[u8], Fault); 8] = [
        (0, b"X", Fault::Magic { block: 10, magic: 0x58ed_babe }),
        (8, &8_u32.to_be_bytes(), Fault::Version { block: 10, version: 8 }),
        (12, &0_u32.to_be_bytes(), Fault::Length { block: 10, len: 0, size: 32_768 }),
        (12, &u32::MAX.to_be_bytes(), Fault::Length { block: 10, len: u32::MAX, size: 32_768 }),
        (320, &u32::MAX.to_be_bytes(), Fault::Length { block: 10, len: 512, size: u32::MAX }),
        (20, &9_u32.to_be_bytes(), Fault::Place { block: 10, said: 9 }),
        (28, &99_999_u32.to_be_bytes(), Fault::Tail(99_999)),
        (300, &2_u32.to_be_bytes(), Fault::ByteOrder(2)),
    ];
    for (at, field, fault) in cases {
        let mut ring = Ring::new(4, 7, 10);
        ring.record(10, &whole(1, &[]));
        put_bytes(&mut ring.bytes, 10 * BLOCK_LEN + at, field);
        assert_eq!(record::read(&ring.log(), 10).unwrap().unwrap_err(), fault);
    }
}

#[test]
fn a_client_or_length_that_lies_is_a_fault() {
    for (at, byte, fault) in
        [(8, 9, Fault::Client(9)), (4, 0xff, Fault::Operation { block: 10, len: 0xff00_0000 })]
    {
        let mut ring = Ring::new(4, 7, 10);
        ring.record(10, &whole(1, &[]));
        ring.bytes[11 * BLOCK_LEN + at] = byte;
        let (_, found) = transactions(&ring.log(), active(&ring).unwrap());
        assert_eq!(found, Some(fault));
    }
}

#[test]
fn a_tail_that_leads_around_the_ring_ends() {
    // The tail lies behind the head, and all of the ring is active: records of the cycle before are
    // none of it.
    let mut ring = Ring::new(4, 7, 10);
    let next = ring.at + 2;
    ring.record(next, &whole(1, &[]));
    assert_eq!(active(&ring), None);
    ring.record(500, &whole(2, &[]));
    let found = active(&ring).unwrap();
    assert_eq!((found.tail, found.lost), (500, None));
    let (all, fault) = transactions(&ring.log(), found);
    assert_eq!(all.len(), 0);
    assert!(matches!(fault, Some(Fault::Magic { block: 500, .. })), "{fault:?}");
}

#[test]
fn a_tail_that_is_no_record_is_that_of_the_next_one_and_is_told_where_nothing_explains_it() {
    let mut ring = Ring::new(5, 7, 10);
    ring.record(10, &whole(1, &[]));
    let second = ring.record(10, &whole(2, &[]));
    for tid in 3..20 {
        ring.record(10, &whole(tid, &[]));
    }
    ring.bytes[11 * BLOCK_LEN + 30] ^= 1;
    let found = active(&ring).unwrap();
    assert_eq!((found.tail, found.lost), (second as u64, Some(10)));
}
