//! What `mke2fs` may be told: every option, and what its value may be. Anything else ends a
//! restore.
//!
//! The numbers come from a manifest, which may be anybody's, by way of a process that parsed it.
//! They were checked there and when they came. This is the last look, at the very words that
//! another program gets.

use crate::error::{Error, Result};

/// Features that `mke2fs -O` takes, by the names that it gives them.
pub(super) const MADE: [&str; 31] = [
    "has_journal",
    "ext_attr",
    "resize_inode",
    "dir_index",
    "sparse_super2",
    "fast_commit",
    "stable_inodes",
    "orphan_file",
    "filetype",
    "meta_bg",
    "extent",
    "64bit",
    "mmp",
    "flex_bg",
    "ea_inode",
    "metadata_csum_seed",
    "large_dir",
    "inline_data",
    "encrypt",
    "casefold",
    "sparse_super",
    "large_file",
    "huge_file",
    "uninit_bg",
    "dir_nlink",
    "extra_isize",
    "bigalloc",
    "metadata_csum",
    "project",
    "verity",
    "quota",
];

/// Whether a value is one that an option may have.
type May = fn(&str) -> bool;

/// Options without a value.
const ALONE: [&str; 2] = ["-q", "-F"];

/// Options with a value.
const WITH_VALUE: [(&str, May); 12] = [
    ("-o", |value| value == "Linux"),
    ("-m", |value| value == "0"),
    ("-r", |value| number_within(value, 0, 1)),
    ("-b", |value| power_within(value, 1 << 10, 1 << 16)),
    ("-C", |value| power_within(value, 1 << 10, 1 << 30)),
    ("-I", |value| power_within(value, 1 << 7, 1 << 16)),
    ("-N", |value| number_within(value, 1, u64::from(u32::MAX))),
    ("-g", |value| number_within(value, 1, u64::from(u32::MAX))),
    ("-G", |value| power_within(value, 2, 1 << 31)),
    ("-O", |value| value.split(',').all(|name| name == "none" || MADE.contains(&name))),
    ("-U", |value| value == "clear" || uuid::Uuid::try_parse(value).is_ok()),
    ("-J", |value| value.strip_prefix("size=").is_some_and(|size| number_within(size, 1, 1 << 32))),
];

/// Words of the option `-E`.
const EXTENDED: [(&str, May); 11] = [
    ("offset", |value| number_within(value, 0, i64::MAX.unsigned_abs())),
    ("nodiscard", str::is_empty),
    ("root_owner", |value| value == "0:0"),
    ("lazy_itable_init", |value| number_within(value, 0, 1)),
    ("lazy_journal_init", |value| value == "0"),
    ("resize", |value| number_within(value, 1, u64::from(u32::MAX))),
    ("num_backup_sb", |value| number_within(value, 0, 2)),
    ("encoding", |value| value == "utf8"),
    ("encoding_flags", |value| value == "strict"),
    ("quotatype", |value| value.split(':').all(|name| ["usrquota", "grpquota", "prjquota"].contains(&name))),
    ("mmp_update_interval", |value| number_within(value, 1, 300)),
];

/// Checks all options, which come before the path.
///
/// # Errors
///
/// [`crate::Kind::Internal`] when one is not on the list.
pub(super) fn check(arguments: &[String]) -> Result<()> {
    let mut words = arguments.iter().map(String::as_str);
    while let Some(word) = words.next() {
        if ALONE.contains(&word) {
            continue;
        }
        let value = words.next().unwrap_or_default();
        let may = match word {
            "-E" => value.split(',').all(is_extended),
            _ => WITH_VALUE.iter().any(|(option, may)| *option == word && may(value)),
        };
        if !may {
            let message = format!("mke2fs would be told {word} {value:?}, which is not on the list");
            return Err(Error::internal(message));
        }
    }
    Ok(())
}

fn is_extended(word: &str) -> bool {
    let (name, value) = word.split_once('=').unwrap_or((word, ""));
    EXTENDED.iter().any(|(option, may)| *option == name && may(value))
}

fn number_within(text: &str, least: u64, most: u64) -> bool {
    let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_plain && text.parse::<u64>().is_ok_and(|number| (least..=most).contains(&number))
}

fn power_within(text: &str, least: u64, most: u64) -> bool {
    number_within(text, least, most) && text.parse::<u64>().is_ok_and(u64::is_power_of_two)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_on_the_list_is_told_and_nothing_else() {
        let cases: [(&[&str], bool); 18] = [
            (&["-q", "-F", "-b", "4096", "-N", "16"], true),
            (&["-O", "none,has_journal,metadata_csum", "-U", "clear"], true),
            (&["-U", "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "-J", "size=64"], true),
            (&["-E", "offset=1048576,nodiscard,root_owner=0:0,quotatype=usrquota:prjquota"], true),
            (&["-b", "4095"], false),
            (&["-b", " 4096"], false),
            (&["-b", "+4096"], false),
            (&["-N", "0"], false),
            (&["-N", "4294967296"], false),
            (&["-N"], false),
            (&["-O", "none,journal_dev"], false),
            (&["-U", "random"], false),
            (&["-J", "device=/dev/sda"], false),
            (&["-J", "size=64,device=/dev/sda"], false),
            (&["-E", "offset=1048576,root_owner=1000:1000"], false),
            (&["-E", "nodiscard=1"], false),
            (&["-d", "/etc"], false),
            (&["-l", "/etc/passwd"], false),
        ];
        for (words, may) in cases {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            assert_eq!(check(&words).is_ok(), may, "{words:?}");
        }
    }
}
