//! Completions and manual pages, made from the arguments.

use std::path::Path;
use std::process::ExitCode;

use clap::CommandFactory as _;

use super::args::Arguments;
use super::print;
use crate::error::{Error, Kind, Result};

/// Prints the completions for a shell.
pub(super) fn completions(shell: clap_complete::Shell) -> Result<ExitCode> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "voltar", &mut text);
    print(&String::from_utf8_lossy(&text))?;
    Ok(ExitCode::SUCCESS)
}

/// Prints the manual page of the program, or writes those of all commands into a folder.
pub(super) fn man(folder: Option<&Path>) -> Result<ExitCode> {
    let refused = |source| Error::new(Kind::Write, source);
    match folder {
        Some(folder) => {
            clap_mangen::generate_to(Arguments::command(), folder)
                .map_err(|source| refused(source).on(folder))?;
        }
        None => {
            let mut text = Vec::new();
            clap_mangen::Man::new(Arguments::command()).render(&mut text).map_err(refused)?;
            print(&String::from_utf8_lossy(&text))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
