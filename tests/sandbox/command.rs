//! The program `voltar` in its sandbox.

use std::collections::HashSet;
use std::fs;
use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use libtest_mimic::{Completion, Trial};
use tempfile::TempDir;

use crate::inside::Setting;
use crate::place::Place;
use crate::{complete, left_out, on_kernel, this_program, trial};

pub const VOLTAR: &str = env!("CARGO_BIN_EXE_voltar");
pub const GUEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/guest.img");

pub fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    for compress in ["zstd", "gzip", "none"] {
        for io in ["pread", "direct", "mmap"] {
            let sentence =
                format!("{compress} of an image read by {io} is the same in the sandbox and outside");
            trials.push(trial(sentence, move || same(compress, io)));
        }
    }
    trials.push(trial("what is there is replaced when it is asked for", forced));
    trials.push(trial("inspect tells the same in the sandbox and outside", inspected));
    trials.push(trial("nothing is left of an archive that is given up", nothing_left));
    trials.push(on_kernel("what the caller left open is closed", Setting::Both, complete(inherited)));
    trials.push(on_kernel("all threads of a run are in the sandbox", Setting::Both, complete(all_threads)));
    trials.push(on_kernel("a run does nothing that the sandbox refuses", Setting::Both, || {
        let has_strace = Command::new("strace").arg("-V").output().is_ok();
        if !has_strace {
            return left_out("needs strace (Debian package strace)");
        }
        nothing_refused();
        Ok(Completion::Completed)
    }));
    trials.push(on_kernel("no command parses before the sandbox", Setting::Both, || {
        if Command::new("strace").arg("-V").output().is_err() {
            return left_out("needs strace (Debian package strace)");
        }
        crate::parsing::is_confined_first();
        Ok(Completion::Completed)
    }));
    trials.push(on_kernel(
        "a kernel without a wall is a note, which --no-sandbox silences",
        Setting::Both,
        complete(notes),
    ));
    trials
}

fn voltar(arguments: &[&str]) -> Command {
    let mut command = Command::new(VOLTAR);
    command.args(arguments).env("SOURCE_DATE_EPOCH", "1700000000");
    command
}

fn succeed(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{command:?}: {stderr}");
    output
}

/// Files below a folder and what is in them.
fn content(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> =
        entries.map(|path| (path.file_name().unwrap().into(), fs::read(&path).unwrap())).collect();
    files.sort();
    files
}

fn same(compress: &str, io: &str) {
    let folders: [TempDir; 2] = std::array::from_fn(|_| tempfile::tempdir().unwrap());
    let outputs = [&[][..], &["--no-sandbox"]].map(|sandbox| {
        let folder = &folders[usize::from(!sandbox.is_empty())];
        let output = format!("{}/", folder.path().display());
        let arguments = ["archive", GUEST, "--compress", compress, "--io", io];
        succeed(voltar(&arguments).args(["--quiet", "--embed-manifest", "-o", &output]).args(sandbox));
        let json = succeed(
            voltar(&arguments).args(["--json", "--embed-manifest", "--force", "-o", &output]).args(sandbox),
        );
        assert!(String::from_utf8_lossy(&json.stdout).contains("\"type\":\"summary\""));
        succeed(voltar(&arguments).args(["-o", "-"]).args(sandbox)).stdout
    });
    let [inside, outside] = folders.map(|folder| content(folder.path()));
    assert_eq!(inside.len(), 3);
    assert!(inside == outside, "the files differ");
    assert!(outputs[0] == outputs[1], "what went to stdout differs");
    assert!(inside.iter().any(|(_, bytes)| *bytes == outputs[0]), "stdout has another archive than the file");
}

fn forced() {
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("a.tar.zst");
    fs::write(&archive, "old").unwrap();
    let archive = archive.to_str().unwrap();
    let refused = voltar(&["archive", GUEST, "-o", archive]).output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    succeed(&mut voltar(&["archive", GUEST, "-o", archive, "--force"]));
    assert!(fs::read(archive).unwrap().starts_with(&[0x28, 0xb5, 0x2f, 0xfd]));
    assert_eq!(content(folder.path()).len(), 3);
}

fn inspected() {
    for form in [&[][..], &["--json"]] {
        let inside = succeed(voltar(&["inspect", GUEST]).args(form));
        let outside = succeed(voltar(&["inspect", GUEST, "--no-sandbox"]).args(form));
        assert_eq!(inside.stdout, outside.stdout);
    }
}

fn nothing_left() {
    let folder = tempfile::tempdir().unwrap();
    let output = format!("{}/", folder.path().display());
    let run = voltar(&["archive", GUEST, "--max-output", "1K", "-o", &output]).output().unwrap();
    assert_eq!(run.status.code(), Some(1));
    assert_eq!(content(folder.path()), []);
}

/// Stops a run by not reading what it writes, and looks at its threads.
fn all_threads() {
    let mut command = voltar(&["archive", GUEST, "--compress", "none", "-T", "3", "-o", "-"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let started = Instant::now();
    let threads = loop {
        let tasks = fs::read_dir(format!("/proc/{}/task", child.id())).unwrap();
        let status = tasks.map(|task| fs::read_to_string(task.unwrap().path().join("status")).unwrap());
        let threads: Vec<String> = status.collect();
        // The first, three that make frames, one that writes.
        if threads.len() == 5 {
            break threads;
        }
        assert!(started.elapsed() < Duration::from_secs(10), "{} threads", threads.len());
        sleep(Duration::from_millis(5));
    };
    for status in threads {
        let has = |line: &str| status.lines().any(|found| found == line);
        assert!(has("NoNewPrivs:\t1") && has("Seccomp:\t2"), "{status}");
        assert_no_rights(&status);
    }
    let mut archive = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut archive).unwrap();
    assert!(child.wait().unwrap().success());
    assert!(!archive.is_empty());
}

/// Nothing of root is left, whoever runs the test.
fn assert_no_rights(status: &str) {
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert!(status.contains(&format!("{set}:\t0000000000000000\n")), "{set}: {status}");
    }
    // To take the bounding set away takes a right of its own.
    if rustix::process::geteuid().is_root() {
        assert!(status.contains("CapBnd:\t0000000000000000\n"), "{status}");
    }
}

/// Descriptors that the caller left open, by a shell: the program is started with descriptor 9.
fn inherited() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", "exec 9</etc/passwd; exec \"$0\" \"$@\"", VOLTAR]);
    command.args(["archive", GUEST, "--compress", "none", "-o", "-"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let process = format!("/proc/{}", child.id());
    // It does not end before what it writes is read.
    let started = Instant::now();
    while !fs::read_to_string(format!("{process}/status")).unwrap().contains("Seccomp:\t2\n") {
        assert!(started.elapsed() < Duration::from_secs(60), "it never entered the sandbox");
        sleep(Duration::from_millis(5));
    }
    assert!(!fs::read_dir(format!("{process}/fd")).unwrap().any(|entry| {
        fs::read_link(entry.unwrap().path()).is_ok_and(|open| open == Path::new("/etc/passwd"))
    }));
    drop(child.stdout.take());
    child.wait().unwrap();
    drop(folder);
}

/// What `strace` sees of a run. That a run goes well could also be because it ignores a refusal.
fn nothing_refused() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let target = folder.path().join("target");
    fs::create_dir(&target).unwrap();
    let mut command = Command::new("strace");
    command.args(["-f", "-o"]).arg(&log).args([VOLTAR, "archive", GUEST, "-o"]).arg(target.join("a.tar.zst"));
    succeed(&mut command);
    let log = fs::read_to_string(log).unwrap();
    // The first line is of the process that was started: the one that parses. The other one names
    // files.
    let parses = log.split(' ').next().unwrap();
    let named: Vec<&str> = log.lines().filter(|line| line.contains("renameat")).collect();
    assert!(!named.is_empty() && named.iter().all(|line| !line.starts_with(parses)), "{named:#?}");
    let threads: HashSet<&str> = log
        .lines()
        .filter(|line| line.starts_with(parses) && line.contains("CLONE_THREAD"))
        .filter_map(|line| line.rsplit_once("= ").map(|(_, thread)| thread.trim()))
        .chain([parses])
        .collect();
    let calls: Vec<&str> = log
        .lines()
        .filter_map(|line| line.split_once(' '))
        .filter(|(process, _)| threads.contains(process))
        .map(|(_, call)| call.trim())
        .collect();
    let at = |name: &str| calls.iter().position(|call| call.starts_with(name));
    let entered = at("seccomp(SECCOMP_SET_MODE_FILTER").expect("a filter");
    assert!(at("landlock_restrict_self").expect("Landlock") < entered);
    assert!(at("prctl(PR_SET_NO_NEW_PRIVS").unwrap() < at("landlock_restrict_self").unwrap());
    let refused: Vec<&&str> = calls[entered + 1..]
        .iter()
        .filter(|call| ["ENOSYS", "EACCES", "EPERM"].iter().any(|error| call.contains(error)))
        .filter(|call| !call.contains("clone3"))
        .collect();
    assert!(refused.is_empty(), "refused, though the program does it: {refused:#?}");
    assert!(
        !calls[..entered].iter().any(|call| call.contains("CLONE_THREAD")),
        "a thread before the sandbox"
    );
}

/// Starts voltar in a filter that shows it a kernel without one of the walls, or without both.
pub fn on_lesser_kernel(arguments: &[String]) -> std::io::Error {
    let [hidden, arguments @ ..] = arguments else { panic!("{arguments:?}") };
    // Both in one filter: the second could not be applied any more.
    let calls: Vec<i64> = [("landlock", libc::SYS_landlock_create_ruleset), ("seccomp", libc::SYS_seccomp)]
        .iter()
        .filter(|(name, _)| hidden.contains(name))
        .map(|(_, call)| *call)
        .collect();
    crate::inside::hide(&calls, libc::ENOSYS);
    Command::new(VOLTAR).args(arguments).exec()
}

fn notes() {
    let folder = Place::new();
    let archive = folder.path().join("a.tar.zst");
    for (hidden, words) in [
        ("landlock", "this kernel has no Landlock: "),
        ("seccomp", "this kernel has no seccomp filters: "),
        ("landlock+seccomp", "this kernel has neither "),
    ] {
        for arguments in
            [&["inspect", GUEST][..], &["archive", GUEST, "--force", "-o", archive.to_str().unwrap()]]
        {
            let run = |more: &[&str]| {
                let output =
                    succeed(this_program().args(["lesser-kernel", hidden]).args(arguments).args(more));
                String::from_utf8(output.stderr).unwrap()
            };
            assert!(run(&[]).starts_with(&format!("voltar: {words}")), "{hidden}: {}", run(&[]));
            assert!(!run(&["--no-sandbox"]).contains("this kernel"), "{hidden}");
        }
    }
}
