//! Inode flags and the names that archives give them.

/// The flags that `SCHILY.fflags` has names for, as libarchive's manual and tables give them on Linux: the value of
/// `FS_IOC_GETFLAGS` (`include/uapi/linux/fs.h`), and the name of the flag when it is set.
const NAMES: &[(u32, &str)] = &[
    (0x0000_0001, "securedeletion"),
    (0x0000_0001, "secdel"),
    (0x0000_0002, "undel"),
    (0x0000_0004, "compress"),
    (0x0000_0008, "sync"),
    (0x0000_0010, "schg"),
    (0x0000_0010, "schange"),
    (0x0000_0010, "simmutable"),
    (0x0000_0020, "sappnd"),
    (0x0000_0020, "sappend"),
    (0x0000_0040, "nodump"),
    (0x0000_0080, "noatime"),
    (0x0000_4000, "journal"),
    (0x0000_4000, "journal-data"),
    (0x0000_8000, "notail"),
    (0x0001_0000, "dirsync"),
    (0x0002_0000, "topdir"),
    (0x0080_0000, "nocow"),
    (0x2000_0000, "projinherit"),
];

/// `FS_JOURNAL_DATA_FL`
pub const JOURNAL_DATA: u32 = 0x0000_4000;

/// Those of `flags` that an archive can hold; the others describe how the filesystem stores the inode.
pub fn archived(flags: u32) -> u32 {
    flags & NAMES.iter().fold(0, |all, (flag, _)| all | flag)
}

/// The flags of a `SCHILY.fflags` value.
pub fn parse(text: &str) -> Result<u32, String> {
    text.split(',').try_fold(0, |flags, name| {
        let known = NAMES.iter().find(|(_, known)| *known == name);
        known.map(|(flag, _)| flags | flag).ok_or_else(|| format!("SCHILY.fflags: unknown flag {name:?}"))
    })
}

/// The flags of a manifest, which has two names more: no `chattr` sets them.
pub fn parse_full(text: &str) -> Result<u32, String> {
    let names: Vec<&str> = text.split(',').filter(|name| !["casefold", "verity"].contains(name)).collect();
    if names.is_empty() { Ok(0) } else { parse(&names.join(",")) }
}
