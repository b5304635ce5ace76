//! Our reader of ext2, ext3 and ext4 against two others, `ext4-view` and `rust-fs-ext4`, on clean filesystems.
//!
//! Each walks every clean filesystem of `fixtures/`, and must see what ours sees: names, types, modes, owners, sizes, link
//! targets, times, contents. Both have faults of their own. Those are listed in `other_readers/known.rs`, each with what
//! it does, so that whatever else differs stands out; one that no longer shows has to leave the list.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use voltar::Disk;
use voltar::volume::Volume;

#[path = "other_readers/known.rs"]
mod known;
#[path = "other_readers/readers.rs"]
mod readers;
#[path = "other_readers/seen.rs"]
mod seen;

use known::{KNOWN, Known};
use readers::{Reader, ours};
use seen::{Difference, differences};

/// Fixtures that are not clean: what a reader makes of them is no measure of another.
const NOT_CLEAN: [&str; 13] = [
    "ext3-needs-recovery",
    "ext4-needs-recovery",
    "ext4-revoked",
    "ext4-not-committed",
    "ext4-unknown-feature",
    "ext4-no-first-superblock",
    "ext4-cut-off",
    "ext4-directory-twice",
    "mbr-overlap",
    "mbr-past-the-end",
    "mbr-extended-loop",
    "gpt-both-damaged",
    "gpt-cut-off",
];

/// A filesystem of a fixture.
struct Subject {
    /// `ext4`, or `guest p4`.
    name: String,
    /// Where it lies in the fixture.
    disk: Disk,
    number: u32,
    bytes: Vec<u8>,
}

impl Subject {
    fn volume(&self) -> &Volume {
        self.disk.volume(self.number).unwrap()
    }
}

#[test]
fn each_other_reader_sees_what_ours_sees_but_for_its_known_faults() {
    let mut unexplained = Vec::new();
    let mut met = BTreeSet::new();
    let subjects = subjects();
    assert!(subjects.len() > 20, "only {} filesystems under fixtures/", subjects.len());
    for subject in &subjects {
        let (ours, found) = ours(subject.volume());
        assert!(ours.len() > 2, "{}: only {} entries", subject.name, ours.len());
        for reader in Reader::ALL {
            for difference in differences(&ours, &reader.see(&subject.bytes, &found)) {
                match KNOWN.iter().position(|known| explains(known, reader, subject, &difference)) {
                    Some(index) => drop(met.insert((index, subject.name.clone(), difference.path))),
                    None => unexplained.push(format!("{reader:?}: {}: {difference}", subject.name)),
                }
            }
        }
    }
    assert!(unexplained.is_empty(), "\n{}", unexplained.join("\n"));
    let shows = |index: usize, name: &str, path: Option<&str>| {
        met.iter().any(|(met, on, at)| *met == index && on == name && path.is_none_or(|path| path == at))
    };
    let mut gone = Vec::new();
    for (index, known) in KNOWN.iter().enumerate() {
        let paths: Vec<Option<&str>> = match known.paths {
            [] => vec![None],
            paths => paths.iter().copied().map(Some).collect(),
        };
        let places = known.on.iter().flat_map(|name| paths.iter().map(move |path| (name, path)));
        let missing = places.filter(|(name, path)| !shows(index, name, **path));
        gone.extend(missing.map(|(name, path)| {
            let Known { reader, field, why, .. } = known;
            format!("{reader:?}: {name}: {:?}: {field}: {why}", path.unwrap_or_default())
        }));
    }
    assert!(
        gone.is_empty(),
        "these faults don't show any more, and have to leave the list:\n{}",
        gone.join("\n")
    );
}

#[test]
fn a_known_fault_explains_its_own_reader_filesystem_path_and_field_only() {
    let subject = subjects().into_iter().find(|subject| subject.name == "ext4").unwrap();
    let known =
        |paths, field| Known { reader: Reader::Ext4View, on: &["ext4"], paths, field, says: "2", why: "" };
    let difference = |path: &str, field| Difference {
        path: path.to_owned(),
        field,
        ours: "1".to_owned(),
        theirs: "2".to_owned(),
    };
    let (one, all): (&[&str], &[&str]) = (&["hello.txt"], &[]);
    let is_explained =
        |known: &Known, reader, path, field| explains(known, reader, &subject, &difference(path, field));
    assert!(is_explained(&known(one, "size"), Reader::Ext4View, "hello.txt", "size"));
    assert!(is_explained(&known(all, "size"), Reader::Ext4View, "folder", "size"));
    assert!(!is_explained(&known(one, "size"), Reader::Ext4View, "folder", "size"));
    assert!(!is_explained(&known(one, "size"), Reader::Ext4View, "hello.txt", "mode"));
    assert!(!is_explained(&known(one, "size"), Reader::FsExt4, "hello.txt", "size"));
    let otherwise = Known { says: "3", ..known(all, "size") };
    assert!(!is_explained(&otherwise, Reader::Ext4View, "hello.txt", "size"));
    let elsewhere = Known { on: &["ext3"], ..known(all, "size") };
    assert!(!is_explained(&elsewhere, Reader::Ext4View, "hello.txt", "size"));
}

fn explains(known: &Known, reader: Reader, subject: &Subject, difference: &Difference) -> bool {
    known.reader == reader
        && known.on.contains(&subject.name.as_str())
        && known.field == difference.field
        && difference.theirs.contains(known.says)
        && (known.paths.is_empty() || known.paths.contains(&difference.path.as_str()))
}

/// All ext filesystems in the clean fixtures.
fn subjects() -> Vec<Subject> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut subjects: Vec<Subject> = files.flat_map(|path| in_fixture(&path)).collect();
    subjects.sort_by(|a, b| a.name.cmp(&b.name));
    subjects
}

fn in_fixture(path: &Path) -> Vec<Subject> {
    let file = path.file_name().unwrap().to_str().unwrap();
    let Some(name) = file.strip_suffix(".zst").unwrap_or(file).strip_suffix(".img") else {
        return Vec::new();
    };
    if NOT_CLEAN.contains(&name) {
        return Vec::new();
    }
    let stored = fs::read(path).unwrap();
    let bytes = if file.ends_with(".zst") { zstd::decode_all(&stored[..]).unwrap() } else { stored };
    let bytes = Arc::new(bytes);
    let open = || Disk::from_device(path, Arc::<Vec<u8>>::clone(&bytes)).unwrap();
    let disk = open();
    let volumes = disk.volumes().iter().filter(|volume| volume.is_readable());
    let subject = |volume: &Volume| {
        let range = volume.range();
        let at = usize::try_from(range.start()).unwrap()..usize::try_from(range.end()).unwrap();
        let name = match disk.table() {
            Some(_) => format!("{name} {}", volume.id()),
            None => name.to_owned(),
        };
        Subject { name, disk: open(), number: volume.id().number().unwrap(), bytes: bytes[at].to_vec() }
    };
    volumes.map(subject).collect()
}
