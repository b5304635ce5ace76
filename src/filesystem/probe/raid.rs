//! Members of Linux software RAID.
//!
//! Layout: `struct mdp_superblock_1` and `mdp_superblock_s` in `include/uapi/linux/raid/md_p.h` of
//! the kernel. The superblock is at the start (1.1), 4 KiB in (1.2), or near the end (1.0 and
//! 0.90), where all that the array holds looks like the content of the member itself. A filesystem
//! that reaches over that place near the end was made after the array was gone: in an array it
//! would end before.

use super::head::{Head, text, uuid};
use super::{Signature, claimed_bytes};
use crate::fields::{Short, bytes_at, slice_at, u32_at, u64_at};

const MAGIC: u32 = 0xa92b_4efc;
const SECTOR_BYTES: u64 = 512;
/// Bytes of either superblock that have fields read here.
const SUPERBLOCK_BYTES: u64 = 256;
/// `MD_RESERVED_BYTES`: the old superblock is this far from the end, rounded down to it.
const RESERVED_BYTES: u64 = 64 << 10;

pub(super) fn find(head: &Head<'_>) -> Option<Signature> {
    let end = head.device_bytes();
    let from_start = [Some(0), Some(4096)];
    let near_end =
        (end / SECTOR_BYTES).checked_sub(16).map(|sector| (sector & !7).saturating_mul(SECTOR_BYTES));
    let is_free = |at: &u64| *at >= claimed_bytes(head);
    let places = from_start.into_iter().flatten().chain(near_end.filter(is_free));
    places.into_iter().find_map(|at| version_1(head, at)).or_else(|| {
        let at = (end & !RESERVED_BYTES.saturating_sub(1)).checked_sub(RESERVED_BYTES).filter(is_free)?;
        old_version(&head.elsewhere(at, SUPERBLOCK_BYTES)?).ok()?
    })
}

fn version_1(head: &Head<'_>, at: u64) -> Option<Signature> {
    let superblock = head.elsewhere(at, SUPERBLOCK_BYTES)?;
    let magic = u32_at(&superblock, 0).ok()?;
    let major_version = u32_at(&superblock, 4).ok()?;
    let super_offset = u64_at(&superblock, 144).ok()?;
    if (magic, major_version, super_offset) != (MAGIC, 1, at / SECTOR_BYTES) {
        return None;
    }
    let set_uuid = bytes_at(&superblock, 16).ok()?;
    let set_name = slice_at(&superblock, 32, 32).ok()?;
    Some(Signature { name: "linux_raid_member", label: text(set_name), uuid: uuid(set_uuid) })
}

fn old_version(superblock: &[u8]) -> Result<Option<Signature>, Short> {
    let md_magic = u32_at(superblock, 0)?;
    let major_version = u32_at(superblock, 4)?;
    if (md_magic, major_version) != (MAGIC, 0) {
        return Ok(None);
    }
    let words =
        [u32_at(superblock, 20)?, u32_at(superblock, 52)?, u32_at(superblock, 56)?, u32_at(superblock, 60)?];
    let bytes = words.iter().fold(0_u128, |uuid, word| (uuid << 32) | u128::from(*word)).to_be_bytes();
    Ok(Some(Signature { name: "linux_raid_member", label: String::new(), uuid: uuid(bytes) }))
}
