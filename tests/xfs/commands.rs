//! The commands that look into a disk, on an XFS that was unmounted and on one whose log has to be
//! replayed.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use libtest_mimic::Trial;
use serde_json::Value;
use sha1::{Digest, Sha1};

use super::common::diff::assert_none;
use super::common::extract::Reader;
use super::common::limits::unexplained;
use super::common::record::{Kind, Tree};
use super::common::tools;
use super::common::tree;
use super::common::trials::{Needs, trial};
use super::random::{NEEDS, Scratch};
use super::view::{self, Unpacked};

const IMAGES: [&str; 2] = ["short", "log-only"];

/// A disk, the archive of it, and the kernel's view.
struct Case {
    image: Unpacked,
    archive: OsString,
    kernel: Tree,
    _folder: tempfile::TempDir,
}

type Body = fn(&Case);
const CASES: [(&str, &[Needs], Body); 7] = [
    ("inspect shows what xfs_db and blkid say", &[Needs::Tool("xfs_db", "xfsprogs")], inspect),
    ("ls lists each folder", &[], ls),
    ("cat writes each file", &[], cat),
    ("find finds by name", &[], find),
    ("diff sees no difference from its archive, and one from another disk", &[], diff),
    ("extract brings the tree back", NEEDS, extract),
    ("verify --against finds all of it in the archive", &[], verify),
];

pub fn trials() -> impl Iterator<Item = Trial> {
    IMAGES.into_iter().flat_map(|name| {
        CASES.into_iter().map(move |(sentence, needs, body)| {
            trial(format!("{name}: {sentence}"), needs, move || {
                let image = view::image(name);
                let folder = tools::temporary_folder();
                let archive = OsString::from(folder.path().join("a.tar.zst"));
                body(&Case { image, archive, kernel: view::read(name), _folder: folder });
            })
        })
    })
}

impl Case {
    fn image(&self) -> OsString {
        self.image.path().into()
    }

    /// The image with a path in it, as a place.
    fn place(&self, path: &[u8]) -> OsString {
        let mut place = self.image();
        place.push(":/");
        place.push(std::ffi::OsStr::from_bytes(path));
        place
    }

    fn make_archive(&self) {
        run(["archive".into(), self.image(), "-o".into(), self.archive.clone()]);
    }

    /// The names in a folder, by the kernel.
    fn names(&self, folder: &[u8]) -> BTreeSet<Vec<u8>> {
        let prefix = if folder.is_empty() { Vec::new() } else { [folder, b"/"].concat() };
        let below = self.kernel.keys().filter_map(|path| path.strip_prefix(prefix.as_slice()));
        below.filter(|name| !name.is_empty() && !name.contains(&b'/')).map(<[u8]>::to_vec).collect()
    }
}

fn run<const N: usize>(words: [OsString; N]) -> Vec<u8> {
    tools::voltar(words, 0).stdout
}

fn lines(output: &[u8]) -> BTreeSet<Vec<u8>> {
    output.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(<[u8]>::to_vec).collect()
}

fn inspect(case: &Case) {
    let output = run(["inspect".into(), "--json".into(), case.image()]);
    let told: Value = serde_json::from_slice(&output).expect("JSON");
    let filesystem = &told["volumes"][0]["filesystem"];
    let database = |commands: &[&str]| {
        let words = ["-r"].into_iter().chain(commands.iter().flat_map(|command| ["-c", command]));
        let words = words.map(OsString::from).chain([case.image()]);
        String::from_utf8(tools::run("xfs_db", words)).expect("text")
    };
    let uuid = database(&["uuid"]);
    assert_eq!(filesystem["uuid"].as_str(), uuid.trim().strip_prefix("UUID = "), "{uuid}");
    let label = database(&["label"]);
    assert_eq!(label.trim(), format!("label = \"{}\"", filesystem["label"].as_str().expect("a label")));
    let blocks = database(&["sb 0", "p dblocks blocksize"]);
    let numbers: Vec<u64> = blocks.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    assert_eq!(filesystem["size_bytes"].as_u64(), Some(numbers[0] * numbers[1]));
    let features = database(&["version"]);
    for (ours, theirs) in [("crc", "CRC"), ("reflink", "REFLINK"), ("bigtime", "BIGTIME"), ("ftype", "FTYPE")]
    {
        let has = filesystem["features"].as_array().expect("features").iter().any(|name| name == ours);
        assert_eq!(has, features.split([',', '\n']).any(|name| name == theirs), "{ours}: {features}");
    }
    let (used, free) = (filesystem["used_bytes"].as_u64(), filesystem["free_bytes"].as_u64());
    assert!(used > Some(0) && free > Some(0) && used < filesystem["size_bytes"].as_u64());
    let shown = String::from_utf8(run(["inspect".into(), case.image()])).expect("text");
    assert!(shown.contains("xfs") && shown.contains(filesystem["uuid"].as_str().expect("text")), "{shown}");
}

fn ls(case: &Case) {
    let folders = case.kernel.iter().filter(|(_, record)| record.kind == Kind::Directory);
    for (path, _) in folders.take(8) {
        assert_eq!(lines(&run(["ls".into(), case.place(path)])), case.names(path));
    }
}

fn cat(case: &Case) {
    let files = case
        .kernel
        .iter()
        .filter(|(_, record)| record.kind == Kind::File && record.size_bytes < Some(1 << 20));
    let mut read = 0;
    for (path, record) in files.take(12) {
        let bytes = run(["cat".into(), case.place(path)]);
        assert_eq!(Some(<[u8; 20]>::from(Sha1::digest(&bytes))), record.sha1);
        read += 1;
    }
    assert!(read > 5, "{read} files");
}

fn find(case: &Case) {
    let found = lines(&run(["find".into(), case.image(), "--name".into(), "file-*".into()]));
    let expected = case.names(b"").into_iter().filter(|name| name.starts_with(b"file-"));
    assert_eq!(found, expected.collect());
    assert!(found.len() > 2);
}

fn diff(case: &Case) {
    case.make_archive();
    let said = |other: OsString, code: i32| {
        let output = tools::voltar(["diff".into(), case.archive.clone(), other], code);
        String::from_utf8(output.stdout).expect("text")
    };
    let same = said(case.image(), 0);
    assert!(same.contains("0 added, 0 removed, 0 changed"), "{same}");
    let other = view::image("old-times");
    let differs = said(other.path().into(), 1);
    assert!(!differs.contains("0 changed"), "{differs}");
}

fn extract(case: &Case) {
    let scratch = Scratch::new();
    let target = scratch.path().join("tree");
    std::fs::create_dir(&target).expect("a folder");
    run(["extract".into(), "--devices".into(), case.image(), "-C".into(), OsString::from(&target)]);
    let mut found = tree::read(&target);
    for record in found.values_mut() {
        // An XFS has blocks for what may be appended.
        record.stored_bytes = None;
    }
    assert_none("extract", &unexplained(Reader::GnuTar, &case.kernel, &found));
}

fn verify(case: &Case) {
    case.make_archive();
    let words = ["verify".into(), case.archive.clone(), "--against".into(), case.image()];
    let said = String::from_utf8(run(words)).expect("text");
    let entries = case.kernel.len();
    assert!(said.contains(&format!("{entries} the same")), "{said}");
}
