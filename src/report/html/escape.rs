//! Text that a page may show: whoever named a volume or a file doesn't write the page.

use std::fmt::{self, Write as _};

use crate::report::words;
use crate::store::{Address, Key};

/// Text, shown as text wherever it stands in a page: in an element, or in an attribute between double quotes.
///
/// What steers terminals and what turns text is escaped as well.
pub(super) struct Text(String);

impl Text {
    pub(super) fn new(text: &str) -> Self {
        Self(words::shown(text))
    }

    pub(super) fn address(address: &Address) -> Self {
        Self(address.to_string())
    }

    pub(super) fn file_name(key: &Key) -> Self {
        Self(words::file_name(key))
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_means_something_to_a_browser_gets_through() {
        let text = Text::new("<script>\"&'\u{202e}\u{1b}");
        assert_eq!(text.to_string(), "&lt;script&gt;&quot;&amp;&#39;\\u{202e}\\u{1b}");
    }
}
