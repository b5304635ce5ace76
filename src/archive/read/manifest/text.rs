//! The text of a manifest, in large pieces and in lines. Where its frames are known, they are unpacked in parallel.

use std::collections::VecDeque;
use std::io::Read;
use std::sync::Arc;

use memchr::{memchr, memrchr};
use rayon::prelude::*;

use crate::archive::read::container::Container;
use crate::device::{Device, read_vec};
use crate::error::{Error, Kind, Result};
use crate::format::codec::{Compression, Frames, Span, Unpacker};

/// Longest line. The longest that are written list the holes of a file or the frames of an archive.
pub(super) const LINE_MOST: u64 = 128 << 20;

/// Bytes that are unpacked at once where there are no frames.
const PIECE_LEN: usize = 1 << 20;

/// Bytes of text that are unpacked at once.
const BYTES_AT_ONCE: u64 = 64 << 20;

/// Frames that are unpacked at once, for each thread.
const FRAMES_PER_THREAD: usize = 2;

/// The text, piece by piece.
pub(super) enum Text {
    Stream { reader: Box<dyn Read + Send>, position: u64, fault: Option<Error> },
    Frames { device: Device, frames: Arc<Frames>, next: usize, ready: VecDeque<Vec<u8>> },
}

impl Text {
    pub(super) fn new(packed: &Container) -> Result<Self> {
        Ok(match packed.shared_frames() {
            Some(frames) => Self::Frames {
                device: Device::clone(packed.device()),
                frames,
                next: 0,
                ready: VecDeque::new(),
            },
            None => Self::Stream { reader: packed.reader()?, position: 0, fault: None },
        })
    }

    /// The next piece; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Vec<u8>>> {
        match self {
            Self::Stream { reader, position, fault } => {
                if let Some(fault) = fault.take() {
                    return Err(fault);
                }
                let mut piece = Vec::new();
                let mut some = reader.by_ref().take(u64::try_from(PIECE_LEN).unwrap_or(u64::MAX));
                let read = some.read_to_end(&mut piece);
                *position = position.saturating_add(u64::try_from(piece.len()).unwrap_or(0));
                if let Err(error) = read {
                    // What came before the fault is of use.
                    let place = format!("can't be unpacked behind byte {position} of its text");
                    *fault = Some(Error::through_reader(error, &place));
                    return Ok(Some(piece));
                }
                Ok((!piece.is_empty()).then_some(piece))
            }
            Self::Frames { device, frames, next, ready } => {
                if ready.is_empty() {
                    let count = rayon::current_num_threads().saturating_mul(FRAMES_PER_THREAD);
                    let mut bytes = 0_u64;
                    let spans = frames.spans().iter().skip(*next).take(count).take_while(|span| {
                        let is_first = bytes == 0;
                        bytes = bytes.saturating_add(span.raw.len());
                        is_first || bytes <= BYTES_AT_ONCE
                    });
                    let pieces: Result<Vec<Vec<u8>>> =
                        spans.collect::<Vec<_>>().into_par_iter().map(|span| frame(device, *span)).collect();
                    match pieces {
                        Ok(pieces) => ready.extend(pieces),
                        Err(error) => {
                            // It is told once, and nothing comes behind it.
                            *next = usize::MAX;
                            return Err(error);
                        }
                    }
                    *next = next.saturating_add(ready.len());
                }
                Ok(ready.pop_front())
            }
        }
    }
}

/// One frame of the text.
pub(super) fn frame(device: &Device, span: Span) -> Result<Vec<u8>> {
    let at = span.packed.start();
    let len = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
    let packed = read_vec(device.as_ref(), at, len(span.packed.len()))?;
    let mut raw = Vec::new();
    let unpacked = Unpacker::new(Compression::Zstd)?.unpack(&packed, &mut raw, len(span.raw.len()));
    unpacked.map_err(|error| error.at_byte(at))?;
    Ok(raw)
}

/// Pieces of whole lines: what of a line is in the next piece comes with that.
pub(super) struct Pieces {
    text: Text,
    begun: Vec<u8>,
    ended: bool,
}

impl Pieces {
    pub(super) fn new(text: Text) -> Self {
        Self { text, begun: Vec::new(), ended: false }
    }

    /// The next lines, each with its newline; the last one of all may have none.
    pub(super) fn next(&mut self) -> Result<Option<Vec<u8>>> {
        while !self.ended {
            let Some(piece) = self.text.next()? else {
                self.ended = true;
                let rest = std::mem::take(&mut self.begun);
                return Ok((!rest.is_empty()).then_some(rest));
            };
            let mut lines = std::mem::take(&mut self.begun);
            match memrchr(b'\n', &piece) {
                Some(newline) => {
                    let (whole, begun) =
                        piece.split_at_checked(newline.saturating_add(1)).unwrap_or((&piece, &[]));
                    lines.extend_from_slice(whole);
                    self.begun = begun.to_vec();
                    return Ok(Some(lines));
                }
                None => {
                    lines.extend_from_slice(&piece);
                    if u64::try_from(lines.len()).is_ok_and(|len| len > LINE_MOST) {
                        let message = format!("a line is longer than {LINE_MOST} bytes");
                        return Err(Error::new(Kind::Limit, message));
                    }
                    self.begun = lines;
                }
            }
        }
        Ok(None)
    }
}

/// Single lines.
pub(super) struct Lines {
    pieces: Pieces,
    piece: Vec<u8>,
    at: usize,
}

impl Lines {
    pub(super) fn new(text: Text) -> Self {
        Self { pieces: Pieces::new(text), piece: Vec::new(), at: 0 }
    }

    /// The next line without its newline.
    pub(super) fn next(&mut self) -> Result<Option<&[u8]>> {
        if self.at >= self.piece.len() {
            match self.pieces.next()? {
                Some(piece) => (self.piece, self.at) = (piece, 0),
                None => return Ok(None),
            }
        }
        let rest = self.piece.get(self.at..).unwrap_or_default();
        let len = memchr(b'\n', rest).unwrap_or(rest.len());
        self.at = self.at.saturating_add(len).saturating_add(1);
        Ok(Some(rest.get(..len).unwrap_or_default()))
    }
}
