//! The end of it: directories, counts of links and of use, bitmaps, descriptors, superblocks.

use super::content::Content;
use super::groups::put_halves;
use super::record::{self, Rest};
use super::tree::Folder;
use super::{LINKS_MOST, Made, Writer, blocks, directory, seal};
use crate::error::{Error, Result, Salvaged};
use crate::fields::{put_u16, put_u32, u16_at, u32_at};
use crate::filesystem::FileKind;
use crate::filesystem::ext::inode::INDEX_FL;
use crate::filesystem::ext::superblock;
use crate::printable::Printable;

/// What a filesystem came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filled {
    /// Inodes that are free.
    pub free_inodes: u64,
    /// Bytes that are free.
    pub free_bytes: u64,
}

/// `EXT4_CASEFOLD_FL`: the hashes of its names are those of the folded ones, for which it takes tables of Unicode. Such a directory goes
/// without an index, which the kernel makes do with.
const CASEFOLD_FL: u32 = 0x4000_0000;

impl Writer {
    /// Writes all that is still in memory, and waits until it is on the device. Faults are told with the path of the directory.
    ///
    /// # Errors
    ///
    /// [`crate::error::Kind::Write`] when the device fails or is full.
    pub fn finish(mut self) -> Result<Salvaged<Filled>> {
        let mut faults = Vec::new();
        for folder in self.tree.folders() {
            let mut own = Vec::new();
            self.write_directory(folder, &mut own)?;
            let path = self.tree.path(folder);
            let tell = |fault: Error| Error::new(fault.kind(), format!("{}: {fault}", Printable(&path)));
            faults.extend(own.into_iter().map(tell));
        }
        let mut links: Vec<(u32, u32)> = std::mem::take(&mut self.links).into_iter().collect();
        links.sort_unstable();
        for (number, count) in links {
            let mut record = self.core.read_inode(number)?;
            put_u16(&mut record, 0x1a, u16::try_from(count).unwrap_or(u16::MAX));
            self.core.write_inode(number, record)?;
        }
        self.write_quotas()?;
        if let Some((number, _)) = self.lost_and_found {
            self.core.table.clear(&mut self.core.space, number)?;
            self.core.space.release_inode(number, true)?;
        }
        self.shared.finish(&mut self.core)?;
        self.core.table.flush()?;
        self.core.space.groups.finish()?;
        let (clusters, inodes) = self.core.space.groups.free();
        self.write_superblocks(clusters, inodes)?;
        self.core.target.sync()?;
        let free_bytes = clusters.saturating_mul(u64::from(self.core.superblock.cluster_size));
        Ok(Salvaged { value: Filled { free_inodes: u64::from(inodes), free_bytes }, faults })
    }

    fn write_directory(&mut self, folder: Folder, faults: &mut Vec<Error>) -> Result<()> {
        let Some(taken) = self.tree.take(folder) else { return Ok(()) };
        let features = self.core.superblock.features;
        let form =
            blocks::Form::new(&self.core.superblock, self.core.seed(taken.inode), taken.inode, taken.parent);
        let folds_case = taken.new.flags.0 & CASEFOLD_FL != 0;
        let hasher = Some(self.hasher).filter(|_| features.has_directory_index() && !folds_case);
        let block = u64::from(self.core.superblock.block_size).max(1);
        let least = taken.least_bytes.checked_div(block).unwrap_or(0);
        let mut content = Content::new(&mut self.core, u64::MAX);
        let written =
            directory::write(&mut content, &form, &taken.names, hasher, features.has_large_dir(), least)?;
        let (map, sectors) = content.finish(taken.inode)?;
        let (size, has_index) = written;
        let directories = taken.directories.saturating_add(2);
        let links = if directories > LINKS_MOST { 1 } else { directories };
        let rest = Rest {
            links: u16::try_from(links).unwrap_or(u16::MAX),
            flags: map.flags | if has_index { INDEX_FL } else { 0 },
            ..self.rest(taken.inode, size, sectors, map.i_block)
        };
        let made = Made { number: taken.inode, kind: FileKind::Directory };
        self.inode(made, &taken.new, rest, faults)
    }

    /// Writes the files that count the use of space.
    fn write_quotas(&mut self) -> Result<()> {
        if !self.core.superblock.features.has_quota() {
            return Ok(());
        }
        for (kind, file) in std::mem::take(&mut self.usage).files() {
            let number = u32_at(&self.superblock, kind.inode_at).map_err(Error::corrupt)?;
            if number == 0 {
                continue;
            }
            let size = u64::try_from(file.len()).unwrap_or(u64::MAX);
            let mut content = Content::new(&mut self.core, size);
            content.put(0, &file)?;
            let (map, sectors) = content.finish(number)?;
            let mut record = self.core.read_inode(number)?;
            record::replace_content(&mut record, size, sectors, &map);
            self.core.write_inode(number, record)?;
        }
        Ok(())
    }

    /// Writes the superblock and its copies.
    fn write_superblocks(&mut self, clusters: u64, inodes: u32) -> Result<()> {
        let parsed = &self.core.superblock;
        let blocks = clusters.saturating_mul(parsed.blocks_per_cluster());
        put_halves(&mut self.superblock, 0xc, parsed.features.is_64bit().then_some(0x158), blocks);
        put_u32(&mut self.superblock, 0x10, inodes);
        for group in (0..parsed.groups).filter(|group| parsed.group_has_copy(*group)) {
            let mut copy = self.superblock.clone();
            let position = match group {
                0 => superblock::POSITION,
                group => parsed.group_position(group),
            };
            if u16_at(&copy, 0x4c) != Ok(0) {
                // As far as it goes: there are more groups than 16 bits can tell.
                let [low, high, ..] = group.to_le_bytes();
                put_u16(&mut copy, 0x5a, u16::from_le_bytes([low, high]));
            }
            seal(&mut copy);
            self.core.target.write_all_at(position, &copy)?;
        }
        Ok(())
    }
}
