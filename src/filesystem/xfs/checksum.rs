//! The checksums of version 5: CRC-32C over a whole structure, with its own field as zeros.
//!
//! All of XFS is big-endian but these fields.

use thiserror::Error;

use crate::fields::{Short, slice_at, u32_at};

/// A structure whose checksum is not that of its bytes.
#[derive(Debug, Error, PartialEq, Eq)]
pub(super) enum Fault {
    #[error(transparent)]
    Short(#[from] Short),
    #[error("checksum is {stored:#010x}, but {computed:#010x} was computed")]
    Mismatch { stored: u32, computed: u32 },
}

/// The checksum of `bytes`, whose field of four bytes at `at` counts as zeros.
pub(super) fn of(bytes: &[u8], at: usize) -> Result<u32, Short> {
    let before = slice_at(bytes, 0, at)?;
    let behind = bytes.get(at.saturating_add(4)..).ok_or(Short { at, have: bytes.len() })?;
    let crc = crc32c::crc32c_append(crc32c::crc32c(before), &[0; 4]);
    Ok(crc32c::crc32c_append(crc, behind))
}

/// Compares the checksum at `at` with that of the bytes.
pub(super) fn check(bytes: &[u8], at: usize) -> Result<(), Fault> {
    let stored = u32_at(bytes, at)?;
    let computed = of(bytes, at)?;
    if stored == computed { Ok(()) } else { Err(Fault::Mismatch { stored, computed }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_field_itself_counts_as_zeros() {
        let mut bytes = b"1234\xff\xff\xff\xff56789".to_vec();
        let computed = crc32c::crc32c(b"1234\0\0\0\x0056789");
        assert_eq!(check(&bytes, 4), Err(Fault::Mismatch { stored: u32::MAX, computed }));
        bytes[4..8].copy_from_slice(&computed.to_le_bytes());
        assert_eq!(check(&bytes, 4), Ok(()));
        assert_eq!(check(&bytes, 11), Err(Fault::Short(Short { at: 11, have: 13 })));
    }
}
