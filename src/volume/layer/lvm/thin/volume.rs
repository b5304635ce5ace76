//! A thin volume: its tree maps its chunks to chunks of the pool.
//!
//! A value of the tree is the pool's chunk, and in the lowest 24 bits the time when it was mapped
//! (`unpack_block_time` in `drivers/md/dm-thin-metadata.c`).

use std::sync::Arc;

use super::pool::Pool;
use super::tree;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::volume::layer::mapped::{Map, Run, Source, sector_bytes};

const TIME_BITS: u32 = 24;
/// The devices' numbers in a search for data.
const DATA: usize = 0;
const EXTERNAL: usize = 1;

/// A thin volume.
#[derive(Debug)]
pub(in crate::volume::layer::lvm) struct Thin {
    pool: Arc<Pool>,
    root: u64,
    len_bytes: u64,
    external: Option<Device>,
}

impl Thin {
    /// The volume of a pool with this number; `external` is what its unmapped blocks show.
    pub(in crate::volume::layer::lvm) fn open(
        pool: Arc<Pool>,
        number: u64,
        len_bytes: u64,
        external: Option<Device>,
    ) -> Result<Self> {
        let tree::Found::Value(root) = tree::find(&pool.blocks, pool.root, number)? else {
            return Err(Error::corrupt(format!("its pool has no volume with its number {number}")));
        };
        Ok(Self { pool, root, len_bytes, external })
    }

    /// The sector of the devices that it lies on.
    pub(in crate::volume::layer::lvm) fn sector_bytes(&self) -> Option<u32> {
        sector_bytes(std::iter::once(&self.pool.data).chain(&self.external))
    }

    /// Bytes that are not mapped: those of the external origin, and zeros behind its end.
    fn unmapped(&self, at: u64, len: u64) -> Run<'_> {
        let rest = self.external.as_ref().and_then(|device| device.len_bytes().checked_sub(at));
        match (&self.external, rest) {
            (Some(device), Some(rest @ 1..)) => {
                Run { len: len.min(rest), source: Source::Device { number: EXTERNAL, device, at } }
            }
            _ => Run { len, source: Source::Zeros },
        }
    }
}

impl Map for Thin {
    fn len_bytes(&self) -> u64 {
        self.len_bytes
    }

    fn run(&self, at: u64) -> Result<Run<'_>> {
        let chunk_bytes = self.pool.chunk_bytes;
        let zero = || Error::internal("chunks of no length");
        let chunk = at.checked_div(chunk_bytes).ok_or_else(zero)?;
        let within = at.checked_rem(chunk_bytes).ok_or_else(zero)?;
        let mut first = None;
        let mut count = 0_u64;
        let mut more = |key: u64, value: u64| {
            let stored = value >> TIME_BITS;
            let start = *first.get_or_insert(stored);
            let follows = chunk.checked_add(count) == Some(key) && start.checked_add(count) == Some(stored);
            count = count.saturating_add(u64::from(follows));
            follows
        };
        let found = tree::run(&self.pool.blocks, self.root, chunk, &mut more)?;
        let below = |chunks: u64| chunks.saturating_mul(chunk_bytes).saturating_sub(within);
        if let tree::Found::Nothing(next) = found {
            let len = match next {
                Some(next) => below(next.saturating_sub(chunk)),
                None => self.len_bytes.saturating_sub(at),
            };
            return Ok(self.unmapped(at, len));
        }
        let place = first.and_then(|start| start.checked_mul(chunk_bytes)?.checked_add(within));
        let len = below(count);
        let is_inside = |at: &u64| at.checked_add(len).is_some_and(|end| end <= self.pool.data.len_bytes());
        match place.filter(is_inside) {
            Some(at) => Ok(Run { len, source: Source::Device { number: DATA, device: &self.pool.data, at } }),
            None => Err(Error::corrupt("the thin pool's metadata name a chunk past its data").at_byte(at)),
        }
    }
}
