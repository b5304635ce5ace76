//! Bytes as text in the manifest: base64 with padding, by the crate of that name.
//!
//! <https://www.rfc-editor.org/rfc/rfc4648#section-4>

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::error::{Error, Result};

/// Characters for three bytes.
const GROUP: usize = 4;

pub(crate) fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// The bytes of a text that stands for at most `most` of them.
pub(crate) fn decode(text: &str, most: usize) -> Result<Vec<u8>> {
    if text.len() > most.div_ceil(3).saturating_mul(GROUP) {
        return Err(Error::corrupt(format!("a line of the manifest has more than {most} bytes of data")));
    }
    STANDARD.decode(text).map_err(|error| {
        Error::corrupt(format!("a line of the manifest has data that are no base64: {error}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_and_garbage_does_not() {
        for bytes in [&b""[..], b"a", b"ab", b"abc", &[0, 255, 128, 63, 62]] {
            assert_eq!(decode(&encode(bytes), 5).unwrap(), bytes);
        }
        for wrong in ["a", "YQ", "YQ=", "Y\nQ==", "!!!!", "YQ==YQ==", "YWJjYWJjYWJj"] {
            assert!(decode(wrong, 5).is_err(), "{wrong}");
        }
    }
}
