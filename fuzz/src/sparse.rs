//! Images as fuzzers keep them: without the sectors that hold only zeros.
//!
//! Behind the magic bytes comes the number of sectors, and then each sector that holds something: its number, and its bytes.
//! Numbers have four bytes, little-endian. What does not begin with the magic bytes is an image as it is.

use super::fields::{le32, put};

const MAGIC: &[u8; 4] = b"SECT";
/// Length of a sector in bytes.
pub const SECTOR_LEN: usize = 512;
const RECORD_LEN: usize = 4 + SECTOR_LEN;

/// Longest image that is unpacked; a longer one is cut off.
pub const LONGEST: usize = 8 << 20;

/// Whether these bytes are a packed image.
pub fn is_packed(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

/// The image as it would be on a disk.
pub fn unpack(packed: &[u8]) -> Vec<u8> {
    let Some(packed) = packed.strip_prefix(MAGIC) else {
        return packed.get(..LONGEST).unwrap_or(packed).to_vec();
    };
    let sectors = usize::try_from(le32(packed, 0)).unwrap_or(0).min(LONGEST / SECTOR_LEN);
    let mut image = vec![0; sectors * SECTOR_LEN];
    for record in packed.get(4..).unwrap_or_default().chunks_exact(RECORD_LEN) {
        let sector = usize::try_from(le32(record, 0)).unwrap_or(0).min(LONGEST);
        put(&mut image, sector * SECTOR_LEN, &record[4..]);
    }
    image
}

/// The image in as few bytes as its sectors allow. The last sector, where it is not a whole one, is filled with zeros.
pub fn pack(image: &[u8]) -> Vec<u8> {
    let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes();
    let mut packed = [*MAGIC, number(image.len().div_ceil(SECTOR_LEN))].concat();
    for (index, sector) in image.chunks(SECTOR_LEN).enumerate() {
        if sector.iter().any(|byte| *byte != 0) {
            packed.extend(number(index));
            packed.extend(sector);
            packed.resize(packed.len() + SECTOR_LEN - sector.len(), 0);
        }
    }
    packed
}
