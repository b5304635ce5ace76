//! Bytes that an archive of a filesystem can't be made without, each counted once.
//!
//! | part | what counts |
//! |---|---|
//! | superblock | the first, 1024 bytes |
//! | descriptors | those of all groups |
//! | inodes | whole sectors of inode tables, 512 bytes each: those that hold an inode that is met |
//! | directories | their blocks |
//! | maps | blocks of extent trees and indirect blocks |
//! | attributes | attribute blocks, and values that have an inode of their own |
//! | links | targets that are not in their inode, to the byte |
//! | data | of regular files, to the byte: neither holes nor what was never written |
//! | journal | where it has to be replayed: its superblock, and the log from its start to behind its last transaction |
//!
//! A block that the journal holds anew counts in the journal and in its place, though one read of it is enough.

use std::collections::BTreeSet;

use voltar::Result;
use voltar::device::Device;
use voltar::filesystem::FileKind;
use voltar::tree::{Exclude, Step, Walk};
use voltar::volume::Volume;

use super::journal;
use super::layout::{Inode, Layout, Map, SECTOR_BYTES};

/// Bytes needed, by what they are.
#[derive(Clone, Copy, Debug, Default)]
pub struct Needed {
    pub tables: u64,
    pub directories: u64,
    pub maps: u64,
    pub attributes: u64,
    pub journal: u64,
    pub data: u64,
}

const SUPERBLOCK_BYTES: u64 = 1024;

impl Needed {
    pub fn total(&self) -> u64 {
        self.tables + self.directories + self.maps + self.attributes + self.journal + self.data
    }

    /// What all files of the filesystem in `volume` need.
    pub fn of(volume: &Volume) -> Result<Self> {
        let filesystem = volume.filesystem()?;
        let mut counting = Counting::new(filesystem.device())?;
        let mut met = BTreeSet::new();
        let exclude = Exclude::new();
        for step in Walk::new(filesystem.as_ref(), &exclude, b"") {
            if let Step::Entry(entry) = step?
                && met.insert(entry.inode.id.number)
            {
                counting.entry(entry.inode.id.number, entry.inode.kind)?;
            }
        }
        // The log as it lies on the device, not as it looks when it is replayed.
        let mut needed = counting.finish();
        if let Some(number) = Layout::new(volume.device().clone())?.journal_to_replay() {
            needed.journal = journal_bytes(volume.device(), number)?;
        }
        Ok(needed)
    }
}

struct Counting {
    layout: Layout,
    needed: Needed,
    /// Sectors of inode tables.
    inode_sectors: BTreeSet<u64>,
    map_blocks: BTreeSet<u64>,
    attribute_blocks: BTreeSet<u64>,
    value_inodes: BTreeSet<u64>,
}

impl Counting {
    fn new(device: &Device) -> Result<Self> {
        Ok(Self {
            layout: Layout::new(device.clone())?,
            needed: Needed::default(),
            inode_sectors: BTreeSet::new(),
            map_blocks: BTreeSet::new(),
            attribute_blocks: BTreeSet::new(),
            value_inodes: BTreeSet::new(),
        })
    }

    fn entry(&mut self, number: u64, kind: FileKind) -> Result<()> {
        let (inode, map) = self.inode(number, kind)?;
        let bytes = content_bytes(&map, &inode, self.layout.block_bytes);
        match kind {
            FileKind::Directory => self.needed.directories += bytes,
            FileKind::Regular | FileKind::Symlink => self.needed.data += bytes,
            _ => {}
        }
        self.attribute_blocks.extend(inode.attribute_block());
        for (number, len_bytes) in self.layout.value_inodes(&inode)? {
            if self.value_inodes.insert(number) {
                self.inode(number, FileKind::Regular)?;
                self.needed.attributes += len_bytes;
            }
        }
        Ok(())
    }

    /// Counts the place of an inode and its map.
    fn inode(&mut self, number: u64, kind: FileKind) -> Result<(Inode, Map)> {
        /// Bytes of `i_block`, which holds a shorter target itself.
        const FAST: u64 = 60;
        let (sectors, inode) = self.layout.inode(number)?;
        self.inode_sectors.extend(sectors);
        let map = match kind {
            FileKind::Symlink if inode.size_bytes() < FAST => Map::default(),
            FileKind::Regular | FileKind::Directory | FileKind::Symlink => self.layout.map(&inode)?,
            _ => Map::default(),
        };
        self.map_blocks.extend(&map.nodes);
        Ok((inode, map))
    }

    fn finish(mut self) -> Needed {
        let blocks = |blocks: &BTreeSet<u64>| blocks.len() as u64 * self.layout.block_bytes;
        let descriptors = self.layout.groups * self.layout.descriptor_bytes;
        self.needed.tables = SUPERBLOCK_BYTES + descriptors + self.inode_sectors.len() as u64 * SECTOR_BYTES;
        self.needed.maps = blocks(&self.map_blocks);
        self.needed.attributes += blocks(&self.attribute_blocks);
        self.needed
    }
}

/// Bytes in the blocks of a file, up to its end.
fn content_bytes(map: &Map, inode: &Inode, block_bytes: u64) -> u64 {
    let until_end = |logical: u64| inode.size_bytes().saturating_sub(logical * block_bytes);
    map.runs.iter().map(|run| (run.len * block_bytes).min(until_end(run.logical))).sum()
}

fn journal_bytes(device: &Device, number: u64) -> Result<u64> {
    let mut counting = Counting::new(device)?;
    let (_, map) = counting.inode(number, FileKind::Regular)?;
    let blocks = journal::blocks_in_use(&counting.layout, &map)? + counting.map_blocks.len() as u64;
    Ok(blocks * counting.layout.block_bytes + counting.inode_sectors.len() as u64 * SECTOR_BYTES)
}
