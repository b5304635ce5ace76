//! A sparse extent of a VMDK image: the grain directory leads to grain tables, and these to grains.
//!
//! Layout: *Virtual Disk Format 5.0*, VMware, "Hosted Sparse Extents" and "Stream-Optimized
//! Compressed Sparse Extents". All fields are little-endian.

use thiserror::Error;

use crate::device::image::sparse::Source;
use crate::device::image::tables::{Tables, past_end};
use crate::device::{Device, read_vec};
use crate::error::{Error, Result};
use crate::fields::{Short, u16_at, u32_at, u64_at};

pub(super) const MAGIC: &[u8] = b"KDMV";
pub(super) const SECTOR: u64 = 512;
const HEADER_BYTES: usize = 512;

const ZERO_GRAINS: u32 = 1 << 2;
const COMPRESSED: u32 = 1 << 16;

/// The position of the directory where only the footer tells it.
const AT_END: u64 = u64::MAX;
/// Where the footer is: before the last sector, which marks the end of the stream.
const FOOTER_FROM_END: u64 = 1024;

/// Bytes before the data of a compressed grain: its first sector, and the length of the data.
const MARKER_BYTES: u64 = 12;

/// Largest grain, in bytes.
const LARGEST_GRAIN: u64 = 2 << 20;

/// An entry of a grain table for a grain of zeros.
const ZEROS: u32 = 1;

/// What makes the header of an extent useless.
#[derive(Debug, Error, PartialEq, Eq)]
pub(super) enum Fault {
    #[error("has a header that can't be trusted: {0}")]
    Short(#[from] Short),
    #[error("doesn't begin as a sparse extent of a VMDK image")]
    Magic,
    #[error("is a VMDK image of version {0}, of which 1 to 3 are read here")]
    Version(u32),
    #[error("has grains of {0} sectors")]
    GrainSectors(u64),
    #[error("has grain tables of {0} entries, of which 512 are usual")]
    TableEntries(u32),
    #[error("has a disk of {0} sectors, which is longer than any")]
    Capacity(u64),
    #[error("compresses by method {0}, of which deflate (1) is read here")]
    Compression(u16),
}

/// The header of a sparse extent.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub flags: u32,
    pub sectors: u64,
    pub grain_bytes: u64,
    pub descriptor_at: u64,
    pub descriptor_len: u64,
    table_entries: u32,
    directory_at: u64,
}

impl Header {
    pub(super) fn parse(header: &[u8]) -> Result<Self, Fault> {
        if !header.starts_with(MAGIC) {
            return Err(Fault::Magic);
        }
        let version = u32_at(header, 4)?;
        if !(1..=3).contains(&version) {
            return Err(Fault::Version(version));
        }
        let flags = u32_at(header, 8)?;
        let capacity = u64_at(header, 12)?;
        let grain_size = u64_at(header, 20)?;
        let descriptor_offset = u64_at(header, 28)?;
        let descriptor_size = u64_at(header, 36)?;
        let num_gtes_per_gt = u32_at(header, 44)?;
        let gd_offset = u64_at(header, 56)?;
        let compress_algorithm = u16_at(header, 77)?;
        if !grain_size.is_power_of_two() || grain_size > LARGEST_GRAIN / SECTOR {
            return Err(Fault::GrainSectors(grain_size));
        }
        if !(1..=4096).contains(&num_gtes_per_gt) {
            return Err(Fault::TableEntries(num_gtes_per_gt));
        }
        // Entries are 32-bit numbers of sectors, so no file is longer than 2 TiB. Few grains can
        // still stand for a longer disk.
        if capacity > 1 << 40 {
            return Err(Fault::Capacity(capacity));
        }
        if flags & COMPRESSED != 0 && compress_algorithm != 1 {
            return Err(Fault::Compression(compress_algorithm));
        }
        Ok(Self {
            flags,
            sectors: capacity,
            grain_bytes: grain_size.saturating_mul(SECTOR),
            descriptor_at: descriptor_offset.saturating_mul(SECTOR),
            descriptor_len: descriptor_size.saturating_mul(SECTOR),
            table_entries: num_gtes_per_gt,
            directory_at: gd_offset,
        })
    }

    fn is_compressed(&self) -> bool {
        self.flags & COMPRESSED != 0
    }
}

/// The tables of a sparse extent.
#[derive(Debug)]
pub(super) struct Grains {
    header: Header,
    tables: Tables,
    directory_at: u64,
}

impl Grains {
    /// Opens the extent in `file`.
    pub(super) fn open(file: &Device) -> Result<Self> {
        let len = usize::try_from(file.len_bytes()).unwrap_or(usize::MAX).min(HEADER_BYTES);
        let mut header = Header::parse(&read_vec(file.as_ref(), 0, len)?).map_err(Error::corrupt)?;
        if header.directory_at == AT_END {
            let at = file.len_bytes().saturating_sub(FOOTER_FROM_END);
            header = Header::parse(&read_vec(file.as_ref(), at, HEADER_BYTES)?).map_err(Error::corrupt)?;
        }
        let directory_at = header.directory_at.saturating_mul(SECTOR);
        let tables = header.sectors.saturating_mul(SECTOR).div_ceil(header.table_bytes());
        let end = directory_at.saturating_add(tables.saturating_mul(4));
        if end > file.len_bytes() {
            return Err(past_end(end, file.len_bytes()));
        }
        Ok(Self { header, tables: Tables::new(std::sync::Arc::clone(file)), directory_at })
    }

    pub(super) fn header(&self) -> &Header {
        &self.header
    }

    /// The source of the byte at `at` of the extent, and how many bytes follow in the same way. The
    /// extent's file has the index `file`.
    pub(super) fn run(&self, file: usize, at: u64) -> Result<(Source, u64)> {
        let table_bytes = self.header.table_bytes();
        let grain_bytes = self.header.grain_bytes;
        let index = at.checked_div(table_bytes).unwrap_or(0);
        let in_table = at.checked_rem(table_bytes).unwrap_or(0);
        let entry = self.entry(self.directory_at, index)?;
        if entry == 0 {
            return Ok((Source::Below, table_bytes.saturating_sub(in_table)));
        }
        let grain = in_table.checked_div(grain_bytes).unwrap_or(0);
        let within = in_table.checked_rem(grain_bytes).unwrap_or(0);
        let len = grain_bytes.saturating_sub(within);
        let entry = self.entry(u64::from(entry).saturating_mul(SECTOR), grain)?;
        let grain_at = u64::from(entry).saturating_mul(SECTOR);
        let source = match entry {
            0 => Source::Below,
            ZEROS if self.header.flags & ZERO_GRAINS != 0 => Source::Zeros,
            _ if self.header.is_compressed() => {
                let [.., a, b, c, d] = self.tables.bytes::<12>(grain_at)?;
                let len = u64::from(u32::from_le_bytes([a, b, c, d])).min(grain_bytes.saturating_mul(2));
                Source::Packed { file, at: grain_at.saturating_add(MARKER_BYTES), len, skip: within }
            }
            _ => Source::File { file, at: grain_at.saturating_add(within) },
        };
        Ok((source, len))
    }

    fn entry(&self, table_at: u64, index: u64) -> Result<u32> {
        Ok(u32::from_le_bytes(self.tables.bytes(table_at.saturating_add(index.saturating_mul(4)))?))
    }
}

impl Header {
    /// Bytes of the disk that a grain table maps.
    fn table_bytes(&self) -> u64 {
        self.grain_bytes.saturating_mul(self.table_entries.into())
    }
}
