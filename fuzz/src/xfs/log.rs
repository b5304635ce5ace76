//! The log: records, which hold operations, which hold parts of items.
//!
//! In each sector of a record the first four bytes are the cycle; the bytes that belong there are
//! kept in the record's header.

use std::ops::Range;

use super::super::fields::{be32, slice};
use super::super::random::Random;
use super::super::sparse::SECTOR_LEN;

pub(super) const MAGIC: u32 = 0xfeed_babe;
/// Bytes of a record for each sector of its header.
const HEADER_BYTES: usize = 32 << 10;
pub(super) const LONGEST: usize = 256 << 10;
const OPERATION_LEN: usize = 12;
const WORDS: usize = 64;
/// Operations of a record that are looked at.
const OPERATIONS_MOST: usize = 4096;
/// Version, length, LSN, tail, checksum, number of operations, first words, format, size.
const HEADER: [(usize, usize); 14] = [
    (4, 4),
    (8, 4),
    (12, 4),
    (16, 4),
    (20, 4),
    (24, 4),
    (28, 4),
    (36, 4),
    (40, 4),
    (44, 4),
    (48, 4),
    (300, 4),
    (320, 4),
    (324, 4),
];

/// Position of the log.
pub(super) fn range(image: &[u8]) -> Range<usize> {
    let (block, group) = (be32(image, 4) as usize, be32(image, 84) as usize);
    let group_log = u32::from(image.get(124).copied().unwrap_or(0)).min(31);
    let start = be32(image, 52) as usize;
    let linear = (start >> group_log).saturating_mul(group).saturating_add(start & ((1 << group_log) - 1));
    let start = linear.saturating_mul(block);
    start..start.saturating_add((be32(image, 96) as usize).saturating_mul(block))
}

/// A record's lengths: of its header, and of what follows.
pub(super) fn lengths(image: &[u8], at: usize) -> Option<(usize, usize)> {
    let (len, size) = (be32(image, at + 12) as usize, be32(image, at + 320) as usize);
    let headers = size.div_ceil(HEADER_BYTES).clamp(1, 8) * SECTOR_LEN;
    (len <= LONGEST && at + headers + len <= image.len()).then_some((headers, len))
}

/// A record while it is looked at.
struct Record<'a> {
    image: &'a [u8],
    at: usize,
    headers: usize,
    len: usize,
}

impl Record<'_> {
    /// Position in the image of what stands at `offset` in the record's bytes.
    fn place(&self, offset: usize) -> usize {
        let (sector, within) = (offset / SECTOR_LEN, offset % SECTOR_LEN);
        if within >= 4 {
            return self.at + self.headers + offset;
        }
        let (header, word) = (sector / WORDS, sector % WORDS);
        let words = if header == 0 { 44 } else { 4 };
        self.at + header * SECTOR_LEN + words + word * 4 + within
    }

    fn be32(&self, offset: usize) -> u32 {
        be32(self.image, self.place(offset))
    }

    /// Where its operations begin, and their lengths.
    fn operations(&self) -> Vec<(usize, usize)> {
        let mut found = Vec::new();
        let mut at = 0;
        while at + OPERATION_LEN <= self.len && found.len() < OPERATIONS_MOST {
            let len = self.be32(at + 4) as usize;
            if at + OPERATION_LEN + len > self.len {
                break;
            }
            found.push((at, len));
            at += OPERATION_LEN + len;
        }
        found
    }
}

/// A field of the record that `sector` belongs to: its position and length.
pub(super) fn field(image: &[u8], sector: usize, random: &mut Random) -> Option<(usize, usize)> {
    let log = range(image);
    let starts = (log.start..=sector).rev().step_by(SECTOR_LEN).take(LONGEST / SECTOR_LEN);
    let at = starts.into_iter().find(|at| be32(image, *at) == MAGIC)?;
    let (headers, len) = lengths(image, at)?;
    let record = Record { image, at, headers, len };
    if random.one_in(6) {
        let (offset, len) = random.pick(&HEADER)?;
        return Some((at + offset, *len));
    }
    let (start, len) = random.pick(&record.operations()).copied()?;
    if len == 0 || random.one_in(4) {
        // Transaction, length, client, flags.
        let (offset, len) = random.pick(&[(0, 4), (4, 4), (6, 2), (8, 1), (9, 1), (9, 1)]).copied()?;
        return Some((record.place(start + offset), len));
    }
    let size = [1, 2, 4, 4][random.below(4)];
    // The head of an item says its type, its parts, and where it belongs.
    let end = if random.one_in(2) { len.min(64) } else { len };
    let offset = random.below(end.div_ceil(size)) * size;
    let place = record.place(start + OPERATION_LEN + offset.min(len - 1));
    slice(image, place..place + size).len().eq(&size).then_some((place, size))
}
