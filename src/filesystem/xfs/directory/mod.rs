//! Directories: names in the inode, or in blocks of their own.
//!
//! Every block of names is read, one after the other. The blocks behind the first 32 GiB of a
//! directory are its index by hash, which a reader of all names does not need.
//!
//! Layout: `fs/xfs/libxfs/xfs_da_format.h` in the kernel.

mod data;
mod short;

use thiserror::Error;

use super::block;
use super::inode::{Format, Private};
use super::metadata::Metadata;
use crate::error::{Error, Kind, Result, Salvaged};
use crate::fields::Short;
use crate::filesystem::{Inode, Listing};

/// `XFS_DIR2_LEAF_OFFSET`: where the index begins.
const INDEX_BYTES: u64 = 1 << 35;
/// Faults that are told of one directory.
const FAULTS_TOLD: usize = 8;

/// Faults of a directory, or of a part of it.
#[derive(Debug, Error, PartialEq, Eq)]
enum Fault {
    #[error(transparent)]
    Short(#[from] Short),
    #[error("directory {0}")]
    Block(#[from] block::Fault),
    #[error("names in a fork of format {0:?}")]
    Format(Format),
    #[error("directory block {block} has magic {magic:#010x}")]
    Magic { block: u64, magic: u32 },
    #[error("directory block {0} is not whole: a part of it is a hole")]
    Hole(u64),
    #[error("directory block {block}: entry at {at} is {len} bytes long")]
    Length { block: u64, at: usize, len: usize },
    #[error("directory block {block}: entry at {at} says that it is at {tag}")]
    Tag { block: u64, at: usize, tag: u16 },
    #[error("directory block {block}: {entries} entries in its index")]
    Tail { block: u64, entries: u32 },
    #[error("directory block {block}: entry at {at} is for inode {inode}, which is outside the filesystem")]
    Inode { block: u64, at: usize, inode: u64 },
    #[error("directory block {block}: the name at {at} is empty, or holds a slash or a NUL")]
    Name { block: u64, at: usize },
}

/// Collects the names of one directory, and what is wrong with it.
struct Names<'a> {
    metadata: &'a Metadata,
    listing: Listing,
    faults: Vec<Error>,
    untold: usize,
}

impl Names<'_> {
    fn fault(&mut self, fault: impl Into<Error>) {
        if self.faults.len() < FAULTS_TOLD {
            self.faults.push(fault.into());
        } else {
            self.untold = self.untold.saturating_add(1);
        }
    }

    /// Adds a name, except `.` and `..`.
    fn name(&mut self, block: u64, at: usize, name: &[u8], inode: u64) {
        if matches!(name, b"." | b"..") {
            return;
        }
        if name.is_empty() || name.contains(&b'/') || name.contains(&0) {
            return self.fault(Fault::Name { block, at });
        }
        if self.metadata.superblock.inode_position(inode).is_none() {
            return self.fault(Fault::Inode { block, at, inode });
        }
        self.listing.push(name, inode);
    }

    fn done(mut self) -> Salvaged<Listing> {
        if self.untold > 0 {
            self.faults.push(Error::corrupt(format!("{} more faults in the directory", self.untold)));
        }
        Salvaged { value: self.listing, faults: self.faults }
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        Self::corrupt(fault)
    }
}

/// Reads the names of a directory.
pub(super) fn read(metadata: &Metadata, inode: &Inode) -> Result<Salvaged<Listing>> {
    let mut names = Names { metadata, listing: Listing::default(), faults: Vec::new(), untold: 0 };
    let fork = Private::of(inode).data().map_err(Error::corrupt)?;
    match fork.format {
        Format::Local => {
            let len = usize::try_from(inode.size_bytes).unwrap_or(usize::MAX).min(fork.bytes.len());
            let has_file_type = metadata.superblock.features.has_file_type();
            if let Err(fault) =
                short::read(fork.bytes.get(..len).unwrap_or_default(), has_file_type, &mut names)
            {
                names.fault(fault);
            }
        }
        Format::Extents | Format::Tree => blocks(metadata, inode, &mut names)?,
        other => return Err(Fault::Format(other).into()),
    }
    Ok(names.done())
}

/// Reads the blocks that hold names, each once.
fn blocks(metadata: &Metadata, inode: &Inode, names: &mut Names<'_>) -> Result<()> {
    let superblock = &metadata.superblock;
    let len = usize::try_from(superblock.directory_block).unwrap_or(0);
    let per_block = u64::from(superblock.directory_block >> superblock.block_log).max(1);
    let runs = metadata.data_runs(inode)?;
    let index = INDEX_BYTES >> superblock.block_log;
    let mut next = 0;
    for run in runs.iter().take_while(|run| run.logical < index) {
        let first = run.logical.checked_div(per_block).unwrap_or(0).max(next);
        let end = run.end().min(index).div_ceil(per_block);
        for number in first..end {
            let logical = number.saturating_mul(per_block);
            match metadata.read_fork(&runs, logical, len) {
                Ok(Some(bytes)) => {
                    let physical = runs.iter().rev().find(|run| run.logical <= logical);
                    let place = physical.and_then(|run| run.between(logical, logical.saturating_add(1)));
                    let position = place.map_or(0, |run| metadata.position(&run));
                    if let Err(fault) = data::read(number, &bytes, position, inode.id.number, names) {
                        names.fault(fault);
                    }
                }
                Ok(None) => names.fault(Fault::Hole(number)),
                Err(error) if error.kind() == Kind::Read => names.fault(error),
                Err(error) => return Err(error),
            }
        }
        next = next.max(end);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
