//! SIGTERM and SIGINT end every command that reads content, in the midst of a file of a tebibyte.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Bytes of zeros in a frame, and how many such frames there are: a tebibyte of zeros, which takes
/// many minutes to unpack.
const FRAME_BYTES: usize = 64 << 20;
const FRAMES: u64 = 16 << 10;

/// Bytes that a command has read for certain when it is in its loop. It reads archives in pieces of
/// 1 MiB, and nothing else that is as long.
const READ_BYTES: u64 = 1 << 20;

/// Long enough for a machine under load, and far from what the content takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// An archive of one file of a tebibyte, which is 33 MiB long.
fn archive(path: &Path) {
    let mut header = tar::Header::new_gnu();
    header.set_path("zeros").unwrap();
    header.set_size(FRAME_BYTES as u64 * FRAMES);
    header.set_mode(0o644);
    header.set_cksum();
    let pack = |bytes: &[u8]| zstd::encode_all(bytes, 1).unwrap();
    let mut file = File::create(path).unwrap();
    file.write_all(&pack(header.as_bytes())).unwrap();
    let zeros = pack(&vec![0; FRAME_BYTES]);
    for _ in 0..FRAMES {
        file.write_all(&zeros).unwrap();
    }
    file.write_all(&pack(&[0; 1024])).unwrap();
}

/// Bytes that a process has read; `None` when it is gone.
fn read_by(process: u32) -> Option<u64> {
    let told = fs::read_to_string(format!("/proc/{process}/io")).ok()?;
    told.lines().find_map(|line| line.strip_prefix("rchar: ")?.parse().ok())
}

/// How a command ends that gets a signal while it reads.
fn ended_by(signal: Signal, arguments: &[&str], folder: &Path) -> ExitStatus {
    let mut command = Command::new(env!("CARGO_BIN_EXE_voltar"));
    command.args(arguments).current_dir(folder);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let deadline = Instant::now() + PATIENCE;
    while read_by(child.id()).is_some_and(|bytes| bytes < READ_BYTES) {
        assert!(Instant::now() < deadline, "{arguments:?} reads nothing");
        assert_eq!(child.try_wait().unwrap(), None, "{arguments:?} ended before it read anything");
    }
    kill_process(Pid::from_child(&child), signal).unwrap();
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if Instant::now() > deadline {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("{arguments:?} did not end by {signal:?}");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_signal_ends_every_command_that_reads_content() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    archive(&folder.join("a.tar.zst"));
    fs::hard_link(folder.join("a.tar.zst"), folder.join("b.tar.zst")).unwrap();
    let commands: [&[&str]; 7] = [
        &["diff", "a.tar.zst", "b.tar.zst"],
        &["find", "a.tar.zst", "--sha1", "0000000000000000000000000000000000000000"],
        &["ls", "--format", "sha1sum", "a.tar.zst"],
        &["verify", "a.tar.zst"],
        &["verify", "a.tar.zst", "--against", "b.tar.zst"],
        &["cat", "a.tar.zst:zeros"],
        &["extract", "a.tar.zst", "-C", "out"],
    ];
    for arguments in commands {
        let status = ended_by(Signal::INT, arguments, folder);
        assert_eq!(status.signal(), Some(2), "{arguments:?}: {status}");
        let status = ended_by(Signal::TERM, arguments, folder);
        // Commands that write nothing leave the signal to the kernel.
        let is_ended = matches!((status.code(), status.signal()), (Some(1 | 2), _) | (_, Some(15)));
        assert!(is_ended, "{arguments:?}: {status}");
    }
}
