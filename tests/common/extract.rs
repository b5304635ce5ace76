//! The ways to look into an archive: GNU tar, bsdtar, and the strict reader.

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufReader, Read};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use super::kernel::Mount;
use super::record::Tree;
use super::{manifest, tar, tools, tree};

/// Who reads the archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    GnuTar,
    Bsdtar,
    /// No extraction: what the headers say.
    Strict,
    /// What the manifest beside the archive says.
    Manifest,
}

/// The longest path, in bytes, that a system call takes: `PATH_MAX` without its zero byte.
const LONGEST_PATH_BYTES: usize = 4095;

/// Whether the extractors leave out a member because its path is longer than a system call takes.
pub fn path_is_too_long(member: &[u8]) -> bool {
    member.len() > LONGEST_PATH_BYTES
}

impl Reader {
    /// What the reader makes of an archive. `members` are the names that are known to be in it.
    pub fn tree(self, archive: &Path, members: impl Iterator<Item = Vec<u8>>) -> Tree {
        let scratch = matches!(self, Self::GnuTar | Self::Bsdtar).then(|| Mount::scratch(SCRATCH_BYTES));
        self.tree_in(archive, members, scratch.as_ref().map_or(Path::new("/"), Mount::path))
    }

    /// The same, extracted into a folder that can store all that there is.
    pub fn tree_in(self, archive: &Path, members: impl Iterator<Item = Vec<u8>>, scratch: &Path) -> Tree {
        match self {
            Self::GnuTar => {
                let options = "--xattrs --xattrs-include=* --acls --selinux -p --same-owner --numeric-owner \
                               --warning=no-unknown-keyword --warning=no-timestamp --anchored --no-wildcards";
                extracted("tar", options, excluded(members, |name| name.to_vec()), archive, scratch)
            }
            Self::Bsdtar => {
                let options = "-p --same-owner --numeric-owner --acls --xattrs --fflags";
                extracted("bsdtar", options, excluded(members, without_wildcards), archive, scratch)
            }
            Self::Manifest => manifest::read(archive),
            Self::Strict => {
                tar::read(stream(archive)).unwrap_or_else(|fault| panic!("{}: {fault}", archive.display()))
            }
        }
    }
}

/// Options that leave out what [`path_is_too_long`] says.
fn excluded(members: impl Iterator<Item = Vec<u8>>, pattern: fn(&[u8]) -> Vec<u8>) -> Vec<OsString> {
    let exclude = |name: Vec<u8>| OsString::from_vec([b"--exclude=", pattern(&name).as_slice()].concat());
    let mut topmost: Vec<Vec<u8>> = Vec::new();
    for name in members.filter(|name| path_is_too_long(name)) {
        let is_inside =
            |folder: &Vec<u8>| name.strip_prefix(folder.as_slice()).is_some_and(|rest| rest[0] == b'/');
        if !topmost.iter().any(is_inside) {
            topmost.push(name);
        }
    }
    topmost.into_iter().map(exclude).collect()
}

fn without_wildcards(name: &[u8]) -> Vec<u8> {
    let escaped = |byte: &u8| if b"*?[\\".contains(byte) { vec![b'\\', *byte] } else { vec![*byte] };
    name.iter().flat_map(escaped).collect()
}

/// The tar stream of an archive, decompressed by its name.
pub fn stream(archive: &Path) -> Box<dyn Read> {
    let file = BufReader::new(File::open(archive).expect("the archive"));
    match archive.extension().and_then(|extension| extension.to_str()) {
        Some("zst") => Box::new(BufReader::new(zstd::Decoder::new(file).expect("a zstd stream"))),
        Some("gz") => Box::new(BufReader::new(flate2::bufread::MultiGzDecoder::new(file))),
        _ => Box::new(file),
    }
}

/// Most that the trees of the tests take; the file behind it is sparse.
const SCRATCH_BYTES: u64 = 16 << 30;

fn extracted(program: &str, options: &str, excluded: Vec<OsString>, archive: &Path, scratch: &Path) -> Tree {
    let root = scratch.join("tree");
    std::fs::create_dir(&root).expect("a folder on the scratch filesystem");
    let mut command = tools::command(program);
    command.args(options.split_whitespace()).args(excluded).arg("-xf").arg(archive).current_dir(&root);
    let output = command.output().expect("the extractor starts");
    tools::assert_success(program, &output);
    assert!(output.stderr.is_empty(), "{program} complains: {}", tools::said(&output));
    let mut tree = tree::read(&root);
    // The ranges that the scratch filesystem stores are in its own blocks.
    tree.values_mut().for_each(|record| record.data_sha1 = None);
    tree
}
