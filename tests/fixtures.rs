//! Holds `fixtures/` to its script, to its table, and to e2fsck.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

mod common;

use common::tools;
use common::trials::{Needs, run, trial};

/// Images of one filesystem that e2fsck shall have something against, or may.
const WRONG_ON_PURPOSE: [&str; 10] = [
    "ext3-needs-recovery",
    "ext4-dir-nlink",
    "ext4-directory-twice",
    "ext4-cut-off",
    "ext4-needs-recovery",
    "ext4-no-first-superblock",
    "ext4-not-committed",
    "ext4-revoked",
    "ext4-truncated-half",
    "ext4-unknown-feature",
];

/// Disks whose partitions `sfdisk` can tell, and how many of them hold ext2, ext3 or ext4.
const DISKS: [(&str, usize); 3] = [("guest", 2), ("mbr", 2), ("gpt", 1)];

/// What is tracked is small: the guest disk, which is raw, and anything else.
const LARGEST_GUEST_BYTES: u64 = 16 << 20;
const LARGEST_PACKED_BYTES: u64 = 1 << 20;
const LARGEST_RECORDED_BYTES: u64 = 512 << 10;
const ALL_RECORDED_BYTES: u64 = 6 << 20;

/// The folder of those that `fixtures/record` made, which needs root and gives other bytes each time.
const RECORDED: &str = "recorded";

const E2FSCK: Needs = Needs::Tool("e2fsck", "e2fsprogs");
const SFDISK: Needs = Needs::Tool("sfdisk", "fdisk");
const MAKERS: [Needs; 9] = [
    Needs::Tool("mke2fs", "e2fsprogs"),
    Needs::Tool("debugfs", "e2fsprogs"),
    E2FSCK,
    SFDISK,
    Needs::Tool("fdisk", "fdisk"),
    Needs::Tool("mkswap", "util-linux"),
    Needs::Tool("mkfs.vfat", "dosfstools"),
    Needs::Tool("mcopy", "mtools"),
    Needs::Tool("zstd", "zstd"),
];

fn main() -> ExitCode {
    let mut trials = vec![
        trial("every fixture has its line in the table, and every line its fixture", &[], compare_with_table),
        trial("every fixture is small", &[], check_sizes),
        trial("the make script gives the fixtures that are here", &MAKERS, compare_with_rebuilt),
    ];
    for name in names_in(&folder()).into_iter().filter(|name| is_sound_filesystem(name)) {
        let sentence = format!("e2fsck finds nothing wrong in {name}");
        trials.push(trial(sentence, &[E2FSCK], move || check_filesystem(&name, &content(&folder(), &name))));
    }
    for (name, count) in DISKS {
        let sentence = format!("e2fsck finds nothing wrong in the partitions of {name}");
        trials.push(trial(sentence, &[E2FSCK, SFDISK], move || check_partitions(name, count)));
    }
    run(trials)
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

fn is_sound_filesystem(name: &str) -> bool {
    name.starts_with("ext") && !WRONG_ON_PURPOSE.contains(&name)
}

fn file_names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn image_files(folder: &Path) -> BTreeSet<String> {
    file_names(folder)
        .into_iter()
        .filter(|name| name.ends_with(".img") || name.ends_with(".img.zst"))
        .collect()
}

/// The names of the images in a folder, without `.img` or `.img.zst`.
fn names_in(folder: &Path) -> BTreeSet<String> {
    image_files(folder)
        .into_iter()
        .map(|file| file.strip_suffix(".zst").unwrap_or(&file).strip_suffix(".img").unwrap().to_owned())
        .collect()
}

/// The bytes of an image, unpacked where it is packed.
fn content(folder: &Path, name: &str) -> Vec<u8> {
    let raw = folder.join(format!("{name}.img"));
    if raw.exists() {
        return fs::read(raw).unwrap();
    }
    let packed = fs::read(folder.join(format!("{name}.img.zst"))).unwrap();
    zstd::decode_all(&packed[..]).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn compare_with_table() {
    let table = fs::read_to_string(folder().join("README.md")).unwrap();
    let lines = table.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let mut listed: BTreeSet<String> = lines.map(str::to_owned).collect();
    assert!(table.contains("`guest.img`, 6 MiB"), "the guest disk has a chapter of its own");
    listed.insert("guest.img".to_owned());
    let recorded = image_files(&folder().join(RECORDED));
    let recorded = recorded.into_iter().map(|file| format!("{RECORDED}/{file}"));
    assert_eq!(
        image_files(&folder()).into_iter().chain(recorded).collect::<BTreeSet<_>>(),
        listed,
        "files in fixtures/ on the left, fixtures/README.md on the right"
    );
}

fn check_sizes() {
    for file in image_files(&folder()) {
        let len_bytes = fs::metadata(folder().join(&file)).unwrap().len();
        let limit = if file == "guest.img" { LARGEST_GUEST_BYTES } else { LARGEST_PACKED_BYTES };
        assert!(len_bytes <= limit, "{file}: {len_bytes} bytes, at most {limit}");
    }
    let recorded = folder().join(RECORDED);
    let lens =
        image_files(&recorded).into_iter().map(|file| fs::metadata(recorded.join(file)).unwrap().len());
    let lens: Vec<u64> = lens.collect();
    assert!(
        lens.iter().all(|len_bytes| *len_bytes <= LARGEST_RECORDED_BYTES),
        "one of {lens:?} is too large"
    );
    assert!(lens.iter().sum::<u64>() <= ALL_RECORDED_BYTES, "{} bytes in all", lens.iter().sum::<u64>());
}

/// Other versions of the tools may lay a filesystem out in another way: then what they make must at least be sound.
fn compare_with_rebuilt() {
    let rebuilt = tools::temporary_folder();
    tools::run("bash", [folder().join("make").as_os_str(), rebuilt.path().as_os_str()]);
    assert_eq!(names_in(rebuilt.path()), names_in(&folder()), "rebuilt on the left, fixtures/ on the right");

    let made_with = |folder: &Path| fs::read_to_string(folder.join("MADE_WITH")).unwrap();
    let (here, there) = (made_with(rebuilt.path()), made_with(&folder()));
    let same_tools = here == there;
    if !same_tools {
        eprintln!("the bytes are not compared: fixtures/ was made with\n{there}and this machine has\n{here}");
    }
    for name in names_in(&folder()) {
        let remade = content(rebuilt.path(), &name);
        if same_tools {
            assert!(
                remade == content(&folder(), &name),
                "{name}: run fixtures/make, and look at what changed"
            );
        } else if is_sound_filesystem(&name) {
            check_filesystem(&name, &remade);
        }
    }
}

fn check_filesystem(what: &str, bytes: &[u8]) {
    let folder = tools::temporary_folder();
    let image = folder.path().join("filesystem.img");
    fs::write(&image, bytes).unwrap();
    let output = tools::output("e2fsck", ["-fn".as_ref(), image.as_os_str()]);
    tools::assert_success(&format!("{what}: e2fsck -fn"), &output);
}

fn check_partitions(name: &str, expected: usize) {
    let bytes = content(&folder(), name);
    let folder = tools::temporary_folder();
    let disk = folder.path().join("disk.img");
    fs::write(&disk, &bytes).unwrap();
    let json = tools::run("sfdisk", ["-J".as_ref(), disk.as_os_str()]);
    let table: serde_json::Value = serde_json::from_slice(&json).unwrap();
    let partitions = table["partitiontable"]["partitions"].as_array().unwrap();

    let mut checked = 0;
    for partition in partitions {
        let bytes_of = |field: &str| partition[field].as_u64().unwrap() as usize * 512;
        let (start, size) = (bytes_of("start"), bytes_of("size"));
        let partition_bytes = &bytes[start..start + size];
        if has_ext_magic(partition_bytes) {
            check_filesystem(&format!("{name}, {}", partition["node"]), partition_bytes);
            checked += 1;
        }
    }
    assert_eq!(checked, expected, "partitions of {name} with ext2, ext3 or ext4");
}

/// `s_magic` of the superblock: <https://docs.kernel.org/filesystems/ext4/super.html>.
fn has_ext_magic(partition: &[u8]) -> bool {
    partition.get(1024 + 0x38..1024 + 0x3a) == Some(&[0x53, 0xef])
}
