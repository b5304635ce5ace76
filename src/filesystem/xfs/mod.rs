//! XFS, versions 4 and 5: one file for each concept on the disk.
//!
//! Everything is found by number and position, nothing is kept but what the log changes, and any
//! thread may ask. An inode's number says where it lies, so the trees of inodes and of free space
//! are not read. <https://docs.kernel.org/filesystems/xfs/>

mod attribute;
mod block;
mod checksum;
mod directory;
mod extent;
mod features;
mod groups;
mod inode;
mod locate;
mod log;
mod map;
mod metadata;
#[cfg(test)]
mod sample;
mod superblock;
mod symlink;

use self::inode::Private;
use self::metadata::Metadata;
use self::superblock::Superblock;
use super::{
    Attribute, Bounds, Content, FileKind, Filesystem, Inode, InodeId, Listing, Reader, Signature, Summary,
};
use crate::device::{Device, ReadAt};
use crate::error::{Error, Kind, Result, Salvaged};
use crate::printable::Printable;

/// Reads XFS.
pub(super) static READER: Reader = Reader {
    names: &["xfs"],
    open,
    find_copy: signature_of_copy,
    bounds: Bounds {
        // Length, place, one letter, and an inode's number in the shortest form.
        name_bytes: 8,
        // As for ext: a sound filesystem stays far below.
        metadata_per_byte: 8,
        output_per_byte: 8,
    },
};

/// An open XFS.
struct Xfs {
    metadata: Metadata,
    summary: Summary,
    faults: Vec<Error>,
}

/// Opens an XFS. `journal` is the device that its log is on, where that is another one.
///
/// # Errors
///
/// When the superblock can't be used, needs a feature that is not known here, or is of a filesystem
/// that is longer than the device.
fn open(device: Device, journal: Option<Device>) -> Result<Box<dyn Filesystem>> {
    let locate::Found { superblock, is_copy, warning, unreadable } = locate::superblock(device.as_ref())?;
    check_len(&device, &superblock)?;
    let log::Recovered { metadata, faults: of_log } = log::recover(&device, &superblock, journal.as_ref())?;
    check_len(&device, &metadata.superblock)?;
    let summary = Summary { warnings: warning.into_iter().collect(), ..summary(&metadata, is_copy) };
    let faults = unreadable.into_iter().chain(of_log).collect();
    Ok(Box::new(Xfs { metadata, summary, faults }))
}

fn check_len(device: &Device, superblock: &Superblock) -> Result<()> {
    let (needed, there) = (superblock.len_bytes(), device.len_bytes());
    if needed <= there {
        return Ok(());
    }
    let message =
        format!("the filesystem has {needed} bytes, the device only {there}; is the image cut off?");
    Err(Error::corrupt(message))
}

/// Describes a copy of the superblock, for a device on which nothing else is found.
fn signature_of_copy(device: &dyn ReadAt) -> Option<Signature> {
    let (superblock, _) = locate::copy_by_default(device)?;
    let label = Printable(&superblock.label).to_string();
    Some(Signature { name: "xfs", label, uuid: superblock.uuid.to_string() })
}

fn summary(metadata: &Metadata, is_copy: bool) -> Summary {
    let superblock = &metadata.superblock;
    let block = u64::from(superblock.block_size);
    let groups::Counts { free_blocks, inodes, free_inodes } = groups::counts(metadata, is_copy);
    // The log is no space for files, where it is in the filesystem.
    let log = if superblock.log_start == 0 { 0 } else { u64::from(superblock.log_blocks) };
    let free = free_blocks.min(superblock.blocks);
    Summary {
        name: "xfs",
        uuid: Some(superblock.uuid).filter(|uuid| !uuid.is_nil()),
        label: Printable(&superblock.label).to_string(),
        size_bytes: superblock.len_bytes(),
        used_bytes: superblock.blocks.saturating_sub(log).saturating_sub(free).saturating_mul(block),
        free_bytes: free.saturating_mul(block),
        block_bytes: superblock.block_size,
        used_inodes: inodes.saturating_sub(free_inodes),
        features: superblock.features.names(),
        warnings: Vec::new(),
        geometry: None,
    }
}

impl Filesystem for Xfs {
    fn summary(&self) -> &Summary {
        &self.summary
    }

    fn faults(&self) -> &[Error] {
        &self.faults
    }

    fn device(&self) -> &Device {
        &self.metadata.device
    }

    fn reader(&self) -> &'static Reader {
        &READER
    }

    fn root(&self) -> InodeId {
        self.metadata.superblock.root.into()
    }

    fn inode(&self, id: InodeId) -> Result<Inode> {
        self.metadata.inode(id.number)
    }

    fn directory(&self, inode: &Inode) -> Result<Salvaged<Listing>> {
        if inode.kind != FileKind::Directory {
            return Err(Error::new(Kind::Usage, "is no directory").in_inode(inode.id.number));
        }
        let read = directory::read(&self.metadata, inode);
        let mut read = read.map_err(|error| error.in_inode(inode.id.number))?;
        read.faults = read.faults.into_iter().map(|fault| fault.in_inode(inode.id.number)).collect();
        Ok(read)
    }

    fn content(&self, inode: &Inode) -> Result<Content> {
        let located = |error: Error| error.in_inode(inode.id.number);
        if Private::of(inode).is_realtime() {
            let message = "its content is on the realtime device, which can't be read yet";
            return Err(located(Error::new(Kind::Unsupported, message)));
        }
        let runs = self.metadata.data_runs(inode).map_err(located)?;
        Ok(Content::Extents(self.metadata.extents(&runs, inode.size_bytes)))
    }

    fn link_target(&self, inode: &Inode) -> Result<Vec<u8>> {
        symlink::target(&self.metadata, inode).map_err(|error| error.in_inode(inode.id.number))
    }

    fn attributes(&self, inode: &Inode) -> Result<Salvaged<Vec<Attribute>>> {
        let found = attribute::list(&self.metadata, inode);
        let mut found = found.map_err(|error| error.in_inode(inode.id.number))?;
        found.faults = found.faults.into_iter().map(|fault| fault.in_inode(inode.id.number)).collect();
        Ok(found)
    }
}
