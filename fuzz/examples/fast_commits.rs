//! Adds fast commits, one of each kind, to a filesystem whose journal has room for them and holds one transaction:
//! `fast_commits IMAGE INODE FILE-BLOCK`. No program writes these to an image file; only the kernel does.

use std::process::ExitCode;

use images::ext::{Ext, InodePlace};
use images::fields::{be32, le16, le32, put, slice};
use images::repair;

/// Types of tags, as in `fs/ext4/fast_commit.h` of the kernel.
const ADD_RANGE: u16 = 1;
const DEL_RANGE: u16 = 2;
const CREAT: u16 = 3;
const LINK: u16 = 4;
const UNLINK: u16 = 5;
const INODE: u16 = 6;
const PAD: u16 = 7;
const TAIL: u16 = 8;
const HEAD: u16 = 9;

const ROOT: u32 = 2;
const FAST_COMMIT: u32 = 0x20;
const BLOCKS: u32 = 16;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path, inode, block] = arguments.as_slice() else { return ExitCode::FAILURE };
    let (Ok(mut image), Ok(inode), Ok(block)) = (std::fs::read(path), inode.parse(), block.parse()) else {
        return ExitCode::FAILURE;
    };
    if add(&mut image, inode, block).is_none() || std::fs::write(path, image).is_err() {
        eprintln!("fast_commits: {path} has no journal with a transaction");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn add(image: &mut [u8], inode: u32, block: u32) -> Option<()> {
    let ext = Ext::at(image, 0)?;
    let inodes = ext.inodes(image);
    let place = |number: u32| inodes.iter().find(|inode| inode.number == number).copied();
    let file: InodePlace = place(inode)?;
    let journal = ext.map(image, place(ext.journal_inode)?).blocks;
    let superblock = *journal.first()?;
    let blocks = be32(image, superblock + 0x10);
    let features = be32(image, superblock + 0x28) | FAST_COMMIT;
    put(image, superblock + 0x28, &features.to_be_bytes());
    put(image, superblock + 0x54, &BLOCKS.to_be_bytes());
    let transaction = be32(image, superblock + 0x18) + 1;

    let mut record = inode.to_le_bytes().to_vec();
    record.extend(slice(image, file.at..file.at + ext.inode_size));
    let words = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();
    let name = |name: &[u8]| [words(&[ROOT, inode]), name.to_vec()].concat();
    let tags = [
        (HEAD, words(&[0, transaction])),
        (INODE, record),
        (ADD_RANGE, words(&[inode, 0, 1, block])),
        (ADD_RANGE, words(&[inode, 8, 0x8002, block])),
        (DEL_RANGE, words(&[inode, 8, 1])),
        (CREAT, name(b"created")),
        (LINK, name(b"linked")),
        (UNLINK, name(b"created")),
        (PAD, vec![0; 12]),
    ];
    let mut area: Vec<u8> = Vec::new();
    for (tag, value) in tags {
        area.extend([tag.to_le_bytes(), u16::try_from(value.len()).ok()?.to_le_bytes()].concat());
        area.extend(value);
    }
    let rest = ext.block_size.checked_sub(area.len() + 4)?;
    area.extend([TAIL.to_le_bytes(), u16::try_from(rest).ok()?.to_le_bytes()].concat());
    area.extend(transaction.to_le_bytes());
    // The block behind the log is not used.
    let first = usize::try_from(blocks - BLOCKS + 1).ok()?;
    put(image, *journal.get(first)?, &area);
    repair::image(image);
    (le16(image, *journal.get(first)?) == HEAD && le32(image, 1024) > 0).then_some(())
}
