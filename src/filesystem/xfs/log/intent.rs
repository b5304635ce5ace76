//! Changes that were begun and not finished: those that a reader sees are finished here.
//!
//! Extents that are to be freed, reverse mappings and reference counts change nothing that a file
//! shows. Maps of files (`struct xfs_bui_log_format`), exchanges (`struct xfs_xmi_log_format`) and
//! attributes do.

use std::collections::{BTreeMap, HashMap};

use super::super::attribute::Space;
use super::super::extent::Run;
use super::super::metadata::Metadata;
use super::edits::AttributeChange;
use super::exchange;
use super::fault::Fault;
use super::item;
use super::transaction::Item;
use crate::error::{Error, Result};
use crate::fields::{slice_at, u32_at, u64_at};

/// Bytes of a file's map that an intent changes: `struct xfs_map_extent`, behind the header.
const EXTENT_AT: usize = 16;
const TYPE: u32 = 0xff;
/// `XFS_BMAP_MAP`, `XFS_BMAP_UNMAP`, `XFS_BMAP_EXTENT_*`.
const ADD: u32 = 1;
const REMOVE: u32 = 2;
const ATTRIBUTE_FORK: u32 = 1 << 31;
const UNWRITTEN: u32 = 1 << 30;
const REALTIME: u32 = 1 << 29;
/// `XFS_ATTRI_OP_FLAGS_*`: set, remove, replace. The others are pointers to parents, which nobody
/// sees.
const SET: u32 = 1;
const UNSET: u32 = 2;
const REPLACE: u32 = 3;
const PARENTS: std::ops::RangeInclusive<u32> = 4..=6;
/// Issues that are told of unfinished changes.
const FAULTS_TOLD: usize = 8;
/// Bytes of the items that are kept: there are as many at once as transactions that are under way.
const KEPT_BYTES_MOST: usize = 32 << 20;
/// Runs of files whose maps change, of all together.
const RUNS_MOST: usize = 1 << 20;

/// The unfinished changes, in their order.
#[derive(Default)]
pub(super) struct Intents {
    next: u64,
    bytes: usize,
    items: BTreeMap<u64, Item>,
    by_id: HashMap<(u16, u64), u64>,
}

impl Intents {
    /// Takes an intent, or what says that one is done; false where the item is neither.
    pub(super) fn take(&mut self, kind: u16, item: &Item) -> Result<bool, Fault> {
        match kind {
            item::MAP | item::ATTRIBUTE | item::EXCHANGE => {
                let before = self.by_id.insert((kind, item.id()?), self.next);
                self.forget(before);
                self.bytes = self.bytes.saturating_add(item.memory());
                if self.bytes > KEPT_BYTES_MOST {
                    return Err(Fault::Intents(KEPT_BYTES_MOST));
                }
                self.items.insert(self.next, item.clone());
                self.next = self.next.saturating_add(1);
            }
            item::MAP_DONE | item::ATTRIBUTE_DONE | item::EXCHANGE_DONE => {
                // A type and that of its end follow each other.
                let begun = (kind.saturating_sub(1), item.id()?);
                let number = self.by_id.remove(&begun);
                self.forget(number);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn forget(&mut self, number: Option<u64>) {
        if let Some(item) = number.and_then(|number| self.items.remove(&number)) {
            self.bytes = self.bytes.saturating_sub(item.memory());
        }
    }
}

/// Finishes what was begun, as edits. Gives what could not be finished.
pub(super) fn finish(metadata: &mut Metadata, intents: Intents) -> Vec<Error> {
    let mut faults = Vec::new();
    let mut untold = 0_usize;
    for item in intents.items.into_values() {
        let finished = match item.kind() {
            _ if metadata.edits.run_count() > RUNS_MOST => Err(Error::corrupt(format!(
                "the maps of the files before it have more than {RUNS_MOST} runs"
            ))),
            Ok(item::MAP) => map(metadata, item.region(0)),
            Ok(item::EXCHANGE) => exchange::finish(metadata, item.region(0)),
            _ => attribute(metadata, &item),
        };
        if let Err(error) = finished {
            if faults.len() < FAULTS_TOLD {
                faults.push(error.because("a change that the log began can't be finished: ", ""));
            } else {
                untold = untold.saturating_add(1);
            }
        }
    }
    if untold > 0 {
        faults.push(Error::corrupt(format!("{untold} more changes that the log began can't be finished")));
    }
    faults
}

/// Adds an extent to a file's map, or removes a part of it.
fn map(metadata: &mut Metadata, format: &[u8]) -> Result<()> {
    let field = |at: usize| u64_at(format, EXTENT_AT.saturating_add(at)).map_err(Error::corrupt);
    let small = |at: usize| u32_at(format, EXTENT_AT.saturating_add(at)).map_err(Error::corrupt);
    let (owner, flags) = (field(0)?, small(28)?);
    let run = Run {
        logical: field(16)?,
        physical: field(8)?,
        len: small(24)?.into(),
        is_unwritten: flags & UNWRITTEN != 0,
    };
    if flags & (ATTRIBUTE_FORK | REALTIME) != 0 {
        return Err(Error::corrupt("the map of attributes or of a realtime file").in_inode(owner));
    }
    let runs = exchange::of_file(metadata, owner)?;
    let mut changed = exchange::without(&runs, run.logical, run.end());
    match flags & TYPE {
        ADD if !metadata.superblock.holds_blocks(run.physical, run.len) => {
            return Err(Error::corrupt("an extent outside the filesystem").in_inode(owner));
        }
        ADD => changed.push(run),
        REMOVE => {}
        other => return Err(Error::corrupt(format!("a change of type {other} to a map")).in_inode(owner)),
    }
    changed.sort_by_key(|run| run.logical);
    metadata.edits.set_runs(owner, changed);
    Ok(())
}

/// Sets or removes an attribute.
fn attribute(metadata: &mut Metadata, item: &Item) -> Result<()> {
    let format = item.region(0);
    let small = |at: usize| u32_at(format, at).map_err(Error::corrupt);
    let inode = u64_at(format, 16).map_err(Error::corrupt)?;
    let (operation, filter) = (small(24)? & TYPE, small(36)?);
    if PARENTS.contains(&operation) {
        return Ok(());
    }
    let part = |region: usize, len: u32| {
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        slice_at(item.region(region), 0, len).map(<[u8]>::to_vec).map_err(Error::corrupt)
    };
    let name = part(1, small(28)?)?;
    let value = match operation {
        SET | REPLACE if small(32)? == 0 => Some(Vec::new()),
        SET | REPLACE => Some(part(2, small(32)?)?),
        UNSET => None,
        other => {
            return Err(Error::corrupt(format!("a change of type {other} to an attribute")).in_inode(inode));
        }
    };
    let flags = u8::try_from(filter & TYPE).unwrap_or(0);
    if let Some(space) = Space::of(flags) {
        metadata.edits.change_attribute(inode, AttributeChange { space, name, value });
    }
    Ok(())
}
