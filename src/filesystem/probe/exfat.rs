//! exFAT.
//!
//! Layout: <https://learn.microsoft.com/windows/win32/fileio/exfat-specification>, sections 3.1 and 7.3.

use super::Signature;
use super::head::{Head, serial, utf16};
use crate::fields::{slice_at, u8_at, u32_at};

/// How much of the root directory is searched for the label, which comes first.
const MAX_DIRECTORY_BYTES: u64 = 64 << 10;
/// Type of the entry that holds the label.
const VOLUME_LABEL: u8 = 0x83;

pub(super) fn find(head: &Head<'_>) -> Option<Signature> {
    if !head.has(3, b"EXFAT   ") {
        return None;
    }
    Some(Signature {
        name: "exfat",
        label: label(head).unwrap_or_default(),
        uuid: serial(u32_at(head.bytes(), 100).ok()?),
    })
}

fn label(head: &Head<'_>) -> Option<String> {
    let sector = head.bytes();
    let cluster_heap_offset = u64::from(u32_at(sector, 88).ok()?);
    let first_cluster_of_root_directory = u64::from(u32_at(sector, 96).ok()?);
    let bytes_per_sector_shift = u32::from(u8_at(sector, 108).ok()?);
    let sectors_per_cluster_shift = u32::from(u8_at(sector, 109).ok()?);
    let sector_bytes = 1_u64.checked_shl(bytes_per_sector_shift)?;
    let cluster_sectors = 1_u64.checked_shl(sectors_per_cluster_shift)?;
    let cluster = first_cluster_of_root_directory.checked_sub(2)?;
    let root = cluster.checked_mul(cluster_sectors)?.checked_add(cluster_heap_offset)?;
    let len = cluster_sectors.checked_mul(sector_bytes)?.min(MAX_DIRECTORY_BYTES);
    let directory = head.elsewhere(root.checked_mul(sector_bytes)?, len)?;
    let entry = directory.chunks_exact(32).find(|entry| entry.first() == Some(&VOLUME_LABEL))?;
    let characters = usize::from(u8_at(entry, 1).ok()?).min(11);
    slice_at(entry, 2, characters.checked_mul(2)?).ok().map(utf16)
}
