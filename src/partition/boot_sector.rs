//! The first sector: four partition entries, or the boot code of a filesystem.
//!
//! Both end in the same signature, so the entries themselves must tell.
//! Layout: `struct msdos_partition` in
//! `include/linux/msdos_partition.h`, and `block/partitions/msdos.c`, of the kernel.

use crate::fields::{Short, bytes_at, slice_at, u8_at, u16_at, u32_at};

/// Bytes of it that have a meaning; on larger sectors the rest is unused.
pub(super) const BYTES: usize = 512;
/// The same, as a length on a device.
pub(super) const BYTES_ON_DISK: u64 = 512;

const SIGNATURE: u16 = 0xaa55;
/// `EFI_PMBR_OSTYPE_EFI_GPT`: the entry that keeps old programs off a GPT.
pub(super) const PROTECTIVE: u8 = 0xee;

/// One of the four entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) boot_ind: u8,
    pub(super) sys_ind: u8,
    /// In sectors, from the start of the device or as the place of the entry says.
    pub(super) start_sect: u64,
    /// In sectors; 0 in an entry that is not in use.
    pub(super) nr_sects: u64,
}

impl Entry {
    fn parse(bytes: &[u8]) -> Result<Self, Short> {
        Ok(Self {
            boot_ind: u8_at(bytes, 0)?,
            sys_ind: u8_at(bytes, 4)?,
            start_sect: u32_at(bytes, 8)?.into(),
            nr_sects: u32_at(bytes, 12)?.into(),
        })
    }

    /// As Linux decides: by the length alone.
    pub(super) fn is_used(&self) -> bool {
        self.nr_sects != 0
    }

    /// `is_extended_partition` of the kernel: DOS, Windows 95 and Linux.
    pub(super) fn is_extended(&self) -> bool {
        matches!(self.sys_ind, 0x05 | 0x0f | 0x85)
    }

    pub(super) fn has_boot_indicator(&self) -> bool {
        matches!(self.boot_ind, 0x00 | 0x80)
    }

    /// Whether it lies behind the first sector and on the device, with a type.
    fn is_plausible(&self, device_sectors: u64) -> bool {
        self.is_used()
            && self.has_boot_indicator()
            && self.sys_ind != 0
            && self.start_sect != 0
            && self.start_sect.saturating_add(self.nr_sects) <= device_sectors
    }
}

/// What the first sector says about the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    /// There is a protective entry: everything is in the GPT.
    Gpt,
    /// The entries are partitions.
    Mbr,
    /// There are no entries, or what looks like some is boot code.
    Nothing,
}

/// The first sector of a device, or an extended boot record: both have the same form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BootSector {
    pub(super) disk_id: u32,
    pub(super) entries: [Entry; 4],
    pub(super) has_signature: bool,
    /// No byte of it is set.
    pub(super) is_blank: bool,
    is_filesystem: bool,
}

impl BootSector {
    pub(super) fn parse(sector: &[u8]) -> Result<Self, Short> {
        let entry = |at| slice_at(sector, at, 16).and_then(Entry::parse);
        Ok(Self {
            disk_id: u32_at(sector, 0x1b8)?,
            entries: [entry(0x1be)?, entry(0x1ce)?, entry(0x1de)?, entry(0x1ee)?],
            has_signature: u16_at(sector, 0x1fe)? == SIGNATURE,
            is_blank: sector.iter().all(|byte| *byte == 0),
            is_filesystem: is_filesystem(sector)?,
        })
    }

    /// What it says about a device of `device_sectors` sectors.
    ///
    /// Linux takes no table with an odd boot indicator, but some programs write them. They are forgiven when another
    /// entry is beyond doubt, or when entries that are not in use are clean; in boot code neither is so.
    pub(super) fn claim(&self, device_sectors: u64) -> Claim {
        let used = || self.entries.iter().filter(|entry| entry.is_used());
        if !self.has_signature || used().next().is_none() {
            return Claim::Nothing;
        }
        let odd = self.entries.iter().filter(|entry| !entry.has_boot_indicator()).count();
        let beyond_doubt = used().any(|entry| entry.is_plausible(device_sectors));
        let is_table = match odd {
            0 => beyond_doubt || !self.is_filesystem,
            1..4 if !self.is_filesystem => beyond_doubt || self.spares_are_clean(),
            _ => false,
        };
        if !is_table {
            return Claim::Nothing;
        }
        let protective = used().any(|entry| entry.sys_ind == PROTECTIVE && entry.has_boot_indicator());
        if protective { Claim::Gpt } else { Claim::Mbr }
    }

    /// Whether there are entries that are not in use, and nothing was ever written into them.
    fn spares_are_clean(&self) -> bool {
        let mut spares = self.entries.iter().filter(|entry| !entry.is_used()).peekable();
        spares.peek().is_some() && spares.all(|entry| (entry.boot_ind, entry.sys_ind) == (0, 0))
    }
}

/// Whether it is the boot sector of a FAT, exFAT, NTFS or BitLocker volume.
///
/// A FAT one has no name to go by; its parameter block must make sense as a whole.
/// Layout: `struct fat_boot_sector` in `include/uapi/linux/msdos_fs.h`.
fn is_filesystem(sector: &[u8]) -> Result<bool, Short> {
    let system_id: [u8; 8] = bytes_at(sector, 3)?;
    if [b"NTFS    ", b"EXFAT   ", b"-FVE-FS-"].contains(&&system_id) {
        return Ok(true);
    }
    let sector_size = u16_at(sector, 11)?;
    let sec_per_clus = u8_at(sector, 13)?;
    let reserved = u16_at(sector, 14)?;
    let fats = u8_at(sector, 16)?;
    let sectors = u16_at(sector, 19)?;
    let media = u8_at(sector, 21)?;
    let total_sect = u32_at(sector, 32)?;
    Ok(sector_size.is_power_of_two()
        && (512..=4096).contains(&sector_size)
        && sec_per_clus.is_power_of_two()
        && reserved != 0
        && fats != 0
        && (media == 0xf0 || media >= 0xf8)
        && (sectors != 0 || total_sect != 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEVICE_SECTORS: u64 = 20_000;

    /// An entry: boot indicator, type, start, length.
    type Fields = (u8, u8, u32, u32);

    fn sector(entries: &[Fields]) -> Vec<u8> {
        let mut sector = vec![0; BYTES];
        for (slot, (boot, sys, start, len)) in entries.iter().enumerate() {
            let at = 0x1be + 16 * slot;
            sector[at] = *boot;
            sector[at + 4] = *sys;
            sector[at + 8..at + 12].copy_from_slice(&start.to_le_bytes());
            sector[at + 12..at + 16].copy_from_slice(&len.to_le_bytes());
        }
        sector[510..].copy_from_slice(&[0x55, 0xaa]);
        sector
    }

    fn claim(sector: &[u8]) -> Claim {
        BootSector::parse(sector).unwrap().claim(DEVICE_SECTORS)
    }

    /// A FAT16 parameter block.
    fn with_fat(mut sector: Vec<u8>) -> Vec<u8> {
        sector[..13].copy_from_slice(b"\xeb\x3c\x90mkfs.fat\0\x02");
        sector[13..22].copy_from_slice(&[4, 4, 0, 2, 0, 2, 0x20, 0x4e, 0xf8]);
        sector
    }

    #[test]
    fn entries_decide_what_the_sector_claims() {
        let good = (0x80, 0x83, 2048, 2048);
        let code = (0x6e, 0x65, 0x6c20_6465, 0x7369_6420);
        let cases: [(&str, &[Fields], Claim); 13] = [
            ("no entry", &[], Claim::Nothing),
            ("one entry", &[good], Claim::Mbr),
            ("the last slot alone", &[(0, 0, 0, 0), (0, 0, 0, 0), (0, 0, 0, 0), good], Claim::Mbr),
            ("past the end", &[(0, 0x83, 2048, 1_000_000)], Claim::Mbr),
            ("at LBA 0", &[(0x80, 0x17, 0, 2048), (0, 0xef, 100, 100)], Claim::Mbr),
            ("no type", &[(0, 0, 2048, 2048)], Claim::Mbr),
            ("an odd indicator next to a good one", &[good, (0x12, 0x83, 8192, 10)], Claim::Mbr),
            ("an odd indicator alone", &[(0x81, 0x83, 2048, 2048)], Claim::Mbr),
            ("code", &[code, code, code, code], Claim::Nothing),
            ("code in part", &[code, code, (0x61, 0, 0, 0)], Claim::Nothing),
            ("protective", &[(0, 0xee, 1, 19_999)], Claim::Gpt),
            ("hybrid", &[good, (0, 0xee, 1, 2047)], Claim::Gpt),
            ("protective, length unknown", &[(0, 0xee, 1, u32::MAX)], Claim::Gpt),
        ];
        for (name, entries, expected) in cases {
            assert_eq!(claim(&sector(entries)), expected, "{name}");
        }
    }

    #[test]
    fn a_sector_without_signature_claims_nothing() {
        let mut sector = sector(&[(0, 0x83, 2048, 2048)]);
        sector[511] = 0;
        assert_eq!(claim(&sector), Claim::Nothing);
    }

    #[test]
    fn the_boot_sector_of_a_filesystem_is_no_table_unless_an_entry_is_beyond_doubt() {
        let cases: [(&str, &[Fields], Claim); 5] = [
            ("no entry", &[], Claim::Nothing),
            ("the whole disk, as mkfs.vfat --mbr writes", &[(0x80, 0x0c, 0, 20_000)], Claim::Nothing),
            ("text that falls into the entries", &[(0, 0x65, 0x6c20_6465, 0x7369_6420)], Claim::Nothing),
            ("a real table", &[(0x80, 0x0c, 2048, 2048)], Claim::Mbr),
            ("text with a protective type", &[(0, 0xee, 0x6c20_6465, 0x7369_6420)], Claim::Nothing),
        ];
        for (name, entries, expected) in cases {
            assert_eq!(claim(&with_fat(sector(entries))), expected, "FAT: {name}");
            let mut ntfs = sector(entries);
            ntfs[3..11].copy_from_slice(b"NTFS    ");
            assert_eq!(claim(&ntfs), expected, "NTFS: {name}");
        }
    }

    #[test]
    fn a_short_sector_is_an_error() {
        assert!(BootSector::parse(&[0; 100]).is_err());
    }
}
