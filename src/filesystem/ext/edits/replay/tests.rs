use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::filesystem::Listing;

const FILE: u16 = 0x8000;
const LINK: u16 = 0xA000;
const RECORD_BYTES: usize = 256;

/// A filesystem in memory: inodes 2 (the root, a directory) and 11 to 40.
#[derive(Default)]
struct Memory {
    records: BTreeMap<u64, Vec<u8>>,
    runs: BTreeMap<u64, Vec<Run>>,
    names: Vec<(&'static [u8], u64)>,
    unreadable: Option<u64>,
    damaged: Option<u64>,
}

impl Base for Memory {
    fn is_ordinary(&self, inode: u64) -> bool {
        inode == 2 || (11..=40).contains(&inode)
    }

    fn record(&self, inode: u64) -> Result<Vec<u8>> {
        if self.unreadable == Some(inode) {
            return Err(Error::new(Kind::Read, "the device fails"));
        }
        Ok(self.records.get(&inode).cloned().unwrap_or_else(|| vec![0; RECORD_BYTES]))
    }

    fn runs(&self, inode: u64, _: &[u8]) -> Result<Vec<Run>> {
        if self.damaged == Some(inode) {
            return Err(Error::corrupt("a bad extent tree"));
        }
        Ok(self.runs.get(&inode).cloned().unwrap_or_default())
    }

    fn names(&self, directory: u64, _: &[u8], each: &mut dyn FnMut(&[u8], u64)) -> Result<()> {
        let names = self.names.iter().filter(|_| directory == 2);
        names.for_each(|(name, inode)| each(name, *inode));
        Ok(())
    }

    /// Stands for the checksum: the last byte says that the record was sealed.
    fn seal(&self, _: u64, record: &mut [u8]) {
        record[RECORD_BYTES - 1] = 1;
    }

    fn len_bytes(&self) -> u64 {
        1 << 20
    }
}

fn record(mode: u16, links: u16, flags: u32, fill: u8) -> Vec<u8> {
    let mut record = vec![fill; RECORD_BYTES - 1];
    record.push(0);
    record[MODE..MODE + 2].copy_from_slice(&mode.to_le_bytes());
    record[0x04..0x08].copy_from_slice(&4096_u32.to_le_bytes());
    record[LINKS..LINKS + 2].copy_from_slice(&links.to_le_bytes());
    record[FLAGS..FLAGS + 4].copy_from_slice(&flags.to_le_bytes());
    record
}

/// The root holds `old`, a file with two runs; inode 13 is not in use.
fn memory() -> Memory {
    let mut memory = Memory { names: vec![(b"old", 12), (b"other", 14)], ..Memory::default() };
    memory.records.insert(2, record(DIRECTORY, 3, EXTENTS, 0));
    memory.records.insert(12, record(FILE, 1, EXTENTS, 0x11));
    memory.records.insert(14, record(FILE, 1, EXTENTS, 0x14));
    memory.runs.insert(12, vec![run(0, 100, 4), run(8, 200, 4)]);
    memory
}

fn run(logical: u64, physical: u64, len: u64) -> Run {
    Run { logical, physical, len }
}

fn name(parent: u32, inode: u32, name: &[u8]) -> Name {
    Name { parent, inode, name: name.to_vec() }
}

fn new_file(number: u32) -> FastCommit {
    FastCommit::Inode { number, record: record(FILE, 1, EXTENTS, 0x33) }
}

fn add(inode: u32, block: u32, len_blocks: u32, device_block: u64, is_unwritten: bool) -> FastCommit {
    FastCommit::AddRange { inode, block, len_blocks, device_block, is_unwritten }
}

fn edits(memory: &Memory, commits: &[FastCommit]) -> Edits {
    let (edits, stopped) = replay(memory, commits).unwrap();
    assert!(stopped.is_none(), "{stopped:?}");
    edits
}

fn root(memory: &Memory, edits: &Edits) -> Vec<(Vec<u8>, u64)> {
    let mut listing = Listing::default();
    memory.names.iter().for_each(|(name, inode)| listing.push(name, *inode));
    let mut amended = edits.amend(2, listing);
    amended.sort_by_inode();
    amended.iter().map(|entry| (entry.name.to_vec(), entry.inode.number)).collect()
}

fn links_of(edits: &Edits, inode: u64) -> u16 {
    links(edits.record(inode).unwrap())
}

#[test]
fn a_record_is_taken_over_without_its_map_and_sealed() {
    let memory = memory();
    let mut new = record(FILE, 1, EXTENTS, 0x33);
    new.truncate(160);
    let edits = edits(&memory, &[FastCommit::Inode { number: 12, record: new }]);
    let found = edits.record(12).unwrap();
    assert_eq!(found[GENERATION], 0x33);
    assert_eq!(found[I_BLOCK..I_BLOCK + 12], NO_EXTENTS, "the map was none");
    assert_eq!(found[I_BLOCK + 12], 0x11);
    assert_eq!((found[160], found[RECORD_BYTES - 1]), (0x11, 1));
    assert!(edits.runs(12).is_none());
}

#[test]
fn a_record_without_extents_brings_its_target_or_data_along() {
    let link = FastCommit::Inode { number: 13, record: record(LINK, 1, 0, 0x33) };
    let edits = edits(&memory(), &[link]);
    assert_eq!(edits.record(13).unwrap()[I_BLOCK..GENERATION], [0x33; 60]);
}

#[test]
fn ranges_change_the_map_of_a_file() {
    let commits = [
        add(12, 2, 3, 300, false),
        add(12, 9, 1, 400, true),
        FastCommit::DelRange { inode: 12, block: 11, len_blocks: 5 },
    ];
    let found: Vec<_> = edits(&memory(), &commits).runs(12).unwrap().collect();
    assert_eq!(found, [run(0, 100, 2), run(2, 300, 3), run(8, 200, 1), run(10, 202, 1)]);
}

#[test]
fn changes_of_an_inode_that_is_not_in_use_are_passed_over() {
    let commits = [
        add(13, 0, 1, 300, false),
        FastCommit::Link(name(2, 13, b"no")),
        FastCommit::Unlink(name(2, 13, b"old")),
        FastCommit::Link(name(13, 12, b"no")),
        FastCommit::Link(name(14, 12, b"in a file")),
    ];
    let (memory, edits) = (memory(), edits(&memory(), &commits));
    assert_eq!(root(&memory, &edits), [(b"old".to_vec(), 12), (b"other".to_vec(), 14)]);
    assert!(edits.record(12).is_none() && edits.record(13).is_none() && edits.runs(13).is_none());
}

#[test]
fn a_renamed_file_keeps_its_links() {
    let commits = [FastCommit::Link(name(2, 12, b"new")), FastCommit::Unlink(name(2, 12, b"old"))];
    let (memory, edits) = (memory(), edits(&memory(), &commits));
    assert_eq!(root(&memory, &edits), [(b"new".to_vec(), 12), (b"other".to_vec(), 14)]);
    assert_eq!(links_of(&edits, 12), 1);
}

#[test]
fn a_name_that_is_taken_is_not_given_again() {
    let commits = [FastCommit::Link(name(2, 14, b"old")), FastCommit::Unlink(name(2, 14, b"old"))];
    let (memory, edits) = (memory(), edits(&memory(), &commits));
    assert_eq!(root(&memory, &edits), [(b"old".to_vec(), 12), (b"other".to_vec(), 14)]);
    assert_eq!(links_of(&edits, 14), 0, "the link goes, although the name stays");
}

#[test]
fn a_number_that_is_used_again_begins_without_blocks() {
    let commits = [
        FastCommit::Unlink(name(2, 12, b"old")),
        new_file(12),
        add(12, 0, 1, 500, false),
        FastCommit::Create(name(2, 12, b"reborn")),
    ];
    let (memory, edits) = (memory(), edits(&memory(), &commits));
    assert_eq!(root(&memory, &edits), [(b"reborn".to_vec(), 12), (b"other".to_vec(), 14)]);
    assert_eq!(edits.runs(12).unwrap().collect::<Vec<_>>(), [run(0, 500, 1)]);
}

#[test]
fn a_new_directory_is_empty_until_names_come() {
    let directory = FastCommit::Inode { number: 20, record: record(DIRECTORY, 2, EXTENTS, 0x33) };
    let commits = [
        directory,
        FastCommit::Create(name(2, 20, b"directory")),
        new_file(21),
        FastCommit::Create(name(20, 21, b"file")),
    ];
    let (memory, edits) = (memory(), edits(&memory(), &commits));
    assert!(edits.is_new(20) && !edits.is_new(2));
    assert_eq!(root(&memory, &edits).last(), Some(&(b"directory".to_vec(), 20)));
    let inside = edits.amend(20, Listing::default());
    assert_eq!(
        inside.iter().map(|entry| (entry.name, entry.inode.number)).collect::<Vec<_>>(),
        [(&b"file"[..], 21)]
    );
}

#[test]
fn what_cannot_be_ends_the_replay_there() {
    let good = || add(12, 0, 1, 300, false);
    let cases = [
        (FastCommit::Create(name(2, 13, b"x")), Fault::Unused(13)),
        (new_file(8), Fault::Inode(8)),
        (new_file(41), Fault::Inode(41)),
        (FastCommit::Link(name(2, 12, b"a/b")), Fault::Name(2)),
        (FastCommit::Link(name(2, 12, b"..")), Fault::Name(2)),
        (FastCommit::Link(name(2, 12, b"nul\0")), Fault::Name(2)),
    ];
    for (bad, fault) in cases {
        let (edits, stopped) =
            replay(&memory(), &[good(), bad, FastCommit::Unlink(name(2, 12, b"old"))]).unwrap();
        let expected = format!("fast commits 2 to 3 not replayed: {fault}");
        assert_eq!(stopped.unwrap().to_string(), expected);
        assert!(edits.runs(12).is_some() && edits.record(12).is_none());
    }
}

#[test]
fn more_names_than_the_device_has_are_not_read() {
    let mut memory = memory();
    memory.records.get_mut(&2).unwrap()[0x04..0x08].copy_from_slice(&(1_u32 << 21).to_le_bytes());
    let (_, stopped) = replay(&memory, &[FastCommit::Link(name(2, 12, b"new"))]).unwrap();
    assert_eq!(stopped.unwrap().kind(), Kind::Limit);
}

#[test]
fn damage_costs_one_change_and_a_device_that_fails_all() {
    let memory = Memory { damaged: Some(12), unreadable: Some(30), ..memory() };
    let found = edits(&memory, &[add(12, 0, 1, 300, false), add(14, 0, 1, 300, false)]);
    assert!(found.runs(12).is_none() && found.runs(14).is_some());
    assert_eq!(replay(&memory, &[add(30, 0, 1, 300, false)]).unwrap_err().kind(), Kind::Read);
}

fn any_commit() -> impl Strategy<Value = FastCommit> {
    let inode = prop_oneof![Just(2_u32), 8..16_u32, Just(u32::MAX)];
    let name = prop_oneof![Just(b"old".to_vec()), Just(b"a".to_vec()), Just(b"b".to_vec())];
    let number = || prop_oneof![0..20_u32, Just(u32::MAX)];
    let new = (prop_oneof![Just(FILE), Just(DIRECTORY), Just(LINK)], 0..3_u16, any::<bool>(), 128..300_usize);
    (0..6, inode.clone(), inode, name, number(), number(), new).prop_map(
        |(which, inode, parent, name, block, len_blocks, (mode, links, has_extents, len))| {
            let mut new = record(mode, links, if has_extents { EXTENTS } else { 0 }, 7);
            new.resize(len, 0);
            let name = Name { parent, inode, name };
            match which {
                0 => FastCommit::Inode { number: inode, record: new },
                1 => add(inode, block, len_blocks, u64::MAX - u64::from(block), len_blocks % 2 == 0),
                2 => FastCommit::DelRange { inode, block, len_blocks },
                3 => FastCommit::Create(name),
                4 => FastCommit::Link(name),
                _ => FastCommit::Unlink(name),
            }
        },
    )
}

proptest! {
    #[test]
    fn whatever_the_changes_are_records_stay_whole_and_names_differ(
        commits in prop::collection::vec(any_commit(), 0..40)
    ) {
        let memory = memory();
        let (edits, _) = replay(&memory, &commits).unwrap();
        for inode in 0..50 {
            prop_assert!(edits.record(inode).is_none_or(|record| record.len() == RECORD_BYTES));
        }
        let mut names: Vec<_> = root(&memory, &edits).into_iter().map(|(name, _)| name).collect();
        let count = names.len();
        names.sort();
        names.dedup();
        prop_assert_eq!(names.len(), count);
    }
}
