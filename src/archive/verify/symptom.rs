//! What was seen to be wrong, before it is known which file is to blame.

use std::collections::BTreeMap;

use crate::error::Error;
use crate::units::ByteRange;

/// Symptoms that are kept word by word; of the others the number is told.
const KEPT: usize = 1000;

/// Bytes of a frame that are the same in all frames of one archive, but for the last: what gzip and zstd put before the
/// data, without the data's own length where they differ.
const HEADER_LEN: usize = 10;

/// What kind of thing was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Sort {
    /// A frame can't be read or unpacked.
    Frame,
    /// The archive breaks the rules of its format.
    Structure,
    /// The archive and the manifest say different things.
    Disagreement,
    /// A file, or a part of it, is in a frame that can't be unpacked.
    Lost,
    /// The manifest breaks its own rules.
    Manifest,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Symptom {
    pub sort: Sort,
    /// The entry that it concerns.
    pub path: Option<Vec<u8>>,
    /// Where in the archive.
    pub packed: Option<ByteRange>,
    /// Where in the tar stream.
    pub raw: Option<ByteRange>,
    pub message: String,
}

impl Symptom {
    fn new(sort: Sort, message: impl Into<String>) -> Self {
        Self { sort, path: None, packed: None, raw: None, message: message.into() }
    }

    pub(super) fn frame(index: usize, packed: ByteRange, raw: ByteRange, message: String) -> Self {
        let message = format!("frame {index}: {message}");
        Self { packed: Some(packed), raw: Some(raw), ..Self::new(Sort::Frame, message) }
    }

    pub(super) fn structure(error: &Error) -> Self {
        let at = error.place().offset_bytes.and_then(|at| ByteRange::new(at, 0));
        Self { raw: at, ..Self::new(Sort::Structure, error.cause().to_string()) }
    }

    /// Something about the file around the tar stream.
    pub(super) fn container(error: &Error) -> Self {
        let at = error.place().offset_bytes.and_then(|at| ByteRange::new(at, 0));
        Self { packed: at, ..Self::new(Sort::Structure, error.cause().to_string()) }
    }

    pub(super) fn disagreement(path: &[u8], raw: Option<u64>, message: String) -> Self {
        let raw = raw.and_then(|at| ByteRange::new(at, 0));
        Self { path: Some(path.to_vec()), raw, ..Self::new(Sort::Disagreement, message) }
    }

    pub(super) fn of_all(message: String) -> Self {
        Self::new(Sort::Disagreement, message)
    }

    pub(super) fn lost(path: &[u8]) -> Self {
        let message = "lost, or a part of it, with the frame that it is in";
        Self { path: Some(path.to_vec()), ..Self::new(Sort::Lost, message) }
    }

    pub(super) fn manifest(message: String) -> Self {
        Self::new(Sort::Manifest, message)
    }
}

/// How many frames begin with the same bytes, and the first of them.
#[derive(Debug, Default)]
struct Alike {
    count: u64,
    first: usize,
}

/// All symptoms.
#[derive(Debug, Default)]
pub(super) struct Symptoms {
    pub list: Vec<Symptom>,
    /// How many more there are of each sort.
    pub more: BTreeMap<Sort, u64>,
    headers: BTreeMap<Vec<u8>, Alike>,
    /// The frame that was last seen: it counts when it is not the last one.
    last: Option<(usize, Vec<u8>)>,
}

impl Symptoms {
    pub(super) fn add(&mut self, symptom: Symptom) {
        if self.list.len() < KEPT {
            self.list.push(symptom);
        } else {
            let more = self.more.entry(symptom.sort).or_default();
            *more = more.saturating_add(1);
        }
    }

    /// Remembers how a frame begins.
    pub(super) fn header(&mut self, index: usize, packed: &[u8]) {
        let header = packed.get(..HEADER_LEN).unwrap_or(packed).to_vec();
        let Some((index, header)) = self.last.replace((index, header)) else { return };
        // An archive whose frames differ by nature would fill it.
        if self.headers.len() < KEPT || self.headers.contains_key(&header) {
            let alike = self.headers.entry(header).or_insert(Alike { count: 0, first: index });
            alike.count = alike.count.saturating_add(1);
        }
    }

    /// The only frame that begins in another way than all others.
    pub(super) fn odd_frame(&self) -> Option<usize> {
        let single = |alike: &&Alike| alike.count == 1;
        match self.headers.len() {
            2 if self.headers.values().any(|alike| alike.count > 1) => {
                self.headers.values().find(single).map(|alike| alike.first)
            }
            _ => None,
        }
    }
}
