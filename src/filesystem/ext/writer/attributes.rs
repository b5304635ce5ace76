//! Extended attributes: in the inode, in a block that inodes with the same ones share, or with their value in an inode of its own.
//!
//! <https://docs.kernel.org/filesystems/ext4/attributes.html>

use std::num::NonZeroUsize;

use lru::LruCache;

use super::content::Content;
use super::core::Core;
use super::packing::{self, Item, Spaces};
use super::record::{self, Rest};
use crate::error::{Error, Kind, Result};
use crate::fields::{put_bytes, put_u8, put_u16, put_u32, u32_at};
use crate::filesystem::ext::acl;
use crate::filesystem::ext::attribute::{BLOCK_CHECKSUM_AT, BLOCK_HEADER_LEN, ENTRY_LEN, MAGIC};
use crate::filesystem::ext::inode::{BASE_LEN, EA_INODE_FL};
use crate::filesystem::{Attribute, FileKind, Metadata, Timestamp};
use crate::printable::Printable;

/// Namespaces, and the numbers that stand for them; the name of an access control list is all prefix.
const PREFIXES: [(u8, &[u8]); 6] = [
    (1, b"user."),
    (2, b"system.posix_acl_access"),
    (3, b"system.posix_acl_default"),
    (4, b"trusted."),
    (6, b"security."),
    (10, b"gnu."),
];
/// `XATTR_SIZE_MAX`, and the longest name of an entry.
const VALUE_MOST: usize = 64 << 10;
const NAME_MOST: usize = 255;
/// Zeros behind the last entry.
const END_LEN: usize = 4;
/// Blocks of attributes, and values in inodes of their own, that may still be shared.
const SHARED: NonZeroUsize = NonZeroUsize::MIN.saturating_add(255);
/// `EXT4_XATTR_REFCOUNT_MAX`, which is about blocks.
const SHARED_MOST: u32 = 1024;
/// Where an inode with a value tells how many entries lead to it.
const REFERENCES_AT: usize = 0x24;

/// An attribute in the form that it has on the disk.
struct Entry {
    index: u8,
    name: Vec<u8>,
    value: Vec<u8>,
    /// The inode that has the value, where it has one, and the value's hash.
    inode: Option<(u32, u32)>,
}

impl Entry {
    fn of(attribute: &Attribute) -> Result<Self> {
        let shown = Printable(&attribute.name);
        let found = PREFIXES.iter().find_map(|(index, prefix)| {
            let rest = attribute.name.strip_prefix(*prefix)?;
            // A list has no name besides its prefix, all others have one.
            (rest.is_empty() == prefix.starts_with(b"system.")).then_some((*index, rest))
        });
        let (index, name) = found.filter(|(_, name)| name.len() <= NAME_MOST).ok_or_else(|| {
            Error::new(Kind::Unsupported, format!("the attribute {shown} has a name that ext can't keep"))
        })?;
        let value = match index {
            2 | 3 => acl::to_disk(&attribute.value)
                .map_err(|fault| Error::corrupt(format!("the access control list {shown}: {fault}")))?,
            _ => attribute.value.clone(),
        };
        if value.len() > VALUE_MOST {
            let len = value.len();
            return Err(Error::corrupt(format!(
                "the attribute {shown} has {len} bytes, at most {VALUE_MOST}"
            )));
        }
        Ok(Self { index, name: name.to_vec(), value, inode: None })
    }

    fn entry_len(&self) -> usize {
        ENTRY_LEN.saturating_add(self.name.len()).next_multiple_of(4)
    }

    /// The space that it takes.
    fn item(&self) -> Item {
        Item { entry_len: self.entry_len(), value_len: self.value.len().next_multiple_of(4) }
    }

    /// What messages call it.
    fn shown(&self) -> String {
        let prefix =
            PREFIXES.iter().find(|(index, _)| *index == self.index).map_or(&b""[..], |(_, prefix)| prefix);
        Printable(&[prefix, &self.name].concat()).to_string()
    }

    /// `e_hash`: of the name, and of the value or its own hash.
    fn hash(&self) -> u32 {
        let name = self.name.iter().fold(0_u32, |hash, byte| hash.rotate_left(5) ^ u32::from(*byte));
        let add = |hash: u32, word: u32| hash.rotate_left(16) ^ word;
        match self.inode {
            Some((_, hash)) => add(name, hash),
            None => self.value.chunks(4).fold(name, |hash, part| {
                let mut word = [0; 4];
                put_bytes(&mut word, 0, part);
                add(hash, u32::from_le_bytes(word))
            }),
        }
    }
}

/// What was made and may be shared, as the kernel shares it. How often that happened is written when no more can come.
pub(super) struct Shared {
    /// Blocks: by their content, where they are, and how many inodes have them.
    blocks: LruCache<Vec<u8>, (u64, u32)>,
    /// Inodes that hold a value, by that value.
    values: LruCache<Vec<u8>, ValueInode>,
}

/// An inode that holds a value.
struct ValueInode {
    number: u32,
    /// Hash of the value.
    hash: u32,
    /// How many entries lead to it.
    references: u32,
    record: Vec<u8>,
}

/// Where the attributes of an inode went.
#[derive(Debug, Default)]
pub(super) struct Placed {
    /// What lies in the inode behind its extra fields.
    pub in_inode: Vec<u8>,
    /// The block; 0 for none.
    pub block: u64,
    /// Values that have inodes of their own, and the clusters that they take.
    pub value_inodes: u64,
    pub value_clusters: u64,
}

impl Shared {
    pub(super) fn new() -> Self {
        Self { blocks: LruCache::new(SHARED), values: LruCache::new(SHARED) }
    }

    /// Finds places for the attributes of an inode, and writes what does not lie in itself. What can't be kept is a fault.
    pub(super) fn place(
        &mut self,
        core: &mut Core,
        new: &Metadata,
        faults: &mut Vec<Error>,
    ) -> Result<Placed> {
        let mut entries = Vec::new();
        for attribute in &new.attributes {
            match Entry::of(attribute) {
                Ok(entry) => entries.push(entry),
                Err(fault) => faults.push(fault),
            }
        }
        if entries.is_empty() {
            return Ok(Placed::default());
        }
        // In a block they are sorted like this, and the kernel searches it so.
        entries.sort_by(|a, b| (a.index, a.name.len(), &a.name).cmp(&(b.index, b.name.len(), &b.name)));
        entries.dedup_by(|later, first| (later.index, &later.name) == (first.index, &first.name));
        let in_inode = usize::from(core.superblock.inode_size)
            .saturating_sub(BASE_LEN)
            .saturating_sub(record::extra_len(&core.superblock, new));
        let spaces = Spaces {
            inode: in_inode.saturating_sub(4).saturating_sub(END_LEN),
            block: core.superblock.block_len().saturating_sub(BLOCK_HEADER_LEN).saturating_sub(END_LEN),
            values_apart: core.superblock.features.has_ea_inode(),
        };
        let items: Vec<Item> = entries.iter().map(Entry::item).collect();
        let (mut inside, mut outside) = (Vec::new(), Vec::new());
        let (mut value_inodes, mut value_clusters) = (0_u64, 0_u64);
        for (mut entry, spot) in entries.into_iter().zip(packing::pack(&items, &spaces)) {
            let Some(spot) = spot else {
                let (shown, len) = (entry.shown(), entry.value.len());
                let message =
                    format!("the attribute {shown} of {len} bytes has no space left beside the others");
                faults.push(Error::new(Kind::Unsupported, message));
                continue;
            };
            if spot.value_apart {
                entry.inode = Some(self.value_inode(core, new, &entry.value)?);
                let len = u64::try_from(entry.value.len()).unwrap_or(u64::MAX);
                let clusters = len.div_ceil(u64::from(core.superblock.cluster_size).max(1));
                value_inodes = value_inodes.saturating_add(1);
                value_clusters = value_clusters.saturating_add(clusters);
            }
            if spot.in_inode { inside.push(entry) } else { outside.push(entry) }
        }
        let in_inode = if inside.is_empty() { Vec::new() } else { inode_part(&inside, in_inode) };
        let block = if outside.is_empty() { 0 } else { self.block(core, &outside)? };
        Ok(Placed { in_inode, block, value_inodes, value_clusters })
    }

    /// A block with these entries: one that is there, or a new one.
    fn block(&mut self, core: &mut Core, entries: &[Entry]) -> Result<u64> {
        let mut content = vec![0; core.superblock.block_len()];
        fill(&mut content, BLOCK_HEADER_LEN, 0, entries);
        let hash = entries.iter().fold(0_u32, |hash, entry| hash.rotate_left(16) ^ entry.hash());
        put_u32(&mut content, 0x0, MAGIC);
        put_u32(&mut content, 0x8, 1);
        put_u32(&mut content, 0xc, hash);
        // An inode with a value counts the entries that lead to it. Those of a shared block are there once, so that it would count too many.
        if entries.iter().any(|entry| entry.inode.is_some()) {
            let block = core.block()?;
            write(core, content, block, 1)?;
            return Ok(block);
        }
        if let Some((block, count)) = self.blocks.get_mut(&content)
            && *count < SHARED_MOST
        {
            *count = count.saturating_add(1);
            return Ok(*block);
        }
        let block = core.block()?;
        if let Some((content, (block, count))) = self.blocks.push(content, (block, 1)) {
            write(core, content, block, count)?;
        }
        Ok(block)
    }

    /// Finds the inode that holds a value, or makes one, and gives its number and the value's hash.
    fn value_inode(&mut self, core: &mut Core, owner: &Metadata, value: &[u8]) -> Result<(u32, u32)> {
        if let Some(found) = self.values.get_mut(value) {
            found.references = found.references.saturating_add(1);
            return Ok((found.number, found.hash));
        }
        let made = ValueInode::make(core, owner, value)?;
        let place = (made.number, made.hash);
        if let Some((_, done)) = self.values.push(value.to_vec(), made) {
            done.write(core)?;
        }
        Ok(place)
    }

    /// Writes what might have been shared further.
    pub(super) fn finish(&mut self, core: &mut Core) -> Result<()> {
        while let Some((content, (block, count))) = self.blocks.pop_lru() {
            write(core, content, block, count)?;
        }
        while let Some((_, value)) = self.values.pop_lru() {
            value.write(core)?;
        }
        Ok(())
    }
}

fn write(core: &Core, mut content: Vec<u8>, block: u64, count: u32) -> Result<()> {
    put_u32(&mut content, 0x4, count);
    if core.superblock.features.has_metadata_checksums() {
        let checksum = core.superblock.seed.with(&block.to_le_bytes()).with(&content).value();
        put_u32(&mut content, BLOCK_CHECKSUM_AT, checksum);
    }
    core.write_block(block, &content)
}

fn inode_part(entries: &[Entry], len: usize) -> Vec<u8> {
    let mut space = vec![0; len];
    put_u32(&mut space, 0, MAGIC);
    fill(&mut space, 4, 4, entries);
    space
}

/// Puts entries from `start` on, and their values from the end backwards; where a value is counts from `base`.
fn fill(space: &mut [u8], start: usize, base: usize, entries: &[Entry]) {
    let (mut at, mut end) = (start, space.len());
    for entry in entries {
        put_u8(space, at, u8::try_from(entry.name.len()).unwrap_or(u8::MAX));
        put_u8(space, at.saturating_add(1), entry.index);
        put_u32(space, at.saturating_add(8), u32::try_from(entry.value.len()).unwrap_or(u32::MAX));
        put_u32(space, at.saturating_add(12), entry.hash());
        put_bytes(space, at.saturating_add(ENTRY_LEN), &entry.name);
        match entry.inode {
            Some((inode, _)) => put_u32(space, at.saturating_add(4), inode),
            None if entry.value.is_empty() => {}
            None => {
                end = end.saturating_sub(entry.value.len().next_multiple_of(4));
                put_bytes(space, end, &entry.value);
                let value_at = end.saturating_sub(base);
                put_u16(space, at.saturating_add(2), u16::try_from(value_at).unwrap_or(0));
            }
        }
        at = at.saturating_add(entry.entry_len());
    }
}

impl ValueInode {
    /// Writes the value; the inode itself is written when all that lead to it are counted.
    fn make(core: &mut Core, owner: &Metadata, value: &[u8]) -> Result<Self> {
        let number = core.space.inode(false)?;
        let hash = core.superblock.seed.with(value).value();
        let size = u64::try_from(value.len()).unwrap_or(u64::MAX);
        let mut content = Content::new(core, size);
        content.put(0, value)?;
        let (map, sectors) = content.finish(number)?;
        // In the place of the times there are the hash, and the high half of how many entries lead to it.
        let time = |field: u32| Some(Timestamp { seconds: i64::from(field.cast_signed()), nanoseconds: 0 });
        let new = Metadata {
            mode: 0o600,
            uid: owner.uid,
            gid: owner.gid,
            accessed: time(hash),
            modified: time(0),
            changed: time(0),
            created: time(0),
            ..Metadata::default()
        };
        let rest = Rest {
            size,
            links: 1,
            sectors,
            flags: map.flags | EA_INODE_FL,
            i_block: map.i_block,
            generation: core.generation(number),
            attribute_block: 0,
        };
        let record = record::encode(&core.superblock, FileKind::Regular, &new, &rest, &[]);
        debug_assert_eq!(u32_at(&record, 0x8), Ok(hash));
        Ok(Self { number, hash, references: 1, record })
    }

    fn write(mut self, core: &mut Core) -> Result<()> {
        put_u32(&mut self.record, REFERENCES_AT, self.references);
        core.write_inode(self.number, self.record)
    }
}
