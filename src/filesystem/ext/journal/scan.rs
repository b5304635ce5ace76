//! The way through the log, transaction by transaction, to its end.

use std::ops::ControlFlow;

use super::checksum::BigEndianCrc32;
use super::commit::Commit;
use super::descriptor::{Tag, matches_tail, tags};
use super::fault::{Damage, DamagedTransaction};
use super::header::{Header, MAGIC};
use super::log::Blocks;
use super::revocation::check_len;
use super::superblock::{Checksums, Superblock};
use crate::error::{Kind, Result};

/// Copies in a log that are kept: with all that is made of them, below 400 MiB of memory. A journal
/// of 4 GiB, the longest in use, has half as many blocks.
const COPIES_MOST: usize = 1 << 21;

/// A copy of a filesystem's block in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BlockCopy {
    /// The block of the filesystem.
    pub(super) block: u64,
    /// Where in the journal its copy is.
    pub(super) log_block: u32,
    /// The transaction, counted from the first.
    pub(super) ordinal: u32,
    /// Whether the journal's magic number at its start was replaced by zeros.
    pub(super) escaped: bool,
    /// Why it can't be used; of no interest when it was revoked.
    pub(super) damage: Option<Damage>,
}

/// A revocation block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Revocation {
    /// Where in the journal it is.
    pub(super) log_block: u32,
    /// The transaction, counted from the first.
    pub(super) ordinal: u32,
}

/// What is in the log.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// The copies in the order of the log, also those after `end`.
    pub(super) copies: Vec<BlockCopy>,
    /// The revocation blocks in the order of the log, also those after `end`.
    pub(super) revocations: Vec<Revocation>,
    /// Number of complete transactions before the end of the log, or before the damage.
    pub(super) end: u32,
    /// Why the log ends there, when that is not its natural end.
    pub(super) damage: Option<DamagedTransaction>,
}

/// Goes through the log from its first transaction to its end, as the kernel's scan pass
/// (`do_one_pass` in `fs/jbd2/recovery.c`), and collects what it holds.
///
/// The log ends at the first block that doesn't belong to the transaction that is expected there. Each block is
/// visited at most once, so that the length of the log bounds the time and what is collected.
pub(super) fn scan(
    blocks: &mut Blocks<'_>,
    journal: &Superblock,
    filesystem_blocks: u64,
) -> Result<Contents> {
    let Some(start) = journal.start else { return Ok(Contents::default()) };
    let mut scan = Scan {
        journal,
        filesystem_blocks,
        at: start,
        visited: 0,
        ordinal: 0,
        state: Transaction::new(),
        last_commit_sec: 0,
        interrupted: None,
        copies: Vec::new(),
        revocations: Vec::new(),
    };
    let damage = scan.run(blocks)?;
    let end = scan.interrupted.map_or(scan.ordinal, |(ordinal, _)| ordinal);
    let damage = damage.map(|damage| DamagedTransaction { sequence: journal.number(end), damage });
    Ok(Contents { copies: scan.copies, revocations: scan.revocations, end, damage })
}

/// The end of the log, with the reason when it isn't the natural one.
type End = Option<Damage>;

/// What is known of a transaction whose end was not seen yet.
struct Transaction {
    /// Whether any block of it was seen.
    is_open: bool,
    /// A block that does not match its checksum: damaged, or left from an earlier use of the journal.
    suspect: Option<Damage>,
    /// Checksum of its blocks, for the first version of checksums.
    crc: BigEndianCrc32,
}

impl Transaction {
    fn new() -> Self {
        Self { is_open: false, suspect: None, crc: BigEndianCrc32::new() }
    }
}

struct Scan<'a> {
    journal: &'a Superblock,
    filesystem_blocks: u64,
    /// The next block.
    at: u32,
    /// How many blocks were passed.
    visited: u32,
    /// The transaction that is expected, counted from the first.
    ordinal: u32,
    state: Transaction,
    /// Time of the last commit. What was left from an earlier use of the journal is older.
    last_commit_sec: u64,
    /// With asynchronous commits: a transaction whose commit block was there before its other blocks.
    interrupted: Option<(u32, Damage)>,
    copies: Vec<BlockCopy>,
    revocations: Vec<Revocation>,
}

impl Scan<'_> {
    fn run(&mut self, blocks: &mut Blocks<'_>) -> Result<End> {
        while self.left() > 0 {
            if let ControlFlow::Break(end) = self.step(blocks)? {
                return Ok(end);
            }
        }
        Ok(self.state.is_open.then_some(Damage::Endless { blocks: self.journal.log_blocks() }))
    }

    /// Blocks of the log that were not visited yet.
    fn left(&self) -> u32 {
        self.journal.log_blocks().saturating_sub(self.visited)
    }

    /// The next `count` blocks are passed; gives the first.
    fn pass(&mut self, count: u32) -> u32 {
        let here = self.at;
        self.at = self.journal.after(here, count);
        self.visited = self.visited.saturating_add(count);
        here
    }

    fn step(&mut self, blocks: &mut Blocks<'_>) -> Result<ControlFlow<End>> {
        let log_block = self.at;
        let block = match blocks.get(log_block) {
            Ok(block) => block,
            // What can't be read may be the end as well as the next transaction.
            Err(error) if error.kind() == Kind::Read => {
                return Ok(ControlFlow::Break(Some(Damage::Unreadable { log_block })));
            }
            Err(error) => return Err(error),
        };
        let Ok(header) = Header::parse(block) else { return Ok(ControlFlow::Break(None)) };
        if header.h_magic != MAGIC || header.h_sequence != self.journal.number(self.ordinal) {
            return Ok(ControlFlow::Break(None));
        }
        self.pass(1);
        match header.h_blocktype {
            Header::DESCRIPTOR => {
                self.state.is_open = true;
                let descriptor = block.to_vec();
                self.descriptor(&descriptor, log_block, blocks)
            }
            Header::REVOKE => {
                self.state.is_open = true;
                Ok(self.revocation(block, log_block))
            }
            Header::COMMIT => Ok(self.commit(block, log_block)),
            _ => Ok(ControlFlow::Break(None)),
        }
    }

    fn descriptor(
        &mut self,
        block: &[u8],
        log_block: u32,
        blocks: &mut Blocks<'_>,
    ) -> Result<ControlFlow<End>> {
        if !matches_tail(block, self.journal) {
            self.state.suspect.get_or_insert(Damage::DescriptorChecksum { log_block });
        }
        let wide_count = tags(block, self.journal).count();
        let count = u32::try_from(wide_count).unwrap_or(u32::MAX);
        if count > self.left() {
            let damage =
                Damage::LongerThanTheLog { log_block, tags: count, blocks: self.journal.log_blocks() };
            return Ok(ControlFlow::Break(self.state.suspect.is_none().then_some(damage)));
        }
        if self.state.suspect.is_some() || self.interrupted.is_some() {
            self.pass(count);
            return Ok(ControlFlow::Continue(()));
        }
        if self.copies.len().saturating_add(wide_count) > COPIES_MOST {
            let damage = Damage::TooManyCopies { log_block, most: COPIES_MOST };
            return Ok(ControlFlow::Break(Some(damage)));
        }
        if self.journal.checksums == Checksums::V1 {
            self.state.crc.update(block);
        }
        for tag in tags(block, self.journal) {
            let log_block = self.pass(1);
            let damage = self.check_copy(tag, log_block, blocks)?;
            let (ordinal, escaped) = (self.ordinal, tag.escaped);
            self.copies.push(BlockCopy { block: tag.block, log_block, ordinal, escaped, damage });
        }
        Ok(ControlFlow::Continue(()))
    }

    fn check_copy(&mut self, tag: Tag, log_block: u32, blocks: &mut Blocks<'_>) -> Result<End> {
        let sequence = self.journal.number(self.ordinal);
        if self.journal.checksums == Checksums::None {
            return Ok(self.check_place(tag, log_block));
        }
        let copy = match blocks.get(log_block) {
            Ok(copy) => copy,
            Err(error) if error.kind() == Kind::Read => return Ok(Some(Damage::Unreadable { log_block })),
            Err(error) => return Err(error),
        };
        let is_intact = match self.journal.checksums {
            Checksums::V2 | Checksums::V3 => tag.matches(copy, sequence, self.journal),
            Checksums::V1 | Checksums::None => {
                self.state.crc.update(copy);
                true
            }
        };
        let damage = Damage::DataChecksum { log_block, block: tag.block };
        Ok(self.check_place(tag, log_block).or((!is_intact).then_some(damage)))
    }

    fn check_place(&self, tag: Tag, log_block: u32) -> End {
        let (block, blocks) = (tag.block, self.filesystem_blocks);
        (block >= blocks).then_some(Damage::OutsideFilesystem { log_block, block, blocks })
    }

    fn revocation(&mut self, block: &[u8], log_block: u32) -> ControlFlow<End> {
        if !matches_tail(block, self.journal) {
            self.state.suspect.get_or_insert(Damage::RevocationChecksum { log_block });
        }
        if self.state.suspect.is_some() || self.interrupted.is_some() {
            return ControlFlow::Continue(());
        }
        if let Err(damage) = check_len(block, log_block, self.journal) {
            return ControlFlow::Break(Some(damage));
        }
        self.revocations.push(Revocation { log_block, ordinal: self.ordinal });
        ControlFlow::Continue(())
    }

    /// A commit block that does not match is either damage or where the power failed. The kernel tells them apart:
    /// a block that is older than the last commit was left from an earlier use of the journal. With asynchronous
    /// commits the last transaction may be incomplete; one that others follow is damaged.
    fn commit(&mut self, block: &[u8], log_block: u32) -> ControlFlow<End> {
        let Ok(commit) = Commit::parse(block) else { return ControlFlow::Break(None) };
        let verdict = commit.verify(block, &self.state.crc, self.journal);
        let is_stale = commit.h_commit_sec < self.last_commit_sec;
        if let Some((_, damage)) = self.interrupted {
            let is_next =
                self.journal.checksums == Checksums::V1 || (self.state.suspect.is_none() && verdict.is_ok());
            return ControlFlow::Break(is_next.then_some(damage));
        }
        if let Some(damage) = self.state.suspect {
            return ControlFlow::Break((!is_stale).then_some(damage));
        }
        if let Err(computed) = verdict {
            if is_stale {
                return ControlFlow::Break(None);
            }
            let damage = Damage::CommitChecksum { log_block, stored: commit.h_chksum, computed };
            if !self.journal.async_commit {
                return ControlFlow::Break(Some(damage));
            }
            self.interrupted = Some((self.ordinal, damage));
        }
        self.last_commit_sec = commit.h_commit_sec;
        self.ordinal = self.ordinal.saturating_add(1);
        self.state = Transaction::new();
        ControlFlow::Continue(())
    }
}
