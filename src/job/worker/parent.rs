//! The worker as the process sees it that started it.

use std::io::{self, BufRead as _, BufReader, Read, Write as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::protocol::{Made, Message, PUBLISH, Task, Told};
use super::{Archiver, Guard};
use crate::archive::{Observer, remove_left_overs};
use crate::error::{Error, Issue, Kind, Result};
use crate::hex;
use crate::job::tail::Tail;
use crate::printable::{Printable, harmless};

/// Longest line that is taken from a worker: its longest path, escaped.
const LINE_BYTES: u64 = 8 << 20;
/// Issues that are kept word by word; all are in the manifest.
const ISSUES_KEPT: usize = 20;
/// How often signals are asked for.
const BEAT: Duration = Duration::from_millis(100);
/// How often the guard is asked.
const LOOK_EVERY: Duration = Duration::from_secs(3);
/// How long a worker may take to discard what it wrote; it stops at the next frame.
const PATIENCE: Duration = Duration::from_secs(20);

/// Starts a worker for each task: a process group of its own, so that Ctrl-C does not reach it.
#[derive(Clone, Debug)]
pub struct Worker {
    program: PathBuf,
    arguments: Vec<String>,
    look_every: Duration,
    patience: Duration,
}

impl Worker {
    /// This program itself, with these arguments.
    ///
    /// It is the program that runs, even where the file of that name has been replaced since.
    #[must_use]
    pub fn this_program(arguments: &[&str]) -> Self {
        Self::new(Path::new("/proc/self/exe"), arguments)
    }

    fn new(program: &Path, arguments: &[&str]) -> Self {
        Self {
            program: program.to_path_buf(),
            arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
            look_every: LOOK_EVERY,
            patience: PATIENCE,
        }
    }

    fn start(&self, task: &Task) -> Result<Session> {
        let line = serde_json::to_string(task).map_err(|error| {
            Error::new(Kind::Usage, format!("a name that is not UTF-8 can't be worked on: {error}"))
        })?;
        let failed = |source: io::Error| {
            Error::new(Kind::System, format!("the process that reads the disk can't be started: {source}"))
        };
        let mut child = Command::new(&self.program)
            .arg0("voltar")
            .args(&self.arguments)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let mut tail = Tail::default();
        if let Some(stderr) = child.stderr.take() {
            tail.listen(stderr).map_err(failed)?;
        }
        let (sender, messages) = bounded(64);
        if let Some(stdout) = child.stdout.take() {
            let read = move || messages_of(stdout, &sender);
            thread::Builder::new().name("worker".to_owned()).spawn(read).map_err(failed)?;
        }
        let stdin = child.stdin.take();
        let mut session = Session {
            child,
            stdin,
            messages,
            tail,
            patience: self.patience,
            archive: task.archive.clone(),
            may_publish: false,
        };
        match session.tell(&line) {
            Ok(()) => Ok(session),
            Err(_) => {
                let error = session.died();
                session.end();
                Err(error)
            }
        }
    }
}

impl Archiver for Worker {
    fn archive(&self, task: &Task, observer: &dyn Observer, guard: &dyn Guard) -> Result<Made> {
        let mut session = self.start(task)?;
        let outcome = session.attend(observer, guard, self.look_every);
        session.end();
        if outcome.is_err() {
            // One that was killed could not do it.
            remove_left_overs(task.archive.parent().unwrap_or(Path::new(".")));
        }
        outcome
    }
}

/// A worker that runs.
struct Session {
    child: Child,
    /// Its lifeline.
    stdin: Option<ChildStdin>,
    messages: Receiver<Result<Message>>,
    /// The last it said besides, in which a panic would be.
    tail: Tail,
    patience: Duration,
    /// The archive's path.
    archive: PathBuf,
    /// Whether it was told to publish.
    may_publish: bool,
}

impl Session {
    fn tell(&mut self, line: &str) -> io::Result<()> {
        let stdin = self.stdin.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        stdin.write_all(format!("{line}\n").as_bytes())
    }

    /// Passes on what the worker says until it has published, or until nothing is to be published any more.
    fn attend(&mut self, observer: &dyn Observer, guard: &dyn Guard, look_every: Duration) -> Result<Made> {
        let mut looked = Instant::now();
        let mut issues = Vec::new();
        let mut made: Option<Made> = None;
        loop {
            // Once it publishes there is no way back.
            if made.is_none() {
                if observer.stop_requested() {
                    return Err(stopped());
                }
                if looked.elapsed() >= look_every {
                    guard.look()?;
                    looked = Instant::now();
                }
            }
            let message = match self.messages.recv_timeout(BEAT) {
                Ok(message) => message?,
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => return Err(self.died()),
            };
            match message {
                Message::Total { bytes } => observer.begin(bytes),
                Message::Progress { done_bytes, written_bytes } => {
                    observer.progress(done_bytes, written_bytes)
                }
                Message::Note { text } => observer.note(&harmless(&text)),
                Message::Issue { path_hex, error } => {
                    let issue = issue(path_hex.as_deref(), error);
                    observer.issue(&issue);
                    if issues.len() < ISSUES_KEPT {
                        issues.push(issue.to_string());
                    }
                }
                Message::Ready(ready) if made.is_none() => {
                    if observer.stop_requested() {
                        return Err(stopped());
                    }
                    guard.vouch()?;
                    made = Some(ready);
                    self.may_publish = true;
                    if self.tell(PUBLISH).is_err() {
                        return Err(self.died());
                    }
                }
                Message::Published => {
                    let made = made.ok_or_else(|| babble("it published, and was not asked to"))?;
                    return Ok(Made { issues, ..made });
                }
                Message::Ready(_) => return Err(babble("it is ready twice")),
                Message::Error(told) => return Err(told.into()),
            }
        }
    }

    /// The error for a worker that is gone without having said why.
    fn died(&mut self) -> Error {
        let status = self.wait();
        // What the kernel sends where memory runs out; all else is a fault of the worker.
        let is_killed = status.is_some_and(|status| status.signal() == Some(9));
        let kind = if is_killed { Kind::System } else { Kind::Internal };
        let how = status.map_or_else(|| "closed its output".to_owned(), describe);
        let said = self.tail.said(Duration::from_secs(1));
        let left = match self.may_publish {
            false => "nothing was published".to_owned(),
            true => {
                let path = Printable::path(&self.archive);
                format!("the archive may be there under its name: voltar verify {path}")
            }
        };
        let message = format!("the process that reads the disk {how} before it was done; {left}{said}");
        Error::new(kind, message)
    }

    /// Ends the worker, if it has not yet ended: it discards what it has not published. One that does not is killed.
    fn end(&mut self) {
        drop(self.stdin.take());
        if self.wait().is_none() {
            // What can't be killed has ended.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }

    /// Waits for its end, with patience. Until then what it says is taken from it, so that it does not wait for us.
    fn wait(&mut self) -> Option<ExitStatus> {
        let began = Instant::now();
        loop {
            while self.messages.try_recv().is_ok() {}
            match self.child.try_wait() {
                Ok(None) if began.elapsed() < self.patience => thread::sleep(Duration::from_millis(10)),
                Ok(status) => return status,
                Err(_) => return None,
            }
        }
    }
}

/// Reads messages up to the end of the output, or the first that is none.
fn messages_of(output: impl Read, messages: &Sender<Result<Message>>) {
    let mut output = BufReader::new(output);
    let mut line = Vec::new();
    loop {
        line.clear();
        let message = match output.by_ref().take(LINE_BYTES).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => serde_json::from_slice(&line).map_err(|error| babble(&error.to_string())),
        };
        let is_last = message.is_err();
        if messages.send(message).is_err() || is_last {
            return;
        }
    }
}

fn issue(path_hex: Option<&str>, error: Told) -> Issue {
    Issue { path: path_hex.and_then(hex::decode), error: error.into() }
}

fn stopped() -> Error {
    Error::new(Kind::Interrupted, "stopped by a signal; nothing was published")
}

fn babble(what: &str) -> Error {
    let message =
        format!("the process that reads the disk says what can't be understood: {}", harmless(what));
    Error::internal(message)
}

fn describe(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(9), _) => {
            "was ended by signal 9 (out of memory? see dmesg; fewer --threads need less)".to_owned()
        }
        (Some(signal), _) => format!("was ended by signal {signal}"),
        (None, Some(code)) => format!("ended with exit code {code}"),
        (None, None) => "ended".to_owned(),
    }
}

#[cfg(test)]
#[path = "parent/tests.rs"]
mod tests;
