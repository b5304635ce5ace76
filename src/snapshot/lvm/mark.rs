//! The mark on a snapshot: tags that say which process of which machine took it, and a name that says when.
//!
//! They are given in the command that makes the snapshot, so that there is no moment without them. Tags: lvm(8), "Tags".

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

use crate::archive::{Algorithm, host_name};
use crate::error::{Error, Kind, Result};
use crate::snapshot::Owner;

/// What all snapshots of this program carry.
pub(super) const TAG: &str = "voltar";

/// What stands between a volume's name and the time in a snapshot's name.
pub(super) const INFIX: &str = "-voltar-";

/// The time in a snapshot's name, in UTC.
const TIME: &str = "%Y%m%dT%H%M%SZ";

/// What stands for a machine that has no id.
const NO_MACHINE: &str = "none";

/// Characters of a machine's id, of which it is a digest: machine-id(5) asks for it to be told to nobody as it is.
const MACHINE_CHARACTERS: usize = 32;

/// A process of a machine, told from all that had its number before and will have it later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// The host's name, for people: many may have the same.
    host: String,
    machine: String,
    boot: String,
    /// In which its number is its own: a container has one for itself (pid_namespaces(7)).
    namespace: u64,
    pid: u32,
    /// When it started, in clock ticks since the boot (`starttime` in proc_pid_stat(5)).
    start: u64,
}

impl Mark {
    /// This process's mark.
    ///
    /// # Errors
    ///
    /// When /proc doesn't tell.
    pub(super) fn of_this_process() -> Result<Self> {
        let read = |path: &str| -> Result<String> {
            let text = fs::read_to_string(path).map_err(|error| {
                Error::new(Kind::Snapshot, format!("{path}: {error}; it tells whose a snapshot is"))
            })?;
            Ok(spelt(text.trim()))
        };
        let pid = std::process::id();
        let start = started(pid).ok().flatten().ok_or_else(|| {
            Error::new(Kind::Snapshot, "/proc/self/stat can't be read; it tells whose a snapshot is")
        })?;
        let host = spelt(&host_name());
        let boot = read("/proc/sys/kernel/random/boot_id")?;
        Ok(Self { host, machine: machine(), boot, namespace: namespace()?, pid, start })
    }

    /// As tags.
    pub(super) fn tags(&self) -> [String; 7] {
        [
            TAG.to_owned(),
            format!("{TAG}.host={}", self.host),
            format!("{TAG}.machine={}", self.machine),
            format!("{TAG}.boot={}", self.boot),
            format!("{TAG}.pidns={}", self.namespace),
            format!("{TAG}.pid={}", self.pid),
            format!("{TAG}.start={}", self.start),
        ]
    }

    /// Reads a volume's tags; `None` where one of them is missing, or says nothing.
    pub(super) fn read(tags: &[String]) -> Option<Self> {
        let value = |key: &str| {
            tags.iter().find_map(|tag| {
                tag.strip_prefix(TAG)?.strip_prefix('.')?.strip_prefix(key)?.strip_prefix('=')
            })
        };
        Some(Self {
            host: value("host").filter(|host| !host.is_empty())?.to_owned(),
            machine: value("machine").filter(|machine| !machine.is_empty())?.to_owned(),
            boot: value("boot").filter(|boot| !boot.is_empty())?.to_owned(),
            namespace: value("pidns")?.parse().ok()?,
            pid: value("pid")?.parse().ok()?,
            start: value("start")?.parse().ok()?,
        })
    }

    /// Who that is, as seen from the process whose mark is `here`.
    pub(super) fn owner(&self, here: &Self) -> Owner {
        let is_alive = || match started(self.pid) {
            Ok(Some(start)) => start == self.start,
            Ok(None) => false,
            // It is there, and hidden: proc(5), "hidepid".
            Err(_) => true,
        };
        let is_this_host = self.host == here.host && self.machine == here.machine;
        let is_visible = self.boot == here.boot && self.namespace == here.namespace;
        let is_before_boot = self.boot != here.boot && self.machine != NO_MACHINE && !is_shared(&self.host);
        match (is_this_host, is_visible) {
            (true, true) if is_alive() => Owner::Alive { pid: self.pid },
            (true, true) => Owner::Dead,
            (true, false) if is_before_boot => Owner::Dead,
            _ => Owner::Elsewhere { host: self.host.clone() },
        }
    }
}

/// A digest of this machine's id: that is the same from one boot to the next, and no other machine's.
fn machine() -> String {
    let id = fs::read_to_string("/etc/machine-id").unwrap_or_default();
    let id = id.trim();
    // What it is in an image that was never booted.
    if id.is_empty() || id == "uninitialized" {
        return NO_MACHINE.to_owned();
    }
    let mut hasher = Algorithm::Sha256.hasher();
    hasher.update(format!("{TAG} {id}").as_bytes());
    hasher.finish().to_string().chars().take(MACHINE_CHARACTERS).collect()
}

/// Number of the namespace that this process has its number in.
fn namespace() -> Result<u64> {
    let path = "/proc/self/ns/pid";
    fs::metadata(path)
        .map(|metadata| metadata.ino())
        .map_err(|error| Error::new(Kind::Snapshot, format!("{path}: {error}; it tells whose a snapshot is")))
}

/// Whether many hosts have that name.
fn is_shared(host: &str) -> bool {
    matches!(host, "localhost" | "localhost.localdomain" | "_none_")
}

/// Text in the characters that a tag may have.
fn spelt(text: &str) -> String {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '+' | '.' | '-');
    text.chars().take(128).map(|c| if is_allowed(c) { c } else { '_' }).collect()
}

/// When a process started, in clock ticks since the boot; `None` when there is none of that number.
fn started(pid: u32) -> io::Result<Option<u64>> {
    let stat = match fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => stat,
        Err(error) => {
            let process = i32::try_from(pid).ok().and_then(Pid::from_raw);
            return match process.map(test_kill_process) {
                Some(Ok(()) | Err(Errno::PERM)) => Err(error),
                _ => Ok(None),
            };
        }
    };
    // The name, in parentheses, may have spaces and parentheses in it; the third field comes after it, the 22nd is wanted.
    let start = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(19)?.parse().ok());
    start.map(Some).ok_or_else(|| io::Error::other("no start time in it"))
}

/// The time in a snapshot's name, now.
pub(super) fn time() -> String {
    Timestamp::now().strftime(TIME).to_string()
}

/// When a snapshot was taken, in seconds since 1970, as far as its name tells.
pub(super) fn taken(volume: &str) -> Option<i64> {
    let (_, time) = volume.rsplit_once(INFIX)?;
    // A second one of the same second has a number behind it.
    let time = time.split_once('-').map_or(time, |(time, _)| time);
    let time = DateTime::strptime(TIME, time).ok()?;
    Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark() -> Mark {
        Mark::of_this_process().unwrap()
    }

    #[test]
    fn a_mark_that_is_written_is_read_again() {
        let tags = mark().tags();
        assert_eq!(Mark::read(&tags), Some(mark()));
        for missing in 1..tags.len() {
            let mut tags = tags.to_vec();
            tags.remove(missing);
            assert_eq!(Mark::read(&tags), None, "{missing}");
        }
    }

    #[test]
    fn tags_have_only_characters_that_lvm_allows() {
        let odd = Mark { host: spelt("a b,c@\u{e4}\n"), ..mark() };
        assert_eq!(odd.host, "a_b_c___");
        assert_eq!(Mark::read(&odd.tags()), Some(odd));
    }

    #[test]
    fn the_owner_is_told_by_host_boot_process_and_its_start() {
        let here = Mark { host: "here".to_owned(), machine: "a1".to_owned(), ..mark() };
        let elsewhere = Owner::Elsewhere { host: "there".to_owned() };
        let same_name = Owner::Elsewhere { host: "here".to_owned() };
        let nameless = Mark { machine: NO_MACHINE.to_owned(), ..here.clone() };
        let unknowable = Owner::Elsewhere { host: "localhost".to_owned() };
        let boot = "8c7c3fdd-9f4a-4d94-a1c1-57a0b8cf1f43".to_owned();
        let local = Mark { host: "localhost".to_owned(), ..here.clone() };
        let cases = [
            ("this process", here.clone(), &here, Owner::Alive { pid: std::process::id() }),
            ("another that had the number", Mark { start: 0, ..here.clone() }, &here, Owner::Dead),
            ("a number that none has", Mark { pid: 0x7fff_fff0, ..here.clone() }, &here, Owner::Dead),
            ("no number of a process", Mark { pid: u32::MAX, ..here.clone() }, &here, Owner::Dead),
            ("before this boot", Mark { boot: boot.clone(), ..here.clone() }, &here, Owner::Dead),
            (
                "another of its name",
                Mark { machine: "b2".to_owned(), ..here.clone() },
                &here,
                same_name.clone(),
            ),
            (
                "a container's process",
                Mark { namespace: 1, pid: u32::MAX, ..here.clone() },
                &here,
                same_name.clone(),
            ),
            (
                "a container's process, before this boot",
                Mark { namespace: 1, boot: boot.clone(), ..here.clone() },
                &here,
                Owner::Dead,
            ),
            ("machines without an id", Mark { boot: boot.clone(), ..nameless.clone() }, &nameless, same_name),
            ("another host", Mark { host: "there".to_owned(), ..here.clone() }, &here, elsewhere.clone()),
            (
                "another host's process",
                Mark { host: "there".to_owned(), boot: boot.clone(), ..here.clone() },
                &here,
                elsewhere,
            ),
            ("a host without a name", Mark { boot, ..local.clone() }, &local, unknowable),
        ];
        for (what, mark, here, owner) in cases {
            assert_eq!(mark.owner(here), owner, "{what}");
        }
    }

    #[test]
    fn a_process_that_ended_is_dead() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let start = started(child.id()).unwrap().expect("it runs");
        let theirs = Mark { pid: child.id(), start, ..mark() };
        assert_eq!(theirs.owner(&mark()), Owner::Alive { pid: child.id() });
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(theirs.owner(&mark()), Owner::Dead);
    }

    #[test]
    fn the_name_tells_when_a_snapshot_was_taken() {
        assert_eq!(taken("volume-1-voltar-20250102T030405Z"), Some(1_735_787_045));
        assert_eq!(taken("a-voltar-b-voltar-20250102T030405Z-2"), Some(1_735_787_045));
        for other in
            ["volume-1", "volume-1-voltar-", "volume-1-voltar-20251302T030405Z", "x-voltar-20250102T030405"]
        {
            assert_eq!(taken(other), None, "{other}");
        }
        assert!(taken(&format!("v{INFIX}{}", time())).is_some());
    }
}
