//! What another kernel showed of an image, as `fixtures/record-elsewhere` wrote it down.

use std::collections::BTreeMap;
use std::path::Path;

use super::record::{Kind, Record, Time, Tree, group_links};

/// Reads a view: lines of find(1), tabs between the fields, then lines of sha1sum(1).
pub fn read(path: impl AsRef<Path>) -> Tree {
    let text = std::fs::read(path).expect("the view");
    let (mut tree, mut contents) = (Tree::new(), BTreeMap::new());
    for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        match line.split(|byte| *byte == b'\t').collect::<Vec<_>>()[..] {
            [path, kind, mode, uid, gid, size, mtime, links, target] => {
                let numbers = [uid, gid, size, links].map(|field| number(field, 10));
                let entry = record(kind, number(mode, 8), numbers, time(mtime), target);
                assert!(tree.insert(path.to_vec(), entry).is_none(), "a path twice");
            }
            [_] => {
                let (digest, path) = line.split_at_checked(40).expect("a digest of 40 digits");
                let path = path.strip_prefix(b"  ./").expect("a path below the mount");
                contents.insert(path.to_vec(), digest.to_vec());
            }
            _ => panic!("{}", line.escape_ascii()),
        }
    }
    let mut identities = BTreeMap::new();
    for (path, digest) in contents {
        let record = tree.get_mut(&path).expect("a file that find has told of");
        record.sha1 = Some(std::array::from_fn(|at| {
            u8::try_from(number(&digest[2 * at..2 * at + 2], 16)).expect("two digits")
        }));
        // In these images only the names of one file have one content.
        if record.links > Some(1) {
            identities.insert(path, digest);
        }
    }
    group_links(&mut tree, identities);
    tree
}

fn record(kind: &[u8], mode: u64, [uid, gid, size, links]: [u64; 4], mtime: Time, target: &[u8]) -> Record {
    let kind = match kind {
        b"f" => Kind::File,
        b"d" => Kind::Directory,
        b"l" => Kind::Symlink,
        other => panic!("a type {}", other.escape_ascii()),
    };
    let small = |value: u64| u32::try_from(value).ok();
    Record {
        mode: small(mode),
        uid: small(uid),
        gid: small(gid),
        size_bytes: (kind == Kind::File).then_some(size),
        mtime: Some(mtime),
        target: (kind == Kind::Symlink).then(|| target.to_vec()),
        links: (kind != Kind::Directory).then_some(links),
        ..Record::new(kind)
    }
}

/// `1795964879.3040000000`: seconds, and ten digits of a fraction.
fn time(field: &[u8]) -> Time {
    let mut parts = field.split(|byte| *byte == b'.');
    let (seconds, fraction) = (parts.next().expect("seconds"), parts.next().expect("a fraction"));
    Time {
        seconds: number(seconds, 10).try_into().expect("seconds since 1970"),
        nanoseconds: number(&fraction[..9], 10).try_into().expect("nanoseconds"),
    }
}

fn number(field: &[u8], radix: u32) -> u64 {
    u64::from_str_radix(std::str::from_utf8(field).expect("ASCII"), radix).expect("a number")
}
