//! A device whose bytes lie on other devices, in runs.
//!
//! Stripes, mirrors, parity, thin volumes and snapshots differ only in where a byte lies. Each is a
//! [`Map`]; reading, hints and holes are the same for all of them and stand here.

use std::fmt;

use crate::device::{Device, ReadAt};
use crate::error::{Error, Kind, Result};
use crate::units::ByteRange;

/// Runs that one search for data passes over at most. The rest then counts as data.
const RUNS_MOST: u32 = 1 << 24;

/// Tells where each byte of a device lies.
pub(super) trait Map: Send + Sync + fmt::Debug {
    /// Length of the device in bytes.
    fn len_bytes(&self) -> u64;

    /// The run that begins at `at`, a position before the end.
    fn run(&self, at: u64) -> Result<Run<'_>>;

    /// Fills `buffer` with bytes that no device holds as they are: those of [`Source::Computed`].
    fn compute(&self, at: u64, _buffer: &mut [u8]) -> Result<()> {
        Err(Error::internal("these bytes lie on a device").at_byte(at))
    }
}

/// A run of bytes of which the source is known.
#[derive(Debug)]
pub(super) struct Run<'a> {
    /// At least 1; it may reach past the end.
    pub len: u64,
    pub source: Source<'a>,
}

/// Where the bytes of a run come from.
#[derive(Debug)]
pub(super) enum Source<'a> {
    /// From position `at` of a device. The number tells the devices of one map apart.
    Device { number: usize, device: &'a Device, at: u64 },
    /// They are zeros, and stored nowhere.
    Zeros,
    /// [`Map::compute`] makes them.
    Computed,
}

/// The device that a map describes.
#[derive(Debug)]
pub(super) struct Mapped<M> {
    map: M,
    sector_bytes: Option<u32>,
}

impl<M: Map> Mapped<M> {
    pub(super) fn new(map: M, sector_bytes: Option<u32>) -> Self {
        Self { map, sector_bytes }
    }

    /// Passes the parts of `range` on, joined where they are adjacent on their device.
    fn each_range(&self, range: ByteRange, pass: impl Fn(&Device, ByteRange)) {
        let end = range.end().min(self.map.len_bytes());
        let mut pending: Vec<(usize, &Device, ByteRange)> = Vec::new();
        let mut at = range.start();
        while at < end {
            let Ok(run) = self.map.run(at) else { break };
            let len = run.len.min(end.saturating_sub(at)).max(1);
            if let Source::Device { number, device, at } = run.source
                && let Some(below) = ByteRange::new(at, len)
            {
                match pending.iter_mut().find(|(known, ..)| *known == number) {
                    Some((.., last)) if last.end() == below.start() => {
                        *last = ByteRange::between(last.start(), below.end()).unwrap_or(below);
                    }
                    Some((.., last)) => {
                        pass(device, *last);
                        *last = below;
                    }
                    None => pending.push((number, device, below)),
                }
            }
            at = at.saturating_add(len);
        }
        pending.into_iter().for_each(|(_, device, below)| pass(device, below));
    }
}

impl<M: Map> ReadAt for Mapped<M> {
    fn len_bytes(&self) -> u64 {
        self.map.len_bytes()
    }

    fn read_at(&self, offset_bytes: u64, buffer: &mut [u8]) -> Result<()> {
        let len = u64::try_from(buffer.len()).unwrap_or(u64::MAX);
        if offset_bytes.checked_add(len).is_none_or(|end| end > self.map.len_bytes()) {
            let end = self.map.len_bytes();
            let message = format!("{len} bytes are to be read here, but the device ends at {end}");
            return Err(Error::new(Kind::Corrupt, message).at_byte(offset_bytes));
        }
        let mut rest = buffer;
        let mut at = offset_bytes;
        while !rest.is_empty() {
            let run = self.map.run(at)?;
            let len = usize::try_from(run.len).unwrap_or(usize::MAX).clamp(1, rest.len());
            let (part, behind) = std::mem::take(&mut rest).split_at_mut(len);
            match run.source {
                Source::Device { device, at, .. } => device.read_at(at, part)?,
                Source::Zeros => part.fill(0),
                Source::Computed => self.map.compute(at, part)?,
            }
            at = at.saturating_add(u64::try_from(len).unwrap_or(u64::MAX));
            rest = behind;
        }
        Ok(())
    }

    fn will_need(&self, range: ByteRange) {
        self.each_range(range, |device, below| device.will_need(below));
    }

    fn done_with(&self, range: ByteRange) {
        self.each_range(range, |device, below| device.done_with(below));
    }

    fn next_data(&self, from_bytes: u64) -> Option<ByteRange> {
        let end = self.map.len_bytes();
        let mut search = Search::default();
        let mut at = from_bytes;
        for _ in 0..RUNS_MOST {
            if at >= end {
                return search.found;
            }
            let (len, data) = match self.map.run(at) {
                Ok(run) => {
                    let len = run.len.min(end.saturating_sub(at)).max(1);
                    (len, search.data_of(&run.source, at, len))
                }
                // The read tells the error.
                Err(_) => return search.join(ByteRange::between(at, end)).or(search.found),
            };
            let run_end = at.saturating_add(len);
            if let Some(found) = search.join(data) {
                return Some(found);
            }
            // Behind the data of a run there may be a hole and more data: the next turn finds it.
            at = match data {
                Some(data) if data.end() < run_end => data.end(),
                _ => run_end,
            };
        }
        search.join(ByteRange::between(at, end)).or(search.found)
    }

    fn sector_bytes(&self) -> Option<u32> {
        self.sector_bytes
    }
}

/// A search for data over many runs, which asks each device once for each of its holes.
#[derive(Default)]
struct Search {
    found: Option<ByteRange>,
    /// Of each device: from where it was asked, and its next data from there on.
    known: Vec<(usize, u64, Option<ByteRange>)>,
}

impl Search {
    /// The first data in the run of `len` bytes at `at`.
    fn data_of(&mut self, source: &Source<'_>, at: u64, len: u64) -> Option<ByteRange> {
        let Source::Device { number, device, at: below } = *source else {
            let is_zeros = matches!(source, Source::Zeros);
            return ByteRange::new(at, len).filter(|_| !is_zeros);
        };
        let data = self.next_data(number, device, below)?;
        let start = data.start().max(below).checked_sub(below)?;
        let end = data.end().checked_sub(below)?.min(len);
        let data = ByteRange::between(at.checked_add(start)?, at.checked_add(end)?)?;
        Some(data).filter(|data| !data.is_empty())
    }

    fn next_data(&mut self, number: usize, device: &Device, from: u64) -> Option<ByteRange> {
        let known = self.known.iter_mut().find(|(known, ..)| *known == number);
        if let Some((_, asked, next)) = &known
            && *asked <= from
            && next.is_none_or(|next| from < next.end())
        {
            return *next;
        }
        let next = device.next_data(from);
        match known {
            Some(known) => *known = (number, from, next),
            None => self.known.push((number, from, next)),
        }
        next
    }

    /// Adds data to those found before. Gives the result when they are not adjacent, or end.
    fn join(&mut self, data: Option<ByteRange>) -> Option<ByteRange> {
        match (self.found, data) {
            (None, data) => self.found = data,
            (Some(found), Some(data)) if found.end() == data.start() => {
                self.found = ByteRange::between(found.start(), data.end());
            }
            (Some(found), _) => return Some(found),
        }
        None
    }
}

/// Devices one behind the other.
#[derive(Debug)]
pub(super) struct Joined {
    /// Where each begins, and the device.
    parts: Vec<(u64, Device)>,
    len_bytes: u64,
}

impl Joined {
    /// The devices as one; a single one stays as it is. `None` when their lengths make no number.
    pub(super) fn device(devices: Vec<Device>) -> Option<Device> {
        let mut len_bytes = 0_u64;
        let mut parts = Vec::new();
        for device in devices.into_iter().filter(|device| device.len_bytes() > 0) {
            let start = len_bytes;
            len_bytes = len_bytes.checked_add(device.len_bytes())?;
            parts.push((start, device));
        }
        if let [(_, device)] = parts.as_slice() {
            return Some(Device::clone(device));
        }
        let sector_bytes = sector_bytes(parts.iter().map(|(_, device)| device));
        Some(std::sync::Arc::new(Mapped::new(Self { parts, len_bytes }, sector_bytes)))
    }
}

/// The largest sector of some devices: device mapper takes it for the whole.
pub(super) fn sector_bytes<'a>(devices: impl Iterator<Item = &'a Device>) -> Option<u32> {
    devices.filter_map(|device| device.sector_bytes()).max()
}

impl Map for Joined {
    fn len_bytes(&self) -> u64 {
        self.len_bytes
    }

    fn run(&self, at: u64) -> Result<Run<'_>> {
        let number = self.parts.partition_point(|(start, _)| *start <= at).saturating_sub(1);
        let Some((start, device)) = self.parts.get(number) else {
            return Err(Error::internal("no part of a device").at_byte(at));
        };
        let below = at.saturating_sub(*start);
        let len = device.len_bytes().saturating_sub(below);
        Ok(Run { len, source: Source::Device { number, device, at: below } })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// Bytes 0..1024 and 2048..4096 are data on a device of 8 KiB.
    #[derive(Debug)]
    struct Sparse;

    impl ReadAt for Sparse {
        fn len_bytes(&self) -> u64 {
            8192
        }

        fn read_at(&self, _: u64, buffer: &mut [u8]) -> Result<()> {
            buffer.fill(1);
            Ok(())
        }

        fn next_data(&self, from: u64) -> Option<ByteRange> {
            match from {
                0..1024 => ByteRange::between(from, 1024),
                1024..4096 => ByteRange::between(from.max(2048), 4096),
                _ => None,
            }
        }
    }

    #[test]
    fn data_are_joined_over_the_borders_of_parts_and_holes_are_passed_over() {
        let memory = |len: usize| -> Device { Arc::new(vec![7_u8; len]) };
        let parts: Vec<Device> = vec![Arc::new(Sparse), memory(512), Arc::new(Sparse), Arc::new(Sparse)];
        let joined = Joined::device(parts).unwrap();
        let mut found = Vec::new();
        let mut at = 0;
        while let Some(data) = joined.next_data(at) {
            found.push((data.start(), data.end()));
            at = data.end();
        }
        let second = 8192 + 512;
        let third = second + 8192;
        let expected = [
            (0, 1024),
            (2048, 4096),
            (8192, second + 1024),
            (second + 2048, second + 4096),
            (third, third + 1024),
            (third + 2048, third + 4096),
        ];
        assert_eq!(found, expected);
        assert_eq!(joined.next_data(3000).map(|data| data.end()), Some(4096));
        assert_eq!(joined.next_data(u64::MAX), None);
        let mut bytes = [0; 4];
        joined.read_at(8190, &mut bytes).unwrap();
        assert_eq!(bytes, [1, 1, 7, 7]);
        assert!(joined.read_at(third + 8190, &mut bytes).is_err());
    }
}
