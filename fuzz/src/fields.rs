//! Fields of structures that may be cut off: what is not there reads as zeros, and is not written.

use std::ops::Range;

/// The `N` bytes at `at`.
pub fn bytes_at<const N: usize>(image: &[u8], at: usize) -> [u8; N] {
    image.get(at..).and_then(|rest| rest.first_chunk::<N>()).copied().unwrap_or([0; N])
}

/// Little-endian, two bytes.
pub fn le16(image: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(bytes_at(image, at))
}

/// Little-endian, four bytes.
pub fn le32(image: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes_at(image, at))
}

/// Little-endian, eight bytes.
pub fn le64(image: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes_at(image, at))
}

/// Big-endian, two bytes.
pub fn be16(image: &[u8], at: usize) -> u16 {
    u16::from_be_bytes(bytes_at(image, at))
}

/// Big-endian, four bytes.
pub fn be32(image: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes_at(image, at))
}

/// Writes bytes, as far as there is room for all of them.
pub fn put(image: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(place) = at.checked_add(bytes.len()).and_then(|end| image.get_mut(at..end)) {
        place.copy_from_slice(bytes);
    }
}

/// The bytes of a range; none where it is not all there.
pub fn slice(image: &[u8], range: Range<usize>) -> &[u8] {
    image.get(range).unwrap_or_default()
}

/// Goes on with the CRC-32C as ext4 and jbd2 chain it: neither the first nor the last value is inverted.
pub fn crc32c(seed: u32, bytes: &[u8]) -> u32 {
    !crc32c::crc32c_append(!seed, bytes)
}

/// The same over `bytes`, of which the `len` at `field` count as zeros: the checksum itself is there.
pub fn crc32c_without(seed: u32, bytes: &[u8], field: usize, len: usize) -> u32 {
    let end = (field + len).min(bytes.len());
    let field = field.min(end);
    crc32c(crc32c(crc32c(seed, &bytes[..field]), &[0; 16][..(end - field).min(16)]), &bytes[end..])
}
