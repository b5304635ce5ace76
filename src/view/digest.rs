//! Digests of content that is read for them. Holes are never read. Where they are longer than the
//! data they are hashed out of a budget: a file of a few blocks may claim to be terabytes long, and
//! there may be many of them.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::OnceLock;

use super::{Item, Place};
use crate::archive::{Algorithm, Hasher, holes_count};
use crate::error::{Error, Result};
use crate::units::ByteRange;

/// A check before each piece; its error ends the reading.
pub type GoOn<'a> = dyn Fn() -> Result<()> + 'a;

/// Bytes of long holes that are hashed in one place: some seconds.
const HOLES_BUDGET: u64 = 4 << 30;

/// Blocks of zeros are as good as holes in a print.
const BLOCK_LEN: usize = 4096;
const BLOCK_BYTES: u64 = 4096;

/// The results of reading some content once.
enum Running {
    /// The digest that a program has of the whole, holes as zeros, up to this position.
    Digest(Hasher, u64),
    /// The blocks that hold something, each with its number: the same for the same content,
    /// wherever its holes are.
    Print { hasher: Hasher, block: Vec<u8>, number: u64 },
}

/// How two contents are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// By a digest of the whole.
    Digest(Algorithm),
    /// By what of it is not zero, and where: only for comparing with another print.
    Print,
}

impl Running {
    fn new(way: Way) -> Self {
        match way {
            Way::Digest(algorithm) => Self::Digest(algorithm.hasher(), 0),
            Way::Print => {
                Self::Print { hasher: Algorithm::Blake3.hasher(), block: vec![0; BLOCK_LEN], number: 0 }
            }
        }
    }

    fn update(&mut self, at: u64, bytes: &[u8]) {
        let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        match self {
            Self::Digest(hasher, end) => {
                hasher.update_zeros(at.saturating_sub(*end));
                hasher.update(bytes);
                *end = at.saturating_add(len);
            }
            Self::Print { hasher, block, number } => {
                let (mut at, mut rest) = (at, bytes);
                while !rest.is_empty() {
                    let here = at / BLOCK_BYTES;
                    if here != *number {
                        flush(hasher, block, *number);
                        *number = here;
                    }
                    let from = usize::try_from(at % BLOCK_BYTES).unwrap_or(0);
                    let len = rest.len().min(BLOCK_LEN.saturating_sub(from));
                    let (piece, after) = rest.split_at_checked(len).unwrap_or((rest, &[]));
                    let room = block.iter_mut().skip(from);
                    room.zip(piece).for_each(|(to, from)| *to = *from);
                    (at, rest) = (at.saturating_add(u64::try_from(len).unwrap_or(u64::MAX)), after);
                }
            }
        }
    }

    fn finish(self, size_bytes: u64) -> String {
        match self {
            Self::Digest(mut hasher, end) => {
                hasher.update_zeros(size_bytes.saturating_sub(end));
                hasher.finish().to_string()
            }
            Self::Print { mut hasher, mut block, number } => {
                flush(&mut hasher, &mut block, number);
                hasher.update(&size_bytes.to_le_bytes());
                hasher.finish().to_string()
            }
        }
    }
}

/// Takes a block that is whole, unless it is all zeros.
fn flush(hasher: &mut Hasher, block: &mut [u8], number: u64) {
    if block.iter().any(|byte| *byte != 0) {
        hasher.update(&number.to_le_bytes());
        hasher.update(block);
        block.fill(0);
    }
}

/// The contents of a place, told from others.
pub struct Contents<'a> {
    place: &'a dyn Place,
    go_on: &'a GoOn<'a>,
    /// Bytes of long holes that may still be hashed.
    budget: Cell<u64>,
    /// Of a place that is only read from front to back: those of all its files, read in one pass
    /// for each way.
    passes: [OnceLock<BTreeMap<Vec<u8>, Option<String>>>; 4],
}

impl<'a> Contents<'a> {
    /// Those of `place`. `go_on` is asked before each piece that is read.
    pub fn new(place: &'a dyn Place, go_on: &'a GoOn<'a>) -> Self {
        Self { place, go_on, budget: Cell::new(HOLES_BUDGET), passes: Default::default() }
    }

    /// The place.
    #[must_use]
    pub fn place(&self) -> &'a dyn Place {
        self.place
    }

    /// Whether a file's holes are hashed: where they are longer than the data, as far as the budget
    /// goes.
    fn are_holes_hashed(&self, data_bytes: u64, size_bytes: u64) -> bool {
        if holes_count(data_bytes, size_bytes) {
            return true;
        }
        let rest = self.budget.get().checked_sub(size_bytes.saturating_sub(data_bytes));
        rest.inspect(|rest| self.budget.set(*rest)).is_some()
    }

    /// The digest of a file's content, the known one or a computed one, or its print. `None` where
    /// its holes are so long that the digest of the whole would take hours: then only a print is
    /// computed.
    ///
    /// # Errors
    ///
    /// When it can't be read, and what `go_on` fails with.
    pub fn of(&self, item: &Item, way: Way) -> Result<Option<String>> {
        let known = item.content.as_ref().filter(|known| way == Way::Digest(known.algorithm));
        if let Some(known) = known.filter(|known| !known.data_only) {
            return Ok(Some(known.hex.clone()));
        }
        if self.place.is_stream() {
            let all = self.pass(way)?;
            let path = item.link.as_ref().unwrap_or(&item.path);
            return all.get(path).cloned().ok_or_else(|| super::no_content(path));
        }
        let data = self.place.open(item)?;
        let size = data.size_bytes();
        if way != Way::Print && !self.are_holes_hashed(data.data_bytes(), size) {
            return Ok(None);
        }
        let mut running = Running::new(way);
        let whole = ByteRange::new(0, size).unwrap_or(ByteRange::EMPTY);
        data.read(whole, &mut |at, bytes| {
            (self.go_on)()?;
            running.update(at, bytes);
            Ok(())
        })?;
        Ok(Some(running.finish(size)))
    }

    /// Those of all files of a stream. An entry that comes twice counts as it comes last, as when a
    /// tar is extracted.
    fn pass(&self, way: Way) -> Result<&BTreeMap<Vec<u8>, Option<String>>> {
        let index = match way {
            Way::Digest(Algorithm::Sha1) => 0,
            Way::Digest(Algorithm::Sha256) => 1,
            Way::Digest(Algorithm::Blake3) => 2,
            Way::Print => 3_usize,
        };
        let slot = self.passes.get(index).ok_or_else(|| Error::corrupt("there is no such digest"))?;
        if let Some(all) = slot.get() {
            return Ok(all);
        }
        let mut all = BTreeMap::new();
        self.place.pour(&mut |item, content| {
            (self.go_on)()?;
            if !item.kind.has_content() || item.link.is_some() {
                return Ok(());
            }
            let is_told = way == Way::Print || self.are_holes_hashed(content.data_bytes(), item.size);
            let mut running = Running::new(way);
            if is_told {
                content.read(&mut |at, bytes| {
                    (self.go_on)()?;
                    running.update(at, bytes);
                    Ok(())
                })?;
            }
            let digest = is_told.then(|| running.finish(item.size));
            all.insert(item.path, digest);
            Ok(())
        })?;
        Ok(slot.get_or_init(|| all))
    }

    /// Whether two files of the same size have the same content. Known digests tell, else what is
    /// read.
    ///
    /// # Errors
    ///
    /// As [`Contents::of`].
    pub fn is_same(&self, item: &Item, other: &Contents<'_>, with: &Item) -> Result<bool> {
        // A digest of the stored data alone says nothing of where the holes are.
        let known = |item: &Item| item.content.clone().filter(|content| !content.data_only);
        let algorithm = known(item).or_else(|| known(with)).map(|content| content.algorithm);
        if let Some(way) = algorithm.map(Way::Digest)
            && let (Some(one), Some(two)) = (self.of(item, way)?, other.of(with, way)?)
        {
            return Ok(one == two);
        }
        Ok(self.of(item, Way::Print)? == other.of(with, Way::Print)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn print(pieces: &[(u64, &[u8])], size: u64) -> String {
        let mut running = Running::new(Way::Print);
        pieces.iter().for_each(|(at, bytes)| running.update(*at, bytes));
        running.finish(size)
    }

    #[test]
    fn a_print_is_the_same_wherever_the_holes_and_the_pieces_are() {
        let content = [vec![1_u8; 5000], vec![0; 8192], vec![2; 100]].concat();
        let size = content.len() as u64;
        let whole = print(&[(0, &content)], size);
        assert_eq!(print(&[(0, &content[..5000]), (13_192, &content[13_192..])], size), whole);
        assert_eq!(
            print(
                &[(0, &content[..4097]), (4097, &content[4097..13_200]), (13_200, &content[13_200..])],
                size
            ),
            whole
        );
        assert_ne!(print(&[(0, &content[..5000]), (13_191, &content[13_192..])], size), whole);
        assert_ne!(print(&[(0, &content)], size + 1), whole);
        assert_eq!(print(&[], 1 << 44), print(&[(1 << 40, &[0; 10])], 1 << 44));
    }
}
