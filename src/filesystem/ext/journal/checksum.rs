//! The two checksums of a journal: CRC-32C, and the plain CRC-32 of the first checksummed journals.

use libdeflater::Crc;

use crate::filesystem::ext;

/// Continues the CRC-32C `seed` over `bytes`, as `jbd2_chksum` in the kernel does: neither the start value nor the
/// result is inverted.
pub(super) fn crc32c(seed: u32, bytes: &[u8]) -> u32 {
    ext::checksum::Crc::from_seed(seed).with(bytes).value()
}

/// CRC-32C of a block whose four bytes at `field` count as zeros, because the checksum itself is kept there.
pub(super) fn crc32c_without(seed: u32, block: &[u8], field: usize) -> u32 {
    let (before, rest) = block.split_at_checked(field).unwrap_or((block, &[]));
    let (_, after) = rest.split_at_checked(4).unwrap_or_default();
    crc32c(crc32c(crc32c(seed, before), &[0; 4]), after)
}

/// The CRC-32 over the blocks of a transaction that begins with the highest bit (`crc32_be` in the kernel), from
/// `0xffff_ffff` on.
///
/// It is the common CRC-32 with the bits of each byte, and of the result, in the opposite order.
pub(super) struct BigEndianCrc32 {
    crc: Crc,
    mirrored: Vec<u8>,
}

impl BigEndianCrc32 {
    pub(super) fn new() -> Self {
        Self { crc: Crc::new(), mirrored: Vec::new() }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.mirrored.clear();
        self.mirrored.extend(bytes.iter().map(|byte| byte.reverse_bits()));
        self.crc.update(&self.mirrored);
    }

    pub(super) fn sum(&self) -> u32 {
        (!self.crc.sum()).reverse_bits()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksums_of_the_usual_test_vector_are_the_published_ones() {
        // CRC-32C and CRC-32/MPEG-2 of "123456789" in the catalogue of parametrised CRC algorithms.
        assert_eq!(!crc32c(!0, b"123456789"), 0xe306_9283);
        let mut crc = BigEndianCrc32::new();
        crc.update(b"12345");
        crc.update(b"6789");
        assert_eq!(crc.sum(), 0x0376_e6e7);
    }

    #[test]
    fn the_field_that_holds_the_checksum_counts_as_zeros() {
        assert_eq!(crc32c_without(7, b"abXXXXcd", 2), crc32c(7, b"ab\0\0\0\0cd"));
    }
}
