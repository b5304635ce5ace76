//! Words of unit files: what systemd would take for something else is written so that it does not (systemd.syntax(7),
//! systemd.service(5), systemd.unit(5)).

use std::path::Path;

/// A path in a list of paths.
pub(super) fn path(path: &Path) -> String {
    word(&path.to_string_lossy())
}

/// A path that may be missing.
pub(super) fn optional(path: &Path) -> String {
    word(&format!("-{}", path.to_string_lossy()))
}

/// A word of a command line, where `$` begins a variable too.
pub(super) fn argument(text: &str) -> String {
    word(&text.replace('$', "$$"))
}

fn word(text: &str) -> String {
    let is_safe = |c: char| c.is_ascii_alphanumeric() || "/._-+:@,=$".contains(c);
    let text = text.replace('%', "%%");
    if !text.is_empty() && text.chars().all(|c| is_safe(c) || c == '%') {
        return text;
    }
    let mut quoted = String::from("\"");
    for character in text.chars() {
        if matches!(character, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    quoted.push('"');
    quoted
}

/// Whether a value can stand in a unit as it is: one line, no specifiers.
pub(super) fn is_plain(text: &str) -> bool {
    !text.contains(|c: char| c.is_control() || matches!(c, '%' | '\\' | '"' | '\''))
}
