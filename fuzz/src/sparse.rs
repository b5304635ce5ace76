//! Images as fuzzers keep them: without the sectors that hold only zeros.
//!
//! Behind the magic bytes comes the number of sectors, and then each sector that holds something:
//! its number, the count of sectors with the same bytes from it on, the length of what follows, and
//! its bytes without the zeros at their end. Numbers have four bytes, lengths two, little-endian.
//! Bytes that don't begin with the magic bytes are an image.

use std::collections::BTreeSet;
use std::ops::Range;

use super::fields::{le16, le32, put, slice};

const MAGIC: &[u8; 4] = b"SECS";
/// Length of a sector in bytes.
pub const SECTOR_LEN: usize = 512;
/// Length of number, count and length.
const HEAD_LEN: usize = 10;
/// Sectors of a run at least.
const RUN_LEAST: usize = 4;

/// Longest image that is unpacked; a longer one is cut off.
pub const LONGEST: usize = 8 << 20;

/// Whether these bytes are a packed image.
pub fn is_packed(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

/// The image as it would be on a disk.
pub fn unpack(packed: &[u8]) -> Vec<u8> {
    Sparse::unpack(packed, LONGEST).bytes
}

/// The image in as few bytes as its sectors allow. A last sector that is not whole is filled with
/// zeros.
pub fn pack(image: &[u8]) -> Vec<u8> {
    Sparse::of(image.to_vec()).pack()
}

/// An image, and its sectors that may hold something: where it is mostly zeros, nobody has to look
/// at all of it.
pub struct Sparse {
    pub bytes: Vec<u8>,
    pub held: BTreeSet<usize>,
    /// Sectors with the same bytes, by the first of them: a log that was never written, mostly.
    runs: Vec<Range<usize>>,
}

impl Sparse {
    fn of(bytes: Vec<u8>) -> Self {
        let (mut held, mut runs) = (BTreeSet::new(), Vec::new());
        let sectors: Vec<&[u8]> = bytes.chunks(SECTOR_LEN).collect();
        let mut start = 0;
        for alike in sectors.chunk_by(|a, b| a == b) {
            let range = start..start + alike.len();
            start = range.end;
            match alike.first().is_some_and(|sector| sector.iter().any(|byte| *byte != 0)) {
                true if range.len() >= RUN_LEAST => runs.push(range),
                true => held.extend(range),
                false => {}
            }
        }
        Self { bytes, held, runs }
    }

    /// Unpacks at most `longest` bytes of an image.
    pub fn unpack(packed: &[u8], longest: usize) -> Self {
        let Some(packed) = packed.strip_prefix(MAGIC) else {
            return Self::of(packed.get(..longest).unwrap_or(packed).to_vec());
        };
        let size = |at: usize| usize::try_from(le32(packed, at)).unwrap_or(0);
        let sectors = size(0).min(longest / SECTOR_LEN);
        let bytes = vec![0; sectors * SECTOR_LEN];
        let mut image = Self { bytes, held: BTreeSet::new(), runs: Vec::new() };
        let mut at = 4;
        while at + HEAD_LEN <= packed.len() {
            let (first, count) = (size(at).min(sectors), size(at + 4));
            let len = usize::from(le16(packed, at + 8)).min(SECTOR_LEN);
            let range = first..first.saturating_add(count).min(sectors);
            let bytes = slice(packed, at + HEAD_LEN..at + HEAD_LEN + len);
            range.clone().for_each(|sector| put(&mut image.bytes, sector * SECTOR_LEN, bytes));
            match range.len() {
                ..RUN_LEAST => image.held.extend(range),
                _ => image.runs.push(range),
            }
            at += HEAD_LEN + len;
        }
        image
    }

    /// Writes bytes, as far as there is room for all of them.
    pub fn put(&mut self, at: usize, bytes: &[u8]) {
        if at.checked_add(bytes.len()).is_some_and(|end| end <= self.bytes.len()) {
            put(&mut self.bytes, at, bytes);
            self.held.extend(at / SECTOR_LEN..(at + bytes.len()).div_ceil(SECTOR_LEN));
        }
    }

    /// The image in as few bytes as its sectors allow.
    pub fn pack(&self) -> Vec<u8> {
        let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes();
        let mut packed = [*MAGIC, number(self.bytes.len().div_ceil(SECTOR_LEN))].concat();
        let mut piece = |range: Range<usize>| {
            let start = range.start * SECTOR_LEN;
            let sector = slice(&self.bytes, start..self.bytes.len().min(start + SECTOR_LEN));
            let len = sector.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            if len > 0 {
                packed.extend([number(range.start), number(range.len())].concat());
                packed.extend(u16::try_from(len).unwrap_or(0).to_le_bytes());
                packed.extend(slice(sector, 0..len));
            }
        };
        for run in &self.runs {
            // A sector that was written since then is no part of the run any more.
            let mut start = run.start;
            for written in self.held.range(run.clone()).copied().chain([run.end]) {
                if start < written {
                    piece(start..written);
                }
                start = written + 1;
            }
        }
        self.held.iter().for_each(|sector| piece(*sector..sector + 1));
        packed
    }
}
