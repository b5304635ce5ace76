//! Running LVM's commands: a vector of arguments, no shell, a time limit.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::error::{Error, Kind, Result};
use crate::printable::Printable;
use crate::snapshot::priority::with_usual;

/// How long a command that was asked to end is waited for.
const GRACE: Duration = Duration::from_secs(5);

/// Most bytes of an answer: a thousand times what a large group takes.
const MOST_ANSWER: u64 = 256 << 20;

/// Most bytes of complaints that are read.
const MOST_COMPLAINTS: u64 = 1 << 20;

/// Settings that each command takes back from lvm.conf(5): those that change what LVM prints or
/// does for us.
///
/// They are one argument, always the same, so that sudo can hold commands against it (docs/lvm.md).
pub(super) const CONFIG: &str = concat!(
    r#"global/test=0 global/wait_for_locks=1 "#,
    r#"log/command_names=0 log/indent=0 log/prefix="" log/report_command_log=0 log/silent=0 log/verbose=0 "#,
    r#"report/binary_values_as_numeric=0 report/buffered=1 report/columns_as_rows=0 report/compact_output=0 "#,
    r#"report/compact_output_cols="" report/headings=1 report/list_item_separator="," "#,
    r#"report/lvs_sort="vg_name,lv_name" report/mark_hidden_devices=1 "#,
    r#"report/output_format="basic" report/prefixes=0 report/quoted=1"#
);

/// Beginnings of variables that change what LVM does, and those of them that it keeps: they say
/// where lvm.conf lies, and that there is no udevd.
const VARIABLES: [&str; 2] = ["LVM_", "DM_"];
const KEPT_VARIABLES: [&str; 2] = ["LVM_SYSTEM_DIR", "DM_DISABLE_UDEV"];

/// A program, with the arguments that always come first: `lvm`, or `sudo -n lvm`.
#[derive(Clone, Debug)]
pub(super) struct Program {
    name: String,
    first: Vec<String>,
}

/// What a command that came to its end said.
#[derive(Debug)]
pub(super) struct Said {
    /// How it ended.
    pub(super) status: ExitStatus,
    /// What it wrote to its standard output.
    pub(super) out: Vec<u8>,
    /// What it wrote to its standard error output.
    pub(super) err: Vec<u8>,
}

impl Program {
    /// # Errors
    ///
    /// [`Kind::Usage`] when the vector is empty.
    pub(super) fn new(command: &[String]) -> Result<Self> {
        match command.split_first() {
            Some((name, first)) if !name.is_empty() => Ok(Self { name: name.clone(), first: first.to_vec() }),
            _ => Err(Error::new(Kind::Usage, "LVM's command is empty: lvm, or sudo -n lvm")),
        }
    }

    /// Runs it with more arguments, in a process group of its own: an interrupt at the terminal reaches the caller, who knows
    /// what has to be put in order first.
    ///
    /// # Errors
    ///
    /// When it can't be started, or doesn't end within `limit`. That it failed is for the caller to see.
    pub(super) fn run(&self, arguments: &[&str], limit: Duration) -> Result<Said> {
        let failed = |error: io::Error| self.not_run(&error);
        // Not pipes: a daemon that the command leaves behind may hold them open for ever.
        let out = answer_file().map_err(failed)?;
        let err = answer_file().map_err(failed)?;
        let mut command = Command::new(&self.name);
        for name in std::env::vars_os().map(|(name, _)| name).filter(|name| is_of_lvm(name)) {
            command.env_remove(name);
        }
        command
            .args(&self.first)
            .args(configured(arguments))
            .env("PATH", path())
            .env("LC_ALL", "C")
            .env("LVM_SUPPRESS_FD_WARNINGS", "1")
            .stdin(Stdio::null())
            .stdout(out.try_clone().map_err(failed)?)
            .stderr(err.try_clone().map_err(failed)?)
            .process_group(0);
        let mut child = with_usual(|| command.spawn()).map_err(failed)?;
        let Some(status) = wait(&mut child, limit).map_err(failed)? else {
            return Err(self.too_slow(&mut child, arguments, limit));
        };
        let said = Said {
            status,
            out: read(&out, MOST_ANSWER).map_err(failed)?,
            err: read(&err, MOST_COMPLAINTS).map_err(failed)?,
        };
        Ok(said)
    }

    /// Asks a command that takes too long to end. It is never killed: LVM itself puts a signal off while devices are
    /// suspended, and one that dies there leaves them so, with all who write to them.
    fn too_slow(&self, child: &mut Child, arguments: &[&str], limit: Duration) -> Error {
        if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
            // It may have ended just now, or belong to root.
            let _ = kill_process_group(group, Signal::TERM);
        }
        let what = arguments.first().unwrap_or(&"");
        let seconds = limit.as_secs();
        let rest = match wait(child, GRACE) {
            Ok(Some(_)) => "and was stopped".to_owned(),
            _ => format!("and still runs as process {}", child.id()),
        };
        let message = format!(
            "{what} took more than {seconds} s {rest}: another LVM command may hold the group's lock, or a device does not answer"
        );
        Error::new(Kind::Snapshot, message)
    }

    fn not_run(&self, error: &io::Error) -> Error {
        let name = Printable(self.name.as_bytes());
        let advice = match error.kind() {
            io::ErrorKind::NotFound => ": install lvm2, or say where it is with --lvm-command",
            _ => "",
        };
        Error::new(Kind::Snapshot, format!("{name}: can't be run: {error}{advice}"))
    }
}

/// The arguments of a command, with the settings behind its name.
fn configured<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    let mut all = arguments.to_vec();
    all.splice(1.min(all.len())..1.min(all.len()), ["--config", CONFIG]);
    all
}

/// Whether a variable changes what LVM does: it may send what LVM prints elsewhere, or choose a
/// profile.
fn is_of_lvm(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    let is_known = VARIABLES.iter().any(|beginning| name.starts_with(beginning));
    is_known && !KEPT_VARIABLES.contains(&&*name)
}

/// A file in memory, closed in every program that is started.
fn answer_file() -> io::Result<File> {
    Ok(File::from(memfd_create("voltar-lvm", MemfdFlags::CLOEXEC)?))
}

/// The folders where programs are looked for: LVM lies in one that not every user has among them.
fn path() -> OsString {
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    if !path.is_empty() {
        path.push(":");
    }
    path.push("/usr/sbin:/sbin:/usr/bin:/bin");
    path
}

/// Waits until it ends, at most `limit`; `None` when it goes on.
fn wait(child: &mut Child, limit: Duration) -> io::Result<Option<ExitStatus>> {
    let started = Instant::now();
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if started.elapsed() >= limit {
            return Ok(None);
        }
        thread::sleep(pause);
        // A guest may be frozen meanwhile: short at first.
        pause = pause.saturating_mul(2).min(Duration::from_millis(10));
    }
}

fn read(file: &File, most: u64) -> io::Result<Vec<u8>> {
    let len = file.metadata()?.len();
    if len > most {
        return Err(io::Error::other(format!("it wrote {len} bytes, at most {most}")));
    }
    let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, limit: Duration) -> Result<Said> {
        let command = ["sh", "-c", script, "sh"].map(str::to_owned);
        Program::new(&command).unwrap().run(&["one", "two words; $HOME"], limit)
    }

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn arguments_arrive_as_they_are_and_both_outputs_come_back() {
        let said = shell(r#"printf '%s|' "$@"; echo no >&2; exit 5"#, LONG).unwrap();
        let expected = format!("one|--config|{CONFIG}|two words; $HOME|");
        assert_eq!(String::from_utf8(said.out).unwrap(), expected);
        assert_eq!(said.err, b"no\n");
        assert_eq!(said.status.code(), Some(5));
    }

    #[test]
    fn a_command_has_no_input_and_plain_english() {
        let said = shell(r#"cat; echo "$LC_ALL $LVM_SUPPRESS_FD_WARNINGS""#, LONG).unwrap();
        assert_eq!(said.out, b"C 1\n");
    }

    #[test]
    fn variables_that_change_what_lvm_prints_do_not_reach_it() {
        let cases = [
            ("LVM_OUT_FD", true),
            ("LVM_COMMAND_PROFILE", true),
            ("DM_DEFAULT_NAME_MANGLING_MODE", true),
            ("LVM_SYSTEM_DIR", false),
            ("DM_DISABLE_UDEV", false),
            ("PATH", false),
            ("SLVM_", false),
        ];
        for (name, is_taken_away) in cases {
            assert_eq!(is_of_lvm(OsStr::new(name)), is_taken_away, "{name}");
        }
    }

    #[test]
    fn a_command_has_no_descriptors_of_ours() {
        let open = tempfile::NamedTempFile::new().unwrap();
        let said = shell("ls -l /proc/self/fd", LONG).unwrap();
        let said = String::from_utf8(said.out).unwrap();
        assert!(!said.contains(open.path().to_str().unwrap()), "{said}");
        // Its two outputs.
        assert_eq!(said.matches("memfd:voltar-lvm").count(), 2, "{said}");
    }

    #[test]
    fn a_command_leads_a_process_group_of_its_own() {
        let said = shell("echo $$; cut -d ' ' -f 5 /proc/self/stat", LONG).unwrap();
        let said = String::from_utf8(said.out).unwrap();
        let (process, group) = said.trim().split_once('\n').unwrap();
        assert_eq!(process, group);
    }

    #[test]
    fn what_a_command_leaves_running_is_not_waited_for() {
        let started = Instant::now();
        let said = shell("sleep 20 & echo $!", LONG).unwrap();
        assert!(started.elapsed() < Duration::from_secs(15));
        let left = String::from_utf8(said.out).unwrap().trim().parse().unwrap();
        rustix::process::kill_process(Pid::from_raw(left).unwrap(), Signal::KILL).unwrap();
    }

    #[test]
    fn a_command_that_takes_too_long_is_asked_to_end() {
        let error = shell("sleep 60", Duration::from_millis(50)).unwrap_err();
        assert!(error.to_string().contains("and was stopped"), "{error}");
    }

    #[test]
    fn a_program_that_is_not_there_is_named_with_what_to_do() {
        let command = ["/nowhere/lvm".to_owned()];
        let error = Program::new(&command).unwrap().run(&["lvs"], LONG).unwrap_err();
        assert!(error.to_string().starts_with("/nowhere/lvm: can't be run"), "{error}");
        assert!(error.to_string().contains("install lvm2"), "{error}");
        assert_eq!(Program::new(&[]).unwrap_err().kind(), Kind::Usage);
    }
}
