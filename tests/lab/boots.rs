//! A Debian guest that was archived and restored boots from its own disk, up to the prompt where one logs in.
//!
//! The machine is QEMU without any help of the host's kernel: it is slow, and there everywhere. It has one processor, so that a busy host does not
//! hold one of two back. It gets the restored disk and nothing else:
//! no kernel from outside, so that boot code, GRUB's core, partition table, UUID of the root and files must all be right.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

#[path = "../common/mod.rs"]
mod common;

use common::trials::{Needs, run, trial};
use common::{guest, tools};

const NEEDS: &[Needs] = &[
    Needs::Root,
    Needs::Tool("qemu-system-x86_64", "qemu-system-x86"),
    Needs::Tool("debootstrap", "debootstrap"),
    Needs::Tool("sfdisk", "fdisk"),
    Needs::Tool("mke2fs", "e2fsprogs"),
    Needs::Tool("grub-mkimage", "grub-common and grub-pc-bin"),
    Needs::Tool("setpriv", "util-linux"),
];

/// What the guest says when it is up: its own name is in it.
const PROMPT: &str = "guest login:";

/// How long it may take to boot. It takes a tenth of that where nothing else runs.
const BOOT_LIMIT: Duration = Duration::from_secs(300);

/// Lines of what the guest said that are shown when it does not come up.
const LINES_SHOWN: usize = 60;

fn main() -> ExitCode {
    run(vec![trial("a restored Debian guest boots to a login prompt", NEEDS, restored_guest_boots)])
}

fn restored_guest_boots() {
    let folder = tools::temporary_folder();
    let (archive, disk) = (folder.path().join("guest.tar.zst"), folder.path().join("restored.img"));
    let began = Instant::now();
    let path = |path: &Path| path.as_os_str().to_owned();
    let [quiet, output, to] = ["--quiet", "-o", "--to"].map(std::ffi::OsString::from);
    // The fastest level: the archive is thrown away.
    let level = "--level=1".into();
    let original = guest::image();
    tools::voltar(["archive".into(), path(&original), quiet.clone(), level, output, path(&archive)], 0);
    let archived = began.elapsed();
    tools::voltar(["restore".into(), path(&archive), to, path(&disk), quiet], 0);
    fs::remove_file(&archive).expect("the archive");
    let restored = began.elapsed();
    boot(&disk, &folder.path().join("serial.log"));
    eprintln!(
        "a guest: archived in {:.1} s, restored in {:.1} s, booted in {:.1} s",
        archived.as_secs_f32(),
        (restored - archived).as_secs_f32(),
        (began.elapsed() - restored).as_secs_f32()
    );
}

/// Boots a disk, until the guest asks who wants to log in.
fn boot(disk: &Path, log: &Path) {
    let output = File::create_new(log).expect("a file for what the guest says");
    // Whatever happens to this process, the machine ends with it.
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]).arg(tools::find("qemu-system-x86_64").expect("QEMU"));
    command.args(["-machine", "pc", "-accel", "tcg", "-smp", "1", "-m", "512"]);
    command.args(["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-serial", "stdio"]);
    // What the guest writes is thrown away.
    command.arg("-snapshot").arg("-drive").arg(format!("file={},format=raw,if=virtio", disk.display()));
    let errors = output.try_clone().expect("a second handle");
    let machine = command.stdin(Stdio::null()).stdout(output).stderr(errors).spawn().expect("QEMU starts");
    let mut machine = Machine(machine);
    let deadline = Instant::now() + BOOT_LIMIT;
    loop {
        let said = fs::read(log).map(|said| String::from_utf8_lossy(&said).into_owned()).unwrap_or_default();
        if said.contains(PROMPT) {
            return;
        }
        let ended = machine.0.try_wait().expect("the state of QEMU");
        let why = match ended {
            Some(status) => format!("the machine ended with {status}"),
            None if Instant::now() > deadline => format!("no {PROMPT:?} within {} s", BOOT_LIMIT.as_secs()),
            None => {
                thread::sleep(Duration::from_millis(200));
                continue;
            }
        };
        let lines: Vec<String> = said.lines().map(|line| line.escape_debug().to_string()).collect();
        let last = lines.len().saturating_sub(LINES_SHOWN);
        panic!("{why}; the last that it said:\n{}", lines[last..].join("\n"));
    }
}

/// A machine that ends when it is dropped.
struct Machine(Child);

impl Drop for Machine {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to end.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
