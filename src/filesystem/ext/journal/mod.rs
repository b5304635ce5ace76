//! The journal (jbd2): recovery in memory, with the device untouched.
//!
//! ```text
//! superblock ▶ scan (descriptor, revocation, commit) ▶ replay ▶ overlay
//!                                                    ▶ fast_commit
//! ```
//!
//! A filesystem that was not unmounted is only consistent together with its journal. Recovery finds the complete
//! transactions, and of each block the newest copy that was not revoked; [`Overlaid`] is the filesystem's device with
//! these blocks in their place. What it keeps is where the copies are, so its memory is bounded by the blocks of the log.
//!
//! Format: <https://docs.kernel.org/filesystems/ext4/journal.html>; behaviour: `fs/jbd2/recovery.c` in the kernel.

mod checksum;
mod commit;
mod descriptor;
mod external;
mod fast_commit;
mod fault;
mod header;
mod log;
mod overlay;
mod replay;
mod revocation;
mod scan;
mod superblock;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod writer;

pub(super) use fast_commit::{FastCommit, Name};
pub(super) use log::Log;
pub(super) use overlay::Overlay;

use fault::Fault;
use log::Blocks;
use superblock::Superblock;

use crate::error::{Error, Kind, Result};

/// What recovery found.
#[derive(Debug)]
pub(super) struct Recovery {
    /// The blocks that are replaced.
    pub(super) overlay: Overlay,
    /// The changes after the last transaction, in their order.
    pub(super) fast_commits: Vec<FastCommit>,
    /// What of the journal could not be used. What came before it is replayed.
    pub(super) faults: Vec<Error>,
}

/// Finds out what the journal changes.
///
/// `filesystem_blocks` bounds the blocks that it may replace: those of the device, as the journal may hold a newer
/// superblock that says more than the old one. `inode_bytes` is the length of an inode's record.
///
/// # Errors
///
/// When the device can't be read, or the journal's superblock says nothing that can be trusted.
pub(super) fn recover(log: &Log, filesystem_blocks: u64, inode_bytes: u16) -> Result<Recovery> {
    let mut blocks = Blocks::new(log);
    let journal = Superblock::parse(blocks.get(log.superblock)?, log.block_bytes, log.len_blocks())?;
    check_own_device(log, &journal)?;

    let contents = scan::scan(&mut blocks, &journal, filesystem_blocks)?;
    let effect = replay::resolve(contents, log, &mut blocks, &journal)?;
    let mut faults: Vec<Error> = effect.damage.map(Error::from).into_iter().collect();
    let mut fast_commits = Vec::new();
    if journal.fast_commit && journal.start.is_some() && faults.is_empty() {
        let tid = journal.number(effect.transactions);
        match fast_commit::read(&mut blocks, &journal, tid, inode_bytes) {
            Err(error) if error.kind() == Kind::Read => faults.push(not_replayed(&error)),
            read => {
                let (found, fault) = read?;
                fast_commits = found;
                faults.extend(fault.map(Error::from));
            }
        }
    }
    let overlay =
        Overlay { log: log.device.clone(), block_bytes: log.block_bytes, replacements: effect.replacements };
    Ok(Recovery { overlay, fast_commits, faults })
}

/// The device's error, where the fast commits, or what they change, could not be read.
pub(super) fn not_replayed(error: &Error) -> Error {
    error.clone().because("fast commits not replayed: ", "")
}

/// What only holds for a journal on a device of its own, where other superblocks come first.
fn check_own_device(log: &Log, journal: &Superblock) -> Result<(), Fault> {
    if log.superblock == 0 {
        return Ok(());
    }
    if journal.users != 1 {
        return Err(Fault::Users(journal.users));
    }
    if journal.first <= log.superblock {
        return Err(Fault::SuperblockInLog { superblock: log.superblock, s_first: journal.first });
    }
    Ok(())
}
