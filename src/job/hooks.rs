//! Hooks: programs of the administrator's that make a guest hold still for the moment of a snapshot.
//!
//! They are run as they are, without a shell, in process groups of their own, and never longer than they may.

use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use std::{io, thread};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use crate::config::plan::Hooks;
use crate::error::{Error, Kind, Result};
use crate::printable::{Printable, harmless};
use crate::snapshot::priority::with_usual;
use crate::snapshot::{Volume, VolumeName};
use crate::units::seconds;
use crate::worker::ChildOutput;

/// How long a hook whose time is up may take to put things in order, before it is killed.
const GRACE: Duration = Duration::from_secs(5);
/// How often its end is asked for.
const BEAT: Duration = Duration::from_millis(10);
/// How long is waited for the rest of its output when it is over, since it may have started something that goes on.
const PATIENCE: Duration = Duration::from_millis(200);

/// What came of something that was done between freeze and thaw.
pub(super) struct Quiesced<T> {
    /// What was done, or why not.
    pub result: Result<T>,
    /// How long it took from before the freeze to after the thaw.
    pub elapsed: Duration,
    /// Why the thaw failed.
    pub thaw_error: Option<Error>,
}

/// Runs `freeze`, does `what`, and runs `thaw`, whatever happened in between: also where the freeze failed, because one that took too long
/// may have frozen something all the same, or where `what` panicked, which goes on afterwards.
///
/// A freeze is given up when `stop` says so; a thaw never is.
pub(super) fn quiesced<T>(
    hooks: &Hooks,
    volume: &Volume,
    stop: &dyn Fn() -> bool,
    what: impl FnOnce() -> Result<T>,
) -> Quiesced<T> {
    let began = Instant::now();
    let never = || false;
    let run = |name: &str, command: &Option<Vec<String>>, stop: &dyn Fn() -> bool| match command {
        Some(command) => run(name, command, volume, hooks.time_limit, stop),
        None => Ok(()),
    };
    let result = catch_unwind(AssertUnwindSafe(|| run("freeze", &hooks.freeze, stop).and_then(|()| what())));
    let thaw_error = run("thaw", &hooks.thaw, &never).err().map(|error| {
        let command = hooks.thaw.as_deref().unwrap_or_default();
        error.because("", format_args!("; by hand: {}", by_hand(command, volume)))
    });
    let result = result.unwrap_or_else(|panic| resume_unwind(panic));
    Quiesced { result, elapsed: began.elapsed(), thaw_error }
}

/// Runs one hook to its end.
fn run(
    name: &str,
    command: &[String],
    volume: &Volume,
    time_limit: Duration,
    stop: &dyn Fn() -> bool,
) -> Result<()> {
    let shown = command.first().map_or("", String::as_str);
    let failed = |why: String| Error::new(Kind::Snapshot, format!("{name}: {shown} {why}"));
    let Some((program, arguments)) = command.split_first() else {
        return Err(failed("has no words".to_owned()));
    };
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env("VOLTAR_HOOK", name)
        .env("VOLTAR_GROUP", &volume.name.group)
        .env("VOLTAR_VOLUME", &volume.name.volume)
        .env("VOLTAR_DEVICE", &volume.device)
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    // A guest may be frozen until it is through.
    let mut child =
        with_usual(|| command.spawn()).map_err(|source| failed(format!("can't be started: {source}")))?;
    let mut tail = ChildOutput::default();
    let listening = listen(&mut tail, &mut child);
    let began = Instant::now();
    let reason = loop {
        if has_ended(&child) {
            break None;
        }
        if let Err(source) = &listening {
            break Some(format!("can't be listened to: {source}"));
        }
        if stop() {
            break Some("was stopped by a signal".to_owned());
        }
        if began.elapsed() >= time_limit {
            break Some(format!("took longer than {}, and was ended", seconds(time_limit)));
        }
        thread::sleep(BEAT);
    };
    if reason.is_some() {
        end_group(&child, GRACE);
    }
    let status = child.wait().map_err(|source| failed(format!("can't be waited for: {source}")))?;
    match reason.or_else(|| complaint(status)) {
        None => Ok(()),
        Some(why) => Err(failed(format!("{why}{}", tail.said(PATIENCE)))),
    }
}

/// A thaw as one would type it into a shell.
fn by_hand(command: &[String], volume: &Volume) -> String {
    let VolumeName { group, volume: name } = &volume.name;
    let is_plain = |word: &str| {
        let is_known = |c: char| c.is_ascii_alphanumeric() || "%+,-./:=@_".contains(c);
        !word.is_empty() && word.chars().all(is_known)
    };
    let mut text = format!(
        "VOLTAR_HOOK=thaw VOLTAR_GROUP={group} VOLTAR_VOLUME={name} VOLTAR_DEVICE={}",
        Printable::path(&volume.device)
    );
    for word in command {
        text.push(' ');
        match is_plain(word) {
            true => text.push_str(word),
            false => text.push_str(&format!("'{}'", harmless(word).replace('\'', "'\\''"))),
        }
    }
    text
}

fn listen(tail: &mut ChildOutput, child: &mut Child) -> io::Result<()> {
    child.stdout.take().map(|stdout| tail.listen(stdout)).transpose()?;
    child.stderr.take().map(|stderr| tail.listen(stderr)).transpose()?;
    Ok(())
}

/// Whether it has ended. It is not reaped: as long as it is not, its number, which is its group's, is nobody else's.
fn has_ended(child: &Child) -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    !matches!(waitid(WaitId::Pid(Pid::from_child(child)), options), Ok(None))
}

/// Ends a hook and all that it started: asks first, and then does not ask any more.
fn end_group(child: &Child, grace: Duration) {
    let group = Pid::from_child(child);
    // A group that is gone needs no signal.
    let _ = kill_process_group(group, Signal::TERM);
    let began = Instant::now();
    while !has_ended(child) && began.elapsed() < grace {
        thread::sleep(BEAT);
    }
    let _ = kill_process_group(group, Signal::KILL);
}

/// What is wrong with how it ended.
fn complaint(status: ExitStatus) -> Option<String> {
    match (status.signal(), status.code()) {
        (_, Some(0)) => None,
        (Some(signal), _) => Some(format!("was ended by signal {signal}")),
        (None, Some(code)) => Some(format!("failed with exit code {code}")),
        (None, None) => Some("failed".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::path::Path;

    use super::*;

    fn volume() -> Volume {
        Volume {
            name: VolumeName { group: "vg0".to_owned(), volume: "web".to_owned() },
            device: "/dev/vg0/web".into(),
            len_bytes: 1 << 30,
            pool: None,
            is_open: true,
            group_free_bytes: 1 << 30,
            extent_bytes: 4 << 20,
        }
    }

    fn shell(script: &str) -> Option<Vec<String>> {
        Some(["sh", "-c", script].map(str::to_owned).to_vec())
    }

    /// A script that adds a line to a log.
    fn logged(log: &Path, more: &str) -> Option<Vec<String>> {
        shell(&format!(
            "echo $VOLTAR_HOOK $VOLTAR_GROUP/$VOLTAR_VOLUME $VOLTAR_DEVICE >> '{}'; {more}",
            log.display()
        ))
    }

    fn never() -> bool {
        false
    }

    #[test]
    fn thaw_follows_whatever_happened_before() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let cases = [
            ("true", true, Ok("done")),
            ("true", false, Err("no space")),
            ("echo so sorry >&2; exit 7", true, Err("freeze: sh failed with exit code 7: so sorry")),
            ("kill -KILL $$", true, Err("freeze: sh was ended by signal 9")),
            ("sleep 60", true, Err("freeze: sh took longer than 0.3 s, and was ended")),
        ];
        for (freeze, succeeds, expected) in cases {
            std::fs::write(&log, "").unwrap();
            let hooks = Hooks {
                freeze: logged(&log, freeze),
                thaw: logged(&log, "true"),
                time_limit: Duration::from_millis(300),
            };
            let began = Instant::now();
            let outcome = quiesced(&hooks, &volume(), &never, || match succeeds {
                true => Ok("done"),
                false => Err(Error::new(Kind::Snapshot, "no space")),
            });
            assert_eq!(outcome.result.map_err(|error| error.to_string()), expected.map_err(str::to_owned));
            assert!(outcome.thaw_error.is_none());
            assert!(began.elapsed() < GRACE, "{freeze}");
            let expected = "freeze vg0/web /dev/vg0/web\nthaw vg0/web /dev/vg0/web\n";
            assert_eq!(std::fs::read_to_string(&log).unwrap(), expected, "{freeze}");
        }
    }

    #[test]
    fn a_thaw_that_fails_is_told_and_costs_nothing_else() {
        let hooks = Hooks { freeze: None, thaw: shell("exit 1 # '"), time_limit: Duration::from_secs(10) };
        let outcome = quiesced(&hooks, &volume(), &never, || Ok(1));
        assert_eq!(outcome.result.unwrap(), 1);
        assert_eq!(
            outcome.thaw_error.unwrap().to_string(),
            "thaw: sh failed with exit code 1; by hand: VOLTAR_HOOK=thaw VOLTAR_GROUP=vg0 VOLTAR_VOLUME=web \
             VOLTAR_DEVICE=/dev/vg0/web sh -c 'exit 1 # '\\'''"
        );
    }

    #[test]
    fn a_panic_waits_for_the_thaw() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let hooks = Hooks { freeze: None, thaw: logged(&log, "true"), time_limit: Duration::from_secs(10) };
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            quiesced(&hooks, &volume(), &never, || -> Result<()> { panic!("on purpose") })
        }));
        assert!(panicked.is_err());
        assert!(log.exists());
    }

    #[test]
    fn a_program_that_is_not_there_is_told() {
        let hooks = Hooks {
            freeze: Some(vec!["/nowhere/freeze".to_owned()]),
            thaw: None,
            time_limit: Duration::from_secs(10),
        };
        let error = quiesced(&hooks, &volume(), &never, || Ok(())).result.unwrap_err().to_string();
        assert!(error.starts_with("freeze: /nowhere/freeze can't be started: No such file"), "{error}");
    }

    #[test]
    fn a_signal_ends_the_freeze_but_not_the_thaw() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let hooks = Hooks {
            freeze: shell("sleep 60"),
            thaw: logged(&log, "sleep 0.2"),
            time_limit: Duration::from_secs(30),
        };
        let asked = Cell::new(0);
        let stop = || {
            asked.set(asked.get() + 1);
            asked.get() > 3
        };
        let outcome = quiesced(&hooks, &volume(), &stop, || Ok(()));
        assert!(outcome.result.unwrap_err().to_string().contains("stopped by a signal"));
        assert!(outcome.thaw_error.is_none());
        assert!(log.exists());
    }

    #[test]
    fn all_that_a_hook_started_ends_with_it_when_its_time_is_up() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        // Both are deaf to SIGTERM.
        let script = format!("trap '' TERM; (sleep 1; echo late > '{}') & sleep 60", log.display());
        let mut child = Command::new("sh").args(["-c", &script]).process_group(0).spawn().unwrap();
        thread::sleep(Duration::from_millis(200));
        end_group(&child, Duration::from_millis(100));
        assert_eq!(child.wait().unwrap().signal(), Some(9));
        thread::sleep(Duration::from_millis(1500));
        assert!(!log.exists(), "something of the group still runs");
    }

    #[test]
    fn what_a_hook_leaves_running_on_purpose_is_not_waited_for() {
        let hooks = Hooks {
            freeze: shell("sleep 20 & echo locked"),
            thaw: None,
            time_limit: Duration::from_secs(10),
        };
        let began = Instant::now();
        assert!(quiesced(&hooks, &volume(), &never, || Ok(())).result.is_ok());
        assert!(began.elapsed() < Duration::from_secs(5));
    }
}
