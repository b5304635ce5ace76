//! A worker that runs: this program again, in a process group of its own, so that Ctrl-C does not
//! reach it.

use std::os::fd::BorrowedFd;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use std::{io, thread};

use crossbeam_channel::{Receiver, RecvTimeoutError, bounded};

use crate::error::{Error, Kind, Result};
use crate::printable::harmless;
use crate::worker::channel::{self, Channel};
use crate::worker::child_output::ChildOutput;
use crate::worker::protocol::{Message, Order};

/// How long a worker may take to end: it stops at the next frame.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// How a worker is started.
#[derive(Clone, Debug)]
pub struct Program {
    path: PathBuf,
    arguments: Vec<String>,
    pub(super) patience: Duration,
}

impl Program {
    /// This program itself, with these arguments.
    ///
    /// It is the program that runs, even where the file of that name has been replaced since.
    #[must_use]
    pub fn this(arguments: &[&str]) -> Self {
        Self::new(Path::new("/proc/self/exe"), arguments)
    }

    pub(super) fn new(path: &Path, arguments: &[&str]) -> Self {
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        Self { path: path.to_path_buf(), arguments, patience: PATIENCE }
    }

    /// Starts it, and leaves it alone: it ends when this process does. Its other output goes to
    /// stderr.
    pub(super) fn leave(&self, role: &str) -> Result<Channel> {
        let failed = |source: io::Error| {
            Error::new(Kind::System, format!("the process that names the archive can't be started: {source}"))
        };
        let (channel, stdin) = channel::pair().map_err(failed)?;
        let mut command = Command::new(&self.path);
        command.arg0("voltar").args(&self.arguments).arg(role).process_group(0);
        // Nobody waits for it: a process that has no rights can't, and has ended soon after it was
        // told.
        drop(command.stdin(stdin).stdout(Stdio::null()).spawn().map_err(failed)?);
        Ok(channel)
    }

    /// Starts it, and gives it an order.
    pub(super) fn start(&self, order: &Order, files: &[BorrowedFd<'_>]) -> Result<Process> {
        let failed = |source: io::Error| {
            Error::new(Kind::System, format!("the process that reads the disk can't be started: {source}"))
        };
        let (channel, stdin) = channel::pair().map_err(failed)?;
        let mut child = Command::new(&self.path)
            .arg0("voltar")
            .args(&self.arguments)
            .arg(order.role())
            .process_group(0)
            .stdin(stdin)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let mut tail = ChildOutput::default();
        if let Some(stderr) = child.stderr.take() {
            tail.listen(stderr).map_err(failed)?;
        }
        let messages = listen(channel.try_clone().map_err(failed)?).map_err(failed)?;
        let mut process = Process { child, channel: Some(channel), messages, tail, patience: self.patience };
        match process.tell(order, files) {
            Ok(()) => Ok(process),
            Err(_) => {
                let error = process.died();
                process.end();
                Err(error)
            }
        }
    }
}

/// Reads messages on a thread of its own, up to the end of the connection or the first that is
/// none.
fn listen(mut channel: Channel) -> io::Result<Receiver<Result<Message>>> {
    let (sender, messages) = bounded(64);
    let read = move || {
        loop {
            let message = match channel.hear() {
                Ok(Some(message)) => Ok(message),
                Ok(None) => return,
                // The connection is gone: how the worker ended says more.
                Err(error) if error.raw_os_error().is_some() => return,
                Err(error) => Err(babble(&error.to_string())),
            };
            let is_last = message.is_err();
            if sender.send(message).is_err() || is_last {
                return;
            }
        }
    };
    thread::Builder::new().name("worker".to_owned()).spawn(read)?;
    Ok(messages)
}

/// A worker that runs.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    /// Its lifeline.
    channel: Option<Channel>,
    messages: Receiver<Result<Message>>,
    /// The last of its other output, which would hold a panic.
    tail: ChildOutput,
    patience: Duration,
}

impl Process {
    /// Gives it an order, with these files.
    pub(super) fn tell(&mut self, order: &Order, files: &[BorrowedFd<'_>]) -> io::Result<()> {
        let channel = self.channel.as_ref().ok_or(io::ErrorKind::BrokenPipe)?;
        channel.tell(order, files)
    }

    /// Its next message; `None` when nothing comes within this time.
    pub(super) fn hear_within(&mut self, time: Duration) -> Result<Option<Message>> {
        match self.messages.recv_timeout(time) {
            Ok(message) => message.map(Some),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(self.died()),
        }
    }

    /// Its next message.
    pub(super) fn hear(&mut self) -> Result<Message> {
        match self.messages.recv() {
            Ok(message) => message,
            Err(_) => Err(self.died()),
        }
    }

    /// The error for a worker that is gone without having said why.
    pub(super) fn died(&mut self) -> Error {
        let status = self.wait();
        // The kernel sends SIGKILL when memory runs out. Any other end is a fault of the worker.
        let is_killed = status.is_some_and(|status| status.signal() == Some(9));
        let kind = if is_killed { Kind::System } else { Kind::Internal };
        let how = status.map_or_else(|| "closed its connection".to_owned(), describe);
        let said = self.tail.said(Duration::from_secs(1));
        let message =
            format!("the process that reads the disk {how} before it was done; nothing was published{said}");
        Error::new(kind, message)
    }

    /// Ends the worker, if it has not yet ended. One that does not is killed.
    pub(super) fn end(&mut self) {
        if let Some(channel) = self.channel.take() {
            channel.close();
        }
        if self.wait().is_none() {
            // A process that can't be killed has ended.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }

    /// Waits for its end, with patience. Until then what it says is taken from it, so that it does
    /// not wait for us.
    fn wait(&mut self) -> Option<ExitStatus> {
        let began = Instant::now();
        loop {
            while self.messages.try_recv().is_ok() {}
            match self.child.try_wait() {
                Ok(None) if began.elapsed() < self.patience => thread::sleep(Duration::from_millis(5)),
                Ok(status) => return status,
                Err(_) => return None,
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

pub(super) fn babble(what: &str) -> Error {
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
