//! Exchanges: two files that give each other a part of their maps (`struct xfs_xmi_log_format`).

use super::super::extent::Run;
use super::super::metadata::Metadata;
use crate::error::{Error, Result};
use crate::fields::u64_at;

/// `XFS_EXCHMAPS_*`.
const ATTRIBUTE_FORK: u64 = 1 << 0;
const SET_SIZES: u64 = 1 << 1;
const FIRST_WRITTEN: u64 = 1 << 2;

/// The runs of a file; none of a file that has no name any more, as nobody sees it.
pub(super) fn of_file(metadata: &Metadata, inode: u64) -> Result<Vec<Run>> {
    let inode = metadata.inode(inode)?;
    metadata.data_runs(&inode)
}

/// The runs without what lies between two blocks of the file.
pub(super) fn without(runs: &[Run], start: u64, end: u64) -> Vec<Run> {
    let parts = |run: &Run| [run.between(0, start), run.between(end, u64::MAX)];
    runs.iter().flat_map(parts).flatten().collect()
}

/// Runs that are looked at, over all parts of an exchange.
const STEPS_MOST: usize = 1 << 26;

/// The runs of one file's part, as they lie in the other's.
fn moved(runs: &[Run], start: u64, len: u64, to: u64) -> Vec<Run> {
    let end = start.saturating_add(len);
    let parts = runs.iter().filter_map(|run| run.between(start, end));
    parts.map(|run| Run { logical: to.saturating_add(run.logical.saturating_sub(start)), ..run }).collect()
}

/// The rest of an unfinished exchange.
struct Exchange {
    inodes: [u64; 2],
    starts: [u64; 2],
    len: u64,
    flags: u64,
    sizes: [u64; 2],
}

fn parse(format: &[u8]) -> Result<Exchange> {
    let field = |at: usize| u64_at(format, at).map_err(Error::corrupt);
    Ok(Exchange {
        inodes: [field(16)?, field(24)?],
        starts: [field(40)?, field(48)?],
        len: field(56)?,
        flags: field(64)?,
        sizes: [field(72)?, field(80)?],
    })
}

/// Does the rest of an exchange.
pub(super) fn finish(metadata: &mut Metadata, format: &[u8]) -> Result<()> {
    let Exchange { inodes: [one, two], starts: [from, to], len, flags, sizes: [size_one, size_two] } =
        parse(format)?;
    if flags & ATTRIBUTE_FORK != 0 {
        return Err(Error::corrupt("an exchange of attributes").in_inode(one));
    }
    let (first, second) = (of_file(metadata, one)?, of_file(metadata, two)?);
    let (mut first_new, mut second_new) = (first.clone(), second.clone());
    // When only written blocks are exchanged, holes of the first file stay.
    let parts: Vec<(u64, u64)> = match flags & FIRST_WRITTEN {
        0 => vec![(0, len)],
        _ => first
            .iter()
            .filter(|run| !run.is_unwritten)
            .filter_map(|run| run.between(from, from.saturating_add(len)))
            .map(|run| (run.logical.saturating_sub(from), run.len))
            .collect(),
    };
    let steps = first.len().saturating_add(second.len()).saturating_mul(parts.len());
    if steps > STEPS_MOST {
        let message = format!("an exchange of {} parts of files in many pieces", parts.len());
        return Err(Error::corrupt(message).in_inode(one));
    }
    for (within, len) in parts {
        let (from, to) = (from.saturating_add(within), to.saturating_add(within));
        first_new = without(&first_new, from, from.saturating_add(len));
        first_new.extend(moved(&second, to, len, from));
        second_new = without(&second_new, to, to.saturating_add(len));
        second_new.extend(moved(&first, from, len, to));
    }
    first_new.sort_by_key(|run| run.logical);
    second_new.sort_by_key(|run| run.logical);
    metadata.edits.set_runs(one, first_new);
    metadata.edits.set_runs(two, second_new);
    if flags & SET_SIZES != 0 {
        metadata.edits.set_size(one, size_one);
        metadata.edits.set_size(two, size_two);
    }
    Ok(())
}
