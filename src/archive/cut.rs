//! Cuts the stream of pieces into frames of a fixed length.
//!
//! A frame holds all that a worker needs to make it: what to fill it with, and what to do with the bytes then. Only
//! the digest of a file that goes on in the next frame is handed over, from worker to worker.

use std::collections::VecDeque;
use std::ops;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::digest::Hasher;
use super::layout::{Piece, Range};
use super::manifest::Record;
use crate::error::{Issue, Result};

/// A frame to be made.
#[derive(Default)]
pub(super) struct Frame {
    /// Bytes of the tar stream in it.
    pub len: usize,
    /// What to fill it with, without gaps.
    pub fills: Vec<Fill>,
    /// What to do when it is filled, in order.
    pub steps: Vec<Step>,
    /// The digest of the file that the frame before this one ends in.
    pub inherited: Option<Receiver<Hasher>>,
    /// Where the digest of the file that this frame ends in goes.
    pub bequest: Option<Sender<Hasher>>,
}

/// Bytes of a frame.
pub(super) struct Fill {
    /// Where they go.
    pub at: ops::Range<usize>,
    /// Where they come from.
    pub source: Source,
}

/// Where bytes come from.
pub(super) enum Source {
    Literal(Vec<u8>),
    Zeros,
    Device(Range),
}

/// What is done with a frame that is filled.
pub(super) enum Step {
    /// These bytes of the frame belong to the current file.
    Hash(ops::Range<usize>),
    /// The current file has a hole here.
    HashZeros(u64),
    /// The current file, or an entry without content, ends here.
    Record(Box<Record>),
    /// Something could not be read.
    Issue(Issue),
}

/// What goes into the cutter.
pub(super) enum Item {
    Pieces(Vec<Piece>),
    Issue(Issue),
}

/// An iterator over frames, out of one over pieces.
pub(super) struct Cutter<I> {
    items: I,
    queue: VecDeque<Piece>,
    frame_len: usize,
    /// Whether a file's content has begun and not ended.
    in_content: bool,
    handed_over: Option<Receiver<Hasher>>,
    ended: bool,
}

impl<I: Iterator<Item = Result<Item>>> Cutter<I> {
    pub(super) fn new(items: I, frame_len: usize) -> Self {
        Self { items, queue: VecDeque::new(), frame_len, in_content: false, handed_over: None, ended: false }
    }

    fn cut(&mut self) -> Result<Frame> {
        let mut frame = Frame { inherited: self.handed_over.take(), ..Frame::default() };
        while frame.len < self.frame_len {
            let Some(piece) = self.queue.pop_front() else {
                match self.items.next() {
                    None => {
                        self.ended = true;
                        return Ok(frame);
                    }
                    Some(Err(error)) => return Err(error),
                    Some(Ok(Item::Pieces(pieces))) => self.queue.extend(pieces),
                    Some(Ok(Item::Issue(issue))) => frame.steps.push(Step::Issue(issue)),
                }
                continue;
            };
            let space = self.frame_len.saturating_sub(frame.len);
            if let Some(rest) = self.place(piece, space, &mut frame) {
                self.queue.push_front(rest);
            }
        }
        if self.in_content {
            let (sender, receiver) = bounded(1);
            frame.bequest = Some(sender);
            self.handed_over = Some(receiver);
        }
        Ok(frame)
    }

    /// Puts as much of a piece into the frame as there is space for, and gives back the rest.
    fn place(&mut self, piece: Piece, space: usize, frame: &mut Frame) -> Option<Piece> {
        match piece {
            Piece::Literal(bytes) => {
                let (now, later) = split_bytes(bytes, space);
                frame.fill(now.len(), Source::Literal(now));
                later.map(Piece::Literal)
            }
            Piece::Content(bytes) => {
                self.in_content = true;
                let (now, later) = split_bytes(bytes, space);
                let at = frame.fill(now.len(), Source::Literal(now));
                frame.steps.push(Step::Hash(at));
                later.map(Piece::Content)
            }
            Piece::Padding(len) => {
                let (now, later) = split_len(len, space);
                frame.fill(now, Source::Zeros);
                (later > 0).then_some(Piece::Padding(later))
            }
            Piece::Range(range) => {
                self.in_content = true;
                let (now, later) = split_len(range.len_bytes, space);
                let len_bytes = range.len_bytes.saturating_sub(later);
                let rest = (later > 0).then(|| {
                    Piece::Range(Range {
                        file_bytes: range.file_bytes.saturating_add(len_bytes),
                        device_bytes: range.device_bytes.saturating_add(len_bytes),
                        len_bytes: later,
                        ..range.clone()
                    })
                });
                let at = frame.fill(now, Source::Device(Range { len_bytes, ..range }));
                frame.steps.push(Step::Hash(at));
                rest
            }
            Piece::Hole(len) => {
                self.in_content = true;
                frame.steps.push(Step::HashZeros(len));
                None
            }
            Piece::Member(record) => {
                self.in_content = false;
                frame.steps.push(Step::Record(record));
                None
            }
        }
    }
}

impl<I: Iterator<Item = Result<Item>>> Iterator for Cutter<I> {
    type Item = Result<Frame>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let frame = self.cut();
        match &frame {
            // The stream ended just where the last frame did.
            Ok(frame) if frame.len == 0 && frame.steps.is_empty() => return None,
            Ok(_) => {}
            Err(_) => self.ended = true,
        }
        Some(frame)
    }
}

impl Frame {
    fn fill(&mut self, len: usize, source: Source) -> ops::Range<usize> {
        let at = self.len..self.len.saturating_add(len);
        self.len = at.end;
        if len > 0 {
            self.fills.push(Fill { at: at.clone(), source });
        }
        at
    }
}

fn split_bytes(mut bytes: Vec<u8>, space: usize) -> (Vec<u8>, Option<Vec<u8>>) {
    if bytes.len() <= space {
        return (bytes, None);
    }
    let later = bytes.split_off(space);
    (bytes, Some(later))
}

/// What of `len` goes into `space`, and what is left.
fn split_len(len: u64, space: usize) -> (usize, u64) {
    let now = usize::try_from(len).unwrap_or(usize::MAX).min(space);
    (now, len.saturating_sub(u64::try_from(now).unwrap_or(u64::MAX)))
}
