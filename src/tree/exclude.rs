//! Which entries are left out, by patterns that mean what they mean to GNU tar's `--exclude`.
//!
//! That is what they mean in `tar -C /mnt --exclude=PATTERN -cf - .`, where every name begins with `./`. Observed with GNU tar
//! 1.34; <https://www.gnu.org/software/tar/manual/html_section/exclude.html> explains the options that are its defaults:
//!
//! - A pattern matches from the beginning of a name or from after any `/` in it, up to its end or up to any `/`:
//!   `proc` leaves out every entry of that name and what is below it, `./proc` only the one at the root, `etc/ssl` those
//!   `ssl` that lie in an `etc`. Case counts.
//! - `*`, `?` and `[…]` match `/` too. `*` and `?` match the root itself, `.`, and leave out everything, as `.` does;
//!   `./*` leaves out everything but the root, `foo/*` what is in `foo` but not `foo`.
//! - A name begins with `./` and never ends with a `/`, so `/proc`, `./`, `foo/` and the empty pattern match nothing, and neither does
//!   a pattern with `//`.
//! - A backslash takes the next character as it is. At the end of a pattern it stands for itself, but a pattern that
//!   also has wildcards then matches nothing.
//! - Characters are those of UTF-8, whatever the locale; a byte that is no part of one is a character too.

use std::cell::RefCell;
use std::collections::HashSet;
use std::iter;

use super::glob::{self, Glob};

/// A set of patterns, and the entries that they leave out.
#[derive(Debug, Default)]
pub struct Exclude {
    /// As they were given, in that order.
    patterns: Vec<Vec<u8>>,
    /// Those without wildcards, as the text that they stand for: however many there are, looking them up takes no longer.
    literals: HashSet<Vec<u8>>,
    /// Length in bytes of the longest of these.
    longest_literal: usize,
    globs: Vec<Glob>,
}

thread_local! {
    /// The name being asked about, kept to be filled again: a disk has a million of them.
    static NAME: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

impl Exclude {
    /// No patterns: nothing is left out.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a pattern. Any bytes are one; what can't be understood matches itself or nothing.
    pub fn add(&mut self, pattern: &[u8]) {
        self.patterns.push(pattern.to_vec());
        if glob::has_wildcards(pattern) {
            self.globs.push(Glob::parse(pattern));
        } else {
            let literal = glob::unescaped(pattern);
            self.longest_literal = self.longest_literal.max(literal.len());
            self.literals.insert(literal);
        }
    }

    /// Adds the patterns of a file, one a line, as `--exclude-from` reads it.
    ///
    /// White space at the end of a line is not part of the pattern, a carriage return included; at its beginning it is. Blank lines
    /// are nothing. There are no comments: a `#` is a character like others. A pattern ends at a NUL.
    pub fn add_lines(&mut self, text: &[u8]) {
        for line in text.split(|byte| *byte == b'\n') {
            let Some(last) = line.iter().rposition(|byte| !is_space(*byte)) else { continue };
            let line = line.get(..=last).unwrap_or(line);
            self.add(line.split(|byte| *byte == 0).next().unwrap_or(line));
        }
    }

    /// Whether there are no patterns.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// The patterns as they were given, in that order.
    pub fn patterns(&self) -> impl Iterator<Item = &[u8]> {
        self.patterns.iter().map(Vec::as_slice)
    }

    /// Whether an entry is left out.
    ///
    /// `path` is its path in its filesystem, `etc/fstab`, empty for the root. `folder` is the folder of the archive that holds this
    /// filesystem, `p1`, empty where the filesystem is the whole archive.
    ///
    /// Patterns are asked about the filesystem alone first: `./etc/fstab`, the same in each folder. Then
    /// about the name in the archive, `./p1/etc/fstab`, where a pattern has to spell out the folder: `p1` and `./p1` leave out
    /// the whole partition, `p1/etc` and `./p1/var/*.log` a part of it. Wildcards never stand for (a part of) the folder's
    /// name, so that `p*`, meant for files, leaves no partition out.
    ///
    /// What is in a directory that is left out is left out too, so there is no need to go into one.
    #[must_use]
    pub fn excludes(&self, folder: &[u8], path: &[u8]) -> bool {
        if self.is_empty() {
            return false;
        }
        NAME.with_borrow_mut(|name| {
            join(name, b"", path);
            if self.has_literal_in(name) || self.globs.iter().any(|glob| glob.matches(name)) {
                return true;
            }
            if folder.is_empty() {
                return false;
            }
            join(name, folder, path);
            let mut in_folder = self.globs.iter().filter(|glob| spells_out(glob.lead(), folder));
            self.has_literal_in(name) || in_folder.any(|glob| glob.matches(name))
        })
    }

    /// Whether a pattern without wildcards is a part of the name, from its start or after a `/` to its end or before a `/`.
    fn has_literal_in(&self, name: &[u8]) -> bool {
        if self.literals.is_empty() {
            return false;
        }
        let starts = iter::successors(Some(name), |start| glob::after_slash(start));
        starts.into_iter().any(|start| {
            let slashes = start.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(index, _)| index);
            let ends = slashes.chain([start.len()]).take_while(|end| *end <= self.longest_literal);
            ends.filter_map(|end| start.get(..end)).any(|part| self.literals.contains(part))
        })
    }
}

/// Whether the text begins with the folder's name and a `/`, perhaps after `./`.
fn spells_out(text: &[u8], folder: &[u8]) -> bool {
    let text = text.strip_prefix(b"./").unwrap_or(text);
    text.strip_prefix(folder).is_some_and(|rest| rest.starts_with(b"/"))
}

/// Makes `name` what GNU tar calls the entry: `.`, the folder and the path, with a `/` between them.
fn join(name: &mut Vec<u8>, folder: &[u8], path: &[u8]) {
    name.clear();
    name.push(b'.');
    for part in [folder, path] {
        if !part.is_empty() {
            name.push(b'/');
            name.extend_from_slice(part);
        }
    }
}

/// White space as isspace(3) has it: the ASCII kind with the vertical tab.
fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0b
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn exclude(patterns: &[&str]) -> Exclude {
        let mut exclude = Exclude::new();
        for pattern in patterns {
            exclude.add(pattern.as_bytes());
        }
        exclude
    }

    #[test]
    fn nothing_is_left_out_without_a_pattern() {
        assert!(Exclude::new().is_empty());
        assert!(!Exclude::new().excludes(b"", b"") && !Exclude::new().excludes(b"p1", b"etc"));
    }

    #[test]
    fn a_pattern_is_about_each_filesystem_or_spells_out_its_folder() {
        let cases = [
            ("p1", "p1", "etc/fstab", true),
            ("p1", "p2", "etc/fstab", false),
            ("./p1", "p1", "", true),
            ("p1", "", "srv/p1/x", true),
            ("./p1", "p2", "srv/p1", false),
            ("p1/etc", "p1", "etc/fstab", true),
            ("p1/etc", "p1", "srv/etc", false),
            ("p1/etc", "p2", "etc", false),
            ("./p1/etc", "p1", "etc", true),
            ("./etc", "p1", "etc/fstab", true),
            ("./etc", "p1", "srv/etc", false),
            ("etc", "p1", "srv/etc", true),
            ("p1/*.log", "p1", "var/x.log", true),
            ("./p1/*.log", "p1", "x.log", true),
            ("./p1/*.log", "p2", "x.log", false),
            ("p1/*", "p1", "etc", true),
            ("p1/*", "p1", "", false),
            ("p*", "p1", "etc/fstab", false),
            ("p*", "p1", "etc/passwd", true),
            ("./p*", "p1", "etc/fstab", false),
            ("p?", "p1", "", false),
            ("[p]1/etc", "p1", "etc", false),
            ("p*/etc", "p1", "etc", false),
            ("p1", "p10", "etc", false),
            ("p1/*", "p10", "etc", false),
            ("*", "p1", "", true),
            (".", "p1", "etc", true),
        ];
        for (pattern, folder, path, expected) in cases {
            let left_out = exclude(&[pattern]).excludes(folder.as_bytes(), path.as_bytes());
            assert_eq!(left_out, expected, "{pattern} and {path} in {folder:?}");
        }
    }

    #[test]
    fn lines_are_patterns_without_the_white_space_at_their_end() {
        let mut exclude = Exclude::new();
        exclude.add_lines(b"proc\r\n\n \t\r\n# no comment\n  sys\x0b \nback\\ \ncut\0off\nlast");
        let patterns: Vec<&[u8]> = exclude.patterns().collect();
        let expected: [&[u8]; 6] = [b"proc", b"# no comment", b"  sys", b"back\\", b"cut", b"last"];
        assert_eq!(patterns, expected);
    }

    #[test]
    fn patterns_are_kept_as_given_and_in_order() {
        let given = ["z\\*", "*.log", "a", "a"];
        let exclude = exclude(&given);
        assert_eq!(exclude.patterns().collect::<Vec<_>>(), given.map(str::as_bytes));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_bytes_are_patterns_and_names(
            text in prop::collection::vec(any::<u8>(), 0..64),
            folder in prop::collection::vec(any::<u8>(), 0..4),
            path in prop::collection::vec(any::<u8>(), 0..64),
        ) {
            let mut exclude = Exclude::new();
            exclude.add_lines(&text);
            let _ = exclude.excludes(&folder, &path);
            exclude.add(b".");
            prop_assert!(exclude.excludes(&folder, &path));
        }

        #[test]
        fn what_lies_in_an_excluded_directory_is_excluded(
            pattern in r"(a|b|\.|/|\*|\?|\[!a\]){1,6}", directory in "[ab]{1,3}(/[ab]{1,3}){0,2}", name in "[ab]{1,3}",
        ) {
            let exclude = exclude(&[&pattern]);
            let inside = format!("{directory}/{name}");
            if exclude.excludes(b"p1", directory.as_bytes()) {
                prop_assert!(exclude.excludes(b"p1", inside.as_bytes()));
            }
        }
    }
}
