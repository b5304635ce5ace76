//! From a path to an inode, and to the bytes of a file: for programs that look into an image.

use crate::error::{Error, Kind, Result};
use crate::filesystem::{Content, Decoder, FileKind, Filesystem, Inode};
use crate::printable::Printable;

/// Symbolic links that are followed on the way, `MAXSYMLINKS` in the kernel.
const MAX_LINKS: u32 = 40;

/// Longest path that is looked up, in components, links included.
const MAX_COMPONENTS: usize = 4096;

/// Names that are looked at on the way: a directory may have millions, and be passed again and again.
const MAX_NAMES: usize = 1 << 26;

/// Finds the inode that `path` leads to. Symbolic links are followed, inside the filesystem; `..` stops at the root.
///
/// # Errors
///
/// [`Kind::NotFound`] when there is nothing under this path; otherwise as the filesystem says.
pub fn find(filesystem: &dyn Filesystem, path: &[u8]) -> Result<Inode> {
    resolve(filesystem, path).map(|(_, inode)| inode)
}

/// As [`find`], with the path of the inode that no symbolic link is on; the root's is empty.
///
/// # Errors
///
/// As [`find`].
pub fn resolve(filesystem: &dyn Filesystem, path: &[u8]) -> Result<(Vec<u8>, Inode)> {
    let root = filesystem.inode(filesystem.root())?;
    let mut trail = vec![(Vec::new(), root)];
    let mut rest = components(path);
    let mut links = 0_u32;
    let mut names = 0_usize;
    while let Some(name) = rest.pop() {
        let Some((_, here)) = trail.last() else { break };
        match name.as_slice() {
            b"." => continue,
            b".." => {
                if trail.len() > 1 {
                    trail.pop();
                }
                continue;
            }
            _ => {}
        }
        let missing = || Error::new(Kind::NotFound, format!("there is no {}", Printable(path)));
        if here.kind != FileKind::Directory {
            return Err(missing());
        }
        let listing = filesystem.directory(here)?.value;
        names = names.saturating_add(listing.len());
        if names > MAX_NAMES {
            return Err(Error::new(Kind::Limit, format!("too many names on the way to {}", Printable(path))));
        }
        let number = listing.iter().find(|entry| entry.name == name).map(|entry| entry.inode);
        let inode = filesystem.inode(number.ok_or_else(missing)?)?;
        if inode.kind != FileKind::Symlink {
            trail.push((name, inode));
            continue;
        }
        links = links.saturating_add(1);
        let target = filesystem.link_target(&inode)?;
        if target.starts_with(b"/") {
            trail.truncate(1);
        }
        rest.extend(components(&target));
        if links > MAX_LINKS || rest.len() > MAX_COMPONENTS {
            return Err(Error::new(
                Kind::NotFound,
                format!("too many symbolic links in {}", Printable(path)),
            ));
        }
    }
    let names: Vec<&[u8]> = trail.iter().skip(1).map(|(name, _)| name.as_slice()).collect();
    let resolved = names.join(&b'/');
    let (_, inode) = trail.pop().ok_or_else(|| Error::corrupt("the root was left"))?;
    Ok((resolved, inode))
}

/// Reads the whole regular file that `path` leads to; holes are zeros. For files that fit in memory.
///
/// # Errors
///
/// As [`find`]; [`Kind::Usage`] when it is no regular file, [`Kind::Limit`] when it is longer than `most_bytes`.
pub fn read(filesystem: &dyn Filesystem, path: &[u8], most_bytes: u64) -> Result<Vec<u8>> {
    let inode = find(filesystem, path)?;
    if inode.kind != FileKind::Regular {
        return Err(Error::new(Kind::Usage, format!("{} is no regular file", Printable(path))));
    }
    let too_long = || {
        let (path, size) = (Printable(path), inode.size_bytes);
        Error::new(Kind::Limit, format!("{path} has {size} bytes, more than the {most_bytes} asked for"))
    };
    let len = usize::try_from(inode.size_bytes.min(most_bytes.saturating_add(1))).map_err(|_| too_long())?;
    if inode.size_bytes > most_bytes {
        return Err(too_long());
    }
    match filesystem.content(&inode)? {
        Content::Inline(mut bytes) => {
            bytes.resize(len, 0);
            Ok(bytes)
        }
        Content::Extents(extents) => {
            let mut bytes = vec![0; len];
            let mut decoder = Decoder::default();
            for extent in extents {
                let start = usize::try_from(extent.file_bytes).map_err(|_| too_long())?;
                let end = usize::try_from(extent.len_bytes).ok().and_then(|len| start.checked_add(len));
                let part = end.and_then(|end| bytes.get_mut(start..end)).ok_or_else(too_long)?;
                decoder.read((0, filesystem), extent.stored, part)?;
            }
            Ok(bytes)
        }
    }
}

/// The names in a path, the last one first: what is to be done next is at the end.
fn components(path: &[u8]) -> Vec<Vec<u8>> {
    path.split(|byte| *byte == b'/').rev().filter(|name| !name.is_empty()).map(<[u8]>::to_vec).collect()
}
