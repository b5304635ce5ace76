//! The array of partition entries of one copy of a GPT.
//!
//! Layout: UEFI Specification 2.10, section 5.3.3, <https://uefi.org/specs/UEFI/2.10/05_GUID_Partition_Table_Format.html>.

use libdeflater::crc32;
use uuid::Uuid;

use super::Fault;
use super::header::Header;
use crate::device::{ReadAt, read_vec};
use crate::fields::{Short, bytes_at, slice_at, u64_at};
use crate::partition::{Partition, gpt_types, sector_range};
use crate::printable::{Printable, from_utf16};
use crate::units::ByteRange;

/// Bytes of an entry that the specification defines; larger ones begin with these.
const MIN_ENTRY_BYTES: u32 = 128;
/// The largest array that Linux reads: `KMALLOC_MAX_SIZE`, checked in `is_gpt_valid`.
const MAX_ARRAY_BYTES: u64 = 4 << 20;
/// "Legacy BIOS bootable" of the attributes.
const LEGACY_BOOT: u64 = 1 << 2;

/// Reads the entries that are in use.
pub(super) fn read(device: &dyn ReadAt, header: &Header, sector_bytes: u32) -> Result<Vec<Partition>, Fault> {
    let (count, entry_bytes) = (header.num_partition_entries, header.sizeof_partition_entry);
    if entry_bytes < MIN_ENTRY_BYTES || entry_bytes % 8 != 0 {
        return Err(Fault::EntrySize(entry_bytes));
    }
    let array_bytes = u64::from(count).saturating_mul(entry_bytes.into());
    if array_bytes > MAX_ARRAY_BYTES {
        return Err(Fault::TooManyEntries { count, entry_bytes, most: MAX_ARRAY_BYTES });
    }
    let lba = header.partition_entry_lba;
    let outside = Fault::EntriesOutside { lba, array_bytes, device_bytes: device.len_bytes() };
    let range = lba.checked_mul(sector_bytes.into()).and_then(|at| ByteRange::new(at, array_bytes));
    let Some(range) = range.filter(|range| range.end() <= device.len_bytes()) else {
        return Err(outside);
    };
    let array_len = usize::try_from(array_bytes).map_err(|_| outside)?;
    let array =
        read_vec(device, range.start(), array_len).map_err(|error| Fault::Unreadable(error.to_string()))?;
    let (stored, computed) = (header.partition_entry_array_crc32, crc32(&array));
    if stored != computed {
        return Err(Fault::EntriesChecksum { stored, computed });
    }
    let entry_len = usize::try_from(entry_bytes).map_err(|_| Fault::EntrySize(entry_bytes))?;
    let mut partitions = Vec::new();
    for (number, entry) in (1..).zip(array.chunks_exact(entry_len)) {
        partitions.extend(partition(number, entry, sector_bytes)?);
    }
    Ok(partitions)
}

/// The partition of one entry; `None` when the entry is not in use.
fn partition(number: u32, entry: &[u8], sector_bytes: u32) -> Result<Option<Partition>, Short> {
    let partition_type_guid = Uuid::from_bytes_le(bytes_at(entry, 0)?);
    if partition_type_guid.is_nil() {
        return Ok(None);
    }
    let unique_partition_guid = Uuid::from_bytes_le(bytes_at(entry, 16)?);
    let starting_lba = u64_at(entry, 32)?;
    let ending_lba = u64_at(entry, 40)?;
    let attributes = u64_at(entry, 48)?;
    let (range, fault) = place(starting_lba, ending_lba, sector_bytes);
    let range = range.or_else(|| ByteRange::new(starting_lba.saturating_mul(sector_bytes.into()), 0));
    let name = name(slice_at(entry, 56, 72)?);
    Ok(range.map(|range| Partition {
        number,
        range,
        type_id: format!("{partition_type_guid:X}"),
        type_name: gpt_types::name(partition_type_guid).to_owned(),
        name,
        uuid: format!("{unique_partition_guid:X}"),
        bootable: attributes & LEGACY_BOOT != 0,
        is_container: false,
        fault,
        past_end: None,
    }))
}

/// The range from one sector to another, both included, or why there is none.
fn place(starting_lba: u64, ending_lba: u64, sector_bytes: u32) -> (Option<ByteRange>, Option<String>) {
    let Some(more) = ending_lba.checked_sub(starting_lba) else {
        return (None, Some(format!("its last sector {ending_lba} comes before its first, {starting_lba}")));
    };
    let range = more.checked_add(1).and_then(|sectors| sector_range(starting_lba, sectors, sector_bytes));
    let fault = match range {
        Some(_) => None,
        None => Some(format!("its last sector {ending_lba} is past 2^64 bytes")),
    };
    (range, fault)
}

/// A name in UTF-16, little-endian, up to the first NUL; what is no UTF-16 is replaced.
fn name(bytes: &[u8]) -> String {
    let text = from_utf16(bytes);
    Printable(text.as_bytes()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    }

    #[test]
    fn names_end_at_nul_and_are_safe_to_show() {
        let mut lone_surrogate = utf16("a");
        lone_surrogate.extend([0x00, 0xd8]);
        let cases = [
            (utf16("EFI System\0old"), "EFI System"),
            (utf16("größe 💾"), "größe 💾"),
            (utf16("x\x1b[2J"), r"x\u{1b}[2J"),
            (lone_surrogate, "a\u{fffd}"),
            (vec![], ""),
        ];
        for (bytes, shown) in cases {
            assert_eq!(name(&bytes), shown);
        }
    }

    #[test]
    fn a_partition_without_a_possible_place_is_empty_and_says_why() {
        let mut entry = vec![1; 128];
        let mut at = |start: u64, end: u64| {
            entry[32..40].copy_from_slice(&start.to_le_bytes());
            entry[40..48].copy_from_slice(&end.to_le_bytes());
            let found = partition(1, &entry, 512).unwrap().unwrap();
            (found.range.start(), found.range.len(), found.fault)
        };
        assert_eq!(at(10, 10), (5120, 512, None));
        let before = Some("its last sector 9 comes before its first, 10".to_owned());
        assert_eq!(at(10, 9), (5120, 0, before));
        let past = Some(format!("its last sector {} is past 2^64 bytes", u64::MAX));
        assert_eq!(at(u64::MAX, u64::MAX), (u64::MAX, 0, past.clone()));
        assert_eq!(at(0, u64::MAX), (0, 0, past));
    }
}
