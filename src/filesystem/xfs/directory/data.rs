//! Names in a block (`struct xfs_dir2_data_hdr`, `struct xfs_dir3_data_hdr`).

use super::super::block;
use super::{Fault, Names};
use crate::fields::{be16_at, be32_at, be64_at, slice_at, u8_at};

/// A directory of one block, which has its index at the end; and a block of a larger one.
const SINGLE: [u32; 2] = [0x5844_3242, 0x5844_4233];
const DATA: [u32; 2] = [0x5844_3244, 0x5844_4433];
/// Lengths of the header in version 4 and 5.
const HEADER_LEN: usize = 16;
const HEADER_5_LEN: usize = 64;
/// `XFS_DIR2_DATA_FREE_TAG`: no entry, but free space.
const FREE: u16 = 0xffff;
/// Inode's number and name's length, and what stands behind the name: where the entry begins.
const HEAD_LEN: usize = 9;
const TAG_LEN: usize = 2;
const ALIGNMENT: usize = 8;
/// The tail of a directory of one block, and an entry of its index.
const TAIL_LEN: usize = 8;
const INDEX_LEN: usize = 8;

/// Reads a block's names up to the first that makes no sense.
pub(super) fn read(
    block: u64,
    bytes: &[u8],
    position: u64,
    owner: u64,
    names: &mut Names<'_>,
) -> Result<(), Fault> {
    let metadata = names.metadata;
    let has_checksums = metadata.superblock.features.has_checksums();
    let version = usize::from(has_checksums);
    let magic = be32_at(bytes, 0)?;
    let is_single = SINGLE.get(version) == Some(&magic);
    if !is_single && DATA.get(version) != Some(&magic) {
        return Err(Fault::Magic { block, magic });
    }
    if has_checksums {
        let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        block::NAMES.check(bytes, &metadata.expected(position, len, owner))?;
    }
    let end = if is_single { end_of_names(block, bytes)? } else { bytes.len() };
    let mut at = if has_checksums { HEADER_5_LEN } else { HEADER_LEN };
    while at < end {
        let len = match be16_at(bytes, at)? {
            FREE => usize::from(be16_at(bytes, at.saturating_add(2))?),
            _ => entry(block, bytes, at, names)?,
        };
        let next = at.checked_add(len).filter(|next| *next <= end && len > 0 && len % ALIGNMENT == 0);
        let next = next.ok_or(Fault::Length { block, at, len })?;
        let tag = be16_at(bytes, next.saturating_sub(TAG_LEN))?;
        if usize::from(tag) != at {
            return Err(Fault::Tag { block, at, tag });
        }
        at = next;
    }
    Ok(())
}

/// Takes an entry's name, and gives the entry's length.
fn entry(block: u64, bytes: &[u8], at: usize, names: &mut Names<'_>) -> Result<usize, Fault> {
    let inumber = be64_at(bytes, at)?;
    let namelen = usize::from(u8_at(bytes, at.saturating_add(8))?);
    let name = slice_at(bytes, at.saturating_add(HEAD_LEN), namelen)?;
    names.name(block, at, name, inumber);
    let has_type = names.metadata.superblock.features.has_file_type();
    let len = HEAD_LEN.saturating_add(namelen).saturating_add(usize::from(has_type)).saturating_add(TAG_LEN);
    Ok(len.next_multiple_of(ALIGNMENT))
}

/// The end of the names in a directory of one block, where its index begins.
fn end_of_names(block: u64, bytes: &[u8]) -> Result<usize, Fault> {
    let tail = bytes.len().saturating_sub(TAIL_LEN);
    let entries = be32_at(bytes, tail)?;
    let index = usize::try_from(entries).ok().and_then(|entries| entries.checked_mul(INDEX_LEN));
    index.and_then(|index| tail.checked_sub(index)).ok_or(Fault::Tail { block, entries })
}
