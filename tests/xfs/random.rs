//! Random filesystems: a seed chooses the options of mkfs.xfs, the changes that `tests/xfs/work.py`
//! makes while it is mounted, and the moment at which it is stopped or copied.
//!
//! The image lies in another XFS. A clone of a file is one moment of it there, whatever is writing.
//! Each round has loop devices of its own: a device that is used again may show bytes of before.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use libtest_mimic::Trial;

use super::common::archive::{Archive, Compression};
use super::common::record::Tree;
use super::common::tools::{self, run};
use super::common::tree;
use super::common::trials::{Needs, trial};
use super::compare;

pub const NEEDS: &[Needs] = &[
    Needs::Root,
    Needs::LoopMounts,
    Needs::Tool("mkfs.xfs", "xfsprogs"),
    Needs::Tool("python3", "python3"),
    Needs::Tool("zstd", "zstd"),
    Needs::Tool("tar", "tar"),
    Needs::Tool("bsdtar", "libarchive-tools"),
    Needs::Tool("setfattr", "attr"),
];
const ROUNDS: u64 = 6;
const FIRST_SEED: u64 = 1;
/// Less than mkfs.xfs makes for people: small enough for the log to wrap.
const LEN_BYTES: u64 = 200 << 20;
const SCRATCH_BYTES: u64 = 600 << 20;
/// One round in so many is also extracted by GNU tar and bsdtar.
const EXTRACTED: u64 = 10;

/// Options of mkfs.xfs, of each row one. An inode takes at most half a block.
const OPTIONS: [&[&str]; 6] = [
    &[
        "",
        "",
        "-s size=4096",
        "-b size=1024",
        "-b size=2048",
        "-b size=2048 -i size=1024",
        "-i size=1024",
        "-i size=2048",
    ],
    &["", "", "-n size=8192", "-n size=65536"],
    &["", "", "-m reflink=0", "-m rmapbt=1", "-m finobt=0,inobtcount=0", "-m bigtime=0"],
    &["", "-l su=64k", "-l su=256k", "-l su=32k"],
    &["", "-d agcount=1", "-d agcount=2", "-d agcount=8", "-d su=64k,sw=4", "-d agcount=7"],
    &["", "-i nrext64=1", "-i sparse=0", "-i nrext64=1,maxpct=90"],
];
/// Lengths of the log in MiB; the first that mkfs.xfs finds long enough. Short ones wrap.
const LOGS: [&[&str]; 3] = [&["4m", "6m", "8m", "12m", "24m", "40m"], &["16m", "24m", "40m"], &[]];
/// How a filesystem is stopped, and how its mount writes its log: records are not shorter than a
/// stripe unit.
const ENDS: [(&str, &str); 10] = [
    ("copy", "logbsize=256k"),
    ("copy", "logbsize=256k,wsync"),
    ("copy", "logbsize=256k,discard"),
    ("shutdown", "logbsize=256k"),
    ("flush", "logbsize=256k,inode32"),
    ("freeze", "logbsize=256k"),
    ("copy", "logbsize=32k"),
    ("shutdown", "logbsize=64k"),
    ("flush", "logbsize=32k"),
    ("none", "logbsize=256k"),
];

pub fn trials() -> impl Iterator<Item = Trial> {
    let number = |name: &str, usual: u64| std::env::var(name).map_or(usual, |text| text.parse().expect(name));
    let first = number("VOLTAR_XFS_SEED", FIRST_SEED);
    (first..first + number("VOLTAR_XFS_ROUNDS", ROUNDS)).map(|seed| {
        let sentence =
            format!("a random filesystem with seed {seed} is what the kernel shows after recovery");
        trial(sentence, NEEDS, move || random(seed))
    })
}

/// A mounted filesystem, unmounted when dropped.
pub struct Mount(tempfile::TempDir);

impl Mount {
    /// An XFS over a loop device of its own.
    pub fn new(image: &Path, options: &str) -> Self {
        let folder = tools::temporary_folder();
        let options = format!("loop,nouuid,nodev,nosuid,noexec,{options}");
        let arguments = ["-t", "xfs", "-o", &options].map(OsStr::new);
        run("mount", arguments.into_iter().chain([image.as_os_str(), folder.path().as_os_str()]));
        Self(folder)
    }

    /// An empty folder in memory.
    fn memory() -> Self {
        let folder = tools::temporary_folder();
        let words = ["-t", "tmpfs", "-o", "size=700m", "tmpfs"].map(OsStr::new);
        run("mount", words.into_iter().chain([folder.path().as_os_str()]));
        Self(folder)
    }

    pub fn path(&self) -> &Path {
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

/// An empty XFS in a file. Where mkfs.xfs refuses a log's length beside the other options, it is
/// given the next one.
pub fn make(image: &Path, len_bytes: u64, options: &[&str], logs: &[&str]) {
    let sizes = logs.iter().map(|size| format!("-l size={size}")).chain([String::new()]);
    for log in sizes {
        fs::File::create(image).and_then(|file| file.set_len(len_bytes)).expect("a sparse file");
        // Smaller than 300 MB it is for tests alone, and mkfs.xfs asks whether that is meant.
        let words =
            ["-q", "--unsupported"].into_iter().chain(options.iter().flat_map(|text| text.split(' ')));
        let words = words.chain(log.split(' ')).filter(|word| !word.is_empty()).map(OsStr::new);
        let output = tools::output("mkfs.xfs", words.chain([image.as_os_str()]));
        if !log.is_empty() && !output.status.success() {
            continue;
        }
        tools::assert_success("mkfs.xfs", &output);
        return;
    }
}

/// A clone of a file, or a copy where the filesystem makes no clones.
fn copy(from: &Path, to: &Path) {
    let options = ["--sparse=auto", "--reflink=auto"].map(OsStr::new);
    run("cp", options.into_iter().chain([from.as_os_str(), to.as_os_str()]));
}

/// An image as the kernel shows it after it has replayed the log of a copy.
pub fn after_recovery(image: &Path) -> Tree {
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

/// A new XFS in memory: it stores all that an XFS can hold, and programs that sync often are fast
/// there.
pub struct Scratch {
    mount: Mount,
    _memory: Mount,
}

impl Scratch {
    pub fn new() -> Self {
        let memory = Mount::memory();
        let image = memory.path().join("image");
        make(&image, SCRATCH_BYTES, &[], &["64m"]);
        Self { mount: Mount::new(&image, "noatime"), _memory: memory }
    }

    pub fn path(&self) -> &Path {
        self.mount.path()
    }
}

fn random(seed: u64) {
    let outer = Scratch::new();
    let image = outer.path().join("image");

    let mut options: Vec<&str> =
        (0..).zip(OPTIONS).map(|(turn, row)| row[choose(seed, turn, row.len())]).collect();
    if options[3].contains("k") && options[4].contains("agcount=1") {
        // mkfs.xfs 6.1 puts such a log where the root directory should be, and gives up.
        options[3] = "";
    }
    let log = LOGS[choose(seed, 102, LOGS.len())];
    let has_stripes = options.iter().any(|option| option.contains("-l su=")) && !options[3].contains("32k");
    let (end, mount) = ENDS[choose(seed, 100, if has_stripes { 6 } else { ENDS.len() })];
    let count = 20 + choose(seed, 101, 280);
    println!(
        "seed {seed}: mkfs.xfs {} (log {log:?}); mount {mount}; {count} changes; {end}",
        options.join(" ")
    );
    make(&image, LEN_BYTES, &options, log);
    if choose(seed, 103, 4) == 0 {
        // Metadata keep the UUID that they were made with.
        run("xfs_admin", ["-U".as_ref(), "generate".as_ref(), image.as_os_str()]);
    }
    let stopped = changed(&image, mount, seed, count, end);
    let _kept = KeptOnFailure(&stopped, seed.to_string());
    let archive = Archive::make(&stopped, None, Compression::Zstd);
    compare(
        &format!("seed {seed}"),
        &after_recovery(&stopped),
        &archive.path,
        seed.is_multiple_of(EXTRACTED),
    );
}

/// An image that can't be made again: it outlives a test that fails.
struct KeptOnFailure<'a>(&'a Path, String);

impl Drop for KeptOnFailure<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("xfs-seed-{}.img", self.1));
            eprintln!("the image is kept: {}", kept.display());
            tools::output("cp", ["--sparse=always".as_ref(), self.0.as_os_str(), kept.as_os_str()]);
        }
    }
}

/// Changes a filesystem, and gives the image of the moment at which that ended.
fn changed(image: &Path, options: &str, seed: u64, count: usize, end: &str) -> PathBuf {
    let stopped = image.with_extension("stopped");
    let mount = Mount::new(image, &format!("noatime,{options}"));
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/xfs/work.py");
    let (seed, count) = (seed.to_string(), count.to_string());
    let words = [seed.as_str(), &count, end].map(OsStr::new);
    let script = [OsStr::new(script), mount.path().as_os_str()];
    let images = [image.as_os_str(), stopped.as_os_str()];
    run("python3", script.into_iter().chain(words).chain(images));
    drop(mount);
    if stopped.exists() { stopped } else { image.to_owned() }
}
