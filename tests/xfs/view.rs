//! The images of `fixtures/xfs`, and what the kernel that made them showed: a line of JSON for each
//! entry.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::common::record::{Kind, Record, Time, Tree, group_links};
use super::common::tools;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/xfs")
}

/// The names of the images that have a view.
pub fn names() -> Vec<String> {
    let entries = std::fs::read_dir(folder()).expect("fixtures/xfs");
    let files = entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"));
    let mut names: Vec<String> =
        files.filter_map(|file| Some(file.strip_suffix(".view.zst")?.to_owned())).collect();
    names.sort();
    assert!(!names.is_empty(), "no images in fixtures/xfs");
    names
}

fn unpacked(file: &str) -> Vec<u8> {
    let packed = std::fs::read(folder().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
    zstd::decode_all(&packed[..]).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// An image as a file, with holes for its zeros.
pub struct Unpacked(tempfile::TempDir);

impl Unpacked {
    pub fn path(&self) -> PathBuf {
        self.0.path().join("image")
    }
}

pub fn image(name: &str) -> Unpacked {
    let unpacked = Unpacked(tools::temporary_folder());
    let packed = folder().join(format!("{name}.img.zst"));
    let arguments = ["-q", "-d", "--sparse", "-o"].map(std::ffi::OsStr::new);
    let to = unpacked.path();
    tools::run("zstd", arguments.into_iter().chain([to.as_os_str(), packed.as_os_str()]));
    unpacked
}

/// The kernel's view of it.
pub fn read(name: &str) -> Tree {
    let text = unpacked(&format!("{name}.view.zst"));
    let (mut tree, mut inodes) = (Tree::new(), BTreeMap::new());
    for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let line: Value = serde_json::from_slice(line).expect("JSON");
        let path = hex(&line["path"]);
        let record = record(&line);
        if record.kind != Kind::Directory && record.links > Some(1) {
            inodes.insert(path.clone(), line["inode"].as_u64().expect("a number"));
        }
        assert!(tree.insert(path, record).is_none(), "a path twice");
    }
    group_links(&mut tree, inodes);
    tree
}

fn record(line: &Value) -> Record {
    let kind = match line["kind"].as_str().expect("a kind") {
        "file" => Kind::File,
        "dir" => Kind::Directory,
        "symlink" => Kind::Symlink,
        "chr" => Kind::CharacterDevice,
        "blk" => Kind::BlockDevice,
        "fifo" => Kind::Fifo,
        other => panic!("a kind {other}"),
    };
    let number = |key: &str| line.get(key).map(|value| value.as_u64().expect(key));
    let small = |key: &str| number(key).map(|value| u32::try_from(value).expect(key));
    let time = |key: &str| {
        let [seconds, nanoseconds] = line.get(key)?.as_array()?.as_slice() else { return None };
        Some(Time { seconds: seconds.as_i64()?, nanoseconds: u32::try_from(nanoseconds.as_u64()?).ok()? })
    };
    let xattrs = line["xattrs"]
        .as_object()
        .map(|all| all.iter().map(|(name, value)| (hex(&Value::from(name.as_str())), hex(value))).collect());
    Record {
        mode: small("mode"),
        uid: small("uid"),
        gid: small("gid"),
        size_bytes: number("size"),
        mtime: time("mtime"),
        atime: time("atime"),
        ctime: time("ctime"),
        device: small("major").zip(small("minor")),
        target: line.get("target").map(hex),
        links: number("links").filter(|_| kind != Kind::Directory),
        sha1: line.get("sha1").map(|digest| hex(digest).try_into().expect("20 bytes")),
        xattrs,
        flags: small("flags"),
        ..Record::new(kind)
    }
}

fn hex(text: &Value) -> Vec<u8> {
    let text = text.as_str().expect("text");
    let digits = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).expect("hexadecimal digits");
    (0..text.len()).step_by(2).map(digits).collect()
}
