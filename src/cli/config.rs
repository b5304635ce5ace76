//! `voltar config`.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Subcommand, ValueHint};
use serde_json::json;

use super::{FAILED, print, speech};
use crate::config;
use crate::error::{Kind, Result};
use crate::printable::Printable;

const CHECK_CODES: &str = "\
Exit codes:
  0  it is right
  1  it has faults, all of which are told";

/// Check the configuration of voltar run, or print one to begin with
#[derive(Debug, Subcommand)]
#[command(disable_help_subcommand = true)]
pub(super) enum ConfigCommand {
    /// Say in words what a configuration comes to, or what is wrong with it
    #[command(after_help = CHECK_CODES)]
    Check {
        /// Configuration
        #[arg(default_value = config::DEFAULT_PATH, value_hint = ValueHint::FilePath)]
        file: PathBuf,

        /// One document of JSON (docs/json.md)
        #[arg(long)]
        json: bool,
    },
    /// Print a configuration with comments, to begin with
    Example,
}

/// Runs `voltar config`.
pub(super) fn run(command: &ConfigCommand) -> Result<ExitCode> {
    match command {
        ConfigCommand::Check { file, json } => check(file, *json),
        ConfigCommand::Example => {
            print(config::EXAMPLE)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn check(file: &Path, json: bool) -> Result<ExitCode> {
    match config::read(file) {
        Ok(loaded) if json => {
            let fields = json!({
                "file": Printable::path(file).to_string(),
                "summary": config::summary(&loaded.plan),
                "warnings": loaded.warnings,
            });
            speech::document("config", fields)?;
            Ok(ExitCode::SUCCESS)
        }
        Ok(loaded) => {
            warn(&loaded.warnings);
            print(&format!("{}\n{} is right.\n", config::summary(&loaded.plan), Printable::path(file)))?;
            Ok(ExitCode::SUCCESS)
        }
        Err(error) if error.kind() == Kind::Usage && file.exists() => {
            // The arguments were right: it is the file that is not.
            match json {
                true => speech::error(&error),
                false => drop(writeln!(io::stderr(), "{error}")),
            }
            Ok(ExitCode::from(FAILED))
        }
        Err(error) => Err(error),
    }
}

/// Says what is hardly meant.
pub(super) fn warn(warnings: &[String]) {
    for warning in warnings {
        speech::warning(warning);
    }
}
