//! The checksum of LVM2: CRC-32 with a start of its own, and without the final inversion.

use std::sync::LazyLock;

/// `INITIAL_CRC`.
const START: u32 = 0xf597_a6cf;
/// The polynomial of CRC-32, reflected.
const POLYNOMIAL: u32 = 0xedb8_8320;

/// The checksum of `parts`, one behind the other.
pub(super) fn of(parts: &[&[u8]]) -> u32 {
    static TABLE: LazyLock<[u32; 256]> = LazyLock::new(table);
    parts.iter().copied().flatten().fold(START, |crc, byte| {
        let [low, ..] = crc.to_le_bytes();
        let entry = TABLE.get(usize::from(low ^ byte)).copied().unwrap_or_default();
        (crc >> 8) ^ entry
    })
}

/// The remainder of each byte.
fn table() -> [u32; 256] {
    let mut table = [0; 256];
    for (entry, byte) in table.iter_mut().zip(0_u32..) {
        *entry = (0..8).fold(byte, |crc, _| match crc & 1 {
            1 => (crc >> 1) ^ POLYNOMIAL,
            _ => crc >> 1,
        });
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_the_usual_start_it_is_crc_32() {
        // CRC-32 of "123456789" is 0xcbf43926; LVM's start is reached by four bytes in front.
        let mut hasher = flate2::Crc::new();
        hasher.update(b"some text");
        let plain = |bytes: &[u8]| {
            bytes.iter().fold(u32::MAX, |crc, byte| {
                (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
                    if crc & 1 == 1 { (crc >> 1) ^ POLYNOMIAL } else { crc >> 1 }
                })
            })
        };
        assert_eq!(!plain(b"some text"), hasher.sum());
        // The checksum is linear: two starts differ by what zeros make of their difference.
        let zeros = (0..9).fold(u32::MAX ^ START, |crc, _| {
            (0..8).fold(crc, |crc, _| if crc & 1 == 1 { (crc >> 1) ^ POLYNOMIAL } else { crc >> 1 })
        });
        assert_eq!(of(&[b"some ", b"text"]), plain(b"some text") ^ zeros);
    }
}
