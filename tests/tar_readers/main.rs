//! Archives, and seven other programs that read tars.
//!
//! Of each fixture, names, kinds, sizes, contents and links are held against the manifest. Readers
//! are started once for many archives, so that all of this takes a minute at most.

use std::process::ExitCode;

use sha1::{Digest as _, Sha1};

#[path = "../common/mod.rs"]
mod common;
mod known;
mod made;
mod readers;
mod seen;

use common::tools;
use common::trials::{Needs, run, trial};
use known::{Program, explains, holes_for};
use made::{Holes, Made};
use readers::Listing;
use seen::Seen;

const MKE2FS: Needs = Needs::Tool("mke2fs", "e2fsprogs");
const PYTHON: Needs = Needs::Tool("python3", "python3");

fn main() -> ExitCode {
    let go = Needs::Tool("go", "golang-go");
    let borg = Needs::Tool("borg", "borgbackup");
    let seven_zip = Needs::Tool("7z", "p7zip-full");
    let busybox = Needs::Tool("busybox", "busybox");
    let bsdtar = Needs::Tool("bsdtar", "libarchive-tools");
    let gnu = Needs::Tool("tar", "tar");
    let code = run(vec![
        trial("Python's tarfile sees what the manifest says", &[MKE2FS, PYTHON], || {
            compare(Program::Python, |holes| readers::python_once(holes).to_vec());
        }),
        trial("Go's archive/tar sees what the manifest says", &[MKE2FS, go], || {
            compare(Program::Go, |holes| readers::go(made::all(holes)));
        }),
        trial("borg imports what the manifest says", &[MKE2FS, PYTHON, borg], borg_imports),
        trial("7-Zip sees what the manifest says", &[MKE2FS, PYTHON, seven_zip], || {
            contents(Program::SevenZip, "7z", &["e", "-so"]);
        }),
        trial("busybox sees what the manifest says", &[MKE2FS, PYTHON, busybox], || {
            contents(Program::Busybox, "busybox", &["tar", "-xOf"]);
            names(Program::Busybox, "busybox", &["tar", "-tf"]);
        }),
        trial("bsdtar sees what the manifest says", &[MKE2FS, PYTHON, bsdtar], || {
            contents(Program::Bsdtar, "bsdtar", &["-xOf"]);
        }),
        trial("GNU tar sees what the manifest says, without one warning", &[MKE2FS, PYTHON, gnu], || {
            contents(Program::GnuTar, "tar", &["-xOf"]);
            names(Program::GnuTar, "tar", &["--quoting-style=literal", "-tf"]);
        }),
        trial(
            "GNU tar extracts what the README says in silence",
            &[Needs::Root, MKE2FS, gnu],
            extracted_in_silence,
        ),
        trial(
            "an attribute whose name holds a zero byte is an issue, and each reader reads the archive",
            &[MKE2FS, PYTHON, go, bsdtar, gnu],
            attribute_with_a_zero_byte,
        ),
    ]);
    made::remove();
    code
}

/// Holds what a reader sees of each archive against its manifest.
fn compare(program: Program, read: fn(Holes) -> Vec<Listing>) {
    for holes in [Holes::Sparse, Holes::Zeros] {
        let mut differences = Vec::new();
        for (made, listing) in made::all(holes).iter().zip(read(holes)) {
            differences.extend(listing.error.map(|error| format!("{}: {error}", made.name)));
            differences.extend(differing(program, made, made.expected(), &listing.members));
        }
        assert!(differences.is_empty(), "\n{}", head(&differences));
    }
}

/// Differences of members from the expected ones, without known limits of the reader.
fn differing(program: Program, made: &Made, expected: &[Seen], seen: &[Seen]) -> Vec<String> {
    let mut differences = Vec::new();
    if expected.len() != seen.len() {
        differences.push(format!("{}: {} members of {}", made.name, seen.len(), expected.len()));
    }
    for (expected, seen) in expected.iter().zip(seen) {
        if expected != seen && !explains(program, made, expected, Some(seen)) {
            differences.push(format!("{}: {expected:?}\n    is seen as {seen:?}", made.name));
        }
    }
    differences
}

fn borg_imports() {
    let archives: Vec<&Made> = made::all(Holes::Sparse).iter().filter(|made| made.is_readable()).collect();
    let seen = readers::borg(archives.iter().copied());
    let (mut rest, mut differences) = (seen.as_slice(), Vec::new());
    for made in archives {
        let (own, others) = rest.split_at(made.expected().len().min(rest.len()));
        differences.extend(differing(Program::Borg, made, made.expected(), own));
        rest = others;
    }
    assert!(rest.is_empty(), "{} members more than there are", rest.len());
    assert!(differences.is_empty(), "\n{}", head(&differences));
}

/// Holds all content that a program prints against what Python read, which was held against the
/// manifest. The program must say nothing else.
fn contents(program: Program, name: &str, arguments: &[&str]) {
    let holes = holes_for(program);
    let mut differences = Vec::new();
    for (made, listing) in made::all(holes).iter().zip(readers::python_once(holes)) {
        if !made.is_readable() {
            continue;
        }
        let (files, with_links) = listing.totals.as_ref().expect("digests of all content");
        let output = readers::print(name, arguments, &made.path);
        let digest: String = Sha1::digest(&output.stdout).iter().map(|byte| format!("{byte:02x}")).collect();
        // 7-Zip prints the target of a symbolic link as its content.
        let expected = if program == Program::SevenZip { with_links } else { files };
        if digest != *expected {
            differences.push(format!("{}: {} bytes of content that differ", made.name, output.stdout.len()));
        }
        if program != Program::SevenZip && !output.stderr.is_empty() {
            differences.push(format!("{}: {}", made.name, tools::said(&output)));
        }
    }
    assert!(differences.is_empty(), "\n{}", head(&differences));
}

/// Holds the names that a program lists against the manifest's.
fn names(program: Program, name: &str, arguments: &[&str]) {
    for made in made::all(holes_for(program)) {
        let output = readers::print(name, arguments, &made.path);
        assert!(output.stderr.is_empty(), "{}: {}", made.name, tools::said(&output));
        let is_bare = output.stdout.starts_with(b"./");
        let lines = made.expected().iter().flat_map(|seen| {
            let start: &[u8] = if is_bare { b"./" } else { b"" };
            let slash: &[u8] = if seen.kind == "dir" && !seen.path.is_empty() { b"/" } else { b"" };
            [start, &seen.path, slash, b"\n"].concat()
        });
        let expected: Vec<u8> = lines.collect();
        if output.stdout != expected {
            let differs =
                output.stdout.split(|byte| *byte == b'\n').zip(expected.split(|byte| *byte == b'\n'));
            let (seen, expected) = differs.into_iter().find(|(one, other)| one != other).unwrap_or_default();
            panic!("{}: {} instead of {}", made.name, seen.escape_ascii(), expected.escape_ascii());
        }
    }
}

/// The command of the README, with all that GNU tar can bring back.
fn extracted_in_silence() {
    let made = made::all(Holes::Sparse).iter().find(|made| made.name == "guest").unwrap();
    let folder = made::folder().join("extracted");
    std::fs::create_dir(&folder).unwrap();
    let folder = folder.to_str().unwrap();
    let options = ["-C", folder, "--numeric-owner", "--xattrs", "--xattrs-include=*", "--acls", "--selinux"];
    // Some files of the guest are of the next centuries, of which GNU tar warns rightly.
    let options = [&options[..], &["--warning=no-timestamp", "-xpf"]].concat();
    let output = readers::print("tar", &options, &made.path);
    assert!(output.stderr.is_empty(), "{}", tools::said(&output));
}

fn attribute_with_a_zero_byte() {
    let made = made::with_a_bad_attribute();
    let lines = common::archive::manifest(&made.path);
    let issues: Vec<&str> = lines
        .iter()
        .filter(|line| line["record"] == "issue")
        .filter_map(|line| line["message"].as_str())
        .collect();
    let [issue] = issues.as_slice() else { panic!("{issues:?}") };
    assert!(issue.contains("an attribute's name holds a NUL"), "{issue}");
    let made = std::slice::from_ref(&made);
    for (program, listings) in [(Program::Python, readers::python(made)), (Program::Go, readers::go(made))] {
        let [listing] = listings.as_slice() else { panic!("one listing of one archive") };
        assert_eq!((listing.error.as_deref(), listing.members.len()), (None, 3), "{program:?}");
    }
    for program in ["tar", "bsdtar"] {
        let output = readers::print(program, &["-tf"], &made[0].path);
        assert_eq!((output.stdout, output.stderr), (b"./\n./file\n./lost+found/\n".to_vec(), Vec::new()));
    }
}

/// The first of many.
fn head(differences: &[String]) -> String {
    differences.iter().take(20).cloned().collect::<Vec<_>>().join("\n")
}
