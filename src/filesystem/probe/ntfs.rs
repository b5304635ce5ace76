//! NTFS.
//!
//! Layout: `struct NTFS_BOOT`, `struct MFT_REC` and `struct ATTRIB` in `fs/ntfs3/ntfs.h` of the kernel.

use super::Signature;
use super::head::{Head, utf16};
use crate::fields::{slice_at, u8_at, u16_at, u32_at, u64_at};

/// Number of the record that the label is in: `MFT_REC_VOL`.
const VOLUME_RECORD: u64 = 3;
/// Type of the attribute that is the label: `ATTR_LABEL`.
const VOLUME_NAME: u32 = 0x60;
/// After the last attribute: `ATTR_END`.
const END: u32 = u32::MAX;
/// Larger records don't exist: `MAXIMUM_BYTES_PER_MFT`.
const MAX_RECORD_BYTES: u64 = 4096;

pub(super) fn find(head: &Head<'_>) -> Option<Signature> {
    let sector_size = u16_at(head.bytes(), 11).ok()?;
    if !head.has(3, b"NTFS    ") || !sector_size.is_power_of_two() || !(256..=4096).contains(&sector_size) {
        return None;
    }
    let uuid = match u64_at(head.bytes(), 72).ok()? {
        0 => String::new(),
        serial_num => format!("{serial_num:016X}"),
    };
    Some(Signature { name: "ntfs", label: label(head, sector_size.into()).unwrap_or_default(), uuid })
}

fn label(head: &Head<'_>, sector_size: u64) -> Option<String> {
    let boot = head.bytes();
    let sectors_per_cluster = power(u8_at(boot, 13).ok()?, 0x80, 1)?;
    let mft_clst = u64_at(boot, 48).ok()?;
    let cluster_bytes = sector_size.checked_mul(sectors_per_cluster)?;
    let record_bytes = power(u8_at(boot, 64).ok()?, 0x7f, cluster_bytes)?;
    if record_bytes > MAX_RECORD_BYTES {
        return None;
    }
    let at = mft_clst.checked_mul(cluster_bytes)?.checked_add(VOLUME_RECORD.checked_mul(record_bytes)?)?;
    let record = head.elsewhere(at, record_bytes)?;
    if !record.starts_with(b"FILE") {
        return None;
    }
    let mut at = usize::from(u16_at(&record, 20).ok()?);
    loop {
        let kind = u32_at(&record, at).ok()?;
        let size = usize::try_from(u32_at(&record, at.checked_add(4)?).ok()?).ok()?;
        if kind == END || size == 0 {
            return None;
        }
        let attribute = slice_at(&record, at, size).ok()?;
        if kind == VOLUME_NAME {
            let len = usize::try_from(u32_at(attribute, 16).ok()?).ok()?;
            let start = usize::from(u16_at(attribute, 20).ok()?);
            return slice_at(attribute, start, len).ok().map(utf16);
        }
        at = at.checked_add(size)?;
    }
}

/// A number of units up to `most`; above, it is a negative power of two in bytes.
fn power(value: u8, most: u8, unit: u64) -> Option<u64> {
    if value <= most {
        return u64::from(value).checked_mul(unit);
    }
    1_u64.checked_shl(256_u32.checked_sub(value.into())?)
}
