//! No command reads a byte of what somebody else may have written before the process that reads it
//! is in the sandbox.
//!
//! `strace` says which process reads which file. What the kernel is asked before may be another
//! thing on each machine; a read of an input is the same on all of them.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::command::{GUEST, VOLTAR};

/// Calls that give bytes of an open file.
const READS: [&str; 6] = ["read(", "pread64(", "preadv(", "preadv2(", "readv(", "mmap("];

/// Every command that looks into something, with `IN` for the folder of inputs and `OUT` for one
/// that is empty.
const COMMANDS: [&str; 20] = [
    "archive IN/guest.img -o OUT/a.tar.zst",
    "archive IN/guest.img -o OUT/a.tar.gz",
    "inspect IN/guest.img",
    "ls IN/a.tar.zst:p4",
    "ls IN/guest.img:p4",
    "tree IN/a.tar.zst",
    "stat IN/a.tar.zst:p4/etc",
    "cat IN/a.tar.zst:p4/etc/hostname",
    "find IN/a.tar.zst --name hostname",
    "diff IN/a.tar.zst IN/guest.img",
    "verify IN/a.tar.zst",
    "verify IN/a.tar.zst --against IN/guest.img",
    "history IN/dest/guest p4/etc/hostname",
    "extract IN/a.tar.zst -C OUT/files",
    "extract IN/guest.img:p4 -C OUT/files",
    "restore IN/a.tar.zst --to OUT/disk.img --dry-run",
    "restore IN/a.tar.zst --to OUT/disk.img",
    "list IN/dest",
    "prune IN/dest --keep-last 1 --dry-run",
    "run --config IN/voltar.toml",
];

pub fn is_confined_first() {
    let input = tempfile::tempdir().unwrap();
    prepare(input.path());
    let mut wrong = BTreeSet::new();
    for line in COMMANDS {
        let output = tempfile::tempdir().unwrap();
        let log = output.path().join("log");
        let words = line.split(' ').map(|word| {
            word.replace("IN", input.path().to_str().unwrap()).replace("OUT", output.path().to_str().unwrap())
        });
        let mut command = Command::new("strace");
        command.args(["-f", "-y", "-qq", "-o"]).arg(&log).arg(VOLTAR).args(words);
        let said = command.output().unwrap();
        let code = said.status.code();
        // There is a path that one of the two does not have: they differ, or something is
        // incomplete.
        assert!(matches!(code, Some(0 | 1 | 3)), "{line}: {}", String::from_utf8_lossy(&said.stderr));
        let seen = reads(&fs::read_to_string(&log).unwrap(), input.path());
        assert!(!seen.is_empty(), "{line}: nothing was read: {}", String::from_utf8_lossy(&said.stderr));
        let early = seen.into_iter().filter(|(is_confined, _)| !is_confined);
        wrong.extend(early.map(|(_, call)| format!("{line}: {call}")));
    }
    assert!(wrong.is_empty(), "read before the sandbox:\n{}", Vec::from_iter(wrong).join("\n"));
}

fn prepare(input: &Path) {
    fs::copy(GUEST, input.join("guest.img")).unwrap();
    fs::create_dir(input.join("dest")).unwrap();
    let path = input.display();
    let config =
        format!("[[source]]\nimage = \"{path}/guest.img\"\n[destination]\nfolder = \"{path}/dest\"\n");
    fs::write(input.join("voltar.toml"), config).unwrap();
    for arguments in [
        vec![
            "archive".to_owned(),
            format!("{path}/guest.img"),
            "-qo".to_owned(),
            format!("{path}/a.tar.zst"),
        ],
        vec!["run".to_owned(), "-q".to_owned(), "--config".to_owned(), format!("{path}/voltar.toml")],
    ] {
        let said = Command::new(VOLTAR).args(&arguments).output().unwrap();
        assert!(said.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&said.stderr));
    }
}

/// Each read of an input, and whether the process that reads had a filter by then.
fn reads(log: &str, input: &Path) -> Vec<(bool, String)> {
    // A thread belongs to the process that started it; descriptors say their paths.
    let leaders = leaders(log);
    let mut confined: BTreeSet<&str> = BTreeSet::new();
    let mut seen = Vec::new();
    let folder = format!("<{}/", input.display());
    // Calls in the middle of which another process had its turn, and whether theirs was confined
    // when they began.
    let mut begun: HashMap<&str, (bool, String)> = HashMap::new();
    for line in log.lines() {
        let Some((thread, call)) = line.split_once(' ') else { continue };
        let call = call.trim();
        let leader = leaders.get(thread).copied().unwrap_or(thread);
        if call.starts_with("seccomp(SECCOMP_SET_MODE_FILTER") {
            confined.insert(leader);
        }
        let (is_confined, call) = match call.split_once(" resumed>") {
            Some((_, rest)) => match begun.remove(thread) {
                Some((is_confined, start)) => (is_confined, start + rest),
                None => continue,
            },
            None => (confined.contains(leader), call.to_owned()),
        };
        if let Some(start) = call.strip_suffix(" <unfinished ...>") {
            begun.insert(thread, (is_confined, start.to_owned()));
            continue;
        }
        let is_read = READS.iter().any(|read| call.starts_with(read));
        // A checksum file is read into memory unchanged, and parsed later.
        let is_of_input = call.contains(&folder) && !call.contains("voltar.toml") && !call.contains(".sha1>");
        if is_read && is_of_input && !is_head(&call) {
            seen.push((is_confined, call));
        }
    }
    seen
}

/// The process that each thread belongs to.
fn leaders(log: &str) -> HashMap<&str, &str> {
    let mut leaders: HashMap<&str, &str> = HashMap::new();
    // Those that are in the middle of making one.
    let mut making: BTreeSet<&str> = BTreeSet::new();
    for line in log.lines() {
        let Some((thread, call)) = line.split_once(' ') else { continue };
        let is_whole = call.contains("CLONE_THREAD") && !call.contains("<unfinished");
        let is_resumed = call.contains("<... clone") && making.remove(thread);
        if is_whole || is_resumed {
            let started = call.rsplit_once("= ").map_or("", |(_, started)| started);
            let leader = leaders.get(thread).copied().unwrap_or(thread);
            leaders.insert(started.split(['<', ' ']).next().unwrap_or_default(), leader);
        } else if call.contains("CLONE_THREAD") {
            making.insert(thread);
        }
    }
    leaders
}

/// The first bytes of a disk, which are compared with the magic numbers of other kinds of images,
/// and not parsed.
fn is_head(call: &str) -> bool {
    let (arguments, _) = call.rsplit_once(") = ").unwrap_or((call, ""));
    let mut from_the_end = arguments.rsplit(", ");
    let (at, len) = (from_the_end.next(), from_the_end.next());
    at == Some("0") && len.and_then(|len| len.parse::<u32>().ok()).is_some_and(|len| len <= 4096)
}
