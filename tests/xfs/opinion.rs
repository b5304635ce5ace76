//! A second opinion: lamxfs, another reader in Rust, which also replays logs. It knows no owners,
//! times and attributes.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use lamxfs::{BlockRead, EntryKind, Xfs};
use libtest_mimic::Trial;
use sha1::{Digest, Sha1};

use super::common::archive::{Archive, Compression};
use super::common::extract::Reader;
use super::common::record::{Kind, Record, Tree, shown};
use super::common::trials::trial;
use super::view;

/// Longest file that is read whole.
const LONGEST_BYTES: u64 = 64 << 20;
/// Images that it refuses, and the word that says why.
const REFUSED: [(&str, &str); 0] = [];

pub fn trials() -> impl Iterator<Item = Trial> {
    view::names().into_iter().map(|name| {
        trial(format!("{name} holds what lamxfs finds in it"), &[], move || {
            let image = view::image(&name);
            let archive = Archive::make(&image.path(), None, Compression::Zstd);
            let mut ours = Reader::Manifest.tree(&archive.path, std::iter::empty());
            // The digest of a file with holes is that of its data alone. The kernel's is of all.
            for (path, record) in view::read(&name) {
                if let Some(our) = ours.get_mut(&path).filter(|our| our.sha1.is_none()) {
                    our.sha1 = record.sha1;
                }
            }
            match (read(&image.path()), REFUSED.iter().find(|(refused, _)| *refused == name)) {
                (Ok(theirs), None) => same(&ours, &theirs),
                (Err(why), Some((_, word))) => assert!(why.contains(word), "{why}"),
                (Ok(_), Some(_)) => panic!("lamxfs reads it now"),
                (Err(why), None) => panic!("lamxfs: {why}"),
            }
        })
    })
}

fn same(ours: &Tree, theirs: &Tree) {
    for path in ours.keys().chain(theirs.keys()) {
        let (Some(our), Some(their)) = (ours.get(path), theirs.get(path)) else {
            let finder = if ours.contains_key(path) { "voltar" } else { "lamxfs" };
            panic!("{}: only {finder} finds it", shown(path));
        };
        let path = shown(path);
        assert_eq!(our.target, their.target, "{path}: voltar's target on the left");
        assert!(their.mode.is_none() || their.mode == our.mode, "{path}: another mode");
        assert!(their.size_bytes.is_none() || their.size_bytes == our.size_bytes, "{path}: another size");
        assert!(their.sha1.is_none() || their.sha1 == our.sha1, "{path}: other bytes");
    }
}

struct Image(File);

impl BlockRead for Image {
    type Error = std::io::Error;

    fn read_at(&mut self, offset_bytes: u64, buffer: &mut [u8]) -> Result<(), Self::Error> {
        self.0.read_exact_at(buffer, offset_bytes)
    }
}

fn read(image: &Path) -> Result<Tree, String> {
    let file = File::open(image).expect("the image");
    let len = file.metadata().expect("the image").len();
    let mut xfs = Xfs::open(Image(file), len).map_err(|error| format!("{error:?}"))?;
    let mut tree = Tree::new();
    let mut waiting = vec![Vec::new()];
    while let Some(path) = waiting.pop() {
        let record = entry(&mut xfs, &path)?;
        if record.kind == Kind::Directory {
            let listing = xfs.read_dir(place(&path)).map_err(|error| format!("{error:?}"))?;
            for found in listing.into_iter().filter(|found| found.name != b"." && found.name != b"..") {
                let between: &[u8] = if path.is_empty() { b"" } else { b"/" };
                waiting.push([path.as_slice(), between, &found.name].concat());
            }
        }
        tree.insert(path, record);
    }
    Ok(tree)
}

fn place(path: &[u8]) -> lamxfs::Path<'_> {
    lamxfs::Path::new(if path.is_empty() { b"/" } else { path })
}

fn entry(xfs: &mut Xfs<Image>, path: &[u8]) -> Result<Record, String> {
    let failed = |error: lamxfs::Error| format!("{}: {error:?}", shown(path));
    // Resolving a path follows a link at its end: the folder's entry names the inode itself.
    let (folder, name) = match path.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (&path[..0], path),
    };
    let mut inode = xfs.resolve(place(folder)).map_err(failed)?;
    let mut kind = EntryKind::Directory;
    if !name.is_empty() {
        let listing = xfs.read_dir(place(folder)).map_err(failed)?;
        let found = listing.into_iter().find(|found| found.name == name).expect("it was listed");
        (inode, kind) = (lamxfs::Inode { ino: found.inode_number }, found.kind);
    }
    let metadata = xfs.metadata(&inode).map_err(failed)?;
    if kind == EntryKind::Other && metadata.is_dir() {
        kind = EntryKind::Directory;
    }
    let mode = (!metadata.is_symlink()).then_some(metadata.mode() & 0o7777);
    Ok(match kind {
        EntryKind::Directory => Record { mode, ..Record::new(Kind::Directory) },
        EntryKind::Symlink => {
            let target = xfs.read_link(place(path)).map_err(failed)?;
            Record { target: Some(target), ..Record::new(Kind::Symlink) }
        }
        _ if metadata.is_file() => {
            let size_bytes = Some(metadata.size());
            let sha1 = match metadata.size() <= LONGEST_BYTES {
                true => Some(digest(xfs, &inode, metadata.size()).map_err(failed)?),
                false => None,
            };
            Record { mode, size_bytes, sha1, ..Record::new(Kind::File) }
        }
        _ => Record { mode, ..Record::new(Kind::Fifo) },
    })
}

fn digest(xfs: &mut Xfs<Image>, inode: &lamxfs::Inode, size: u64) -> Result<[u8; 20], lamxfs::Error> {
    let (mut hasher, mut at, mut buffer) = (Sha1::new(), 0, vec![0; 1 << 20]);
    while at < size {
        let len = xfs.read_file_at(inode, at, &mut buffer)?;
        assert_ne!(len, 0, "it ends at byte {at}");
        hasher.update(&buffer[..len]);
        at += len as u64;
    }
    Ok(hasher.finalize().into())
}
