//! The command line: from arguments to requests, and from what happens to words, bars and JSON.

mod archive;
mod args;
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
mod places;
mod prune;
mod restore;
mod run;
mod shown;
mod signals;
mod stat;
mod systemd;
mod table;
mod tree;
mod verify;
mod words;
mod worker;

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser as _;

use self::args::{Arguments, Command};
use crate::error::{Error, Kind};

/// Something was published, but not all of the source could be read.
const INCOMPLETE: u8 = 3;
const FAILED: u8 = 1;
const USAGE: u8 = 2;

/// Runs the program on the process's arguments.
#[must_use]
pub fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Archive(arguments) => archive::run(&arguments),
        Command::Backup(arguments) => backup::run(&arguments),
        Command::Run(arguments) => run::run(&arguments),
        Command::Clean(arguments) => clean::run(&arguments),
        Command::Worker { role: _ } => worker::run(),
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
    match outcome {
        Ok(code) => code,
        Err(error) => {
            // Where not even this can be written, the exit code says it.
            let _ = writeln!(io::stderr(), "voltar: error: {error}");
            ExitCode::from(code(&error))
        }
    }
}

fn code(error: &Error) -> u8 {
    if error.kind() == Kind::Usage { USAGE } else { FAILED }
}

/// Writes to stdout. A reader that is gone is an error like any other, not a panic.
fn print(text: &str) -> Result<(), Error> {
    let mut stdout = io::stdout().lock();
    stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
        .map_err(|source| Error::new(Kind::Write, source))
}
