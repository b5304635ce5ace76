//! Bytes as hexadecimal digits and back: digests, and what is not UTF-8. The adapter for the crate `data-encoding`.

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};

/// Two lowercase digits a byte.
pub(crate) fn encode(bytes: &[u8]) -> String {
    HEXLOWER.encode(bytes)
}

/// The bytes of such a text, where it is one. Capital letters are digits too.
pub(crate) fn decode(digits: &str) -> Option<Vec<u8>> {
    HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_bytes_and_garbage_is_none() {
        assert_eq!(encode(&[0, 255, 0x7a]), "00ff7a");
        assert_eq!(decode("00fF7a").unwrap(), [0, 255, 0x7a]);
        assert_eq!(decode("").unwrap(), [0_u8; 0]);
        for wrong in ["0", "0g", "é", "00 ff", "0x00"] {
            assert!(decode(wrong).is_none(), "{wrong}");
        }
    }
}
