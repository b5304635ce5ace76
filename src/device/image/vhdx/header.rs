//! The fixed places of a VHDX image: two headers, two region tables, and the metadata region.
//!
//! Layout: \[MS-VHDX\], sections 2.2 and 2.6. All fields are little-endian.

use thiserror::Error;

use crate::fields::{Short, bytes_at, slice_at, u16_at, u32_at, u64_at};

pub(super) const MAGIC: &[u8] = b"vhdxfile";

/// Where the headers and the region tables are, and how long they are.
pub(super) const HEADERS_AT: [u64; 2] = [64 << 10, 128 << 10];
pub(super) const HEADER_BYTES: usize = 4096;
pub(super) const REGIONS_AT: [u64; 2] = [192 << 10, 256 << 10];
pub(super) const REGIONS_BYTES: usize = 64 << 10;

/// Most entries of a region table or a metadata table.
const MOST_ENTRIES: u32 = 2047;
const TABLE_HEADER: usize = 16;
const METADATA_HEADER: usize = 32;
const ENTRY: usize = 32;

type Guid = [u8; 16];

/// The bytes of a GUID as they lie in a file: the first three fields are little-endian.
const fn guid(a: u32, b: u16, c: u16, d: [u8; 8]) -> Guid {
    let [a0, a1, a2, a3] = a.to_le_bytes();
    let [b0, b1] = b.to_le_bytes();
    let [c0, c1] = c.to_le_bytes();
    let [d0, d1, d2, d3, d4, d5, d6, d7] = d;
    [a0, a1, a2, a3, b0, b1, c0, c1, d0, d1, d2, d3, d4, d5, d6, d7]
}

const BAT: Guid = guid(0x2dc2_7766, 0xf623, 0x4200, [0x9d, 0x64, 0x11, 0x5e, 0x9b, 0xfd, 0x4a, 0x08]);
const METADATA: Guid = guid(0x8b7c_a206, 0x4790, 0x4b9a, [0xb8, 0xfe, 0x57, 0x5f, 0x05, 0x0f, 0x88, 0x6e]);

const FILE_PARAMETERS: Guid =
    guid(0xcaa1_6737, 0xfa36, 0x4d43, [0xb3, 0xb6, 0x33, 0xf0, 0xaa, 0x44, 0xe7, 0x6b]);
const VIRTUAL_DISK_SIZE: Guid =
    guid(0x2fa5_4224, 0xcd1b, 0x4876, [0xb2, 0x11, 0x5d, 0xbe, 0xd8, 0x3b, 0xf4, 0xb8]);
const LOGICAL_SECTOR_SIZE: Guid =
    guid(0x8141_bf1d, 0xa96f, 0x4709, [0xba, 0x47, 0xf2, 0x33, 0xa8, 0xfa, 0xab, 0x5f]);
const PHYSICAL_SECTOR_SIZE: Guid =
    guid(0xcda3_48c7, 0x445d, 0x4471, [0x9c, 0xc9, 0xe9, 0x88, 0x52, 0x51, 0xc5, 0x56]);
const VIRTUAL_DISK_ID: Guid =
    guid(0xbeca_12ab, 0xb2e6, 0x4523, [0x93, 0xef, 0xc3, 0x09, 0xe0, 0x00, 0xc7, 0x46]);
const PARENT_LOCATOR: Guid =
    guid(0xa8d3_5f2d, 0xb30b, 0x454d, [0xab, 0xf7, 0xd3, 0xd8, 0x48, 0x34, 0xab, 0x0c]);
const KNOWN_ITEMS: [Guid; 6] = [
    FILE_PARAMETERS,
    VIRTUAL_DISK_SIZE,
    LOGICAL_SECTOR_SIZE,
    PHYSICAL_SECTOR_SIZE,
    VIRTUAL_DISK_ID,
    PARENT_LOCATOR,
];

/// What makes the image useless.
#[derive(Debug, Error, PartialEq, Eq)]
pub(super) enum Fault {
    #[error("has a structure that can't be trusted: {0}")]
    Short(#[from] Short),
    #[error("has no header that can be trusted")]
    Header,
    #[error("has no region table that can be trusted")]
    Regions,
    #[error("has no {0} region")]
    NoRegion(&'static str),
    #[error("needs a region or a metadata item that is unknown")]
    Unknown,
    #[error("has a metadata table that can't be trusted")]
    Metadata,
    #[error("doesn't tell its {0}")]
    NoItem(&'static str),
    #[error("is a VHDX image that holds only differences to another one; merge them first")]
    Difference,
    #[error("has blocks of {0} bytes")]
    BlockBytes(u32),
    #[error("has sectors of {0} bytes")]
    SectorBytes(u32),
    #[error("has a disk of {0} bytes; 64 TiB is the most")]
    Size(u64),
    #[error("is a VHDX image of version {0}, of which 1 is read here")]
    Version(u16),
    #[error("has a log of {0} bytes at byte {1}")]
    LogPlace(u32, u64),
}

/// The newer header that can be trusted.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Header {
    sequence: u64,
    /// All zeros where there is nothing to replay.
    pub log_guid: Guid,
    pub log_at: u64,
    pub log_len: u32,
}

impl Header {
    /// Takes the newer one of the headers whose checksum is right.
    pub(super) fn newest<'a>(headers: impl Iterator<Item = &'a [u8]>) -> Result<Self, Fault> {
        let sound = headers.filter_map(|header| Self::parse(header).transpose());
        let mut newest: Option<Self> = None;
        for header in sound {
            let header = header?;
            if newest.as_ref().is_none_or(|newest| newest.sequence < header.sequence) {
                newest = Some(header);
            }
        }
        newest.ok_or(Fault::Header)
    }

    fn parse(header: &[u8]) -> Result<Option<Self>, Fault> {
        if !header.starts_with(b"head") || !is_sound(header, 4) {
            return Ok(None);
        }
        let sequence_number = u64_at(header, 8)?;
        let log_guid: Guid = bytes_at(header, 48)?;
        let version = u16_at(header, 66)?;
        let log_length = u32_at(header, 68)?;
        let log_offset = u64_at(header, 72)?;
        if version != 1 {
            return Err(Fault::Version(version));
        }
        if log_length & 0xf_ffff != 0 || log_offset & 0xf_ffff != 0 {
            return Err(Fault::LogPlace(log_length, log_offset));
        }
        Ok(Some(Self { sequence: sequence_number, log_guid, log_at: log_offset, log_len: log_length }))
    }
}

/// Whether the CRC-32C at `at` is that of the bytes, with the field as zeros.
pub(super) fn is_sound(bytes: &[u8], at: usize) -> bool {
    let behind = at.saturating_add(4);
    let (Ok(stored), Some(before), Some(rest)) = (u32_at(bytes, at), bytes.get(..at), bytes.get(behind..))
    else {
        return false;
    };
    let crc = crc32c::crc32c_append(crc32c::crc32c(before), &[0; 4]);
    crc32c::crc32c_append(crc, rest) == stored
}

/// Where the regions are.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Regions {
    pub table_at: u64,
    pub table_len: u32,
    pub metadata_at: u64,
}

impl Regions {
    /// Takes the first of the region tables whose checksum is right.
    pub(super) fn first<'a>(mut tables: impl Iterator<Item = &'a [u8]>) -> Result<Self, Fault> {
        let sound = tables.find(|table| table.starts_with(b"regi") && is_sound(table, 4));
        Self::parse(sound.ok_or(Fault::Regions)?)
    }

    fn parse(table: &[u8]) -> Result<Self, Fault> {
        let entry_count = u32_at(table, 8)?;
        if entry_count > MOST_ENTRIES {
            return Err(Fault::Regions);
        }
        let (mut bat, mut metadata) = (None, None);
        for entry in entries(table, TABLE_HEADER, entry_count)? {
            let file_offset = u64_at(entry, 16)?;
            let length = u32_at(entry, 24)?;
            let is_required = u32_at(entry, 28)? & 1 != 0;
            match bytes_at::<16>(entry, 0)? {
                BAT => bat = Some((file_offset, length)),
                METADATA => metadata = Some(file_offset),
                _ if is_required => return Err(Fault::Unknown),
                _ => {}
            }
        }
        let (table_at, table_len) = bat.ok_or(Fault::NoRegion("block allocation table"))?;
        Ok(Self { table_at, table_len, metadata_at: metadata.ok_or(Fault::NoRegion("metadata"))? })
    }
}

/// The `count` entries of a table, behind its header.
fn entries(table: &[u8], header: usize, count: u32) -> Result<impl Iterator<Item = &[u8]>, Short> {
    let len = usize::try_from(count).unwrap_or(usize::MAX).saturating_mul(ENTRY);
    Ok(slice_at(table, header, len)?.chunks_exact(ENTRY))
}

/// The metadata that a reader needs.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Metadata {
    pub block_bytes: u64,
    pub sector_bytes: u32,
    pub size: u64,
}

impl Metadata {
    /// Bytes of a metadata table.
    pub(super) const TABLE_BYTES: usize = 64 << 10;

    /// Parses the table, whose items `item` reads: their position from the region's start, and
    /// their length.
    pub(super) fn parse(
        table: &[u8],
        item: impl Fn(u32, usize) -> crate::error::Result<Vec<u8>>,
    ) -> crate::error::Result<Self> {
        let items = Items::parse(table).map_err(crate::error::Error::corrupt)?;
        let parameters = item(items.parameters, 8)?;
        let size = item(items.size, 8)?;
        let sector = item(items.sector, 4)?;
        Self::of_items(&parameters, &size, &sector).map_err(crate::error::Error::corrupt)
    }

    fn of_items(parameters: &[u8], size: &[u8], sector: &[u8]) -> Result<Self, Fault> {
        let block_size = u32_at(parameters, 0)?;
        let has_parent = u32_at(parameters, 4)? & 2 != 0;
        let size = u64_at(size, 0)?;
        let sector_bytes = u32_at(sector, 0)?;
        if has_parent {
            return Err(Fault::Difference);
        }
        if !(1 << 20..=256 << 20).contains(&block_size) || !block_size.is_power_of_two() {
            return Err(Fault::BlockBytes(block_size));
        }
        if sector_bytes != 512 && sector_bytes != 4096 {
            return Err(Fault::SectorBytes(sector_bytes));
        }
        if size > 64 << 40 {
            return Err(Fault::Size(size));
        }
        Ok(Self { block_bytes: block_size.into(), sector_bytes, size })
    }
}

/// Where the metadata items are, from the start of their region.
struct Items {
    parameters: u32,
    size: u32,
    sector: u32,
}

impl Items {
    fn parse(table: &[u8]) -> Result<Self, Fault> {
        let entry_count = u32::from(u16_at(table, 10)?);
        if !table.starts_with(b"metadata") || entry_count > MOST_ENTRIES {
            return Err(Fault::Metadata);
        }
        let (mut parameters, mut size, mut sector) = (None, None, None);
        for entry in entries(table, METADATA_HEADER, entry_count)? {
            let offset = u32_at(entry, 16)?;
            let is_required = u32_at(entry, 24)? & 4 != 0;
            match bytes_at::<16>(entry, 0)? {
                FILE_PARAMETERS => parameters = Some(offset),
                VIRTUAL_DISK_SIZE => size = Some(offset),
                LOGICAL_SECTOR_SIZE => sector = Some(offset),
                other if is_required && !KNOWN_ITEMS.contains(&other) => return Err(Fault::Unknown),
                _ => {}
            }
        }
        Ok(Self {
            parameters: parameters.ok_or(Fault::NoItem("block size"))?,
            size: size.ok_or(Fault::NoItem("length"))?,
            sector: sector.ok_or(Fault::NoItem("sector size"))?,
        })
    }
}
