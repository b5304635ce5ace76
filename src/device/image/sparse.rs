//! A device over an image whose bytes lie scattered in files: what the formats share.
//!
//! A format tells, for each position, where the bytes are ([`Map`]); everything else is here:
//! reading across runs, holes, hints, and compressed units that are kept for a while.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use lru::LruCache;

use super::tables::past_end;
use crate::device::{Device, ReadAt, read_vec, within};
use crate::error::{Error, Kind, Result};
use crate::units::ByteRange;

/// Decompressed units that are kept, in bytes.
const KEPT_BYTES: u64 = 32 << 20;

/// Runs that a hint is passed on for.
const HINTED_RUNS: usize = 1024;

/// Longest run that is put together to look for data in it.
const LONGEST_SPAN: u64 = 64 << 20;

/// Where the bytes of a run come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// Nowhere: they are zeros.
    Zeros,
    /// From the file with this index, from this position on.
    File { file: usize, at: u64 },
    /// From the image underneath, at the same position.
    Below,
    /// From a compressed unit: `len` bytes at `at` of the file, and behind `skip` bytes of it.
    Packed { file: usize, at: u64, len: u64, skip: u64 },
}

/// A run of an image's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub source: Source,
    /// At least 1; it may reach past the end of the image.
    pub len: u64,
}

/// What a format knows: where the bytes are.
pub(super) trait Map: std::fmt::Debug + Send + Sync {
    /// Length of the disk that the guest sees, in bytes.
    fn len_bytes(&self) -> u64;

    /// The run that begins at `at`, which lies before the end.
    ///
    /// # Errors
    ///
    /// When the tables that lead there can't be trusted or read.
    fn run(&self, at: u64) -> Result<Run>;

    /// Bytes of a compressed unit after decompression; at most a few MiB.
    fn unit_bytes(&self) -> u64 {
        1
    }

    /// Decompresses a unit, of which `packed` may have some bytes too many.
    ///
    /// # Errors
    ///
    /// With what is wrong with it.
    fn unpack(&self, _packed: &[u8]) -> Result<Vec<u8>, String> {
        Err("this format has no compressed units".to_owned())
    }

    /// The sector that the guest's disk has, where the format tells it.
    fn sector_bytes(&self) -> Option<u32> {
        None
    }
}

/// Decompressed units, by file and position.
type Units = LruCache<(usize, u64), Arc<[u8]>>;

/// The disk of a guest, in an image.
#[derive(Debug)]
pub(super) struct Sparse<M> {
    map: M,
    files: Vec<Device>,
    below: Option<Device>,
    units: Mutex<Units>,
}

impl<M: Map> Sparse<M> {
    /// The image that `map` describes, in `files`, over `below`.
    pub(super) fn new(map: M, files: Vec<Device>, below: Option<Device>) -> Self {
        let units = KEPT_BYTES.checked_div(map.unit_bytes()).unwrap_or(1).clamp(4, 1024);
        let units = usize::try_from(units).ok().and_then(NonZeroUsize::new).unwrap_or(NonZeroUsize::MIN);
        Self { map, files, below, units: Mutex::new(LruCache::new(units)) }
    }

    /// The run at `at`, as long as it goes on in the same way, or until `limit` bytes.
    fn span(&self, at: u64, limit: u64) -> Result<Run> {
        let limit = limit.min(self.map.len_bytes().saturating_sub(at));
        let mut span = self.one(at, limit)?;
        while span.len < limit {
            let Ok(next) = self.one(at.saturating_add(span.len), limit.saturating_sub(span.len)) else {
                break;
            };
            let goes_on = match (span.source, next.source) {
                (Source::Zeros, Source::Zeros) | (Source::Below, Source::Below) => true,
                (Source::File { file, at }, Source::File { file: next_file, at: next_at }) => {
                    file == next_file && at.checked_add(span.len) == Some(next_at)
                }
                _ => false,
            };
            if !goes_on {
                break;
            }
            span.len = span.len.saturating_add(next.len);
        }
        Ok(span)
    }

    /// One run of the map, no longer than `limit`, whose bytes are there.
    fn one(&self, at: u64, limit: u64) -> Result<Run> {
        let run = self.map.run(at)?;
        let len = run.len.min(limit).max(1);
        let source = match run.source {
            Source::Below if self.below.as_ref().is_none_or(|below| at >= below.len_bytes()) => Source::Zeros,
            Source::File { file, at } => {
                let file_len = self.file(file)?.len_bytes();
                if at.checked_add(len).is_none_or(|end| end > file_len) {
                    return Err(past_end(at.saturating_add(len), file_len));
                }
                run.source
            }
            source => source,
        };
        // An overlay may be longer than the image underneath, which reads as zeros from there on.
        let rest = self.below.as_ref().map(|below| below.len_bytes().saturating_sub(at));
        let len = match (source, rest) {
            (Source::Below, Some(rest)) => len.min(rest),
            _ => len,
        };
        Ok(Run { source, len })
    }

    fn file(&self, index: usize) -> Result<&Device> {
        self.files.get(index).ok_or_else(|| Error::internal("an image has no file of this number"))
    }

    fn fill(&self, source: Source, at: u64, buffer: &mut [u8]) -> Result<()> {
        match source {
            Source::Zeros => buffer.fill(0),
            Source::File { file, at } => self.file(file)?.read_at(at, buffer)?,
            Source::Below => match &self.below {
                Some(below) => below.read_at(at, buffer)?,
                None => buffer.fill(0),
            },
            Source::Packed { file, at, len, skip } => {
                let unit = self.unit(file, at, len)?;
                let skip = usize::try_from(skip).unwrap_or(usize::MAX);
                let found = unit.get(skip..).and_then(|rest| rest.get(..buffer.len()));
                let found = found.ok_or_else(|| bad_unit(at, "it is too short"))?;
                buffer.copy_from_slice(found);
            }
        }
        Ok(())
    }

    fn unit(&self, file: usize, at: u64, len: u64) -> Result<Arc<[u8]>> {
        let kept = self.units.lock().unwrap_or_else(PoisonError::into_inner).get(&(file, at)).map(Arc::clone);
        if let Some(unit) = kept {
            return Ok(unit);
        }
        let device = self.file(file)?;
        let rest = device.len_bytes().saturating_sub(at);
        if rest == 0 {
            return Err(past_end(at, device.len_bytes()));
        }
        let len = usize::try_from(len.min(rest)).unwrap_or(usize::MAX);
        let packed = read_vec(device.as_ref(), at, len)?;
        let unit: Arc<[u8]> = self.map.unpack(&packed).map_err(|fault| bad_unit(at, &fault))?.into();
        self.units.lock().unwrap_or_else(PoisonError::into_inner).put((file, at), Arc::clone(&unit));
        Ok(unit)
    }

    /// Calls `hint` for each piece of the files that `range` lies in.
    fn hint(&self, range: ByteRange, hint: fn(&dyn ReadAt, ByteRange)) {
        let end = range.end().min(self.map.len_bytes());
        let mut at = range.start();
        for _ in 0..HINTED_RUNS {
            let Some(rest) = end.checked_sub(at).filter(|rest| *rest > 0) else { return };
            let Ok(run) = self.span(at, rest) else { return };
            let (device, place) = match run.source {
                Source::Zeros => (None, None),
                Source::Below => (self.below.as_ref(), ByteRange::new(at, run.len)),
                Source::File { file, at } => (self.files.get(file), ByteRange::new(at, run.len)),
                Source::Packed { file, at, len, .. } => (self.files.get(file), ByteRange::new(at, len)),
            };
            if let (Some(device), Some(place)) = (device, place) {
                hint(device.as_ref(), place);
            }
            at = at.saturating_add(run.len);
        }
    }

    /// The first byte of a run that may be something other than zeros, and the bytes from there on
    /// that may be, too.
    fn data_in(&self, at: u64, run: Run) -> Option<ByteRange> {
        let (device, start) = match run.source {
            Source::Zeros => return None,
            Source::Packed { .. } => return ByteRange::new(at, run.len),
            Source::Below => (self.below.as_ref()?, at),
            Source::File { file, at } => (self.files.get(file)?, at),
        };
        let data = device.next_data(start)?;
        let skipped = data.start().checked_sub(start).filter(|skipped| *skipped < run.len)?;
        ByteRange::new(at.checked_add(skipped)?, data.len().min(run.len.checked_sub(skipped)?))
    }
}

fn bad_unit(at: u64, fault: &str) -> Error {
    let message = format!("the compressed piece at byte {at} of the image's file is damaged: {fault}");
    Error::new(Kind::Read, message)
}

impl<M: Map> ReadAt for Sparse<M> {
    fn len_bytes(&self) -> u64 {
        self.map.len_bytes()
    }

    fn read_at(&self, offset_bytes: u64, buffer: &mut [u8]) -> Result<()> {
        within(self.map.len_bytes(), offset_bytes, buffer.len())?;
        let mut at = offset_bytes;
        let mut rest = buffer;
        while !rest.is_empty() {
            let limit = u64::try_from(rest.len()).unwrap_or(u64::MAX);
            let run = self.span(at, limit).map_err(|error| error.of_kind(Kind::Read).at_byte(at))?;
            let len = usize::try_from(run.len).unwrap_or(usize::MAX).min(rest.len());
            let (piece, behind) = rest.split_at_mut(len);
            self.fill(run.source, at, piece).map_err(|error| error.at_byte(at))?;
            at = at.saturating_add(run.len);
            rest = behind;
        }
        Ok(())
    }

    fn will_need(&self, range: ByteRange) {
        self.hint(range, |device, place| device.will_need(place));
    }

    fn done_with(&self, range: ByteRange) {
        self.hint(range, |device, place| device.done_with(place));
    }

    fn next_data(&self, from_bytes: u64) -> Option<ByteRange> {
        let len = self.map.len_bytes();
        let mut at = from_bytes;
        while at < len {
            let rest = len.saturating_sub(at);
            let run = match self.one(at, rest) {
                Ok(run) if run.source == Source::Zeros => Ok(run),
                Ok(_) => self.span(at, rest.min(LONGEST_SPAN)),
                Err(error) => Err(error),
            };
            // A place that can't be read may hold anything.
            let Ok(run) = run else { return ByteRange::between(at, len) };
            if let Some(data) = self.data_in(at, run) {
                return Some(data);
            }
            at = at.saturating_add(run.len);
        }
        None
    }

    fn sector_bytes(&self) -> Option<u32> {
        self.map.sector_bytes()
    }
}
