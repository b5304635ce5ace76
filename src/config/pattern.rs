//! Patterns: those that can't mean what their author thinks are told, with what does.

/// What is wrong with a pattern for files, which means what it means for tar's `--exclude`; `None` when nothing is.
pub(super) fn files(pattern: &str) -> Option<String> {
    let bare = pattern.trim_start_matches("./").trim_matches('/');
    if pattern.is_empty() {
        return Some("an empty pattern matches nothing".to_owned());
    }
    if matches!(pattern, "." | "*" | "?") {
        return Some(format!("\"{pattern}\" leaves out everything: what is in the root is \"./*\""));
    }
    if pattern.starts_with('/') {
        return Some(format!(
            "names begin with \"./\", so nothing matches; write \"./{bare}\" for the one in the root, \"{bare}\" for all of that name"
        ));
    }
    if pattern.ends_with('/') {
        let pattern = pattern.trim_end_matches('/');
        return Some(format!(
            "no name ends with \"/\", so nothing matches; write \"{pattern}\", or \"{pattern}/*\" for what is in it"
        ));
    }
    if pattern.contains("//") {
        return Some("no name has \"//\" in it, so nothing matches".to_owned());
    }
    syntax(pattern)
}

/// What is wrong with a pattern for the names of logical volumes.
pub(super) fn volumes(pattern: &str) -> Option<String> {
    if pattern.is_empty() {
        return Some("an empty pattern matches nothing".to_owned());
    }
    if let Some((_, name)) = pattern.rsplit_once('/') {
        return Some(format!(
            "a volume's name has no \"/\"; patterns are about names without the group: \"{name}\""
        ));
    }
    let is_known = |c: char| c.is_ascii_alphanumeric() || "+_.-*?[]!^\\:".contains(c);
    match pattern.chars().find(|c| !is_known(*c)) {
        Some(other) => {
            let other = other.escape_debug();
            Some(format!(
                "a volume's name has letters, digits and + _ . - alone; there is no '{other}' in one"
            ))
        }
        None => syntax(pattern),
    }
}

/// A `[` that is never closed, a backslash with nothing behind it.
fn syntax(pattern: &str) -> Option<String> {
    let mut rest = pattern.chars();
    while let Some(character) = rest.next() {
        match character {
            '\\' if rest.next().is_none() => {
                return Some(
                    "a backslash at the end takes no character as it is; write \"\\\\\" for itself"
                        .to_owned(),
                );
            }
            '[' if !closes(&mut rest) => {
                return Some(
                    "the \"[\" is never closed; write \"\\[\" (in quotes, \"\\\\[\") for itself".to_owned(),
                );
            }
            _ => {}
        }
    }
    None
}

/// Reads the rest of a set up to its `]`; whether there is one.
fn closes(rest: &mut std::str::Chars<'_>) -> bool {
    let text = rest.as_str();
    let inside = text.strip_prefix(['!', '^']).unwrap_or(text);
    // A `]` right at the beginning is one of the set.
    let mut inside = inside.strip_prefix(']').unwrap_or(inside).chars();
    while let Some(character) = inside.next() {
        match character {
            '\\' => drop(inside.next()),
            '[' if inside.as_str().starts_with(':') => {
                let Some((_, after)) = inside.as_str().split_once(":]") else { continue };
                inside = after.chars();
            }
            ']' => {
                *rest = inside;
                return true;
            }
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_that_match_something_are_left_alone() {
        for pattern in [
            "lost+found",
            "./proc",
            "./proc/*",
            "*.log",
            "var/cache",
            "[ab]",
            "[]x]",
            "[!]x]",
            "[^a]*",
            "a\\[b",
            "x\\\\",
            "[[:alpha:]]",
            "p1",
            "./p1/var/*.log",
            "ä",
        ] {
            assert_eq!(files(pattern), None, "{pattern}");
        }
        for pattern in ["volume-*", "*", "volume-0000000[12]", "?", "a.b+c_d"] {
            assert_eq!(volumes(pattern), None, "{pattern}");
        }
    }

    #[test]
    fn patterns_that_match_nothing_or_everything_are_told() {
        for pattern in ["", "/proc", "proc/", "a//b", ".", "*", "a[b", "a[", "[]", "[!]", "x\\", "[[:alpha:]"]
        {
            assert!(files(pattern).is_some(), "{pattern}");
        }
        for pattern in ["", "group/volume-*", "volume 1", "ä", "volume-[0"] {
            assert!(volumes(pattern).is_some(), "{pattern}");
        }
    }
}
