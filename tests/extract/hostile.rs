//! Archives that want out.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use tar::EntryType;

use crate::{Hostile, both_ways, extract, listing};

/// A target in a folder with a file that must stay as it is.
struct Yard {
    folder: tempfile::TempDir,
}

impl Yard {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("outside/inner")).unwrap();
        fs::write(folder.path().join("outside/canary"), "alive").unwrap();
        fs::create_dir(folder.path().join("target")).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// Nothing beside the target is another than it was.
    fn assert_untouched(&self, what: &str) {
        let outside = listing(&self.path("outside"));
        let names: Vec<String> =
            outside.iter().map(|(path, shown)| format!("{} {shown}", path.display())).collect();
        assert_eq!(names, [" directory", "canary alive", "inner directory"], "{what}");
        assert_eq!(fs::symlink_metadata(self.path("outside/canary")).unwrap().nlink(), 1, "{what}");
        let beside: Vec<_> =
            fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(
            beside
                .iter()
                .all(|name| ["outside", "target", "a.tar", "a.tar.zst"].iter().any(|known| name == known)),
            "{what}: {beside:?}"
        );
    }
}

/// A pax record: its length counts its own digits.
fn record(keyword: &str, value: &[u8]) -> Vec<u8> {
    let mut len = keyword.len() + value.len() + 3;
    loop {
        let text = [format!("{len} {keyword}=").as_bytes(), value, b"\n"].concat();
        if text.len() == len {
            return text;
        }
        len = text.len();
    }
}

/// What is archived, which issue it is, and what is in the target then.
type Case = (&'static str, fn(&str) -> Hostile, i32, &'static str, &'static [&'static str]);

const CASES: &[Case] = &[
    ("two dots", |_| Hostile::new().file("../escape", "x").file("good", "y"), 3, "`..`", &["good y"]),
    (
        "two dots within",
        |_| Hostile::new().file("a/../../outside/escape", "x").file("good", "y"),
        3,
        "`..`",
        &["good y"],
    ),
    (
        "an absolute path",
        |outside| Hostile::new().file(&format!("{outside}/escape"), "x"),
        3,
        "absolute",
        &[],
    ),
    (
        "a link out, and a file through it",
        |_| Hostile::new().symlink("x", "../outside").file("x/escape", "x").file("good", "y"),
        3,
        "symbolic link",
        &["good y", "x to ../outside"],
    ),
    (
        "an absolute link, and a directory through it",
        |outside| Hostile::new().symlink("x", outside).directory("x/inner/deep"),
        3,
        "symbolic link",
        &[],
    ),
    (
        "a link to a file, and that file again",
        |outside| Hostile::new().symlink("x", &format!("{outside}/canary")).file("x", "dead"),
        0,
        "",
        &["x dead"],
    ),
    (
        "a link, then a directory of its name",
        |_| Hostile::new().symlink("x", "../outside").directory("x").file("x/f", "in"),
        0,
        "",
        &["x directory", "x/f in"],
    ),
    ("a further name of what is outside", |_| Hostile::new().link("x", "../outside/canary"), 3, "`..`", &[]),
    (
        "the same by an absolute path",
        |outside| Hostile::new().link("x", &format!("{outside}/canary")),
        3,
        "absolute",
        &[],
    ),
    (
        "the same through a link",
        |_| Hostile::new().symlink("l", "../outside").link("x", "l/canary").file("x", "dead"),
        3,
        "not there",
        &["l to ../outside", "x dead"],
    ),
    (
        "a further name of a link, and a file of that name",
        |_| Hostile::new().symlink("l", "../outside/canary").link("x", "l").file("x", "dead"),
        0,
        "",
        &["l to ../outside/canary", "x dead"],
    ),
    (
        "a file where a directory is",
        |_| Hostile::new().directory("d").file("d/f", "in").file("d", "x"),
        3,
        "a directory has its name",
        &["d directory", "d/f in"],
    ),
    (
        "a directory where a file is",
        |_| Hostile::new().file("d", "x").file("d/f", "in"),
        3,
        "no directory",
        &["d x"],
    ),
    (
        "a name three times",
        |_| Hostile::new().file("a", "1").file("a", "2").file("b", "x").file("a", "3"),
        0,
        "",
        &["a 3", "b x"],
    ),
    (
        "the name that this program uses",
        |_| Hostile::new().file(".voltar-extract.json", "{}"),
        3,
        "uses",
        &[],
    ),
    ("the root as a file", |_| Hostile::new().file("./", "x").link(".", "x"), 3, "not extracted", &[]),
    (
        "a name with a zero byte",
        |_| {
            let long = record("path", b"a\0b");
            Hostile::new().member(EntryType::XHeader, b"x", b"", &long).file("a", "x").file("good", "y")
        },
        3,
        "zero byte",
        &["good y"],
    ),
    (
        "a name that is too long",
        |_| {
            Hostile::new()
                .member(EntryType::XHeader, b"x", b"", &record("path", &[b'n'; 300]))
                .file("a", "x")
                .file("good", "y")
        },
        3,
        "255 bytes",
        &["good y"],
    ),
    (
        "more directories than can be",
        |_| {
            let deep = "d/".repeat(5000);
            Hostile::new()
                .member(EntryType::XHeader, b"x", b"", &record("path", deep.as_bytes()))
                .file("a", "x")
                .file("good", "y")
        },
        3,
        "too deep",
        &["good y"],
    ),
    (
        "a link to nothing",
        |_| Hostile::new().symlink("x", "").file("good", "y"),
        3,
        "symbolic link",
        &["good y"],
    ),
    ("a link to itself", |_| Hostile::new().link("x", "x").file("good", "y"), 3, "not there", &["good y"]),
];

pub fn members() {
    for (what, make, expected, issue, inside) in CASES {
        for threads in ["1", "4"] {
            let yard = Yard::new();
            let outside = yard.path("outside");
            let bytes = make(outside.to_str().unwrap()).bytes();
            for place in both_ways(yard.folder.path(), &bytes) {
                let what = format!("{what} ({})", place.extension().unwrap().display());
                let target = yard.path("target");
                fs::remove_dir_all(&target).unwrap();
                fs::create_dir(&target).unwrap();
                let (code, said) = extract(&place, &target, &["-T", threads]);
                assert_eq!(code, *expected, "{what}: {said}");
                assert!(said.contains(issue), "{what}: {said}");
                yard.assert_untouched(&what);
                let found = listing(&target);
                let shown: Vec<String> =
                    found.iter().skip(1).map(|(path, shown)| format!("{} {shown}", path.display())).collect();
                assert!(shown.iter().all(|line| !line.contains(".voltar")), "{what}: {shown:?}");
                if !inside.is_empty() {
                    assert_eq!(shown, *inside, "{what}");
                }
            }
        }
    }
}

/// Somebody swaps a directory for a link to outside and back, all the time.
pub fn swapped() {
    let yard = Yard::new();
    let mut tar = Hostile::new().directory("d");
    for number in 0..400 {
        tar = tar.directory(&format!("d/{number}")).file(&format!("d/{number}/f"), "x");
    }
    let [place, _] = both_ways(yard.folder.path(), &tar.bytes());
    let target = yard.path("target");
    let (end, swaps) = (AtomicBool::new(false), std::sync::atomic::AtomicU32::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (real, away) = (target.join("d"), target.join("away"));
            while !end.load(Relaxed) {
                if fs::rename(&real, &away).is_ok() && symlink(yard.path("outside/inner"), &real).is_ok() {
                    swaps.fetch_add(1, Relaxed);
                    std::thread::yield_now();
                    let _ = fs::remove_file(&real);
                }
                let _ = fs::rename(&away, &real);
            }
        });
        for _ in 0..8 {
            // What it can do meanwhile is up to chance; where it writes is not.
            let (code, said) = extract(&place, &target, &["--overwrite", "-q"]);
            assert!([0, 1, 3].contains(&code), "{said}");
            assert!(!said.contains("panicked"), "{said}");
        }
        end.store(true, Relaxed);
    });
    assert!(swaps.load(Relaxed) > 0, "nothing was swapped");
    yard.assert_untouched("swapped");
}

pub fn devices() {
    let yard = Yard::new();
    let device = |mut tar: Hostile, kind: EntryType, name: &str| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_path(name).unwrap();
        header.set_mode(0o640);
        header.set_uid(12);
        header.set_gid(34);
        header.set_mtime(1_500_000_000);
        header.set_device_major(1).unwrap();
        header.set_device_minor(3).unwrap();
        header.set_size(0);
        header.set_cksum();
        tar.0.append(&header, &b""[..]).unwrap();
        tar
    };
    let tar = device(Hostile::new(), EntryType::Char, "c");
    let tar = device(tar, EntryType::Block, "b");
    let tar = device(tar, EntryType::Fifo, "p").link("c2", "c");
    let [place, _] = both_ways(yard.folder.path(), &tar.bytes());
    let target = yard.path("target");
    let (code, said) = extract(&place, &target, &[]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("3 × device nodes: --devices makes them"), "{said}");
    assert!(!target.join("c").exists() && !target.join("b").exists());
    let (code, said) = extract(&place, &target, &["--devices", "--keep"]);
    assert_eq!(code, 0, "{said}");
    let found = |name: &str| fs::symlink_metadata(target.join(name)).unwrap();
    assert!(found("c").file_type().is_char_device() && found("b").file_type().is_block_device());
    assert!(found("p").file_type().is_fifo());
    for name in ["c", "b", "p"] {
        let found = found(name);
        let owned = (found.uid(), found.gid(), found.permissions().mode() & 0o7777, found.mtime());
        assert_eq!(owned, (12, 34, 0o640, 1_500_000_000), "{name}");
    }
    assert_eq!((found("c").rdev(), found("c").ino()), (rustix::fs::makedev(1, 3), found("c2").ino()));
}

pub fn bombs() {
    let folder = tempfile::tempdir().unwrap();
    let (place, target) = (folder.path().join("bomb.tar.zst"), folder.path().join("target"));
    // A few kilobytes that would be 64 MiB.
    let tar = Hostile::new().file("small", "x").file("large", &"\0".repeat(64 << 20)).bytes();
    fs::write(&place, zstd::encode_all(tar.as_slice(), 1).unwrap()).unwrap();
    assert!(fs::metadata(&place).unwrap().len() < 64 << 10);
    let (code, said) = extract(&place, &target, &["--max-output", "1M"]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("--max-output"), "{said}");
    assert!(!target.join("large").exists());
    assert!(written(&target) < 2 << 20);
    // A sparse file that would be longer than any file can be: its holes are not written.
    let map = [record("GNU.sparse.major", b"1"), record("GNU.sparse.minor", b"0")].concat();
    let map =
        [map, record("GNU.sparse.name", b"endless"), record("GNU.sparse.realsize", b"9000000000000000000")]
            .concat();
    let mut data = b"1\n0\n4\n".to_vec();
    data.resize(512, 0);
    data.extend(b"data");
    let tar = Hostile::new().member(EntryType::XHeader, b"x", b"", &map);
    let tar = tar.member(EntryType::Regular, b"endless", b"", &data).file("good", "y").bytes();
    let target = folder.path().join("sparse");
    fs::write(&place, zstd::encode_all(tar.as_slice(), 1).unwrap()).unwrap();
    let (code, said) = extract(&place, &target, &[]);
    // Some filesystems have room for it.
    assert!(code == 3 && said.contains("endless: its content") || code == 0, "{code}: {said}");
    assert_eq!(fs::read(target.join("good")).unwrap(), b"y");
    assert!(written(&target) < 1 << 20);
}

fn written(folder: &Path) -> u64 {
    listing_blocks(folder) * 512
}

fn listing_blocks(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .map(|path| {
            let found = fs::symlink_metadata(&path).unwrap();
            found.blocks() + if found.is_dir() { listing_blocks(&path) } else { 0 }
        })
        .sum()
}

/// Rights that root may lack in a container.
const WITHOUT_ADMIN: &[&str] = &["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-all", "--"];
const IN_USER_NAMESPACE: &[&str] = &["unshare", "--user", "--map-root-user", "--"];
const WITH_MOUNTS: &[&str] = &["unshare", "--user", "--map-root-user", "--mount", "--"];

/// What `strace` sees of root's rights and root's root, with all rights and with those of
/// containers.
pub fn enclosed() {
    let around: [(&str, &[&str], bool); 4] = [
        ("all rights", &[], true),
        ("no right to mount", WITHOUT_ADMIN, false),
        ("a user namespace", IN_USER_NAMESPACE, false),
        ("a user namespace with mounts", WITH_MOUNTS, true),
    ];
    for (name, around, has_paths) in around {
        let yard = Yard::new();
        let tar = Hostile::new().file("a", "content").symlink("link", "/etc/passwd");
        let tar = tar.member(EntryType::Fifo, b"fifo", b"", b"").bytes();
        for place in both_ways(yard.folder.path(), &tar) {
            let log = tempfile::NamedTempFile::new().unwrap();
            let mut command = crate::common::tools::command("strace");
            command.args(["-f", "-o"]).arg(log.path()).args(around).arg(env!("CARGO_BIN_EXE_voltar"));
            command.arg("extract").arg(&place).arg("-C").arg(yard.path("target")).args(["-q", "--overwrite"]);
            crate::common::tools::assert_success(name, &command.output().unwrap());
            let log = fs::read_to_string(log.path()).unwrap();
            let at = |call: &str| log.lines().position(|line| line.contains(call));
            let rooted = at("chroot(\".\")").expect("a new root");
            let dropped =
                rooted + log.lines().skip(rooted).position(|line| line.contains("capset(")).unwrap();
            assert!(log.lines().nth(rooted).unwrap().ends_with("= 0"), "{name}: {log}");
            assert!(dropped < at("SECCOMP_SET_MODE_FILTER").unwrap(), "{name}");
            let kept = log.lines().nth(dropped).unwrap();
            for lost in
                ["CAP_SYS_CHROOT", "CAP_SYS_PTRACE", "CAP_NET_ADMIN", "CAP_MKNOD", "CAP_SETUID", "CAP_KILL"]
            {
                assert!(!kept.contains(lost), "{name}: {lost}: {kept}");
            }
            // No descriptor and no current directory leads out of the new root.
            let found = |line: &&str| {
                line.contains("/proc/self/fd") && !line.ends_with("(No such file or directory)")
            };
            assert_eq!(log.lines().skip(rooted).find(found), None, "{name}");
            let cloned = log.lines().find(|line| line.contains("open_tree(")).unwrap();
            assert_eq!(!cloned.contains("EPERM"), has_paths, "{name}: {cloned}");
            assert_eq!(fs::read(yard.path("target/a")).unwrap(), b"content");
            let mode = fs::symlink_metadata(yard.path("target/fifo")).unwrap().permissions().mode();
            assert_eq!(mode & 0o7777, 0o644, "{name}");
            yard.assert_untouched(name);
        }
    }
}

/// Attributes that this process can't set without a path are an issue where there is no path.
pub fn attributes_without_a_path() {
    let yard = Yard::new();
    let list = record("SCHILY.acl.access", b"user::rw-,user:77:r--,group::r--,mask::r--,other::r--");
    let tar = Hostile::new().member(EntryType::XHeader, b"x", b"", &list);
    let tar = tar.member(EntryType::Fifo, b"fifo", b"", b"").bytes();
    let [place, _] = both_ways(yard.folder.path(), &tar);
    for (around, code) in [(&[][..], 0), (WITHOUT_ADMIN, 3)] {
        let target = yard.path(&format!("target-{code}"));
        let mut command = crate::common::tools::command("timeout");
        command.arg("120").args(around).args([env!("CARGO_BIN_EXE_voltar"), "extract"]).arg(&place);
        let (found, said) = crate::said(command.arg("-C").arg(&target).output().unwrap());
        assert_eq!(found, code, "{said}");
        let sentence = "1 × attributes of links, FIFOs and devices: in this container root lacks the right";
        assert_eq!(said.contains(sentence), code == 3, "{said}");
        assert!(target.join("fifo").exists());
    }
}
