//! Inode flags as text, under the names that libarchive gives them (`SCHILY.fflags`).

use crate::filesystem::Flags;

/// Linux's value and libarchive's name for each flag that both know.
const NAMES: [(u32, &str); 14] = [
    (0x0000_0020, "sappnd"),
    (0x0000_0010, "schg"),
    (0x0000_0040, "nodump"),
    (0x0000_0004, "compress"),
    (0x0000_0080, "noatime"),
    (0x0001_0000, "dirsync"),
    (0x0000_4000, "journal-data"),
    (0x0000_0001, "secdel"),
    (0x0000_0008, "sync"),
    (0x0000_8000, "notail"),
    (0x0002_0000, "topdir"),
    (0x0000_0002, "undel"),
    (0x0080_0000, "nocow"),
    (0x2000_0000, "projinherit"),
];

/// The names of the flags that are set, with commas between them; `None` when none has a name.
#[must_use]
pub fn text(flags: Flags) -> Option<String> {
    joined(flags, NAMES.iter())
}

/// Flags that libarchive has no names for, so that they stand in the manifest alone: `FS_CASEFOLD_FL`, names in the directory fold case, and
/// `FS_VERITY_FL`, fs-verity protects the file.
const BESIDES: [(u32, &str); 2] = [(0x4000_0000, "casefold"), (Flags::VERITY.0, "verity")];

/// The same with those that tars have no name for.
#[must_use]
pub fn full_text(flags: Flags) -> Option<String> {
    joined(flags, NAMES.iter().chain(&BESIDES))
}

/// The flags that have a name; the others say how a filesystem stores the inode.
#[must_use]
pub fn named(flags: Flags) -> Flags {
    let known = NAMES.iter().chain(&BESIDES).fold(0, |all, (value, _)| all | value);
    Flags(flags.0 & known)
}

/// The flags that a tar has names for: `chattr` can set them.
#[must_use]
pub fn settable(flags: Flags) -> Flags {
    Flags(flags.0 & NAMES.iter().fold(0, |all, (value, _)| all | value))
}

/// The names of the flags that are set, out of these.
fn joined<'a>(flags: Flags, known: impl Iterator<Item = &'a (u32, &'a str)>) -> Option<String> {
    let names: Vec<&str> = known.filter(|(value, _)| flags.0 & value != 0).map(|(_, name)| *name).collect();
    (!names.is_empty()).then(|| names.join(","))
}

/// What [`full_text`] is of.
#[must_use]
pub fn of_full_text(text: &str) -> Flags {
    valued(text, || NAMES.iter().chain(&BESIDES))
}

/// The flags that have these names, which commas part; names that are not known count for nothing.
#[must_use]
pub fn of_text(text: &str) -> Flags {
    valued(text, || NAMES.iter())
}

fn valued<'a, I: Iterator<Item = &'a (u32, &'a str)>>(text: &str, known: impl Fn() -> I) -> Flags {
    let value = |name: &str| known().find(|(_, known)| *known == name).map_or(0, |(value, _)| *value);
    Flags(text.split(',').map(value).fold(0, |flags, value| flags | value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_come_back_from_their_names() {
        for flags in [0x10, 0x2000_0040, NAMES.iter().fold(0, |all, (value, _)| all | value)] {
            assert_eq!(of_text(&text(Flags(flags)).unwrap()), Flags(flags));
            let all = BESIDES.iter().fold(flags, |all, (value, _)| all | value);
            assert_eq!(of_full_text(&full_text(Flags(all)).unwrap()), Flags(all));
            assert_eq!(of_text(&full_text(Flags(all)).unwrap()), Flags(flags));
        }
        assert_eq!(of_text("nodump,unknown,"), Flags(0x40));
    }
}
