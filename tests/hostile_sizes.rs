//! Hostile images of 64 MiB, each full of one thing: millions of names, inodes that share what they hold. An archive or an error,
//! in seconds and in little memory, whatever the image asks for.
//!
//! The images are made here, as they take megabytes however they are packed; without checksums, which a tenant can leave out.
#![allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::unwrap_used
)]

use std::fs;
use std::sync::Arc;

use voltar::Kind;
use voltar::device::Device;

use images::invariant::{self, Outcome};

#[path = "../fuzz/src/lib.rs"]
#[allow(
    dead_code,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "the fuzz targets use the rest; a mutation may fail where a reader must not"
)]
mod images;

/// Seconds of one core for each image: on an idle machine they take less than half of it.
const MOST_SECONDS: f64 = 10.0;
/// Memory, besides the image itself.
const MOST_MEMORY_BYTES: u64 = 200 << 20;

const BLOCK: usize = 4096;
const BLOCKS: usize = (64 << 20) / BLOCK;
const BLOCKS_PER_GROUP: usize = 4096;
const GROUPS: usize = BLOCKS / BLOCKS_PER_GROUP;
const INODES_PER_GROUP: usize = 32_768;
const INODES: usize = GROUPS * INODES_PER_GROUP;
const INODE: usize = 128;
/// The first block behind the superblock, the descriptors and the inode tables.
const FREE: usize = 2 + INODES * INODE / BLOCK;
const FIRST: usize = 12;

const REGULAR: u16 = 0o100_644;
const SYMLINK: u16 = 0o120_777;
const SOCKET: u16 = 0o140_755;
const DIRECTORY: u16 = 0o040_755;

struct Image(Vec<u8>);

impl Image {
    /// An ext4 without a journal and without checksums, and nothing in it.
    fn new() -> Self {
        let mut image = Self(vec![0; BLOCKS * BLOCK]);
        let superblock = 1024;
        for (at, value) in [
            (0x00, INODES),
            (0x04, BLOCKS),
            (0x18, 2),
            (0x1c, 2),
            (0x20, BLOCKS_PER_GROUP),
            (0x24, BLOCKS_PER_GROUP),
            (0x28, INODES_PER_GROUP),
            (0x38, 0xEF53),
            (0x4c, 1),
            (0x54, 11),
            // filetype, extents and ea_inode.
            (0x60, 0x442),
        ] {
            image.put(superblock + at, &(value as u32).to_le_bytes());
        }
        image.put(superblock + 0x58, &(INODE as u16).to_le_bytes());
        for group in 0..GROUPS {
            let table = 2 + group * INODES_PER_GROUP * INODE / BLOCK;
            image.put(BLOCK + group * 32 + 8, &(table as u32).to_le_bytes());
        }
        image
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// An inode with `len` blocks from `block` on, and a block of attributes.
    fn inode(
        &mut self,
        number: usize,
        mode: u16,
        size: usize,
        (block, len): (usize, usize),
        attributes: usize,
    ) {
        let at = 2 * BLOCK + (number - 1) * INODE;
        self.put(at, &mode.to_le_bytes());
        self.put(at + 0x04, &(size as u32).to_le_bytes());
        self.put(at + 0x1a, &[0xff, 0xff]);
        let flags = if mode == 0o100_600 { 0x28_0000_u32 } else { 0x8_0000 };
        self.put(at + 0x20, &flags.to_le_bytes());
        let header = [0xf30a_u16, u16::from(len > 0), 4, 0, 0, 0];
        self.put(at + 0x28, &header.map(u16::to_le_bytes).concat());
        self.put(at + 0x38, &(len as u16).to_le_bytes());
        self.put(at + 0x3c, &(block as u32).to_le_bytes());
        self.put(at + 0x68, &(attributes as u32).to_le_bytes());
    }

    /// The root, with these names, as many of them as there is space for.
    fn root(&mut self, names: impl Iterator<Item = (Vec<u8>, usize)>) {
        let mut at = FREE * BLOCK + 2 * BLOCK + 16 * BLOCK;
        let (first, mut last) = (at, at);
        for (name, inode) in names {
            let len = (8 + name.len()).next_multiple_of(4);
            if at / BLOCK != (at + len - 1) / BLOCK {
                // The last one of a block reaches to its end.
                let end = at.next_multiple_of(BLOCK);
                self.put(last + 4, &((end - last) as u16).to_le_bytes());
                at = end;
            }
            if at + len > self.0.len() {
                break;
            }
            last = at;
            self.put(at, &(inode as u32).to_le_bytes());
            self.put(at + 4, &(len as u16).to_le_bytes());
            self.put(at + 6, &[name.len() as u8, 0]);
            self.put(at + 8, &name);
            at += len;
        }
        let end = at.next_multiple_of(BLOCK);
        self.put(last + 4, &((end - last) as u16).to_le_bytes());
        let (block, mut blocks) = (first / BLOCK, (end - first) / BLOCK);
        // An extent has 32,768 blocks, more than there are.
        blocks = blocks.min(32_767);
        self.inode(2, DIRECTORY, blocks * BLOCK, (block, blocks), 0);
    }

    /// A name for each inode of the same kind.
    fn one_each(mut self, mode: u16, size: usize, blocks: (usize, usize), attributes: usize) -> Vec<u8> {
        for number in FIRST + 1..=INODES {
            self.inode(number, mode, size, blocks, attributes);
        }
        self.root((FIRST + 1..=INODES).map(|number| (short(number), number)));
        self.0
    }

    /// Millions of names of one inode.
    fn many_names(mut self, mode: u16) -> Vec<u8> {
        self.inode(FIRST, mode, 0, (0, 0), 0);
        self.root((0..).map(|number| (short(number), FIRST)));
        self.0
    }

    /// A block of attributes with one of them, whose value is in the block or, with a size, in inode 12.
    fn attributes(&mut self, in_inode: usize) -> usize {
        let block = FREE + 1;
        let at = block * BLOCK;
        self.put(at, &0xEA02_0000_u32.to_le_bytes());
        self.put(at + 8, &1_u32.to_le_bytes());
        let (size, offset) = if in_inode > 0 { (in_inode, 0) } else { (3900, 4096 - 3900) };
        self.put(at + 32, &[1, 1]);
        self.put(at + 34, &(offset as u16).to_le_bytes());
        self.put(at + 36, &(if in_inode > 0 { FIRST as u32 } else { 0 }).to_le_bytes());
        self.put(at + 40, &(size as u32).to_le_bytes());
        self.put(at + 48, b"a");
        if in_inode > 0 {
            self.inode(FIRST, 0o100_600, in_inode, (FREE + 2, in_inode / BLOCK), 0);
        }
        block
    }
}

/// Four letters that tell a number.
fn short(number: usize) -> Vec<u8> {
    let letters = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    (0..4).map(|digit| letters[number >> (6 * digit) & 63]).collect()
}

/// 255 bytes that tell a number and are no UTF-8.
fn long(number: usize) -> Vec<u8> {
    let mut name = vec![0xff; 251];
    name.extend(short(number));
    name
}

fn image_of(what: &str) -> Vec<u8> {
    let mut image = Image::new();
    image.put(FREE * BLOCK, &[b's'; BLOCK]);
    match what {
        "names of one socket" => image.many_names(SOCKET),
        "names of one file" => image.many_names(REGULAR),
        "names of inodes that are not in use" => {
            image.root((0..).map(|number| (short(number), FIRST + number % 1000)));
            image.0
        }
        "names of 255 bytes that are no text" => {
            image.inode(FIRST, REGULAR, 0, (0, 0), 0);
            image.root((0..).map(|number| (long(number), FIRST)));
            image.0
        }
        "the same name, again and again" => {
            image.inode(FIRST, REGULAR, 0, (0, 0), 0);
            image.root(std::iter::repeat((b"same".to_vec(), FIRST)));
            image.0
        }
        "files of the same block" => image.one_each(REGULAR, BLOCK, (FREE, 1), 0),
        "long links in the same block" => image.one_each(SYMLINK, 4095, (FREE, 1), 0),
        "directories" => image.one_each(DIRECTORY, 0, (0, 0), 0),
        "files with the same block of attributes" => {
            let attributes = image.attributes(0);
            image.one_each(REGULAR, 0, (0, 0), attributes)
        }
        "files with the same attribute in an inode" => {
            let attributes = image.attributes(65_536);
            image.one_each(REGULAR, 0, (0, 0), attributes)
        }
        _ => panic!("{what}"),
    }
}

/// Seconds of processors that this process has had: the fields 14 and 15 of proc_pid_stat(5), in hundredths.
fn seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields = stat.rsplit_once(')').unwrap().1.split_whitespace().skip(11).take(2);
    fields.map(|ticks| ticks.parse::<f64>().unwrap() / 100.0).sum()
}

/// The most memory that this process ever had (`VmHWM` in proc_pid_status(5)).
fn most_memory_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap() << 10
}

#[test]
fn images_full_of_one_thing_end_in_seconds_and_little_memory() {
    // What of each of them comes to an archive, and what comes to a limit.
    for (what, expected) in [
        ("names of one socket", Some(Kind::Limit)),
        ("names of one file", Some(Kind::Limit)),
        ("names of inodes that are not in use", None),
        ("names of 255 bytes that are no text", None),
        ("the same name, again and again", None),
        ("files of the same block", Some(Kind::Limit)),
        ("long links in the same block", Some(Kind::Limit)),
        ("directories", None),
        ("files with the same block of attributes", Some(Kind::Limit)),
        ("files with the same attribute in an inode", Some(Kind::Limit)),
    ] {
        let bytes = image_of(what);
        let most_output_bytes = bytes.len() as u64 * 8 + (64 << 20);
        let image: Device = Arc::new(bytes);
        let start = seconds();
        let outcome = invariant::archive(&image, &[], 1, most_output_bytes);
        let took = seconds() - start;
        let (found, entries) = match &outcome {
            Outcome::Refused(error) => (Some(error.kind()), 0),
            Outcome::Archived(archived) => (None, archived.report.stream_bytes),
        };
        let memory = most_memory_bytes().saturating_sub(image.len_bytes());
        eprintln!("{what}: {took:.1} s, {} MiB at the most so far, {found:?}, {entries} bytes", memory >> 20);
        assert_eq!(found, expected, "{what}: {outcome:?}");
        assert!(took < MOST_SECONDS, "{what}: {took} seconds");
        assert!(memory < MOST_MEMORY_BYTES, "{what}: {memory} bytes of memory");
    }
}
