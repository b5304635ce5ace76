//! Little- and big-endian fields of on-disk structures.
//!
//! Every read is bounds-checked and says which bytes were missing, so that a parser is a list of
//! `let i_mode = u16_at(record, 0x00)?;` and can't reach outside its slice.

use thiserror::Error;

/// A structure ends before one of its fields.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("structure of {have} bytes ends before its field at {at:#x}")]
pub struct Short {
    /// Position of the field in the structure, in bytes.
    pub at: usize,
    /// Length of the structure, in bytes.
    pub have: usize,
}

/// The `N` bytes at `at`.
pub fn bytes_at<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N], Short> {
    bytes.get(at..).and_then(|rest| rest.first_chunk::<N>()).copied().ok_or(Short { at, have: bytes.len() })
}

/// The `len` bytes at `at`, whatever `len` is.
pub fn slice_at(bytes: &[u8], at: usize, len: usize) -> Result<&[u8], Short> {
    at.checked_add(len).and_then(|end| bytes.get(at..end)).ok_or(Short { at, have: bytes.len() })
}

/// One byte.
pub fn u8_at(bytes: &[u8], at: usize) -> Result<u8, Short> {
    bytes_at::<1>(bytes, at).map(|[byte]| byte)
}

/// Little-endian, two bytes.
pub fn u16_at(bytes: &[u8], at: usize) -> Result<u16, Short> {
    bytes_at(bytes, at).map(u16::from_le_bytes)
}

/// Little-endian, four bytes.
pub fn u32_at(bytes: &[u8], at: usize) -> Result<u32, Short> {
    bytes_at(bytes, at).map(u32::from_le_bytes)
}

/// Little-endian, eight bytes.
pub fn u64_at(bytes: &[u8], at: usize) -> Result<u64, Short> {
    bytes_at(bytes, at).map(u64::from_le_bytes)
}

/// Big-endian, four bytes.
pub fn be32_at(bytes: &[u8], at: usize) -> Result<u32, Short> {
    bytes_at(bytes, at).map(u32::from_be_bytes)
}

/// Big-endian, two bytes.
pub fn be16_at(bytes: &[u8], at: usize) -> Result<u16, Short> {
    bytes_at(bytes, at).map(u16::from_be_bytes)
}

/// Big-endian, eight bytes.
pub fn be64_at(bytes: &[u8], at: usize) -> Result<u64, Short> {
    bytes_at(bytes, at).map(u64::from_be_bytes)
}

/// Writes `field` at `at`; a structure that is shorter than that stays as it is, as whoever made it knows its length.
fn put(bytes: &mut [u8], at: usize, field: &[u8]) {
    if let Some(place) = at.checked_add(field.len()).and_then(|end| bytes.get_mut(at..end)) {
        place.copy_from_slice(field);
    }
}

/// Writes bytes.
pub fn put_bytes(bytes: &mut [u8], at: usize, field: &[u8]) {
    put(bytes, at, field);
}

/// Writes one byte.
pub fn put_u8(bytes: &mut [u8], at: usize, field: u8) {
    put(bytes, at, &[field]);
}

/// Writes two bytes, little-endian.
pub fn put_u16(bytes: &mut [u8], at: usize, field: u16) {
    put(bytes, at, &field.to_le_bytes());
}

/// Writes four bytes, little-endian.
pub fn put_u32(bytes: &mut [u8], at: usize, field: u32) {
    put(bytes, at, &field.to_le_bytes());
}

/// The lower half of a 64-bit number.
#[must_use]
pub fn low_half(number: u64) -> u32 {
    let [a, b, c, d, ..] = number.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

/// The upper half of a 64-bit number.
#[must_use]
pub fn high_half(number: u64) -> u32 {
    let [.., a, b, c, d] = number.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

/// The lower half of a 32-bit number.
#[must_use]
pub fn low_quarter(number: u32) -> u16 {
    let [a, b, ..] = number.to_le_bytes();
    u16::from_le_bytes([a, b])
}

/// The upper half of a 32-bit number.
#[must_use]
pub fn high_quarter(number: u32) -> u16 {
    let [.., a, b] = number.to_le_bytes();
    u16::from_le_bytes([a, b])
}

/// Two halves of a 64-bit number that ext keeps in different places.
#[must_use]
pub fn wide(high: u32, low: u32) -> u64 {
    (u64::from(high) << 32) | u64::from(low)
}

/// The bytes before the first NUL, as ext and GPT keep short names.
#[must_use]
pub fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_past_the_end_is_an_error_and_not_a_panic() {
        assert_eq!(u32_at(&[1, 2, 3], 0), Err(Short { at: 0, have: 3 }));
        assert_eq!(u8_at(&[1], usize::MAX), Err(Short { at: usize::MAX, have: 1 }));
        assert_eq!(slice_at(&[1], 1, usize::MAX), Err(Short { at: 1, have: 1 }));
    }

    #[test]
    fn fields_are_read_in_the_byte_order_their_name_says() {
        let bytes = [1, 2, 3, 4, 5, 6, 7, 8];
        assert_eq!(u16_at(&bytes, 1), Ok(0x0302));
        assert_eq!(u32_at(&bytes, 0), Ok(0x0403_0201));
        assert_eq!(be32_at(&bytes, 0), Ok(0x0102_0304));
        assert_eq!(u64_at(&bytes, 0), Ok(0x0807_0605_0403_0201));
    }
}
