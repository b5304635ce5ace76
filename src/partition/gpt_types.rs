//! What the type GUIDs of a GPT are called: the crate `gpt` knows the GUIDs, the names are here.

use gpt::partition_types::{self as types, Type};
use uuid::Uuid;

static NAMES: [(Type, &str); 112] = [
    (types::MBR, "MBR partition scheme"),
    (types::EFI, "EFI System"),
    (types::BIOS, "BIOS boot"),
    (types::FLASH, "Intel Fast Flash"),
    (types::SONY_BOOT, "Sony boot"),
    (types::LENOVO_BOOT, "Lenovo boot"),
    (types::MICROSOFT_RESERVED, "Microsoft reserved"),
    (types::BASIC, "Microsoft basic data"),
    (types::WINDOWS_METADATA, "Microsoft LDM metadata"),
    (types::WINDOWS_DATA, "Microsoft LDM data"),
    (types::WINDOWS_RECOVERY, "Windows recovery environment"),
    (types::WINDOWS_PARALLEL, "IBM General Parallel Fs"),
    (types::WINDOWS_STORAGESPACES, "Microsoft Storage Spaces"),
    (types::HPUNIX_DATA, "HP-UX data"),
    (types::HPUNIX_SERVICE, "HP-UX service"),
    (types::LINUX_FS, "Linux filesystem"),
    (types::LINUX_RAID, "Linux RAID"),
    (types::LINUX_ROOT_X86, "Linux root (x86)"),
    (types::LINUX_ROOT_X64, "Linux root (x86-64)"),
    (types::LINUX_ROOT_ARM_32, "Linux root (ARM)"),
    (types::LINUX_ROOT_ARM_64, "Linux root (ARM-64)"),
    (types::LINUX_SWAP, "Linux swap"),
    (types::LINUX_LVM, "Linux LVM"),
    (types::LINUX_HOME, "Linux home"),
    (types::LINUX_SRV, "Linux server data"),
    (types::LINUX_DMCRYPT, "Linux dm-crypt"),
    (types::LINUX_LUKS, "Linux LUKS"),
    (types::LINUX_RESERVED, "Linux reserved"),
    (types::FREEBSD_DATA, "FreeBSD data"),
    (types::FREEBSD_BOOT, "FreeBSD boot"),
    (types::FREEBSD_SWAP, "FreeBSD swap"),
    (types::FREEBSD_UFS, "FreeBSD UFS"),
    (types::FREEBSD_VINIUM, "FreeBSD Vinum"),
    (types::FREEBSD_ZFS, "FreeBSD ZFS"),
    (types::DRAGONFLY_DATA, "DragonFly BSD"),
    (types::MACOS_HFSPLUS, "Apple HFS/HFS+"),
    (types::MACOS_UFS, "Apple UFS"),
    (types::MACOS_ZFS, "Apple ZFS"),
    (types::MACOS_RAID, "Apple RAID"),
    (types::MACOS_RAID_OFFLINE, "Apple RAID offline"),
    (types::MACOS_RECOVERY, "Apple boot"),
    (types::MACOS_LABEL, "Apple label"),
    (types::MACOS_TV_RECOVERY, "Apple TV recovery"),
    (types::MACOS_CORE, "Apple core storage"),
    (types::MACOS_SOFTRAID_STATUS, "Apple SoftRAID status"),
    (types::MACOS_SOFTRAID_SCRATCH, "Apple SoftRAID scratch"),
    (types::MACOS_SOFTRAID_VOLUME, "Apple SoftRAID volume"),
    (types::MACOS_SOFTRAID_CACHE, "Apple SoftRAID cache"),
    (types::MACOS_APFS, "Apple APFS"),
    (types::SOLARIS_BOOT, "Solaris boot"),
    (types::SOLARIS_ROOT, "Solaris root"),
    (types::SOLARIS_SWAP, "Solaris swap"),
    (types::SOLARIS_BACKUP, "Solaris backup"),
    (types::SOLARIS_VAR, "Solaris /var"),
    (types::SOLARIS_HOME, "Solaris /home"),
    (types::SOLARIS_ALT, "Solaris alternate sector"),
    (types::SOLARIS_RESERVED1, "Solaris reserved"),
    (types::SOLARIS_RESERVED2, "Solaris reserved"),
    (types::SOLARIS_RESERVED3, "Solaris reserved"),
    (types::SOLARIS_RESERVED4, "Solaris reserved"),
    (types::SOLARIS_RESERVED5, "Solaris reserved"),
    (types::NETBSD_SWAP, "NetBSD swap"),
    (types::NETBSD_FFS, "NetBSD FFS"),
    (types::NETBSD_LFS, "NetBSD LFS"),
    (types::NETBSD_RAID, "NetBSD RAID"),
    (types::NETBSD_CONCAT, "NetBSD concatenated"),
    (types::NETBSD_ENCRYPTED, "NetBSD encrypted"),
    (types::CHROME_KERNEL, "ChromeOS kernel"),
    (types::CHROME_ROOTFS, "ChromeOS root fs"),
    (types::CHROME_FUTURE, "ChromeOS reserved"),
    (types::CHROME_RWFW, "ChromeOS firmware"),
    (types::COREOS_USR, "CoreOS /usr"),
    (types::COREOS_ROOTFS_RESIZE, "CoreOS root, resizable"),
    (types::COREOS_OEM, "CoreOS OEM"),
    (types::COREOS_ROOT_RAID, "CoreOS root on RAID"),
    (types::HAIKU_BFS, "Haiku BFS"),
    (types::MIDNIGHT_BOOT, "MidnightBSD boot"),
    (types::MIDNIGHT_DATA, "MidnightBSD data"),
    (types::MIDNIGHT_SWAP, "MidnightBSD swap"),
    (types::MIDNIGHT_UFS, "MidnightBSD UFS"),
    (types::MIDNIGHT_VINIUM, "MidnightBSD Vinum"),
    (types::MIDNIGHT_ZFS, "MidnightBSD ZFS"),
    (types::CEPH_JOURNAL, "Ceph journal"),
    (types::CEPH_CRYPT_JOURNAL, "Ceph dm-crypt journal"),
    (types::CEPH_OSD, "Ceph OSD"),
    (types::CEPH_CRYPT, "Ceph dm-crypt OSD"),
    (types::CEPH_DISK_CREATION, "Ceph disk in creation"),
    (types::CEPH_CRYPT_CREATION, "Ceph dm-crypt disk in creation"),
    (types::OPENBSD_DATA, "OpenBSD data"),
    (types::QNX_FS, "QNX6 file system"),
    (types::PLAN9_PART, "Plan 9"),
    (types::VMWARE_COREDUMP, "VMware Diagnostic"),
    (types::VMWARE_VMFS, "VMware VMFS"),
    (types::VMWARE_RESERVED, "VMware reserved"),
    (types::ANDROID_BOOTLOADER, "Android bootloader"),
    (types::ANDROID_BOOTLOADER2, "Android bootloader 2"),
    (types::ANDROID_BOOT, "Android boot"),
    (types::ANDROID_RECOVERY, "Android recovery"),
    (types::ANDROID_MISC, "Android misc"),
    (types::ANDROID_META, "Android metadata"),
    (types::ANDROID_SYSTEM, "Android system"),
    (types::ANDROID_CACHE, "Android cache"),
    (types::ANDROID_DATA, "Android data"),
    (types::ANDROID_PERSISTENT, "Android persistent"),
    (types::ANDROID_FACTORY, "Android factory"),
    (types::ANDROID_FASTBOOT, "Android fastboot"),
    (types::ANDROID_OEM, "Android OEM"),
    (types::ONIE_BOOT, "ONIE boot"),
    (types::ONIE_CONFIG, "ONIE config"),
    (types::PPC_BOOT, "PowerPC PReP boot"),
    (types::FREEDESK_BOOT, "Linux extended boot"),
    (types::ATARI_DATA, "Atari basic data"),
];

/// The name of a type; empty when it has none here.
pub(super) fn name(partition_type_guid: Uuid) -> &'static str {
    NAMES.iter().find(|(kind, _)| kind.guid == partition_type_guid).map_or("", |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn types_are_named_once() {
        let guids: HashSet<Uuid> = NAMES.iter().map(|(kind, _)| kind.guid).collect();
        assert_eq!(guids.len(), NAMES.len());
        assert_eq!(name(types::EFI.guid), "EFI System");
        assert_eq!(name(Uuid::nil()), "");
    }
}
