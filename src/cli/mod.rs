//! The command line: from arguments to requests, and from what happens to words, bars and JSON.

#[cfg(test)]
mod any_filesystem;
mod archive;
mod args;
mod attributes;
mod backup;
mod cat;
mod clean;
mod config;
mod console;
mod diff;
mod extract;
mod find;
mod formats;
mod generate;
mod history;
mod inspect;
mod keep;
mod list;
mod ls;
mod options;
mod places;
mod prune;
mod restore;
mod run;
mod shown;
mod signals;
mod speech;
mod stat;
mod systemd;
mod table;
mod tree;
mod verify;
mod words;
mod worker;

use std::ffi::{OsStr, OsString};
use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use clap::FromArgMatches as _;

use self::args::{Arguments, Command};
use self::speech::Channel;
use crate::error::{Error, Kind};

/// Something was published, but not all of the source could be read.
const INCOMPLETE: u8 = 3;
const FAILED: u8 = 1;
const USAGE: u8 = 2;

/// Runs the program on the process's arguments.
#[must_use]
pub fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().map(as_find_has_it).collect();
    // Not among the commands, which people are offered: other commands start it.
    if words.get(1).is_some_and(|word| word == "worker") {
        return worker::run().unwrap_or_else(|error| {
            speech::error(&error);
            ExitCode::from(FAILED)
        });
    }
    let is_json = speech::asks_for_json(words.iter().skip(1).map(OsString::as_os_str));
    let command = match args::command()
        .try_get_matches_from(&words)
        .and_then(|found| Arguments::from_arg_matches(&found))
    {
        Ok(arguments) => arguments.command,
        Err(error) => return refuse(&error, is_json),
    };
    // `diff` says with 1 that there is a difference, as diff(1) does.
    let trouble = if matches!(command, Command::Diff(_)) { USAGE } else { FAILED };
    if is_json {
        let has_archive = |output: &Option<_>| output.as_deref().is_some_and(|path| path == OsStr::new("-"));
        let channel = match &command {
            Command::Archive(arguments) if has_archive(&arguments.output) => Channel::Stderr,
            _ => Channel::Stdout,
        };
        speech::speak_json(channel);
    }
    let outcome = match command {
        Command::Archive(arguments) => archive::run(&arguments),
        Command::Backup(arguments) => backup::run(&arguments),
        Command::Run(arguments) => run::run(&arguments),
        Command::Clean(arguments) => clean::run(&arguments),
        Command::Inspect(arguments) => inspect::run(&arguments),
        Command::Config(command) => config::run(&command),
        Command::Systemd(arguments) => systemd::run(&arguments),
        Command::List(arguments) => list::run(&arguments),
        Command::Prune(arguments) => prune::run(&arguments),
        Command::Verify(arguments) => verify::run(&arguments),
        Command::Ls(arguments) => ls::run(&arguments),
        Command::Tree(arguments) => tree::run(&arguments),
        Command::Restore(arguments) => restore::run(&arguments),
        Command::Stat(arguments) => stat::run(&arguments),
        Command::Cat(arguments) => cat::run(&arguments),
        Command::Extract(arguments) => extract::run(&arguments),
        Command::Find(arguments) => find::run(&arguments),
        Command::Diff(arguments) => diff::run(&arguments),
        Command::History(arguments) => history::run(&arguments),
        Command::Completions { shell } => generate::completions(shell),
        Command::Man { folder } => generate::man(folder.as_deref()),
    };
    let code = match outcome {
        Ok(code) => code,
        Err(error) if is_broken_pipe(&error) => signals::end_by_broken_pipe(),
        Err(error) => {
            speech::error(&error);
            ExitCode::from(if error.kind() == Kind::Usage { USAGE } else { trouble })
        }
    };
    signals::end(code)
}

/// `-print0`, as find(1) spells it: with one dash clap would read single letters.
fn as_find_has_it(word: OsString) -> OsString {
    if word == "-print0" { OsString::from("--print0") } else { word }
}

/// Messages of clap's number parsers, and our replacements.
const RAW: [(&str, &str); 5] = [
    ("invalid digit found in string", "expected a whole number"),
    ("cannot parse integer from empty string", "expected a whole number"),
    ("number too large to fit in target type", "the number is too large"),
    ("number too small to fit in target type", "the number is too small"),
    ("number would be zero for non-zero type", "expected a number from 1"),
];

/// Tells what is wrong with the arguments, or the help that they ask for.
fn refuse(error: &clap::Error, is_json: bool) -> ExitCode {
    if !error.use_stderr() {
        // When it can't be written, nobody reads it.
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    let in_words = |text: String| RAW.iter().fold(text, |text, (raw, words)| text.replace(raw, words));
    if is_json {
        speech::speak_json(Channel::Stdout);
        let text = in_words(error.render().to_string());
        speech::error(&Error::new(Kind::Usage, text.trim().trim_start_matches("error: ").to_owned()));
    } else {
        let text = error.render();
        let text = if io::stderr().is_terminal() { text.ansi().to_string() } else { text.to_string() };
        // When the message can't be written, the exit code says it.
        let _ = write!(io::stderr(), "{}", in_words(text));
    }
    ExitCode::from(USAGE)
}

/// Whether the reader of stdout is gone: it had enough, and nobody needs to be told.
fn is_broken_pipe(error: &Error) -> bool {
    let is_of_stdout = error.kind() == Kind::Write && error.place().path.is_none();
    is_of_stdout && error.io().is_some_and(|source| source.kind() == io::ErrorKind::BrokenPipe)
}

/// Writes to stdout. A reader that is gone is an error like any other, not a panic.
fn print(text: &str) -> Result<(), Error> {
    let mut stdout = io::stdout().lock();
    stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
        .map_err(|source| Error::new(Kind::Write, source))
}
