//! The checksums of ext metadata: CRC-32C without the final inversion, chained from a seed, and the older CRC-16.
//!
//! <https://docs.kernel.org/filesystems/ext4/checksums.html>

/// A running CRC-32C as ext chains it: neither the first nor the last value is inverted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Crc(u32);

impl Crc {
    /// The checksum of nothing, as the superblock and the filesystem's seed begin.
    pub(super) const START: Self = Self(u32::MAX);

    /// Goes on from a value that was kept on the disk.
    pub(super) fn from_seed(seed: u32) -> Self {
        Self(seed)
    }

    /// Goes on with `bytes`.
    #[must_use]
    pub(super) fn with(self, bytes: &[u8]) -> Self {
        Self(!crc32c::crc32c_append(!self.0, bytes))
    }

    /// Goes on with as many zero bytes as a checksum field of `N` bytes has: what such a field counts as.
    #[must_use]
    pub(super) fn with_zeros<const N: usize>(self) -> Self {
        self.with(&[0; N])
    }

    /// The four bytes to go on with so that the checksum becomes `value`: each step back is one bit of the polynomial's division undone.
    pub(super) fn bytes_to(self, value: u32) -> [u8; 4] {
        const POLYNOMIAL: u32 = 0x82f6_3b78;
        let back = (0..u32::BITS).fold(value, |crc, _| match crc >> 31 {
            0 => crc << 1,
            _ => (crc ^ POLYNOMIAL) << 1 | 1,
        });
        (back ^ self.0).to_le_bytes()
    }

    pub(super) fn value(self) -> u32 {
        self.0
    }

    /// The half that is kept where there is no space for all of it.
    pub(super) fn low_half(self) -> u16 {
        let [low, high, ..] = self.0.to_le_bytes();
        u16::from_le_bytes([low, high])
    }
}

/// CRC-16 with the polynomial 0x8005, reflected: what group descriptors have where there is only `uninit_bg`.
pub(super) fn crc16(start: u16, bytes: &[u8]) -> u16 {
    bytes.iter().fold(start, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xa001 } else { crc >> 1 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_checksums_give_the_published_check_values() {
        assert_eq!(!Crc::START.with(b"123456789").value(), 0xe306_9283);
        assert_eq!(crc16(0, b"123456789"), 0xbb3d);
    }

    #[test]
    fn a_checksum_in_pieces_is_that_of_the_whole() {
        let whole = Crc::START.with(b"12\0\0\0\x0034");
        assert_eq!(Crc::START.with(b"12").with_zeros::<4>().with(b"34"), whole);
    }
}
