//! Cuts the stream of pieces into frames of a fixed length.
//!
//! A frame holds all that a worker needs to make it: what to fill it with, and what to do with the bytes then. Only
//! the digest of a file that goes on in the next frame is handed over, from worker to worker.

use std::collections::VecDeque;
use std::ops;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::layout::{Piece, Range};
use crate::error::{Issue, Result};
use crate::format::digest::Hasher;
use crate::format::manifest::EntryRecord;

/// What a frame may hold of issues and of entries that take no bytes of the stream, counted by the bytes that they take
/// here: they would otherwise gather in a frame that is never full.
const NOTES_MOST: usize = 1 << 20;

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
    pub digest_in: Option<Receiver<Hasher>>,
    /// Where the digest of the file that this frame ends in goes.
    pub digest_out: Option<Sender<Hasher>>,
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
    Record(Box<EntryRecord>),
    /// Something could not be read.
    Issue(Issue),
}

impl Step {
    /// Whether it has nothing to do with the bytes of its frame.
    fn is_note(&self) -> bool {
        match self {
            Self::Issue(_) => true,
            Self::Record(record) => record.place.is_none(),
            Self::Hash(_) | Self::HashZeros(_) => false,
        }
    }

    /// Bytes of memory that a note takes, about.
    fn weight(&self) -> usize {
        const RECORD: usize = 4096;
        let path = match self {
            Self::Issue(issue) => issue.path.as_ref().map_or(0, Vec::len),
            Self::Record(record) => record.path_len(),
            Self::Hash(_) | Self::HashZeros(_) => 0,
        };
        path.saturating_add(RECORD)
    }
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
    /// A frame that is not full, set aside for one that only says something.
    set_aside: Option<Frame>,
    /// Bytes of notes in the present frame.
    notes: usize,
    ended: bool,
}

impl<I: Iterator<Item = Result<Item>>> Cutter<I> {
    pub(super) fn new(items: I, frame_len: usize) -> Self {
        Self {
            items,
            queue: VecDeque::new(),
            frame_len,
            in_content: false,
            handed_over: None,
            set_aside: None,
            notes: 0,
            ended: false,
        }
    }

    fn cut(&mut self) -> Result<Frame> {
        let mut frame = match self.set_aside.take() {
            Some(frame) => frame,
            None => Frame { digest_in: self.handed_over.take(), ..Frame::default() },
        };
        while frame.len < self.frame_len {
            if self.notes > NOTES_MOST {
                return Ok(self.take_notes(frame));
            }
            let Some(piece) = self.queue.pop_front() else {
                match self.items.next() {
                    None => {
                        self.ended = true;
                        return Ok(frame);
                    }
                    Some(Err(error)) => return Err(error),
                    Some(Ok(Item::Pieces(pieces))) => self.queue.extend(pieces),
                    Some(Ok(Item::Issue(issue))) => self.note(Step::Issue(issue), &mut frame),
                }
                continue;
            };
            if let Piece::File(mut file) = piece {
                if let Some(piece) = file.next() {
                    self.queue.push_front(Piece::File(file));
                    self.queue.push_front(piece);
                }
                continue;
            }
            let space = self.frame_len.saturating_sub(frame.len);
            if let Some(rest) = self.place(piece, space, &mut frame) {
                self.queue.push_front(rest);
            }
        }
        self.notes = 0;
        if self.in_content {
            let (sender, receiver) = bounded(1);
            frame.digest_out = Some(sender);
            self.handed_over = Some(receiver);
        }
        Ok(frame)
    }

    fn note(&mut self, step: Step, frame: &mut Frame) {
        self.notes = self.notes.saturating_add(step.weight());
        frame.steps.push(step);
    }

    /// Sets the frame aside, and gives one of no bytes with its notes.
    fn take_notes(&mut self, mut frame: Frame) -> Frame {
        self.notes = 0;
        let (notes, steps) = frame.steps.into_iter().partition(Step::is_note);
        frame.steps = steps;
        self.set_aside = Some(frame);
        Frame { steps: notes, ..Frame::default() }
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
            Piece::Zeros(len) => {
                self.in_content = true;
                let (now, later) = split_len(len, space);
                let at = frame.fill(now, Source::Zeros);
                frame.steps.push(Step::Hash(at));
                (later > 0).then_some(Piece::Zeros(later))
            }
            Piece::Range(range) => {
                self.in_content = true;
                let (now, later) = split_len(range.len_bytes, space);
                let len_bytes = range.len_bytes.saturating_sub(later);
                let rest = (later > 0).then(|| {
                    Piece::Range(Range {
                        file_bytes: range.file_bytes.saturating_add(len_bytes),
                        stored: range.stored.after(len_bytes),
                        len_bytes: later,
                        ..range.clone()
                    })
                });
                let at = frame.fill(now, Source::Device(Range { len_bytes, ..range }));
                frame.steps.push(Step::Hash(at));
                rest
            }
            // It is taken apart before it comes here.
            Piece::File(_) => None,
            Piece::Hole(len) => {
                self.in_content = true;
                frame.steps.push(Step::HashZeros(len));
                None
            }
            Piece::Member(record) => {
                self.in_content = false;
                let step = Step::Record(record);
                if step.is_note() {
                    self.note(step, frame)
                } else {
                    frame.steps.push(step)
                }
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
            Ok(frame) if self.ended && frame.len == 0 && frame.steps.is_empty() => return None,
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
