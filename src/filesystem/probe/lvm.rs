//! Physical volumes of LVM2.
//!
//! Layout: `struct label_header` and `struct pv_header` of LVM2: a label in one of the first four sectors.

use super::Signature;
use super::head::{Head, text};
use crate::fields::{slice_at, u32_at, u64_at};

const SECTOR_BYTES: usize = 512;
const LABELS: usize = 4;

pub(super) fn find(head: &Head<'_>) -> Option<Signature> {
    let sectors = head.bytes().chunks_exact(SECTOR_BYTES).take(LABELS);
    (0..).zip(sectors).find_map(|(number, sector)| label(number, sector))
}

fn label(number: u64, sector: &[u8]) -> Option<Signature> {
    let is_label = sector.starts_with(b"LABELONE") && slice_at(sector, 24, 8).ok()? == b"LVM2 001";
    if !is_label || u64_at(sector, 8).ok()? != number {
        return None;
    }
    let offset = usize::try_from(u32_at(sector, 20).ok()?).ok()?;
    let uuid = slice_at(sector, offset, 32).map(grouped).unwrap_or_default();
    Some(Signature { name: "LVM2_member", label: String::new(), uuid })
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
