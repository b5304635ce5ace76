//! Reads a folder, a mounted image or what an extractor made, into records with every field the kernel shows.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use rustix::fs::{AtFlags, Dir, Mode, OFlags, SeekFrom, Statx, StatxFlags, StatxTimestamp};
use rustix::io::Errno;

use super::content::{Pieces, Summary};
use super::record::{Kind, Record, Time, Tree, group_links, shown};

/// Block size of the filesystems that archives are extracted to.
const BLOCK_BYTES: u64 = 4096;

/// Attribute values from about this length may be stored in inodes of their own, which are counted as the file's.
const SMALLEST_IN_OWN_INODE: usize = 1024;

/// Extents that one block of an extent tree has room for: `(4096 - 12) / 12`.
const EXTENTS_PER_BLOCK: u64 = 340;

/// Reads the tree under `root`, itself included.
///
/// Times are read before anything else of an entry, and files are opened without touching their access time. Entries
/// are opened by their parent's descriptor, because a path may be longer than `PATH_MAX`.
pub fn read(root: &Path) -> Tree {
    let mut tree = Tree::new();
    let mut inodes = BTreeMap::new();
    let mut contents: BTreeMap<u64, Record> = BTreeMap::new();
    let root = Rc::new(rustix::fs::open(root, DIRECTORY, Mode::empty()).expect("the root of a tree"));
    let mut waiting = vec![Entry { parent: root, name: c".".to_owned(), path: Vec::new() }];
    while let Some(entry) = waiting.pop() {
        let stat = entry.stat();
        let seen = contents.get(&stat.stx_ino).cloned();
        let record = seen.unwrap_or_else(|| entry.record(&stat));
        if record.kind == Kind::Directory {
            let folder = Rc::new(entry.open(DIRECTORY));
            waiting.extend(children(&folder, &entry.path));
        } else if stat.stx_nlink > 1 {
            inodes.insert(entry.path.clone(), stat.stx_ino);
            contents.insert(stat.stx_ino, record.clone());
        }
        tree.insert(entry.path, record);
    }
    group_links(&mut tree, inodes);
    tree
}

const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NOATIME)
    .union(OFlags::CLOEXEC);
const FILE: OFlags = OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::NOATIME).union(OFlags::CLOEXEC);

fn children(folder: &Rc<OwnedFd>, path: &[u8]) -> Vec<Entry> {
    let listing = Dir::read_from(folder.as_ref()).unwrap_or_else(|error| panic!("{}: {error}", shown(path)));
    let names = listing.map(|entry| entry.unwrap_or_else(|error| panic!("{}: {error}", shown(path))));
    names
        .map(|entry| entry.file_name().to_owned())
        .filter(|name| name.as_c_str() != c"." && name.as_c_str() != c"..")
        .map(|name| {
            let mut path = path.to_vec();
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(name.to_bytes());
            Entry { parent: Rc::clone(folder), name, path }
        })
        .collect()
}

struct Entry {
    parent: Rc<OwnedFd>,
    name: CString,
    path: Vec<u8>,
}

impl Entry {
    fn stat(&self) -> Statx {
        let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
        self.must(rustix::fs::statx(&*self.parent, &*self.name, flags, StatxFlags::ALL))
    }

    fn open(&self, flags: OFlags) -> OwnedFd {
        self.must(rustix::fs::openat(&*self.parent, &*self.name, flags, Mode::empty()))
    }

    fn must<T>(&self, outcome: Result<T, Errno>) -> T {
        outcome.unwrap_or_else(|error| panic!("{}: {error}", shown(&self.path)))
    }

    fn record(&self, stat: &Statx) -> Record {
        let kind = kind(stat.stx_mode);
        let mut record = Record {
            mode: Some(u32::from(stat.stx_mode) & 0o7777),
            uid: Some(stat.stx_uid),
            gid: Some(stat.stx_gid),
            mtime: Some(time(&stat.stx_mtime)),
            atime: Some(time(&stat.stx_atime)),
            ctime: Some(time(&stat.stx_ctime)),
            btime: (stat.stx_mask & StatxFlags::BTIME.bits() != 0).then(|| time(&stat.stx_btime)),
            stored_bytes: Some(stat.stx_blocks * 512),
            links: (kind != Kind::Directory).then_some(u64::from(stat.stx_nlink)),
            ..Record::new(kind)
        };
        match kind {
            Kind::File => {
                let file = File::from(self.open(FILE));
                let (summary, most) = self.content(&file, stat.stx_size);
                record.size_bytes = Some(stat.stx_size);
                record.content = Some(summary.content);
                record.sha1 = summary.sha1;
                record.data_sha1 = summary.data_sha1;
                record.most_stored_bytes = Some(most);
                record.flags = self.flags(&file);
            }
            Kind::Directory => record.flags = self.flags(&self.open(DIRECTORY)),
            Kind::Symlink => {
                let target = self.must(rustix::fs::readlinkat(&*self.parent, &*self.name, Vec::new()));
                record.target = Some(target.into_bytes());
            }
            Kind::CharacterDevice | Kind::BlockDevice => {
                record.device = Some((stat.stx_rdev_major, stat.stx_rdev_minor));
            }
            Kind::Fifo | Kind::Socket => {}
        }
        let xattrs = self.xattrs();
        let large = xattrs.values().map(Vec::len).filter(|length| *length >= SMALLEST_IN_OWN_INODE);
        let in_own_inodes: u64 = large.map(|length| (length as u64).next_multiple_of(BLOCK_BYTES)).sum();
        record.most_stored_bytes = record.most_stored_bytes.map(|most| most + in_own_inodes);
        record.xattrs = Some(xattrs);
        record
    }

    /// What the data comes to, and the bytes that a copy of it may take on the filesystems that archives are extracted to.
    fn content(&self, file: &File, size_bytes: u64) -> (Summary, u64) {
        // All ranges before the first byte is read: a page that was read ahead into the cache counts as data.
        let mut ranges = Vec::new();
        let mut is_exact = true;
        let mut end = 0;
        while let Some(start) = self.seek(file, SeekFrom::Data(end)).filter(|start| *start < size_bytes) {
            // Where data in the inode are followed by a hole, the kernel cannot tell where it begins.
            let hole = self.seek(file, SeekFrom::Hole(start));
            is_exact &= hole.is_some();
            end = hole.unwrap_or(start + BLOCK_BYTES).min(size_bytes);
            ranges.push((start, end));
        }
        let mut pieces = Pieces::new();
        let mut buffer = vec![0; 1 << 20];
        for &(start, end) in &ranges {
            let mut offset = start;
            while offset < end {
                let wanted = buffer.len().min((end - offset) as usize);
                let length = file
                    .read_at(&mut buffer[..wanted], offset)
                    .unwrap_or_else(|error| panic!("{}: byte {offset}: {error}", shown(&self.path)));
                assert_ne!(length, 0, "{}: ends at byte {offset}", shown(&self.path));
                pieces.add(offset, &buffer[..length]);
                offset += length as u64;
            }
        }
        let blocks = |(start, end): &(u64, u64)| end.div_ceil(BLOCK_BYTES) - start / BLOCK_BYTES;
        let most_blocks =
            ranges.iter().map(blocks).sum::<u64>() + ranges.len() as u64 / EXTENTS_PER_BLOCK + 2;
        let mut summary = pieces.finish(size_bytes);
        summary.data_sha1 = summary.data_sha1.filter(|_| is_exact);
        (summary, most_blocks * BLOCK_BYTES)
    }

    fn seek(&self, file: &File, to: SeekFrom) -> Option<u64> {
        match rustix::fs::seek(file, to) {
            Ok(offset) => Some(offset),
            Err(Errno::NXIO | Errno::NOENT) => None,
            Err(error) => panic!("{}: seek {to:?}: {error}", shown(&self.path)),
        }
    }

    fn flags(&self, open: &impl std::os::fd::AsFd) -> Option<u32> {
        Some(self.must(rustix::fs::ioctl_getflags(open)).bits())
    }

    fn xattrs(&self) -> BTreeMap<Vec<u8>, Vec<u8>> {
        // There is no lgetxattr that takes a descriptor of the folder; this path is one.
        let mut path = PathBuf::from(format!("/proc/self/fd/{}", self.parent.as_raw_fd()));
        path.push(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(self.name.to_bytes()));
        let mut list = vec![0; 64 * 1024];
        let length = self.must(rustix::fs::llistxattr(&path, &mut list[..]));
        let names = list[..length].split_inclusive(|byte| *byte == 0);
        names
            .map(|name| {
                let name = CStr::from_bytes_with_nul(name).expect("a name ends in a zero byte");
                let mut value = vec![0; 64 * 1024];
                let length = self.must(rustix::fs::lgetxattr(&path, name, &mut value[..]));
                value.truncate(length);
                (name.to_bytes().to_vec(), value)
            })
            .collect()
    }
}

fn kind(mode: u16) -> Kind {
    match mode & 0o170_000 {
        0o100_000 => Kind::File,
        0o040_000 => Kind::Directory,
        0o120_000 => Kind::Symlink,
        0o020_000 => Kind::CharacterDevice,
        0o060_000 => Kind::BlockDevice,
        0o010_000 => Kind::Fifo,
        0o140_000 => Kind::Socket,
        other => panic!("file type {other:#o}"),
    }
}

fn time(stamp: &StatxTimestamp) -> Time {
    Time { seconds: stamp.tv_sec, nanoseconds: stamp.tv_nsec }
}

/// The record of a partition that is stored as it is: `len_bytes` from `start_bytes` of `image`, as one file.
pub fn range_of_image(image: &Path, start_bytes: u64, len_bytes: u64) -> Record {
    let file = File::open(image).expect("the image");
    let mut pieces = Pieces::new();
    let mut buffer = vec![0; 1 << 20];
    let mut offset = 0;
    while offset < len_bytes {
        let wanted = buffer.len().min((len_bytes - offset) as usize);
        file.read_exact_at(&mut buffer[..wanted], start_bytes + offset).expect("the image is whole");
        pieces.add(offset, &buffer[..wanted]);
        offset += wanted as u64;
    }
    let summary = pieces.finish(len_bytes);
    Record {
        size_bytes: Some(len_bytes),
        content: Some(summary.content),
        sha1: summary.sha1,
        ..Record::new(Kind::File)
    }
}

/// Reads all of a stream's text, for the small files of `/sys`.
pub fn text(path: impl AsRef<Path>) -> String {
    let mut text = String::new();
    let mut file =
        File::open(path.as_ref()).unwrap_or_else(|error| panic!("{}: {error}", path.as_ref().display()));
    file.read_to_string(&mut text).expect("text");
    text.trim_end().to_owned()
}
