//! Fast commits, replayed one after the other.

use std::collections::btree_map::Entry;
use std::collections::{BTreeSet, HashMap, HashSet};

use thiserror::Error as ThisError;

use super::Edits;
use super::names::Names;
use super::ranges::Ranges;
use crate::error::{Error, Kind, Result};
use crate::fields::{u16_at, u32_at, wide};
use crate::filesystem::ext::journal::{FastCommit, Name};
use crate::filesystem::ext::map::Run;

/// Runs of blocks that are held for all files together; a default area for fast commits can name 65,536.
const MAX_RUNS: usize = 1 << 20;
/// Bytes of inodes' records that are held; 65,536 inodes of the usual 256 bytes have 16 MiB.
const MAX_RECORD_BYTES: usize = 64 << 20;

const MODE: usize = 0x00;
const LINKS: usize = 0x1A;
const FLAGS: usize = 0x20;
const I_BLOCK: usize = 0x28;
const GENERATION: usize = 0x64;
/// `EXT4_EXTENTS_FL`.
const EXTENTS: u32 = 0x8_0000;
/// An extent tree without entries, with space for four: `ext4_extent_header`.
const NO_EXTENTS: [u8; 12] = [0x0A, 0xF3, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0];
/// The kind in `i_mode`, and the kind of directories.
const KIND: u16 = 0xF000;
const DIRECTORY: u16 = 0x4000;

/// The filesystem as its transactions left it.
pub(in crate::filesystem::ext) trait Base {
    /// Whether an inode of this number can have a name: neither reserved nor out of range.
    fn is_ordinary(&self, inode: u64) -> bool;
    /// The record of an inode, also of one that is not in use.
    fn record(&self, inode: u64) -> Result<Vec<u8>>;
    /// The written blocks of an inode with extents, also those past its end.
    fn runs(&self, inode: u64, record: &[u8]) -> Result<Vec<Run>>;
    /// Gives each name of a directory and the inode that has it.
    fn names(&self, directory: u64, record: &[u8], each: &mut dyn FnMut(&[u8], u64)) -> Result<()>;
    /// Makes the checksum in an inode's record right.
    fn seal(&self, inode: u64, record: &mut [u8]);
    /// Bytes of names that may be read in all: more than there are on the device means that they come again.
    fn len_bytes(&self) -> u64;
}

/// Why a fast commit can't be replayed.
#[derive(Clone, Debug, PartialEq, Eq, ThisError)]
enum Fault {
    #[error("it changes inode {0}, which it can't")]
    Inode(u32),
    #[error("it names inode {0}, which is not in use")]
    Unused(u32),
    #[error("a name in directory {0} is `.` or `..`, or holds a slash or a NUL")]
    Name(u32),
    #[error("{0} runs of blocks, at most 1048576")]
    Runs(usize),
    #[error("records of inodes take {0} bytes, at most 67108864")]
    Records(usize),
    #[error("the directories that it changes have more than {0} bytes")]
    Directories(u64),
}

/// Why a change is not replayed.
enum Stop {
    Fault(Fault),
    /// The device can't be read, or a limit was reached: going on makes no sense.
    Unreadable(Error),
    /// What is to be changed is damaged: only this change is passed over. Reading the file will tell the damage.
    Damaged,
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        if error.ends_the_run() { Self::Unreadable(error) } else { Self::Damaged }
    }
}

/// Replays the changes in their order, as the `ext4_fc_replay_*` functions in `fs/ext4/fast_commit.c` do.
///
/// What can't be replayed, and all that follows, is left out, and is the second part of the result.
///
/// # Errors
///
/// When the device can't be read.
pub(in crate::filesystem::ext) fn replay(
    base: &dyn Base,
    commits: &[FastCommit],
) -> Result<(Edits, Option<Error>)> {
    let mut replay = Replay {
        base,
        mentioned: mentioned(commits),
        edits: Edits::default(),
        changed: BTreeSet::new(),
        runs: 0,
        record_bytes: 0,
        names_bytes: 0,
    };
    let mut stopped = None;
    for (commit, number) in commits.iter().zip(1_u32..) {
        match replay.one(commit) {
            Ok(()) | Err(Stop::Damaged) => {}
            Err(Stop::Unreadable(error)) => return Err(error),
            Err(Stop::Fault(fault)) => {
                let kind = match fault {
                    Fault::Runs(_) | Fault::Records(_) | Fault::Directories(_) => Kind::Limit,
                    _ => Kind::Corrupt,
                };
                let count = commits.len();
                let message = format!("fast commits {number} to {count} not replayed: {fault}");
                stopped = Some(Error::new(kind, message));
                break;
            }
        }
    }
    let Replay { mut edits, changed, .. } = replay;
    edits.records.retain(|inode, record| {
        base.seal(*inode, record);
        changed.contains(inode)
    });
    Ok((edits, stopped))
}

/// The names that the changes mention, by directory: only these need to be known.
fn mentioned(commits: &[FastCommit]) -> HashMap<u32, HashSet<&[u8]>> {
    let mut mentioned: HashMap<u32, HashSet<&[u8]>> = HashMap::new();
    for commit in commits {
        if let FastCommit::Create(name) | FastCommit::Link(name) | FastCommit::Unlink(name) = commit {
            mentioned.entry(name.parent).or_default().insert(&name.name);
        }
    }
    mentioned
}

struct Replay<'a> {
    base: &'a dyn Base,
    mentioned: HashMap<u32, HashSet<&'a [u8]>>,
    /// Its records are also those that were only looked at.
    edits: Edits,
    /// The inodes whose records changed.
    changed: BTreeSet<u64>,
    /// Runs of all maps.
    runs: usize,
    /// Bytes of all records.
    record_bytes: usize,
    /// Bytes of the directories that were read.
    names_bytes: u64,
}

impl Replay<'_> {
    fn one(&mut self, commit: &FastCommit) -> Result<(), Stop> {
        match commit {
            FastCommit::Inode { number, record } => self.inode(*number, record),
            FastCommit::AddRange { inode, block, len_blocks, device_block, is_unwritten } => {
                let (logical, len) = (u64::from(*block), u64::from(*len_blocks));
                let run = Run { logical, physical: *device_block, len };
                self.map(*inode, |ranges| match is_unwritten {
                    true => ranges.clear(logical, len),
                    false => ranges.set(run),
                })
            }
            FastCommit::DelRange { inode, block, len_blocks } => {
                self.map(*inode, |ranges| ranges.clear((*block).into(), (*len_blocks).into()))
            }
            FastCommit::Create(name) => self.create(name),
            FastCommit::Link(name) => self.link(name),
            FastCommit::Unlink(name) => self.unlink(name),
        }
    }

    /// The record of an inode as it is now.
    fn record(&mut self, inode: u32) -> Result<&mut Vec<u8>, Stop> {
        let number = u64::from(inode);
        if !self.base.is_ordinary(number) {
            return Err(Stop::Fault(Fault::Inode(inode)));
        }
        match self.edits.records.entry(number) {
            Entry::Occupied(found) => Ok(found.into_mut()),
            Entry::Vacant(vacant) => {
                let record = self.base.record(number)?;
                self.record_bytes = self.record_bytes.saturating_add(record.len());
                if self.record_bytes > MAX_RECORD_BYTES {
                    return Err(Stop::Fault(Fault::Records(self.record_bytes)));
                }
                Ok(vacant.insert(record))
            }
        }
    }

    /// The record of an inode, to be changed.
    fn record_mut(&mut self, inode: u32) -> Result<&mut Vec<u8>, Stop> {
        self.changed.insert(inode.into());
        self.record(inode)
    }

    fn set_links(&mut self, inode: u32, links: u16) -> Result<(), Stop> {
        overwrite(self.record_mut(inode)?, LINKS, Some(&links.to_le_bytes()));
        Ok(())
    }

    /// Whether the inode is in use; changes of one that isn't are passed over.
    fn is_used(&mut self, inode: u32) -> Result<bool, Stop> {
        let record = self.record(inode)?;
        Ok(u16_at(record, MODE).unwrap_or(0) != 0 && links(record) != 0)
    }

    /// Takes the new record of an inode over, all but its map of blocks: that changes by ranges.
    fn inode(&mut self, number: u32, new: &[u8]) -> Result<(), Stop> {
        let record = self.record_mut(number)?;
        overwrite(record, 0, new.get(..I_BLOCK));
        overwrite(record, GENERATION, new.get(GENERATION..));
        let map = record.get(I_BLOCK..GENERATION).unwrap_or_default();
        if !has_extents(record) {
            // Inline data, a device's number or a symbolic link's target.
            overwrite(record, I_BLOCK, new.get(I_BLOCK..GENERATION));
            self.edits.maps.remove(&number.into());
        } else if map.first_chunk::<2>() != NO_EXTENTS.first_chunk::<2>() {
            overwrite(record, I_BLOCK, Some(&NO_EXTENTS));
        }
        Ok(())
    }

    fn map(&mut self, inode: u32, change: impl FnOnce(&mut Ranges)) -> Result<(), Stop> {
        if !self.is_used(inode)? || !has_extents(self.record(inode)?) {
            return Ok(());
        }
        let number = u64::from(inode);
        let ranges = match self.edits.maps.entry(number) {
            Entry::Occupied(found) => found.into_mut(),
            Entry::Vacant(vacant) => {
                let record = self.edits.records.get(&number).map(Vec::as_slice).unwrap_or_default();
                let ranges: Ranges = self.base.runs(number, record)?.into_iter().collect();
                self.runs = self.runs.saturating_add(ranges.len());
                vacant.insert(ranges)
            }
        };
        let before = ranges.len();
        change(ranges);
        self.runs = self.runs.saturating_add(ranges.len()).saturating_sub(before);
        if self.runs > MAX_RUNS { Err(Stop::Fault(Fault::Runs(self.runs))) } else { Ok(()) }
    }

    /// A new inode gets its first name. A new directory is empty; its blocks were not a part of the fast commit.
    fn create(&mut self, name: &Name) -> Result<(), Stop> {
        if !self.is_used(name.inode)? {
            return Err(Stop::Fault(Fault::Unused(name.inode)));
        }
        if is_directory(self.record(name.inode)?) {
            self.edits.directories.insert(name.inode.into(), Names::new());
        }
        self.add_name(name)?;
        self.set_links(name.inode, 1)
    }

    fn link(&mut self, name: &Name) -> Result<(), Stop> {
        if self.is_used(name.inode)? && self.add_name(name)? {
            let links = links(self.record(name.inode)?).saturating_add(1);
            self.set_links(name.inode, links)?;
        }
        Ok(())
    }

    /// Whether the name was added: not when it is there already, whoever has it.
    fn add_name(&mut self, name: &Name) -> Result<bool, Stop> {
        let Some(names) = self.names(name.parent)? else { return Ok(false) };
        if names.get(&name.name).is_some() {
            return Ok(false);
        }
        let is_bad = matches!(name.name.as_slice(), b"." | b"..")
            || name.name.iter().any(|byte| matches!(byte, b'/' | 0));
        if is_bad {
            return Err(Stop::Fault(Fault::Name(name.parent)));
        }
        names.set(&name.name, Some(name.inode.into()));
        Ok(true)
    }

    /// A name that another inode has by now stays, but the link is gone all the same.
    fn unlink(&mut self, name: &Name) -> Result<(), Stop> {
        if !self.is_used(name.inode)? {
            return Ok(());
        }
        let Some(names) = self.names(name.parent)? else { return Ok(()) };
        match names.get(&name.name) {
            None => return Ok(()),
            Some(found) if found == u64::from(name.inode) => names.set(&name.name, None),
            Some(_) => {}
        }
        let left = links(self.record(name.inode)?).saturating_sub(1);
        self.set_links(name.inode, left)?;
        if left == 0 {
            // Its blocks are free; should the number be used again, it begins without any.
            self.edits.maps.insert(name.inode.into(), Ranges::default());
        }
        Ok(())
    }

    /// The names of a directory that are mentioned; `None` when it is not in use, or no directory.
    fn names(&mut self, directory: u32) -> Result<Option<&mut Names>, Stop> {
        if !self.is_used(directory)? || !is_directory(self.record(directory)?) {
            return Ok(None);
        }
        let number = u64::from(directory);
        match self.edits.directories.entry(number) {
            Entry::Occupied(found) => Ok(Some(found.into_mut())),
            Entry::Vacant(vacant) => {
                let record = self.edits.records.get(&number).map(Vec::as_slice).unwrap_or_default();
                self.names_bytes = self.names_bytes.saturating_add(wide(
                    u32_at(record, 0x6c).unwrap_or(0),
                    u32_at(record, 0x04).unwrap_or(0),
                ));
                let limit = self.base.len_bytes();
                if self.names_bytes > limit {
                    return Err(Stop::Fault(Fault::Directories(limit)));
                }
                let mentioned = self.mentioned.get(&directory);
                let mut names = Names::default();
                self.base.names(number, record, &mut |name, inode| {
                    if mentioned.is_some_and(|mentioned| mentioned.contains(name)) {
                        names.found(name, inode);
                    }
                })?;
                Ok(Some(vacant.insert(names)))
            }
        }
    }
}

fn has_extents(record: &[u8]) -> bool {
    u32_at(record, FLAGS).unwrap_or(0) & EXTENTS != 0
}

fn is_directory(record: &[u8]) -> bool {
    u16_at(record, MODE).unwrap_or(0) & KIND == DIRECTORY
}

fn links(record: &[u8]) -> u16 {
    u16_at(record, LINKS).unwrap_or(0)
}

/// Puts `bytes` at `at`, as far as there is space.
fn overwrite(record: &mut [u8], at: usize, bytes: Option<&[u8]>) {
    let space = record.iter_mut().skip(at);
    space.zip(bytes.unwrap_or_default()).for_each(|(old, new)| *old = *new);
}

#[cfg(test)]
mod tests;
