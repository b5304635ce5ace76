//! Finds the part of the log that is needed: from the tail, its oldest record, to the head behind
//! the newest.
//!
//! The ring is written in cycles, and each block says in which. Where the cycle changes is the
//! head, but for records that were under way when the plug was pulled: they may be there in part,
//! or out of order, and don't count.

use super::fault::Fault;
use super::place::{BLOCK_LEN, Log, RECORD_MAGIC, cycle};
use super::record::{self, Header};
use crate::error::Result;
use crate::fields::{be32_at, u8_at};

/// Records that may be under way at once (`XLOG_MAX_ICLOGS`).
const UNDER_WAY: usize = 8;
/// Blocks of the longest record and its header, by the log's version.
const RECORD_BLOCKS: u64 = 520;
const RECORD_BLOCKS_V1: u64 = 65;
/// The same as a number, and the blocks of a record for each block of its header.
const RECORDS: u64 = 8;
const HEADER_WORDS: u64 = 65;
/// Blocks that are read at once.
const PIECE: u64 = 512;
/// `XLOG_UNMOUNT_TRANS`, and where an operation's flags are.
const UNMOUNT: u8 = 0x20;
const FLAGS_AT: usize = 9;

/// The part of the log to replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Active {
    pub tail: u64,
    pub head: u64,
    /// The block where the tail should be, if there is no sound record, and nothing that was under
    /// way can be to blame.
    pub lost: Option<u64>,
}

/// Finds the part of the log to replay; nothing when the filesystem was unmounted.
pub(super) fn find(log: &Log) -> Result<Option<Active>> {
    let Some(head) = end_of_cycle(log)? else { return Ok(None) };
    let head = without_partial(log, head)?;
    let last = record_before(log, head)?.ok_or(Fault::NoRecord(head))?;
    if is_unmount(log, &last, head)? {
        return Ok(None);
    }
    let (head, last) = without_torn(log, head, last)?;
    if is_unmount(log, &last, head)? {
        return Ok(None);
    }
    let under_way = last.header_blocks.saturating_mul(HEADER_WORDS).saturating_mul(RECORDS);
    let tail = whole_tail(log, last.tail, head, under_way)?;
    let is_lost = tail != last.tail && log.distance(head, last.tail) > under_way;
    let lost = Some(last.tail).filter(|_| is_lost);
    Ok((tail != head).then_some(Active { tail, head, lost }))
}

fn record_blocks(log: &Log) -> u64 {
    if log.is_v2 { RECORD_BLOCKS } else { RECORD_BLOCKS_V1 }
}

fn cycle_at(log: &Log, block: u64) -> Result<u32> {
    Ok(cycle(&log.read(block, 1)?))
}

/// Finds the end of the newest cycle; `None` for a log that was never written.
fn end_of_cycle(log: &Log) -> Result<Option<u64>> {
    let last = log.blocks.saturating_sub(1);
    let (first_cycle, last_cycle) = (cycle_at(log, 0)?, cycle_at(log, last)?);
    if first_cycle == 0 {
        return Ok(None);
    }
    // The cycle of blocks that a head must not be behind: those that the newest cycle should have
    // replaced.
    let (mut head, older) = match first_cycle == last_cycle {
        true => (log.blocks, last_cycle.saturating_sub(1)),
        false => (first_of(log, last_cycle, last)?, last_cycle),
    };
    let window = record_blocks(log).saturating_mul(8).min(log.blocks);
    if head >= window {
        let start = head.saturating_sub(window);
        head = first_in(log, start, head, older)?.unwrap_or(head);
    } else {
        // Before the ring's start, blocks of the cycle before that should have been replaced by it.
        let wrapped = log.blocks.saturating_sub(window.saturating_sub(head));
        let oldest = older.saturating_sub(1);
        let at_end = if oldest == 0 { None } else { first_in(log, wrapped, log.blocks, oldest)? };
        head = match at_end {
            Some(block) => block,
            None => first_in(log, 0, head, older)?.unwrap_or(head),
        };
    }
    Ok(Some(log.after(head, 0)))
}

/// The first block of this cycle, by halving: `last` has it, and block 0 does not.
fn first_of(log: &Log, wanted: u32, last: u64) -> Result<u64> {
    let (mut without, mut with) = (0_u64, last);
    while with.saturating_sub(without) > 1 {
        let middle = without.saturating_add(with) / 2;
        match cycle_at(log, middle)? == wanted {
            true => with = middle,
            false => without = middle,
        }
    }
    Ok(with)
}

/// The first block of this cycle in a part of the ring that doesn't wrap.
fn first_in(log: &Log, start: u64, end: u64, wanted: u32) -> Result<Option<u64>> {
    let mut at = start;
    while at < end {
        let count = end.saturating_sub(at).min(PIECE);
        let bytes = log.read(at, count)?;
        if let Some(found) = (at..).zip(bytes.chunks(BLOCK_LEN)).find(|(_, block)| cycle(block) == wanted) {
            return Ok(Some(found.0));
        }
        at = at.saturating_add(count);
    }
    Ok(None)
}

/// The last block before `head` that begins a record.
fn last_start(log: &Log, head: u64) -> Result<Option<u64>> {
    let mut passed = 0;
    let most = record_blocks(log).saturating_mul(2).min(log.blocks);
    while passed < most {
        let count = most.saturating_sub(passed).min(PIECE);
        passed = passed.saturating_add(count);
        let start = log.before(head, passed);
        let bytes = log.read(start, count)?;
        let is_start = |block: &[u8]| be32_at(block, 0) == Ok(RECORD_MAGIC);
        let blocks: Vec<&[u8]> = bytes.chunks(BLOCK_LEN).collect();
        if let Some(found) = blocks.iter().rposition(|block| is_start(block)) {
            return Ok(Some(log.after(start, u64::try_from(found).unwrap_or(0))));
        }
    }
    Ok(None)
}

/// The last record before `head`.
fn record_before(log: &Log, head: u64) -> Result<Option<Header>> {
    let Some(start) = last_start(log, head)? else { return Ok(None) };
    Ok(Some(record::header(log, start, &log.read(start, 1)?)?))
}

/// The head without a record that ends elsewhere: only a part of it was written.
fn without_partial(log: &Log, head: u64) -> Result<u64> {
    let start = last_start(log, head)?.ok_or(Fault::NoRecord(head))?;
    let found = record::header(log, start, &log.read(start, 1)?);
    let ends_here = found.is_ok_and(|found| found.blocks() == log.distance(start, head));
    Ok(if ends_here { head } else { start })
}

/// Head and last record, without the first torn record of the last eight, and what comes behind it.
fn without_torn(log: &Log, head: u64, last: Header) -> Result<(u64, Header)> {
    let mut starts = vec![last.block];
    while starts.len() < UNDER_WAY {
        let first = starts.last().copied().unwrap_or(head);
        match last_start(log, first)? {
            // The records before the tail are not needed, and may be overwritten.
            Some(start) if log.distance(start, head) > log.distance(first, head) && first != last.tail => {
                starts.push(start);
            }
            _ => break,
        }
    }
    let mut good = None;
    for start in starts.into_iter().rev() {
        match record::read(log, start)? {
            Ok((header, _)) => good = Some(header),
            Err(Fault::ByteOrder(order)) => return Err(Fault::ByteOrder(order).into()),
            Err(fault) => {
                let good = good.ok_or(fault)?;
                return Ok((start, good));
            }
        }
    }
    Ok((head, good.unwrap_or(last)))
}

/// The tail, or the first record behind it where the newest records have overwritten the tail.
fn whole_tail(log: &Log, tail: u64, head: u64, under_way: u64) -> Result<u64> {
    let mut at = tail;
    let active = log.distance(tail, head);
    let window = under_way.min(active);
    let mut passed = 0_u64;
    while passed < window {
        if record::read(log, at)?.is_ok() {
            return Ok(at);
        }
        passed = passed.saturating_add(1);
        at = log.after(tail, passed);
    }
    Ok(tail)
}

/// Whether the last record says that the filesystem was unmounted.
fn is_unmount(log: &Log, last: &Header, head: u64) -> Result<bool> {
    if last.operations != 1 || log.after(last.block, last.blocks()) != head {
        return Ok(false);
    }
    let body = log.read(log.after(last.block, last.header_blocks), 1)?;
    Ok(u8_at(&body, FLAGS_AT).is_ok_and(|flags| flags & UNMOUNT != 0))
}
