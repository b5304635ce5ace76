//! VDI: the image format of VirtualBox, fixed and dynamic.
//!
//! ```text
//! header ▶ map: a number for each block ▶ blocks
//! ```
//!
//! Layout: `VDIHEADER1PLUS` in VirtualBox's `VDICore.h`, and `block/vdi.c` of QEMU. All fields are
//! little-endian.

use std::sync::Arc;

use thiserror::Error;

use super::sparse::{Map, Run, Source, Sparse};
use super::tables::{Tables, past_end};
use super::{Disk, Image};
use crate::device::read_vec;
use crate::error::{Error, Result};
use crate::fields::{Short, slice_at, u32_at, u64_at};

const MAGIC: &[u8] = b"\x7f\x10\xda\xbe";
const MAGIC_AT: usize = 0x40;
const HEADER_BYTES: usize = 512;

/// Entries of the map that lead to no block.
const UNALLOCATED: u32 = u32::MAX;
const DISCARDED: u32 = u32::MAX - 1;

/// Block sizes that are possible.
const BLOCK_BYTES: std::ops::RangeInclusive<u32> = 512..=256 << 20;

/// What makes a header useless.
#[derive(Debug, Error, PartialEq, Eq)]
enum Fault {
    #[error("has a header that can't be trusted: {0}")]
    Short(#[from] Short),
    #[error("doesn't begin as a VDI image")]
    Magic,
    #[error("is a VDI image of version {0:#x}, of which 1.1 is read here")]
    Version(u32),
    #[error(
        "is a VDI image that holds only differences to another one; merge them first: VBoxManage clonemedium"
    )]
    Difference,
    #[error("is a VDI image of type {0}, of which dynamic (1) and fixed (2) are read here")]
    Type(u32),
    #[error("has blocks of {0} bytes")]
    BlockBytes(u32),
    #[error("has {blocks} blocks of {block} bytes for a disk of {size} bytes")]
    Blocks { blocks: u32, block: u32, size: u64 },
}

/// Whether a file begins as a VDI image.
pub(super) fn is_it(head: &[u8], _tail: &[u8]) -> bool {
    head.get(MAGIC_AT..).is_some_and(|rest| rest.starts_with(MAGIC))
}

/// Opens the image.
pub(super) fn open(image: &mut Image<'_>) -> Result<Disk> {
    image.without_snapshots()?;
    let len = usize::try_from(image.file.len_bytes()).unwrap_or(usize::MAX).min(HEADER_BYTES);
    let header = Header::parse(&read_vec(image.file.as_ref(), 0, len)?).map_err(Error::corrupt)?;
    let end = u64::from(header.blocks).saturating_mul(4).saturating_add(header.map_at);
    if end > image.file.len_bytes() {
        return Err(past_end(end, image.file.len_bytes()));
    }
    let blocks = Blocks { header, tables: Tables::new(Arc::clone(&image.file)) };
    Ok(Disk::sound(Arc::new(Sparse::new(blocks, vec![Arc::clone(&image.file)], None))))
}

#[derive(Debug, PartialEq, Eq)]
struct Header {
    map_at: u64,
    data_at: u64,
    size: u64,
    block_bytes: u32,
    /// Bytes before the data of each block.
    extra_bytes: u32,
    blocks: u32,
}

impl Header {
    fn parse(header: &[u8]) -> Result<Self, Fault> {
        if !is_it(header, &[]) {
            return Err(Fault::Magic);
        }
        let version = u32_at(header, 0x44)?;
        if version != 0x0001_0001 {
            return Err(Fault::Version(version));
        }
        let image_type = u32_at(header, 0x4c)?;
        let offset_bmap = u32_at(header, 0x154)?;
        let offset_data = u32_at(header, 0x158)?;
        let disk_size = u64_at(header, 0x170)?;
        let block_size = u32_at(header, 0x178)?;
        let block_extra = u32_at(header, 0x17c)?;
        let blocks_in_image = u32_at(header, 0x180)?;
        let uuid_parent = slice_at(header, 0x1b8, 16)?;
        match image_type {
            1 | 2 if uuid_parent.iter().all(|byte| *byte == 0) => {}
            1 | 2 | 4 => return Err(Fault::Difference),
            other => return Err(Fault::Type(other)),
        }
        if !BLOCK_BYTES.contains(&block_size) || !block_size.is_power_of_two() {
            return Err(Fault::BlockBytes(block_size));
        }
        let mapped = u64::from(blocks_in_image).saturating_mul(block_size.into());
        if mapped < disk_size {
            return Err(Fault::Blocks { blocks: blocks_in_image, block: block_size, size: disk_size });
        }
        Ok(Self {
            map_at: offset_bmap.into(),
            data_at: offset_data.into(),
            size: disk_size,
            block_bytes: block_size,
            extra_bytes: block_extra,
            blocks: blocks_in_image,
        })
    }
}

#[derive(Debug)]
struct Blocks {
    header: Header,
    tables: Tables,
}

impl Map for Blocks {
    fn len_bytes(&self) -> u64 {
        self.header.size
    }

    fn run(&self, at: u64) -> Result<Run> {
        let block_bytes = u64::from(self.header.block_bytes);
        let index = at.checked_div(block_bytes).unwrap_or(0);
        let within = at.checked_rem(block_bytes).unwrap_or(0);
        let len = block_bytes.saturating_sub(within);
        let entry = u32::from_le_bytes(
            self.tables.bytes(self.header.map_at.saturating_add(index.saturating_mul(4)))?,
        );
        if entry == UNALLOCATED || entry == DISCARDED {
            return Ok(Run { source: Source::Zeros, len });
        }
        let extra = u64::from(self.header.extra_bytes);
        // At most 2^32 blocks of 2^28 + 2^32 bytes each: no overflow.
        let block_at = u64::from(entry).saturating_mul(block_bytes.saturating_add(extra));
        let data_at = self.header.data_at.saturating_add(block_at).saturating_add(extra);
        Ok(Run { source: Source::File { file: 0, at: data_at.saturating_add(within) }, len })
    }
}
