//! Bytes from an image made safe to show: a tenant chose them, and a terminal obeys some of them.

use std::fmt::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// Shows bytes as text: valid UTF-8 as it is, control characters and all other bytes escaped.
///
/// Also escapes the characters that change the direction of text, so that a name can't look like another.
#[derive(Clone, Copy, Debug)]
pub struct Printable<'a>(pub &'a [u8]);

impl<'a> Printable<'a> {
    /// A path on this host.
    #[must_use]
    pub fn path(path: &'a Path) -> Self {
        Self(path.as_os_str().as_bytes())
    }
}

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for character in chunk.valid().chars() {
                match character {
                    '\\' => f.write_str("\\\\")?,
                    c if c.is_control() || turns_text(c) => write!(f, "{}", c.escape_debug())?,
                    c => f.write_char(c)?,
                }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

/// Text that was made safe to show elsewhere, made sure of: control characters and those that turn text are escaped, and all else
/// stays, backslashes too.
#[must_use]
pub fn harmless(text: &str) -> String {
    let escape = |c: char| c.is_control() || turns_text(c);
    if !text.contains(escape) {
        return text.to_owned();
    }
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match escape(character) {
            true => shown.extend(character.escape_debug()),
            false => shown.push(character),
        }
    }
    shown
}

/// Text in UTF-16, little-endian, up to the first NUL; what is no UTF-16 is replaced.
#[must_use]
pub fn from_utf16(bytes: &[u8]) -> String {
    let units = bytes.as_chunks::<2>().0.iter().copied().map(u16::from_le_bytes);
    char::decode_utf16(units.take_while(|unit| *unit != 0))
        .map(|character| character.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect()
}

/// Whether the character changes the direction of the text around it, or has no width
/// (Unicode Standard Annex 9, section 2).
fn turns_text(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_and_everything_else_is_escaped() {
        let cases: [(&[u8], &str); 6] = [
            ("plain päth".as_bytes(), "plain päth"),
            (b"two\nlines", r"two\nlines"),
            (b"\x1b]0;title\x07", r"\u{1b}]0;title\u{7}"),
            (b"latin-1 \xe9", r"latin-1 \xe9"),
            (b"back\\slash", r"back\\slash"),
            ("evil\u{202e}gpj".as_bytes(), r"evil\u{202e}gpj"),
        ];
        for (bytes, shown) in cases {
            assert_eq!(Printable(bytes).to_string(), shown);
        }
    }

    #[test]
    fn text_that_is_safe_already_stays_as_it_is() {
        let shown = Printable(b"p1/\x1b\xff\\ \n").to_string();
        assert_eq!(harmless(&shown), shown);
        assert_eq!(harmless("a\x1b[2J\nb\u{202e}c"), r"a\u{1b}[2J\nb\u{202e}c");
    }
}
