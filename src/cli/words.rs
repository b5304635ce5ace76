//! A command as one argument: parted into words as a shell does it, and then run without one.

use crate::error::{Error, Kind, Result};

/// The words of a command; there is at least one.
pub(super) fn words(option: &str, text: &str) -> Result<Vec<String>> {
    let wrong = |why: &str| Error::new(Kind::Usage, format!("{option} {text:?}: {why}"));
    match shlex::split(text) {
        None => Err(wrong("a quote is not closed, or there is nothing behind the last backslash")),
        Some(words) if words.first().is_none_or(String::is_empty) => Err(wrong("names no program")),
        Some(words) => Ok(words),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_parted_as_a_shell_does_it() {
        let cases: [(&str, Option<&[&str]>); 6] = [
            ("lvm", Some(&["lvm"])),
            ("sudo -n  lvm", Some(&["sudo", "-n", "lvm"])),
            ("sh -c 'echo \"$VOLTAR_VOLUME\"; x > y'", Some(&["sh", "-c", "echo \"$VOLTAR_VOLUME\"; x > y"])),
            ("", None),
            ("''", None),
            ("sh -c 'open", None),
        ];
        for (text, expected) in cases {
            let found = words("--freeze", text);
            assert_eq!(
                found.as_deref().ok(),
                expected.map(|words| words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>()).as_deref(),
                "{text}"
            );
        }
    }
}
