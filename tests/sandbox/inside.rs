//! The process that goes into the sandbox and tries.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::net::{TcpListener, UdpSocket};
use std::os::fd::AsFd as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use rayon::prelude::*;
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter};
use voltar::sandbox::{self, Sandbox};

use crate::attempts::ATTEMPTS;

/// What is tried, besides the attempts: everything that the program needs.
pub const NEEDS: &str = "needs";
/// The line that says which walls there are.
pub const WALLS: &str = "walls";
/// The outcome of what was not refused.
pub const DONE: &str = "done";
/// The argument with which an attempt starts this program once more.
pub const STARTED: &str = "started";

/// What is around the process that tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// The sandbox.
    Both,
    /// The sandbox of a process that gets its orders by a socket.
    Receiving,
    /// The sandbox on a kernel without seccomp filters.
    LandlockAlone,
    /// The sandbox on a kernel without Landlock.
    SeccompAlone,
    /// The sandbox of what extracts to the folder.
    Extracting,
    /// No sandbox.
    None,
}

impl Setting {
    const ALL: [Self; 6] =
        [Self::Both, Self::Receiving, Self::LandlockAlone, Self::SeccompAlone, Self::Extracting, Self::None];

    pub fn argument(self) -> String {
        format!("inside-{self:?}")
    }

    /// Whether the process is in by Landlock and by seccomp.
    pub fn walls(self) -> (bool, bool) {
        match self {
            Self::Both | Self::Receiving | Self::Extracting => (true, true),
            Self::LandlockAlone => (true, false),
            Self::SeccompAlone => (false, true),
            Self::None => (false, false),
        }
    }
}

/// What attempts work with; all of it was there before the sandbox.
pub struct Inside {
    /// The place.
    pub path: PathBuf,
    /// The target's folder.
    pub folder: PathBuf,
    /// The port of somebody who listens.
    pub tcp_port: u16,
    /// A socket that is open already.
    pub udp: UdpSocket,
    this: PathBuf,
}

impl Inside {
    /// This program, which does nothing but say that it was started.
    pub fn this_program(&self) -> std::process::Command {
        let mut command = std::process::Command::new(&self.this);
        command.arg(STARTED);
        command
    }
}

/// Runs what the arguments say, if they are those of a process that goes inside.
pub fn main(arguments: &[String]) -> Option<ExitCode> {
    let [_, what, rest @ ..] = arguments else { return None };
    if what == STARTED {
        say("start a program", DONE);
        say("become another program", DONE);
        return Some(ExitCode::SUCCESS);
    }
    let setting = Setting::ALL.into_iter().find(|setting| setting.argument() == *what)?;
    let [place, names @ ..] = rest else { return None };
    inside(setting, Path::new(place), names);
    Some(ExitCode::SUCCESS)
}

fn say(name: &str, outcome: &str) {
    println!("{name}\t{outcome}");
    io::stdout().flush().unwrap();
}

fn inside(setting: Setting, place: &Path, names: &[String]) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let inside = Inside {
        path: place.to_path_buf(),
        folder: place.join("folder"),
        tcp_port: listener.local_addr().unwrap().port(),
        udp: UdpSocket::bind("127.0.0.1:0").unwrap(),
        this: std::env::current_exe().unwrap(),
    };
    let folder = File::open(&inside.folder).unwrap();
    let source = File::open(place.join("source")).unwrap();
    let mut temporary = File::options().append(true).open(inside.folder.join("temporary")).unwrap();
    match setting {
        Setting::LandlockAlone => hide(&[libc::SYS_seccomp], libc::EINVAL),
        Setting::SeccompAlone => hide(&[libc::SYS_landlock_create_ruleset], libc::ENOSYS),
        _ => {}
    }
    let sandbox = match setting {
        Setting::None => Sandbox { landlock: false, seccomp: false },
        Setting::Receiving => sandbox::confine(sandbox::Writing::Receiving).unwrap(),
        Setting::Extracting => {
            let writing = sandbox::Writing::Extracting { folder: folder.as_fd(), devices: false };
            sandbox::confine(writing).unwrap()
        }
        _ => sandbox::enter().unwrap(),
    };
    let walls = match (sandbox.landlock, sandbox.seccomp) {
        (true, true) => "both",
        (true, false) => "landlock",
        (false, true) => "seccomp",
        (false, false) => "none",
    };
    say(WALLS, walls);
    for name in names {
        if name == NEEDS {
            needs(&source, &mut temporary);
            say(NEEDS, DONE);
            continue;
        }
        let attempt = ATTEMPTS.iter().find(|attempt| attempt.name == *name).unwrap();
        let outcome = match (attempt.attempt)(&inside) {
            Ok(()) => DONE.to_owned(),
            Err(error) => {
                let number = error.raw_os_error().unwrap_or_else(|| panic!("{name}: {error}"));
                format!("{:?}", Errno::from_raw(number))
            }
        };
        say(name, &outcome);
    }
}

/// Makes this kernel answer these calls as one that does not have them.
pub fn hide(calls: &[i64], error: i32) {
    let rules = calls.iter().map(|call| (*call, Vec::new())).collect();
    let hidden = SeccompAction::Errno(error.unsigned_abs());
    let architecture = std::env::consts::ARCH.try_into().unwrap();
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, hidden, architecture).unwrap();
    apply_filter(&BpfProgram::try_from(filter).unwrap()).unwrap();
}

/// Everything that the program needs once it is in.
fn needs(source: &File, temporary: &mut File) {
    // Reading, also from many threads, and computing.
    let mut bytes = [0; 6];
    source.read_exact_at(&mut bytes, 0).unwrap();
    assert_eq!(&bytes, b"source");
    assert_eq!(rustix::fs::fstat(source).unwrap().st_size, 6);
    let mut second = source.try_clone().unwrap();
    second.read_exact(&mut bytes).unwrap();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(4).build().unwrap();
    let sum: u64 = pool.install(|| (0..1_000_000_u64).into_par_iter().map(|n| vec![n; 100][99]).sum());
    assert_eq!(sum, 499_999_500_000);
    let large: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| vec![1_u8; 64 << 20].len())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(large, 256 << 20);
    assert!(HashMap::from([(1, 2)]).contains_key(&1));
    let before = Instant::now();
    std::thread::sleep(Duration::from_millis(20));
    assert!(before.elapsed() >= Duration::from_millis(20));
    let named = std::thread::Builder::new().name("frame-1".to_owned()).spawn(|| {}).unwrap();
    named.join().unwrap();
    std::panic::catch_unwind(|| panic!("a panic that is caught")).unwrap_err();
    let _ = io::stdout().is_terminal();
    // Writing to what is open.
    temporary.write_all(b"written").unwrap();
    temporary.sync_all().unwrap();
}
