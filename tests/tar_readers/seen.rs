//! A member as a reader sees it, and as it should see it.

use std::fmt;

use crate::common::archive::manifest;
use crate::common::extract::Reader;
use crate::common::record::{Kind, shown};
use crate::common::tar::canonical;
use crate::made::Made;

/// A member as a reader sees it.
#[derive(Clone, PartialEq, Eq)]
pub struct Seen {
    pub path: Vec<u8>,
    /// As the manifest calls it, and `link` for a further name.
    pub kind: String,
    /// Length of a file.
    pub size: u64,
    /// SHA-1 of a file's content; `None` where it was not read.
    pub sha1: Option<String>,
    /// Target of a symbolic link, or the first name of a further one.
    pub link: Vec<u8>,
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, kind, size, sha1, link } = self;
        write!(f, "{} {kind} {size} {sha1:?} {}", shown(path), shown(link))
    }
}

impl Seen {
    /// A line of the programs in this folder: name, kind, size, digest and link between tabs.
    pub fn of_line(line: &str) -> Self {
        let fields: Vec<&str> = line.split('\t').collect();
        let [path, kind, size, sha1, link] = fields.as_slice() else { panic!("{line:?}") };
        let link = unhex(link);
        Self {
            path: canonical_of(&unhex(path)),
            kind: (*kind).to_owned(),
            size: size.parse().unwrap(),
            sha1: Some((*sha1).to_owned()).filter(|sha1| sha1 != "-"),
            link: if *kind == "link" { canonical_of(&link) } else { link },
        }
    }

    /// All members of an archive in its order: from its manifest, and the content from the strict
    /// reader, which `tests/archive_format.rs` holds against it.
    pub fn of_manifest(made: &Made) -> Vec<Self> {
        let strict = Reader::Strict.tree(&made.path, std::iter::empty());
        let lines = manifest(&made.path);
        let entries = lines.iter().filter(|line| line["record"] == "entry" && !line["place"].is_null());
        entries
            .map(|line| {
                let bytes = |key: &str| match line[format!("{key}_hex")].as_str() {
                    Some(hex) => unhex(hex),
                    None => line[key].as_str().unwrap_or_default().as_bytes().to_vec(),
                };
                let path = canonical_of(&bytes("path"));
                let record = &strict[&path];
                let is_link = !line["link"].is_null();
                let kind = match record.kind {
                    _ if is_link => "link",
                    Kind::File => "file",
                    Kind::Directory => "dir",
                    Kind::Symlink => "symlink",
                    Kind::CharacterDevice => "chr",
                    Kind::BlockDevice => "blk",
                    Kind::Fifo => "fifo",
                    Kind::Socket => "sock",
                };
                let sha1 = record.sha1.map(|sha1| sha1.iter().map(|byte| format!("{byte:02x}")).collect());
                Self {
                    path,
                    kind: kind.to_owned(),
                    size: record.size_bytes.filter(|_| kind == "file").unwrap_or(0),
                    sha1: sha1.filter(|_| kind == "file"),
                    link: if is_link { canonical_of(&bytes("link")) } else { bytes("target") },
                }
            })
            .collect()
    }
}

/// Without `./` and a slash at the end. The name of no entry stays, and differs.
pub fn canonical_of(path: &[u8]) -> Vec<u8> {
    canonical(path).unwrap_or_else(|_| path.to_vec())
}

pub fn unhex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    digits.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}
