//! Completions and manual pages, made from the arguments.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;
use std::process::{ExitCode, Stdio};

use clap::Command;

use super::args::command;
use super::print;
use crate::error::{Error, Kind, Result};
use crate::temporary::replace;

/// Everybody may read a page.
const PAGE_MODE: u32 = 0o644;

/// Prints the completions for a shell.
pub(super) fn completions(shell: clap_complete::Shell) -> Result<ExitCode> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut command(), "voltar", &mut text);
    print(&String::from_utf8_lossy(&text))?;
    Ok(ExitCode::SUCCESS)
}

/// Prints the manual page of the program, or writes those of all commands into a folder.
pub(super) fn man(folder: Option<&Path>) -> Result<ExitCode> {
    let refused = |source| Error::new(Kind::Write, source);
    match folder {
        Some(folder) => {
            let mut all = command().disable_help_subcommand(true);
            all.build();
            pages(&all, folder)?;
        }
        None => {
            let mut text = Vec::new();
            clap_mangen::Man::new(command()).render(&mut text).map_err(refused)?;
            match io::stdout().is_terminal() {
                true => show(&text)?,
                false => print(&String::from_utf8_lossy(&text))?,
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes the page of a command, and of those below it.
fn pages(command: &Command, folder: &Path) -> Result<()> {
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        pages(below, folder)?;
    }
    let page = clap_mangen::Man::new(command.clone());
    let path = folder.join(page.get_filename());
    let mut text = Vec::new();
    page.render(&mut text).map_err(|source| Error::new(Kind::Write, source).on(&path))?;
    replace(&path, &text, PAGE_MODE)
}

/// Shows a page to a person, as man(1) does.
fn show(page: &[u8]) -> Result<()> {
    let refused = |source: io::Error| {
        let message = format!(
            "man can't be run: {source}; \"voltar --help\" says the same, \"voltar man >voltar.1\" writes the page"
        );
        Error::new(Kind::System, message)
    };
    let mut viewer =
        std::process::Command::new("man").args(["-l", "-"]).stdin(Stdio::piped()).spawn().map_err(refused)?;
    if let Some(mut input) = viewer.stdin.take() {
        // A viewer that was left early reads no more.
        let _ = input.write_all(page);
    }
    viewer.wait().map(drop).map_err(refused)
}
