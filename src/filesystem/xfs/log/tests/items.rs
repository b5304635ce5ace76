use super::super::super::{inode, sample};
use super::super::buffer::Buffer;
use super::super::create::Create;
use super::super::fault::Fault;
use super::super::inode::Change;
use super::super::intent::{self, Intents};
use super::super::item;
use super::super::transaction::Item;
use super::format;
use crate::fields::put_bytes;

fn buffer(sector: i64, sectors: u16, map: &[u32], regions: &[usize]) -> Item {
    let mut first = vec![0; 20 + map.len() * 4];
    put_bytes(&mut first, 0, &0x123c_u16.to_le_bytes());
    put_bytes(&mut first, 6, &sectors.to_le_bytes());
    put_bytes(&mut first, 8, &sector.to_le_bytes());
    put_bytes(&mut first, 16, &(map.len() as u32).to_le_bytes());
    for (number, word) in map.iter().enumerate() {
        put_bytes(&mut first, 20 + number * 4, &word.to_le_bytes());
    }
    let regions = regions.iter().map(|len| vec![9; *len]);
    Item::of([first].into_iter().chain(regions).collect())
}

#[test]
fn a_run_of_changed_chunks_may_be_in_several_regions() {
    let item = buffer(8, 16, &[0b1110, 1], &[256, 128, 128]);
    let parts = Buffer::parse(&item).unwrap();
    let parts = parts.parts(&item).unwrap();
    let shown: Vec<_> = parts.iter().map(|(at, bytes)| (*at, bytes.len())).collect();
    assert_eq!(shown, [(128, 256), (384, 128), (4096, 128)]);
}

#[test]
fn buffers_that_lie_are_faults() {
    for (item, fault) in [
        (buffer(8, 8, &[0b11], &[128]), Fault::BufferMap),
        (buffer(8, 8, &[0b1], &[256]), Fault::BufferMap),
        (buffer(8, 8, &[0b101], &[256]), Fault::BufferMap),
        (buffer(8, 8, &[0b1], &[5]), Fault::BufferMap),
        (buffer(8, 1, &[0b10000], &[128]), Fault::BufferMap),
    ] {
        let buffer = Buffer::parse(&item).unwrap();
        assert_eq!(buffer.parts(&item).map(drop), Err(fault));
    }
    let far = buffer(8, 8, &[0; 18], &[]);
    assert_eq!(Buffer::parse(&far), Err(Fault::BufferMap));
    for (sector, sectors) in [(-1, 8), (2, 0), (i64::MAX, 8), (95, 8)] {
        let outside = Buffer::parse(&buffer(sector, sectors, &[], &[])).unwrap();
        assert_eq!(outside.range(100 * 512).map(drop), Err(Fault::Buffer { sector, len: sectors }));
    }
}

/// An item of an inode: where it lies, and its core.
fn change(sector: i64, sectors: i32, offset: i32, core: Vec<u8>) -> Item {
    let mut first = vec![0; 56];
    put_bytes(&mut first, 4, &1_u32.to_le_bytes());
    put_bytes(&mut first, 16, &131_u64.to_le_bytes());
    put_bytes(&mut first, 40, &sector.to_le_bytes());
    put_bytes(&mut first, 48, &sectors.to_le_bytes());
    put_bytes(&mut first, 52, &offset.to_le_bytes());
    Item::of(vec![first, core])
}

#[test]
fn inodes_outside_of_their_buffer_are_faults() {
    for (sector, sectors, offset) in
        [(-1, 8, 0), (8, -1, 0), (8, 1, 512), (8, 8, -256), (8, 8, 100), (99, 8, 0)]
    {
        let change = Change::parse(&change(sector, sectors, offset, vec![])).unwrap();
        let fault = Fault::Inode { sector, len: sectors };
        assert_eq!(change.position(256, 100 * 512), Err(fault), "{sector} {sectors} {offset}");
    }
}

#[test]
fn the_core_of_an_inode_is_turned_round_and_old_changes_are_left() {
    let mut core = vec![0; 96];
    put_bytes(&mut core, 0, &0x494e_u16.to_le_bytes());
    put_bytes(&mut core, 2, &0o100_600_u16.to_le_bytes());
    put_bytes(&mut core, 4, &[2, 2]);
    put_bytes(&mut core, 16, &3_u32.to_le_bytes());
    put_bytes(&mut core, 40, &[&(-5_i32).to_le_bytes()[..], &7_i32.to_le_bytes()].concat());
    put_bytes(&mut core, 56, &77_u64.to_le_bytes());
    let item = change(8, 8, 0, core);
    let there = sample::record(0o100_644, 2, 1, 0, &[]);
    let change = Change::parse(&item).unwrap();
    let made = change.apply(&item, 9, there.clone(), false).unwrap().unwrap();
    let inode = inode::parse(&sample::superblock(4), 131, made, false).unwrap();
    assert_eq!((inode.metadata.mode, inode.links, inode.size_bytes), (0o600, 3, 77));
    let modified = inode.metadata.modified.unwrap();
    assert_eq!((modified.seconds, modified.nanoseconds), (-5, 7));
    let mut newer = there;
    put_bytes(&mut newer, 30, &9_u16.to_be_bytes());
    assert_eq!(change.apply(&item, 9, newer, false), Ok(None));
    let free = vec![0; 256];
    assert!(matches!(change.apply(&item, 9, free, false), Err(Fault::InodeItem { number: 131, .. })));
}

#[test]
fn new_inodes_outside_of_the_filesystem_are_a_fault() {
    let create = |fields: [u32; 6]| {
        let bytes = fields.into_iter().flat_map(u32::to_be_bytes);
        Item::of(vec![[0x3f, 0x12, 1, 0].into_iter().chain(bytes).collect()])
    };
    let superblock = sample::superblock(4);
    let good = Create::parse(&create([1, 8, 64, 256, 16, 5]), &superblock).unwrap();
    assert_eq!((good.position, good.bytes(&superblock).len()), ((16_384 + 8) * 1024, 64 * 256));
    for [group, block, count, size, blocks] in [
        [2, 8, 64, 256, 16],
        [0, 16_380, 64, 256, 16],
        [0, 8, 64, 256, 15],
        [0, 8, 0, 256, 16],
        [0, 8, 64, 512, 32],
    ] {
        let found = Create::parse(&create([group, block, count, size, blocks, 5]), &superblock);
        assert_eq!(found, Err(Fault::Create { count, size, blocks }));
    }
}

#[test]
fn what_was_begun_and_done_is_not_finished_again() {
    let mut intents = Intents::default();
    let mut take = |kind, id| intents.take(kind, &Item::of(vec![format(kind, 1, id)]));
    assert_eq!(take(item::MAP, 1), Ok(true));
    assert_eq!(take(item::MAP, 2), Ok(true));
    assert_eq!(take(item::MAP_DONE, 1), Ok(true));
    assert_eq!(take(item::EXCHANGE_DONE, 2), Ok(true));
    assert_eq!(take(0x1236, 3), Ok(false));
    let mut metadata = sample::metadata(4, &[]);
    // The one that is left says nothing that makes sense.
    assert_eq!(intent::finish(&mut metadata, intents).len(), 1);
}
