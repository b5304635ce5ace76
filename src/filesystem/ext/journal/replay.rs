//! Which copies in the log count, once it is known where the log ends and what was revoked.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::ops::Range;

use super::fault::DamagedTransaction;
use super::log::{Blocks, Log};
use super::overlay::Replacement;
use super::revocation::revoked;
use super::scan::{BlockCopy, Contents};
use super::superblock::Superblock;
use crate::error::Result;

/// No transaction: the copy was never revoked.
const NEVER: u32 = u32::MAX;

/// The effect of a log.
#[derive(Debug)]
pub(super) struct Effect {
    /// The blocks that are replaced, in their order, each once.
    pub(super) replacements: Vec<Replacement>,
    /// Number of transactions that are replayed.
    pub(super) transactions: u32,
    /// Why there are not more.
    pub(super) damage: Option<DamagedTransaction>,
}

/// Decides which copies count.
///
/// A copy counts when its transaction is complete and no complete transaction from its own on revokes its block, as
/// in the kernel's revoke and replay passes. A damaged copy that would count ends the log before its transaction.
pub(super) fn resolve(
    contents: Contents,
    log: &Log,
    blocks: &mut Blocks<'_>,
    journal: &Superblock,
) -> Result<Effect> {
    let mut copies = contents.copies;
    // Stable: the copies of one block stay in the order of the log.
    copies.sort_by_key(|copy| copy.block);
    let mut revoked_at = vec![NEVER; copies.len()];
    let mut open = pending(&copies);
    for revocation in &contents.revocations {
        for block in revoked(blocks.get(revocation.log_block)?, journal) {
            if let Some(range) = open.get_mut(&block) {
                mark(&copies, &mut revoked_at, range, revocation.ordinal);
            }
        }
    }

    let copies = || copies.iter().zip(&revoked_at);
    let (end, damaged) = sound_end(copies(), contents.end);
    let damage = match damaged.and_then(|copy| copy.damage) {
        Some(damage) => Some(DamagedTransaction { sequence: journal.number(end), damage }),
        None => contents.damage,
    };
    let mut replacements: Vec<Replacement> = Vec::new();
    for (copy, _) in copies().filter(|(copy, at)| copy.ordinal < end && **at >= end) {
        if replacements.last().is_some_and(|last| last.block == copy.block) {
            replacements.pop();
        }
        let Some(found) = log.locate(copy.log_block) else { continue };
        let (block, escaped) = (copy.block, copy.escaped);
        replacements.push(Replacement { block, log_bytes: found.start(), escaped });
    }
    replacements.shrink_to_fit();
    Ok(Effect { replacements, transactions: end, damage })
}

/// For each block, the places of its copies that are not revoked yet.
fn pending(copies: &[BlockCopy]) -> HashMap<u64, Range<usize>> {
    let mut places: HashMap<u64, Range<usize>> = HashMap::new();
    for (place, copy) in copies.iter().enumerate() {
        let next = place.saturating_add(1);
        places.entry(copy.block).and_modify(|range| range.end = next).or_insert(place..next);
    }
    places
}

/// Notes that the copies up to transaction `ordinal` are revoked there. Revocations come in the order of the log, so
/// each copy is marked once, by the first that concerns it.
fn mark(copies: &[BlockCopy], revoked_at: &mut [u32], range: &mut Range<usize>, ordinal: u32) {
    let earlier =
        copies.get(range.clone()).unwrap_or_default().iter().take_while(|copy| copy.ordinal <= ordinal);
    let end = range.start.saturating_add(earlier.count());
    revoked_at.get_mut(range.start..end).unwrap_or_default().fill(ordinal);
    range.start = end;
}

/// The largest end of the log, at most `end`, before which no damaged copy counts, and the copy that it ends at.
///
/// An earlier end may undo a revocation, which makes another damaged copy count: so they are taken in the
/// order in which their revocations are undone.
fn sound_end<'a>(
    copies: impl Iterator<Item = (&'a BlockCopy, &'a u32)>,
    end: u32,
) -> (u32, Option<&'a BlockCopy>) {
    let mut damaged: Vec<_> =
        copies.filter(|(copy, _)| copy.damage.is_some() && copy.ordinal < end).collect();
    damaged.sort_by_key(|(copy, at)| (Reverse(**at), copy.ordinal, copy.log_block));
    let mut sound = (end, None);
    for (copy, at) in damaged {
        if *at < sound.0 {
            break;
        }
        if copy.ordinal < sound.0 {
            sound = (copy.ordinal, Some(copy));
        }
    }
    sound
}
