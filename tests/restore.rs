//! Disks that are archived, and brought back: each is what it was, to whoever looks at it.
//!
//! The kernel mounts each filesystem of both disks and sees the same in every field, `e2fsck` has nothing to say, and what lies
//! outside of the filesystems is the same byte by byte.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output, Stdio};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value;

mod common;

use common::diff::{Field, assert_none, differences};
use common::images::{self, Image};
use common::kernel::{self, Holds, Loop, Mount, Partition};
use common::trials::{Needs, run, trial};
use common::{archive, tools, tree};

const MKE2FS: Needs = Needs::Tool("mke2fs", "e2fsprogs");
const KERNEL: [Needs; 6] = [
    Needs::Root,
    Needs::LoopMounts,
    MKE2FS,
    Needs::Tool("partx", "util-linux"),
    Needs::Tool("e2fsck", "e2fsprogs"),
    Needs::Tool("dumpe2fs", "e2fsprogs"),
];
const SFDISK: Needs = Needs::Tool("sfdisk", "fdisk");

/// Images of which something can't be as it was, which is told: what quota allows is in no archive.
const WITH_ISSUES: &[&str] = &["ext4-quota", "ext4-verity"];

fn main() -> ExitCode {
    let mut trials = Vec::new();
    // What this kernel can't mount is made anew in tests/rebuilt_filesystem.rs, and looked at by other eyes.
    for image in images::all().into_iter().filter(|image| !image.is_recorded && image.is_mountable()) {
        let image = Arc::new(image);
        let sentence = format!("{}: a restored disk is what it was", image.name);
        trials.push(trial(sentence, &KERNEL, move || round_trip(&image)));
    }
    type Body = fn();
    let with_table = [MKE2FS, SFDISK];
    let with_loop = [Needs::Root, Needs::LoopMounts, MKE2FS];
    let told: [(&str, &[Needs], Body); 18] = [
        ("a disk with 40 logical partitions comes back with all of them", &with_table, many_logicals),
        ("a hybrid MBR comes back byte by byte", &with_table, hybrid),
        ("boot code, the gap behind it and boot sectors of filesystems come back", &with_table, boot_code),
        ("swap space comes back with its UUID and label", &with_table, swap),
        ("the last partition and its filesystem grow to the end of a larger image", &with_table, grows),
        ("one filesystem grows with its image", &[MKE2FS], grows_alone),
        ("a smaller target is refused with the numbers", &[MKE2FS], too_small),
        ("a full disk is told with its folder, its space and the next step", &with_loop, full),
        ("an image with data is refused, and written over with --force", &[MKE2FS], with_data),
        ("a mounted device is refused, and written over with --force", &with_loop, mounted),
        ("an image under a loop device is refused, and written over with --force", &with_loop, under_loop),
        ("the archive and what stands beside it are no target, with --force too", &[MKE2FS], onto_itself),
        ("a block device gets the disk, whatever was on it", &with_loop, onto_device),
        ("a user without rights restores onto an image", &[Needs::Root, MKE2FS], as_nobody),
        ("an archive that is damaged where a partition is leaves no disk", &[MKE2FS], damaged),
        ("an archive that is damaged where files are costs these files", &[MKE2FS], damaged_file),
        ("a manifest whose partitions overlap gets an error", &with_table, overlap),
        ("manifests that lie get an error, and nothing is written", &[MKE2FS], lies),
    ];
    trials.extend(told.map(|(sentence, needs, body)| trial(sentence, needs, body)));
    run(trials)
}

/// An archive of an image, and a folder for what comes of it.
struct Kept {
    folder: tempfile::TempDir,
    archive: PathBuf,
}

impl Kept {
    fn of(image: &Path) -> Self {
        Self::with(image, &[])
    }

    fn with(image: &Path, more: &[&str]) -> Self {
        let folder = tools::temporary_folder();
        let archive = folder.path().join("disk.tar.zst");
        let mut command = voltar("archive");
        command.arg(image).arg("--quiet").arg("-o").arg(&archive).args(more);
        let output = command.output().expect("voltar starts");
        assert!(matches!(output.status.code(), Some(0 | 3)), "archive: {}", tools::said(&output));
        Self { folder, archive }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Restores, which must end with `code`, and gives what was said.
    fn restore(&self, to: &Path, more: &[&str], code: i32) -> Output {
        let mut command = voltar("restore");
        command.arg(&self.archive).arg("--to").arg(to).args(more);
        let output = command.output().expect("voltar starts");
        assert_eq!(output.status.code(), Some(code), "restore: {}", tools::said(&output));
        output
    }

    /// Restores onto a new image.
    fn image(&self) -> PathBuf {
        let to = self.path("restored.img");
        self.restore(&to, &["--quiet"], 0);
        to
    }

    /// The manifest's lines.
    fn manifest(&self) -> Vec<Value> {
        archive::manifest(&self.archive)
    }

    /// Puts another manifest in the place of the archive's own.
    fn lie(&self, lines: &[Value]) {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let packed = zstd::encode_all(text.as_bytes(), 1).expect("zstd");
        fs::write(self.path("disk.tar.zst.manifest.jsonl.zst"), packed).expect("a manifest");
    }
}

fn voltar(command: &str) -> Command {
    // Whatever happens, it ends.
    let mut program = Command::new("timeout");
    program.arg("120").arg(env!("CARGO_BIN_EXE_voltar")).arg(command).stdin(Stdio::null());
    program
}

fn error_of(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn len_of(path: &Path) -> u64 {
    path.metadata().expect("an image").len()
}

fn range(image: &Path, start_bytes: u64, len_bytes: u64) -> Vec<u8> {
    let mut bytes = vec![0; len_bytes as usize];
    File::open(image).expect("an image").read_exact_at(&mut bytes, start_bytes).expect("a whole image");
    bytes
}

/// The volumes of an image as other programs see them: the whole, where there is no table.
fn volumes(image: &Path) -> Vec<Partition> {
    let partitions = kernel::partitions(image);
    match partitions.is_empty() {
        true => vec![Partition { number: 0, start_bytes: 0, len_bytes: len_of(image) }],
        false => partitions,
    }
}

fn round_trip(image: &Image) {
    let original = image.path();
    let kept = Kept::of(original);
    let restored = kept.path("restored.img");
    let code = if WITH_ISSUES.contains(&image.name.as_str()) { 3 } else { 0 };
    kept.restore(&restored, &["--quiet"], code);
    assert_eq!(len_of(&restored), len_of(original));
    assert_eq!(format!("{:?}", kernel::partitions(&restored)), format!("{:?}", kernel::partitions(original)));
    same_outside(original, &restored);
    for volume in volumes(original) {
        if kernel::holds(original, volume.start_bytes, volume.len_bytes) == Holds::Ext {
            same_filesystem(&image.name, original, &restored, volume);
        }
    }
    same_archive(&kept, &restored);
}

/// What lies outside of ext filesystems is the same, byte by byte, and so are their first 1024 bytes and the header of swap space.
fn same_outside(original: &Path, restored: &Path) {
    const HEADER: usize = 1024;
    let cleared = |path: &Path| {
        let mut bytes = fs::read(path).expect("an image");
        for Partition { start_bytes, len_bytes, .. } in volumes(original) {
            let volume = &mut bytes[start_bytes as usize..(start_bytes + len_bytes) as usize];
            match kernel::holds(original, start_bytes, len_bytes) {
                Holds::Ext => volume[HEADER..].fill(0),
                Holds::Nothing if len_bytes > 4096 => volume[4096..].fill(0),
                _ => {}
            }
        }
        bytes
    };
    let (before, after) = (cleared(original), cleared(restored));
    let first = before.iter().zip(&after).position(|(before, after)| before != after);
    assert_eq!(first, None, "the first byte that differs outside of filesystems");
}

fn same_filesystem(name: &str, original: &Path, restored: &Path, volume: Partition) {
    let Partition { start_bytes, len_bytes, .. } = volume;
    let folder = tools::temporary_folder();
    let part = folder.path().join("volume.img");
    fs::write(&part, range(restored, start_bytes, len_bytes)).expect("a copy");
    let of_original = folder.path().join("original.img");
    fs::write(&of_original, range(original, start_bytes, len_bytes)).expect("a copy");
    let output = tools::output("e2fsck", ["-fn".as_ref(), part.as_os_str()]);
    // Of some fixtures it has something to say: they have what only a far larger filesystem would have.
    let before = tools::output("e2fsck", ["-fn".as_ref(), of_original.as_os_str()]);
    if before.status.success() {
        tools::assert_success("e2fsck -fn", &output);
    }
    assert_eq!(superblock(&part), superblock(&of_original), "{name}");
    let before = match kernel::needs_recovery(original, start_bytes) {
        true => Mount::recovered(original, start_bytes, len_bytes),
        false => Mount::read_only(original, start_bytes, len_bytes),
    };
    let after = Mount::read_only(restored, start_bytes, len_bytes);
    let mut found = differences(&tree::read(before.path()), &tree::read(after.path()));
    // How many blocks hold a file's data depends on the filesystem, not on the file.
    found.retain(|difference| difference.field != Field::Stored);
    // When the kernel finishes a truncation, it gives the file the present time.
    let is_time = |field: &Field| matches!(field, Field::Mtime | Field::Ctime);
    found.retain(|difference| {
        name != "ext4-truncated-half" || difference.path != b"folder/long" || !is_time(&difference.field)
    });
    assert_none(name, &found);
}

/// What `dumpe2fs` says that a filesystem keeps for its life.
fn superblock(image: &Path) -> BTreeMap<String, String> {
    const KEPT: [&str; 13] = [
        "Filesystem volume name",
        "Filesystem UUID",
        "Filesystem revision #",
        "Inode count",
        "Block count",
        "Reserved block count",
        "Block size",
        "Blocks per group",
        "Inodes per group",
        "Inode size",
        "Default directory hash",
        "Default mount options",
        "Errors behavior",
    ];
    let text = tools::run("dumpe2fs", ["-h".as_ref(), image.as_os_str()]);
    let text = String::from_utf8_lossy(&text).into_owned();
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    let kept = lines.filter(|(name, _)| KEPT.contains(name));
    kept.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect()
}

/// Archived again, the restored disk has the same entries.
fn same_archive(kept: &Kept, restored: &Path) {
    let entries = |kept: &Kept| -> BTreeMap<String, Value> {
        let entries = kept.manifest().into_iter().filter(|line| line["record"] == "entry");
        entries
            .map(|mut entry| {
                let fields = entry.as_object_mut().expect("a record");
                // Where it lies, and which number it has, is up to the filesystem; and of several names, which one comes first.
                for name in ["place", "inode"] {
                    fields.remove(name);
                }
                // A directory has 1 when it once had more directories than can be counted.
                if fields["type"] == "dir" {
                    fields.remove("links");
                }
                if fields.get("links").is_some_and(|links| links.as_u64() > Some(1)) && entry["type"] != "dir"
                {
                    let fields = entry.as_object_mut().expect("a record");
                    for name in ["link", "sha1", "data_sha1", "xattrs", "target"] {
                        fields.remove(name);
                    }
                }
                // The same file may have other holes: that a block is all zeros is no property of the file.
                let fields = entry.as_object_mut().expect("a record");
                if fields.contains_key("data_sha1") {
                    fields.remove("data_sha1");
                    fields.remove("sha1");
                }
                (format!("{} {}", entry["path"], entry["path_hex"]), entry)
            })
            .collect()
    };
    let again = Kept::of(restored);
    let (before, after) = (entries(kept), entries(&again));
    assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>());
    for (path, entry) in &before {
        assert_eq!(after[path], *entry, "{path}");
    }
    let areas = |kept: &Kept| -> Vec<Value> {
        kept.manifest().into_iter().filter(|line| line["record"] == "area").collect()
    };
    assert_eq!(areas(kept), areas(&again));
}

/// An image with this table, and a small filesystem in each of some partitions.
fn disk(path: &Path, len_bytes: u64, table: &str, filesystems: &[(u64, u64)]) {
    File::create_new(path).and_then(|file| file.set_len(len_bytes)).expect("an image");
    let mut sfdisk = tools::command("sfdisk");
    let mut sfdisk = sfdisk.arg("--quiet").arg(path).stdin(Stdio::piped()).spawn().expect("sfdisk starts");
    sfdisk.stdin.take().expect("a pipe").write_all(table.as_bytes()).expect("sfdisk reads its table");
    assert!(sfdisk.wait().expect("sfdisk ends").success(), "sfdisk");
    let tree = tools::temporary_folder();
    fs::write(tree.path().join("hello.txt"), "hello\n").expect("a file");
    for (start_bytes, len_bytes) in filesystems {
        let mut mke2fs = tools::command("mke2fs");
        mke2fs.args(["-q", "-F", "-t", "ext4", "-b", "1024", "-O", "^has_journal", "-d"]).arg(tree.path());
        mke2fs.args(["-E", &format!("offset={start_bytes}")]).arg(path).arg(format!("{}k", len_bytes / 1024));
        tools::assert_success("mke2fs", &mke2fs.output().expect("mke2fs starts"));
    }
}

/// What sfdisk says of an image, without the image's name.
fn sfdisk(image: &Path) -> String {
    let output = tools::run("sfdisk", ["--json".as_ref(), image.as_os_str()]);
    String::from_utf8(output).expect("text").replace(&image.display().to_string(), "IMAGE")
}

const MIB: u64 = 1 << 20;

fn many_logicals() {
    let folder = tools::temporary_folder();
    let image = folder.path().join("disk.img");
    let mut table = "label: dos\nstart=2048, size=2048, type=83, bootable\nstart=4096, type=f\n".to_owned();
    // sfdisk says where each begins.
    table.extend((0..40).map(|number| format!("size=1024, type={:x}\n", 0xa0 + number)));
    disk(&image, 96 * MIB, &table, &[(6144 * 512, MIB / 2)]);
    let logicals: Vec<Partition> = volumes(&image).into_iter().filter(|volume| volume.number >= 5).collect();
    assert_eq!((logicals.len(), logicals[0].start_bytes), (40, 6144 * 512));
    let file = File::options().write(true).open(&image).expect("the image");
    for Partition { number, start_bytes, .. } in &logicals[1..] {
        file.write_all_at(&[*number as u8; 700], start_bytes + 100).expect("a write");
    }
    let kept = Kept::of(&image);
    let restored = kept.image();
    assert_eq!(sfdisk(&restored), sfdisk(&image));
    assert_eq!(sfdisk(&image).matches("\"node\"").count(), 42);
    same_outside(&image, &restored);
}

fn hybrid() {
    let folder = tools::temporary_folder();
    let image = folder.path().join("disk.img");
    let table = "label: gpt\nstart=2048, size=4096, name=one, attrs=\"LegacyBIOSBootable GUID:63\"\nstart=8192, size=2048, name=\"zwei drei\"\n";
    disk(&image, 8 * MIB, table, &[(MIB, 2 * MIB)]);
    let file = File::options().write(true).open(&image).expect("the image");
    // The protective entry covers the header alone, and a second one is the first partition, active.
    let entries: [u8; 32] = [
        0, 0, 2, 0, 0xee, 0xff, 0xff, 0xff, 1, 0, 0, 0, 0xff, 7, 0, 0, //
        0x80, 0x20, 0x21, 0, 0x83, 0xfe, 0xff, 0xff, 0, 8, 0, 0, 0, 0x10, 0, 0,
    ];
    file.write_all_at(&entries, 0x1be).expect("a write");
    let kept = Kept::of(&image);
    let restored = kept.image();
    same_outside(&image, &restored);
    assert_eq!(range(&restored, 0x1be, 32), entries);
}

fn boot_code() {
    let folder = tools::temporary_folder();
    let image = folder.path().join("disk.img");
    let table = "label: dos\nstart=2048, size=4096, type=83, bootable\nstart=8192, size=4096, type=83\n";
    disk(&image, 8 * MIB, table, &[(MIB, 2 * MIB), (4 * MIB, 2 * MIB)]);
    let file = File::options().write(true).open(&image).expect("the image");
    let written: [(u64, usize); 5] =
        [(0, 440), (512, 30_000), (MIB - 512, 512), (MIB, 1024), (4 * MIB + 512, 512)];
    for (at, len) in written {
        let code: Vec<u8> = (0..len).map(|index| (index % 251) as u8 + 1).collect();
        file.write_all_at(&code, at).expect("a write");
    }
    let kept = Kept::of(&image);
    let restored = kept.image();
    for (at, len) in written {
        assert_eq!(range(&restored, at, len as u64), range(&image, at, len as u64), "{len} bytes at {at}");
    }
    assert_eq!(sfdisk(&restored), sfdisk(&image));
}

fn swap() {
    let folder = tools::temporary_folder();
    let image = folder.path().join("disk.img");
    let table = "label: gpt\nstart=2048, size=4096\nstart=8192, size=4096, type=0657FD6D-A4AB-43C4-84E5-0933C84B4F4F\n";
    disk(&image, 8 * MIB, table, &[(MIB, 2 * MIB)]);
    let uuid = "6e1d2f5b-5a3c-4a36-9a0c-0123456789ab";
    let part = folder.path().join("swap.img");
    File::create_new(&part).and_then(|file| file.set_len(2 * MIB)).expect("an image");
    tools::run("mkswap", ["-U", uuid, "-L", "pages", part.to_str().expect("a path")]);
    let file = File::options().write(true).open(&image).expect("the image");
    file.write_all_at(&fs::read(&part).expect("swap"), 4 * MIB).expect("a write");
    // What was swapped out is nobody's business.
    file.write_all_at(&[0x5a; 4096], 4 * MIB + 8192).expect("a write");
    let kept = Kept::of(&image);
    let restored = kept.image();
    assert_eq!(range(&restored, 4 * MIB, 4096), range(&image, 4 * MIB, 4096));
    assert!(range(&restored, 4 * MIB + 4096, 2 * MIB - 4096).iter().all(|byte| *byte == 0));
    let back = folder.path().join("back.img");
    fs::write(&back, range(&restored, 4 * MIB, 2 * MIB)).expect("a copy");
    let said = String::from_utf8(tools::run("swaplabel", [&back])).expect("text");
    assert!(said.contains(uuid) && said.contains("pages"), "{said}");
}

fn grows() {
    for (table, last) in [
        ("label: gpt\nstart=2048, size=2048\nstart=4096, size=8192, name=root\n", 2),
        (
            "label: dos\nstart=2048, size=1024, type=83\nstart=3072, type=5\nstart=4096, size=8192, type=83\n",
            5,
        ),
    ] {
        let folder = tools::temporary_folder();
        let image = folder.path().join("disk.img");
        disk(&image, 8 * MIB, table, &[(2 * MIB, 4 * MIB)]);
        let kept = Kept::of(&image);
        let larger = kept.path("larger.img");
        File::create_new(&larger).and_then(|file| file.set_len(40 * MIB)).expect("an image");
        kept.restore(&larger, &["--grow", "--quiet"], 0);
        let after = volumes(&larger);
        let grown = after.iter().find(|partition| partition.number == last).expect("the partition");
        assert_eq!(grown.start_bytes, 2 * MIB);
        assert!(grown.start_bytes + grown.len_bytes > 39 * MIB, "{grown:?}");
        let part = kept.path("volume.img");
        fs::write(&part, range(&larger, grown.start_bytes, grown.len_bytes)).expect("a copy");
        tools::assert_success("e2fsck", &tools::output("e2fsck", ["-fn".as_ref(), part.as_os_str()]));
        let blocks: u64 = superblock(&part)["Block count"].parse().expect("a number");
        assert_eq!(blocks, grown.len_bytes / 1024);
        // Without --grow everything has its place, and the second copy of a GPT is at the end.
        let same = kept.path("same.img");
        File::create_new(&same).and_then(|file| file.set_len(40 * MIB)).expect("an image");
        kept.restore(&same, &["--quiet"], 0);
        assert_eq!(format!("{:?}", volumes(&same)), format!("{:?}", volumes(&image)));
        let verdict = tools::output("sfdisk", ["--verify".as_ref(), same.as_os_str()]);
        tools::assert_success("sfdisk --verify", &verdict);
        assert!(!tools::said(&verdict).contains("backup"), "{}", tools::said(&verdict));
    }
}

/// A small filesystem without a table.
fn filesystem(folder: &Path) -> PathBuf {
    let (image, tree) = (folder.join("fs.img"), folder.join("tree"));
    fs::create_dir_all(tree.join("folder")).expect("a folder");
    fs::write(tree.join("folder/hello.txt"), "hello\n").expect("a file");
    let data: Vec<u8> =
        (0..300_000_u32).map(|index| (index.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    fs::write(tree.join("data"), data).expect("a file");
    let arguments = ["-q", "-F", "-t", "ext4", "-L", "alone", "-d"].map(std::ffi::OsString::from);
    tools::run("mke2fs", arguments.into_iter().chain([tree.into(), image.clone().into(), "4096k".into()]));
    image
}

fn grows_alone() {
    let folder = tools::temporary_folder();
    let kept = Kept::of(&filesystem(folder.path()));
    let larger = kept.path("larger.img");
    File::create_new(&larger).and_then(|file| file.set_len(32 * MIB)).expect("an image");
    kept.restore(&larger, &["--grow", "--quiet"], 0);
    tools::assert_success("e2fsck", &tools::output("e2fsck", ["-fn".as_ref(), larger.as_os_str()]));
    let superblock = superblock(&larger);
    let (blocks, size) = (&superblock["Block count"], &superblock["Block size"]);
    let bytes = blocks.parse::<u64>().expect("a number") * size.parse::<u64>().expect("a number");
    assert_eq!(bytes, 32 * MIB);
}

fn too_small() {
    let guest = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/guest.img");
    let kept = Kept::of(&guest);
    let small = kept.path("small.img");
    File::create_new(&small).and_then(|file| file.set_len(5 * MIB)).expect("an image");
    let said = error_of(&kept.restore(&small, &[], 1));
    assert!(said.contains("has 5242880 bytes") && said.contains("the partitions need"), "{said}");
    assert!(fs::read(&small).expect("the image").iter().all(|byte| *byte == 0));
}

fn full() {
    let folder = tools::temporary_folder();
    let (image, tree) = (folder.path().join("fs.img"), folder.path().join("tree"));
    fs::create_dir(&tree).expect("a folder");
    let data: Vec<u8> =
        (0..2_000_000_u32).flat_map(|index| index.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    fs::write(tree.join("data"), data).expect("a file");
    let arguments = ["-q", "-F", "-t", "ext4", "-d"].map(std::ffi::OsString::from);
    tools::run("mke2fs", arguments.into_iter().chain([tree.into(), image.clone().into(), "16M".into()]));
    let kept = Kept::of(&image);
    let small = kept.path("small");
    fs::create_dir(&small).expect("a folder");
    // One disk has no space for the files, the other not even for the empty filesystem.
    for (size, room, missing) in
        [("4M", "4.0 MiB", " were still to come: make room"), ("64k", "64.0 KiB", "")]
    {
        let options = format!("size={size}");
        tools::run("mount", ["-t", "tmpfs", "-o", &options, "none", small.to_str().expect("a path")]);
        let to = small.join("restored.img");
        let mut command = voltar("restore");
        let output = command.arg(&kept.archive).arg("--to").arg(&to).output().expect("voltar starts");
        let left = fs::read_dir(&small).expect("a folder").count();
        tools::run("umount", [&small]);
        let said = error_of(&output);
        let parts = [
            to.to_str().expect("a path"),
            &format!("no space is left (its filesystem of {room} has "),
            missing,
            "or name another target with --to",
        ];
        parts.iter().for_each(|part| assert!(said.contains(part), "{part}: {said}"));
        assert_eq!((output.status.code(), left), (Some(1), 0), "{said}");
    }
}

fn with_data() {
    let folder = tools::temporary_folder();
    let source = filesystem(folder.path());
    let kept = Kept::of(&source);
    let target = kept.path("target.img");
    fs::write(&target, vec![0xa5; 6 << 20]).expect("an image");
    let said = error_of(&kept.restore(&target, &[], 1));
    assert!(said.contains("holds data") && said.contains("--force"), "{said}");
    assert!(fs::read(&target).expect("the image").iter().all(|byte| *byte == 0xa5));
    kept.restore(&target, &["--force", "--quiet"], 0);
    assert_eq!(len_of(&target), 6 << 20);
    let output = tools::output("e2fsck", ["-fn".as_ref(), target.as_os_str()]);
    tools::assert_success("e2fsck", &output);
    // What is empty may be written to; and the source stays as it is.
    let empty = kept.path("empty.img");
    File::create_new(&empty).expect("a file");
    kept.restore(&empty, &["--quiet"], 0);
    assert_eq!(len_of(&empty), len_of(&source));
}

fn mounted() {
    let folder = tools::temporary_folder();
    let source = filesystem(folder.path());
    let kept = Kept::of(&source);
    let device = Loop::writable(&source);
    let point = folder.path().join("mnt");
    fs::create_dir(&point).expect("a folder");
    tools::run("mount", ["-o".as_ref(), "ro".as_ref(), device.device.as_os_str(), point.as_os_str()]);
    let before = fs::read(&source).expect("the image");
    let said = error_of(&kept.restore(&device.device, &[], 1));
    assert!(said.contains("is in use: mounted on") && said.contains("--force"), "{said}");
    assert!(fs::read(&source).expect("the image") == before);
    let said = tools::said(&kept.restore(&device.device, &["--force"], 0));
    assert!(said.contains("is in use (mounted on") && said.contains("is written over"), "{said}");
    tools::run("umount", [&point]);
    drop(device);
    is_restored(&kept, &source);
}

fn under_loop() {
    let folder = tools::temporary_folder();
    let source = filesystem(folder.path());
    let kept = Kept::of(&source);
    let device = Loop::disk(&source);
    let said = error_of(&kept.restore(&source, &[], 1));
    assert!(said.contains(&format!("used by {}", device.device.display())), "{said}");
    kept.restore(&source, &["--force", "--quiet"], 0);
    drop(device);
    is_restored(&kept, &source);
}

/// An image holds what the archive of it holds.
fn is_restored(kept: &Kept, image: &Path) {
    let output = tools::output("e2fsck", ["-fn".as_ref(), image.as_os_str()]);
    tools::assert_success("e2fsck", &output);
    let diff = voltar("diff").arg(&kept.archive).arg(image).output().expect("voltar starts");
    tools::assert_success("diff", &diff);
}

fn onto_itself() {
    let folder = tools::temporary_folder();
    let kept = Kept::of(&filesystem(folder.path()));
    for ending in ["", ".sha1", ".manifest.jsonl.zst"] {
        let target = kept.path(&format!("disk.tar.zst{ending}"));
        let before = fs::read(&target).expect("a file");
        let said = error_of(&kept.restore(&target, &["--force"], 1));
        assert!(said.contains("is the archive itself"), "{said}");
        assert!(fs::read(&target).expect("a file") == before, "{}", target.display());
    }
}

fn onto_device() {
    let guest = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/guest.img");
    let kept = Kept::of(&guest);
    let target = kept.path("target.img");
    fs::write(&target, vec![0xa5; len_of(&guest) as usize]).expect("an image");
    let device = Loop::writable(&target);
    kept.restore(&device.device, &["--force", "--quiet"], 0);
    drop(device);
    same_outside(&guest, &target);
    for volume in volumes(&guest) {
        if kernel::holds(&guest, volume.start_bytes, volume.len_bytes) == Holds::Ext {
            same_filesystem("guest", &guest, &target, volume);
        }
    }
}

fn as_nobody() {
    let guest = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/guest.img");
    let kept = Kept::of(&guest);
    let folder = tempfile::tempdir().expect("a folder");
    let program = folder.path().join("voltar");
    fs::copy(env!("CARGO_BIN_EXE_voltar"), &program).expect("a copy");
    for name in ["disk.tar.zst", "disk.tar.zst.manifest.jsonl.zst"] {
        fs::copy(kept.path(name), folder.path().join(name)).expect("a copy");
    }
    let mut chown = tools::command("chown");
    chown.args(["-R", "65534:65534"]).arg(folder.path());
    tools::assert_success("chown", &chown.output().expect("chown starts"));
    let mut command = tools::command("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "timeout", "120"]).arg(&program);
    command.arg("restore").arg(folder.path().join("disk.tar.zst")).arg("--to");
    command.arg(folder.path().join("restored.img")).arg("--quiet").current_dir(folder.path());
    tools::assert_success("voltar restore as a user", &command.output().expect("setpriv starts"));
    let restored = folder.path().join("restored.img");
    same_outside(&guest, &restored);
    same_archive(&kept, &restored);
}

/// Overwrites the middle of an archive.
fn damage(kept: &Kept) {
    let mut bytes = fs::read(&kept.archive).expect("the archive");
    let middle = bytes.len() / 2;
    bytes[middle..middle + 64].fill(0xff);
    fs::write(&kept.archive, bytes).expect("the archive");
}

fn damaged() {
    let guest = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/guest.img");
    let kept = Kept::of(&guest);
    damage(&kept);
    let new = kept.path("new.img");
    let said = error_of(&kept.restore(&new, &[], 1));
    assert!(said.contains("disk.tar.zst") && said.contains("partition 1"), "{said}");
    assert!(!new.exists(), "a new image has its name only when it is whole");
    let files = fs::read_dir(kept.folder.path()).expect("a folder");
    let left: Vec<_> = files.map(|file| file.expect("a file").file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().contains(".part")), "{left:?}");
    let existing = kept.path("existing.img");
    File::create_new(&existing).and_then(|file| file.set_len(8 * MIB)).expect("an image");
    let said = error_of(&kept.restore(&existing, &[], 1));
    assert!(said.contains("its first MiB is cleared"), "{said}");
    assert!(range(&existing, 0, MIB).iter().all(|byte| *byte == 0));
    let sound = Kept::of(&guest);
    fs::remove_file(sound.path("disk.tar.zst.manifest.jsonl.zst")).expect("the manifest");
    let said = error_of(&sound.restore(&sound.path("new.img"), &[], 1));
    assert!(said.contains("has no manifest in it or beside it") && said.contains("voltar extract"), "{said}");
}

fn damaged_file() {
    let folder = tools::temporary_folder();
    let kept = Kept::of(&filesystem(folder.path()));
    damage(&kept);
    let restored = kept.path("restored.img");
    let said = error_of(&kept.restore(&restored, &[], 3));
    assert!(said.contains("issue: data: "), "{said}");
    tools::assert_success("e2fsck", &tools::output("e2fsck", ["-fn".as_ref(), restored.as_os_str()]));
}

/// What is wrong with a manifest, and what is said to it.
type Lie = (&'static str, fn(&mut Vec<Value>), &'static str);

const LIES: [Lie; 13] = [
    (
        "no areas, as before there were any",
        |lines| drop(lines[0].as_object_mut().unwrap().remove("areas")),
        "is of an older version",
    ),
    (
        "a geometry is missing",
        |lines| {
            let volumes = lines[0]["volumes"].as_array_mut().unwrap();
            volumes[3]["filesystem"].as_object_mut().unwrap().remove("geometry");
        },
        "does not say how its filesystem was made",
    ),
    ("no base64", |lines| lines[1]["data"] = "a-b_".into(), "no base64"),
    ("more data than a record has", |lines| lines[1]["data"] = "AAAA".repeat(40_000).into(), "more than"),
    ("an area behind the end", |lines| lines[1]["start_bytes"] = u64::MAX.into(), "area from byte"),
    ("areas over each other", |lines| lines[2]["start_bytes"] = 0.into(), "area from byte"),
    ("fewer areas than the head says", |lines| drop(lines.remove(1)), "by its head"),
    (
        "a volume that lies elsewhere",
        |lines| lines[0]["volumes"][3]["start_bytes"] = 0.into(),
        "by its table",
    ),
    (
        "a volume that is longer than its partition",
        |lines| lines[0]["volumes"][0]["len_bytes"] = u64::MAX.into(),
        "by its table",
    ),
    ("a volume twice", |lines| lines[0]["volumes"][1]["number"] = 1.into(), "twice"),
    (
        "a volume that is not in the table",
        |lines| {
            let mut volume = lines[0]["volumes"][0].clone();
            volume["number"] = 77.into();
            lines[0]["volumes"].as_array_mut().unwrap().push(volume);
        },
        "but not in its table",
    ),
    ("another's member", |lines| lines[0]["volumes"][0]["member"] = "../p4".into(), "no name for it"),
    (
        "a filesystem longer than its partition",
        |lines| {
            lines[0]["volumes"][3]["filesystem"]["geometry"]["blocks"] = (1_u64 << 31).into();
        },
        "its filesystem has",
    ),
];

fn lies() {
    let guest = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/guest.img");
    let kept = Kept::of(&guest);
    let truth = kept.manifest();
    let target = kept.path("target.img");
    for (what, lie, says) in LIES {
        let mut lines = truth.clone();
        lie(&mut lines);
        kept.lie(&lines);
        let said = error_of(&kept.restore(&target, &[], 1));
        assert!(said.contains(says), "{what}: {said}");
        assert!(!target.exists(), "{what}");
    }
    kept.lie(&truth);
    kept.restore(&target, &["--quiet"], 0);
    same_outside(&guest, &target);
}

fn overlap() {
    let folder = tools::temporary_folder();
    let image = folder.path().join("disk.img");
    let table = "label: dos\nstart=2048, size=4096, type=83\nstart=8192, size=4096, type=83\n";
    disk(&image, 8 * MIB, table, &[(MIB, 2 * MIB), (4 * MIB, 2 * MIB)]);
    let kept = Kept::of(&image);
    let mut lines = kept.manifest();
    let text = lines[1]["data"].as_str().expect("the first area").to_owned();
    let mut sector = BASE64.decode(text).expect("base64");
    // The second partition begins in the middle of the first, in the table and in the list of volumes.
    sector[0x1ce + 8..][..4].copy_from_slice(&4096_u32.to_le_bytes());
    lines[1]["data"] = BASE64.encode(sector).into();
    lines[0]["volumes"][1]["start_bytes"] = (2 * MIB).into();
    kept.lie(&lines);
    let target = kept.path("target.img");
    let said = error_of(&kept.restore(&target, &[], 1));
    assert!(said.contains("partition 1: its table: overlaps partition 2"), "{said}");
    assert!(!target.exists());
}
