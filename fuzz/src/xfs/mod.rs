//! XFS: structures, mutations of their fields, and the checksums of version 5 made right again.
//!
//! Structures are found by their magic numbers at the start of a sector. The log has records of
//! operations, which are found in [`log`].

mod log;
mod repair;
mod structure;

use super::fields::{be32, slice};
use super::mutate;
use super::random::Random;
use super::sparse::{SECTOR_LEN, Sparse};

pub use repair::repair;

/// Longest image. Those of `fixtures/xfs` have 200 MiB, nearly all of it zeros.
pub const LONGEST: usize = 256 << 20;

/// A part of a filesystem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// All but the log.
    Metadata,
    /// The log.
    Log,
}

/// One mutation of a packed image, for a fuzzer: `data` holds `size` bytes, and has space for more.
/// Gives the new size.
pub fn mutate_packed(data: &mut [u8], size: usize, max_size: usize, seed: u32, part: Part) -> usize {
    let mut image = Sparse::unpack(data.get(..size).unwrap_or_default(), LONGEST);
    self::mutate(&mut image, &mut Random::new(seed.into()), part);
    super::give_back(data, size, max_size, &image.pack())
}

/// Changes a few fields of one part, and repairs all checksums but for one time in sixteen.
pub fn mutate(image: &mut Sparse, random: &mut Random, part: Part) {
    for _ in 0..=random.below(4) {
        let sectors = sectors(image, part);
        let Some(sector) = random.pick(&sectors).copied() else { return };
        match random.below(12) {
            0 => bytes(image, sector, random),
            1 => {
                let Some(other) = random.pick(&sectors).copied() else { return };
                copy(image, other, sector, random);
            }
            _ => field(image, sector, part, random),
        }
    }
    if !random.one_in(16) {
        repair(image);
    }
}

/// Positions of the sectors that hold something of a part.
fn sectors(image: &Sparse, part: Part) -> Vec<usize> {
    let log = log::range(&image.bytes);
    let starts = image.held.iter().map(|sector| sector * SECTOR_LEN);
    starts.filter(|at| log.contains(at) == (part == Part::Log)).collect()
}

fn bytes(image: &mut Sparse, sector: usize, random: &mut Random) {
    let at = sector + random.below(SECTOR_LEN);
    let len = 1 << random.below(4);
    let bytes = match random.below(4) {
        0 => vec![0; len],
        1 => vec![0xff; len],
        _ => random.number().to_be_bytes()[..len].to_vec(),
    };
    image.put(at, &bytes);
}

/// Copies a sector or a whole block over another.
fn copy(image: &mut Sparse, from: usize, to: usize, random: &mut Random) {
    let block = (be32(&image.bytes, 4) as usize).clamp(SECTOR_LEN, 1 << 16);
    let len = if random.one_in(2) { SECTOR_LEN } else { block };
    let (from, to) = (from / len * len, to / len * len);
    let bytes = slice(&image.bytes, from..from + len).to_vec();
    image.put(to, &bytes);
}

/// Changes one field of the structure in a sector, or any bytes where none is known there.
fn field(image: &mut Sparse, sector: usize, part: Part, random: &mut Random) {
    let found = match part {
        Part::Metadata => structure::field(&image.bytes, sector, random),
        Part::Log => log::field(&image.bytes, sector, random),
    };
    let Some((at, len)) = found else { return bytes(image, sector, random) };
    let old = slice(&image.bytes, at..at + len).iter().fold(0, |old, byte| old << 8 | u64::from(*byte));
    let value = mutate::number(&image.bytes, old, len, random).to_be_bytes();
    image.put(at, &value[8 - len..]);
}
