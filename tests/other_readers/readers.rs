//! The readers, each behind a function from a filesystem to what it sees of it.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use ext4_view::{Ext4, FileType};
use fs_ext4::Filesystem as FsExt4;
use fs_ext4::block_io::BlockDevice;
use voltar::archive::Algorithm;
use voltar::filesystem::{Content, FileKind, Filesystem, Timestamp};
use voltar::tree::{Body, Entry, Exclude, Step, Walk};
use voltar::volume::Volume;

use super::seen::{Seen, Tree, join, sha1, told, unreadable};

/// Another reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// `ext4-view` 1.0.
    Ext4View,
    /// `rust-fs-ext4` 0.8.
    FsExt4,
}

/// Bytes that are read of a file at a time.
const PIECE: usize = 1 << 20;

/// Longest path, in components: a reader that goes round in circles is stopped.
const DEEPEST: usize = 64;

fn is_shallow(path: &[u8]) -> bool {
    path.split(|byte| *byte == b'/').count() <= DEEPEST
}

impl Reader {
    pub const ALL: [Self; 2] = [Self::Ext4View, Self::FsExt4];

    /// What it sees of a filesystem. One that it refuses is a root with nothing but the reason. Where it can't list a
    /// directory, it is asked for what is there by what ours found.
    pub fn see(self, bytes: &[u8], found: &Found) -> Tree {
        let bytes = bytes.to_vec();
        let seen = catch_unwind(AssertUnwindSafe(|| match self {
            Self::Ext4View => ext4_view(bytes, found),
            Self::FsExt4 => fs_ext4(bytes, found),
        }));
        let error = match seen {
            Ok(Ok(tree)) => return tree,
            Ok(Err(error)) => error,
            Err(_) => "it panics".to_owned(),
        };
        Tree::from([(Vec::new(), unreadable("filesystem", &error))])
    }
}

/// The number of the inode at each path, as our own reader found it.
pub type Found = BTreeMap<Vec<u8>, u32>;

/// The paths right below a directory.
fn below<'a>(found: &'a Found, folder: &'a [u8]) -> impl Iterator<Item = (&'a Vec<u8>, &'a u32)> {
    let is_below = move |path: &[u8]| {
        let (parent, name) = match path.iter().rposition(|byte| *byte == b'/') {
            Some(slash) => (&path[..slash], &path[slash + 1..]),
            None => (&path[..0], path),
        };
        parent == folder && !name.is_empty()
    };
    found.iter().filter(move |(path, _)| is_below(path))
}

/// The fields that every entry has.
fn seen(kind: &str, mode: u16, uid: u64, gid: u64, modified: Timestamp) -> Seen {
    Seen::from([
        ("type", kind.to_owned()),
        ("mode", format!("{mode:04o}")),
        ("uid", uid.to_string()),
        ("gid", gid.to_string()),
        ("mtime", modified.to_string()),
    ])
}

/// What our own reader sees. It must have nothing to complain of.
pub fn ours(volume: &Volume) -> (Tree, Found) {
    let filesystem = volume.filesystem().unwrap();
    assert!(filesystem.faults().is_empty(), "{:?}", filesystem.faults());
    let exclude = Exclude::new();
    let (mut tree, mut found) = (Tree::new(), Found::new());
    for step in Walk::new(filesystem.as_ref(), &exclude, b"") {
        match step.unwrap() {
            Step::Entry(entry) => {
                let seen = match &entry.body {
                    Body::SameAs(first) => tree[&first.to_bytes()].clone(),
                    _ => our_entry(filesystem.as_ref(), &entry),
                };
                found.insert(entry.path.to_bytes(), u32::try_from(entry.inode.id.number).unwrap());
                tree.insert(entry.path.to_bytes(), seen);
            }
            Step::Issue(issue) => panic!("{issue}"),
        }
    }
    (tree, found)
}

fn our_entry(filesystem: &dyn Filesystem, entry: &Entry) -> Seen {
    let inode = &entry.inode;
    let kind = match inode.kind {
        FileKind::Regular => "file",
        FileKind::Directory => "directory",
        FileKind::Symlink => "symlink",
        FileKind::CharacterDevice { .. } => "character device",
        FileKind::BlockDevice { .. } => "block device",
        FileKind::Fifo => "fifo",
        FileKind::Socket => "socket",
        FileKind::Image => "image",
    };
    let metadata = &inode.metadata;
    let modified = metadata.modified.unwrap();
    let mut seen = seen(kind, metadata.mode, metadata.uid, metadata.gid, modified);
    match &entry.body {
        Body::Content(content) => {
            seen.insert("size", inode.size_bytes.to_string());
            seen.insert("content", our_content(filesystem, content, inode.size_bytes));
        }
        Body::Target(target) => drop(seen.insert("target", target.escape_ascii().to_string())),
        Body::Nothing if inode.kind == FileKind::Directory => {
            seen.insert("size", inode.size_bytes.to_string());
            seen.insert("names", String::new());
        }
        Body::Nothing | Body::SameAs(_) => {}
    }
    seen
}

fn our_content(filesystem: &dyn Filesystem, content: &Content, size_bytes: u64) -> String {
    let mut hasher = Algorithm::Sha1.hasher();
    let mut end = 0;
    match content {
        Content::Inline(bytes) => {
            hasher.update(bytes);
            end = bytes.len() as u64;
        }
        Content::Extents(extents) => {
            for extent in extents {
                hasher.update_zeros(extent.file_bytes - end);
                let mut bytes = vec![0; usize::try_from(extent.len_bytes).unwrap()];
                filesystem.device().read_at(extent.at().unwrap(), &mut bytes).unwrap();
                hasher.update(&bytes);
                end = extent.file_bytes + extent.len_bytes;
            }
        }
    }
    hasher.update_zeros(size_bytes - end);
    hasher.finish().to_string()
}

/// By path: there is no other way in.
fn ext4_view(bytes: Vec<u8>, found: &Found) -> Result<Tree, String> {
    let filesystem = Ext4::load(Box::new(bytes)).map_err(|error| error.to_string())?;
    let mut tree = Tree::new();
    let mut to_do = vec![Vec::new()];
    while let Some(path) = to_do.pop() {
        let absolute = [b"/", path.as_slice()].concat();
        let metadata = match filesystem.symlink_metadata(absolute.as_slice()) {
            Ok(metadata) => metadata,
            Err(error) => {
                tree.insert(path, unreadable("inode", &error.to_string()));
                continue;
            }
        };
        let kind = match metadata.file_type() {
            FileType::Regular => "file",
            FileType::Directory => "directory",
            FileType::Symlink => "symlink",
            FileType::CharacterDevice => "character device",
            FileType::BlockDevice => "block device",
            FileType::Fifo => "fifo",
            FileType::Socket => "socket",
        };
        let modified = metadata.modified();
        let modified = Timestamp { seconds: modified.seconds(), nanoseconds: modified.nanoseconds() };
        let mut seen = seen(kind, metadata.mode(), metadata.uid().into(), metadata.gid().into(), modified);
        match kind {
            "file" => {
                seen.insert("size", metadata.len().to_string());
                seen.insert("content", told(ext4_view_content(&filesystem, &absolute)));
            }
            "symlink" => {
                let target = filesystem.read_link(absolute.as_slice());
                seen.insert("target", told(target.map(|target| target.as_ref().escape_ascii().to_string())));
            }
            "directory" => {
                seen.insert("size", metadata.len().to_string());
                let names = ext4_view_names(&filesystem, &absolute);
                seen.insert("names", told(names.as_ref().map(|_| String::new())));
                let paths = |names: Vec<Vec<u8>>| names.iter().map(|name| join(&path, name)).collect();
                let paths: Vec<Vec<u8>> =
                    names.map_or_else(|_| below(found, &path).map(|(path, _)| path.clone()).collect(), paths);
                to_do.extend(paths.into_iter().filter(|path| is_shallow(path)));
            }
            _ => {}
        }
        tree.insert(path, seen);
    }
    Ok(tree)
}

fn ext4_view_names(filesystem: &Ext4, path: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let mut names = Vec::new();
    for entry in filesystem.read_dir(path).map_err(|error| error.to_string())? {
        let entry = entry.map_err(|error| error.to_string())?;
        let name = entry.file_name().as_ref().to_vec();
        if name != b"." && name != b".." {
            names.push(name);
        }
    }
    Ok(names)
}

fn ext4_view_content(filesystem: &Ext4, path: &[u8]) -> Result<String, String> {
    let mut file = filesystem.open(path).map_err(|error| error.to_string())?;
    sha1(|| {
        let mut piece = vec![0; PIECE];
        let len = file.read_bytes(&mut piece).map_err(|error| error.to_string())?;
        piece.truncate(len);
        Ok(piece)
    })
}

/// The bytes of a filesystem, as `rust-fs-ext4` wants them.
struct Memory(Vec<u8>);

impl BlockDevice for Memory {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> fs_ext4::Result<()> {
        let found = usize::try_from(offset).ok().and_then(|start| self.0.get(start..start + buffer.len()));
        let bytes = found.ok_or(fs_ext4::Error::Corrupt("a read past the end"))?;
        buffer.copy_from_slice(bytes);
        Ok(())
    }

    fn size_bytes(&self) -> u64 {
        self.0.len() as u64
    }
}

/// By inode number.
fn fs_ext4(bytes: Vec<u8>, found: &Found) -> Result<Tree, String> {
    const ROOT: u32 = 2;
    let filesystem = FsExt4::mount(Arc::new(Memory(bytes))).map_err(|error| error.to_string())?;
    let mut tree = Tree::new();
    let mut to_do = vec![(Vec::new(), ROOT)];
    while let Some((path, number)) = to_do.pop() {
        let inode = match filesystem.stat_ino(number) {
            Ok(inode) => inode,
            Err(error) => {
                tree.insert(path, unreadable("inode", &error.to_string()));
                continue;
            }
        };
        let kind = match inode.mode & 0xf000 {
            0x8000 => "file",
            0x4000 => "directory",
            0xa000 => "symlink",
            0x2000 => "character device",
            0x6000 => "block device",
            0x1000 => "fifo",
            0xc000 => "socket",
            _ => "unknown",
        };
        let modified = Timestamp { seconds: inode.mtime, nanoseconds: inode.mtime_nsec };
        let mut seen = seen(kind, inode.mode & 0o7777, inode.uid.into(), inode.gid.into(), modified);
        match kind {
            "file" => {
                seen.insert("size", inode.size.to_string());
                seen.insert("content", told(fs_ext4_content(&filesystem, number)));
            }
            "symlink" => {
                let target = filesystem.read_link_ino(number);
                seen.insert("target", told(target.map(|target| target.escape_ascii().to_string())));
            }
            "directory" => {
                seen.insert("size", inode.size.to_string());
                let entries = filesystem.read_dir_ino(number);
                seen.insert("names", told(entries.as_ref().map(|_| String::new())));
                let entries = entries.map(|entries| {
                    let is_name = |name: &[u8]| name != b"." && name != b"..";
                    let entries = entries.into_iter().filter(|entry| is_name(&entry.name));
                    entries.map(|entry| (join(&path, &entry.name), entry.inode)).collect()
                });
                let there = |_| below(found, &path).map(|(path, number)| (path.clone(), *number)).collect();
                let entries: Vec<(Vec<u8>, u32)> = entries.unwrap_or_else(there);
                to_do.extend(entries.into_iter().filter(|(path, _)| is_shallow(path)));
            }
            _ => {}
        }
        tree.insert(path, seen);
    }
    Ok(tree)
}

fn fs_ext4_content(filesystem: &FsExt4, number: u32) -> Result<String, String> {
    let mut offset = 0;
    sha1(|| {
        let mut piece = vec![0; PIECE];
        let len = filesystem.read_ino(number, offset, &mut piece).map_err(|error| error.to_string())?;
        offset += len as u64;
        piece.truncate(len);
        Ok(piece)
    })
}
