//! Opening a filesystem that was not unmounted: its journal, and what that changes.

use std::sync::Arc;

use super::edits::{self, Base};
use super::inode::{self, Private};
use super::journal::{self, FastCommit, Log, Recovery};
use super::map::Run;
use super::metadata::Metadata;
use super::superblock::Superblock;
use super::{Ext, ROOT, locate};
use crate::device::Device;
use crate::error::{Error, Kind, Result};
use crate::fields::u16_at;
use crate::filesystem::{Content, FileKind, Inode};

/// Blocks of the largest file that extents can describe: their block numbers have 32 bits.
const MAX_FILE_BLOCKS: u64 = 1 << 32;
/// Positions of the two halves of an inode's checksum, and of the fields' end that says whether the second is there.
const CHECKSUM_LOW: usize = 0x7C;
const CHECKSUM_HIGH: usize = 0x82;
const CHECKSUM_HIGH_END: usize = 0x84;

const NO_ROOT: &str = "the journal's transactions before its fault leave no root directory: the filesystem is read as it lies \
                       there, without the journal";

/// A filesystem as its journal's transactions leave it.
pub(super) struct Recovered {
    /// The device, with the replaced blocks in their place.
    pub device: Device,
    /// The superblock, which the journal may have replaced too.
    pub superblock: Superblock,
    /// The changes after the last transaction.
    pub fast_commits: Vec<FastCommit>,
    /// What of the journal could not be used.
    pub faults: Vec<Error>,
}

/// Recovers a filesystem, if it needs that; `journal_device` is where its journal is when it is not in a file.
///
/// A copy of the superblock, as its first is destroyed, doesn't know whether there is something to replay: then the
/// journal says so itself.
///
/// A journal that is damaged from its start on is a fault, and the filesystem is read as it lies there; also where what comes
/// before a later fault leaves no root directory.
///
/// # Errors
///
/// When a device can't be read, when the journal is on a device that was not named, or has unknown features.
pub(super) fn recover(
    device: Device,
    superblock: Superblock,
    is_copy: bool,
    journal_device: Option<Device>,
) -> Result<Recovered> {
    let features = superblock.features;
    let may_need_it = features.needs_recovery() || is_copy && features.has_journal();
    if !may_need_it {
        return Ok(Recovered { device, superblock, fast_commits: Vec::new(), faults: Vec::new() });
    }
    let recovery = log(&device, &superblock, journal_device)
        .and_then(|log| journal::recover(&log, blocks(&device, &superblock), superblock.inode_size));
    match recovery {
        Ok(Recovery { overlay, fast_commits, mut faults }) => {
            let replayed: Device = match overlay.is_empty() {
                true => Arc::clone(&device),
                false => Arc::new(overlay.over(Arc::clone(&device))),
            };
            let found = locate::superblock(replayed.as_ref()).map(|found| found.superblock);
            let is_lost = !found.as_ref().is_ok_and(|found| has_root(&replayed, found));
            if !faults.is_empty() && is_lost && has_root(&device, &superblock) {
                faults.push(Error::corrupt(NO_ROOT));
                return Ok(Recovered { device, superblock, fast_commits: Vec::new(), faults });
            }
            Ok(Recovered { device: replayed, superblock: found?, fast_commits, faults })
        }
        Err(error) if matches!(error.kind(), Kind::Corrupt | Kind::Read) => {
            Ok(Recovered { device, superblock, fast_commits: Vec::new(), faults: vec![error] })
        }
        Err(error) => Err(error),
    }
}

/// Whether there is a root directory. Of a damaged journal, what can be replayed may be one half of a change, and the other
/// half what would have made sense of it.
fn has_root(device: &Device, superblock: &Superblock) -> bool {
    let root = Metadata::new(Arc::clone(device), superblock.clone()).inode(ROOT);
    root.is_ok_and(|root| root.kind == FileKind::Directory && root.fault.is_none())
}

/// Blocks of the device: the superblock in the journal may say more than the present one.
fn blocks(device: &Device, superblock: &Superblock) -> u64 {
    device.len_bytes().checked_div(superblock.block_size.into()).unwrap_or(0)
}

fn log(device: &Device, superblock: &Superblock, journal_device: Option<Device>) -> Result<Log> {
    if superblock.journal_inode == 0 {
        let uuid = superblock.journal_uuid;
        let Some(journal_device) = journal_device else {
            let message = format!(
                "the journal must be replayed; it is on another device, with the UUID {uuid}: --journal names it"
            );
            return Err(Error::new(Kind::Source, message));
        };
        return Log::on_device(journal_device, uuid, superblock.block_size);
    }
    let metadata = Metadata::new(Arc::clone(device), superblock.clone());
    let inode = metadata.inode(superblock.journal_inode.into())?;
    let Content::Extents(extents) = metadata.content(&inode)? else {
        return Err(Error::corrupt("the journal has no blocks").in_inode(inode.id.number));
    };
    Ok(Log { device: Arc::clone(device), extents, block_bytes: superblock.block_size, superblock: 0 })
}

impl Ext {
    /// Replays the changes after the last transaction.
    pub(super) fn replay(&mut self, fast_commits: &[FastCommit]) -> Result<()> {
        let (edits, fault) = edits::replay(self, fast_commits)?;
        self.metadata.edits = edits;
        self.faults.extend(fault);
        Ok(())
    }

    fn parsed(&self, number: u64, record: &[u8]) -> Result<Inode> {
        inode::parse_unlinked(&self.metadata.superblock, number, record.to_vec())
            .map_err(|fault| Error::corrupt(fault).in_inode(number))
    }
}

impl Base for Ext {
    fn is_ordinary(&self, inode: u64) -> bool {
        let superblock = &self.metadata.superblock;
        let ordinary = u64::from(superblock.first_inode)..=u64::from(superblock.inodes_count);
        inode == ROOT || ordinary.contains(&inode)
    }

    fn record(&self, inode: u64) -> Result<Vec<u8>> {
        self.metadata.inode_record(inode)
    }

    fn runs(&self, inode: u64, record: &[u8]) -> Result<Vec<Run>> {
        self.metadata.check_blocks_read()?;
        let block_bytes = u64::from(self.metadata.superblock.block_size);
        let mut whole = self.parsed(inode, record)?;
        whole.size_bytes = MAX_FILE_BLOCKS.saturating_mul(block_bytes);
        let Content::Extents(extents) = self.metadata.content(&whole)? else { return Ok(Vec::new()) };
        let in_blocks = |bytes: u64| bytes.checked_div(block_bytes).unwrap_or(0);
        let run = |extent: crate::filesystem::Extent| {
            Ok(Run {
                logical: in_blocks(extent.file_bytes),
                physical: in_blocks(extent.at()?),
                len: in_blocks(extent.len_bytes),
            })
        };
        extents.into_iter().map(run).collect()
    }

    fn names(&self, directory: u64, record: &[u8], each: &mut dyn FnMut(&[u8], u64)) -> Result<()> {
        let listing = self.read_blocks(&self.parsed(directory, record)?)?.value;
        listing.iter().for_each(|entry| each(entry.name, entry.inode.number));
        Ok(())
    }

    fn seal(&self, inode: u64, record: &mut [u8]) {
        let superblock = &self.metadata.superblock;
        if !superblock.has_inode_checksums() {
            return;
        }
        let extra = usize::from(u16_at(record, inode::BASE_LEN).unwrap_or(0));
        let has_high = inode::BASE_LEN.saturating_add(extra) >= CHECKSUM_HIGH_END;
        put(record, CHECKSUM_LOW, [0; 2]);
        if has_high {
            put(record, CHECKSUM_HIGH, [0; 2]);
        }
        let [a, b, c, d] = Private(record).seed(superblock, inode).with(record).value().to_le_bytes();
        put(record, CHECKSUM_LOW, [a, b]);
        if has_high {
            put(record, CHECKSUM_HIGH, [c, d]);
        }
    }

    fn len_bytes(&self) -> u64 {
        self.metadata.device.len_bytes()
    }
}

fn put(record: &mut [u8], at: usize, bytes: [u8; 2]) {
    record.iter_mut().skip(at).zip(bytes).for_each(|(old, new)| *old = new);
}
