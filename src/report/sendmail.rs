//! Handing a mail to this host's own mail system, by the program `sendmail` that every one of them has.

use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::error::{Error, Kind, Result};
use crate::report::words::shown;
use crate::temporary::scratch;

/// How often one looks whether the program has ended.
const PAUSE: Duration = Duration::from_millis(20);

/// What is kept of the program's own words, in bytes.
const SAID_BYTES: u64 = 2000;

/// Runs `program -i -f FROM -- TO…` with the message on its standard input, and ends it after `limit`.
///
/// # Errors
///
/// [`Kind::Write`] when the program can't be run, doesn't end in time, or says that it failed.
pub(super) fn hand_over(
    program: &Path,
    from: Option<&str>,
    to: &[String],
    message: &[u8],
    limit: Duration,
) -> Result<()> {
    let failed = |reason: String| Error::new(Kind::Write, format!("mail: {reason}")).on(program);
    // A file holds all of it, so that a program that reads nothing can't make this one wait.
    let input = input(message).map_err(|source| failed(format!("a temporary file: {source}")))?;
    let mut said = scratch().map_err(|source| failed(format!("a temporary file: {source}")))?;
    let both = [said.try_clone(), said.try_clone()];
    let [Ok(out), Ok(err)] = both else { return Err(failed("no more files can be opened".to_owned())) };
    let mut command = Command::new(program);
    command.arg("-i");
    if let Some(from) = from {
        command.args(["-f", from]);
    }
    command.arg("--").args(to).stdin(input).stdout(out).stderr(err);
    let status = wait(&mut command, limit).map_err(|source| {
        failed(format!("the program can't be run: {source}; `program` is the path of this host's sendmail"))
    })?;
    match status {
        Some(status) if status.success() => Ok(()),
        Some(status) => Err(failed(format!("{status}{}", words(&mut said)))),
        None => Err(failed(format!(
            "ended, since it took more than {} seconds{}",
            limit.as_secs(),
            words(&mut said)
        ))),
    }
}

/// Runs the command; `None` when it had to be ended.
fn wait(command: &mut Command, limit: Duration) -> std::io::Result<Option<ExitStatus>> {
    let mut child = command.spawn()?;
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if begun.elapsed() >= limit {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        sleep(PAUSE);
    }
}

/// The message with the line ends that programs of this host expect.
fn input(message: &[u8]) -> std::io::Result<File> {
    let mut file = scratch()?;
    for line in message.split_inclusive(|byte| *byte == b'\n') {
        match line.strip_suffix(b"\r\n") {
            Some(text) => {
                file.write_all(text)?;
                file.write_all(b"\n")?;
            }
            None => file.write_all(line)?,
        }
    }
    file.rewind()?;
    Ok(file)
}

/// What the program said, on one line.
fn words(said: &mut File) -> String {
    let mut bytes = Vec::new();
    if said.rewind().and_then(|()| said.take(SAID_BYTES).read_to_end(&mut bytes)).is_err() {
        return String::new();
    }
    match String::from_utf8_lossy(&bytes).trim() {
        "" => String::new(),
        text => format!(": {}", shown(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_does_not_end_is_ended() {
        let begun = Instant::now();
        let status = wait(Command::new("sleep").arg("60"), Duration::from_millis(100)).expect("sleep runs");
        assert_eq!(status, None);
        assert!(begun.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn a_message_gets_the_line_ends_of_this_host() {
        let mut text = String::new();
        input(b"a\r\nb\n\rc\r\n").and_then(|mut file| file.read_to_string(&mut text)).expect("a file");
        assert_eq!(text, "a\nb\n\rc\n");
    }
}
