//! What the manifest says that is in each frame of the archive: members, and digests of files.

use std::collections::{BTreeMap, VecDeque};
use std::ops;
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::archive::read::facts::Facts;
use crate::archive::read::manifest::Records;
use crate::error::Result;
use crate::filesystem::FileKind;
use crate::format::codec::Span;
use crate::format::digest::{Algorithm, Hasher, holes_count};
use crate::format::manifest::{ManifestEntry, Record};
use crate::printable::Printable;
use crate::units::ByteRange;

/// Length of a header in a tar, and what it is aligned to.
const BLOCK: u64 = 512;

/// Bytes of a member's path that may stand in the next frame.
const NAME_MOST: u64 = 4 << 20;

/// Bad lines after which no more are read.
const BAD_LINES_MOST: u64 = 1_000_000;

/// Faults that are kept word by word.
const FAULTS_KEPT: usize = 100;

/// A member that should be in the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Expected {
    pub path: Arc<[u8]>,
    pub header: u64,
    /// All that the manifest says of it.
    pub facts: Facts,
}

/// What is done with the bytes of a frame.
pub(super) enum Step {
    /// These bytes belong to the current file.
    Hash(ops::Range<usize>),
    /// The current file has a hole here.
    HashZeros(u64),
    /// The current file ends: this should be its digest.
    End { path: Arc<[u8]>, hex: String },
}

/// The digest of a file that goes on in the next frame; `None` where a part of it could not be read.
pub(super) type Running = Option<Hasher>;

/// A frame to be checked.
pub(super) struct Task {
    pub index: usize,
    pub span: Span,
    pub steps: Vec<Step>,
    pub members: Vec<Expected>,
    /// Bytes of their paths.
    name_bytes: u64,
    pub digest_in: Option<Receiver<Running>>,
    pub digest_out: Option<Sender<Running>>,
}

enum Piece {
    Data(ByteRange),
    Zeros(u64),
    End { path: Arc<[u8]>, hex: String },
}

/// What a manifest came to when all of it was read.
#[derive(Debug, Default)]
pub(super) struct Totals {
    pub entries: BTreeMap<String, u64>,
    pub issues: u64,
    pub digests: u64,
    /// Lines that can't be understood.
    pub bad_lines: Faults,
    /// Entries that can't be where they are said to be.
    pub misplaced: Faults,
}

/// The first faults of a kind, and how many there are.
#[derive(Debug, Default)]
pub(super) struct Faults {
    pub first: Vec<String>,
    pub count: u64,
}

impl Faults {
    fn add(&mut self, text: String) {
        self.count = self.count.saturating_add(1);
        if self.first.len() < FAULTS_KEPT {
            self.first.push(text);
        }
    }

    /// How many are not among the first.
    pub(super) fn more(&self) -> u64 {
        self.count.saturating_sub(u64::try_from(self.first.len()).unwrap_or(0))
    }
}

/// Reads a manifest beside the frames.
pub(super) struct Plan {
    /// `None` where there is no manifest, or when it has ended.
    records: Option<Records>,
    ahead: Option<Box<ManifestEntry>>,
    pieces: VecDeque<Piece>,
    in_content: bool,
    handed_over: Option<Receiver<Running>>,
    /// Where the entry before ends in the tar stream.
    end: u64,
    raw_bytes: u64,
    /// By which all digests are.
    algorithm: Algorithm,
    totals: Totals,
}

impl Plan {
    pub(super) fn new(records: Option<Records>, raw_bytes: u64, algorithm: Algorithm) -> Self {
        Self {
            records,
            ahead: None,
            pieces: VecDeque::new(),
            in_content: false,
            handed_over: None,
            end: 0,
            raw_bytes,
            algorithm,
            totals: Totals::default(),
        }
    }

    /// The digest that files have; all have the same.
    pub(super) fn algorithm(records: Records) -> Result<Option<Algorithm>> {
        for record in records {
            if let Ok(Record::Entry(entry)) = record
                && let Some(content) = entry.content
            {
                return Ok(Some(content.algorithm));
            }
        }
        Ok(None)
    }

    /// Whether there is a manifest.
    pub(super) fn has_manifest(&self) -> bool {
        self.records.is_some()
    }

    /// What the manifest comes to, with what lies behind the last frame.
    pub(super) fn finish(mut self) -> Totals {
        while let Some(entry) = self.next_entry() {
            let path = Printable(&entry.path);
            self.totals.misplaced.add(format!("{path} is said to be behind the end of the archive"));
        }
        self.totals
    }

    /// What is to be done with the next frame.
    pub(super) fn task(&mut self, index: usize, span: Span) -> Task {
        let digest_in = self.handed_over.take();
        let mut task = Task {
            index,
            span,
            steps: Vec::new(),
            members: Vec::new(),
            name_bytes: 0,
            digest_in,
            digest_out: None,
        };
        let end = span.raw.end();
        loop {
            let Some(piece) = self.pieces.pop_front() else {
                match self.next_entry() {
                    Some(entry) if entry.place.as_ref().is_some_and(|place| place.header >= end) => {
                        self.ahead = Some(entry);
                        break;
                    }
                    Some(entry) => self.begin(&entry, &mut task),
                    None => break,
                }
                continue;
            };
            if let Some(later) = self.step(piece, span, &mut task) {
                self.pieces.push_front(later);
                break;
            }
        }
        if self.in_content {
            let (sender, receiver) = bounded(1);
            task.digest_out = Some(sender);
            self.handed_over = Some(receiver);
        }
        task
    }

    /// Puts as much of a piece into the task as lies in its frame, and gives back the rest.
    fn step(&mut self, piece: Piece, span: Span, task: &mut Task) -> Option<Piece> {
        match piece {
            Piece::Data(range) => {
                if range.start() >= span.raw.end() {
                    return Some(Piece::Data(range));
                }
                self.in_content = true;
                let end = range.end().min(span.raw.end());
                let within =
                    |at: u64| usize::try_from(at.saturating_sub(span.raw.start())).unwrap_or(usize::MAX);
                task.steps.push(Step::Hash(within(range.start())..within(end)));
                ByteRange::between(end, range.end()).filter(|rest| !rest.is_empty()).map(Piece::Data)
            }
            Piece::Zeros(len) => {
                self.in_content = true;
                task.steps.push(Step::HashZeros(len));
                None
            }
            Piece::End { path, hex } => {
                self.in_content = false;
                task.steps.push(Step::End { path, hex });
                None
            }
        }
    }

    /// The next entry that has a place in the archive. What has none is counted.
    fn next_entry(&mut self) -> Option<Box<ManifestEntry>> {
        if let Some(entry) = self.ahead.take() {
            return Some(entry);
        }
        loop {
            let record = self.records.as_mut()?.next();
            match record {
                Some(Ok(Record::Entry(entry))) => {
                    let count = self.totals.entries.entry(entry.type_name().to_owned()).or_default();
                    *count = count.saturating_add(1);
                    if entry.place.is_some() {
                        return Some(entry);
                    }
                }
                Some(Ok(Record::Issue { .. })) => self.totals.issues = self.totals.issues.saturating_add(1),
                Some(Ok(_)) => {}
                Some(Err(error)) => {
                    self.totals.bad_lines.add(error.to_string());
                    if self.totals.bad_lines.count > BAD_LINES_MOST {
                        self.records = None;
                    }
                }
                None => self.records = None,
            }
        }
    }

    /// Comes to an entry: what should be in the archive of it.
    fn begin(&mut self, entry: &ManifestEntry, task: &mut Task) {
        let Some(place) = &entry.place else { return };
        let data_end = place.data.saturating_add(place.stored);
        // An entry takes a block at least: entries that take none could be as many as their maker likes.
        let is_placed = place.header.is_multiple_of(BLOCK)
            && place.header.checked_add(BLOCK).is_some_and(|least| place.data >= least);
        if place.header < self.end || !is_placed || data_end > self.raw_bytes {
            let path = Printable(&entry.path);
            let (header, data, stored) = (place.header, place.data, place.stored);
            self.totals.misplaced.add(format!(
                "{path} can't be where it is said to be: header at {header}, {stored} bytes of data at {data}"
            ));
            return;
        }
        self.end = data_end;
        // The headers of a frame hold the names of its members, all but the last in the frame
        // itself.
        task.name_bytes = task.name_bytes.saturating_add(u64::try_from(entry.path.len()).unwrap_or(u64::MAX));
        if task.name_bytes > task.span.raw.len().saturating_add(NAME_MOST) {
            self.totals.misplaced.add("an entry has a name that its header has no space for".to_owned());
            return;
        }
        let path: Arc<[u8]> = Arc::from(entry.path.as_slice());
        task.members.push(Expected {
            path: Arc::clone(&path),
            header: place.header,
            facts: Facts::of_entry(entry),
        });
        let Some(content) = &entry.content else {
            if entry.kind == FileKind::Regular && entry.link.is_none() {
                let path = Printable(&entry.path);
                self.totals.bad_lines.add(format!("{path} is a file, but it has no digest"));
            }
            return;
        };
        if content.algorithm != self.algorithm {
            let (path, name) = (Printable(&entry.path), content.algorithm.name());
            let others = self.algorithm.name();
            self.totals.bad_lines.add(format!("{path} has a digest by {name}, others have one by {others}"));
            return;
        }
        let holes: &[(u64, u64)] = if content.data_only { &[] } else { &place.holes };
        match pieces(place.data, place.stored, holes) {
            Some(pieces) => {
                self.totals.digests = self.totals.digests.saturating_add(1);
                self.pieces.extend(pieces);
                self.pieces.push_back(Piece::End { path, hex: content.hex.clone() });
            }
            None => {
                let path = Printable(&entry.path);
                self.totals
                    .misplaced
                    .add(format!("{path}: its holes are not in order, or longer than they can be"));
            }
        }
    }
}

/// A file's data and holes in order; `None` when the holes make no sense.
fn pieces(data: u64, stored: u64, holes: &[(u64, u64)]) -> Option<Vec<Piece>> {
    let (mut pieces, mut file, mut taken, mut in_holes) = (Vec::new(), 0_u64, 0_u64, 0_u64);
    for (start, len) in holes {
        let before = start.checked_sub(file)?;
        let at = data.checked_add(taken)?;
        taken = taken.checked_add(before).filter(|taken| *taken <= stored)?;
        if before > 0 {
            pieces.push(Piece::Data(ByteRange::new(at, before)?));
        }
        pieces.push(Piece::Zeros(*len));
        file = start.checked_add(*len)?;
        in_holes = in_holes.checked_add(*len)?;
    }
    if !holes_count(stored, stored.saturating_add(in_holes)) {
        return None;
    }
    if taken < stored {
        pieces.push(Piece::Data(ByteRange::new(data.checked_add(taken)?, stored.checked_sub(taken)?)?));
    }
    Some(pieces)
}
