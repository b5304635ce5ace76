//! VHD: the image format of Virtual PC, Hyper-V and Azure, fixed and dynamic.
//!
//! ```text
//! fixed:   the disk ▶ footer
//! dynamic: copy of the footer ▶ header ▶ allocation table ▶ blocks (bitmap, data) ▶ footer
//! ```
//!
//! Layout: *Virtual Hard Disk Image Format Specification*, Microsoft, 2006. All fields are
//! big-endian.

use std::sync::Arc;

use thiserror::Error;

use super::sparse::{Map, Run, Source, Sparse};
use super::tables::{Tables, past_end};
use super::{Disk, Image};
use crate::device::{Window, read_vec};
use crate::error::{Error, Result};
use crate::fields::{Short, be16_at, be32_at, be64_at, slice_at, u8_at};
use crate::units::ByteRange;

const MAGIC: &[u8] = b"conectix";
const FOOTER_BYTES: usize = 512;
const DYNAMIC_MAGIC: &[u8] = b"cxsparse";
const DYNAMIC_BYTES: usize = 1024;
const SECTOR: u64 = 512;

/// An entry of the allocation table for a block that isn't there.
const UNALLOCATED: u32 = u32::MAX;

/// Sectors of the largest disk that cylinders, heads and sectors can tell.
const MOST_BY_GEOMETRY: u64 = 65535 * 16 * 255;

/// Programs that tell a disk's length in bytes; for all others its geometry counts.
const TELL_BYTES: [&[u8]; 6] = [b"win ", b"qem2", b"d2v ", b"CTXS", b"tap\0", b"wa\0\0"];

/// What makes a footer or a header useless.
#[derive(Debug, Error, PartialEq, Eq)]
enum Fault {
    #[error("has a header that can't be trusted: {0}")]
    Short(#[from] Short),
    #[error("has no VHD footer that can be trusted")]
    Footer,
    #[error("is a VHD image that holds only differences to another one; merge them first")]
    Difference,
    #[error("is a VHD image of type {0}, of which fixed (2) and dynamic (3) are read here")]
    Type(u32),
    #[error("has a header of dynamic disks that can't be trusted")]
    Dynamic,
    #[error("has blocks of {0} bytes")]
    BlockBytes(u32),
    #[error("has {blocks} blocks of {block} bytes for a disk of {size} bytes")]
    Blocks { blocks: u32, block: u32, size: u64 },
}

/// Whether a file begins or ends as a VHD image.
pub(super) fn is_it(head: &[u8], tail: &[u8]) -> bool {
    head.starts_with(MAGIC) || tail.starts_with(MAGIC)
}

/// Opens the image.
pub(super) fn open(image: &mut Image<'_>) -> Result<Disk> {
    image.without_snapshots()?;
    let file = &image.file;
    let footer_bytes = u64::try_from(FOOTER_BYTES).unwrap_or(0);
    let footer_at = file.len_bytes().saturating_sub(footer_bytes);
    let at_end = read_vec(file.as_ref(), footer_at, FOOTER_BYTES)?;
    let at_start = read_vec(file.as_ref(), 0, FOOTER_BYTES)?;
    // The copy in front stands in for a footer that is damaged; a fixed disk has none.
    let footer = Footer::parse(&at_end).or_else(|fault| match Footer::parse(&at_start) {
        Ok(Footer { kind: Kind::Dynamic { header_at }, size }) => {
            Ok(Footer { kind: Kind::Dynamic { header_at }, size })
        }
        _ => Err(fault),
    });
    let footer = footer.map_err(Error::corrupt)?;
    let Kind::Dynamic { header_at } = footer.kind else {
        if footer.size > footer_at {
            return Err(past_end(footer.size, footer_at));
        }
        let disk = ByteRange::new(0, footer.size).unwrap_or(ByteRange::EMPTY);
        return Ok(Disk::sound(Arc::new(Window::new(Arc::clone(file), disk)?)));
    };
    let header = read_vec(file.as_ref(), header_at, DYNAMIC_BYTES)?;
    let tables = Tables::new(Arc::clone(file));
    let blocks = Blocks::parse(&header, footer.size, tables).map_err(Error::corrupt)?;
    let end = blocks.table_at.saturating_add(u64::from(blocks.entries).saturating_mul(4));
    if end > file.len_bytes() {
        return Err(past_end(end, file.len_bytes()));
    }
    Ok(Disk::sound(Arc::new(Sparse::new(blocks, vec![Arc::clone(file)], None))))
}

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Fixed,
    Dynamic { header_at: u64 },
}

#[derive(Debug, PartialEq, Eq)]
struct Footer {
    kind: Kind,
    size: u64,
}

impl Footer {
    fn parse(footer: &[u8]) -> Result<Self, Fault> {
        if !footer.starts_with(MAGIC) || checksum(footer, 0x40) != be32_at(footer, 0x40)? {
            return Err(Fault::Footer);
        }
        let data_offset = be64_at(footer, 0x10)?;
        let creator_application = slice_at(footer, 0x1c, 4)?;
        let current_size = be64_at(footer, 0x30)?;
        let cylinders = be16_at(footer, 0x38)?;
        let heads = u8_at(footer, 0x3a)?;
        let sectors = u8_at(footer, 0x3b)?;
        let kind = match be32_at(footer, 0x3c)? {
            2 => Kind::Fixed,
            3 => Kind::Dynamic { header_at: data_offset },
            4 => return Err(Fault::Difference),
            other => return Err(Fault::Type(other)),
        };
        // At most 2^16 × 2^8 × 2^8 sectors.
        let by_geometry = u64::from(cylinders).saturating_mul(heads.into()).saturating_mul(sectors.into());
        let tells_bytes = TELL_BYTES.contains(&creator_application) || by_geometry >= MOST_BY_GEOMETRY;
        let size =
            if tells_bytes || by_geometry == 0 { current_size } else { by_geometry.saturating_mul(SECTOR) };
        Ok(Self { kind, size })
    }
}

/// The one's complement of the sum of all bytes but those of the checksum at `at`.
fn checksum(bytes: &[u8], at: usize) -> u32 {
    let own = at..at.saturating_add(4);
    let counted = bytes.iter().enumerate().filter(|(index, _)| !own.contains(index));
    !counted.fold(0_u32, |sum, (_, byte)| sum.wrapping_add((*byte).into()))
}

/// The blocks of a dynamic disk.
#[derive(Debug)]
struct Blocks {
    size: u64,
    table_at: u64,
    entries: u32,
    block_bytes: u64,
    /// Bytes of the bitmap before the data of each block. It says which sectors were written; the
    /// others are zeros in the data too.
    bitmap_bytes: u64,
    tables: Tables,
}

impl Blocks {
    fn parse(header: &[u8], size: u64, tables: Tables) -> Result<Self, Fault> {
        if !header.starts_with(DYNAMIC_MAGIC) || checksum(header, 0x24) != be32_at(header, 0x24)? {
            return Err(Fault::Dynamic);
        }
        let table_offset = be64_at(header, 0x10)?;
        let max_table_entries = be32_at(header, 0x1c)?;
        let block_size = be32_at(header, 0x20)?;
        if !(512..=1 << 30).contains(&block_size) || !block_size.is_power_of_two() {
            return Err(Fault::BlockBytes(block_size));
        }
        let block_bytes = u64::from(block_size);
        if u64::from(max_table_entries).saturating_mul(block_bytes) < size {
            return Err(Fault::Blocks { blocks: max_table_entries, block: block_size, size });
        }
        let bitmap_bytes = (block_bytes / SECTOR).div_ceil(8).next_multiple_of(SECTOR);
        Ok(Self {
            size,
            table_at: table_offset,
            entries: max_table_entries,
            block_bytes,
            bitmap_bytes,
            tables,
        })
    }
}

impl Map for Blocks {
    fn len_bytes(&self) -> u64 {
        self.size
    }

    fn run(&self, at: u64) -> Result<Run> {
        let index = at.checked_div(self.block_bytes).unwrap_or(0);
        let within = at.checked_rem(self.block_bytes).unwrap_or(0);
        let len = self.block_bytes.saturating_sub(within);
        let entry_at = self.table_at.saturating_add(index.saturating_mul(4));
        let entry = u32::from_be_bytes(self.tables.bytes(entry_at)?);
        if entry == UNALLOCATED {
            return Ok(Run { source: Source::Zeros, len });
        }
        let data_at = u64::from(entry).saturating_mul(SECTOR).saturating_add(self.bitmap_bytes);
        Ok(Run { source: Source::File { file: 0, at: data_at.saturating_add(within) }, len })
    }
}
