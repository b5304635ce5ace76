//! A filesystem for tests: it has all that a filesystem may have and that ext and XFS do not.
//!
//! Its bytes are encoded, in units that files share. It has two trees whose inodes have the same
//! numbers, and so many names that each has 8 bytes of it. A device holds nothing of that but a
//! header, the seeds of units, and bytes that are not encoded.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::{
    Attribute, Bounds, Content, Extent, FileKind, Filesystem, Flags, Inode, InodeId, Listing, Metadata,
    Reader, Signature, Stored, Summary, Timestamp, Unit,
};
use crate::device::{Device, ReadAt, read_vec};
use crate::error::{Error, Result, Salvaged};

pub(super) static READER: Reader = Reader {
    names: &["memory"],
    open: |device, _| Ok(Box::new(Memory::open(device)?)),
    find_copy,
    bounds: Bounds { name_bytes: NAME_BYTES, metadata_per_byte: 8, output_per_byte: 8 << 10 },
};

/// Bytes of the shortest name: the filesystem has as many names as fit.
const NAME_BYTES: u64 = 8;
const MAGIC: &[u8] = b"in memory";
const ID_AT: u64 = 16;
const BROKEN_AT: u64 = 24;
/// Where the bytes that are not encoded begin.
const RAW_AT: u64 = 4096;
const LEN: usize = 64 << 10;
const UNIT_LEN: u32 = 64 << 10;

/// Units, by where their seeds are. The longest one is in several frames.
pub(crate) const SMALL: Unit = Unit { at: 1024, len_bytes: UNIT_LEN, key: 1 };
pub(crate) const OTHER: Unit = Unit { at: 512, len_bytes: UNIT_LEN, key: 1 };
pub(crate) const LARGE: Unit = Unit { at: 2048, len_bytes: 5 << 20, key: 1 };
/// This one can't be decoded.
const BROKEN: Unit = Unit { at: 3072, len_bytes: UNIT_LEN, key: 2 };

/// Names of the inode that nearly all names lead to.
const MANY: u64 = 5000;
const FIRST: u64 = 5;
const SECOND: u64 = 9;

/// How often each unit of a device was decoded, by the device's number and the unit.
static DECODED: Mutex<BTreeMap<(u64, Unit), u64>> = Mutex::new(BTreeMap::new());

/// A device with such a filesystem, and its number. With `broken`, one file can't be decoded whole.
pub(crate) fn image(broken: bool) -> (Vec<u8>, u64) {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let id = NEXT.fetch_add(1, Ordering::Relaxed);
    let mut image: Vec<u8> = (0..LEN).map(|at| byte(77, at)).collect();
    image[..RAW_AT as usize].fill(0);
    image[..MAGIC.len()].copy_from_slice(MAGIC);
    image[ID_AT as usize..][..8].copy_from_slice(&id.to_le_bytes());
    image[BROKEN_AT as usize] = u8::from(broken);
    for (seed, unit) in (1_u64..).zip([SMALL, OTHER, LARGE, BROKEN]) {
        image[unit.at as usize..][..8].copy_from_slice(&seed.to_le_bytes());
    }
    (image, id)
}

/// How often a unit of a device was decoded so far.
pub(crate) fn decoded(id: u64, unit: Unit) -> u64 {
    let counts = DECODED.lock().unwrap_or_else(PoisonError::into_inner);
    counts.get(&(id, unit)).copied().unwrap_or(0)
}

/// The files with content of their own, and the content.
pub(crate) fn files(image: &[u8], broken: bool) -> Vec<(&'static str, Vec<u8>)> {
    let files = [("a", 257), ("b", 258), ("big", 259), ("plain", 260), ("sub/f", 257), ("sub/h", 263)];
    let content = |(path, number): (&'static str, u64)| {
        let tree = if path.starts_with("sub/") { SECOND } else { FIRST };
        let (size, extents) = extents(InodeId { tree, number });
        let mut bytes = vec![0; size as usize];
        for extent in extents {
            let part = &mut bytes[extent.file_bytes as usize..][..extent.len_bytes as usize];
            match extent.stored {
                Stored::Raw { at } => part.copy_from_slice(&image[at as usize..][..part.len()]),
                Stored::Encoded { unit: BROKEN, .. } => {}
                Stored::Encoded { unit, skip } => {
                    let seed = u64::from_le_bytes(image[unit.at as usize..][..8].try_into().unwrap());
                    part.iter_mut().zip(skip as usize..).for_each(|(to, at)| *to = byte(seed, at));
                }
            }
        }
        (path, bytes)
    };
    files.into_iter().chain(broken.then_some(("x", 270))).map(content).collect()
}

fn byte(seed: u64, at: usize) -> u8 {
    (seed.wrapping_mul(41) as usize ^ at.wrapping_mul(7) ^ (at >> 9)) as u8
}

/// Size and extents of a regular file.
fn extents(id: InodeId) -> (u64, Vec<Extent>) {
    let encoded = |file_bytes, unit, skip, len_bytes| Extent {
        file_bytes,
        len_bytes,
        stored: Stored::Encoded { unit, skip },
    };
    match (id.tree, id.number) {
        // All sorts of bytes: two runs of the same unit, raw ones, holes.
        (FIRST, 257) => {
            let extents = vec![
                encoded(0, SMALL, 0, 5000),
                Extent::raw(5000, RAW_AT, 4096),
                encoded(12_000, SMALL, 8192, 3000),
                encoded(15_000, OTHER, 1, 1000),
            ];
            (20_000, extents)
        }
        // A file with the same bytes, which are stored once.
        (FIRST, 258) => (6000, vec![encoded(0, SMALL, 100, 3000), encoded(3000, OTHER, 0, 3000)]),
        (FIRST, 259) => {
            let len = u64::from(LARGE.len_bytes);
            (len + 5, vec![encoded(0, LARGE, 0, len), encoded(len, SMALL, 3, 5)])
        }
        (FIRST, 260) => (3000, vec![Extent::raw(0, RAW_AT + 100, 3000)]),
        (SECOND, 257) => (700, vec![Extent::raw(0, RAW_AT + 8000, 700)]),
        (SECOND, 263) => (700, vec![encoded(0, OTHER, 500, 700)]),
        (FIRST, 270) => {
            let extents =
                vec![encoded(0, SMALL, 0, 100), encoded(100, BROKEN, 0, 100), encoded(200, BROKEN, 100, 100)];
            (300, extents)
        }
        _ => (0, Vec::new()),
    }
}

fn find_copy(device: &dyn ReadAt) -> Option<Signature> {
    let has_magic = read_vec(device, 0, MAGIC.len()).is_ok_and(|bytes| bytes == MAGIC);
    has_magic.then(|| Signature { name: "memory", label: String::new(), uuid: String::new() })
}

struct Memory {
    device: Device,
    id: u64,
    is_broken: bool,
    summary: Summary,
}

impl Memory {
    fn open(device: Device) -> Result<Self> {
        let header = read_vec(device.as_ref(), 0, 32)?;
        let id = u64::from_le_bytes(header[ID_AT as usize..][..8].try_into().unwrap());
        let summary = Summary {
            name: "memory",
            uuid: None,
            label: String::new(),
            // Each name has 8 bytes of it, and no byte is left.
            size_bytes: (MANY + 12) * NAME_BYTES,
            used_bytes: 0,
            free_bytes: 0,
            block_bytes: 512,
            used_inodes: 0,
            features: Vec::new(),
            warnings: Vec::new(),
            geometry: None,
        };
        Ok(Self { device, id, is_broken: header[BROKEN_AT as usize] != 0, summary })
    }
}

impl Filesystem for Memory {
    fn summary(&self) -> &Summary {
        &self.summary
    }

    fn faults(&self) -> &[Error] {
        &[]
    }

    fn device(&self) -> &Device {
        &self.device
    }

    fn reader(&self) -> &'static Reader {
        &READER
    }

    fn root(&self) -> InodeId {
        InodeId { tree: FIRST, number: 256 }
    }

    fn inode(&self, id: InodeId) -> Result<Inode> {
        let (kind, links) = match (id.tree, id.number) {
            (_, 256) | (FIRST, 262) => (FileKind::Directory, 2),
            (FIRST, 261) => (FileKind::Symlink, 1),
            (_, 257) => (FileKind::Regular, 2),
            (FIRST, 264) => (FileKind::Fifo, MANY as u32),
            _ => (FileKind::Regular, 1),
        };
        let time = |seconds| Some(Timestamp { seconds, nanoseconds: 5 });
        let metadata = Metadata {
            mode: 0o640,
            uid: 0,
            gid: 0,
            modified: time(1_600_000_000),
            accessed: time(1_600_000_001),
            changed: time(1_600_000_002),
            created: time(1_500_000_000),
            flags: Flags(0),
            project: None,
            attributes: Vec::new(),
        };
        let size_bytes = if kind == FileKind::Symlink { 5 } else { extents(id).0 };
        let (encrypted, fault, record) = (false, None, Vec::new());
        Ok(Inode { id, kind, metadata, size_bytes, links, encrypted, fault, record })
    }

    fn directory(&self, inode: &Inode) -> Result<Salvaged<Listing>> {
        let mut listing = Listing::default();
        let mut add = |name: &str, tree, number| listing.push(name.as_bytes(), InodeId { tree, number });
        match (inode.id.tree, inode.id.number) {
            (FIRST, 256) => {
                let own = [("a", 257), ("b", 258), ("big", 259), ("plain", 260), ("s", 261), ("many", 262)];
                own.into_iter().chain([("z", 257)]).for_each(|(name, number)| add(name, FIRST, number));
                add("sub", SECOND, 256);
                if self.is_broken {
                    add("x", FIRST, 270);
                }
            }
            (FIRST, 262) => (0..MANY).for_each(|name| add(&format!("{name}"), FIRST, 264)),
            _ => [("f", 257), ("g", 257), ("h", 263)].iter().for_each(|(name, at)| add(name, SECOND, *at)),
        }
        Ok(Salvaged::whole(listing))
    }

    fn content(&self, inode: &Inode) -> Result<Content> {
        Ok(Content::Extents(extents(inode.id).1))
    }

    fn link_target(&self, _: &Inode) -> Result<Vec<u8>> {
        Ok(b"sub/f".to_vec())
    }

    fn attributes(&self, inode: &Inode) -> Result<Salvaged<Vec<Attribute>>> {
        let value = inode.id.tree.to_string().into_bytes();
        let attribute = Attribute { name: b"user.tree".to_vec(), value };
        let is_file = inode.kind == FileKind::Regular;
        Ok(Salvaged::whole(is_file.then_some(attribute).into_iter().collect()))
    }

    fn decode(&self, unit: Unit, into: &mut Vec<u8>) -> Result<()> {
        *DECODED.lock().unwrap_or_else(PoisonError::into_inner).entry((self.id, unit)).or_default() += 1;
        if unit.key != 1 {
            return Err(Error::corrupt("a unit that makes no sense"));
        }
        let seed = read_vec(self.device.as_ref(), unit.at, 8)?;
        let seed = u64::from_le_bytes(seed.as_slice().try_into().unwrap());
        into.extend((0..unit.len_bytes as usize).map(|at| byte(seed, at)));
        Ok(())
    }
}
