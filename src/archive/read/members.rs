//! The members of a tar, of whatever tar made it: ustar, pax, GNU, and the first of all.
//!
//! A member's data are read or passed by whoever asks for the members; the next one begins behind them.

#[cfg(test)]
mod tests;

use super::stream::TarStream;
use crate::error::{Error, Kind, Result};
use crate::format::tar::header::{Block, Header};
use crate::format::tar::member::{Before, Described, Fault, Map};
use crate::format::tar::pax::Global;
use crate::format::tar::{header, member, pax, sparse};

pub(super) use crate::format::tar::header::{BLOCK_LEN, is_tar};
pub use crate::format::tar::member::{Member, MemberKind, MemberPlace};

const BLOCK: u64 = 512;

/// Longest header for the next member: records, or a name. Extended attributes of one inode are at most 4 MiB in archives
/// made here.
const HEADER_MOST: u64 = 32 << 20;

/// Longest header of records for all members: as long as all of them together may be, with their lengths in front.
const GLOBAL_HEADER_MOST: u64 = 2 << 20;

/// Blocks that one member's headers and map may take: more would keep a reader busy and say nothing.
const BLOCKS_MOST: u32 = 1 << 20;

/// A header that needs no other: a regular file's.
#[derive(Debug)]
pub(super) struct Plain {
    pub name: Vec<u8>,
    pub size: u64,
}

/// Reads the header of a regular file; `None` for any other block.
pub(super) fn plain(block: &[u8]) -> Option<Plain> {
    let header = header::read(block.first_chunk::<BLOCK_LEN>()?).ok()??;
    (header.kind == b'0').then_some(Plain { name: header.name, size: header.size })
}

/// How the members end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With two blocks of zeros, as they should.
    Marked,
    /// With one block of zeros.
    Half,
    /// The stream ends behind the last member.
    Missing,
}

/// Reads members, one after the other.
pub struct Members<S> {
    stream: S,
    global: Global,
    /// Bytes of the present member's data that were not read, and of the padding behind them.
    rest: u64,
    padding: u64,
    /// Whether padding is looked at, and not just passed.
    checks_padding: bool,
    faults: Vec<Error>,
    end: Option<End>,
}

impl<S: TarStream> Members<S> {
    /// The members of a stream that stands at a header.
    pub fn new(stream: S) -> Self {
        Self {
            stream,
            global: Global::default(),
            rest: 0,
            padding: 0,
            checks_padding: false,
            faults: Vec::new(),
            end: None,
        }
    }

    /// Has padding looked at: what is not zeros there is a fault.
    #[must_use]
    pub fn checking_padding(self) -> Self {
        Self { checks_padding: true, ..self }
    }

    /// What was wrong, though all members could be read; they are told once.
    pub fn take_faults(&mut self) -> Vec<Error> {
        std::mem::take(&mut self.faults)
    }

    /// How the members end; `None` while there may be more.
    #[must_use]
    pub fn end(&self) -> Option<End> {
        self.end
    }

    /// The stream, wherever it stands.
    pub fn stream(&mut self) -> &mut S {
        &mut self.stream
    }

    /// The stream alone.
    pub fn into_stream(self) -> S {
        self.stream
    }

    /// Forgets the present member: the stream was moved to another header.
    pub fn resume(&mut self) {
        (self.rest, self.padding) = (0, 0);
    }

    /// Goes to the next member; `None` when there are no more.
    ///
    /// # Errors
    ///
    /// When what is there is no member, when the stream ends in the middle of one, and as [`TarStream::read`].
    #[expect(
        clippy::should_implement_trait,
        reason = "an error does not end it, and the stream can be moved between"
    )]
    pub fn next(&mut self) -> Result<Option<Member>> {
        if self.end.is_some() {
            return Ok(None);
        }
        self.pass()?;
        let (mut before, mut start, mut blocks) = (Before::default(), None, 0_u32);
        loop {
            let at = self.stream.position();
            let corrupt = |fault: Fault| Error::corrupt(fault).at_byte(at);
            blocks = blocks.saturating_add(1);
            if blocks > BLOCKS_MOST {
                return Err(Error::new(Kind::Limit, "the headers before a member have no end").at_byte(at));
            }
            let Some(block) = self.block()? else { return self.ended(End::Missing, &before) };
            let header = match header::read(&block).map_err(|fault| corrupt(fault.into()))? {
                Some(header) => header,
                None => {
                    let second = self.block()?;
                    let is_marked = second.is_some_and(|block| header::is_zero(&block));
                    return self.ended(if is_marked { End::Marked } else { End::Half }, &before);
                }
            };
            match header.kind {
                b'g' => {
                    if header.size > GLOBAL_HEADER_MOST {
                        return Err(corrupt(Fault::TooManyGlobal));
                    }
                    let records = self.long(&header).map_err(|error| error.at_byte(at))?;
                    let pairs = pax::pairs(&records).map_err(|fault| corrupt(fault.into()))?;
                    if !self.global.add(&pairs) {
                        return Err(corrupt(Fault::TooManyGlobal));
                    }
                }
                kind @ (b'x' | b'X' | b'L' | b'K') => {
                    start.get_or_insert(at);
                    let value = self.long(&header).map_err(|error| error.at_byte(at))?;
                    match kind {
                        b'L' => before.name = Some(crate::fields::until_nul(&value).to_vec()),
                        b'K' => before.link = Some(crate::fields::until_nul(&value).to_vec()),
                        _ => {
                            // Several headers of records count as one.
                            let len = before.records.len().saturating_add(value.len());
                            let len = u64::try_from(len).unwrap_or(u64::MAX);
                            if len > HEADER_MOST {
                                return Err(corrupt(Fault::TooLong { len, most: HEADER_MOST }));
                            }
                            before.records.extend(value);
                        }
                    }
                }
                _ => {
                    let start = *start.get_or_insert(at);
                    let member = self.member(header, &block, before).map_err(|error| error.at_byte(at))?;
                    return Ok(Some(Member {
                        place: MemberPlace { header: start, ..member.place },
                        ..member
                    }));
                }
            }
        }
    }

    /// Makes the checks that stand behind the last member, and says how the members end.
    ///
    /// # Errors
    ///
    /// As [`TarStream::finish`].
    pub fn finish(&mut self) -> Result<Option<End>> {
        self.stream.finish()?;
        Ok(self.end)
    }

    /// Reads a piece of the present member's data; 0 behind them.
    ///
    /// # Errors
    ///
    /// As [`TarStream::read`], and when the stream ends before.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let len = usize::try_from(self.rest).unwrap_or(usize::MAX).min(buffer.len());
        if len == 0 {
            return Ok(0);
        }
        let len = self.stream.read(buffer.get_mut(..len).unwrap_or_default())?;
        if len == 0 {
            return Err(Error::corrupt(Fault::CutOff).at_byte(self.stream.position()));
        }
        self.rest = self.rest.saturating_sub(u64::try_from(len).unwrap_or(self.rest));
        Ok(len)
    }

    /// Passes what is left of the present member.
    fn pass(&mut self) -> Result<()> {
        let (rest, padding) = (std::mem::take(&mut self.rest), std::mem::take(&mut self.padding));
        if !self.checks_padding {
            return self.stream.skip(rest.saturating_add(padding));
        }
        self.stream.skip(rest)?;
        let at = self.stream.position();
        let mut bytes = [0; BLOCK_LEN];
        let len = usize::try_from(padding).unwrap_or(0);
        let part = bytes.get_mut(..len).unwrap_or_default();
        if self.stream.fill(part)? < len {
            return Err(Error::corrupt(Fault::CutOff).at_byte(at));
        }
        if let Some(bad) = part.iter().position(|byte| *byte != 0) {
            let at = at.saturating_add(u64::try_from(bad).unwrap_or(0));
            self.faults.push(Error::corrupt("the padding behind a member is not all zeros").at_byte(at));
        }
        Ok(())
    }

    fn ended(&mut self, end: End, before: &Before) -> Result<Option<Member>> {
        self.end = Some(end);
        if before.is_empty() {
            return Ok(None);
        }
        Err(Error::corrupt(Fault::NothingFollows).at_byte(self.stream.position()))
    }

    /// The next block; `None` at the end of the stream.
    fn block(&mut self) -> Result<Option<Block>> {
        let mut block = [0; BLOCK_LEN];
        match self.stream.fill(&mut block)? {
            0 => Ok(None),
            BLOCK_LEN => Ok(Some(block)),
            _ => Err(Error::corrupt(Fault::CutOff).at_byte(self.stream.position())),
        }
    }

    fn needed_block(&mut self) -> Result<Block> {
        let position = self.stream.position();
        self.block()?.ok_or_else(|| Error::corrupt(Fault::CutOff).at_byte(position))
    }

    /// What stands behind a header for the next member.
    fn long(&mut self, header: &Header) -> Result<Vec<u8>> {
        let len = header.size;
        if len > HEADER_MOST {
            return Err(Error::corrupt(Fault::TooLong { len, most: HEADER_MOST }));
        }
        let padded = usize::try_from(len.next_multiple_of(BLOCK)).unwrap_or(usize::MAX);
        // No memory is taken for bytes that don't come.
        let mut bytes = Vec::new();
        while bytes.len() < padded {
            bytes.extend(self.needed_block()?);
        }
        let padding = bytes.split_off(usize::try_from(len).unwrap_or(usize::MAX).min(bytes.len()));
        if self.checks_padding && !header::is_zero(&padding) {
            let at = self.stream.position().saturating_sub(u64::try_from(padding.len()).unwrap_or(0));
            self.faults.push(Error::corrupt("the padding behind a header is not all zeros").at_byte(at));
        }
        Ok(bytes)
    }

    /// Puts a member together, up to the first byte of its data.
    fn member(&mut self, header: Header, block: &Block, before: Before) -> Result<Member> {
        let is_old_sparse = header.kind == b'S' && header.is_gnu;
        let Described { mut member, mut stored, map } =
            member::describe(header, before, &self.global).map_err(Error::corrupt)?;
        let map = if is_old_sparse { self.old_map(block, &mut member)? } else { map };
        let (runs, is_sparse) = match map {
            Map::None => (Vec::new(), false),
            Map::Known(runs) => (runs, true),
            Map::Lines => {
                let (runs, map_bytes) = self.lines(stored)?;
                stored = stored.saturating_sub(map_bytes);
                (runs, true)
            }
        };
        if is_sparse {
            let runs = sparse::check(runs, member.size, stored);
            member.runs = Some(runs.map_err(|fault| Error::corrupt(Fault::from(fault)))?);
        }
        member.place = MemberPlace { header: 0, data: self.stream.position(), stored };
        self.rest = stored;
        let past = stored % BLOCK;
        self.padding = if past == 0 { 0 } else { BLOCK.saturating_sub(past) };
        if stored.checked_add(BLOCK).and_then(|len| len.checked_add(member.place.data)).is_none() {
            return Err(Error::corrupt(Fault::CutOff));
        }
        Ok(member)
    }

    fn old_map(&mut self, block: &Block, member: &mut Member) -> Result<Map> {
        let corrupt = |fault: sparse::Fault| Error::corrupt(Fault::from(fault));
        let mut old = sparse::Old::of_header(block).map_err(corrupt)?;
        while old.has_more {
            let block = self.needed_block()?;
            old.add(&block).map_err(corrupt)?;
        }
        member.size = old.size;
        Ok(Map::Known(old.runs))
    }

    /// The map in the blocks before the data, and how many bytes it takes.
    fn lines(&mut self, stored: u64) -> Result<(Vec<(u64, u64)>, u64)> {
        let corrupt = |fault: sparse::Fault| Error::corrupt(Fault::from(fault));
        let (mut lines, mut taken) = (sparse::Lines::default(), 0_u64);
        loop {
            taken = taken.saturating_add(BLOCK);
            if taken > stored {
                return Err(corrupt(sparse::Fault::CutOff));
            }
            let block = self.needed_block()?;
            if lines.add(&block).map_err(corrupt)? {
                return Ok((lines.runs, taken));
            }
        }
    }
}
