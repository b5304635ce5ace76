//! The content of one file, open for reading: runs of data, and where each of them is.

use std::sync::Arc;

use super::{AtHand, Take, TakeAt};
use crate::archive::read::{Container, TarStream as _};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::filesystem::{Decoder, Extent, Filesystem, Stored, Unit};
use crate::format::digest::zeros;
use crate::units::ByteRange;

/// Bytes that are read at once.
const READ_LEN: usize = 1 << 20;

/// The content of a file. Any part of it can be read at any time, by any number of threads; holes take no time and no memory.
#[derive(Clone)]
pub struct Data {
    size_bytes: u64,
    /// Position in the file and length of each run, in order.
    runs: Vec<(u64, u64)>,
    /// Position of each run at its source.
    starts: Vec<u64>,
    source: Source,
}

/// Where the runs are.
#[derive(Clone)]
enum Source {
    Stream(Container),
    Device(Device),
    /// Each run with what its `start` counts in: a unit of the filesystem, or else its device.
    Filesystem(Arc<dyn Filesystem>, Vec<Option<Unit>>),
    Here(Vec<u8>),
}

impl Data {
    /// Runs that stand one after the other in an archive's tar stream, from `start_bytes` on.
    pub(super) fn in_stream(
        packed: Container,
        start_bytes: u64,
        runs: Vec<(u64, u64)>,
        size_bytes: u64,
    ) -> Self {
        let mut next = start_bytes;
        let starts = runs.iter().map(|(_, len)| {
            let start = next;
            next = next.saturating_add(*len);
            start
        });
        let starts = starts.collect();
        Self { size_bytes, runs, starts, source: Source::Stream(packed) }
    }

    /// Runs of a device, by their position in the file, on the device, and their length.
    pub(super) fn on_device(
        device: Device,
        extents: impl Iterator<Item = (u64, u64, u64)>,
        size_bytes: u64,
    ) -> Self {
        let (runs, starts) = extents.map(|(file, device, len)| ((file, len), device)).unzip();
        Self { size_bytes, runs, starts, source: Source::Device(device) }
    }

    /// Extents of a file.
    pub(super) fn of_extents(filesystem: &Arc<dyn Filesystem>, extents: &[Extent], size_bytes: u64) -> Self {
        let raw = extents.iter().map(|extent| Some((extent.file_bytes, extent.at().ok()?, extent.len_bytes)));
        if let Some(raw) = raw.collect::<Option<Vec<_>>>() {
            return Self::on_device(filesystem.device().clone(), raw.into_iter(), size_bytes);
        }
        let runs = extents.iter().map(|extent| (extent.file_bytes, extent.len_bytes)).collect();
        let stored = extents.iter().map(|extent| match extent.stored {
            Stored::Raw { at } => (at, None),
            Stored::Encoded { unit, skip } => (u64::from(skip), Some(unit)),
        });
        let (starts, units) = stored.unzip();
        Self { size_bytes, runs, starts, source: Source::Filesystem(Arc::clone(filesystem), units) }
    }

    /// Content that is here.
    pub(super) fn here(bytes: Vec<u8>, size_bytes: u64) -> Self {
        let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let runs = if bytes.is_empty() { Vec::new() } else { vec![(0, len)] };
        Self { size_bytes, runs, starts: vec![0], source: Source::Here(bytes) }
    }

    /// Length of the file in bytes, holes included.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Position in the file and length of each run of data, in order. What lies between them, or behind the last, are holes.
    #[must_use]
    pub fn runs(&self) -> &[(u64, u64)] {
        &self.runs
    }

    /// Bytes of data in all.
    #[must_use]
    pub fn data_bytes(&self) -> u64 {
        self.runs.iter().fold(0, |sum, (_, len)| sum.saturating_add(*len))
    }

    /// Gives the data of a range of the file, each piece with its position in the file, in order. Of holes nothing is given.
    ///
    /// # Errors
    ///
    /// When the place can't be read, and what `take` fails with.
    pub fn read(&self, range: ByteRange, take: &mut TakeAt<'_>) -> Result<()> {
        let end = range.end().min(self.size_bytes);
        let first = self.runs.partition_point(|(start, len)| start.saturating_add(*len) <= range.start());
        let parts = self.runs.iter().zip(&self.starts).skip(first);
        let mut parts = parts
            .map(|((at, len), start)| {
                let from = (*at).max(range.start());
                let len = at.saturating_add(*len).min(end).saturating_sub(from);
                (from, start.saturating_add(from.saturating_sub(*at)), len)
            })
            .take_while(|(from, _, _)| *from < end)
            .filter(|(_, _, len)| *len > 0)
            .peekable();
        match &self.source {
            Source::Here(bytes) => parts.try_for_each(|(at, start, len)| {
                let number = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
                let part = number(start)..number(start.saturating_add(len));
                take(at, bytes.get(part).unwrap_or_default())
            }),
            Source::Device(device) => {
                let mut buffer = Vec::new();
                parts.try_for_each(|(at, start, len)| {
                    pieces(len, &mut buffer, at, take, &mut |done, piece| {
                        device.read_at(start.saturating_add(done), piece)?;
                        Ok(piece.len())
                    })
                })
            }
            Source::Filesystem(filesystem, units) => {
                let (mut buffer, mut decoder) = (Vec::new(), Decoder::default());
                // No extent is empty, so each part has its unit.
                parts.zip(units.iter().skip(first)).try_for_each(|((at, start, len), unit)| {
                    let stored = match unit {
                        Some(unit) => Stored::Encoded { unit: *unit, skip: 0 }.after(start),
                        None => Stored::Raw { at: start },
                    };
                    pieces(len, &mut buffer, at, take, &mut |done, piece| {
                        decoder.read((0, filesystem.as_ref()), stored.after(done), piece)?;
                        Ok(piece.len())
                    })
                })
            }
            Source::Stream(packed) => {
                let Some((_, start, _)) = parts.peek() else { return Ok(()) };
                let (mut stream, mut buffer) =
                    (packed.stream_between(*start, self.source_end(end))?, Vec::new());
                parts.try_for_each(|(at, start, len)| {
                    stream.skip(start.saturating_sub(stream.position()))?;
                    pieces(len, &mut buffer, at, take, &mut |_, piece| stream.read(piece))
                })
            }
        }
    }

    /// Where the last byte before this position of the file ends at the source.
    fn source_end(&self, end: u64) -> u64 {
        let count = self.runs.partition_point(|(start, _)| *start < end);
        let last = count.checked_sub(1).and_then(|last| self.runs.get(last).zip(self.starts.get(last)));
        last.map_or(0, |((at, len), start)| start.saturating_add(end.saturating_sub(*at).min(*len)))
    }

    /// The same with holes as zeros, without positions.
    ///
    /// # Errors
    ///
    /// As [`Data::read`].
    pub fn read_all(&self, range: ByteRange, take: &mut Take<'_>) -> Result<()> {
        let mut at = range.start();
        self.read(range, &mut |position, bytes| {
            zeros(position.saturating_sub(at), &mut *take)?;
            at = position.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
            take(bytes)
        })?;
        zeros(range.end().min(self.size_bytes).saturating_sub(at), &mut *take)
    }
}

impl AtHand for Option<Data> {
    fn read(&mut self, take: &mut TakeAt<'_>) -> Result<()> {
        match self.take() {
            Some(data) => data.read(ByteRange::between(0, data.size_bytes).unwrap_or(ByteRange::EMPTY), take),
            None => Ok(()),
        }
    }

    fn data_bytes(&self) -> u64 {
        self.as_ref().map_or(0, Data::data_bytes)
    }
}

/// Gives `len` bytes piece by piece. `read` fills as much of a piece as it can, and is told how many bytes were before it.
pub(super) fn pieces(
    len: u64,
    buffer: &mut Vec<u8>,
    mut at: u64,
    take: &mut TakeAt<'_>,
    read: &mut dyn FnMut(u64, &mut [u8]) -> Result<usize>,
) -> Result<()> {
    let mut done = 0_u64;
    while done < len {
        let most = usize::try_from(len.saturating_sub(done)).unwrap_or(usize::MAX).min(READ_LEN);
        if buffer.len() < most {
            buffer.resize(most, 0);
        }
        let count = read(done, buffer.get_mut(..most).unwrap_or_default())?;
        if count == 0 {
            return Err(Error::corrupt("the archive ends within it"));
        }
        take(at, buffer.get(..count).unwrap_or_default())?;
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        (at, done) = (at.saturating_add(count), done.saturating_add(count));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_has_the_data_in_it_and_holes_are_not_given() {
        let device: Device = Arc::new((0..=255).collect::<Vec<u8>>());
        // A terabyte with three runs.
        let extents = [(10, 100, 5), (15, 50, 5), (1 << 39, 200, 8)];
        let data = Data::on_device(device, extents.into_iter(), 1 << 40);
        assert_eq!(data.data_bytes(), 18);
        let read = |start, len| {
            let mut given = Vec::new();
            let range = ByteRange::new(start, len).unwrap();
            data.read(range, &mut |at, bytes| {
                given.push((at, bytes.to_vec()));
                Ok(())
            })
            .unwrap();
            given
        };
        let all = read(0, u64::MAX);
        assert_eq!(all[0], (10, vec![100, 101, 102, 103, 104]));
        assert_eq!(all[1], (15, vec![50, 51, 52, 53, 54]));
        assert_eq!(all[2], (1 << 39, (200..208).collect()));
        assert_eq!(read(12, 5), [(12, vec![102, 103, 104]), (15, vec![50, 51])]);
        assert_eq!((read(0, 10), read(20, 100)), (Vec::new(), Vec::new()));
        let mut bytes: Vec<u8> = Vec::new();
        let range = ByteRange::new(8, 4).unwrap();
        data.read_all(range, &mut |piece| {
            bytes.extend(piece);
            Ok(())
        })
        .unwrap();
        assert_eq!(bytes, [0, 0, 100, 101]);
    }
}
