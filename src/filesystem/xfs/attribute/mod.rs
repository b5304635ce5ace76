//! Extended attributes: in the inode, in one block, or in a tree of blocks.
//!
//! Layout: `fs/xfs/libxfs/xfs_da_format.h` in the kernel.

mod acl;
mod leaf;
mod name;
mod remote;
mod short;
mod source;
mod tree;

use thiserror::Error;

use super::block;
use super::inode::{Format, Private};
use super::metadata::Metadata;
use crate::error::{Error, Result, Salvaged};
use crate::fields::Short;
use crate::filesystem::{Attribute, Inode};

pub(super) use name::{Space, names};

/// Faults that are told of one inode's attributes.
const FAULTS_TOLD: usize = 8;
/// Bytes of names and values of one inode: an archive's header may have twice that.
const BYTES_MOST: usize = 16 << 20;
/// `XFS_XATTR_SIZE_MAX`.
const VALUE_MOST: usize = 1 << 16;

/// Faults of attributes.
#[derive(Debug, Error, PartialEq, Eq)]
enum Fault {
    #[error(transparent)]
    Short(#[from] Short),
    #[error("attributes: {0}")]
    Block(#[from] block::Fault),
    #[error("attributes in a fork of format {0:?}")]
    Format(Format),
    #[error("attribute block {block} has magic {magic:#06x}")]
    Magic { block: u32, magic: u16 },
    #[error("attribute block {block} is of level {found} where {expected} was due")]
    Level { block: u32, found: u16, expected: u16 },
    #[error("attribute block {block}: {entries} entries")]
    TooMany { block: u32, entries: u16 },
    #[error("attribute block {0} comes twice")]
    Twice(u32),
    #[error("attribute block {0} is a hole")]
    Hole(u32),
    #[error("attribute block {block}: an entry at {at} of {len} bytes")]
    Entry { block: u32, at: usize, len: usize },
    #[error("a value of {0} bytes, at most 65536")]
    ValueSize(usize),
    #[error("a value's block {0} is a hole")]
    ValueHole(u32),
    #[error("a value's block has magic {0:#010x}")]
    ValueMagic(u32),
    #[error("{bytes} bytes of a value from byte {offset} on, where byte {expected} was due")]
    ValuePiece { offset: u32, bytes: u32, expected: usize },
    #[error("a name is empty, or holds a NUL")]
    Name,
    #[error("{0} attributes are there more than once")]
    Repeated(usize),
    #[error("names and values take more than 16 MiB")]
    TooLarge,
    #[error("an access control list: {0}")]
    Acl(acl::Fault),
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        Self::corrupt(fault)
    }
}

/// Collects the attributes of one inode, and what is wrong with them.
struct Found {
    attributes: Vec<Attribute>,
    bytes: usize,
    faults: Vec<Error>,
    untold: usize,
}

impl Found {
    fn fault(&mut self, fault: impl Into<Error>) {
        if self.faults.len() < FAULTS_TOLD {
            self.faults.push(fault.into());
        } else {
            self.untold = self.untold.saturating_add(1);
        }
    }

    /// Adds an attribute, and the access control list that it stands for.
    fn add(&mut self, space: Space, name: &[u8], value: Vec<u8>) -> Result<(), Fault> {
        if name.is_empty() || name.contains(&0) {
            self.fault(Fault::Name);
            return Ok(());
        }
        let len = name.len().saturating_add(value.len());
        self.bytes = self.bytes.saturating_add(len);
        if self.bytes > BYTES_MOST {
            return Err(Fault::TooLarge);
        }
        if let Some(shown) = name::of_acl(space, name) {
            match acl::to_attribute(&value) {
                Ok(value) => self.attributes.push(Attribute { name: shown.to_vec(), value }),
                Err(fault) => self.fault(Fault::Acl(fault)),
            }
        }
        self.attributes.push(Attribute { name: name::shown(space, name), value });
        Ok(())
    }
}

/// The attributes of an inode, sorted by name.
pub(super) fn list(metadata: &Metadata, inode: &Inode) -> Result<Salvaged<Vec<Attribute>>> {
    let mut found = Found { attributes: Vec::new(), bytes: 0, faults: Vec::new(), untold: 0 };
    if let Some(fork) = Private::of(inode).attributes().map_err(Error::corrupt)? {
        match fork.format {
            Format::Local => {
                if let Err(fault) = short::read(fork.bytes, &mut found) {
                    found.fault(fault);
                }
            }
            Format::Extents if fork.extents == 0 => {}
            Format::Extents | Format::Tree => tree::read(metadata, inode.id.number, &fork, &mut found)?,
            other => found.fault(Fault::Format(other)),
        }
    }
    for change in metadata.edits.attributes(inode.id.number) {
        found.attributes.retain(|attribute| !change.is_for(attribute));
        if let Some(value) = &change.value
            && let Err(fault) = found.add(change.space, &change.name, value.clone())
        {
            found.fault(fault);
        }
    }
    found.attributes.sort_by(|a, b| a.name.cmp(&b.name));
    let before = found.attributes.len();
    found.attributes.dedup_by(|later, first| later.name == first.name);
    if found.attributes.len() < before {
        found.fault(Fault::Repeated(before.saturating_sub(found.attributes.len())));
    }
    if found.untold > 0 {
        found.faults.push(Error::corrupt(format!("{} more faults in the attributes", found.untold)));
    }
    Ok(Salvaged { value: found.attributes, faults: found.faults })
}

#[cfg(test)]
mod tests;
