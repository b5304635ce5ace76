//! The GUID partition table: two copies, of which one is enough.

mod entries;
mod header;
mod refit;

use thiserror::Error;

use super::{Partition, SECTOR_SIZES, Scheme, Table, sector_count, sector_sizes};
use crate::device::{ReadAt, read_vec};
use crate::error::{Error, Kind, Result};
use crate::fields::Short;
use header::Header;
pub(super) use refit::refit;

/// Where the primary header is.
const PRIMARY_LBA: u64 = 1;
/// How much of a wiped disk must be zeros before its backup table counts, if its first partition starts later:
/// partitioning programs leave this much free.
const WIPED_BYTES: u64 = 1 << 20;

/// Why one copy can't be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
enum Fault {
    #[error("there is no header at LBA {lba}")]
    Signature { lba: u64 },
    #[error("the header is to be at LBA {lba}, but the device has {sectors} sectors; is the image cut off?")]
    PastEnd { lba: u64, sectors: u64 },
    #[error("{0}")]
    Unreadable(String),
    #[error("the header has {header_size} bytes, not 92 to {most}")]
    HeaderSize { header_size: u32, most: usize },
    #[error("the header's checksum is wrong ({stored:#010x}, its bytes give {computed:#010x})")]
    HeaderChecksum { stored: u32, computed: u32 },
    #[error("the header at LBA {lba} is one for LBA {my_lba}")]
    MyLba { my_lba: u64, lba: u64 },
    #[error("the last usable sector, {last_usable_lba}, comes before the first, {first_usable_lba}")]
    UsableRange { first_usable_lba: u64, last_usable_lba: u64 },
    #[error("the entries have {0} bytes each, not a multiple of 8 from 128 on")]
    EntrySize(u32),
    #[error("{count} entries of {entry_bytes} bytes, more than {most} bytes")]
    TooManyEntries { count: u32, entry_bytes: u32, most: u64 },
    #[error(
        "the entries, {array_bytes} bytes from LBA {lba} on, reach past the end of the device at {device_bytes}"
    )]
    EntriesOutside { lba: u64, array_bytes: u64, device_bytes: u64 },
    #[error("the entries' checksum is wrong ({stored:#010x}, their bytes give {computed:#010x})")]
    EntriesChecksum { stored: u32, computed: u32 },
    #[error("{0}")]
    Short(#[from] Short),
}

/// One copy, whole and checked.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Copy {
    header: Header,
    partitions: Vec<Partition>,
}

impl Copy {
    fn read(device: &dyn ReadAt, lba: u64, sector_bytes: u32) -> Result<Self, Fault> {
        let sector = header::sector(device, lba, sector_bytes)?;
        let header = Header::parse(&sector, lba)?;
        let partitions = entries::read(device, &header, sector_bytes)?;
        Ok(Self { header, partitions })
    }
}

/// Both copies, as they are for one size of a sector.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Copies {
    sector_bytes: u32,
    primary: Result<Copy, Fault>,
    backup: Result<Copy, Fault>,
}

/// How well a size of a sector fits, from bad to good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    Nothing,
    Damaged,
    Backup,
    Primary,
}

impl Copies {
    /// Reads both copies, with the size of a sector that is decided or fits best.
    fn read(device: &dyn ReadAt, decided: Option<u32>) -> Self {
        let sizes = sector_sizes(device, decided);
        let (first, others) = sizes.split_first().unwrap_or((&SECTOR_SIZES[0], &[]));
        let mut best = Self::with_sectors(device, *first);
        for sector_bytes in others {
            if best.fit() < Fit::Primary {
                let other = Self::with_sectors(device, *sector_bytes);
                if other.fit() > best.fit() {
                    best = other;
                }
            }
        }
        best
    }

    /// The backup is where the primary header says, and if it is not there, in the last sector.
    fn with_sectors(device: &dyn ReadAt, sector_bytes: u32) -> Self {
        let primary = Copy::read(device, PRIMARY_LBA, sector_bytes);
        let last_lba = sector_count(device, sector_bytes).saturating_sub(1);
        // A damaged header may still name the right place: the copy there has a checksum of its own.
        let alternate = header::sector(device, PRIMARY_LBA, sector_bytes)
            .ok()
            .and_then(|sector| header::alternate_lba(&sector))
            .filter(|lba| *lba > PRIMARY_LBA);
        let in_last = || Copy::read(device, last_lba, sector_bytes);
        let backup = match alternate.filter(|lba| *lba != last_lba) {
            None => in_last(),
            Some(lba) => Copy::read(device, lba, sector_bytes).or_else(|fault| in_last().map_err(|_| fault)),
        };
        Self { sector_bytes, primary, backup }
    }

    fn fit(&self) -> Fit {
        match (&self.primary, &self.backup) {
            (Ok(_), _) => Fit::Primary,
            (Err(_), Ok(_)) => Fit::Backup,
            _ if self.primary_is_there() => Fit::Damaged,
            _ => Fit::Nothing,
        }
    }

    /// Whether there is a primary header, whatever its state.
    fn primary_is_there(&self) -> bool {
        !matches!(self.primary, Err(Fault::Signature { .. } | Fault::PastEnd { .. } | Fault::Unreadable(_)))
    }

    fn into_table(self, device: &dyn ReadAt) -> Result<Table> {
        let (structures, behind_bytes) = refit::structures(&self, device);
        let (copy, warning) = match (self.primary, self.backup) {
            (Ok(primary), Ok(backup)) => {
                let differ =
                    primary.header.partition_entry_array_crc32 != backup.header.partition_entry_array_crc32;
                let warning = "the backup GPT differs from the primary one, which is used".to_owned();
                (primary, differ.then_some(warning))
            }
            (Ok(primary), Err(fault)) => (primary, Some(format!("backup GPT: {fault}"))),
            (Err(fault), Ok(backup)) => {
                let lba = backup.header.my_lba;
                (backup, Some(format!("primary GPT: {fault}; the backup at LBA {lba} is used")))
            }
            (Err(primary), Err(backup)) => {
                // Bytes that could not be read say nothing of the table.
                let is_unread = |fault: &Fault| matches!(fault, Fault::Unreadable(_));
                let kind = match is_unread(&primary) || is_unread(&backup) {
                    true => Kind::Read,
                    false => Kind::Corrupt,
                };
                return Err(Error::new(kind, BothBad { primary, backup }));
            }
        };
        Ok(Table {
            scheme: Scheme::Gpt,
            id: format!("{:X}", copy.header.disk_guid),
            sector_bytes: self.sector_bytes,
            partitions: copy.partitions,
            warnings: warning.into_iter().collect(),
            fault: None,
            structures,
            behind_bytes,
        })
    }
}

/// Neither copy can be used.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("both copies of the GPT are bad: primary: {primary}; backup: {backup}")]
struct BothBad {
    primary: Fault,
    backup: Fault,
}

/// Reads the table of a device whose first sector says that there is one.
pub(super) fn read(device: &dyn ReadAt, decided: Option<u32>) -> Result<Table> {
    Copies::read(device, decided).into_table(device)
}

/// Reads the table of a device whose first sector says nothing; `None` when there is none, or only traces of one.
///
/// The backup copy survives when the disk is formatted as a whole. So on its own it counts only where the disk's head
/// was wiped, and nothing else came there since.
pub(super) fn read_unprotected(device: &dyn ReadAt, decided: Option<u32>) -> Option<Table> {
    let copies = Copies::read(device, decided);
    let primary_is_there = copies.primary_is_there();
    let mut table = copies.into_table(device).ok()?;
    if !primary_is_there && !is_wiped(device, &table.partitions) {
        return None;
    }
    table.warnings.push("the first sector has no protective entry for the GPT".to_owned());
    Some(table)
}

/// Whether there is a primary header, whatever its state, for some size of a sector.
pub(super) fn has_primary(device: &dyn ReadAt) -> bool {
    let sizes = sector_sizes(device, None);
    sizes.into_iter().any(|size| header::sector(device, PRIMARY_LBA, size).is_ok())
}

/// Whether there are only zeros before the first partition.
fn is_wiped(device: &dyn ReadAt, partitions: &[Partition]) -> bool {
    let first = partitions.iter().map(|partition| partition.range.start()).min();
    let len = first.unwrap_or(WIPED_BYTES).min(WIPED_BYTES).min(device.len_bytes());
    usize::try_from(len)
        .ok()
        .and_then(|len| read_vec(device, 0, len).ok())
        .is_some_and(|head| head.iter().all(|byte| *byte == 0))
}

#[cfg(test)]
mod tests;
