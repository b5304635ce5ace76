//! Images whose archive is not what the kernel shows, or that need more than a mount: corrupt journals, a journal on another device,
//! encryption, trees too deep, and what this kernel may not mount: folded names, verity, large blocks. The others are in
//! `tests/kernel_view.rs`.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::Value;

mod common;

use common::archive;
use common::diff::{assert_none, differences};
use common::images::Image;
use common::kernel::Mount;
use common::limits::unexplained;
use common::record::{Kind, Record, Tree};
use common::trials::{Needs, run, trial};
use common::{extract::Reader, tools, tree, view};

/// Images with three transactions, of which one is damaged: how many are replayed, and what the issue says.
const CORRUPT: [(&str, usize, &str); 7] = [
    ("corrupt-descriptor", 1, "not replayed: descriptor block at log block"),
    ("corrupt-copy", 1, "does not match its checksum"),
    ("corrupt-copy-v1", 1, "not replayed: commit block at log block"),
    ("corrupt-commit", 1, "not replayed: commit block at log block"),
    ("corrupt-commit-async", 1, "not replayed: commit block at log block"),
    ("corrupt-last-commit", 2, "not replayed: commit block at log block"),
    ("corrupt-journal-superblock", 0, "journal superblock has checksum"),
];

fn main() -> ExitCode {
    let mut trials = Vec::new();
    for (name, replayed, says) in CORRUPT {
        let sentence =
            format!("{name}: what was committed before the fault is replayed, the fault is an issue");
        trials.push(trial(sentence, &[], move || corrupt_journal(name, replayed, says)));
    }
    let root = [Needs::Root, Needs::LoopMounts];
    trials.extend([
        trial("a copy that its checksum refuses ends a longer log", &[], damaged_copy),
        trial("where the replay leaves no root, what lies there is read", &[], damaged_commit_of_all),
        trial(
            "without its journal on another device, a filesystem to be replayed is a raw image and an issue",
            &[],
            no_journal,
        ),
        trial("with --journal it is what the kernel shows", &root, journal_on_another_device),
        trial("what is encrypted is one issue for each directory", &[], encrypted),
        trial("what lies too deep is one issue, and the rest is there", &[], deep),
        trial("of a verity file the content is archived, and not the tree behind it", &[], verity),
        trial(
            "an old partition table over a filesystem is an issue, and told to be none",
            &root,
            stale_table,
        ),
        trial("a GPT has entries of any length", &[], long_entries),
        trial("a project id is in the manifest", &[], project),
        trial("a directory with more names than one is entered once", &[], directory_twice),
    ]);
    for name in ["kernel-casefold", "kernel-verity"] {
        trials.push(trial(format!("{name} is what the kernel that made it showed"), &[], move || {
            view_of(name)
        }));
    }
    let debugfs = [Needs::Root, Needs::Tool("debugfs", "e2fsprogs")];
    for name in ["ext4-16k-blocks", "ext4-64k-blocks"] {
        trials.push(trial(format!("{name} is what e2fsprogs read"), &debugfs, move || rdump_of(name)));
    }
    run(trials)
}

/// An archive in a folder of its own.
struct Made {
    folder: tempfile::TempDir,
    /// What the program said.
    said: String,
}

impl Made {
    /// Archives an image, which must end with `code`.
    fn of(image: &Path, options: &[&Path], code: i32) -> Self {
        let folder = tools::temporary_folder();
        let mut arguments: Vec<OsString> =
            vec!["archive".into(), image.into(), "--quiet".into(), "-o".into()];
        arguments.push(folder.path().join("archive.tar").into());
        arguments.extend(options.iter().map(|option| option.as_os_str().to_owned()));
        let output = tools::voltar(arguments, code);
        Self { folder, said: String::from_utf8(output.stderr).expect("text") }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("archive.tar")
    }

    fn manifest(&self) -> Vec<Value> {
        archive::manifest(&self.path())
    }

    /// The manifest's records of a kind.
    fn records(&self, kind: &str) -> Vec<Value> {
        self.manifest().into_iter().filter(|line| line["record"] == kind).collect()
    }

    fn paths(&self) -> BTreeSet<String> {
        let text = |line: &Value| line["path"].as_str().map(str::to_owned);
        self.records("entry").iter().filter_map(text).collect()
    }
}

fn recorded(name: &str) -> Image {
    Image::recorded(name)
}

fn corrupt_journal(name: &str, replayed: usize, says: &str) {
    let image = recorded(name);
    let made = Made::of(image.path(), &[], 3);
    assert!(made.said.contains(says), "{}", made.said);
    let issues = made.records("issue");
    assert_eq!(issues.len(), 1, "{issues:?}");
    let paths = made.paths();
    for number in 1..=3 {
        let is_there = number <= replayed;
        for path in [format!("b/of-{number}"), format!("b/made-{number}"), format!("b/moved-{number}")] {
            assert_eq!(paths.contains(&path), is_there, "{path}, {replayed} transactions");
        }
        for path in [format!("a/old-{number}"), format!("a/old-{}", number + 4)] {
            assert_eq!(paths.contains(&path), !is_there, "{path}, {replayed} transactions");
        }
    }
    assert!(paths.contains("large") && paths.contains("a/link"), "{paths:?}");
    let strict = Made::of(image.path(), &[Path::new("--strict")], 1);
    assert!(strict.said.contains(says), "{}", strict.said);
    assert!(!strict.path().exists(), "an archive was published");
}

fn stale_table() {
    let image = recorded("ext4-under-a-stale-mbr");
    let kernel = tree::read(Mount::read_only(image.path(), 0, image.path().metadata().unwrap().len()).path());
    let names = |made: &Made| made.paths().into_iter().filter(|path| path != ".").collect::<BTreeSet<_>>();
    let shown = kernel.keys().map(|path| String::from_utf8(path.clone()).expect("text"));
    let shown: BTreeSet<String> = shown.filter(|path| !path.is_empty() && path != ".").collect();
    assert!(shown.contains("lost+found"), "{shown:?}");
    let made = Made::of(image.path(), &[], 3);
    assert!(made.said.contains("the partition table as a leftover"), "{}", made.said);
    assert_eq!(names(&made), shown);
    let told = Made::of(image.path(), &[Path::new("--partition"), Path::new("0")], 0);
    assert_eq!(names(&told), shown);
}

/// A copy of `dirty-tags-v3-64bit` with the bits of these bytes turned round.
fn turned(bytes: std::ops::Range<u64>) -> (tempfile::TempDir, PathBuf) {
    let folder = tools::temporary_folder();
    let path = folder.path().join("turned.img");
    tools::run(
        "cp",
        ["--sparse=always".as_ref(), recorded("dirty-tags-v3-64bit").path().as_os_str(), path.as_os_str()],
    );
    let file = File::options().read(true).write(true).open(&path).unwrap();
    for at in bytes {
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).unwrap();
        file.write_all_at(&[!byte[0]], at).unwrap();
    }
    (folder, path)
}

/// The first copy of the first transaction: nothing is replayed, and the filesystem is what lies there.
fn damaged_copy() {
    let (_folder, image) = turned(86_116..86_120);
    let made = Made::of(&image, &[], 3);
    assert!(
        made.said.contains("journal transaction 4, and all after it, not replayed: copy of block 14"),
        "{}",
        made.said
    );
    assert_eq!(made.paths().len(), 140, "4 directories and 136 files");
}

/// The commit of the last of four transactions. The third one puts bytes without any sense in the place of the inode table, and
/// only the fourth mends that: the root can't be read from what was replayed.
fn damaged_commit_of_all() {
    let (_folder, image) = turned(6_705_168..6_705_172);
    let made = Made::of(&image, &[], 3);
    assert!(
        made.said.contains("journal transaction 7, and all after it, not replayed: commit block"),
        "{}",
        made.said
    );
    assert!(made.said.contains("read as it lies there, without the journal"), "{}", made.said);
    assert_eq!(made.paths().len(), 140, "4 directories and 136 files");
    let strict = Made::of(&image, &[Path::new("--strict")], 1);
    assert!(strict.said.contains("journal transaction 7"), "{}", strict.said);
}

fn no_journal() {
    let made = Made::of(recorded("dirty-external-journal").path(), &[], 3);
    assert!(
        made.said.contains("the journal must be replayed") && made.said.contains("--journal"),
        "{}",
        made.said
    );
    let other = recorded("dirty-orphan-list");
    let made =
        Made::of(recorded("dirty-external-journal").path(), &[Path::new("--journal"), other.path()], 3);
    assert!(made.said.contains("the device of the journal holds none"), "{}", made.said);
}

fn journal_on_another_device() {
    let (image, journal) = (recorded("dirty-external-journal"), recorded("dirty-external-journal.journal"));
    let made = Made::of(image.path(), &[Path::new("--journal"), journal.path()], 0);
    let kernel = tree::read(Mount::recovered_with_journal(image.path(), journal.path()).path());
    assert!(kernel.contains_key(&b"b/of-3"[..]), "the kernel has not replayed it");
    let members = kernel.keys().map(|path| [b"./", path.as_slice()].concat());
    for reader in [Reader::Manifest, Reader::Strict] {
        let found = reader.tree(&made.path(), members.clone());
        assert_none("dirty-external-journal", &unexplained(reader, &kernel, &found));
    }
}

fn encrypted() {
    let made = Made::of(recorded("encrypted").path(), &[], 3);
    let issues = made.records("issue");
    let of = |path: &str| {
        issues.iter().find(|issue| issue["path"] == path).unwrap_or_else(|| panic!("{issues:?}"))
    };
    assert!(of("secret").to_string().contains("its 7 names are encrypted"), "{issues:?}");
    assert!(of("secret-too").to_string().contains("its 1 names are encrypted"), "{issues:?}");
    assert_eq!(issues.len(), 2);
    let paths = made.paths();
    let expected = [".", "lost+found", "plain", "secret", "secret-too"].map(str::to_owned);
    assert_eq!(paths, BTreeSet::from(expected));
    assert!(!made.said.contains("inner"), "{}", made.said);
    assert_eq!(
        made.said.lines().filter(|line| line.contains("encrypted, and no key")).count(),
        2,
        "{}",
        made.said
    );
}

fn deep() {
    let made = Made::of(recorded("deep").path(), &[], 3);
    let issues = made.records("issue");
    assert_eq!(issues.len(), 1, "{issues:?}");
    assert!(issues[0].to_string().contains("lies deeper than 4096 directories"), "{}", made.said);
    let deepest = made.paths().iter().map(|path| path.split('/').count()).max();
    assert_eq!(deepest, Some(4095), "components below the root, which counts too");
    let strict = Made::of(recorded("deep").path(), &[Path::new("--strict")], 1);
    assert!(strict.said.contains("lies deeper than 4096 directories"), "{}", strict.said);
}

fn fixture(name: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tools::temporary_folder();
    let path = folder.path().join("fixture.img");
    let packed = format!("{}/fixtures/{name}.img.zst", env!("CARGO_MANIFEST_DIR"));
    fs::write(&path, zstd::decode_all(File::open(packed).unwrap()).unwrap()).unwrap();
    (folder, path)
}

fn long_entries() {
    let paths = Made::of(recorded("gpt-entries-of-256").path(), &[], 0).paths();
    let markers: Vec<&String> = paths.iter().filter(|path| path.ends_with("/I-am")).collect();
    assert_eq!(markers, ["p1/I-am", "p6/I-am", "p64/I-am"]);
}

fn verity() {
    let (_folder, image) = fixture("ext4-verity");
    let made = Made::of(&image, &[], 0);
    let entries = made.records("entry");
    let entry = |path: &str| entries.iter().find(|entry| entry["path"] == path).unwrap();
    let (verity, plain) = (entry("folder/verity"), entry("folder/lines.txt"));
    assert_eq!(verity["size"], 20_000);
    assert!(verity["blake3"].is_string());
    assert_eq!(verity["blake3"], plain["blake3"], "both are the same 20,000 bytes");
    assert_eq!((&verity["flags"], &plain["flags"]), (&"verity".into(), &Value::Null));
}

fn project() {
    let (_folder, image) = fixture("ext4-quota");
    let made = Made::of(&image, &[], 0);
    let entries = made.records("entry");
    let project = |path: &str| entries.iter().find(|entry| entry["path"] == path).unwrap()["project"].clone();
    assert_eq!((project("folder/lines.txt"), project("hello.txt")), (77.into(), Value::Null));
}

fn directory_twice() {
    let (_folder, image) = fixture("ext4-directory-twice");
    let made = Made::of(&image, &[], 3);
    let issues = made.records("issue");
    assert_eq!(issues.len(), 2, "{issues:?}");
    let twice = |issue: &&Value| issue.to_string().contains("was met before under another name");
    assert_eq!(issues.iter().filter(twice).count(), 2, "{issues:?}");
    let inner = made.paths().into_iter().filter(|path| path.ends_with("/inner")).count();
    assert_eq!(inner, 1, "what is in the directory is archived once");
    assert!(made.paths().iter().any(|path| path.ends_with("lines.txt")));
}

/// The kernel that made them is another one: see `fixtures/record-elsewhere`.
fn view_of(name: &str) {
    let made = Made::of(recorded(name).path(), &[], 0);
    let shown = view::read(format!("{}/fixtures/recorded/{name}.view", env!("CARGO_MANIFEST_DIR")));
    let members = shown.keys().map(|path| [b"./", path.as_slice()].concat());
    for reader in [Reader::Manifest, Reader::Strict] {
        let found = reader.tree(&made.path(), members.clone());
        assert_none(name, &unexplained(reader, &shown, &found));
    }
}

/// debugfs writes files, directories and symlinks with their modes and owners; each name becomes a file of its own.
fn rdump_of(name: &str) {
    let (folder, image) = fixture(name);
    let dumped = folder.path().join("dumped");
    fs::create_dir(&dumped).unwrap();
    let request = format!("rdump / {}", dumped.display());
    tools::run("debugfs", ["-R".as_ref(), request.as_ref(), image.as_os_str()]);
    let restored = |kind: Kind| matches!(kind, Kind::File | Kind::Directory | Kind::Symlink);
    let fields = |(path, record): (Vec<u8>, Record)| {
        let Record { mode, uid, gid, size_bytes, target, content, sha1, .. } = record;
        let of_links = (record.kind != Kind::Symlink).then_some(mode).flatten();
        let known = Record { uid, gid, size_bytes, target, content, sha1, ..Record::new(record.kind) };
        (path, Record { mode: of_links, ..known })
    };
    let comparable = |tree: Tree| -> Tree {
        let entries = tree.into_iter().filter(|(path, record)| !path.is_empty() && restored(record.kind));
        entries.map(fields).collect()
    };
    let dumped = comparable(tree::read(&dumped));
    assert!(dumped.len() >= 8 && dumped.contains_key(&b"folder/lines.txt"[..]), "{:?}", dumped.keys());
    let made = Made::of(&image, &[], 0);
    let members: Vec<Vec<u8>> = made
        .paths()
        .into_iter()
        .map(|path| format!("./{}", path.trim_start_matches('.')).into_bytes())
        .collect();
    let found = comparable(Reader::Strict.tree(&made.path(), members.into_iter()));
    assert_none(name, &differences(&dumped, &found));
}
