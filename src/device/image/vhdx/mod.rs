//! VHDX: the image format of Hyper-V, fixed and dynamic, with its log.
//!
//! ```text
//! headers ▶ log, replayed in memory
//! region tables ▶ metadata: sizes
//!          └────▶ block allocation table ▶ blocks
//! ```
//!
//! Layout: \[MS-VHDX\],
//! <https://learn.microsoft.com/openspecs/windows_protocols/ms-vhdx/>.

mod header;
mod log;

use std::sync::Arc;

use super::sparse::{Map, Run, Source, Sparse};
use super::tables::{Tables, past_end};
use super::{Disk, Image};
use crate::device::{Device, read_vec};
use crate::error::{Error, Kind, Result};
use header::{HEADER_BYTES, HEADERS_AT, Header, Metadata, REGIONS_AT, REGIONS_BYTES, Regions};

/// The part of an entry that is a position, and the part that is a state.
const OFFSET: u64 = !0xf_ffff;
const STATE: u64 = 7;

/// The state of a block that is there. A block of any other state reads as zeros.
const FULLY_PRESENT: u64 = 6;
/// The states that say so. Those in between are for images that lie on others.
const ABSENT: std::ops::RangeInclusive<u64> = 0..=3;

/// Whether a file begins as a VHDX image.
pub(super) fn is_it(head: &[u8], _tail: &[u8]) -> bool {
    head.starts_with(header::MAGIC)
}

/// Opens the image.
pub(super) fn open(image: &mut Image<'_>) -> Result<Disk> {
    image.without_snapshots()?;
    let headers = pieces(&image.file, HEADERS_AT, HEADER_BYTES);
    let header = Header::newest(headers.iter().map(Vec::as_slice)).map_err(Error::corrupt)?;
    let file = log::replayed(&image.file, &header)?;
    let regions = pieces(&file, REGIONS_AT, REGIONS_BYTES);
    let regions = Regions::first(regions.iter().map(Vec::as_slice)).map_err(Error::corrupt)?;
    let table = read_vec(file.as_ref(), regions.metadata_at, Metadata::TABLE_BYTES)?;
    let item = |offset: u32, len: usize| {
        read_vec(file.as_ref(), regions.metadata_at.saturating_add(offset.into()), len)
    };
    let metadata = Metadata::parse(&table, item)?;
    let blocks = Blocks::new(metadata, regions.table_at, Tables::new(Arc::clone(&file)));
    let needed = blocks.table_bytes();
    if needed > regions.table_len.into() {
        let message = format!("has an allocation table of {} bytes, and needs {needed}", regions.table_len);
        return Err(Error::corrupt(message));
    }
    let end = regions.table_at.saturating_add(needed);
    if end > file.len_bytes() {
        return Err(past_end(end, file.len_bytes()));
    }
    // The log has writes to tables alone, so blocks are read from the file itself, with its holes.
    Ok(Disk::sound(Arc::new(Sparse::new(blocks, vec![Arc::clone(&image.file)], None))))
}

/// The pieces at both of these places that can be read.
fn pieces(file: &Device, at: [u64; 2], len: usize) -> Vec<Vec<u8>> {
    at.iter().filter_map(|at| read_vec(file.as_ref(), *at, len).ok()).collect()
}

#[derive(Debug)]
struct Blocks {
    metadata: Metadata,
    table_at: u64,
    /// Blocks between two entries for sector bitmaps, which only differencing images use.
    chunk_blocks: u64,
    tables: Tables,
}

impl Blocks {
    fn new(metadata: Metadata, table_at: u64, tables: Tables) -> Self {
        // A bitmap of 1 MiB has a bit for each of 2^23 sectors.
        let chunk_bytes = u64::from(metadata.sector_bytes).saturating_mul(1 << 23);
        let chunk_blocks = chunk_bytes.checked_div(metadata.block_bytes).unwrap_or(1).max(1);
        Self { metadata, table_at, chunk_blocks, tables }
    }

    /// Position of the entry for a block in the table, in bytes.
    fn entry_at(&self, block: u64) -> u64 {
        let bitmaps = block.checked_div(self.chunk_blocks).unwrap_or(0);
        block.saturating_add(bitmaps).saturating_mul(8)
    }

    /// Bytes of the table that are in use.
    fn table_bytes(&self) -> u64 {
        let blocks = self.metadata.size.div_ceil(self.metadata.block_bytes);
        blocks.checked_sub(1).map_or(0, |last| self.entry_at(last).saturating_add(8))
    }
}

impl Map for Blocks {
    fn len_bytes(&self) -> u64 {
        self.metadata.size
    }

    fn run(&self, at: u64) -> Result<Run> {
        let block_bytes = self.metadata.block_bytes;
        let block = at.checked_div(block_bytes).unwrap_or(0);
        let within = at.checked_rem(block_bytes).unwrap_or(0);
        let entry =
            u64::from_le_bytes(self.tables.bytes(self.table_at.saturating_add(self.entry_at(block)))?);
        let source = match entry & STATE {
            FULLY_PRESENT => Source::File { file: 0, at: (entry & OFFSET).saturating_add(within) },
            state if ABSENT.contains(&state) => Source::Zeros,
            state => {
                let message =
                    format!("block {block} of the image has state {state}, which makes no sense here");
                return Err(Error::new(Kind::Read, message));
            }
        };
        Ok(Run { source, len: block_bytes.saturating_sub(within) })
    }

    fn sector_bytes(&self) -> Option<u32> {
        Some(self.metadata.sector_bytes)
    }
}
