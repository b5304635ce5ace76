//! The probe against `blkid`: on volumes that the usual programs made, and on superblocks written here.

use std::collections::HashMap;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::NamedTempFile;
use voltar::device::{Io, open};
use voltar::filesystem::{Contents, probe};

const MIB: u64 = 1 << 20;

/// Volumes: their size in MiB, the program, its arguments before the path of the volume.
const VOLUMES: [(u64, &str, &[&str]); 27] = [
    (8, "mke2fs", &["-q", "-F", "-t", "ext2", "-L", "second"]),
    (8, "mke2fs", &["-q", "-F", "-t", "ext3", "-L", "sixteen letters."]),
    (8, "mke2fs", &["-q", "-F", "-t", "ext4"]),
    (8, "mke2fs", &["-q", "-F", "-t", "ext4", "-L", "größe"]),
    (8, "mke2fs", &["-q", "-F", "-t", "ext4", "-O", "^has_journal"]),
    (8, "mke2fs", &["-q", "-F", "-t", "ext4", "-b", "4096", "-O", "bigalloc,inline_data"]),
    (8, "mke2fs", &["-q", "-F", "-r", "0"]),
    (64, "mke2fs", &["-q", "-F", "-O", "journal_dev", "-L", "journal"]),
    (2, "mkfs.vfat", &["-F", "12", "-n", "TWELVE"]),
    (32, "mkfs.vfat", &["-F", "16", "-n", "SIX TEEN"]),
    (64, "mkfs.vfat", &["-F", "32", "-n", "ESP", "-i", "0a0b0c0d"]),
    (64, "mkfs.vfat", &["-F", "32"]),
    (64, "mkfs.vfat", &["-S", "4096"]),
    (64, "mkfs.vfat", &["--mbr=y", "-n", "WITH MBR"]),
    (8, "mkswap", &["-L", "swap space"]),
    (8, "mkswap", &["--pagesize", "65536"]),
    (320, "mkfs.xfs", &["-q", "-f", "-L", "twelve bytes"]),
    (320, "mkfs.xfs", &["-q", "-f", "-m", "crc=0"]),
    (128, "mkfs.btrfs", &["-q", "-f", "-L", "a b-tree"]),
    (16, "mkntfs", &["-q", "-F", "-f", "-L", "Windows größe"]),
    (16, "mkntfs", &["-q", "-F", "-f", "-c", "512"]),
    (
        32,
        "cryptsetup",
        &[
            "-q",
            "luksFormat",
            "--type",
            "luks1",
            "--pbkdf-force-iterations",
            "1000",
            "--key-file",
            "/dev/zero",
            "--keyfile-size",
            "32",
        ],
    ),
    (
        32,
        "cryptsetup",
        &[
            "-q",
            "luksFormat",
            "--type",
            "luks2",
            "--label",
            "vault",
            "--pbkdf",
            "pbkdf2",
            "--pbkdf-force-iterations",
            "1000",
            "--key-file",
            "/dev/zero",
            "--keyfile-size",
            "32",
        ],
    ),
    (8, "mke2fs", &["-q", "-F", "-t", "ext4", "-b", "1024", "-O", "^64bit"]),
    (8, "mke2fs", &["-q", "-F", "-t", "ext3", "-O", "^resize_inode,meta_bg"]),
    (8, "mke2fs", &["-q", "-F", "-t", "ext2", "-O", "extents"]),
    (8, "mke2fs", &["-q", "-F", "-t", "ext4", "-U", "00000000-0000-0000-0000-000000000001"]),
];

/// Whether a program is here. Where everything has to be (`CI` is set), one that is missing fails the test.
fn have(program: &str) -> bool {
    let found =
        Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    assert!(found || std::env::var_os("CI").is_none(), "{program} is missing, and CI is set");
    if !found {
        eprintln!("LEFT OUT: {program} is not installed");
    }
    found
}

fn empty(size_mib: u64) -> NamedTempFile {
    let file = NamedTempFile::new().unwrap();
    file.as_file().set_len(size_mib * MIB).unwrap();
    file
}

/// Name, label and UUID, as `blkid` tells them; empty where it tells none.
fn blkid(path: &Path) -> [String; 3] {
    let output = Command::new("blkid").args(["-p", "-o", "udev"]).arg(path).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let fields: HashMap<&str, &str> = text.lines().filter_map(|line| line.split_once('=')).collect();
    ["ID_FS_TYPE", "ID_FS_LABEL_ENC", "ID_FS_UUID"]
        .map(|key| decoded(fields.get(key).copied().unwrap_or_default()))
}

/// Text in which a space is `\x20`.
fn decoded(text: &str) -> String {
    let mut parts = text.split("\\x");
    let mut decoded = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (code, rest) = part.split_at(2);
        decoded.push(u8::from_str_radix(code, 16).unwrap().into());
        decoded.push_str(rest);
    }
    decoded
}

fn ours(path: &Path) -> [String; 3] {
    match probe(&open(path, Io::Pread).unwrap()).unwrap() {
        Contents::Known(found) => [found.name.to_owned(), found.label, found.uuid],
        Contents::Unknown => Default::default(),
    }
}

#[test]
fn blkid_says_the_same_of_volumes_that_the_usual_programs_made() {
    if !have("blkid") {
        return;
    }
    for (size_mib, program, arguments) in VOLUMES {
        if !have(program) {
            continue;
        }
        let file = empty(size_mib);
        let output = Command::new(program).args(arguments).arg(file.path()).output().unwrap();
        assert!(output.status.success(), "{program} {arguments:?}: {output:?}");
        let theirs = blkid(file.path());
        assert!(!theirs[0].is_empty(), "{program} {arguments:?}: blkid finds nothing");
        assert_eq!(ours(file.path()), theirs, "{program} {arguments:?}");
    }
}

/// Bytes, and where on a volume they are.
type Place = (usize, Vec<u8>);

/// Superblocks of formats whose programs are rare: the type, and bytes by position.
///
/// Identifiers and labels are where the layout has them; all of it must come back.
fn superblocks() -> Vec<(&'static str, Vec<Place>)> {
    let uuid = || (1..=16).collect::<Vec<u8>>();
    let text = |text: &str| text.as_bytes().to_vec();
    let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    const K: usize = 1024;
    let end = 64 * MIB as usize;
    vec![
        (
            "f2fs",
            vec![
                (K, vec![0x10, 0x20, 0xf5, 0xf2, 1, 0, 8, 0, 9, 0, 0, 0, 3, 0, 0, 0, 12]),
                (K + 108, uuid()),
                (K + 124, utf16("flash")),
            ],
        ),
        (
            "erofs",
            vec![
                (K, vec![0xe2, 0xe1, 0xf5, 0xe0]),
                (K + 12, vec![12]),
                (K + 48, uuid()),
                (K + 64, text("read only")),
            ],
        ),
        ("squashfs", vec![(0, text("hsqs")), (28, vec![4, 0, 0, 0])]),
        (
            "jfs",
            vec![
                (32 * K, text("JFS1")),
                (32 * K + 16, vec![0, 16, 0, 0, 12, 0, 3, 0, 0, 2, 0, 0, 9, 0]),
                (32 * K + 136, uuid()),
                (32 * K + 152, text("journaled")),
            ],
        ),
        (
            "reiserfs",
            vec![
                (64 * K + 12, vec![18]),
                (64 * K + 44, vec![0, 16]),
                (64 * K + 52, text("ReIsEr2Fs")),
                (64 * K + 84, uuid()),
                (64 * K + 100, text("tree")),
            ],
        ),
        (
            "gfs2",
            vec![
                (64 * K, vec![1, 0x16, 0x19, 0x70, 0, 0, 0, 1]),
                (64 * K + 24, vec![0, 0, 7, 9, 0, 0, 7, 0x6c]),
                (64 * K + 160, text("cluster:name")),
                (64 * K + 256, uuid()),
            ],
        ),
        (
            "ufs",
            vec![
                (64 * K + 144, vec![1, 2, 3, 4, 5, 6, 7, 8]),
                (64 * K + 680, text("berkeley")),
                (64 * K + 1372, vec![0x19, 0x01, 0x54, 0x19]),
            ],
        ),
        (
            "linux_raid_member",
            vec![
                (4 * K, vec![0xfc, 0x4e, 0x2b, 0xa9, 1, 0, 0, 0]),
                (4 * K + 16, uuid()),
                (4 * K + 32, text("host:0")),
                (4 * K + 144, vec![8]),
            ],
        ),
        (
            "linux_raid_member",
            vec![
                (end - 64 * K, vec![0xfc, 0x4e, 0x2b, 0xa9, 0, 0, 0, 0, 90, 0, 0, 0]),
                (end - 64 * K + 20, vec![1, 2, 3, 4]),
                (end - 64 * K + 52, (5..17).collect()),
            ],
        ),
        (
            "bcache",
            vec![
                (4 * K + 8, vec![8]),
                (
                    4 * K + 24,
                    vec![
                        0xc6, 0x85, 0x73, 0xf6, 0x4e, 0x1a, 0x45, 0xca, 0x82, 0x65, 0xf5, 0x7f, 0x48, 0xba,
                        0x6d, 0x81,
                    ],
                ),
                (4 * K + 40, uuid()),
            ],
        ),
        (
            "iso9660",
            vec![
                (32 * K, text("\x01CD001\x01")),
                (32 * K + 40, text(&format!("{:<32}", "A DISC"))),
                (32 * K + 813, text("1999123123595999\0")),
                (32 * K + 830, text("2024022912345678\0")),
                (34 * K, vec![0xff]),
                (34 * K + 1, text("CD001\x01")),
            ],
        ),
        (
            "exfat",
            vec![
                (0, text("\u{76}")),
                (0, vec![0xeb, 0x76, 0x90]),
                (3, text("EXFAT   ")),
                (72, vec![0, 0, 2]),
                (
                    80,
                    vec![
                        128, 0, 0, 0, 128, 0, 0, 0, 0, 1, 0, 0, 0xf0, 0x0f, 0, 0, 4, 0, 0, 0, 0xcd, 0xab,
                        0x34, 0x12, 0, 1,
                    ],
                ),
                (108, vec![9, 3, 1]),
                (510, vec![0x55, 0xaa]),
                ((256 + 2 * 8) * 512, [vec![0x83, 6], utf16("größe!")].concat()),
            ],
        ),
    ]
}

#[test]
fn blkid_says_the_same_of_superblocks_written_here() {
    if !have("blkid") {
        return;
    }
    for (name, places) in superblocks() {
        let file = empty(64);
        for (at, bytes) in places {
            std::os::unix::fs::FileExt::write_all_at(file.as_file(), &bytes, at as u64).unwrap();
        }
        let found = ours(file.path());
        assert_eq!(found[0], name);
        assert_eq!(found, blkid(file.path()), "{name}");
    }
}
