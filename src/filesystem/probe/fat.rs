//! FAT12, FAT16 and FAT32.
//!
//! The format has no magic number. Its boot sector counts when the parameters in it fit together, and there is
//! either the name that most programs write or the jump and the mark that all must.
//! Layout: `struct fat_boot_sector` in `include/uapi/linux/msdos_fs.h` of the kernel.

use super::Signature;
use super::head::{Head, serial, text};
use crate::fields::{Short, bytes_at, slice_at, u8_at, u16_at, u32_at};

/// Names that programs leave, for people to read.
const NAMES: [(usize, &[u8]); 5] =
    [(54, b"FAT12   "), (54, b"FAT16   "), (54, b"FAT     "), (82, b"FAT32   "), (82, b"MSWIN")];
/// `MAX_FAT16` and `MAX_FAT32` of the kernel: the most clusters.
const MAX_CLUSTERS_FAT16: u64 = 0xfff4;
const MAX_CLUSTERS_FAT32: u64 = 0x0fff_fff6;
/// How much of the root directory is searched for the label, which nearly always comes first.
const MAX_DIRECTORY_BYTES: u64 = 64 << 10;

/// Where the root directory is, and the serial number.
struct Volume {
    root_at: u64,
    root_bytes: u64,
    serial: u32,
}

pub(super) fn find(head: &Head<'_>) -> Option<Signature> {
    let has_name = NAMES.iter().any(|(at, name)| head.has(*at, name));
    let has_jump = head.has(0, b"\xe9") || (head.has(0, b"\xeb") && head.has(2, b"\x90"));
    let is_marked = has_jump && head.has(510, b"\x55\xaa");
    if !(has_name || is_marked) {
        return None;
    }
    let volume = volume(head.bytes()).ok().flatten()?;
    let directory = head.elsewhere(volume.root_at, volume.root_bytes.min(MAX_DIRECTORY_BYTES));
    let label = directory.and_then(|directory| label(&directory)).unwrap_or_default();
    Some(Signature { name: "vfat", label, uuid: serial(volume.serial) })
}

/// The volume of a boot sector; `None` when its parameters don't fit together.
fn volume(sector: &[u8]) -> Result<Option<Volume>, Short> {
    let sector_size = u64::from(u16_at(sector, 11)?);
    let sec_per_clus = u64::from(u8_at(sector, 13)?);
    let reserved = u64::from(u16_at(sector, 14)?);
    let fats = u64::from(u8_at(sector, 16)?);
    let dir_entries = u64::from(u16_at(sector, 17)?);
    let sectors = u64::from(u16_at(sector, 19)?);
    let media = u8_at(sector, 21)?;
    let fat16_length = u64::from(u16_at(sector, 22)?);
    let total_sect = u64::from(u32_at(sector, 32)?);
    let fat32_length = u64::from(u32_at(sector, 36)?);
    let root_cluster = u64::from(u32_at(sector, 44)?);

    let is_fat32 = fat16_length == 0;
    let fat_length = if is_fat32 { fat32_length } else { fat16_length };
    let total = if sectors == 0 { total_sect } else { sectors };
    let fits = sector_size.is_power_of_two()
        && (512..=4096).contains(&sector_size)
        && sec_per_clus.is_power_of_two()
        && reserved != 0
        && (1..=4).contains(&fats)
        && (media == 0xf0 || media >= 0xf8)
        && fat_length != 0
        && is_fat32 == (dir_entries == 0);
    if !fits {
        return Ok(None);
    }
    let fats_end = reserved.saturating_add(fats.saturating_mul(fat_length));
    let directory_bytes = dir_entries.saturating_mul(32);
    let data_start = fats_end.saturating_add(directory_bytes.div_ceil(sector_size));
    let Some(data) = total.checked_sub(data_start) else {
        return Ok(None);
    };
    let clusters = data.checked_div(sec_per_clus).unwrap_or_default();
    if clusters > if is_fat32 { MAX_CLUSTERS_FAT32 } else { MAX_CLUSTERS_FAT16 } {
        return Ok(None);
    }
    if !is_fat32 {
        let root_at = fats_end.saturating_mul(sector_size);
        return Ok(Some(Volume { root_at, root_bytes: directory_bytes, serial: u32_at(sector, 39)? }));
    }
    let root_sector = root_cluster.saturating_sub(2).saturating_mul(sec_per_clus).saturating_add(data_start);
    Ok(Some(Volume {
        root_at: root_sector.saturating_mul(sector_size),
        root_bytes: sec_per_clus.saturating_mul(sector_size),
        serial: u32_at(sector, 67)?,
    }))
}

/// The label: an entry of the root directory that says it is one.
fn label(directory: &[u8]) -> Option<String> {
    const VOLUME: u8 = 0x08;
    const DIRECTORY: u8 = 0x10;
    const LONG_NAME: u8 = 0x0f;
    const DELETED: u8 = 0xe5;
    for entry in directory.chunks_exact(32) {
        let [first, attributes] = [u8_at(entry, 0).ok()?, u8_at(entry, 11).ok()?];
        let [high, low]: [[u8; 2]; 2] = [bytes_at(entry, 20).ok()?, bytes_at(entry, 26).ok()?];
        if first == 0 {
            return None;
        }
        let has_content = (high, low) != ([0; 2], [0; 2]);
        if first == DELETED || has_content || attributes & 0x3f == LONG_NAME {
            continue;
        }
        if attributes & (VOLUME | DIRECTORY) == VOLUME {
            return slice_at(entry, 0, 11).ok().map(text);
        }
    }
    None
}
