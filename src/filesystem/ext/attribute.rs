//! Extended attributes: in the inode, in a block, or with their value in an inode of its own.
//!
//! <https://docs.kernel.org/filesystems/ext4/attributes.html>

use thiserror::Error;

use super::acl;
use super::inode::Private;
use super::metadata::Metadata;
use super::superblock::Superblock;
use crate::error::{Error, Result, Salvaged};
use crate::fields::{Short, slice_at, u8_at, u16_at, u32_at};
use crate::filesystem::{Attribute, Content, Inode};

pub(super) const MAGIC: u32 = 0xea02_0000;
/// Length of the magic before the entries in an inode.
const INODE_HEADER_LEN: usize = 4;
pub(super) const BLOCK_HEADER_LEN: usize = 0x20;
pub(super) const BLOCK_CHECKSUM_AT: usize = 0x10;
pub(super) const ENTRY_LEN: usize = 16;
/// `XATTR_SIZE_MAX` in `linux/limits.h`, for values that have an inode of their own.
const VALUE_MOST: u32 = 64 << 10;

/// Bytes of all values of one inode that are kept: no tool writes as many. Many attributes may share one value.
const VALUES_MOST: usize = 4 << 20;
/// Faults of one inode's attributes that are told; what follows is not read.
const FAULTS_MOST: usize = 8;

/// The name of the attribute that holds what is not in `i_block` of an inode with inline data.
const INLINE_DATA: (u8, &[u8]) = (7, b"data");

/// What is wrong with an attribute, or with all of them.
#[derive(Debug, Error, PartialEq, Eq)]
pub(super) enum Fault {
    #[error("attributes: {0}")]
    Short(#[from] Short),
    #[error("attribute block magic {0:#010x} instead of 0xea020000")]
    Magic(u32),
    #[error("attribute block {0} is outside the filesystem")]
    Block(u64),
    #[error("attributes take {0} blocks, only 1 is possible")]
    Blocks(u32),
    #[error("checksum of attribute block {block} is {stored:#010x}, but {computed:#010x} was computed")]
    Checksum { block: u64, stored: u32, computed: u32 },
    #[error("attribute value of {size} bytes at {at} in a space of {space}")]
    Value { at: usize, size: u32, space: usize },
    #[error("attribute value of {0} bytes, at most 65536")]
    ValueSize(u32),
    #[error("inode {0} should hold an attribute's value, but does not")]
    ValueInode(u32),
    #[error("the attribute value in inode {0} does not match its hash")]
    ValueHash(u32),
    #[error("access control list: {0}")]
    Acl(#[from] acl::Fault),
    #[error("attributes of more than 4 MiB in all; the others are left out")]
    TooMany,
    #[error("attribute {0:?} is there twice")]
    Twice(String),
    #[error("an attribute's name holds a NUL, which no name can: {0:?}")]
    Name(String),
}

/// An entry: where its name and value are.
struct Entry<'a> {
    index: u8,
    name: &'a [u8],
    value_at: usize,
    value_inode: u32,
    value_size: u32,
}

/// The attributes of an inode, sorted by name, without those that the kernel keeps to itself.
pub(super) fn list(metadata: &Metadata, inode: &Inode) -> Salvaged<Vec<Attribute>> {
    let mut found = Salvaged::whole(Vec::new());
    if let Some(space) = inode_space(inode) {
        // Positions of values count from behind the magic.
        let entries = space.get(INODE_HEADER_LEN..).unwrap_or_default();
        collect(metadata, entries, 0, &mut found);
    }
    let block = Private::of(inode).attribute_block(&metadata.superblock);
    if block != 0 {
        match block_space(metadata, block) {
            Ok(space) => collect(metadata, &space, BLOCK_HEADER_LEN, &mut found),
            Err(error) => found.faults.push(error),
        }
    }
    found.value.sort_by(|a, b| a.name.cmp(&b.name));
    found.value.dedup_by(|later, first| {
        let again = later.name == first.name;
        if again {
            let name = String::from_utf8_lossy(&later.name).into_owned();
            found.faults.push(Error::corrupt(Fault::Twice(name)));
        }
        again
    });
    found
}

/// What belongs to an inode's inline data behind the part in `i_block`.
pub(super) fn inline_data(metadata: &Metadata, inode: &Inode) -> Result<Vec<u8>> {
    let Some(space) = inode_space(inode) else { return Ok(Vec::new()) };
    let space = space.get(INODE_HEADER_LEN..).unwrap_or_default();
    for entry in (Entries { space, at: 0 }) {
        let entry = entry.map_err(Error::corrupt)?;
        if (entry.index, entry.name) == INLINE_DATA {
            return value(metadata, space, &entry);
        }
    }
    Ok(Vec::new())
}

/// The attributes in the inode, from their magic on; an inode without the magic has none there.
fn inode_space(inode: &Inode) -> Option<&[u8]> {
    let space = Private::of(inode).attribute_space();
    (u32_at(space, 0) == Ok(MAGIC)).then_some(space)
}

fn block_space(metadata: &Metadata, block: u64) -> Result<std::sync::Arc<[u8]>> {
    if !metadata.superblock.holds_blocks(block, 1) {
        return Err(Error::corrupt(Fault::Block(block)));
    }
    let space = metadata.shared_block(block)?;
    check_block(&metadata.superblock, block, &space).map_err(Error::corrupt)?;
    Ok(space)
}

fn check_block(superblock: &Superblock, block: u64, space: &[u8]) -> Result<(), Fault> {
    let h_magic = u32_at(space, 0x0)?;
    if h_magic != MAGIC {
        return Err(Fault::Magic(h_magic));
    }
    let h_blocks = u32_at(space, 0x8)?;
    if h_blocks != 1 {
        return Err(Fault::Blocks(h_blocks));
    }
    if !superblock.features.has_metadata_checksums() {
        return Ok(());
    }
    let stored = u32_at(space, BLOCK_CHECKSUM_AT)?;
    let computed = superblock
        .seed
        .with(&block.to_le_bytes())
        .with(slice_at(space, 0, BLOCK_CHECKSUM_AT)?)
        .with_zeros::<4>()
        .with(space.get(BLOCK_CHECKSUM_AT.saturating_add(4)..).unwrap_or_default())
        .value();
    if stored == computed { Ok(()) } else { Err(Fault::Checksum { block, stored, computed }) }
}

/// Adds the attributes whose entries begin at `start` in `space`; positions of values count from the start of `space`.
fn collect(metadata: &Metadata, space: &[u8], start: usize, found: &mut Salvaged<Vec<Attribute>>) {
    let mut len =
        found.value.iter().fold(0_usize, |len, attribute| len.saturating_add(attribute.value.len()));
    for entry in (Entries { space, at: start }) {
        if found.faults.len() >= FAULTS_MOST {
            return;
        }
        let attribute = entry.map_err(Error::corrupt).and_then(|entry| attribute(metadata, space, &entry));
        match attribute {
            Ok(attribute) => {
                len = len.saturating_add(attribute.as_ref().map_or(0, |attribute| attribute.value.len()));
                if len > VALUES_MOST {
                    found.faults.push(Error::corrupt(Fault::TooMany));
                    return;
                }
                found.value.extend(attribute);
            }
            Err(error) => found.faults.push(error),
        }
    }
}

/// An attribute as the kernel shows it; `None` for one that it keeps to itself.
fn attribute(metadata: &Metadata, space: &[u8], entry: &Entry<'_>) -> Result<Option<Attribute>> {
    let Some(prefix) = prefix(entry.index) else { return Ok(None) };
    if entry.name.contains(&0) {
        // A tar with such a keyword is read by no program.
        let name = String::from_utf8_lossy(&[prefix, entry.name].concat()).into_owned();
        return Err(Error::corrupt(Fault::Name(name)));
    }
    let value = value(metadata, space, entry)?;
    let value = if prefix.starts_with(b"system.posix_acl") {
        acl::to_attribute(&value).map_err(|fault| Error::corrupt(Fault::Acl(fault)))?
    } else {
        value
    };
    Ok(Some(Attribute { name: [prefix, entry.name].concat(), value }))
}

/// The namespaces that listxattr(2) shows (`ext4_xattr_handlers`). The others are the kernel's own: inline data (7),
/// encryption contexts (9), and those of other systems.
fn prefix(index: u8) -> Option<&'static [u8]> {
    Some(match index {
        1 => b"user.",
        2 => b"system.posix_acl_access",
        3 => b"system.posix_acl_default",
        4 => b"trusted.",
        6 => b"security.",
        10 => b"gnu.",
        _ => return None,
    })
}

fn value(metadata: &Metadata, space: &[u8], entry: &Entry<'_>) -> Result<Vec<u8>> {
    if entry.value_inode != 0 {
        return value_in_inode(metadata, entry);
    }
    let size = usize::try_from(entry.value_size).unwrap_or(usize::MAX);
    if size == 0 {
        return Ok(Vec::new());
    }
    slice_at(space, entry.value_at, size).map(<[u8]>::to_vec).map_err(|_| {
        let fault = Fault::Value { at: entry.value_at, size: entry.value_size, space: space.len() };
        Error::corrupt(fault)
    })
}

/// The value of an attribute that has an inode of its own (feature `ea_inode`).
fn value_in_inode(metadata: &Metadata, entry: &Entry<'_>) -> Result<Vec<u8>> {
    let number = entry.value_inode;
    if entry.value_size > VALUE_MOST {
        return Err(Error::corrupt(Fault::ValueSize(entry.value_size)));
    }
    let wrong = || Error::corrupt(Fault::ValueInode(number));
    if !metadata.superblock.features.has_ea_inode() {
        return Err(wrong());
    }
    let inode = metadata.inode(u64::from(number))?;
    let private = Private::of(&inode);
    if !private.is_attribute_value() || inode.size_bytes != u64::from(entry.value_size) {
        return Err(wrong());
    }
    let Content::Extents(extents) = metadata.content(&inode)? else { return Err(wrong()) };
    let value = metadata.read_extents(&extents, inode.size_bytes)?;
    let hash = metadata.superblock.seed.with(&value).value();
    if metadata.superblock.features.has_metadata_checksums() && hash != private.value_hash() {
        return Err(Error::corrupt(Fault::ValueHash(number)));
    }
    Ok(value)
}

/// The entries from `at` on, up to the four zero bytes behind the last one.
struct Entries<'a> {
    space: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<Entry<'a>, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        // Space that ends without the four zero bytes has no further entry either.
        if self.at >= self.space.len() || u32_at(self.space, self.at).ok() == Some(0) {
            return None;
        }
        let entry = self.entry(self.at);
        self.at = match &entry {
            Ok(entry) => ENTRY_LEN
                .saturating_add(entry.name.len())
                .checked_next_multiple_of(4)
                .and_then(|len| self.at.checked_add(len))
                .unwrap_or(usize::MAX),
            Err(_) => usize::MAX,
        };
        Some(entry)
    }
}

impl<'a> Entries<'a> {
    fn entry(&self, at: usize) -> Result<Entry<'a>, Fault> {
        let head = slice_at(self.space, at, ENTRY_LEN)?;
        let name_len = usize::from(u8_at(head, 0x0)?);
        Ok(Entry {
            index: u8_at(head, 0x1)?,
            name: slice_at(self.space, at.saturating_add(ENTRY_LEN), name_len)?,
            value_at: usize::from(u16_at(head, 0x2)?),
            value_inode: u32_at(head, 0x4)?,
            value_size: u32_at(head, 0x8)?,
        })
    }
}
