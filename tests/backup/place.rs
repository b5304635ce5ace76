//! A host with a volume group, as far as `voltar` sees it.

use std::fs;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::common::tools;

const LVM: &str = include_str!("lvm.sh");
pub const VOLUME: &str = "volume-00000001";

pub fn guest() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/guest.img")
}

/// A disk whose one partition holds noise, so that archiving it takes time and space.
pub fn noise(folder: &Path) -> PathBuf {
    const LEN: u32 = 48 << 20;
    let path = folder.join("noise.img");
    let mut file = BufWriter::new(fs::File::create(&path).unwrap());
    let mut sector = [0_u8; 512];
    sector[446 + 4] = 0xda;
    sector[446 + 8..446 + 12].copy_from_slice(&1_u32.to_le_bytes());
    sector[446 + 12..446 + 16].copy_from_slice(&(LEN / 512).to_le_bytes());
    sector[510..].copy_from_slice(&[0x55, 0xaa]);
    file.write_all(&sector).unwrap();
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    for _ in 0..LEN / 8 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        file.write_all(&state.to_le_bytes()).unwrap();
    }
    file.into_inner().unwrap();
    path
}

/// A group with one volume, and a folder for backups.
pub struct Place {
    pub folder: TempDir,
    pub group: String,
    device: String,
}

impl Place {
    /// The volume has what the image has.
    pub fn new(image: &Path) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let folder = tempfile::tempdir().unwrap();
        for name in ["snapshots", "backups"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        fs::write(folder.path().join("percent"), "12.50").unwrap();
        fs::write(folder.path().join("lvm.sh"), LVM).unwrap();
        let group = format!("voltar-test-{}-{}", std::process::id(), NUMBER.fetch_add(1, Relaxed));
        Self { folder, group, device: loop_device(image) }
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Makes a command of LVM fail, or the snapshot overflow.
    pub fn let_it(&self, name: &str) {
        fs::write(self.at(name), "").unwrap();
    }

    /// The command that stands for `lvm`.
    pub fn lvm_words(&self) -> Vec<String> {
        let path = |path: &Path| path.to_str().unwrap().to_owned();
        let recorded = path(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lvm"));
        let (script, folder) = (path(&self.at("lvm.sh")), path(self.folder.path()));
        vec!["sh".to_owned(), script, folder, recorded, self.group.clone(), self.device.clone()]
    }

    /// The same as one argument.
    pub fn lvm_command(&self) -> String {
        self.lvm_words().iter().map(|word| format!("'{word}' ")).collect()
    }

    /// What LVM was asked to change, in order.
    pub fn changes(&self) -> Vec<String> {
        let asked = fs::read_to_string(self.at("asked")).unwrap_or_default();
        let commands = asked.lines().filter_map(|line| line.split(' ').next());
        commands.filter(|command| !matches!(*command, "lvs" | "vgs")).map(str::to_owned).collect()
    }

    pub fn snapshots(&self) -> Vec<String> {
        names(&self.at("snapshots"))
    }

    /// `voltar backup` of the volume.
    pub fn backup(&self, arguments: &[&str]) -> Command {
        let mut command = voltar();
        let source = format!("{}/{VOLUME}", self.group);
        command.args(["backup", &source, "--to"]).arg(self.at("backups"));
        command.args(["--lvm-command", &self.lvm_command()]).args(arguments);
        command
    }

    pub fn clean(&self, arguments: &[&str]) -> Output {
        said(voltar().args(["clean", "--lvm-command", &self.lvm_command()]).args(arguments))
    }

    /// All files of backups.
    pub fn files(&self) -> Vec<String> {
        let folders = names(&self.at("backups")).into_iter().filter(|name| name != ".voltar.lock");
        folders.flat_map(|folder| names(&self.at("backups").join(folder))).collect()
    }

    /// A backup that takes long, once it has begun to write.
    pub fn long_run(&self, arguments: &[&str]) -> Running {
        let mut command = self.backup(arguments);
        command.args(["--level", "19", "--threads", "1"]);
        let mut command = tools::with_usual_signals(&command);
        let child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        wait_for_worker(child.id());
        Running(child)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(Path::new("/dev").join(&self.group));
        let _ = tools::output("losetup", ["--detach", &self.device]);
    }
}

/// A process that runs.
pub struct Running(Child);

impl Running {
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).unwrap();
    }

    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    /// The process that reads the disk.
    pub fn worker(&self) -> u32 {
        worker_of(self.pid()).expect("a worker")
    }

    pub fn output(self) -> Output {
        self.0.wait_with_output().unwrap()
    }
}

/// Waits until the process that reads the disk for this one has begun: its temporary files have no
/// names.
pub fn wait_for_worker(pid: u32) {
    wait_for("a worker in its sandbox", || {
        worker_of(pid).is_some_and(|worker| {
            let status = fs::read_to_string(format!("/proc/{worker}/status"));
            status.is_ok_and(|status| status.contains("\nSeccomp:\t2\n"))
        })
    });
}

/// The process that reads the disk for this one.
fn worker_of(pid: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    let is_worker = |pid: &u32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let mut words = line.split(|byte| *byte == 0).skip(1);
        (words.next(), words.next()) == (Some(b"worker".as_slice()), Some(b"archive".as_slice()))
    };
    children.split_whitespace().map(|pid| pid.parse().unwrap()).find(is_worker)
}

pub fn voltar() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_voltar"));
    command.env_remove("SOURCE_DATE_EPOCH");
    command
}

pub fn said(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).output().unwrap()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Checks the exit code, and that each of these words was said on stderr.
pub fn expect(output: &Output, code: i32, words: &[&str]) {
    let stderr = stderr(output);
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    for words in words {
        assert!(stderr.contains(words), "{words:?} is not in: {stderr}");
    }
    assert!(!stderr.contains("panicked"), "{stderr}");
}

pub fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

pub fn wait_for(what: &str, is_there: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_there() {
        assert!(began.elapsed() < Duration::from_secs(30), "no {what} after 30 s");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A block device that has what the image has, and can't be written to.
fn loop_device(image: &Path) -> String {
    // Between finding a free one and taking it another process may be faster.
    for _ in 0..20 {
        let output = tools::output("losetup", ["--find", "--show", "--read-only", image.to_str().unwrap()]);
        if output.status.success() {
            return stdout(&output).trim().to_owned();
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("there is no loop device");
}
