//! What the type bytes of a master boot record are called.
//!
//! There is no registry; the names are those that people know from partitioning programs.

const NAMES: [(u8, &str); 44] = [
    (0x00, "Empty"),
    (0x01, "FAT12"),
    (0x04, "FAT16 <32M"),
    (0x05, "Extended"),
    (0x06, "FAT16"),
    (0x07, "HPFS/NTFS/exFAT"),
    (0x0b, "W95 FAT32"),
    (0x0c, "W95 FAT32 (LBA)"),
    (0x0e, "W95 FAT16 (LBA)"),
    (0x0f, "W95 Extended (LBA)"),
    (0x11, "Hidden FAT12"),
    (0x12, "Compaq diagnostics"),
    (0x14, "Hidden FAT16 <32M"),
    (0x16, "Hidden FAT16"),
    (0x17, "Hidden HPFS/NTFS"),
    (0x1b, "Hidden W95 FAT32"),
    (0x1c, "Hidden W95 FAT32 (LBA)"),
    (0x1e, "Hidden W95 FAT16 (LBA)"),
    (0x27, "Hidden NTFS WinRE"),
    (0x39, "Plan 9"),
    (0x41, "PPC PReP Boot"),
    (0x42, "SFS"),
    (0x4d, "QNX4.x"),
    (0x63, "GNU HURD or SysV"),
    (0x81, "Minix / old Linux"),
    (0x82, "Linux swap / Solaris"),
    (0x83, "Linux"),
    (0x84, "Hidden or Intel hibernation"),
    (0x85, "Linux extended"),
    (0x8e, "Linux LVM"),
    (0x93, "Amoeba"),
    (0xa5, "FreeBSD"),
    (0xa6, "OpenBSD"),
    (0xa8, "Darwin UFS"),
    (0xa9, "NetBSD"),
    (0xaf, "HFS / HFS+"),
    (0xbf, "Solaris"),
    (0xda, "Non-FS data"),
    (0xea, "Linux extended boot"),
    (0xee, "GPT"),
    (0xef, "EFI (FAT-12/16/32)"),
    (0xfb, "VMware VMFS"),
    (0xfc, "VMware VMKCORE"),
    (0xfd, "Linux raid autodetect"),
];

/// The name of a type; empty when it has none here.
pub(super) fn name(sys_ind: u8) -> &'static str {
    NAMES.iter().find(|(code, _)| *code == sys_ind).map_or("", |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_named_once_and_in_order() {
        assert!(NAMES.is_sorted_by(|before, after| before.0 < after.0));
        assert_eq!((name(0x83), name(0x99)), ("Linux", ""));
    }
}
