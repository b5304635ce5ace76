//! Patterns for single names: of logical volumes, for instance.

use super::glob::Glob;

/// A pattern that a name matches as a whole: `*` is any characters, `?` any one, `[…]` one of a set, and a backslash takes the next one as it
/// is.
#[derive(Debug)]
pub struct Pattern(Glob);

impl Pattern {
    /// Takes a pattern apart. There is no wrong one: what can't be understood matches nothing or itself.
    #[must_use]
    pub fn new(pattern: &[u8]) -> Self {
        Self(Glob::parse(pattern))
    }

    /// Whether the name matches. A name has no `/` in it.
    #[must_use]
    pub fn matches(&self, name: &[u8]) -> bool {
        !name.contains(&b'/') && self.0.matches(name)
    }

    /// Whether a whole path matches. A `*` stands for slashes too, as for find(1).
    #[must_use]
    pub fn matches_path(&self, path: &[u8]) -> bool {
        self.0.matches(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_matches_as_a_whole_or_not_at_all() {
        let cases = [
            ("volume-*", "volume-1", true),
            ("volume-*", "my-volume-1", false),
            ("volume", "volume-1", false),
            ("*", "anything", true),
            ("vm-[0-9]?", "vm-12", true),
            ("vm-[0-9]?", "vm-a2", false),
            ("", "a", false),
            ("a", "b/a", false),
        ];
        for (pattern, name, expected) in cases {
            assert_eq!(
                Pattern::new(pattern.as_bytes()).matches(name.as_bytes()),
                expected,
                "{pattern} and {name}"
            );
        }
    }
}
