//! A real guest: Debian with a kernel, on a GPT disk, made once and kept under `target/guest/`.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::tools;

/// Packages that bring the guest to well over 20,000 files: a kernel with its modules, headers, two interpreters.
const PACKAGES: &str = "linux-image-amd64,linux-headers-amd64,perl,python3,acl,attr";

const MIB: u64 = 1 << 20;

/// Where partition 2, the root, begins.
pub const ROOT_START_BYTES: u64 = 2 * MIB;

/// Length of the root: the tree takes about 1.2 GiB of it.
pub const ROOT_LEN_BYTES: u64 = 2048 * MIB;

/// The disk's table: a BIOS boot partition, and the root.
const TABLE: &str = "label: gpt\n\
                     start=1MiB, size=1MiB, type=21686148-6449-6E6F-744E-656564454649\n\
                     start=2MiB, size=2048MiB, type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709\n";

/// The image of the guest; made if it is not there yet, which takes some minutes and the network.
pub fn image() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("target/").join("guest");
    let image = folder.join("guest.img");
    if !image.exists() {
        fs::create_dir_all(&folder).expect("a folder under target/");
        let work = tempfile::tempdir_in(&folder).expect("a folder under target/");
        let root = work.path().join("root");
        eprintln!("making a Debian guest under {}, once", folder.display());
        debootstrap(&root);
        let unfinished = work.path().join("guest.img");
        disk(&root, &unfinished);
        fs::rename(unfinished, &image).expect("a rename within a folder");
    }
    image
}

fn debootstrap(root: &Path) {
    let release = fs::read_to_string("/etc/os-release").expect("/etc/os-release");
    let suite = value(&release, "VERSION_CODENAME=").expect("the name of this machine's release");
    let mut command = tools::command("debootstrap");
    command.args(["--variant=minbase", &format!("--include={PACKAGES}"), suite]).arg(root).arg(mirror());
    let output = command.stdin(Stdio::null()).output().expect("debootstrap starts");
    tools::assert_success("debootstrap", &output);
}

/// The mirror that this machine's own packages come from: the first in its apt configuration.
pub fn mirror() -> String {
    let lists = fs::read_dir("/etc/apt/sources.list.d").into_iter().flatten().filter_map(Result::ok);
    let mut lists: Vec<PathBuf> = lists.map(|entry| entry.path()).collect();
    lists.sort();
    lists.insert(0, PathBuf::from("/etc/apt/sources.list"));
    let is_list = |path: &PathBuf| path.extension().is_some_and(|end| end == "list" || end == "sources");
    lists
        .iter()
        .filter(|path| is_list(path))
        .filter_map(|path| fs::read_to_string(path).ok())
        .find_map(|text| mirror_of(&text).map(str::to_owned))
        .expect("a Debian mirror in /etc/apt/sources.list or /etc/apt/sources.list.d")
}

/// The first address of a list of package sources, in either of apt's formats.
fn mirror_of(text: &str) -> Option<&str> {
    let line =
        text.lines().map(str::trim).find(|line| line.starts_with("URIs:") || line.starts_with("deb "))?;
    line.split_whitespace().find(|word| word.contains("://"))
}

fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(key)).map(|value| value.trim_matches('"'))
}

fn disk(root: &Path, image: &Path) {
    File::create_new(image)
        .and_then(|file| file.set_len(ROOT_START_BYTES + ROOT_LEN_BYTES + MIB))
        .expect("an image");
    let mut command = tools::command("sfdisk");
    let mut sfdisk = command.arg("--quiet").arg(image).stdin(Stdio::piped()).spawn().expect("sfdisk starts");
    sfdisk.stdin.take().expect("a pipe").write_all(TABLE.as_bytes()).expect("sfdisk reads its table");
    assert!(sfdisk.wait().expect("sfdisk ends").success(), "sfdisk");
    let mut mke2fs = tools::command("mke2fs");
    mke2fs.args(["-q", "-F", "-t", "ext4", "-L", "guest", "-E", &format!("offset={ROOT_START_BYTES}"), "-d"]);
    let output = mke2fs.arg(root).arg(image).arg(format!("{}k", ROOT_LEN_BYTES / 1024)).output();
    tools::assert_success("mke2fs", &output.expect("mke2fs starts"));
}

/// Bytes of the tables of inodes that are in use, and of the group descriptors, by `dumpe2fs`.
pub fn table_bytes(image: &Path) -> u64 {
    let file = format!("{}?offset={ROOT_START_BYTES}", image.display());
    let text = String::from_utf8(tools::run("dumpe2fs", [file])).expect("text");
    let number = |key: &str| -> u64 {
        let line = text.lines().find_map(|line| line.strip_prefix(key));
        line.and_then(|value| value.trim().parse().ok()).unwrap_or_else(|| panic!("dumpe2fs: {key}"))
    };
    let (per_group, inode_bytes) = (number("Inodes per group:"), number("Inode size:"));
    let groups = text.lines().filter(|line| line.starts_with("Group ")).count() as u64;
    // `…, 8113 free inodes, 2 directories, 8113 unused inodes`; without the last part, none is unused.
    let summaries = text.lines().filter(|line| line.contains(" free inodes, "));
    let unused: u64 = summaries
        .filter_map(|line| line.rsplit(", ").next()?.strip_suffix(" unused inodes")?.parse::<u64>().ok())
        .sum();
    const DESCRIPTOR_BYTES: u64 = 64;
    (groups * per_group - unused) * inode_bytes + groups * DESCRIPTOR_BYTES
}
