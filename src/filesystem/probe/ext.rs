//! ext2, ext3, ext4, and their journals on a device of their own.
//!
//! Layout: <https://docs.kernel.org/filesystems/ext4/globals.html#super-block>.

use super::Signature;
use super::head::Head;
use crate::fields::{Short, u32_at, wide};

const SUPERBLOCK_AT: usize = 1024;
const MAGIC_AT: usize = SUPERBLOCK_AT + 0x38;
const MAGIC: &[u8] = b"\x53\xef";
/// `EXT4_MAX_BLOCK_LOG_SIZE`, less the 10 that `s_log_block_size` leaves out.
const MAX_LOG_BLOCK_SIZE: u32 = 6;

/// `has_journal`.
const COMPAT_JOURNAL: u32 = 0x4;
/// `journal_dev`: the device is a journal.
const INCOMPAT_JOURNAL_DEV: u32 = 0x8;
/// `64bit`: the number of blocks has a high half.
const INCOMPAT_64BIT: u32 = 0x80;
/// What ext2 has: `filetype` and `meta_bg`.
const INCOMPAT_EXT2: u32 = 0x2 | 0x10;
/// And ext3: `recover`.
const INCOMPAT_EXT3: u32 = INCOMPAT_EXT2 | 0x4;
/// What both have: `sparse_super`, `large_file` and `btree_dir`.
const RO_COMPAT_EXT3: u32 = 0x1 | 0x2 | 0x4;

/// A superblock whose first fields make sense.
pub(super) fn find(head: &Head<'_>) -> Option<Signature> {
    is_sensible(head.bytes()).unwrap_or(false).then(|| find_damaged(head))?
}

/// A superblock with the magic number, whatever else is in it: its reader says what is wrong.
pub(super) fn find_damaged(head: &Head<'_>) -> Option<Signature> {
    if !head.has(MAGIC_AT, MAGIC) {
        return None;
    }
    Some(Signature {
        name: name(head.bytes()).ok()?,
        label: head.text(SUPERBLOCK_AT + 0x78, 16),
        uuid: head.uuid(SUPERBLOCK_AT + 0x68),
    })
}

/// Length of the filesystem, by a superblock whose first fields make sense.
pub(super) fn len_bytes(head: &Head<'_>) -> Option<u64> {
    let bytes = head.bytes();
    if !head.has(MAGIC_AT, MAGIC) || !is_sensible(bytes).ok()? {
        return None;
    }
    let is_64bit = u32_at(bytes, SUPERBLOCK_AT + 0x60).ok()? & INCOMPAT_64BIT != 0;
    let high = if is_64bit { u32_at(bytes, SUPERBLOCK_AT + 0x150).ok()? } else { 0 };
    let blocks = wide(high, u32_at(bytes, SUPERBLOCK_AT + 0x4).ok()?);
    let block_bytes = 1024_u64.checked_shl(u32_at(bytes, SUPERBLOCK_AT + 0x18).ok()?)?;
    blocks.checked_mul(block_bytes)
}

fn is_sensible(bytes: &[u8]) -> Result<bool, Short> {
    let s_blocks_count_lo = u32_at(bytes, SUPERBLOCK_AT + 0x4)?;
    let s_log_block_size = u32_at(bytes, SUPERBLOCK_AT + 0x18)?;
    let s_rev_level = u32_at(bytes, SUPERBLOCK_AT + 0x4c)?;
    let s_blocks_count_hi = u32_at(bytes, SUPERBLOCK_AT + 0x150)?;
    Ok((s_blocks_count_lo, s_blocks_count_hi) != (0, 0)
        && s_log_block_size <= MAX_LOG_BLOCK_SIZE
        && s_rev_level <= 1)
}

/// The oldest of the three that has all features in use.
fn name(bytes: &[u8]) -> Result<&'static str, Short> {
    let s_feature_compat = u32_at(bytes, SUPERBLOCK_AT + 0x5c)?;
    let s_feature_incompat = u32_at(bytes, SUPERBLOCK_AT + 0x60)?;
    let s_feature_ro_compat = u32_at(bytes, SUPERBLOCK_AT + 0x64)?;
    let only =
        |incompat: u32| s_feature_incompat & !incompat == 0 && s_feature_ro_compat & !RO_COMPAT_EXT3 == 0;
    let has_journal = s_feature_compat & COMPAT_JOURNAL != 0;
    Ok(if s_feature_incompat & INCOMPAT_JOURNAL_DEV != 0 {
        "jbd"
    } else if !has_journal && only(INCOMPAT_EXT2) {
        "ext2"
    } else if has_journal && only(INCOMPAT_EXT3) {
        "ext3"
    } else {
        "ext4"
    })
}
