//! What a worker does with a frame: fill it from the device, hash what is in it, compress it.

use super::frame::{Fill, Frame, Source, Step};
use super::layout::Range;
use crate::device::{Device, ReadAt};
use crate::error::{Error, Issue, Kind, Result};
use crate::filesystem::{Decoder, Filesystem, Stored, Unit};
use crate::format::codec::Encoder;
use crate::format::digest::{Algorithm, Hasher};
use crate::printable::Printable;
use crate::units::ByteRange;

/// Bytes of the pieces in which a range with an unreadable part is read.
const SALVAGE_LEN: usize = 4096;
const SALVAGE_BYTES: u64 = 4096;

/// Bytes of a page of memory, and mostly of a filesystem's block.
const PAGE_BYTES: u64 = 4096;

/// What a frame in flight needs: two buffers and an encoder, used again and again. There are as many as frames may
/// be in flight, which bounds the memory.
pub(super) struct Buffers {
    pub raw: Vec<u8>,
    pub packed: Vec<u8>,
    pub encoder: Box<dyn Encoder>,
}

/// A frame that is done.
pub(super) struct Done {
    pub buffers: Buffers,
    /// Bytes that came from the device.
    pub data_bytes: u64,
    /// What the frame says for the manifest and the report, in order.
    pub events: Vec<Event>,
}

/// Something for the manifest and the report.
pub(super) enum Event {
    /// The manifest's line for an entry, and what kind of entry it is.
    Entry { line: Vec<u8>, type_name: &'static str },
    /// Something that could not be read.
    Issue(Issue),
}

/// Where the bytes of one volume come from.
pub(super) struct Origin<'a> {
    /// What raw positions count on.
    pub device: Device,
    /// What decodes units, where the volume has files.
    pub filesystem: Option<&'a dyn Filesystem>,
}

/// What all workers share.
pub(super) struct Shared<'a> {
    pub origins: &'a [Origin<'a>],
    pub algorithm: Algorithm,
    /// Whether data that can't be read become zeros and an issue, instead of ending the run.
    pub keep_going: bool,
}

impl Shared<'_> {
    /// Tells the devices what the frame will be filled with, so that they fetch it while other frames are made.
    pub(super) fn announce(&self, frame: &Frame) {
        self.each_run(&frame.fills, |device, run| device.will_need(run));
    }

    /// Goes over what a frame is filled with as it lies on the devices: what is next to each other is one run, so that a frame of a thousand
    /// small files is not as many system calls.
    fn each_run(&self, fills: &[Fill], each: impl Fn(&Device, ByteRange)) {
        let mut ranges: Vec<(usize, u64, u64)> = fills
            .iter()
            .filter_map(|fill| match &fill.source {
                Source::Device(Range { source, stored, len_bytes, .. }) => {
                    let (at, len_bytes) = match stored {
                        Stored::Raw { at } => (*at, *len_bytes),
                        Stored::Encoded { unit, .. } => (unit.at, u64::from(unit.len_bytes)),
                    };
                    Some((*source, at, at.saturating_add(len_bytes)))
                }
                Source::Literal(_) | Source::Zeros => None,
            })
            .collect();
        ranges.sort_unstable();
        let mut ranges = ranges.into_iter();
        let mut run = ranges.next();
        while let Some((source, start, end)) = run {
            run = ranges.next();
            match &mut run {
                // The rest of a file's last block lies between two files, and is in the same page.
                Some((next, from, to)) if *next == source && from.saturating_sub(end) < PAGE_BYTES => {
                    (*from, *to) = (start, end.max(*to));
                }
                _ => {
                    let bytes = ByteRange::between(start, end);
                    if let (Some(origin), Some(bytes)) = (self.origins.get(source), bytes) {
                        each(&origin.device, bytes);
                    }
                }
            }
        }
    }

    /// Makes a frame.
    pub(super) fn make(&self, frame: Frame, mut buffers: Buffers) -> Result<Done> {
        buffers.raw.resize(frame.len, 0);
        let filled = self.fill(frame.fills, &mut buffers.raw)?;
        let mut hashing = Hashing { algorithm: self.algorithm, hasher: None, events: filled.unreadable };
        if let Some(digest_in) = frame.digest_in {
            // The frame before this one failed, if it hands nothing over: its error is the one that counts.
            let lost = |_| Error::new(Kind::Interrupted, "an earlier part of this file could not be read");
            hashing.hasher = Some(digest_in.recv().map_err(lost)?);
        }
        for step in frame.steps {
            hashing.step(step, &buffers.raw);
        }
        if let Some(digest_out) = frame.digest_out {
            // Nobody takes it when the run is over already.
            let _ = digest_out.send(hashing.take());
        }
        let Buffers { raw, packed, encoder } = &mut buffers;
        if !raw.is_empty() {
            encoder.encode(raw, packed)?;
        }
        Ok(Done { buffers, data_bytes: filled.data_bytes, events: hashing.events })
    }

    /// Fills the frame, reading in the order in which the data lie on the device.
    fn fill(&self, mut fills: Vec<Fill>, raw: &mut [u8]) -> Result<Filled> {
        fills.sort_by_key(|fill| match &fill.source {
            Source::Device(range) => order(range),
            Source::Literal(_) | Source::Zeros => (0, 0, None),
        });
        let (mut filled, mut decoder) = (Filled::default(), Decoder::default());
        for Fill { at, source } in &fills {
            let part = raw.get_mut(at.clone()).unwrap_or_default();
            match source {
                Source::Literal(bytes) => part.copy_from_slice(bytes),
                Source::Zeros => part.fill(0),
                Source::Device(range) => {
                    self.read(range, part, &mut decoder, &mut filled)?;
                    filled.data_bytes = filled.data_bytes.saturating_add(range.len_bytes);
                }
            }
        }
        self.each_run(&fills, |device, run| device.done_with(run));
        Ok(filled)
    }

    fn read(&self, range: &Range, part: &mut [u8], decoder: &mut Decoder, filled: &mut Filled) -> Result<()> {
        let Some(Origin { device, filesystem }) = self.origins.get(range.source) else { return Ok(()) };
        let failed = match (range.stored, filesystem) {
            (Stored::Raw { at }, _) => match device.read_at(at, part) {
                Err(error) if self.keep_going && error.kind() == Kind::Read => {
                    filled.unreadable.extend(salvage(device.as_ref(), range, at, part)?);
                    return Ok(());
                }
                read => read,
            },
            (stored, Some(filesystem)) => match decoder.read((range.source, *filesystem), stored, part) {
                Err(error) if self.keep_going && error.kind() == Kind::Read || !error.ends_the_run() => {
                    part.fill(0);
                    filled.unreadable.push(undecoded(range, &error));
                    return Ok(());
                }
                read => read,
            },
            (Stored::Encoded { .. }, None) => Err(Error::corrupt("encoded bytes without a filesystem")),
        };
        failed.map_err(|error| error.because(format_args!("{}: ", Printable(&range.path)), ""))
    }
}

/// The order in which ranges are read: as they lie on the devices, runs of the same unit together.
fn order(range: &Range) -> (usize, u64, Option<Unit>) {
    match range.stored {
        Stored::Raw { at } => (range.source, at, None),
        Stored::Encoded { unit, .. } => (range.source, unit.at, Some(unit)),
    }
}

/// The issue of a range whose unit can't be decoded.
fn undecoded(range: &Range, error: &Error) -> Event {
    let first = range.file_bytes;
    let last = first.saturating_add(range.len_bytes).saturating_sub(1);
    let message = format!(
        "bytes {first} to {last} of the file could not be decoded, and are zeros in the archive: {}",
        error.cause()
    );
    let error = Error::new(error.kind(), message).at(error.place().clone());
    Event::Issue(Issue { path: Some(range.path.to_vec()), error })
}

/// What came of filling a frame.
#[derive(Default)]
struct Filled {
    /// Bytes of files in it.
    data_bytes: u64,
    /// An issue for each range that could not be read.
    unreadable: Vec<Event>,
}

/// Reads what can be read of a range, in pieces of a sector's size; the others are zeros, and an issue for each run of
/// them.
fn salvage(device: &dyn ReadAt, range: &Range, start: u64, part: &mut [u8]) -> Result<Vec<Event>> {
    let mut bad: Vec<ByteRange> = Vec::new();
    let mut at = 0_u64;
    // From one multiple of the length to the next, so that a bad sector costs one piece.
    let past = start.checked_rem(SALVAGE_BYTES).and_then(|past| usize::try_from(past).ok()).unwrap_or(0);
    let first = SALVAGE_LEN.saturating_sub(past).min(part.len());
    let (head, rest) = part.split_at_mut(first);
    for piece in std::iter::once(head).chain(rest.chunks_mut(SALVAGE_LEN)) {
        let len_bytes = u64::try_from(piece.len()).unwrap_or(u64::MAX);
        match device.read_at(start.saturating_add(at), piece) {
            Ok(()) => {}
            Err(error) if error.kind() == Kind::Read => {
                piece.fill(0);
                let first = match bad.last() {
                    Some(last) if last.end() == at => bad.pop().map_or(at, |last| last.start()),
                    _ => at,
                };
                bad.extend(ByteRange::between(first, at.saturating_add(len_bytes)));
            }
            Err(error) => return Err(error),
        }
        at = at.saturating_add(len_bytes);
    }
    let issue = |bad: ByteRange| {
        let first = range.file_bytes.saturating_add(bad.start());
        let last = range.file_bytes.saturating_add(bad.end()).saturating_sub(1);
        let message =
            format!("bytes {first} to {last} of the file could not be read, and are zeros in the archive");
        let error = Error::new(Kind::Read, message).at_byte(start.saturating_add(bad.start()));
        Event::Issue(Issue { path: Some(range.path.to_vec()), error })
    };
    Ok(bad.into_iter().map(issue).collect())
}

/// The digests of the files in one frame.
struct Hashing {
    algorithm: Algorithm,
    /// The digest of the file that the stream is in.
    hasher: Option<Hasher>,
    events: Vec<Event>,
}

impl Hashing {
    fn hasher(&mut self) -> &mut Hasher {
        self.hasher.get_or_insert_with(|| self.algorithm.hasher())
    }

    /// The digest of the file so far; the next one begins anew.
    fn take(&mut self) -> Hasher {
        self.hasher.take().unwrap_or_else(|| self.algorithm.hasher())
    }

    fn step(&mut self, step: Step, raw: &[u8]) {
        let algorithm = self.algorithm;
        match step {
            Step::Hash(at) => self.hasher().update(raw.get(at).unwrap_or_default()),
            Step::HashZeros(len) => self.hasher().update_zeros(len),
            Step::Record(record) => {
                let digest = record.has_content.then(|| self.take().finish());
                let type_name = record.type_name();
                let line = record.line(algorithm, digest.as_ref());
                self.events.push(Event::Entry { line, type_name });
            }
            Step::Issue(issue) => self.events.push(Event::Issue(issue)),
        }
    }
}
