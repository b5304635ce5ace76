//! The header of one copy of a GPT.
//!
//! Layout: UEFI Specification 2.10, section 5.3.2, <https://uefi.org/specs/UEFI/2.10/05_GUID_Partition_Table_Format.html>.
//! What makes a header valid is as in `is_gpt_valid` of the kernel (`block/partitions/efi.c`), except that entries
//! may be larger than 128 bytes, and that the disk may have lost its end.

use libdeflater::Crc;
use uuid::Uuid;

use super::Fault;
use crate::device::{ReadAt, read_vec};
use crate::fields::{bytes_at, slice_at, u32_at, u64_at};
use crate::partition::sector_count;

const SIGNATURE: &[u8; 8] = b"EFI PART";
/// Bytes of the header that the specification defines.
const MIN_HEADER_BYTES: u32 = 92;
/// Where the header keeps its own checksum, which counts as zeros.
const CHECKSUM_AT: usize = 16;

/// The fields of a valid header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) my_lba: u64,
    pub(super) alternate_lba: u64,
    pub(super) disk_guid: Uuid,
    pub(super) partition_entry_lba: u64,
    pub(super) num_partition_entries: u32,
    pub(super) sizeof_partition_entry: u32,
    pub(super) partition_entry_array_crc32: u32,
}

/// The sector at `lba`, if a header is there, whatever its state.
pub(super) fn sector(device: &dyn ReadAt, lba: u64, sector_bytes: u32) -> Result<Vec<u8>, Fault> {
    let sectors = sector_count(device, sector_bytes);
    if lba >= sectors {
        return Err(Fault::PastEnd { lba, sectors });
    }
    let at = lba.saturating_mul(sector_bytes.into());
    let len = usize::try_from(sector_bytes).unwrap_or_default();
    let sector = read_vec(device, at, len).map_err(|error| Fault::Unreadable(error.to_string()))?;
    if sector.starts_with(SIGNATURE) { Ok(sector) } else { Err(Fault::Signature { lba }) }
}

/// Where a header that may be damaged says that the other copy is.
pub(super) fn alternate_lba(sector: &[u8]) -> Option<u64> {
    u64_at(sector, 32).ok()
}

impl Header {
    /// Reads the header in `sector`, which was read from `lba`.
    pub(super) fn parse(sector: &[u8], lba: u64) -> Result<Self, Fault> {
        let header_size = u32_at(sector, 12)?;
        let header_crc32 = u32_at(sector, CHECKSUM_AT)?;
        let my_lba = u64_at(sector, 24)?;
        let first_usable_lba = u64_at(sector, 40)?;
        let last_usable_lba = u64_at(sector, 48)?;
        let header = Self {
            my_lba,
            alternate_lba: u64_at(sector, 32)?,
            disk_guid: Uuid::from_bytes_le(bytes_at(sector, 56)?),
            partition_entry_lba: u64_at(sector, 72)?,
            num_partition_entries: u32_at(sector, 80)?,
            sizeof_partition_entry: u32_at(sector, 84)?,
            partition_entry_array_crc32: u32_at(sector, 88)?,
        };
        let most = sector.len();
        let covered = usize::try_from(header_size).ok().filter(|size| *size <= most);
        let Some(covered) = covered.filter(|_| header_size >= MIN_HEADER_BYTES) else {
            return Err(Fault::HeaderSize { header_size, most });
        };
        let computed = checksum(slice_at(sector, 0, covered)?)?;
        if computed != header_crc32 {
            return Err(Fault::HeaderChecksum { stored: header_crc32, computed });
        }
        if my_lba != lba {
            return Err(Fault::MyLba { my_lba, lba });
        }
        if last_usable_lba < first_usable_lba {
            return Err(Fault::UsableRange { first_usable_lba, last_usable_lba });
        }
        Ok(header)
    }
}

/// The part of a header's sector that its checksum is of.
pub(super) fn covered(sector: &[u8]) -> Result<&[u8], Fault> {
    let header_size = u32_at(sector, 12)?;
    let most = sector.len();
    let len = usize::try_from(header_size).map_err(|_| Fault::HeaderSize { header_size, most })?;
    Ok(slice_at(sector, 0, len)?)
}

/// The checksum of a header.
pub(super) fn checksum(header: &[u8]) -> Result<u32, Fault> {
    let after = CHECKSUM_AT.saturating_add(4);
    let mut crc = Crc::new();
    crc.update(slice_at(header, 0, CHECKSUM_AT)?);
    crc.update(&[0; 4]);
    crc.update(slice_at(header, after, header.len().saturating_sub(after))?);
    Ok(crc.sum())
}
