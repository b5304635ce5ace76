//! Fills a filesystem that was just made, on a device, without a mount: inodes, names, content, and all that counts them.
//!
//! The caller gives what there is in any order in which a directory comes before what is in it. Content is written as it comes. Names, and
//! what is known of directories, stay in memory until [`Writer::finish`], which writes directories, bitmaps and counts. Until then the
//! filesystem is of no use; after it `e2fsck` has nothing to say.

mod attributes;
mod bitmap;
mod blocks;
mod content;
mod core;
mod directory;
mod finish;
mod groups;
mod hash;
mod index;
mod map;
mod names;
mod packing;
mod quota;
mod record;
mod settings;
mod space;
mod table;
mod tree;
mod veil;

use std::collections::HashMap;

use self::attributes::Shared;
use self::core::Core;
use self::hash::Hasher;
use self::map::I_BLOCK_LEN;
use self::quota::{Usage, Used};
use self::record::Rest;
use self::tree::Tree;
use super::checksum::Crc;
use super::geometry::Geometry;
use super::superblock::{self, CHECKSUM_AT};
use crate::device::{WriteDevice, read_vec};
use crate::error::{Error, Kind, Result, Salvaged};
use crate::fields::{put_u32, u32_at};
use crate::filesystem::{Content as Kept, FileKind, Inode, Metadata};

pub use self::content::Content;
pub use self::finish::Filled;
pub use self::tree::Folder;
pub use self::veil::{Veil, zeros};

/// `EXT4_LINK_MAX`.
const LINKS_MOST: u32 = 65_000;
/// Longest target in `i_block`: it has a NUL behind it.
const FAST_TARGET_MOST: usize = I_BLOCK_LEN - 1;
/// A directory without a name of its own, in which `e2fsck` puts what it finds.
const LOST_AND_FOUND: &[u8] = b"lost+found";
const ROOT: u32 = 2;

/// An inode that was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Made {
    /// Its number.
    pub number: u32,
    /// What it is.
    pub kind: FileKind,
}

/// Fills a filesystem.
pub struct Writer {
    core: Core,
    /// The superblock as it lies on the device, with the settings in it.
    superblock: Vec<u8>,
    hasher: Hasher,
    tree: Tree,
    shared: Shared,
    usage: Usage,
    /// Names of each inode that has more than one.
    links: HashMap<u32, u32>,
    /// The directory that comes with a new filesystem, until it has its name: its number and size.
    lost_and_found: Option<(u32, u64)>,
}

impl Writer {
    /// Takes a filesystem in which there is nothing yet, and gives it the settings of the geometry.
    ///
    /// # Errors
    ///
    /// [`Kind::Corrupt`] when there is none on the device, or it is not empty; [`Kind::Read`] and [`Kind::Write`] when the device fails.
    pub fn new(target: WriteDevice, geometry: &Geometry) -> Result<Self> {
        let opened = super::open(target.clone(), None)?;
        let mut bytes = read_vec(target.as_ref(), superblock::POSITION, superblock::LEN)?;
        settings::apply(&mut bytes, geometry);
        seal(&mut bytes);
        let superblock = superblock::parse(&bytes).map_err(Error::corrupt)?;
        let hasher = Hasher::of(&bytes).map_err(Error::corrupt)?;
        let mut core = Core::new(target, superblock)?;
        let root = opened.inode(opened.root())?;
        release(&mut core, opened.as_ref(), &root)?;
        let mut lost_and_found = None;
        for entry in opened.directory(&root)?.value.iter() {
            let inode = opened.inode(entry.inode)?;
            if entry.name != LOST_AND_FOUND || inode.kind != FileKind::Directory {
                let message = "the filesystem is not empty: it is to be filled right after it was made";
                return Err(Error::corrupt(message));
            }
            release(&mut core, opened.as_ref(), &inode)?;
            let number = u32::try_from(entry.inode.number).map_err(Error::corrupt)?;
            lost_and_found = Some((number, inode.size_bytes));
        }
        let has_quota = core.superblock.features.has_quota();
        for kind in quota::KINDS.iter().filter(|_| has_quota) {
            match u32_at(&bytes, kind.inode_at).map_err(Error::corrupt)? {
                0 => {}
                number => release(&mut core, opened.as_ref(), &opened.inode(u64::from(number).into())?)?,
            }
        }
        let (tree, shared, usage, links) = (Tree::new(ROOT), Shared::new(), Usage::default(), HashMap::new());
        Ok(Self { core, superblock: bytes, hasher, tree, shared, usage, links, lost_and_found })
    }

    /// The root directory.
    #[must_use]
    pub fn root(&self) -> Folder {
        self.tree.root()
    }

    /// Says what the root directory is like.
    pub fn set_root(&mut self, new: Metadata) {
        self.tree.set(self.tree.root(), new);
    }

    /// Makes a directory.
    ///
    /// # Errors
    ///
    /// When there can be no such name, or the parent has too many directories; [`Kind::Write`] when the device fails or is full.
    pub fn directory(&mut self, parent: Folder, name: &[u8], new: Metadata) -> Result<Folder> {
        self.tree.check(parent, name)?;
        let counts_on = self.core.superblock.features.has_uncounted_directories();
        if !counts_on && self.tree.directories(parent) >= LINKS_MOST.saturating_sub(2) {
            return Err(Error::new(
                Kind::Unsupported,
                "its directory has as many directories as one can have",
            ));
        }
        let is_root = parent == self.tree.root();
        let (number, least_bytes) = match self.lost_and_found.filter(|_| is_root && name == LOST_AND_FOUND) {
            Some(found) => {
                self.lost_and_found = None;
                found
            }
            None => (self.core.space.inode(true)?, 0),
        };
        Ok(self.tree.add(parent, name, number, new, least_bytes))
    }

    /// Makes a regular file; `fill` gives its content. Where that fails, the file has what came before, and a fault is told.
    ///
    /// # Errors
    ///
    /// When there can be no such name, or no file of this size; when the device fails or is full.
    pub fn file(
        &mut self,
        parent: Folder,
        name: &[u8],
        new: &Metadata,
        size_bytes: u64,
        fill: &mut dyn FnMut(&mut Content<'_>) -> Result<()>,
    ) -> Result<Salvaged<Made>> {
        self.tree.check(parent, name)?;
        let block = u64::from(self.core.superblock.block_size).max(1);
        let most = map::blocks_most(&self.core).saturating_mul(block);
        if size_bytes > most {
            let message =
                format!("a file of {size_bytes} bytes, this filesystem has none of more than {most}");
            return Err(Error::new(Kind::Unsupported, message));
        }
        let number = self.core.space.inode(false)?;
        let mut faults = Vec::new();
        let mut content = Content::new(&mut self.core, size_bytes);
        match fill(&mut content) {
            Err(error) if error.ends_the_run() => return Err(error),
            filled => faults.extend(filled.err()),
        }
        let (map, sectors) = content.finish(number)?;
        let rest = Rest { flags: map.flags, ..self.rest(number, size_bytes, sectors, map.i_block) };
        self.inode(Made { number, kind: FileKind::Regular }, new, rest, &mut faults)?;
        self.tree.push(parent, name, number, FileKind::Regular);
        Ok(Salvaged { value: Made { number, kind: FileKind::Regular }, faults })
    }

    /// Makes a symbolic link.
    ///
    /// # Errors
    ///
    /// When there can be no such name, or no such target; when the device fails or is full.
    pub fn symlink(
        &mut self,
        parent: Folder,
        name: &[u8],
        new: &Metadata,
        target: &[u8],
    ) -> Result<Salvaged<Made>> {
        self.tree.check(parent, name)?;
        if target.is_empty()
            || target.contains(&0)
            || target.len() >= self.core.superblock.block_len().min(4096)
        {
            let len = target.len();
            return Err(Error::corrupt(format!(
                "a link target of {len} bytes, which this filesystem can't keep"
            )));
        }
        let number = self.core.space.inode(false)?;
        let size = u64::try_from(target.len()).unwrap_or(u64::MAX);
        let rest = if target.len() <= FAST_TARGET_MOST {
            let mut i_block = [0; I_BLOCK_LEN];
            crate::fields::put_bytes(&mut i_block, 0, target);
            self.rest(number, size, 0, i_block)
        } else {
            let mut content = Content::new(&mut self.core, size);
            content.put(0, target)?;
            let (map, sectors) = content.finish(number)?;
            Rest { flags: map.flags, ..self.rest(number, size, sectors, map.i_block) }
        };
        self.other(parent, name, Made { number, kind: FileKind::Symlink }, new, rest)
    }

    /// Makes a device, a pipe or a socket.
    ///
    /// # Errors
    ///
    /// When there can be no such name; when the device fails or is full.
    pub fn special(
        &mut self,
        parent: Folder,
        name: &[u8],
        kind: FileKind,
        new: &Metadata,
    ) -> Result<Salvaged<Made>> {
        self.tree.check(parent, name)?;
        let i_block = match kind {
            FileKind::CharacterDevice { major, minor } | FileKind::BlockDevice { major, minor } => {
                if major > 0xfff || minor > 0xf_ffff {
                    return Err(Error::corrupt(format!("a device with the numbers {major} and {minor}")));
                }
                record::device_numbers(major, minor)
            }
            FileKind::Fifo | FileKind::Socket => [0; I_BLOCK_LEN],
            _ => return Err(Error::corrupt("is no device, pipe or socket")),
        };
        let number = self.core.space.inode(false)?;
        let rest = self.rest(number, 0, 0, i_block);
        self.other(parent, name, Made { number, kind }, new, rest)
    }

    /// Gives an inode that was made a further name.
    ///
    /// # Errors
    ///
    /// When there can be no such name, or the inode has as many as it can have.
    pub fn link(&mut self, parent: Folder, name: &[u8], made: Made) -> Result<()> {
        self.tree.check(parent, name)?;
        let count = self.links.entry(made.number).or_insert(1);
        if *count >= LINKS_MOST {
            return Err(Error::new(
                Kind::Unsupported,
                format!("it has {LINKS_MOST} names, which is all it can have"),
            ));
        }
        *count = count.saturating_add(1);
        self.tree.push(parent, name, made.number, made.kind);
        Ok(())
    }

    /// Whether an inode can keep such a time; otherwise it gets the nearest one that it can.
    #[must_use]
    pub fn keeps_time(&self, time: crate::filesystem::Timestamp) -> bool {
        record::keeps_time(&self.core.superblock, time)
    }

    fn other(
        &mut self,
        parent: Folder,
        name: &[u8],
        made: Made,
        new: &Metadata,
        rest: Rest,
    ) -> Result<Salvaged<Made>> {
        let mut faults = Vec::new();
        self.inode(made, new, rest, &mut faults)?;
        self.tree.push(parent, name, made.number, made.kind);
        Ok(Salvaged { value: made, faults })
    }

    fn rest(&self, number: u32, size: u64, sectors: u64, i_block: [u8; I_BLOCK_LEN]) -> Rest {
        let generation = self.core.generation(number);
        Rest { size, links: 1, sectors, flags: 0, i_block, generation, attribute_block: 0 }
    }

    fn inode(&mut self, made: Made, new: &Metadata, mut rest: Rest, faults: &mut Vec<Error>) -> Result<()> {
        let placed = self.shared.place(&mut self.core, new, faults)?;
        if placed.block != 0 {
            rest.attribute_block = placed.block;
            rest.sectors = rest.sectors.saturating_add(self.core.sectors_per_cluster());
        }
        // Values that have inodes of their own count for whoever has the attribute.
        let of_values = placed.value_clusters.saturating_mul(self.core.sectors_per_cluster());
        rest.sectors = rest.sectors.saturating_add(of_values);
        let inodes = placed.value_inodes.saturating_add(1);
        self.usage.add(new, Used { inodes, bytes: rest.sectors.saturating_mul(512) });
        let record = record::encode(&self.core.superblock, made.kind, new, &rest, &placed.in_inode);
        self.core.write_inode(made.number, record)
    }
}

/// Puts the checksum into a superblock, where it has one.
fn seal(superblock: &mut [u8]) {
    let has_checksum = u32_at(superblock, 0x64).is_ok_and(|ro_compat| ro_compat & 0x400 != 0);
    if has_checksum {
        let checksum = Crc::START.with(superblock.get(..CHECKSUM_AT).unwrap_or_default()).value();
        put_u32(superblock, CHECKSUM_AT, checksum);
    }
}

/// Gives back the blocks of a directory that came with the new filesystem: it is written anew.
fn release(core: &mut Core, opened: &dyn crate::filesystem::Filesystem, inode: &Inode) -> Result<()> {
    let Kept::Extents(extents) = opened.content(inode)? else { return Ok(()) };
    let block_size = u64::from(core.superblock.block_size).max(1);
    for extent in extents {
        let first = extent.at()?.checked_div(block_size).unwrap_or(0);
        for block in first..first.saturating_add(extent.len_bytes.div_ceil(block_size)) {
            core.space.release_block(block)?;
        }
    }
    Ok(())
}
