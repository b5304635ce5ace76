//! No reading command gives other content than what was archived and ends with 0.
//!
//! Bits are flipped and ends are cut off in archives of all kinds: of GNU tar, of gzip and zstd
//! members one behind the other, and our own with and without a manifest. `tar`, `gzip -t` and
//! `zstd -t` are the oracle: damage that they find, each command finds or is not touched by.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

mod common;

use common::tools;
use common::trials::{Needs, run, trial};

const TAR: Needs = Needs::Tool("tar", "tar");
const ZSTD: Needs = Needs::Tool("zstd", "zstd");

/// Bits that are flipped in each archive, and lengths to which it is cut.
const FLIPS: usize = 24;
const CUTS: usize = 10;

/// A path in each archive, and its content.
const PATH: &str = "s/dir/file";

/// One way to make an archive.
struct Kind {
    name: &'static str,
    ending: &'static str,
    make: fn(&Path, &Path),
    /// Whether there is no checksum over all of its content, so that a flipped bit of it can't be
    /// seen by anybody.
    is_unchecked: bool,
}

const KINDS: [Kind; 9] = [
    Kind { name: "a tar of GNU tar", ending: "tar", make: |s, a| gnu(s, a, &[]), is_unchecked: true },
    Kind {
        name: "a tar.gz of GNU tar",
        ending: "tar.gz",
        make: |s, a| gnu(s, a, &["-z"]),
        is_unchecked: false,
    },
    Kind {
        name: "a tar.zst of GNU tar",
        ending: "tar.zst",
        make: |s, a| gnu(s, a, &["--zstd"]),
        is_unchecked: false,
    },
    Kind { name: "a tar.gz of several members", ending: "tar.gz", make: members_gz, is_unchecked: false },
    Kind { name: "a tar.zst of several frames", ending: "tar.zst", make: frames_zst, is_unchecked: false },
    Kind { name: "a tar.zst with its manifest", ending: "tar.zst", make: ours, is_unchecked: false },
    Kind { name: "a tar.zst without its manifest", ending: "tar.zst", make: ours_alone, is_unchecked: false },
    Kind { name: "a tar.gz without its manifest", ending: "tar.gz", make: ours_alone, is_unchecked: false },
    Kind { name: "a tar with its manifest", ending: "tar", make: ours, is_unchecked: false },
];

fn main() -> ExitCode {
    let mut trials: Vec<_> = KINDS
        .iter()
        .map(|kind| {
            let sentence = format!("damage to {} is told or makes no difference", kind.name);
            trial(sentence, &[TAR, ZSTD], || damage(kind))
        })
        .collect();
    trials.push(trial("a manifest that lies is found by verify, and no command obeys it", &[], lies));
    trials.push(trial("what is no tar is never an empty one", &[ZSTD], no_tar));
    trials.push(trial("a tar of nothing is an empty one", &[TAR], empty_tar));
    trials.push(trial(
        "what follows the end is judged as gzip, zstd and GNU tar judge it",
        &[TAR, ZSTD],
        behind,
    ));
    run(trials)
}

/// A tree with content that can't be compressed, a long name, and links.
fn source(folder: &Path) -> PathBuf {
    let source = folder.join("source");
    fs::create_dir_all(source.join("s/dir")).unwrap();
    let mut state = 7;
    let noise: Vec<u8> = (0..40_000).map(|_| random(&mut state) as u8).collect();
    fs::write(source.join("s/a"), &noise[..9_000]).unwrap();
    fs::write(source.join(PATH), &noise[9_000..]).unwrap();
    fs::write(source.join("s/dir").join("n".repeat(150)), "a name that needs a header of its own").unwrap();
    fs::write(source.join("s/z"), "x".repeat(3000)).unwrap();
    std::os::unix::fs::symlink("dir/file", source.join("s/link")).unwrap();
    fs::hard_link(source.join("s/a"), source.join("s/b")).unwrap();
    source
}

fn gnu(source: &Path, archive: &Path, options: &[&str]) {
    let mut command = tools::command("tar");
    command.args(["--sort=name", "-c"]).args(options).arg("-f").arg(archive).arg("-C").arg(source).arg("s");
    tools::assert_success("tar", &command.output().unwrap());
}

/// The tar in three pieces, each compressed on its own.
fn in_pieces(source: &Path, archive: &Path, program: &str) {
    let tar = archive.with_file_name("whole.tar");
    gnu(source, &tar, &[]);
    let bytes = fs::read(&tar).unwrap();
    let mut packed = Vec::new();
    for piece in bytes.chunks(bytes.len() / 3 + 1) {
        fs::write(&tar, piece).unwrap();
        packed.extend(tools::run(program, [std::ffi::OsStr::new("-c"), tar.as_os_str()]));
    }
    fs::remove_file(&tar).unwrap();
    fs::write(archive, packed).unwrap();
}

fn members_gz(source: &Path, archive: &Path) {
    in_pieces(source, archive, "gzip");
}

fn frames_zst(source: &Path, archive: &Path) {
    in_pieces(source, archive, "zstd");
}

fn ours(source: &Path, archive: &Path) {
    let image = archive.with_file_name("image");
    fs::write(&image, "").unwrap();
    let mut command = tools::command("mke2fs");
    command.args(["-q", "-t", "ext4", "-d"]).arg(source).arg(&image).arg("2M");
    tools::assert_success("mke2fs", &command.output().unwrap());
    let arguments =
        ["archive".as_ref(), image.as_os_str(), "-q".as_ref(), "-o".as_ref(), archive.as_os_str()];
    tools::voltar(arguments, 0);
    fs::remove_file(image).unwrap();
}

fn ours_alone(source: &Path, archive: &Path) {
    ours(source, archive);
    for entry in fs::read_dir(archive.parent().unwrap()).unwrap() {
        let path = entry.unwrap().path();
        if path != archive && path.is_file() {
            fs::remove_file(path).unwrap();
        }
    }
}

/// xorshift64: the same bits each time.
fn random(state: &mut u64) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    (*state >> 8) as usize
}

/// The commands that read an archive, with what they are asked.
fn commands(archive: &Path) -> Vec<(&'static str, Vec<String>)> {
    let archive = archive.to_str().unwrap();
    let at = |path: &str| format!("{archive}:{path}");
    let folder = Path::new(archive).parent().unwrap().to_str().unwrap().to_owned();
    vec![
        ("cat", vec![at(PATH)]),
        ("ls", vec!["-lR".into(), archive.into()]),
        ("find", vec!["--size".into(), "+1".into(), archive.into()]),
        ("stat", vec![at(PATH)]),
        ("tree", vec![archive.into()]),
        ("diff", vec![archive.into(), format!("{folder}/good/{}", base(archive))]),
        ("history", vec![folder, PATH.into()]),
    ]
}

fn base(path: &str) -> &str {
    path.rsplit('/').next().unwrap()
}

/// Exit code and output of each command.
type Said = BTreeMap<&'static str, (i32, Vec<u8>)>;

fn ask(archive: &Path) -> Said {
    let folder = archive.parent().unwrap();
    // The archive to compare with is no archive of the folder's history.
    let run = |name: &str, arguments: &[String]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_voltar"));
        command.arg(name).args(arguments).arg("--no-sandbox").stderr(Stdio::null());
        let output = command.output().unwrap();
        (output.status.code().expect("no signal"), output.stdout)
    };
    let mut said: Said =
        commands(archive).into_iter().map(|(name, arguments)| (name, run(name, &arguments))).collect();
    let target = folder.join("extracted");
    let arguments = [archive.to_str().unwrap(), "-C", target.to_str().unwrap(), "-q"].map(str::to_owned);
    let (code, _) = run("extract", &arguments);
    said.insert("extract", (code, if target.exists() { digest(&target) } else { Vec::new() }));
    let _ = fs::remove_dir_all(&target);
    said
}

/// All that is below a folder, but for times that extracting changes.
fn digest(folder: &Path) -> Vec<u8> {
    let mut all = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let mut paths: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        for path in paths {
            let found = fs::symlink_metadata(&path).unwrap();
            let of = (path.clone(), found.mode(), found.mtime(), found.mtime_nsec());
            all.extend(format!("{of:?}\n").into_bytes());
            match found.file_type() {
                kind if kind.is_dir() => folders.push(path),
                kind if kind.is_symlink() => {
                    all.extend(fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes())
                }
                kind if kind.is_file() => all.extend(fs::read(&path).unwrap()),
                _ => all.extend(found.rdev().to_string().into_bytes()),
            }
        }
    }
    all
}

/// Whether the programs that made such archives find nothing wrong.
fn is_good_for_others(archive: &Path) -> bool {
    let is_good = |program: &str, options: &[&str]| {
        let mut command = tools::command(program);
        command.args(options).arg(archive).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().unwrap().success()
    };
    let name = archive.to_str().unwrap();
    is_good("tar", &["-tf"])
        && (!name.ends_with("gz") || is_good("gzip", &["-t"]))
        && (!name.ends_with("zst") || is_good("zstd", &["-tq"]))
}

fn damage(kind: &Kind) {
    let folder = tools::temporary_folder();
    let archive = folder.path().join("archives").join(format!("a.{}", kind.ending));
    fs::create_dir_all(archive.parent().unwrap().join("good")).unwrap();
    (kind.make)(&source(folder.path()), &archive);
    for entry in fs::read_dir(archive.parent().unwrap()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            fs::copy(&path, archive.parent().unwrap().join("good").join(path.file_name().unwrap())).unwrap();
        }
    }
    let good = fs::read(&archive).unwrap();
    let right = ask(&archive);
    assert!(right.values().all(|(code, _)| *code == 0), "{right:?}");
    let mut state = 0x9e37_79b9_7f4a_7c15;
    let flips = (0..FLIPS).map(|number| {
        let mut bad = good.clone();
        let bits = good.len() * 8;
        let bit = match number % 4 {
            0 => random(&mut state) % bits.min(4096),
            1 => bits - 1 - random(&mut state) % bits.min(1024),
            _ => random(&mut state) % bits,
        };
        bad[bit / 8] ^= 1 << (bit % 8);
        (format!("bit {bit}"), bad)
    });
    let flips: Vec<_> = flips.collect();
    let cuts = (0..CUTS).map(|number| {
        let len = match number {
            0..4 => good.len() - 1 - number * 3,
            4..8 => (good.len() - 512 * (number - 3)) / 512 * 512,
            _ => random(&mut state) % good.len(),
        };
        (format!("cut to {len}"), good[..len].to_vec())
    });
    let mut found = 0;
    for (what, bad) in flips.into_iter().chain(cuts) {
        fs::write(&archive, bad).unwrap();
        let is_good_for_others = is_good_for_others(&archive);
        for (command, (code, said)) in ask(&archive) {
            let is_right = said == right[command].1;
            if code == 0 && !is_right && !(kind.is_unchecked && is_good_for_others) {
                panic!("{}, {what}: {command} ends with 0 and gives another thing", kind.name);
            }
            // Reading all of it, it finds what others find: with a manifest, listings need not look
            // at it.
            if command == "extract" && !is_good_for_others {
                assert!(code != 0 || is_right, "{}, {what}: {command}", kind.name);
                found += usize::from(code != 0);
            }
        }
    }
    assert!(found > CUTS / 2, "{}: only {found} were found", kind.name);
}

/// Runs a command that must fail and say one of these words.
fn refused(arguments: &[&str], words: &str) {
    let output = Command::new(env!("CARGO_BIN_EXE_voltar")).args(arguments).output().unwrap();
    let said = tools::said(&output);
    assert!(!output.status.success(), "{arguments:?}: {said}");
    assert!(said.contains(words), "{arguments:?} does not say {words:?}: {said}");
}

fn no_tar() {
    let folder = tools::temporary_folder();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("ext4.img"), "").unwrap();
    let mut command = tools::command("mke2fs");
    tools::assert_success(
        "mke2fs",
        &command.args(["-q", "-t", "ext4"]).arg(at("ext4.img")).arg("1M").output().unwrap(),
    );
    let mut disk = vec![0; 1 << 20];
    disk[446 + 4] = 0x83;
    disk[510..512].copy_from_slice(&[0x55, 0xaa]);
    fs::write(at("disk.img"), disk).unwrap();
    fs::write(at("empty.img"), "").unwrap();
    fs::write(at("zeros.img"), vec![0; 1 << 20]).unwrap();
    fs::write(at("text.img"), "not an archive\n".repeat(100)).unwrap();
    let cases = [
        ("ext4.img", "ext4"),
        ("disk.img", "boot sector"),
        ("empty.img", "empty file"),
        ("zeros.img", "zeros"),
        ("text.img", "text"),
    ];
    for (name, words) in cases {
        for (program, ending) in [("gzip", "gz"), ("zstd", "zst")] {
            let path = at(&format!("{name}.{ending}"));
            fs::write(&path, tools::run(program, [std::ffi::OsStr::new("-c"), at(name).as_os_str()]))
                .unwrap();
            let path = path.to_str().unwrap();
            let target = at("target");
            let target = target.to_str().unwrap();
            for arguments in [
                vec!["ls", path],
                vec!["tree", path],
                vec!["find", path],
                vec!["diff", path, path],
                vec!["verify", path],
                vec!["extract", path, "-C", target],
                vec!["cat", &format!("{path}:a")],
                vec!["stat", &format!("{path}:a")],
            ] {
                refused(&arguments, words);
            }
        }
    }
    for name in ["empty.img", "text.img"] {
        refused(&["ls", at(name).to_str().unwrap()], "");
    }
}

fn empty_tar() {
    let folder = tools::temporary_folder();
    for (name, options) in [("a.tar", "-cf"), ("a.tar.gz", "-czf")] {
        let path = folder.path().join(name);
        let mut command = tools::command("tar");
        tools::assert_success(
            "tar",
            &command.arg(options).arg(&path).args(["-T", "/dev/null"]).output().unwrap(),
        );
        let output = tools::voltar(["ls".as_ref(), path.as_os_str()], 0);
        assert!(output.stdout.is_empty());
        tools::voltar(["verify".as_ref(), path.as_os_str()], 0);
    }
}

fn behind() {
    let folder = tools::temporary_folder();
    let source = source(folder.path());
    for (ending, options) in [("tar", &[][..]), ("tar.gz", &["-z"]), ("tar.zst", &["--zstd"])] {
        let archive = folder.path().join(format!("a.{ending}"));
        gnu(&source, &archive, options);
        let good = fs::read(&archive).unwrap();
        for more in [&[0_u8; 5][..], &[0; 2048], b"garbage"] {
            fs::write(&archive, [&good, more].concat()).unwrap();
            let output =
                Command::new(env!("CARGO_BIN_EXE_voltar")).args(["ls", "-R"]).arg(&archive).output().unwrap();
            let others = is_good_for_others(&archive);
            assert_eq!(output.status.success(), others, "{ending}, {more:?}: {}", tools::said(&output));
        }
    }
}

/// One changed field of one entry: its path, the field, its value, and what `verify` calls it.
type Lie = (&'static str, &'static str, fn(&mut serde_json::Value), &'static str);

const LIES: [Lie; 17] = [
    ("p3/vmlinuz", "target", |value| *value = "/etc/shadow".into(), "link target"),
    ("p3/vmlinuz", "size", |value| *value = 5.into(), "length"),
    ("p4/etc/fstab", "xattrs", |value| *value = serde_json::json!({ "user.lie": "6c6965" }), "attributes"),
    ("p4/etc/fstab", "mode", |value| *value = "0666".into(), "mode"),
    ("p4/etc/fstab", "uid", |value| *value = 1000.into(), "owner"),
    ("p4/etc/fstab", "gid", |value| *value = 1000.into(), "owner"),
    ("p4/etc/fstab", "mtime", |value| value[1] = 7.into(), "time"),
    ("p4/etc/fstab", "atime", |value| value[0] = 7.into(), "access time"),
    ("p4/etc/fstab", "ctime", |value| value[0] = 7.into(), "change time"),
    ("p4/etc/fstab", "size", |value| *value = 7.into(), "length"),
    ("p4/etc/fstab", "type", |value| *value = "fifo".into(), "type"),
    ("p4/etc/fstab", "path", |value| *value = "p4/etc/mtab".into(), "name"),
    ("p4/etc/fstab", "place", |value| value["holes"] = serde_json::json!([[0, 4096]]), "holes"),
    ("p4/dev/vda", "rdev", |value| value[1] = 99.into(), "device numbers"),
    ("p4/dev/vda", "type", |value| *value = "chr".into(), "type"),
    ("p4/srv/and-one-next-to-it", "link", |value| *value = "p4/etc/fstab".into(), "first name"),
    ("p4/etc", "mode", |value| *value = "0777".into(), "mode"),
];

fn lies() {
    let folder = tools::temporary_folder();
    let archive = folder.path().join("a.tar.zst");
    let guest = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/guest.img");
    tools::voltar(
        ["archive".as_ref(), guest.as_os_str(), "-q".as_ref(), "-o".as_ref(), archive.as_os_str()],
        0,
    );
    let manifest = folder.path().join("a.tar.zst.manifest.jsonl.zst");
    let text = String::from_utf8(zstd::decode_all(&fs::read(&manifest).unwrap()[..]).unwrap()).unwrap();
    // A forger of the manifest changes its checksum too.
    fs::remove_file(folder.path().join("a.tar.zst.sha1")).unwrap();
    let extracted = || {
        let target = folder.path().join("target");
        let mut command = Command::new(env!("CARGO_BIN_EXE_voltar"));
        let output = command.arg("extract").arg(&archive).arg("-q").arg("-C").arg(&target).output().unwrap();
        let digest = digest(&target);
        // Some of the guest's files can't be changed or removed.
        tools::output(
            "chattr",
            ["-R".as_ref(), "-f".as_ref(), "-i".as_ref(), "-a".as_ref(), target.as_os_str()],
        );
        fs::remove_dir_all(&target).unwrap();
        (output.status.code(), digest, tools::said(&output))
    };
    let (code, right, said) = extracted();
    assert_eq!(code, Some(0), "{said}");
    let rewrite = |text: &str| fs::write(&manifest, zstd::encode_all(text.as_bytes(), 3).unwrap()).unwrap();
    let verify = || {
        let output = Command::new(env!("CARGO_BIN_EXE_voltar")).arg("verify").arg(&archive).output().unwrap();
        (output.status.code(), tools::said(&output))
    };
    for (path, field, lie, word) in LIES {
        let mut is_changed = false;
        let lines: Vec<String> = text
            .lines()
            .map(|line| {
                let mut record: serde_json::Value = serde_json::from_str(line).unwrap();
                if record["path"] != path || record["record"] != "entry" {
                    return line.to_owned();
                }
                let before = record[field].clone();
                lie(&mut record[field]);
                is_changed |= before != record[field];
                // The manifest is searched for lines that begin as they are written.
                let rest = serde_json::to_string(&record).unwrap();
                let rest = rest.replacen("\"record\":\"entry\",", "", 1);
                format!("{{\"record\":\"entry\",{}", &rest[1..])
            })
            .collect();
        assert!(is_changed, "{path} has another {field} already");
        rewrite(&(lines.join("\n") + "\n"));
        let (code, said) = verify();
        assert_eq!(code, Some(1), "{path}, {field}: {said}");
        assert!(said.contains(word), "{path}, {field}: {said}");
        let (code, found, said) = extracted();
        assert_eq!(code, Some(3), "{path}, {field}: {said}");
        assert!(found == right, "{path}: extract obeys the manifest in its {field}: {said}");
    }
    // Entries that the manifest leaves out are extracted all the same.
    let without: Vec<&str> = text.lines().filter(|line| !line.contains("\"p4/etc/fstab\"")).collect();
    rewrite(&(without.join("\n") + "\n"));
    assert_eq!(verify().0, Some(1));
    let (code, found, said) = extracted();
    assert!(code == Some(3) && found == right, "{said}");
    let target = folder.path().join("target");
    let output = Command::new(env!("CARGO_BIN_EXE_voltar"))
        .args(["extract", "-q"])
        .arg(&archive)
        .arg("p4/etc")
        .arg("-C")
        .arg(&target)
        .output()
        .unwrap();
    assert!(target.join("p4/etc/fstab").exists(), "{}", tools::said(&output));
}
