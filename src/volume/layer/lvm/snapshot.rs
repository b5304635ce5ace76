//! Classic snapshots: chunks that the origin had before they changed, in a store of their own.
//!
//! Layout: `drivers/md/dm-snap-persistent.c` of the kernel: one chunk of header, then areas: a chunk
//! of exceptions, which are pairs of an origin's chunk and the store's, and the chunks that they
//! name. An exception that names chunk 0 ends the list.

use crate::device::{Device, read_vec};
use crate::error::{Error, Kind, Result};
use crate::fields::{Short, u32_at, u64_at};
use crate::volume::layer::mapped::{Map, Run, Source, sector_bytes};

/// `SNAP_MAGIC`.
const MAGIC: u32 = 0x7041_6e53;
const VERSION: u32 = 1;
const HEADER_LEN: usize = 16;
const EXCEPTION_LEN: u64 = 16;
const SECTOR_BYTES: u64 = 512;
/// LVM makes chunks of 4 KiB to 512 KiB; `lvcreate --chunksize`.
const CHUNK_BYTES: std::ops::RangeInclusive<u64> = 512..=(16 << 20);
/// The devices' numbers in a search for data.
const ORIGIN: usize = 0;
const STORE: usize = 1;

/// A snapshot, or an origin that a snapshot is being merged into: both read the store's chunks, and
/// the origin's where the store has none.
#[derive(Debug)]
pub(super) struct Snapshot {
    origin: Device,
    store: Device,
    chunk_bytes: u64,
    /// Runs of exceptions: the origin's first chunk, the store's, and how many follow.
    exceptions: Vec<(u64, u64, u64)>,
}

impl Snapshot {
    /// Reads the exceptions. `count` is asked before each run of them is kept.
    pub(super) fn open(
        origin: Device,
        store: Device,
        chunk_bytes: u64,
        count: &dyn Fn() -> Result<()>,
    ) -> Result<Self> {
        let head = read_vec(store.as_ref(), 0, HEADER_LEN)?;
        let Some(own) = header(&head)? else {
            // Nothing was changed since it was taken.
            return Ok(Self { origin, store, chunk_bytes, exceptions: Vec::new() });
        };
        if !CHUNK_BYTES.contains(&own) || !own.is_power_of_two() {
            return Err(Error::corrupt(format!("its store has chunks of {own} bytes")));
        }
        let mut snapshot = Self { origin, store, chunk_bytes: own, exceptions: Vec::new() };
        snapshot.read(count)?;
        Ok(snapshot)
    }

    /// The sector of the devices that it lies on.
    pub(super) fn sector_bytes(&self) -> Option<u32> {
        sector_bytes([&self.origin, &self.store].into_iter())
    }

    fn read(&mut self, count: &dyn Fn() -> Result<()>) -> Result<()> {
        let in_area = self.chunk_bytes.checked_div(EXCEPTION_LEN).unwrap_or(0);
        let len = usize::try_from(self.chunk_bytes).unwrap_or(usize::MAX);
        let chunks = self.store.len_bytes().checked_div(self.chunk_bytes).unwrap_or(0);
        let mut area = 1_u64;
        'areas: while area < chunks {
            let bytes = read_vec(self.store.as_ref(), area.saturating_mul(self.chunk_bytes), len)?;
            for exception in bytes.as_chunks::<16>().0 {
                let (old, new) = pair(exception).map_err(Error::corrupt)?;
                if new == 0 {
                    break 'areas;
                }
                if new >= chunks {
                    return Err(Error::corrupt(format!("an exception at chunk {new} of {chunks}")));
                }
                self.push(old, new, count)?;
            }
            area = area.saturating_add(in_area).saturating_add(1);
        }
        self.exceptions.sort_by_key(|(old, ..)| *old);
        let overlaps = |(a, b): (&(u64, u64, u64), &(u64, u64, u64))| a.0.saturating_add(a.2) > b.0;
        if self.exceptions.iter().zip(self.exceptions.iter().skip(1)).any(overlaps) {
            return Err(Error::corrupt("two exceptions of one chunk"));
        }
        Ok(())
    }

    fn push(&mut self, old: u64, new: u64, count: &dyn Fn() -> Result<()>) -> Result<()> {
        if let Some((first, stored, len)) = self.exceptions.last_mut()
            && first.checked_add(*len) == Some(old)
            && stored.checked_add(*len) == Some(new)
        {
            *len = len.saturating_add(1);
            return Ok(());
        }
        count()?;
        self.exceptions.push((old, new, 1));
        Ok(())
    }
}

/// The size of a chunk; `None` for a store that was never written to.
fn header(head: &[u8]) -> Result<Option<u64>> {
    let fields = || -> Result<_, Short> {
        Ok((u32_at(head, 0)?, u32_at(head, 4)?, u32_at(head, 8)?, u32_at(head, 12)?))
    };
    match fields().map_err(Error::corrupt)? {
        (0, ..) => Ok(None),
        (magic, ..) if magic != MAGIC => Err(Error::corrupt(format!("magic {magic:#010x} of its store"))),
        (_, 0, ..) => {
            let message = "the snapshot overflowed and is invalid: what it held is lost";
            Err(Error::new(Kind::Snapshot, message))
        }
        (_, _, version, _) if version != VERSION => {
            Err(Error::new(Kind::Unsupported, format!("its store has version {version}")))
        }
        (.., chunk_size) => Ok(Some(u64::from(chunk_size).saturating_mul(SECTOR_BYTES))),
    }
}

fn pair(exception: &[u8]) -> Result<(u64, u64), Short> {
    Ok((u64_at(exception, 0)?, u64_at(exception, 8)?))
}

impl Map for Snapshot {
    fn len_bytes(&self) -> u64 {
        self.origin.len_bytes()
    }

    fn run(&self, at: u64) -> Result<Run<'_>> {
        let zero = || Error::internal("chunks of no length");
        let chunk = at.checked_div(self.chunk_bytes).ok_or_else(zero)?;
        let within = at.checked_rem(self.chunk_bytes).ok_or_else(zero)?;
        let behind = self.exceptions.partition_point(|(old, ..)| *old <= chunk);
        let below = |chunks: u64| chunks.saturating_mul(self.chunk_bytes).saturating_sub(within);
        let before = behind.checked_sub(1).and_then(|index| self.exceptions.get(index));
        if let Some((old, new, len)) = before
            && let Some(skipped @ 0..) = chunk.checked_sub(*old)
            && let Some(rest @ 1..) = len.checked_sub(skipped)
        {
            let stored = new.saturating_add(skipped).saturating_mul(self.chunk_bytes);
            let source =
                Source::Device { number: STORE, device: &self.store, at: stored.saturating_add(within) };
            return Ok(Run { len: below(rest), source });
        }
        let len = match self.exceptions.get(behind) {
            Some((next, ..)) => below(next.saturating_sub(chunk)),
            None => self.len_bytes().saturating_sub(at),
        };
        Ok(Run { len, source: Source::Device { number: ORIGIN, device: &self.origin, at } })
    }
}
