//! Partition tables: which ranges of a device are partitions.
//!
//! The parsing is our own: a tenant wrote these bytes, and the crates that read tables were not made for that.

mod boot_sector;
mod extended;
mod gpt;
mod gpt_types;
mod mbr;
mod mbr_types;
mod placement;
mod refit;

use serde::{Deserialize, Serialize};

use crate::device::{ReadAt, read_vec};
use crate::error::{Error, Kind, Result};
use crate::units::{ByteRange, Bytes};
use boot_sector::{BootSector, Claim};

pub use refit::Refit;

/// Which format a table has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// Master boot record, with logical partitions in extended ones.
    Mbr,
    /// GUID partition table.
    Gpt,
}

/// A partition table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its format.
    pub scheme: Scheme,
    /// The disk's identifier: a GUID in upper case, or eight hexadecimal digits.
    pub id: String,
    /// Bytes of the sectors that the table counts in.
    pub sector_bytes: u32,
    /// The partitions in order of their number.
    pub partitions: Vec<Partition>,
    /// What is wrong with the table although every partition in it is known: the primary GPT header is bad and the
    /// backup was used, for instance.
    pub warnings: Vec<String>,
    /// Why there may be partitions that are not in the list: a chain of extended boot records that loops.
    pub fault: Option<String>,
    /// Where the table itself lies: the first sector, headers and entries, extended boot records.
    pub structures: Vec<ByteRange>,
    /// How much of it lies behind all partitions: the second copy of a GPT.
    pub behind_bytes: u64,
}

/// A partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Its number, as Linux counts: the slot of a primary or GPT partition, 5 and on for logical ones.
    pub number: u32,
    /// Where it lies on the device.
    pub range: ByteRange,
    /// Its type: a GUID in upper case, or two hexadecimal digits.
    pub type_id: String,
    /// What the type is called; empty when it has no name here.
    pub type_name: String,
    /// The name that a GPT gives it; empty when it has none.
    pub name: String,
    /// Its own identifier: a GUID in upper case, or the disk's identifier and its number (`74066322-01`).
    pub uuid: String,
    /// Whether boot loaders look here: the active flag, or GPT's legacy boot attribute.
    pub bootable: bool,
    /// Whether it is an extended partition, which only holds others.
    pub is_container: bool,
    /// Why it can't be read as it is: it overlaps another one, or ends before it begins.
    pub fault: Option<String>,
    /// Why not all of it is there: it reaches past the end of the device. What it holds may be shorter than it.
    pub past_end: Option<String>,
}

/// Sizes of a sector that disks have; an image does not say which one its disk had.
const SECTOR_SIZES: [u32; 2] = [512, 4096];

/// Whether something that is known begins with a range of the device.
pub type IsKnown<'a> = dyn Fn(ByteRange) -> bool + 'a;

/// Reads the partition table of a device; `None` when it has no table. Positions count in the
/// device's own sectors.
///
/// # Errors
///
/// As [`read_with`].
pub fn read(device: &dyn ReadAt) -> Result<Option<Table>> {
    read_with(device, None, &|_| false)
}

/// Reads the partition table of a device; `None` when there is none.
///
/// The first sector decides. A protective entry in it (type EE) means a GPT, other entries mean an MBR. Without any,
/// a GPT still counts when its primary copy is there, or when only its backup is and everything before the first
/// partition was wiped; a stale backup at the end of a disk that holds something else by now does not.
///
/// A table counts in sectors of a size that it does not tell. `sector_bytes` decides it. Otherwise
/// it is found: by where a GPT lies, and for an MBR by where the boot records of logical partitions
/// are, and partitions of which `is_known` is true. The device's own size comes first.
///
/// # Errors
///
/// When there is one, but nothing in it can be trusted, and when the first sector can't be read.
pub fn read_with(
    device: &dyn ReadAt,
    sector_bytes: Option<u32>,
    is_known: &IsKnown<'_>,
) -> Result<Option<Table>> {
    if device.len_bytes() < boot_sector::BYTES_ON_DISK {
        return Ok(None);
    }
    let own = device.sector_bytes().filter(plausible_sector);
    let decided = sector_bytes.filter(plausible_sector);
    let boot = BootSector::parse(&read_vec(device, 0, boot_sector::BYTES)?).map_err(Error::corrupt)?;
    let [least, _] = SECTOR_SIZES;
    let claim = boot.claim(sector_count(device, decided.unwrap_or(least)));
    let table = match claim {
        Claim::Gpt => Some(gpt::read(device, decided)?),
        Claim::Mbr => Some(mbr::find(device, &boot, decided, is_known)),
        Claim::Nothing => gpt::read_unprotected(device, decided),
    };
    Ok(table.map(|mut table| {
        if claim == Claim::Mbr && gpt::has_primary(device) {
            let stale = "a GPT header follows the MBR, which has no protective entry for it; the MBR counts";
            table.warnings.push(stale.to_owned());
        }
        if decided.is_none() && own.is_some_and(|own| own != table.sector_bytes) {
            let (counts, has) = (table.sector_bytes, own.unwrap_or_default());
            let message = format!(
                "the partition table counts in sectors of {counts} bytes, the device in {has}: read \
                 as the table counts; --sector-size decides otherwise"
            );
            table.warnings.push(message);
        }
        placement::check(&mut table.partitions, device.len_bytes());
        table
    }))
}

/// The sizes of a sector that a table may count in on this device, the most likely first; one alone
/// where that is decided.
fn sector_sizes(device: &dyn ReadAt, decided: Option<u32>) -> Vec<u32> {
    if let Some(decided) = decided {
        return vec![decided];
    }
    let mut sizes: Vec<u32> = device.sector_bytes().filter(plausible_sector).into_iter().collect();
    sizes.extend(SECTOR_SIZES.into_iter().filter(|size| !sizes.contains(size)).collect::<Vec<_>>());
    sizes
}

/// Whether a sector can have this size: a power of two from 512 to 65536.
#[must_use]
pub fn plausible_sector(sector_bytes: &u32) -> bool {
    sector_bytes.is_power_of_two() && (512..=65536).contains(sector_bytes)
}

/// How many whole sectors a device has.
fn sector_count(device: &dyn ReadAt, sector_bytes: u32) -> u64 {
    device.len_bytes().checked_div(sector_bytes.into()).unwrap_or_default()
}

/// The range of `sectors` sectors from `start_lba` on; `None` past 2^64 bytes.
fn sector_range(start_lba: u64, sectors: u64, sector_bytes: u32) -> Option<ByteRange> {
    let sector_bytes = u64::from(sector_bytes);
    ByteRange::new(start_lba.checked_mul(sector_bytes)?, sectors.checked_mul(sector_bytes)?)
}

impl Table {
    /// What is to be written onto a device of `target_bytes`. `device` is what the table was read from; where `grow` is set, the last
    /// partition reaches to the end of what can be used.
    ///
    /// # Errors
    ///
    /// [`Kind::Source`] when the device is too short, [`Kind::Corrupt`] when the table can't be read any more.
    pub fn refit(&self, device: &dyn ReadAt, target_bytes: u64, grow: bool) -> Result<Refit> {
        let needed = self.needed_bytes();
        if target_bytes < needed {
            let lacks = Bytes(needed.saturating_sub(target_bytes));
            let message = format!(
                "has {target_bytes} bytes, but the partitions need {needed}: {lacks} more ({} of disk altogether)",
                Bytes(needed)
            );
            return Err(Error::new(Kind::Source, message));
        }
        match self.scheme {
            Scheme::Gpt => gpt::refit(device, self, target_bytes, grow),
            Scheme::Mbr => self.refit_mbr(device, target_bytes, grow),
        }
    }
}
