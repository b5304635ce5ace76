//! Archives of XFS, held against the kernel's view of the same filesystems.
//!
//! `fixtures/xfs` has images, each with what the kernel that made it showed
//! (`fixtures/record-xfs`). Random filesystems are made here: a seed chooses the options of
//! mkfs.xfs, what `tests/xfs/work.py` does while it is mounted, and how it is stopped. The kernel
//! replays a copy, and every field of every entry must be what it shows.
//!
//! `VOLTAR_XFS_ROUNDS=100 cargo test --test xfs` makes that many (default: 6); `VOLTAR_XFS_SEED` is
//! the first seed.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[path = "xfs/hostile.rs"]
mod hostile;
#[path = "xfs/restore.rs"]
mod restore;
#[path = "xfs/view.rs"]
mod view;

mod common;

use common::archive::{Archive, Compression};
use common::diff::assert_none;
use common::extract::Reader;
use common::limits::unexplained;
use common::record::Tree;
use common::tools::{self, run as run_tool};
use common::tree;
use common::trials::{Needs, run, trial};

const NEEDS: &[Needs] = &[
    Needs::Root,
    Needs::LoopMounts,
    Needs::Tool("mkfs.xfs", "xfsprogs"),
    Needs::Tool("python3", "python3"),
    Needs::Tool("zstd", "zstd"),
];
const ROUNDS: u64 = 6;
const FIRST_SEED: u64 = 1;
/// Less than mkfs.xfs makes for people: small enough for the log to wrap.
const LEN_BYTES: u64 = 200 << 20;

/// Options of mkfs.xfs, of each row one. An inode takes at most half a block.
const OPTIONS: [&[&str]; 6] = [
    &["", "-b size=1024", "-b size=2048", "-b size=2048 -i size=1024", "-i size=1024", "-i size=2048"],
    &["", "-n size=8192", "-n size=65536"],
    &["", "-m reflink=0", "-m rmapbt=1", "-m finobt=0,inobtcount=0", "-m bigtime=0"],
    &["", "-l su=64k", "-l su=32k", "-l size=10m"],
    &["", "-d agcount=2", "-d agcount=8"],
    &["", "-i nrext64=1", "-i sparse=0"],
];
/// How a filesystem is stopped, and how its mount writes its log: records are not shorter than a
/// stripe unit.
const ENDS: [(&str, &str); 5] = [
    ("shutdown", "logbsize=64k"),
    ("flush", "logbsize=256k"),
    ("freeze", "logbsize=64k"),
    ("shutdown", "logbsize=256k"),
    ("none", "logbsize=128k"),
];

fn main() -> ExitCode {
    let mut trials: Vec<_> = view::names()
        .into_iter()
        .map(|name| {
            trial(format!("{name} is what the kernel that made it showed"), &[], move || recorded(&name))
        })
        .collect();
    let number = |name: &str, usual: u64| std::env::var(name).map_or(usual, |text| text.parse().expect(name));
    let first = number("VOLTAR_XFS_SEED", FIRST_SEED);
    for seed in first..first + number("VOLTAR_XFS_ROUNDS", ROUNDS) {
        let sentence =
            format!("a random filesystem with seed {seed} is what the kernel shows after recovery");
        trials.push(trial(sentence, NEEDS, move || random(seed)));
    }
    trials.extend(hostile::trials());
    trials.extend(restore::trials());
    run(trials)
}

fn recorded(name: &str) {
    let image = view::image(name);
    let archive = Archive::make(&image.path(), None, Compression::Zstd);
    compare(name, &view::read(name), &archive.path);
}

fn compare(name: &str, kernel: &Tree, archive: &Path) {
    for reader in [Reader::Manifest, Reader::Strict] {
        let members = kernel.keys().map(|path| [b"./".as_slice(), path].concat());
        let found = reader.tree(archive, members);
        assert_none(name, &unexplained(reader, kernel, &found));
    }
}

/// A mounted XFS over a loop device, unmounted when dropped.
struct Mount(tempfile::TempDir);

impl Mount {
    fn new(image: &Path, options: &str) -> Self {
        let folder = tools::temporary_folder();
        let options = format!("loop,nouuid,nodev,nosuid,noexec,{options}");
        let arguments = ["-t", "xfs", "-o", &options].map(OsStr::new);
        run_tool("mount", arguments.into_iter().chain([image.as_os_str(), folder.path().as_os_str()]));
        Self(folder)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let output = tools::output("umount", [self.path()]);
        if !output.status.success() {
            eprintln!("umount {}: {}", self.path().display(), tools::said(&output));
        }
    }
}

/// An empty XFS in a file.
fn make(folder: &Path, options: &[&str]) -> PathBuf {
    let image = folder.join("image");
    std::fs::File::create(&image).and_then(|file| file.set_len(LEN_BYTES)).expect("a sparse file");
    // Smaller than 300 MB it is for tests alone, and mkfs.xfs asks whether that is meant.
    let words = ["-q", "--unsupported"].into_iter().chain(options.iter().flat_map(|text| text.split(' ')));
    let words = words.filter(|word| !word.is_empty()).map(OsStr::new);
    run_tool("mkfs.xfs", words.chain([image.as_os_str()]));
    image
}

fn copy(from: &Path, to: &Path) {
    run_tool("cp", ["--sparse=always".as_ref(), from.as_os_str(), to.as_os_str()]);
}

/// An image as the kernel shows it after it has replayed the log of a copy.
fn after_recovery(image: &Path) -> Tree {
    let replayed = image.with_extension("replayed");
    copy(image, &replayed);
    drop(Mount::new(&replayed, "noatime"));
    tree::read(Mount::new(&replayed, "ro,noatime").path())
}

/// A number below `end` that only the seed and `turn` choose.
fn choose(seed: u64, turn: u64, end: usize) -> usize {
    let mixed = (seed + turn * 1_000_003).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 33) as usize % end
}

fn random(seed: u64) {
    let folder = tools::temporary_folder();
    let options: Vec<&str> =
        (0..).zip(OPTIONS).map(|(turn, row)| row[choose(seed, turn, row.len())]).collect();
    let (end, log) = ENDS[choose(seed, 100, ENDS.len())];
    let count = 30 + choose(seed, 101, 400);
    println!("seed {seed}: mkfs.xfs {}; mount {log}; {count} changes; {end}", options.join(" "));
    let image = make(folder.path(), &options);
    let stopped = folder.path().join("stopped");
    let mount = Mount::new(&image, log);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/xfs/work.py");
    let (seed, count) = (seed.to_string(), count.to_string());
    let arguments = [script.as_ref(), mount.path().as_os_str(), seed.as_ref(), count.as_ref(), end.as_ref()];
    run_tool("python3", arguments);
    if end == "freeze" {
        copy(&image, &stopped);
        run_tool("fsfreeze", ["--unfreeze".as_ref(), mount.path().as_os_str()]);
    }
    drop(mount);
    let image = if end == "freeze" { stopped } else { image };
    let archive = Archive::make(&image, None, Compression::Zstd);
    compare(&format!("seed {seed}"), &after_recovery(&image), &archive.path);
}
