//! Images that lie: loops, and trees that lead back to themselves. Each costs itself, and the rest
//! is there.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::Path;

use libtest_mimic::Trial;

use super::common::tools;
use super::common::trials::trial;
use super::view;

/// A change to an image, and the issue that it causes.
type Case = (&'static str, &'static str, fn(&Path), &'static str);

const CASES: [Case; 4] = [
    ("v4", "a directory that holds the root", directory_holds_root, "was met before under another name"),
    ("v4", "an inode that is not in use", root_names_nothing, "not in use"),
    ("log-only", "a log record that says it is elsewhere", record_elsewhere, "log"),
    ("log-only", "a log that was written over", log_of_text, "log"),
];

pub fn trials() -> Vec<Trial> {
    let trial = |(name, what, change, says): Case| {
        trial(format!("{what} is an issue, and the rest is there"), &[], move || {
            let image = view::image(name);
            change(&image.path());
            let to = tools::temporary_folder();
            let to = to.path().join("archive.tar.zst");
            let words = ["archive".into(), image.path().into(), "-o".into(), to.into()];
            let output = tools::voltar(words.map(|word: std::ffi::OsString| word), 3);
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(said.contains(says), "{said}");
        })
    };
    CASES.into_iter().map(trial).collect()
}

fn bytes(image: &Path, at: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    let file = std::fs::File::open(image).expect("the image");
    file.read_exact_at(&mut bytes, at).expect("bytes of the image");
    bytes
}

fn put(image: &Path, at: u64, bytes: &[u8]) {
    let file = OpenOptions::new().write(true).open(image).expect("the image");
    file.write_all_at(bytes, at).expect("bytes of the image");
}

fn number(image: &Path, at: u64, len: usize) -> u64 {
    bytes(image, at, len).iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// Position of an inode of the first group: in these images all that matter are there.
fn inode_at(image: &Path, inode: u64) -> u64 {
    inode * number(image, 104, 2)
}

/// Position and number of the inode that the root's entry with this name has. The root has one
/// block of names there, and its extent stands behind the 100 bytes of an inode's core.
fn entry(image: &Path, name: &[u8]) -> (u64, u64) {
    let extent = inode_at(image, number(image, 56, 8)) + 100;
    let start = (number(image, extent + 8, 8) >> 21) * number(image, 4, 4);
    let block = bytes(image, start, 4096);
    let at = block.windows(name.len()).position(|part| part == name).expect("the name");
    // Before it are the inode's number and the name's length.
    let at = start + at as u64 - 9;
    (at, number(image, at, 8))
}

fn directory_holds_root(image: &Path) {
    let (at, _) = entry(image, b"file-300000");
    put(image, at, &number(image, 56, 8).to_be_bytes());
}

fn root_names_nothing(image: &Path) {
    let (_, inode) = entry(image, b"file-300000");
    put(image, inode_at(image, inode) + 2, &[0, 0]);
}

/// Position of the log, and its length.
fn log(image: &Path) -> (u64, u64) {
    let (block, group_blocks) = (number(image, 4, 4), number(image, 84, 4));
    let (start, group_log) = (number(image, 48, 8), number(image, 124, 1));
    let linear = (start >> group_log) * group_blocks + (start & ((1 << group_log) - 1));
    (linear * block, number(image, 96, 4) * block)
}

fn record_elsewhere(image: &Path) {
    let (start, len) = log(image);
    let starts = (0..len / 512).map(|block| start + block * 512);
    for at in starts.filter(|at| number(image, *at, 4) == 0xfeed_babe) {
        put(image, at + 20, &[0xff; 4]);
    }
}

fn log_of_text(image: &Path) {
    let (start, len) = log(image);
    put(image, start, &b"not a log\n".repeat(len as usize / 10));
}
