//! Directories: blocks of names.
//!
//! Every block is read, one after the other. The blocks of a hashed directory's index look like an unused entry that fills
//! the block, made so that a reader like this one passes over them.
//!
//! <https://docs.kernel.org/filesystems/ext4/directory.html>

use thiserror::Error;

use super::checksum::Crc;
use super::superblock::Superblock;
use crate::fields::{Short, slice_at, u8_at, u16_at, u32_at};
use crate::filesystem::Listing;

/// Inode, record length, name length and file type, before the name.
pub(super) const HEAD_LEN: usize = 8;
/// An entry begins at a multiple of this.
pub(super) const ALIGNMENT: usize = 4;
/// `struct ext4_dir_entry_tail`: an unused entry of this length and type holds the block's checksum.
pub(super) const TAIL_LEN: usize = 12;
pub(super) const TAIL_TYPE: u8 = 0xde;
/// Where the index in the first block of a hashed directory begins, behind `.` and `..`.
const ROOT_INFO_AT: usize = 0x18;
/// Where the index in a later block begins, behind the entry that fills the block.
const NODE_LIMIT_AT: usize = 0x8;

/// What is wrong with a block of a directory.
#[derive(Debug, Error, PartialEq, Eq)]
pub(super) enum Fault {
    #[error(transparent)]
    Short(#[from] Short),
    #[error("directory block {block}: entry at {at} is {rec_len} bytes long, with a name of {name_len}")]
    RecordLength { block: u64, at: usize, rec_len: usize, name_len: usize },
    #[error("directory block {block}: entry at {at} is for inode {inode}, of {inodes_count}")]
    Inode { block: u64, at: usize, inode: u32, inodes_count: u32 },
    #[error("directory block {block}: the name at {at} is empty, or holds a slash or a NUL")]
    Name { block: u64, at: usize },
    #[error("directory block {block}: checksum {stored:#010x}, but {computed:#010x} was computed")]
    Checksum { block: u64, stored: u32, computed: u32 },
    #[error("directory block {block}: no space was left for its checksum")]
    NoChecksum { block: u64 },
}

/// What a block of a directory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// Names.
    Leaf,
    /// A part of the index; `limit_at` is where it begins.
    Index { limit_at: usize },
}

/// A directory, as far as its blocks need to know it.
pub(super) struct Blocks<'a> {
    pub superblock: &'a Superblock,
    pub seed: Crc,
    pub has_index: bool,
    pub spelling: Spelling,
}

/// What bytes its names may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spelling {
    /// Any but `/` and NUL.
    Plain,
    /// Any: they are encrypted, and nothing more can be done with them than to count them.
    Encrypted,
}

impl Blocks<'_> {
    /// Adds the names in the directory's block `number` to `listing`, and what is wrong with it to `faults`.
    pub(super) fn read(&self, number: u64, block: &[u8], listing: &mut Listing, faults: &mut Vec<Fault>) {
        let role = self.role(number, block);
        if self.superblock.features.has_metadata_checksums() {
            let checked = match role {
                Role::Leaf => self.verify_leaf(number, block),
                Role::Index { limit_at } => self.verify_index(number, block, limit_at),
            };
            faults.extend(checked.err());
        }
        names(self.superblock, self.spelling, number, block, 0, listing, faults);
    }

    fn role(&self, number: u64, block: &[u8]) -> Role {
        if self.has_index && number == 0 {
            let info_length = usize::from(u8_at(block, ROOT_INFO_AT.saturating_add(5)).unwrap_or(8));
            return Role::Index { limit_at: ROOT_INFO_AT.saturating_add(info_length) };
        }
        let fills_block = u32_at(block, 0) == Ok(0)
            && u16_at(block, 4).is_ok_and(|length| rec_len(length, block.len()) == block.len());
        if self.has_index && fills_block { Role::Index { limit_at: NODE_LIMIT_AT } } else { Role::Leaf }
    }

    fn verify_leaf(&self, number: u64, block: &[u8]) -> Result<(), Fault> {
        let end = block.len().saturating_sub(TAIL_LEN);
        let tail = slice_at(block, end, TAIL_LEN)?;
        let is_tail = u32_at(tail, 0)? == 0
            && u16_at(tail, 4).is_ok_and(|length| usize::from(length) == TAIL_LEN)
            && u8_at(tail, 6)? == 0
            && u8_at(tail, 7)? == TAIL_TYPE;
        if !is_tail {
            return Err(Fault::NoChecksum { block: number });
        }
        let (stored, computed) = (u32_at(tail, 8)?, self.seed.with(slice_at(block, 0, end)?).value());
        if stored == computed { Ok(()) } else { Err(Fault::Checksum { block: number, stored, computed }) }
    }

    /// The checksum of an index covers what is in use of it, and its own tail, which lies behind what could be in use.
    fn verify_index(&self, number: u64, block: &[u8], limit_at: usize) -> Result<(), Fault> {
        let limit = usize::from(u16_at(block, limit_at)?);
        let count = usize::from(u16_at(block, limit_at.saturating_add(2))?);
        let tail_at = limit_at.saturating_add(limit.saturating_mul(8));
        let in_use = limit_at.saturating_add(count.saturating_mul(8));
        if count > limit || tail_at.saturating_add(8) > block.len() {
            return Err(Fault::NoChecksum { block: number });
        }
        let stored = u32_at(block, tail_at.saturating_add(4))?;
        let computed = self
            .seed
            .with(slice_at(block, 0, in_use)?)
            .with(slice_at(block, tail_at, 4)?)
            .with_zeros::<4>()
            .value();
        if stored == computed { Ok(()) } else { Err(Fault::Checksum { block: number, stored, computed }) }
    }
}

/// Adds the names from `start` on to the end of the block to `listing`.
///
/// A record with a wrong length makes all that follows in the block unreadable; anything else costs one name.
pub(super) fn names(
    superblock: &Superblock,
    spelling: Spelling,
    number: u64,
    block: &[u8],
    start: usize,
    listing: &mut Listing,
    faults: &mut Vec<Fault>,
) {
    let mut at = start;
    while at < block.len() {
        match record(superblock, spelling, number, block, at) {
            Ok((held, length)) => {
                at = at.saturating_add(length);
                match held {
                    Ok(Some((name, inode))) => listing.push(name, u64::from(inode)),
                    Ok(None) => {}
                    Err(fault) => faults.push(fault),
                }
            }
            Err(fault) => {
                faults.push(fault);
                return;
            }
        }
    }
}

/// What a record holds: a name, nothing (unused, `.` or `..`), or a name that can't be.
type Held<'a> = Result<Option<(&'a [u8], u32)>, Fault>;

/// Reads the record at `at`, and gives its length.
fn record<'a>(
    superblock: &Superblock,
    spelling: Spelling,
    block_number: u64,
    block: &'a [u8],
    at: usize,
) -> Result<(Held<'a>, usize), Fault> {
    let head = slice_at(block, at, HEAD_LEN)?;
    let inode = u32_at(head, 0)?;
    let rec_len = rec_len(u16_at(head, 4)?, block.len());
    let name_len = usize::from(u8_at(head, 6)?);
    let needed = HEAD_LEN.saturating_add(name_len).next_multiple_of(ALIGNMENT);
    let space = block.len().saturating_sub(at);
    if rec_len < HEAD_LEN || rec_len < needed || !rec_len.is_multiple_of(ALIGNMENT) || rec_len > space {
        return Err(Fault::RecordLength { block: block_number, at, rec_len, name_len });
    }
    if inode == 0 {
        return Ok((Ok(None), rec_len));
    }
    let name = slice_at(block, at.saturating_add(HEAD_LEN), name_len)?;
    if matches!(name, b"." | b"..") {
        return Ok((Ok(None), rec_len));
    }
    let is_spoilt = spelling == Spelling::Plain && (name.contains(&b'/') || name.contains(&0));
    if name.is_empty() || is_spoilt {
        return Ok((Err(Fault::Name { block: block_number, at }), rec_len));
    }
    let inodes_count = superblock.inodes_count;
    if inode > inodes_count || inode < superblock.first_inode {
        return Ok((Err(Fault::Inode { block: block_number, at, inode, inodes_count }), rec_len));
    }
    Ok((Ok(Some((name, inode))), rec_len))
}

/// The length of a record; in a block of 64 KiB, which 16 bits can't tell, two values mean all of it
/// (`ext4_rec_len_from_disk`).
fn rec_len(stored: u16, block_len: usize) -> usize {
    if block_len <= usize::from(u16::MAX) {
        return usize::from(stored);
    }
    match stored {
        0 | u16::MAX => block_len,
        _ => usize::from(stored & 0xfffc) | usize::from(stored & 0x3) << 16,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filesystem::ext::superblock::tests::sound;

    /// A record of a directory; its length is that of its bytes unless it says otherwise.
    fn record(inode: u32, rec_len: Option<u16>, name: &[u8]) -> Vec<u8> {
        let len = (HEAD_LEN + name.len()).next_multiple_of(ALIGNMENT);
        let mut record = inode.to_le_bytes().to_vec();
        record.extend(rec_len.unwrap_or(u16::try_from(len).unwrap()).to_le_bytes());
        record.extend([u8::try_from(name.len()).unwrap(), 1]);
        record.extend(name);
        record.resize(len, 0);
        record
    }

    fn read(block: &[u8]) -> (Vec<Vec<u8>>, Vec<Fault>) {
        let (mut listing, mut faults) = (Listing::default(), Vec::new());
        names(&sound(), Spelling::Plain, 7, block, 0, &mut listing, &mut faults);
        (listing.iter().map(|entry| entry.name.to_vec()).collect(), faults)
    }

    #[test]
    fn names_are_read_and_what_is_none_is_passed_over() {
        let block = [
            record(12, None, b"."),
            record(2, None, b".."),
            record(0, None, b"gone"),
            record(12, None, b"here"),
            record(13, None, b"\xff\n"),
        ];
        assert_eq!(read(&block.concat()), (vec![b"here".to_vec(), b"\xff\n".to_vec()], vec![]));
    }

    #[test]
    fn a_wrong_name_costs_itself_and_a_wrong_length_the_rest_of_the_block() {
        let inodes_count = sound().inodes_count;
        let good = record(12, None, b"good");
        let last = record(12, None, b"last");
        let cases = [
            (record(12, None, b"a/b"), Fault::Name { block: 7, at: 12 }, true),
            (record(12, None, b"a\0b"), Fault::Name { block: 7, at: 12 }, true),
            (record(12, None, b""), Fault::Name { block: 7, at: 12 }, true),
            (record(3, None, b"low"), Fault::Inode { block: 7, at: 12, inode: 3, inodes_count }, true),
            (
                record(u32::MAX, None, b"high"),
                Fault::Inode { block: 7, at: 12, inode: u32::MAX, inodes_count },
                true,
            ),
            (
                record(12, Some(8), b"name"),
                Fault::RecordLength { block: 7, at: 12, rec_len: 8, name_len: 4 },
                false,
            ),
            (
                record(12, Some(0), b"name"),
                Fault::RecordLength { block: 7, at: 12, rec_len: 0, name_len: 4 },
                false,
            ),
            (
                record(12, Some(4096), b"name"),
                Fault::RecordLength { block: 7, at: 12, rec_len: 4096, name_len: 4 },
                false,
            ),
        ];
        for (bad, fault, goes_on) in cases {
            let (names, faults) = read(&[good.clone(), bad, last.clone()].concat());
            assert_eq!(faults, [fault]);
            assert_eq!(names.len(), if goes_on { 2 } else { 1 });
        }
    }

    #[test]
    fn the_length_of_a_record_in_a_block_of_64_kib_has_17_bits() {
        assert_eq!(rec_len(0xffff, 4096), 0xffff);
        assert_eq!(rec_len(0xffff, 65_536), 65_536);
        assert_eq!(rec_len(0, 65_536), 65_536);
        assert_eq!(rec_len(0x0010, 65_536), 16);
    }
}
