//! Physical volumes of LVM2.
//!
//! Layout: `struct label_header` and `struct pv_header` of LVM2: a label in one of the first four
//! sectors, with a checksum, and in it where the metadata are. A label that a newer filesystem left
//! is known by metadata that are not there any more.

use super::head::{Head, text};
use super::{Signature, claimed_bytes};
use crate::fields::{slice_at, u32_at, u64_at};

const SECTOR_BYTES: usize = 512;
const LABELS: usize = 4;
/// `INITIAL_CRC`, and the polynomial of CRC-32, reflected.
const CRC_START: u32 = 0xf597_a6cf;
const CRC_POLYNOMIAL: u32 = 0xedb8_8320;
/// The checksum covers the label from here to its sector's end.
const CRC_FROM: usize = 20;
/// In `struct pv_header`, behind the UUID and the device's size: two lists of positions and
/// lengths, each up to a zero.
const LISTS_AT: usize = 40;
/// `FMTT_MAGIC`, behind the checksum of `struct mda_header`.
const METADATA_MAGIC: &[u8] = b" LVM2 x[5A%r0N*>";

pub(super) fn find(head: &Head<'_>) -> Option<Signature> {
    let sectors = head.bytes().chunks_exact(SECTOR_BYTES).take(LABELS);
    (0..).zip(sectors).find_map(|(number, sector)| label(head, number, sector))
}

fn label(head: &Head<'_>, number: u64, sector: &[u8]) -> Option<Signature> {
    let is_label = sector.starts_with(b"LABELONE") && slice_at(sector, 24, 8).ok()? == b"LVM2 001";
    if !is_label || u64_at(sector, 8).ok()? != number {
        return None;
    }
    if u32_at(sector, 16).ok()? != checksum(sector.get(CRC_FROM..)?) {
        return None;
    }
    let offset = usize::try_from(u32_at(sector, 20).ok()?).ok()?;
    if claimed_bytes(head) > 0 && !has_metadata(head, sector.get(offset..)?).unwrap_or(true) {
        return None;
    }
    let uuid = slice_at(sector, offset, 32).map(grouped).unwrap_or_default();
    Some(Signature { name: "LVM2_member", label: String::new(), uuid })
}

/// Whether metadata lie where the header names them; `None` where it names none.
fn has_metadata(head: &Head<'_>, pv_header: &[u8]) -> Option<bool> {
    let lists = pv_header.get(LISTS_AT..)?.chunks_exact(16);
    let mut places = lists.map_while(|place| u64_at(place, 0).ok()).skip_while(|at| *at != 0).skip(1);
    let at = places.next().filter(|at| *at != 0)?;
    let found = head.elsewhere(at.checked_add(4)?, u64::try_from(METADATA_MAGIC.len()).ok()?);
    Some(found.is_some_and(|found| found == METADATA_MAGIC))
}

/// CRC-32 with a start of LVM's own, and without the final inversion.
pub(super) fn checksum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(CRC_START, |crc, byte| {
        (0..8).fold(
            crc ^ u32::from(*byte),
            |crc, _| {
                if crc & 1 == 1 { crc >> 1 ^ CRC_POLYNOMIAL } else { crc >> 1 }
            },
        )
    })
}

/// 32 letters and digits in groups, as LVM shows them.
fn grouped(id: &[u8]) -> String {
    const GROUPS: [usize; 7] = [6, 4, 4, 4, 4, 4, 6];
    let mut rest = id;
    let groups = GROUPS.iter().filter_map(|len| {
        let (group, after) = rest.split_at_checked(*len)?;
        rest = after;
        Some(text(group))
    });
    groups.collect::<Vec<_>>().join("-")
}
