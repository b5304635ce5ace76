//! Archives that travel alone: the manifest is in them, and every command reads it there.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output};

mod common;

use common::tools::{self, said};
use common::trials::{Needs, run, trial};

const MKE2FS: Needs = Needs::Tool("mke2fs", "e2fsprogs");
const NAME: &str = "voltar.disk/manifest.jsonl.zst";

fn main() -> ExitCode {
    let mut trials = Vec::new();
    for compression in ["zstd", "gzip", "none"] {
        trials.push(trial(format!("{compression}: a stream is restored and verified"), &[], move || {
            stream(compression);
        }));
        trials.push(trial(
            format!("{compression}: a manifest that went missing is no damage, and told"),
            &[],
            move || missing_manifest(compression),
        ));
        trials.push(trial(
            format!("{compression}: list and prune count an archive without its manifest beside it"),
            &[],
            move || listed(compression),
        ));
        trials.push(trial(format!("{compression}: each damaged part is found"), &[], move || {
            damaged(compression);
        }));
    }
    trials.extend([
        trial(
            "a tree that has a folder of that name keeps it, and its files",
            &[MKE2FS],
            folder_of_that_name,
        ),
        trial("a file of that name in a tree is not taken for the manifest", &[MKE2FS], file_of_that_name),
        trial("the archive is the same for any number of threads", &[], same_for_any_number_of_threads),
        trial("the frames of a longer archive are those that its end tells", &[MKE2FS], many_frames),
    ]);
    run(trials)
}

fn guest() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/guest.img")
}

fn voltar(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_voltar")).args(arguments).output().expect("voltar starts")
}

/// Runs voltar, which must succeed; what it prints.
fn print(arguments: &[&str]) -> String {
    let output = voltar(arguments);
    tools::assert_success(&format!("voltar {}", arguments.join(" ")), &output);
    String::from_utf8(output.stdout).unwrap()
}

/// An archive that was written to stdout.
fn streamed(image: &Path, path: &Path, options: &[&str]) {
    let output = voltar(&[&["archive", "-q", "-o", "-", image.to_str().unwrap()], options].concat());
    tools::assert_success("voltar archive -o -", &output);
    fs::write(path, output.stdout).unwrap();
}

fn stream(compression: &str) {
    let folder = tools::temporary_folder();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (archive, image) = (at("stream"), guest());
    streamed(&image, Path::new(&archive), &["-c", compression]);
    print(&["restore", &archive, "--to", &at("restored.img"), "-q"]);
    let same = print(&["diff", image.to_str().unwrap(), &at("restored.img")]);
    assert!(same.starts_with("0 added, 0 removed, 0 changed"), "{same}");
    let verified = print(&["verify", &archive]);
    assert!(verified.contains("357 files' content"), "{verified}");
    assert!(!verified.contains("there is no manifest"), "{verified}");
    // The manifest alone knows a socket.
    assert!(print(&["ls", "-R", &archive]).contains("p4/run/log.sock"));
    assert!(!print(&["ls", "-R", &archive]).contains("voltar.disk"));
    assert_eq!(print(&["cat", &format!("{archive}:p4/etc/hostname")]), "guest\n");
}

fn made(folder: &Path, compression: &str) -> String {
    let ending = match compression {
        "zstd" => "tar.zst",
        "gzip" => "tar.gz",
        _ => "tar",
    };
    let path = folder.join(format!("guest.{ending}")).to_str().unwrap().to_owned();
    print(&["archive", "-q", guest().to_str().unwrap(), "-o", &path, "--embed-manifest"]);
    path
}

fn missing_manifest(compression: &str) {
    let folder = tools::temporary_folder();
    let archive = made(folder.path(), compression);
    let verified = print(&["verify", &archive]);
    assert!(verified.contains("357 files' content") && !verified.contains("not checked"), "{verified}");
    fs::remove_file(format!("{archive}.manifest.jsonl.zst")).unwrap();
    let verified = print(&["verify", &archive]);
    assert!(verified.contains("357 files' content"), "{verified}");
    assert!(verified.contains("it is missing; the one in the archive was read instead"), "{verified}");
}

/// A destination whose archives have lost all that stood beside them.
fn listed(compression: &str) {
    let folder = tools::temporary_folder();
    let archive = made(folder.path(), compression);
    let ending = archive.split_once("guest.").unwrap().1;
    let plain = folder.path().join("plain").to_str().unwrap().to_owned();
    let image = guest();
    print(&["archive", "-q", image.to_str().unwrap(), "-o", &plain, "-c", compression]);
    let whole = fs::read(&archive).unwrap();
    // Another manifest at the end of an archive: what it says is true of another one.
    let foreign = [&fs::read(&plain).unwrap()[..], &whole].concat();
    let nights = [
        ("01", &whole[..], true),
        ("02", &whole, true),
        ("03", &fs::read(&plain).unwrap(), false),
        ("04", &whole[..whole.len() / 2], false),
        ("05", &foreign, false),
    ];
    let destination = folder.path().join("destination");
    fs::create_dir_all(destination.join("web1")).unwrap();
    let path = |night: &str| destination.join(format!("web1/web1_2026-05-{night}T010203Z.{ending}"));
    for (night, bytes, _) in nights {
        fs::write(path(night), bytes).unwrap();
    }
    let destination = destination.to_str().unwrap();
    let list: serde_json::Value = serde_json::from_str(&print(&["list", "--json", destination])).unwrap();
    let archives = list["volumes"][0]["archives"].as_array().unwrap();
    let complete: Vec<bool> = archives.iter().map(|archive| archive["complete"].as_bool().unwrap()).collect();
    assert_eq!(complete, nights.map(|(_, _, complete)| complete));
    print(&["prune", "--keep-last", "1", destination]);
    // The last complete one stays, and so does the last of those that are not and later.
    let left: Vec<bool> = nights.iter().map(|(night, ..)| path(night).exists()).collect();
    assert_eq!(left, [false, true, false, false, true]);
}

/// Changes bytes all over the archive, of which nothing is beside it.
fn damaged(compression: &str) {
    let folder = tools::temporary_folder();
    let archive = folder.path().join("archive");
    streamed(&guest(), &archive, &["-c", compression]);
    let good = fs::read(&archive).unwrap();
    // The last bytes of the manifest, before the zeros, and others.
    let last = good.iter().rposition(|byte| *byte != 0).unwrap();
    let places = (1..40).map(|part| good.len() * part / 40).chain([last, last - 5, last - 400]);
    for at in places {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        fs::write(&archive, &bad).unwrap();
        let output = voltar(&["verify", archive.to_str().unwrap()]);
        // When the end does not show any more that there is a manifest, the command says so.
        let is_told = String::from_utf8_lossy(&output.stdout).contains("there is no manifest");
        let is_found = output.status.code() == Some(1) || is_told;
        assert!(is_found, "byte {at} of {}: {}", good.len(), said(&output));
    }
}

/// An ext4 image of a tree with these files, each of which holds its own name.
fn image_of(folder: &Path, files: &[&str]) -> PathBuf {
    let (tree, image) = (folder.join("tree"), folder.join("tree.img"));
    for file in files {
        let path = tree.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, file).unwrap();
    }
    File::create(&image).unwrap().set_len(16 << 20).unwrap();
    let options = ["-q", "-t", "ext4", "-F", "-d", tree.to_str().unwrap(), image.to_str().unwrap()];
    tools::run("mke2fs", options);
    image
}

fn folder_of_that_name() {
    let folder = tools::temporary_folder();
    let image = image_of(folder.path(), &["voltar.disk/manifest.jsonl.zst", "voltar.disk.1/x", "file"]);
    let archive = folder.path().join("archive.tar");
    streamed(&image, &archive, &["-c", "none"]);
    let path = archive.to_str().unwrap();
    let listed = tools::run("tar", ["-tf", path]);
    let listed = String::from_utf8(listed).unwrap();
    assert_eq!(listed.lines().last(), Some("voltar.disk.2/manifest.jsonl.zst"), "{listed}");
    assert_eq!(print(&["cat", &format!("{path}:{NAME}")]), NAME);
    print(&["verify", path]);
    let restored = folder.path().join("restored.img");
    print(&["restore", path, "--to", restored.to_str().unwrap(), "-q"]);
    let same = print(&["diff", image.to_str().unwrap(), restored.to_str().unwrap()]);
    assert!(same.starts_with("0 added, 0 removed, 0 changed"), "{same}");
}

fn file_of_that_name() {
    let folder = tools::temporary_folder();
    let image = image_of(folder.path(), &[NAME]);
    let path = folder.path().join("archive.tar").to_str().unwrap().to_owned();
    print(&["archive", "-q", image.to_str().unwrap(), "-o", &path]);
    for ending in [".manifest.jsonl.zst", ".sha1"] {
        fs::remove_file(format!("{path}{ending}")).unwrap();
    }
    assert_eq!(print(&["cat", &format!("{path}:{NAME}")]), NAME);
    let output = voltar(&["restore", &path, "--to", "/nowhere/x.img"]);
    assert!(said(&output).contains("has no manifest in it or beside it"), "{}", said(&output));
}

fn same_for_any_number_of_threads() {
    let folder = tools::temporary_folder();
    let at = |name: &str| folder.path().join(name);
    for compression in ["zstd", "gzip"] {
        for threads in ["1", "2", "7"] {
            let output = Command::new(env!("CARGO_BIN_EXE_voltar"))
                .args(["archive", "-q", "-o", "-", "-c", compression, "-T", threads])
                .arg(guest())
                .env("SOURCE_DATE_EPOCH", "1700000000")
                .output()
                .unwrap();
            fs::write(at(threads), output.stdout).unwrap();
        }
        let one = fs::read(at("1")).unwrap();
        assert!(["2", "7"].iter().all(|threads| fs::read(at(threads)).unwrap() == one), "{compression}");
    }
}

/// Files of several frames, so that the manifest begins in the middle of one.
fn many_frames() {
    let folder = tools::temporary_folder();
    let tree = folder.path().join("tree");
    fs::create_dir(&tree).unwrap();
    let mut file = File::create(tree.join("large")).unwrap();
    (0..700_000_u32)
        .for_each(|number| file.write_all(&number.wrapping_mul(2_654_435_761).to_le_bytes()).unwrap());
    drop(file);
    (0..500).for_each(|number| fs::write(tree.join(number.to_string()), number.to_string()).unwrap());
    let image = image_of(folder.path(), &["small"]);
    for compression in ["zstd", "gzip"] {
        let archive = folder.path().join(compression).to_str().unwrap().to_owned();
        streamed(&image, Path::new(&archive), &["-c", compression]);
        let verified = print(&["verify", &archive]);
        assert!(verified.contains("502 files' content"), "{verified}");
        assert_eq!(print(&["cat", &format!("{archive}:499")]), "499");
    }
}
