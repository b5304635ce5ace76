//! The label of a physical volume, and the header in it.
//!
//! Layout: `struct label_header` (`lib/label/label.h`) and `struct pv_header`
//! (`lib/format_text/layout.h`) of LVM2. The label lies in one of the first four sectors. Its
//! header names the areas for data and for metadata, in two lists that each end with a zero.

use super::checksum;
use super::fault::Fault;
use crate::device::{ReadAt, read_vec};
use crate::error::Result;
use crate::fields::{Short, bytes_at, u32_at, u64_at};
use crate::units::ByteRange;

const SECTOR_LEN: usize = 512;
const LABELS: usize = 4;
/// The checksum covers the label from here to the end of its sector.
const CHECKED_FROM: usize = 20;
/// In `struct pv_header`: behind the UUID of 32 bytes and the device's size.
const LISTS_AT: usize = 40;
const LOCATION_LEN: usize = 16;

/// What a label says of its physical volume.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Label {
    /// The UUID, 32 letters and digits.
    pub uuid: [u8; 32],
    /// Where the metadata areas lie: `disk_areas_xl` behind those for data.
    pub areas: Vec<ByteRange>,
}

impl Label {
    /// Whether this is the UUID, which the metadata write in groups with hyphens between them.
    pub(super) fn is(&self, uuid: &str) -> bool {
        uuid.bytes().filter(|byte| *byte != b'-').eq(self.uuid)
    }
}

/// Reads the first sound label.
pub(super) fn read(device: &dyn ReadAt) -> Result<Label> {
    let len = usize::try_from(device.len_bytes()).unwrap_or(usize::MAX).min(SECTOR_LEN * LABELS);
    let head = read_vec(device, 0, len)?;
    let sectors = (0..).zip(head.chunks_exact(SECTOR_LEN));
    sectors.into_iter().find_map(|(number, sector)| label(number, sector)).ok_or(Fault::NoLabel.into())
}

fn label(number: u64, sector: &[u8]) -> Option<Label> {
    let sector_xl = u64_at(sector, 8).ok()?;
    let crc_xl = u32_at(sector, 16).ok()?;
    let offset_xl = usize::try_from(u32_at(sector, 20).ok()?).ok()?;
    let is_label = sector.starts_with(b"LABELONE") && sector.get(24..32)? == b"LVM2 001";
    if !is_label || sector_xl != number || crc_xl != checksum::of(&[sector.get(CHECKED_FROM..)?]) {
        return None;
    }
    header(sector.get(offset_xl..)?).ok()
}

fn header(bytes: &[u8]) -> Result<Label, Short> {
    let pv_uuid = bytes_at::<32>(bytes, 0)?;
    let mut at = LISTS_AT;
    list(bytes, &mut at)?;
    let areas = list(bytes, &mut at)?;
    Ok(Label { uuid: pv_uuid, areas })
}

/// One list of positions and lengths, up to a position of zero. The sector bounds it.
fn list(bytes: &[u8], at: &mut usize) -> Result<Vec<ByteRange>, Short> {
    let mut found = Vec::new();
    loop {
        let offset = u64_at(bytes, *at)?;
        let size = u64_at(bytes, at.saturating_add(8))?;
        *at = at.saturating_add(LOCATION_LEN);
        if offset == 0 {
            return Ok(found);
        }
        found.extend(ByteRange::new(offset, size));
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::error::Kind;

    /// A sector with a label that names these metadata areas.
    pub(in super::super) fn made(number: u64, areas: &[(u64, u64)]) -> Vec<u8> {
        let mut sector = vec![0; SECTOR_LEN];
        sector[..8].copy_from_slice(b"LABELONE");
        sector[8..16].copy_from_slice(&number.to_le_bytes());
        sector[20..24].copy_from_slice(&32_u32.to_le_bytes());
        sector[24..32].copy_from_slice(b"LVM2 001");
        sector[32..64].copy_from_slice(&[b'u'; 32]);
        sector[72..80].copy_from_slice(&(1_u64 << 20).to_le_bytes());
        for (index, (offset, size)) in areas.iter().enumerate() {
            let at = 104 + index * LOCATION_LEN;
            sector[at..at + 8].copy_from_slice(&offset.to_le_bytes());
            sector[at + 8..at + 16].copy_from_slice(&size.to_le_bytes());
        }
        let crc = checksum::of(&[&sector[CHECKED_FROM..]]);
        sector[16..20].copy_from_slice(&crc.to_le_bytes());
        sector
    }

    #[test]
    fn a_label_is_found_in_each_of_the_four_sectors_and_nowhere_else() {
        let areas = [(4096, 1_044_480), (9 << 20, 1 << 20)];
        let expected = areas.map(|(at, len)| ByteRange::new(at, len).unwrap());
        for number in 0..5_u64 {
            let mut disk = vec![0; SECTOR_LEN * 8];
            let at = number as usize * SECTOR_LEN;
            disk[at..at + SECTOR_LEN].copy_from_slice(&made(number, &areas));
            match read(&disk) {
                Ok(label) => {
                    assert_eq!((label.uuid, label.areas.as_slice()), ([b'u'; 32], expected.as_slice()));
                    assert!(number < 4);
                }
                Err(error) => assert_eq!((number, error.kind()), (4, Kind::Corrupt)),
            }
        }
    }

    #[test]
    fn a_label_with_a_wrong_field_is_no_label() {
        let changes: [(usize, u8, bool); 6] = [
            (0, b'l', true),
            (8, 1, true),
            (16, 1, false),
            (24, b'X', true),
            (22, 255, true),
            (200, 1, false),
        ];
        for (at, value, is_repaired) in changes {
            let mut sector = made(0, &[(4096, 4096)]);
            sector[at] ^= value;
            if is_repaired {
                let crc = checksum::of(&[&sector[CHECKED_FROM..]]);
                sector[16..20].copy_from_slice(&crc.to_le_bytes());
            }
            assert!(read(&sector).is_err(), "byte {at}");
        }
        // Lists without an end.
        let areas = [(4096, 4096); 25];
        assert!(read(&made(0, &areas[..24])).is_ok());
        assert!(read(&made(0, &areas)).is_err());
        assert!(read(&vec![0; 100]).is_err());
    }
}
