//! Revocation blocks: whose earlier copies in the log are out of date.

use super::descriptor::usable_bytes;
use super::fault::Damage;
use super::superblock::Superblock;
use crate::fields::{Short, be32_at, wide};

/// Bytes of a revocation block before its first record.
const HEADER_BYTES: usize = 16;

/// Checks how many bytes of the block at `log_block` are in use, as `scan_revoke_records` in `fs/jbd2/recovery.c`.
pub(super) fn check_len(block: &[u8], log_block: u32, journal: &Superblock) -> Result<(), Damage> {
    let r_count = be32_at(block, 0x0C).unwrap_or(0);
    let limit = usable_bytes(journal);
    if r_count > limit { Err(Damage::RevocationLength { log_block, r_count, limit }) } else { Ok(()) }
}

/// The block numbers in a revocation block.
///
/// Layout: <https://docs.kernel.org/filesystems/ext4/journal.html#revocation-block>; all fields are big-endian.
pub(super) fn revoked<'a>(block: &'a [u8], journal: &Superblock) -> impl Iterator<Item = u64> + 'a {
    let r_count = be32_at(block, 0x0C).ok().and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(0);
    let records = block.get(HEADER_BYTES..r_count.min(block.len())).unwrap_or_default();
    let is_wide = journal.wide;
    records.chunks_exact(if is_wide { 8 } else { 4 }).filter_map(move |record| number(record, is_wide).ok())
}

fn number(record: &[u8], is_wide: bool) -> Result<u64, Short> {
    if is_wide {
        Ok(wide(be32_at(record, 0)?, be32_at(record, 4)?))
    } else {
        be32_at(record, 0).map(u64::from)
    }
}
