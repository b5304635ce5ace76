//! A medium that fails under each command: what it was reading is named, with the position, and
//! nothing half made is left.
//!
//! `strace` lets the reads of one file fail, from the first, the second, a later one on. A command
//! either fails and says so, or it gives what it gives of a sound medium.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode, Output, Stdio};

mod common;

use common::tools;
use common::trials::{Needs, run, trial};

const STRACE: Needs = Needs::Tool("strace", "strace");
const MKE2FS: Needs = Needs::Tool("mke2fs", "e2fsprogs");
const TAR: Needs = Needs::Tool("tar", "tar");

/// Reads after which the medium fails. Looking for signatures takes some dozens of them.
const AFTER: [u32; 6] = [1, 3, 20, 50, 100, 200];

/// Seconds after which a command hangs.
const PATIENCE: &str = "60";

/// Commands on a place of one of these kinds. `{}` is the place, `{:f}` a file in it.
const ON_ANY: [&[&str]; 8] = [
    &["ls", "-lR", "{}"],
    &["tree", "{}"],
    &["stat", "{:f}"],
    &["cat", "{:f}"],
    &["find", "{}", "--sha1", "0000000000000000000000000000000000000000"],
    &["ls", "--format", "sha1sum", "{}"],
    &["diff", "{}", "sound.tar"],
    &["extract", "{}", "-C", "out", "-q"],
];
const ON_IMAGES: [&[&str]; 3] = [
    &["inspect", "{}"],
    &["archive", "{}", "-o", "made.tar.zst", "-q"],
    &["verify", "sound.tar", "--against", "{}"],
];
const ON_ARCHIVES: [&[&str]; 3] =
    [&["verify", "{}"], &["verify", "."], &["restore", "{}", "--to", "restored.img", "-q"]];

fn main() -> ExitCode {
    let mut trials = Vec::new();
    let images: [(&str, Option<&str>, &str); 4] = [
        ("an ext4 image", None, "f"),
        ("an ext4 image with a journal to replay", Some("recorded/dirty-checksums-v3"), ""),
        ("an ext4 image with fast commits", Some("recorded/fast-commit-names"), ""),
        ("an XFS image with a log to replay", Some("xfs/log-frozen"), ""),
    ];
    for (name, fixture, path) in images {
        trials.push(trial(
            format!("reads of {name} that fail are told"),
            &[STRACE, MKE2FS, TAR],
            move || {
                let folder = tools::temporary_folder();
                let image = image(folder.path(), fixture);
                tools::run(
                    "tar",
                    ["-C", at(folder.path(), "s").as_str(), "-cf", &at(folder.path(), "sound.tar"), "."],
                );
                let commands = ON_ANY.iter().chain(&ON_IMAGES);
                fail(folder.path(), &image, &image, path, commands.copied());
            },
        ));
    }
    for ending in ["tar", "tar.gz", "tar.zst"] {
        for what in ["", ".manifest.jsonl.zst", ".sha1"] {
            let sentence = format!("reads of *.{ending}{what} that fail are told");
            trials.push(trial(sentence, &[STRACE, MKE2FS, TAR], move || {
                let folder = tools::temporary_folder();
                let image = image(folder.path(), None);
                let archive = format!("a.{ending}");
                voltar(folder.path(), &["archive", &image, "-o", &archive, "-q"]);
                voltar(folder.path(), &["archive", &image, "-o", "sound.tar", "-q"]);
                let commands = ON_ANY.iter().chain(&ON_ARCHIVES);
                fail(folder.path(), &archive, &format!("{archive}{what}"), "f", commands.copied());
            }));
        }
        let sentence = format!("reads of a {ending} of another program that fail are told");
        trials.push(trial(sentence, &[STRACE, MKE2FS, TAR], move || {
            let folder = tools::temporary_folder();
            image(folder.path(), None);
            let archive = format!("a.{ending}");
            let (from, to) = (at(folder.path(), "s"), at(folder.path(), &archive));
            tools::run("tar", ["-C", &from, "-caf", &to, "f", "d"]);
            tools::run("tar", ["-C", &from, "-cf", &at(folder.path(), "sound.tar"), "f", "d"]);
            let commands = ON_ANY.iter().chain(ON_ARCHIVES.iter().take(2));
            fail(folder.path(), &archive, &archive, "f", commands.copied());
        }));
    }
    run(trials)
}

fn at(folder: &Path, name: &str) -> String {
    folder.join(name).to_str().unwrap().to_owned()
}

/// An image in the folder: of a fixture, or a new one with a file that takes some reads.
fn image(folder: &Path, fixture: Option<&str>) -> String {
    fs::create_dir_all(folder.join("s/d")).unwrap();
    let mut state = 1_u64;
    let content: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    })
    .take(3 << 20)
    .collect();
    fs::write(folder.join("s/f"), content).unwrap();
    fs::write(folder.join("s/d/g"), "content\n").unwrap();
    let path = folder.join("i.img");
    match fixture {
        Some(name) => {
            let packed = format!("{}/fixtures/{name}.img.zst", env!("CARGO_MANIFEST_DIR"));
            fs::write(path, zstd::decode_all(fs::File::open(packed).unwrap()).unwrap()).unwrap();
        }
        None => {
            let (from, to) = (at(folder, "s"), at(folder, "i.img"));
            tools::run("mke2fs", ["-q", "-t", "ext4", "-d", &from, &to, "16M"]);
        }
    }
    "i.img".to_owned()
}

fn voltar(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new("timeout");
    command.args([PATIENCE, env!("CARGO_BIN_EXE_voltar")]).args(arguments);
    command.current_dir(folder).stdin(Stdio::null()).output().unwrap()
}

/// The same, while the reads of a file fail from the one of this number on.
fn failing(folder: &Path, file: &str, after: u32, arguments: &[&str]) -> Output {
    let inject = format!("inject=read,pread64,readv,preadv:error=EIO:when={after}+");
    let mut command = Command::new("timeout");
    command.args([PATIENCE, "strace", "-f", "-qq", "-o", "/dev/null", "-P", &at(folder, file)]);
    command.args(["-e", "trace=read,pread64,readv,preadv", "-e", &inject, env!("CARGO_BIN_EXE_voltar")]);
    command.args(arguments).current_dir(folder).stdin(Stdio::null()).output().unwrap()
}

fn fail<'a>(
    folder: &Path,
    place: &str,
    file: &str,
    path: &str,
    commands: impl Iterator<Item = &'a [&'a str]>,
) {
    // What a fixture has in it is of no interest here: its root will do.
    for command in commands {
        let inner = if path.is_empty() { place.to_owned() } else { format!("{place}:{path}") };
        let words: Vec<String> =
            command.iter().map(|word| word.replace("{:f}", &inner).replace("{}", place)).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        if path.is_empty() && words[0] == "cat" {
            continue;
        }
        let made =
            ["out", "made.tar.zst", "made.tar.zst.sha1", "made.tar.zst.manifest.jsonl.zst", "restored.img"];
        let clear = || {
            for name in made {
                let _ = fs::remove_dir_all(folder.join(name));
                let _ = fs::remove_file(folder.join(name));
            }
        };
        let sound = voltar(folder, &words);
        clear();
        let before = names(folder);
        let mut failures = 0;
        for after in AFTER {
            let output = failing(folder, file, after, &words);
            let said = tools::said(&output);
            let context = format!("{words:?}, {file} fails from read {after} on: {said}");
            let code = output.status.code().unwrap_or_else(|| panic!("ended by a signal: {context}"));
            assert_ne!(code, 124, "hangs: {context}");
            assert!(!said.contains("panicked"), "{context}");
            let is_told = said.contains("Input/output error");
            if !is_told {
                // The reads were over before, or the file was not needed.
                assert_eq!(
                    (output.stdout, code),
                    (sound.stdout.clone(), sound.status.code().unwrap()),
                    "{context}"
                );
            } else {
                failures += 1;
                assert_ne!(code, 0, "{context}");
                assert!(said.contains(file), "the file is not named: {context}");
                // A checksum file is read at once.
                let is_placed = said.contains("byte ") || file.ends_with(".sha1");
                assert!(is_placed, "the position is not told: {context}");
            }
            let left: Vec<String> = names(folder).difference(&before).cloned().collect();
            let is_whole =
                |name: &String| made.contains(&name.as_str()) && (name == "out" || !is_told || code == 3);
            assert!(left.iter().all(is_whole), "{left:?} is left: {context}");
            let begun = names(&folder.join("out")).into_iter().any(|name| name.contains(".extract-"));
            assert!(!begun, "{context}");
            clear();
        }
        assert!(failures > 0 || file != place || words.contains(&"."), "{words:?}: {file} never failed");
    }
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}
