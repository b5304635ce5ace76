//! ext2, ext3 and ext4: one file for each concept on the disk.
//!
//! Everything is found by number and position, nothing is kept but what was read last, and any thread may ask.
//! <https://docs.kernel.org/filesystems/ext4/>

mod acl;
mod attribute;
mod checksum;
mod content;
mod directory;
mod edits;
mod extent;
mod features;
mod geometry;
mod group;
mod indirect;
mod inode;
mod journal;
mod locate;
mod map;
mod metadata;
mod recovery;
mod superblock;
mod table;
pub mod writer;

pub use self::features::FeatureNames;
pub use self::geometry::{Fault as GeometryFault, Geometry};

use self::inode::Private;
use self::metadata::Metadata;
use self::superblock::Superblock;
use super::{
    Attribute, Bounds, Content, FileKind, Filesystem, Inode, InodeId, Listing, Reader, Signature, Summary,
};
use crate::device::{Device, ReadAt, read_vec};
use crate::error::{Error, Kind, Result, Salvaged};
use crate::fields::until_nul;
use crate::printable::Printable;

/// `EXT4_ROOT_INO`.
const ROOT: u64 = 2;
/// Longest target of a symbolic link: `PATH_MAX` less its NUL.
const TARGET_MOST: u64 = 4095;
/// A directory is read in pieces of at most this many bytes.
const DIRECTORY_PIECE: u64 = 1 << 20;
/// Faults of group descriptors that are told one by one.
const DESCRIPTOR_FAULTS: usize = 8;
/// Faults that are told of one directory.
const DIRECTORY_FAULTS: usize = 8;

/// Reads ext2, ext3 and ext4.
pub(super) static READER: Reader = Reader {
    names: &["ext2", "ext3", "ext4"],
    open,
    find_copy: signature_of_copy,
    bounds: Bounds {
        // 8 bytes and the name, in steps of 4 (`ext4_dir_rec_len`).
        name_bytes: 12,
        // Each byte of a sound filesystem is read once or twice.
        metadata_per_byte: 8,
        // A header takes more space than a name on the disk. A filesystem with as many inodes as it
        // can have, all of them empty files, comes to twice its length. With shared attributes it
        // comes to seven times.
        output_per_byte: 8,
    },
};

/// An open ext2, ext3 or ext4 filesystem.
struct Ext {
    metadata: Metadata,
    summary: Summary,
    faults: Vec<Error>,
}

/// Opens an ext2, ext3 or ext4 filesystem.
///
/// # Errors
///
/// When the superblock can't be used, needs a feature that is not known here, or is of a filesystem that is longer than
/// the device.
fn open(device: Device, journal: Option<Device>) -> Result<Box<dyn Filesystem>> {
    let locate::Found { superblock, warning, unreadable } = locate::superblock(device.as_ref())?;
    let recovered = recovery::recover(device, superblock, warning.is_some(), journal)?;
    let (needed, there) = (recovered.superblock.len_bytes(), recovered.device.len_bytes());
    if needed > there {
        let message =
            format!("the filesystem has {needed} bytes, the device only {there}; is the image cut off?");
        return Err(Error::corrupt(message));
    }
    let summary = summary(&recovered.superblock);
    let metadata = Metadata::new(recovered.device, recovered.superblock);
    let geometry = Geometry::of(&metadata.superblock, journal_bytes(&metadata));
    let geometry = geometry.and_then(|geometry| serde_json::to_value(geometry).ok());
    let summary = Summary { warnings: warning.into_iter().collect(), geometry, ..summary };
    let mut faults: Vec<Error> = unreadable.into_iter().chain(opening_faults(&metadata)).collect();
    faults.extend(recovered.faults);
    let mut ext = Ext { metadata, summary, faults };
    match ext.replay(&recovered.fast_commits) {
        Err(error) if error.kind() == Kind::Read => ext.faults.push(journal::not_replayed(&error)),
        replayed => replayed?,
    }
    Ok(Box::new(ext))
}

/// What a copy of the superblock says, for a device on which nothing else says anything.
fn signature_of_copy(device: &dyn ReadAt) -> Option<Signature> {
    let summary = summary(&locate::copy(device)?);
    let uuid = summary.uuid.map(|uuid| uuid.to_string()).unwrap_or_default();
    Some(Signature { name: summary.name, label: summary.label, uuid })
}

fn opening_faults(metadata: &Metadata) -> Vec<Error> {
    let (mut faults, count) = metadata.descriptor_faults(DESCRIPTOR_FAULTS);
    let told = u64::try_from(faults.len()).unwrap_or(u64::MAX);
    if count > told {
        let rest = count.saturating_sub(told);
        faults.push(Error::corrupt(format!("{rest} more group descriptors with a fault")));
    }
    faults
}

fn summary(superblock: &Superblock) -> Summary {
    let block = u64::from(superblock.block_size);
    let free = superblock.free_blocks_count.min(superblock.blocks_count);
    Summary {
        name: superblock.features.filesystem_name(),
        uuid: Some(superblock.uuid).filter(|uuid| !uuid.is_nil()),
        label: Printable(&superblock.label).to_string(),
        size_bytes: superblock.len_bytes(),
        used_bytes: superblock.usable_blocks().saturating_sub(free).saturating_mul(block),
        free_bytes: free.saturating_mul(block),
        block_bytes: superblock.block_size,
        used_inodes: u64::from(superblock.inodes_count.saturating_sub(superblock.free_inodes_count)),
        features: superblock.features.names(),
        warnings: Vec::new(),
        geometry: None,
    }
}

/// The length of the journal in the filesystem itself; of one that can't be read it is not known.
fn journal_bytes(metadata: &Metadata) -> Option<u64> {
    let number = Some(metadata.superblock.journal_inode).filter(|number| *number != 0)?;
    let has_journal = metadata.superblock.features.has_journal();
    let inode = has_journal.then(|| metadata.inode(u64::from(number)).ok()).flatten()?;
    Some(inode.size_bytes)
}

impl Ext {
    /// Reads the names of a directory that has blocks, in large pieces.
    fn read_blocks(&self, inode: &Inode) -> Result<Salvaged<Listing>> {
        let Content::Extents(extents) = self.metadata.content(inode)? else {
            return self.read_inline(inode);
        };
        let superblock = &self.metadata.superblock;
        let private = Private::of(inode);
        let blocks = directory::Blocks {
            superblock,
            seed: private.seed(superblock, inode.id.number),
            has_index: private.has_index(),
            spelling: spelling(inode),
        };
        let block_size = u64::from(superblock.block_size);
        let mut listing = Listing::default();
        let mut faults = Vec::new();
        let mut errors = Vec::new();
        let mut end = 0;
        for extent in &extents {
            if extent.file_bytes != end {
                errors.push(Error::corrupt(format!("the directory has a hole at byte {end}")));
            }
            end = extent.file_bytes.saturating_add(extent.len_bytes);
            let mut done = 0;
            while done < extent.len_bytes {
                let piece = extent.len_bytes.saturating_sub(done).min(DIRECTORY_PIECE);
                let len = usize::try_from(piece).unwrap_or(0);
                let position = extent.at()?.saturating_add(done);
                let bytes = self.directory_piece(position, len, &mut errors)?;
                let first = extent.file_bytes.saturating_add(done).checked_div(block_size).unwrap_or(0);
                for (number, block) in (first..).zip(bytes.chunks(superblock.block_len())) {
                    blocks.read(number, block, &mut listing, &mut faults);
                }
                done = done.saturating_add(piece);
            }
        }
        if end < inode.size_bytes {
            errors.push(Error::corrupt(format!("the directory has a hole at byte {end}")));
        }
        errors.extend(few(faults));
        Ok(Salvaged { value: listing, faults: errors })
    }

    /// Reads a piece of a directory; where it can't be read as a whole, block by block, with a fault for each that can't.
    fn directory_piece(&self, position: u64, len: usize, faults: &mut Vec<Error>) -> Result<Vec<u8>> {
        match read_vec(self.device().as_ref(), position, len) {
            Err(error) if error.kind() == Kind::Read => {}
            read => return read,
        }
        let superblock = &self.metadata.superblock;
        let mut bytes = vec![0; len];
        for (block, number) in bytes.chunks_mut(superblock.block_len()).zip(0..) {
            match self.device().read_at(position.saturating_add(superblock.block_position(number)), block) {
                Ok(()) => {}
                Err(error) if error.kind() == Kind::Read => {
                    block.fill(0);
                    faults.push(error);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(bytes)
    }

    /// Reads the names of a directory that lies in its inode: the parent's number, and then entries in two parts.
    ///
    /// <https://docs.kernel.org/filesystems/ext4/inlinedata.html#inline-directories>
    fn read_inline(&self, inode: &Inode) -> Result<Salvaged<Listing>> {
        const PARENT_LEN: usize = 4;
        let superblock = &self.metadata.superblock;
        let mut listing = Listing::default();
        let mut faults = Vec::new();
        let i_block = Private::of(inode).i_block().map_err(Error::corrupt)?;
        directory::names(superblock, spelling(inode), 0, i_block, PARENT_LEN, &mut listing, &mut faults);
        let rest = attribute::inline_data(&self.metadata, inode)?;
        directory::names(superblock, spelling(inode), 1, &rest, 0, &mut listing, &mut faults);
        Ok(Salvaged { value: listing, faults: few(faults) })
    }

    fn read_target(&self, inode: &Inode) -> Result<Vec<u8>> {
        let size = inode.size_bytes;
        if size == 0 || size > TARGET_MOST {
            return Err(Error::corrupt(format!("a link target of {size} bytes, must be 1 to {TARGET_MOST}")));
        }
        let bytes = match self.is_fast_symlink(inode) {
            true => Private::of(inode).i_block().map_err(Error::corrupt)?.to_vec(),
            false => match self.metadata.content(inode)? {
                Content::Inline(bytes) => bytes,
                Content::Extents(extents) => self.metadata.read_extents(&extents, size)?,
            },
        };
        let target = bytes.get(..usize::try_from(size).unwrap_or(0)).unwrap_or(&bytes);
        match until_nul(target) {
            [] => Err(Error::corrupt("the link target is empty")),
            target => Ok(target.to_vec()),
        }
    }

    /// Whether the target is in `i_block` (`ext4_inode_is_fast_symlink`).
    fn is_fast_symlink(&self, inode: &Inode) -> bool {
        let superblock = &self.metadata.superblock;
        let private = Private::of(inode);
        if private.has_inline_data() {
            return false;
        }
        if superblock.features.has_ea_inode() {
            return inode.size_bytes < 60;
        }
        let attribute_sectors = match private.attribute_block(superblock) {
            0 => 0,
            _ => u64::from(superblock.cluster_size / 512),
        };
        private.allocated_sectors(superblock) == attribute_sectors
    }
}

impl Filesystem for Ext {
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
        ROOT.into()
    }

    fn inode(&self, InodeId { number, .. }: InodeId) -> Result<Inode> {
        let record = self.metadata.inode_record(number)?;
        inode::parse(&self.metadata.superblock, number, record)
            .map_err(|fault| Error::corrupt(fault).in_inode(number))
    }

    fn directory(&self, inode: &Inode) -> Result<Salvaged<Listing>> {
        if inode.kind != FileKind::Directory {
            return Err(Error::new(Kind::Usage, "is no directory").in_inode(inode.id.number));
        }
        let edits = &self.metadata.edits;
        let mut read = match edits.is_new(inode.id.number) {
            true => Salvaged::whole(Listing::default()),
            false => self.read_blocks(inode).map_err(|error| error.in_inode(inode.id.number))?,
        };
        read.value = edits.amend(inode.id.number, read.value);
        if inode.encrypted {
            let count = read.value.len();
            let message = format!("its {count} names are encrypted, and no key is here");
            return Err(Error::new(Kind::Unsupported, message).in_inode(inode.id.number));
        }
        read.faults = read.faults.into_iter().map(|fault| fault.in_inode(inode.id.number)).collect();
        Ok(read)
    }

    fn content(&self, inode: &Inode) -> Result<Content> {
        if inode.encrypted {
            let message = "its content is encrypted, and no key is here";
            return Err(Error::new(Kind::Unsupported, message).in_inode(inode.id.number));
        }
        self.metadata.content(inode)
    }

    fn link_target(&self, inode: &Inode) -> Result<Vec<u8>> {
        if inode.encrypted {
            let message = "its target is encrypted, and no key is here";
            return Err(Error::new(Kind::Unsupported, message).in_inode(inode.id.number));
        }
        self.read_target(inode).map_err(|error| error.in_inode(inode.id.number))
    }

    fn attributes(&self, inode: &Inode) -> Result<Salvaged<Vec<Attribute>>> {
        let mut found = attribute::list(&self.metadata, inode);
        found.faults = found.faults.into_iter().map(|fault| fault.in_inode(inode.id.number)).collect();
        Ok(found)
    }
}

fn spelling(inode: &Inode) -> directory::Spelling {
    if inode.encrypted { directory::Spelling::Encrypted } else { directory::Spelling::Plain }
}

/// The first few faults of a directory, and how many more there are.
fn few(faults: Vec<directory::Fault>) -> Vec<Error> {
    let more = faults.len().saturating_sub(DIRECTORY_FAULTS);
    let mut errors: Vec<Error> = faults.into_iter().take(DIRECTORY_FAULTS).map(Error::corrupt).collect();
    if more > 0 {
        errors.push(Error::corrupt(format!("{more} more faults in the directory")));
    }
    errors
}

/// A fixture, unpacked.
#[cfg(test)]
fn fixture(name: &str) -> Vec<u8> {
    let path = format!("{}/fixtures/{name}.img.zst", env!("CARGO_MANIFEST_DIR"));
    zstd::stream::decode_all(std::fs::File::open(path).unwrap()).unwrap()
}
