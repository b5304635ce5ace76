//! Bytes as the manifest's text, and back.

use super::wrong;
use crate::error::Result;
use crate::hex;

/// Bytes as text; where they are not UTF-8, a field with the ending `_hex` has them exactly.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub(crate) fn hex_unless_text(bytes: &[u8]) -> Option<String> {
    std::str::from_utf8(bytes).is_err().then(|| hex::encode(bytes))
}

/// A field in bytes: exactly, where it was not UTF-8, or its text.
pub(crate) fn bytes(text: String, hex: Option<String>) -> Result<Vec<u8>> {
    match hex {
        Some(hex) => unhex(&hex),
        None => Ok(text.into_bytes()),
    }
}

pub(crate) fn unhex(text: &str) -> Result<Vec<u8>> {
    hex::decode(text).ok_or_else(|| wrong("hexadecimal digits that are none"))
}

/// Undoes what made a name safe to show: `\\`, `\n`, `\x1b` for a byte, `\u{1b}` for a character.
pub(crate) fn unescaped(text: &str) -> Result<Vec<u8>> {
    plain(text).ok_or_else(|| wrong("an escape that is none"))
}

fn plain(text: &str) -> Option<Vec<u8>> {
    let (mut plain, mut rest) = (Vec::with_capacity(text.len()), text);
    while let Some((before, escape)) = rest.split_once('\\') {
        plain.extend_from_slice(before.as_bytes());
        let mut characters = escape.chars();
        let kind = characters.next()?;
        rest = characters.as_str();
        match kind {
            '\\' => plain.push(b'\\'),
            'n' => plain.push(b'\n'),
            'r' => plain.push(b'\r'),
            't' => plain.push(b'\t'),
            '0' => plain.push(0),
            'x' => {
                let (digits, after) = rest.split_at_checked(2)?;
                plain.push(u8::from_str_radix(digits, 16).ok()?);
                rest = after;
            }
            'u' => {
                let (digits, after) = rest.strip_prefix('{')?.split_once('}')?;
                let character = char::from_u32(u32::from_str_radix(digits, 16).ok()?)?;
                plain.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                rest = after;
            }
            _ => return None,
        }
    }
    plain.extend_from_slice(rest.as_bytes());
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::printable::Printable;

    #[test]
    fn what_was_made_safe_to_show_becomes_what_it_was() {
        let all: Vec<u8> = (0..=255).collect();
        for bytes in [&all[..], b"user.comment", b"\\x41", "evil\u{202e}gpj \u{e9}".as_bytes(), b"\0\n\r\t"] {
            assert_eq!(unescaped(&Printable(bytes).to_string()).unwrap(), bytes);
        }
        for wrong in ["\\", "\\q", "\\x4", "\\u{}", "\\u{110000}", "\\x\u{e9}"] {
            assert!(unescaped(wrong).is_err(), "{wrong}");
        }
    }
}
