//! What an archive says of the disk that it was made of, checked.

use std::collections::BTreeMap;

use super::skeleton::Skeleton;
use crate::archive::read::{AreasOf, Head, Manifest, Volume as VolumeRecord};
use crate::error::{Error, Kind, Result};
use crate::filesystem::ext::Geometry;
use crate::partition::{self, Partition, Table};
use crate::printable::harmless;
use crate::units::ByteRange;

/// Volumes of one disk at most: the entries of the largest table that is read.
pub(super) const VOLUMES_MOST: usize = 32_768;

/// What becomes of a volume.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Holds {
    /// An ext filesystem, made anew with the files below a path of the archive.
    Ext { below: Vec<u8>, geometry: Box<Geometry> },
    /// The bytes of a member of the archive.
    Raw { member: Vec<u8> },
    /// Swap space: its header.
    Swap,
    /// Nothing: it was empty, or left out.
    Nothing,
}

/// A volume, and where it lies.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Volume {
    pub number: u32,
    /// On the disk; a single volume lies where it lay on the disk that it was part of.
    pub range: ByteRange,
    pub holds: Holds,
    /// Bytes that were in use in its filesystem.
    pub used_bytes: u64,
    /// What it holds, and its label, for people.
    pub name: String,
    pub label: String,
    pub type_name: String,
}

/// What was archived: a disk with its table, or one volume.
#[derive(Debug)]
pub struct Blueprint {
    /// Length of the device that was archived, in bytes.
    pub(super) source_bytes: u64,
    /// Bytes of that device's sectors, where it was no image file.
    pub(super) source_sector_bytes: Option<u32>,
    pub(super) skeleton: Skeleton,
    pub(super) table: Option<Table>,
    pub(super) volumes: Vec<Volume>,
    /// What should be known.
    pub(super) notes: Vec<String>,
}

impl Blueprint {
    /// Reads it out of the manifest of an archive.
    ///
    /// # Errors
    ///
    /// [`Kind::Unsupported`] when the manifest is older than areas are, [`Kind::Corrupt`] when it contradicts itself.
    pub fn read(manifest: &Manifest) -> Result<Self> {
        let head = manifest.head()?;
        let Some(of) = head.areas.as_ref().map(|areas| areas.of) else {
            let message = "its manifest does not tell what lay outside of the files: the archive is of an older version, and no disk can be \
                           made of it. Files can be had with `voltar extract`, or with any tar";
            return Err(Error::new(Kind::Unsupported, message));
        };
        let areas = manifest.areas(&head)?;
        let sector_bytes = head.table.as_ref().map(|table| table.sector_bytes);
        let skeleton = Skeleton::new(head.source.len_bytes, sector_bytes, areas)?;
        match of {
            AreasOf::Disk => Self::of_disk(&head, skeleton),
            AreasOf::Volume => Self::of_volume(&head, skeleton),
        }
    }

    fn of_disk(head: &Head, skeleton: Skeleton) -> Result<Self> {
        let sector_bytes = head.table.as_ref().map(|table| table.sector_bytes);
        let table = partition::read_with(&skeleton, sector_bytes, &|_| false)?.ok_or_else(|| {
            Error::corrupt("the manifest is that of a disk, but its areas have no partition table")
        })?;
        if head.volumes.len() > VOLUMES_MOST {
            return Err(Error::corrupt(format!("the manifest has more than {VOLUMES_MOST} volumes")));
        }
        let mut notes = table.warnings.clone();
        notes.extend(table.fault.clone());
        let mut records: BTreeMap<u32, &VolumeRecord> = BTreeMap::new();
        for record in &head.volumes {
            let number = number(record)?;
            if records.insert(number, record).is_some() {
                return Err(Error::corrupt("the manifest has it twice").in_partition(number));
            }
        }
        let mut volumes: Vec<Volume> = Vec::new();
        for partition in table.partitions.iter().filter(|partition| !partition.is_container) {
            volumes.push(match records.remove(&partition.number) {
                Some(record) => volume(record, partition.range, Some(partition))?,
                None => {
                    let number = partition.number;
                    notes.push(format!("partition {number}: is not in the archive, and stays empty"));
                    nothing(partition)
                }
            });
        }
        if let Some(number) = records.keys().next() {
            let message = "the manifest has it among its volumes, but not in its table";
            return Err(Error::corrupt(message).in_partition(*number));
        }
        // Images that overlap have the same bytes where they do; a filesystem that is made anew
        // would have others.
        let is_made = |volume: &&Volume| !matches!(volume.holds, Holds::Raw { .. } | Holds::Nothing);
        let made: Vec<u32> = volumes.iter().filter(is_made).map(|volume| volume.number).collect();
        for partition in table.partitions.iter().filter(|partition| made.contains(&partition.number)) {
            if let Some(fault) = &partition.fault {
                let message = format!("its table: {fault}, and it can't be made anew without harm to that");
                return Err(Error::new(Kind::Unsupported, message).in_partition(partition.number));
            }
        }
        Ok(Self {
            source_bytes: head.source.len_bytes,
            source_sector_bytes: head.source.sector_bytes,
            skeleton,
            table: Some(table),
            volumes,
            notes,
        })
    }

    fn of_volume(head: &Head, skeleton: Skeleton) -> Result<Self> {
        let [record] = head.volumes.as_slice() else {
            let count = head.volumes.len();
            return Err(Error::corrupt(format!("the manifest is that of one volume, but it has {count}")));
        };
        let range = ByteRange::new(record.start_bytes.unwrap_or(0), record.len_bytes)
            .filter(|range| !range.is_empty() && range.len() <= i64::MAX.unsigned_abs())
            .ok_or_else(|| {
                Error::corrupt("the manifest has a volume that ends behind the last byte of all")
            })?;
        let volume = volume(record, range, None)?;
        Ok(Self {
            source_bytes: range.len(),
            source_sector_bytes: None,
            skeleton,
            table: None,
            volumes: vec![volume],
            notes: Vec::new(),
        })
    }

    /// What should be known of it, though nothing is lost by it.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Length of what was archived: of the disk, or of the one volume.
    #[must_use]
    pub fn source_bytes(&self) -> u64 {
        self.source_bytes
    }

    /// The shortest target that takes all of it, in bytes.
    #[must_use]
    pub fn needed_bytes(&self) -> u64 {
        match (&self.table, self.volumes.first()) {
            (Some(table), _) => table.needed_bytes(),
            (None, Some(Volume { holds: Holds::Ext { geometry, .. }, .. })) => geometry.len_bytes(),
            _ => self.source_bytes,
        }
    }
}

fn nothing(partition: &Partition) -> Volume {
    Volume {
        number: partition.number,
        range: partition.range,
        holds: Holds::Nothing,
        used_bytes: 0,
        name: "unknown".to_owned(),
        label: String::new(),
        type_name: partition.type_name.clone(),
    }
}

/// The number of a partition.
fn number(record: &VolumeRecord) -> Result<u32> {
    record.number.ok_or_else(|| {
        let message = "volumes of LVM, RAID or LUKS can't be made anew yet. Its files can be had with \
                       `voltar extract`; an archive that is made with `voltar archive --raw always` \
                       (configuration: raw = \"always\") can be restored byte for byte";
        Error::new(Kind::Unsupported, message).in_volume(&harmless(record.volume.as_deref().unwrap_or("?")))
    })
}

/// A volume as its record and its partition agree on it.
fn volume(record: &VolumeRecord, range: ByteRange, partition: Option<&Partition>) -> Result<Volume> {
    let number = number(record)?;
    let wrong = |message: String| Err(Error::corrupt(message).in_partition(number));
    let (start, len) = (record.start_bytes.unwrap_or(0), record.len_bytes);
    if (start, len) != (range.start(), range.len()) {
        let (table_start, table_len) = (range.start(), range.len());
        return wrong(format!(
            "the manifest has {len} bytes from byte {start} on, and {table_len} from {table_start} on by its table"
        ));
    }
    let image = format!("p{number}.img");
    let folder = partition.map_or_else(|| ".".to_owned(), |_| format!("p{number}"));
    let holds = match record.member.as_deref() {
        Some(member) if member == image => Holds::Raw { member: member.as_bytes().to_vec() },
        Some(member) if member == folder => {
            let geometry = record.geometry().map_err(|error| error.in_partition(number))?;
            if geometry.len_bytes() > range.len() {
                let (needs, has) = (geometry.len_bytes(), range.len());
                return wrong(format!("its filesystem has {needs} bytes, but it has {has}"));
            }
            let below = if member == "." { Vec::new() } else { member.as_bytes().to_vec() };
            Holds::Ext { below, geometry: Box::new(geometry.clone()) }
        }
        Some(member) => return wrong(format!("the manifest calls it {member:?}, which is no name for it")),
        None if record.holds == "swap" => Holds::Swap,
        None => Holds::Nothing,
    };
    Ok(Volume {
        number,
        range,
        holds,
        used_bytes: record.filesystem.as_ref().map_or(0, |filesystem| filesystem.used_bytes),
        name: crate::printable::harmless(&record.holds),
        label: crate::printable::harmless(record.label.as_deref().unwrap_or_default()),
        type_name: partition.map(|partition| partition.type_name.clone()).unwrap_or_default(),
    })
}
