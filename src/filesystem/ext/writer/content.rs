//! The content of one file, as it comes: pieces in order, with holes between them.

use super::core::Core;
use super::map;
use crate::error::{Error, Result};
use crate::filesystem::ext::map::Run;

/// Bytes that are gathered before they are written.
const GATHERED: usize = 1 << 20;

/// Takes the data of a file.
pub struct Content<'a> {
    core: &'a mut Core,
    size_bytes: u64,
    runs: Vec<Run>,
    /// Data that are not written yet, from the start of the block that they begin in.
    gathered: Vec<u8>,
    /// Position in the file of the first of them.
    start_bytes: u64,
    /// The last cluster of the file that has a place, and its first block on the device.
    cluster: Option<(u64, u64)>,
    /// Clusters in use.
    clusters: u64,
}

impl<'a> Content<'a> {
    pub(super) fn new(core: &'a mut Core, size_bytes: u64) -> Self {
        Self {
            core,
            size_bytes,
            runs: Vec::new(),
            gathered: Vec::new(),
            start_bytes: 0,
            cluster: None,
            clusters: 0,
        }
    }

    /// Takes data of the file from `position` on, which is behind all that was given.
    ///
    /// # Errors
    ///
    /// [`Kind::Corrupt`](crate::Kind::Corrupt) when it is not, or reaches past the end of the file; when the device fails or is full.
    pub fn put(&mut self, position: u64, bytes: &[u8]) -> Result<()> {
        let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let end = position.checked_add(len).filter(|end| *end <= self.size_bytes);
        if end.is_none() || position < self.end() {
            let (size, end) = (self.size_bytes, self.end());
            let message = format!(
                "data at byte {position}, where the file has {size} bytes and {end} of them were given"
            );
            return Err(Error::corrupt(message));
        }
        if bytes.is_empty() {
            return Ok(());
        }
        let block = u64::from(self.core.superblock.block_size).max(1);
        let first = position.checked_div(block).unwrap_or(0).saturating_mul(block);
        if self.gathered.is_empty() || first > self.end() {
            self.flush()?;
            self.start_bytes = first;
        }
        let gap = position.saturating_sub(self.end());
        let len = self.gathered.len().saturating_add(usize::try_from(gap).unwrap_or(0));
        self.gathered.resize(len, 0);
        let mut bytes = bytes;
        while !bytes.is_empty() {
            let space = GATHERED.saturating_sub(self.gathered.len()).min(bytes.len());
            let (part, rest) = bytes.split_at_checked(space).unwrap_or((bytes, &[]));
            self.gathered.extend_from_slice(part);
            bytes = rest;
            if self.gathered.len() >= GATHERED {
                self.flush()?;
            }
        }
        Ok(())
    }

    /// Position behind what was given so far.
    fn end(&self) -> u64 {
        self.start_bytes.saturating_add(u64::try_from(self.gathered.len()).unwrap_or(0))
    }

    /// Writes what was gathered, as whole blocks.
    fn flush(&mut self) -> Result<()> {
        let end = self.end();
        let mut gathered = std::mem::take(&mut self.gathered);
        let block_len = self.core.superblock.block_len().max(1);
        gathered.resize(gathered.len().next_multiple_of(block_len), 0);
        let block_size = u64::from(self.core.superblock.block_size);
        let mut logical = self.start_bytes.checked_div(block_size).unwrap_or(0);
        let mut rest = gathered.as_slice();
        while !rest.is_empty() {
            let blocks = u64::try_from(rest.len()).unwrap_or(0).checked_div(block_size).unwrap_or(0);
            let (physical, len) = self.place(logical, blocks)?;
            let bytes = usize::try_from(len.saturating_mul(block_size)).unwrap_or(usize::MAX);
            let (part, behind) = rest.split_at_checked(bytes).unwrap_or((rest, &[]));
            self.core.write_block(physical, part)?;
            self.push(Run { logical, physical, len });
            logical = logical.saturating_add(len);
            rest = behind;
        }
        gathered.clear();
        self.gathered = gathered;
        self.start_bytes = end;
        Ok(())
    }

    /// A place for at most `blocks` blocks of the file from `logical` on: the first block on the device, and for how many there is space.
    ///
    /// A block of a file is where it is in its cluster, in the file as on the device.
    fn place(&mut self, logical: u64, blocks: u64) -> Result<(u64, u64)> {
        let per_cluster = self.core.superblock.blocks_per_cluster();
        let first = logical.checked_div(per_cluster).unwrap_or(0);
        let within = logical.checked_rem(per_cluster).unwrap_or(0);
        if let Some((cluster, block)) = self.cluster
            && cluster == first
        {
            return Ok((block.saturating_add(within), blocks.min(per_cluster.saturating_sub(within))));
        }
        let wanted = within.saturating_add(blocks).div_ceil(per_cluster);
        let found = self.core.space.clusters(wanted)?;
        self.clusters = self.clusters.saturating_add(found.len);
        let last = found.len.saturating_sub(1);
        let block_of = |cluster: u64| self.core.space.block(found.first.saturating_add(cluster));
        self.cluster = Some((first.saturating_add(last), block_of(last)));
        let space = found.len.saturating_mul(per_cluster).saturating_sub(within);
        Ok((block_of(0).saturating_add(within), blocks.min(space)))
    }

    fn push(&mut self, run: Run) {
        if let Some(last) = self.runs.last_mut()
            && last.logical.saturating_add(last.len) == run.logical
            && last.physical.saturating_add(last.len) == run.physical
        {
            last.len = last.len.saturating_add(run.len);
        } else {
            self.runs.push(run);
        }
    }

    /// Writes the rest, and the map of it all; gives the map and the units of 512 bytes that are in use.
    pub(super) fn finish(mut self, number: u32) -> Result<(map::Map, u64)> {
        self.flush()?;
        let map = map::write(self.core, number, &self.runs)?;
        let clusters = self.clusters.saturating_add(map.clusters);
        let sectors = clusters.saturating_mul(self.core.sectors_per_cluster());
        Ok((map, sectors))
    }
}
