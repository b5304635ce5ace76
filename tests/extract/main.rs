//! Getting files back: what voltar extracts is what tar extracts, hostile archives stay inside, and a run that was killed goes on.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output, Stdio};

#[path = "../common/mod.rs"]
mod common;
mod existing;
mod hostile;
mod interrupted;
mod panics;
mod partial;
mod same;
mod smaller;

use common::trials::{Needs, run, trial};

const TAR: Needs = Needs::Tool("tar", "tar");
const BSDTAR: Needs = Needs::Tool("bsdtar", "libarchive-tools");
const SETPRIV: Needs = Needs::Tool("setpriv", "util-linux");
const UNSHARE: Needs = Needs::Tool("unshare", "util-linux");
const TIMEOUT: Needs = Needs::Tool("timeout", "coreutils");
const ROOT: &[Needs] = &[Needs::Root, Needs::LoopMounts, TAR, TIMEOUT];
const AS_USER: &[Needs] = &[Needs::Root, Needs::LoopMounts, TAR, SETPRIV, TIMEOUT];

fn main() -> ExitCode {
    run(vec![
        trial(
            "archives and images come out as GNU tar extracts them, and with their flags",
            ROOT,
            same::images,
        ),
        trial(
            "a plain user gets what GNU tar gives a plain user, and is told what was left",
            AS_USER,
            same::as_user,
        ),
        trial(
            "archives of GNU tar and bsdtar in all their forms come out as tar extracts them",
            &[Needs::Root, Needs::LoopMounts, TAR, BSDTAR, TIMEOUT],
            same::foreign,
        ),
        trial("times that the target can't hold are an issue", ROOT, smaller::times),
        trial("times that it holds are none", ROOT, smaller::times_that_fit),
        trial("hostile archives write nothing outside", &[TIMEOUT], hostile::members),
        trial("symbolic links that are swapped in meanwhile lead nowhere", &[TIMEOUT], hostile::swapped),
        trial(
            "devices are made on request, and modes and owners are set as they are told",
            ROOT,
            hostile::devices,
        ),
        trial("a bug in a thread that makes files ends the run", &[], panics::in_a_thread),
        trial(
            "as root the directory is the root of the process, with few rights, in containers too",
            &[Needs::Root, Needs::Tool("strace", "strace"), SETPRIV, UNSHARE, TIMEOUT],
            hostile::enclosed,
        ),
        trial(
            "attributes of nodes that root can't set in a container are an issue",
            &[Needs::Root, SETPRIV, TIMEOUT],
            hostile::attributes_without_a_path,
        ),
        trial("what is too large ends with a clear error", &[TIMEOUT], hostile::bombs),
        trial("a disk that is full is a clear error, and the same command goes on", ROOT, interrupted::full),
        trial("a run that is killed goes on, and ends as one that was not", &[TIMEOUT], interrupted::killed),
        trial(
            "what a killed run had begun goes, though its state file was removed",
            &[TIMEOUT],
            interrupted::forgotten,
        ),
        trial(
            "what a killed run had begun goes from directories that the next run does not enter",
            &[TIMEOUT],
            interrupted::elsewhere,
        ),
        trial("another run does not go on with what was interrupted", &[TIMEOUT], interrupted::another),
        trial("files that are there are refused, kept or replaced", &[TIMEOUT], existing::policies),
        trial(
            "one file out of an archive reads its own frames alone",
            &[Needs::Tool("mke2fs", "e2fsprogs"), TIMEOUT],
            partial::frames,
        ),
        trial(
            "parts, exclusions and further names without their first come out whole",
            &[TIMEOUT],
            partial::parts,
        ),
        trial(
            "content that is not what the manifest says is an issue that names the file",
            &[TIMEOUT],
            partial::digest,
        ),
    ])
}

fn guest() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/guest.img")
}

/// The program, which may not take longer than a test may.
fn voltar() -> Command {
    let mut command = common::tools::command("timeout");
    command.args(["--kill-after=5", "120", env!("CARGO_BIN_EXE_voltar")]).stdin(Stdio::null());
    command
}

/// Runs `voltar extract`, and gives its exit code and what it said.
fn extract(place: &Path, directory: &Path, options: &[&str]) -> (i32, String) {
    let mut command = voltar();
    command.arg("extract").arg(place).args(options).arg("-C").arg(directory);
    said(command.output().unwrap())
}

fn said(output: Output) -> (i32, String) {
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&text).into_owned())
}

/// Makes an archive of an image.
fn archive(image: &Path, to: &Path) {
    let output = voltar().args(["archive", "--fflags"]).arg(image).arg("-qo").arg(to).output().unwrap();
    common::tools::assert_success("voltar archive", &output);
}

/// Member by member, a tar as no tar would write it.
struct Hostile(tar::Builder<Vec<u8>>);

impl Hostile {
    fn new() -> Self {
        Self(tar::Builder::new(Vec::new()))
    }

    fn member(mut self, kind: tar::EntryType, name: &[u8], link: &[u8], content: &[u8]) -> Self {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        let fields = header.as_gnu_mut().unwrap();
        fields.name[..name.len()].copy_from_slice(name);
        fields.linkname[..link.len()].copy_from_slice(link);
        header.set_mode(if kind == tar::EntryType::Directory { 0o755 } else { 0o644 });
        header.set_mtime(1_500_000_000);
        header.set_uid(u64::from(rustix::process::geteuid().as_raw()));
        header.set_gid(u64::from(rustix::process::getegid().as_raw()));
        header.set_size(content.len() as u64);
        header.set_cksum();
        self.0.append(&header, content).unwrap();
        self
    }

    fn file(self, name: &str, content: &str) -> Self {
        self.member(tar::EntryType::Regular, name.as_bytes(), b"", content.as_bytes())
    }

    fn directory(self, name: &str) -> Self {
        self.member(tar::EntryType::Directory, name.as_bytes(), b"", b"")
    }

    fn symlink(self, name: &str, target: &str) -> Self {
        self.member(tar::EntryType::Symlink, name.as_bytes(), target.as_bytes(), b"")
    }

    fn link(self, name: &str, first: &str) -> Self {
        self.member(tar::EntryType::Link, name.as_bytes(), first.as_bytes(), b"")
    }

    fn bytes(self) -> Vec<u8> {
        self.0.into_inner().unwrap()
    }
}

/// A tar as it is, and as one stream that can only be read from the front.
fn both_ways(folder: &Path, tar: &[u8]) -> [PathBuf; 2] {
    let (plain, packed) = (folder.join("a.tar"), folder.join("a.tar.zst"));
    std::fs::write(&plain, tar).unwrap();
    std::fs::write(&packed, zstd::encode_all(tar, 1).unwrap()).unwrap();
    [plain, packed]
}

/// All names below a folder, with what a file has in it and where a link leads.
fn listing(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut all = Vec::new();
    let mut waiting = vec![folder.to_path_buf()];
    while let Some(path) = waiting.pop() {
        let found = std::fs::symlink_metadata(&path).unwrap();
        let shown = if found.is_dir() {
            waiting.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            "directory".to_owned()
        } else if found.is_symlink() {
            format!("to {}", std::fs::read_link(&path).unwrap().display())
        } else if found.is_file() {
            String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned()
        } else {
            "a node".to_owned()
        };
        all.push((path.strip_prefix(folder).unwrap().to_path_buf(), shown));
    }
    all.sort();
    all
}
