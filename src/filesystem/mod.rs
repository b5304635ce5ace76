//! Filesystems: inodes, their content by position on the device, and nothing about tar or this host.
//!
//! A filesystem is one folder here with a [`Reader`], and one line in the table `READERS`.

pub mod ext;
mod listing;
#[cfg(test)]
pub(crate) mod memory;
mod metadata;
mod overlay;
mod probe;
mod reader;
mod types;
mod unit;
mod xfs;

use crate::device::Device;
use crate::error::{Error, Kind, Result, Salvaged};

pub use listing::{DirectoryEntry, Listing};
pub use metadata::{Attribute, FileKind, Flags, Metadata, Timestamp};
pub use probe::{Contents, Signature};
pub use reader::{Bounds, Filesystem, Reader};
pub use types::{Content, Extent, Inode, InodeId, Stored, Summary, Unit};
pub use unit::Decoder;

/// The readers, a line each.
const READERS: &[&Reader] = &[
    &ext::READER,
    &xfs::READER,
    #[cfg(test)]
    &memory::READER,
];

fn reader(name: &str) -> Option<&'static Reader> {
    READERS.iter().copied().find(|reader| reader.names.contains(&name))
}

/// Whether a filesystem of this name can be read here.
#[must_use]
pub fn is_readable(name: &str) -> bool {
    reader(name).is_some()
}

/// Opens the filesystem that [`probe()`] found on the device. `journal` is the device that its journal is on, where that
/// is another one.
///
/// # Errors
///
/// [`Kind::Unsupported`] for one that has no reader here; otherwise as the reader says.
pub fn open(device: Device, name: &str, journal: Option<Device>) -> Result<Box<dyn Filesystem>> {
    match reader(name) {
        Some(reader) => (reader.open)(device, journal),
        None => Err(Error::new(Kind::Unsupported, format!("{name} can't be read yet"))),
    }
}

/// Tells what a device holds, by reading a few of its sectors. Where the first of them are
/// destroyed, a copy of a superblock may tell, if it still leads to the root directory: copies
/// outlast a filesystem by years.
///
/// # Errors
///
/// When the device can't be read.
pub fn probe(device: &Device) -> Result<Contents> {
    match probe::probe(device.as_ref()) {
        Ok(Contents::Known(found)) => Ok(Contents::Known(found)),
        unknown => {
            let copies = READERS.iter().filter_map(|reader| (reader.find_copy)(device.as_ref()));
            let copy = copies.into_iter().find(|copy| leads_to_files(device, copy.name));
            copy.map_or(unknown, |copy| Ok(Contents::Known(copy)))
        }
    }
}

/// Whether the filesystem can be opened, and has a root directory with sound names.
fn leads_to_files(device: &Device, name: &str) -> bool {
    let names = || -> Result<Salvaged<Listing>> {
        let filesystem = open(Device::clone(device), name, None)?;
        filesystem.directory(&filesystem.inode(filesystem.root())?)
    };
    names().is_ok_and(|names| names.faults.is_empty() && !names.value.is_empty())
}
