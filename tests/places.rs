//! Looking into archives, images and devices: they show the same things, and what other programs make is read as they read it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{FileExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use serde_json::Value;

mod common;

use common::trials::{Needs, run, trial};

const TAR: Needs = Needs::Tool("tar", "tar");
const BSDTAR: Needs = Needs::Tool("bsdtar", "libarchive-tools");
const SHA1SUM: Needs = Needs::Tool("sha1sum", "coreutils");

fn main() -> ExitCode {
    run(vec![
        trial("archives of GNU tar in all its forms are read as tar itself reads them", &[TAR], gnu_tar),
        trial("archives of bsdtar are read as tar reads them", &[TAR, BSDTAR], bsdtar),
        trial("an archive and the image that it was made of are the same", &[], same),
        trial("files come out of archives and images as they went in", &[], contents),
        trial("paths lead through symbolic links, and not out of the partition", &[], links),
        trial("bsdtar reads the mtree", &[BSDTAR], mtree),
        trial("sha1sum checks the files that tar extracts by the list", &[TAR, SHA1SUM], sums),
        trial("ls -l looks as people know it", &[], long),
        trial("tree shows each entry once", &[], tree),
        trial("find finds by name, type, size and digest, in folders of archives too", &[], find),
        trial("history tells which archives have which version", &[], history),
        trial("diff tells what was added, removed and changed, and in what", &[], diff),
        trial("what is not there is said in one line", &[], absent),
    ])
}

fn guest() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/guest.img")
}

/// Runs the program, and gives its exit code, stdout and stderr.
fn voltar<'a>(arguments: impl IntoIterator<Item = &'a str>) -> (i32, Vec<u8>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_voltar"));
    let output = command.args(arguments).env("TZ", "UTC").stdin(Stdio::null()).output().unwrap();
    (output.status.code().unwrap(), output.stdout, String::from_utf8_lossy(&output.stderr).into_owned())
}

fn good<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Vec<u8> {
    let (code, out, err) = voltar(arguments);
    assert_eq!(code, 0, "{err}");
    out
}

fn text<'a>(arguments: impl IntoIterator<Item = &'a str>) -> String {
    String::from_utf8(good(arguments)).unwrap()
}

/// Entries by path, as JSON.
fn entries(place: &str) -> BTreeMap<String, Value> {
    let lines = text(["ls", "-R", "--json", place]);
    let entry = |line: &str| {
        let value: Value = serde_json::from_str(line).unwrap();
        (value["path_hex"].as_str().or(value["path"].as_str()).unwrap().to_owned(), value.clone())
    };
    lines.lines().map(entry).collect()
}

/// Archives of the guest's disk, in a folder: zstd, gzip, plain, and each without what stands beside it.
fn archives(folder: &Path) -> Vec<String> {
    let mut all = Vec::new();
    for ending in ["tar.zst", "tar.gz", "tar"] {
        let path = folder.join(format!("a.{ending}")).to_str().unwrap().to_owned();
        // Without its manifest, an archive has the flags that are in the tar.
        good(["archive", guest().to_str().unwrap(), "-o", &path, "--quiet", "--fflags"]);
        let alone = folder.join(format!("alone.{ending}")).to_str().unwrap().to_owned();
        fs::copy(&path, &alone).unwrap();
        all.extend([path, alone]);
    }
    all
}

/// A folder with what tars have to tell apart.
fn source(folder: &Path) -> PathBuf {
    let root = folder.join("source");
    fs::create_dir_all(root.join("dir/sub")).unwrap();
    fs::write(root.join("dir/file"), "content\n").unwrap();
    fs::write(root.join("empty"), "").unwrap();
    fs::write(root.join("dir").join("n".repeat(120)), "long name").unwrap();
    fs::hard_link(root.join("dir/file"), root.join("hard")).unwrap();
    symlink("dir/file", root.join("link")).unwrap();
    symlink("t".repeat(150), root.join("long-link")).unwrap();
    let sparse = fs::File::create(root.join("sparse")).unwrap();
    sparse.set_len(4 << 20).unwrap();
    for index in 0..30 {
        sparse.write_all_at(format!("data {index}").as_bytes(), index * (128 << 10) + 5).unwrap();
    }
    fs::write(root.join("large"), vec![b'x'; 700_000]).unwrap();
    root
}

/// What `tar -tv` says of each name: mode, owner, size, time and target.
fn tar_list(archive: &Path) -> BTreeMap<String, Vec<String>> {
    let mut command = Command::new("tar");
    command.args([
        "-tv",
        "--full-time",
        "--numeric-owner",
        "--quoting-style=literal",
        "--warning=no-unknown-keyword",
    ]);
    let output = command.arg("-f").arg(archive).env("TZ", "UTC").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let list = String::from_utf8(output.stdout).unwrap();
    let line = |line: &str| {
        let mut words = line.split_whitespace();
        let mut field = || words.next().unwrap().to_owned();
        let (mode, owner, size, day, time) = (field(), field(), field(), field(), field());
        let rest = words.collect::<Vec<_>>().join(" ");
        let (name, target) = rest.split_once(" -> ").or(rest.split_once(" link to ")).unwrap_or((&rest, ""));
        let time = time.split('.').next().unwrap().to_owned();
        let name = name.trim_start_matches("./").trim_end_matches('/');
        let name = if name.is_empty() { "." } else { name };
        (
            name.to_owned(),
            vec![mode, owner, size, format!("{day} {time}"), target.trim_start_matches("./").to_owned()],
        )
    };
    list.lines().map(line).collect()
}

/// The same of the program's own listing.
fn own_list(archive: &str) -> BTreeMap<String, Vec<String>> {
    let row = |(path, entry): (String, Value)| {
        let mode = entry["mode"].as_str().unwrap();
        let bits = u32::from_str_radix(mode, 8).unwrap();
        let letters: String = (0..9)
            .rev()
            .map(|bit| if bits >> bit & 1 == 1 { b"xwr"[bit % 3] as char } else { '-' })
            .collect();
        let kind = match (entry["type"].as_str().unwrap(), entry.get("link")) {
            (_, Some(_)) => 'h',
            ("dir", _) => 'd',
            ("symlink", _) => 'l',
            ("fifo", _) => 'p',
            _ => '-',
        };
        let target = entry["target"].as_str().or(entry["link"].as_str()).unwrap_or_default().to_owned();
        let size = if kind == '-' { entry["size"].as_u64().unwrap() } else { 0 };
        let seconds = entry["mtime"][0].as_i64().unwrap();
        let time = jiff::Timestamp::from_second(seconds).unwrap().strftime("%Y-%m-%d %H:%M:%S").to_string();
        (
            path,
            vec![
                format!("{kind}{letters}"),
                format!("{}/{}", entry["uid"], entry["gid"]),
                size.to_string(),
                time,
                target.trim_start_matches("./").to_owned(),
            ],
        )
    };
    entries(archive).into_iter().map(row).collect()
}

/// Compares a tar that another program made of the folder with what that folder and `tar -tv` say.
fn compare(archive: &Path, source: &Path) {
    let path = archive.to_str().unwrap();
    assert_eq!(own_list(path), tar_list(archive), "{path}");
    for name in ["dir/file", "hard", "sparse", "large", "empty"] {
        let place = format!("{path}:{name}");
        assert!(good(["cat", &place]) == fs::read(source.join(name)).unwrap(), "{place}");
    }
    let part = good(["cat", "--skip", "131000", "--count", "300", &format!("{path}:sparse")]);
    assert_eq!(part, fs::read(source.join("sparse")).unwrap()[131_000..131_300], "{path}");
}

fn make(program: &str, arguments: &[&str], archive: &Path, source: &Path) {
    let mut command = Command::new(program);
    let output =
        command.arg("-cf").arg(archive).args(arguments).arg("-C").arg(source).arg(".").output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn gnu_tar() {
    let folder = tempfile::tempdir().unwrap();
    let source = source(folder.path());
    let forms: [&[&str]; 8] = [
        &["--format=gnu"],
        &["--format=gnu", "-S"],
        &["--format=oldgnu", "-S"],
        &["--format=pax"],
        &["--format=pax", "-S", "--sparse-version=0.0"],
        &["--format=pax", "-S", "--sparse-version=0.1"],
        &["--format=pax", "-S", "--sparse-version=1.0", "--xattrs", "--acls"],
        &["--format=pax", "--pax-option=globexthdr.name=g,comment=all,SCHILY.x=y"],
    ];
    for (index, form) in forms.iter().enumerate() {
        for (ending, packed) in [("tar", "--no-auto-compress"), ("tar.gz", "-z"), ("tar.zst", "--zstd")] {
            let archive = folder.path().join(format!("{index}.{ending}"));
            make("tar", &[form, &[packed][..]].concat(), &archive, &source);
            compare(&archive, &source);
        }
    }
    // These forms have no space for such names.
    fs::remove_file(source.join("dir").join("n".repeat(120))).unwrap();
    fs::remove_file(source.join("long-link")).unwrap();
    for form in ["v7", "ustar"] {
        let archive = folder.path().join(format!("{form}.tar"));
        make("tar", &[&format!("--format={form}")], &archive, &source);
        compare(&archive, &source);
    }
}

fn bsdtar() {
    let folder = tempfile::tempdir().unwrap();
    let source = source(folder.path());
    for (index, form) in ["pax", "gnutar"].iter().enumerate() {
        let archive = folder.path().join(format!("{index}.tar.gz"));
        make("bsdtar", &["-z", "--format", form], &archive, &source);
        compare(&archive, &source);
    }
}

fn same() {
    let folder = tempfile::tempdir().unwrap();
    for archive in archives(folder.path()) {
        let (code, out, err) = voltar(["diff", guest().to_str().unwrap(), &archive]);
        let said = String::from_utf8_lossy(&out);
        if archive.contains("alone") {
            // A tar has no sockets and no inodes.
            let differing: Vec<&str> = said.lines().filter(|line| !line.contains("the same")).collect();
            assert_eq!(differing, ["- p4/run/log.sock"], "{archive}: {said}{err}");
        } else {
            assert_eq!(code, 0, "{archive}: {said}{err}");
        }
        assert!(err.is_empty(), "{err}");
    }
    let place = |path: &str| format!("{}:{path}", folder.path().join("a.tar.zst").display());
    let (code, out, _) = voltar(["diff", &format!("{}:p4/etc", guest().display()), &place("p4/etc")]);
    assert_eq!(code, 0, "{}", String::from_utf8_lossy(&out));
}

fn contents() {
    let folder = tempfile::tempdir().unwrap();
    let disk = voltar::Disk::open(guest()).unwrap();
    let names = [
        "etc/passwd",
        "home/ana/hard-link",
        "srv/sparse",
        "srv/all-hole",
        "var/log/syslog",
        "srv/unwritten",
        "srv/empty",
    ];
    let mut places = archives(folder.path());
    places.push(guest().to_str().unwrap().to_owned());
    for place in places {
        for name in names {
            let expected = disk.volume(4).unwrap().read(name).unwrap();
            assert!(good(["cat", &format!("{place}:p4/{name}")]) == expected, "{place}:{name}");
        }
        let image = good(["cat", &format!("{place}:p2.img")]);
        assert_eq!(image.len(), 256 << 10, "{place}");
    }
}

fn links() {
    let folder = tempfile::tempdir().unwrap();
    let mut places = archives(folder.path());
    places.push(guest().to_str().unwrap().to_owned());
    let entries = entries(&places[0]);
    let mut followed = 0;
    for place in &places {
        for (path, entry) in &entries {
            let Some(target) = entry["target"].as_str() else { continue };
            let (code, out, _) = voltar(["cat", &format!("{place}:{path}")]);
            let disk = voltar::Disk::open(guest()).unwrap();
            let number: u32 = path[1..2].parse().unwrap();
            match disk.volume(number).unwrap().read(&path.as_bytes()[3..]) {
                // Without a manifest nothing tells that p4 is a root.
                Ok(expected) if !(place.contains("alone") && target.starts_with('/')) => {
                    followed += 1;
                    assert!(code == 0 && out == expected, "{place}:{path}");
                }
                Ok(_) => {}
                Err(_) => assert_eq!(code, 1, "{place}:{path}"),
            }
        }
        let shown = text(["stat", &format!("{place}:p4/home/ana/fast")]);
        assert!(shown.contains("symbolic link"), "{shown}");
    }
    assert!(followed > 7, "{followed}");
}

fn mtree() {
    let folder = tempfile::tempdir().unwrap();
    let archive = archives(folder.path()).remove(0);
    let list = good(["ls", "--format", "mtree", &archive]);
    let mut reader = Command::new("bsdtar")
        .args(["-tf", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    reader.stdin.take().unwrap().write_all(&list).unwrap();
    let output = reader.wait_with_output().unwrap();
    assert!(output.status.success());
    let read = output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count();
    let sockets = entries(&archive).values().filter(|entry| entry["type"] == "sock").count();
    assert_eq!(read + sockets, entries(&archive).len());
}

fn sums() {
    let folder = tempfile::tempdir().unwrap();
    for archive in archives(folder.path()) {
        let out = tempfile::tempdir().unwrap();
        let status = Command::new("tar")
            .args(["--warning=none", "--exclude=dev", "-xf", &archive, "-C"])
            .arg(out.path())
            .stderr(Stdio::null())
            .status();
        assert!(status.unwrap().success());
        fs::write(out.path().join("list"), good(["ls", "--format", "sha1sum", &archive])).unwrap();
        let check =
            Command::new("sha1sum").args(["-c", "--quiet", "list"]).current_dir(out.path()).output().unwrap();
        assert!(check.status.success(), "{archive}: {}", String::from_utf8_lossy(&check.stderr));
    }
}

fn long() {
    let folder = tempfile::tempdir().unwrap();
    let mut places = archives(folder.path());
    places.retain(|place| !place.contains("alone"));
    places.push(guest().to_str().unwrap().to_owned());
    let list = |place: &str| text(["ls", "-l", &format!("{place}:p4/etc")]);
    let first = list(&places[0]);
    let line = first.lines().find(|line| line.ends_with(" passwd")).unwrap();
    let words: Vec<&str> = line.split_whitespace().collect();
    assert_eq!((words[0], words[1], words[2], words[3]), ("-rw-r--r--", "1", "0", "0"), "{line}");
    assert!(
        first.lines().any(|line| line.starts_with("lrwxrwxrwx") && line.contains("localtime -> ")),
        "{first}"
    );
    for place in &places {
        assert_eq!(list(place), first, "{place}");
    }
    let bits = text(["ls", "-l", &format!("{}:p4/usr/bin", places[0])]);
    assert!(bits.contains("-rwsr-xr-x"), "{bits}");
    assert!(text(["ls", "-ld", &format!("{}:p4/tmp", places[0])]).starts_with("drwxrwxrwt"));
    let top = text(["ls", &places[0]]);
    assert_eq!(top.lines().collect::<Vec<_>>(), ["p1.img", "p2.img", "p3", "p4"]);
}

fn tree() {
    let place = format!("{}:p4/etc", guest().display());
    let shown = text(["tree", &place]);
    for name in ["fstab", "passwd", "shadow", "hostname"] {
        assert_eq!(shown.lines().filter(|line| line.ends_with(name)).count(), 1, "{shown}");
    }
    assert_eq!(shown.lines().filter(|line| line.starts_with("└── ")).count(), 1, "{shown}");
    let levels = text(["tree", "-L", "1", guest().to_str().unwrap()]);
    assert!(levels.contains("└── p4/\n") && !levels.contains("etc"), "{levels}");
}

fn find() {
    let folder = tempfile::tempdir().unwrap();
    let all = archives(folder.path());
    let lines = |arguments: &[&str]| -> BTreeSet<String> {
        text(arguments.iter().copied()).lines().map(str::to_owned).collect()
    };
    let one = &all[0];
    assert_eq!(lines(&["find", "--name", "fstab", one]), BTreeSet::from(["p4/etc/fstab".to_owned()]));
    assert_eq!(lines(&["find", "--name", "pass*d", one]).len(), 1);
    assert!(lines(&["find", "--type", "symlink", one]).contains("p4/etc/localtime"));
    assert!(lines(&["find", "--type", "file", "--size", "+1023K", one]).contains("p4/srv/all-hole"));
    assert_eq!(lines(&["find", "--perm", "4000", one]).len(), 1);
    // By the digest in the manifests, and by others: then the files are read, and that is said.
    let passwd = voltar::Disk::open(guest()).unwrap().volume(4).unwrap().read("etc/passwd").unwrap();
    let hex = |algorithm: voltar::archive::Algorithm| {
        let mut hasher = algorithm.hasher();
        hasher.update(&passwd);
        hasher.finish().to_string()
    };
    for algorithm in voltar::archive::Algorithm::ALL {
        let option = format!("--{}", algorithm.name());
        let (code, out, err) = voltar(["find", &option, &hex(algorithm), "--name", "passwd", one]);
        assert_eq!((code, out.as_slice()), (0, &b"p4/etc/passwd\n"[..]), "{option}");
        assert_eq!(err.contains("its manifest has blake3, so files are read"), option != "--blake3", "{err}");
    }
    let known = entries(one)["p4/etc/passwd"]["blake3"].as_str().unwrap().to_owned();
    assert_eq!(known, hex(voltar::archive::Algorithm::Blake3));
    let sha1 = hex(voltar::archive::Algorithm::Sha1);
    let found = lines(&["find", "--sha1", &sha1, folder.path().to_str().unwrap()]);
    assert_eq!(found.len(), all.len(), "{found:?}");
    assert!(found.iter().all(|line| line.ends_with(":p4/etc/passwd")));
    let found = lines(&["find", "--sha1", &sha1[..12], &format!("{}:p4", guest().display())]);
    assert_eq!(found, BTreeSet::from(["p4/etc/passwd".to_owned()]));
}

fn history() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("x.img");
    let mut bytes = fs::read(guest()).unwrap();
    let passwd = voltar::Disk::open(guest()).unwrap().volume(4).unwrap().read("etc/hostname").unwrap();
    let archive = |name: &str, bytes: &[u8], more: &[&str]| {
        fs::write(&image, bytes).unwrap();
        let path = folder.path().join(name).to_str().unwrap().to_owned();
        good([&["archive", image.to_str().unwrap(), "-o", &path, "--quiet"], more].concat());
    };
    archive("1.tar.zst", &bytes, &[]);
    // Another digest is no other version.
    archive("2.tar.zst", &bytes, &["--file-digest", "sha256"]);
    let at: Vec<usize> = (0..bytes.len() - 6).filter(|at| bytes[*at..].starts_with(&passwd)).collect();
    at.iter().for_each(|at| bytes[*at..*at + 5].copy_from_slice(b"other"));
    archive("3.tar.gz", &bytes, &[]);
    archive("4.tar", &bytes, &["--exclude", "hostname"]);
    let shown = text(["history", folder.path().to_str().unwrap(), "p4/etc/hostname"]);
    let marks: String = shown.lines().map(|line| line.chars().next().unwrap()).collect();
    assert_eq!(marks, "*=*-", "{shown}");
}

fn diff() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("x.img");
    let mut bytes = fs::read(guest()).unwrap();
    let at = (0..bytes.len()).find(|at| bytes[*at..].starts_with(b"guest\n")).unwrap();
    bytes[at..at + 5].copy_from_slice(b"other");
    fs::write(&image, bytes).unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    good(["archive", guest().to_str().unwrap(), "-o", &path("a.tar.zst"), "--quiet", "--exclude", "shadow"]);
    let more = ["--quiet", "--exclude", "fstab", "--file-digest", "sha1"];
    good(["archive", image.to_str().unwrap(), "-o", &path("b.tar.gz")].into_iter().chain(more));
    let expected = "+ p4/etc/shadow\n- p4/etc/fstab\n~ p4/etc/hostname  (content)\n";
    let (code, out, _) = voltar(["diff", &path("a.tar.zst"), &path("b.tar.gz")]);
    let out = String::from_utf8(out).unwrap();
    assert_eq!(code, 1);
    let mut lines: Vec<&str> = out.lines().take(3).collect();
    lines.sort_unstable();
    assert_eq!(lines, expected.lines().collect::<Vec<_>>(), "{out}");
    assert!(out.contains("1 added, 1 removed, 1 changed"), "{out}");
    let (code, out, _) = voltar(["diff", "--json", guest().to_str().unwrap(), image.to_str().unwrap()]);
    let (first, _) = std::str::from_utf8(&out).unwrap().split_once('\n').unwrap();
    let line: Value = serde_json::from_str(first).unwrap();
    assert_eq!(
        (code, line["path"].as_str(), line["fields"][0].as_str()),
        (1, Some("p4/etc/hostname"), Some("content"))
    );
}

fn absent() {
    let guest = guest();
    let guest = guest.to_str().unwrap();
    let cases = [
        (vec!["ls", "/nowhere"], "there is no such file"),
        (vec!["ls", "/nowhere:p1"], "there is no such file"),
        (vec!["cat", guest], "name a file in it"),
    ];
    for (arguments, words) in cases {
        let (code, _, err) = voltar(arguments.iter().copied());
        assert!(code != 0 && err.contains(words) && err.lines().count() == 1, "{arguments:?}: {err}");
    }
    let place = format!("{guest}:p4/etc/nothing");
    for command in ["ls", "cat", "stat", "tree"] {
        let (code, _, err) = voltar([command, &place]);
        assert!(code == 1 && err.contains("there is no"), "{command}: {err}");
    }
}
