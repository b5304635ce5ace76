//! `voltar clean`: snapshots that nobody needs any more.

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::backup::volume_name;
use super::speech::document;
use super::words::words;
use super::{FAILED, print};
use crate::error::Result;
use crate::job::clean::{Cleaned, Mode, clean};
use crate::snapshot::{Lvm, VolumeName};

const EXAMPLES: &str = "\
Examples:
  voltar clean --dry-run                       what is there, and what would go
  voltar clean                                 what killed runs left behind goes
  voltar clean vg0/web-voltar-20261122T031500Z this one goes, whoever took it

Exit codes:
  0  what was to go is gone
  1  something is still there, as it says
  2  the arguments make no sense";

/// Remove snapshots that killed runs left behind
///
/// voltar marks each snapshot that it takes with the process that took it. This removes those whose process is no more; each
/// backup does the same when it begins. A snapshot whose process still runs is never removed, nor is one without a mark. Where
/// nobody can tell (another host took it), it is removed when it is named.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct CleanArguments {
    /// Remove these, and no others
    #[arg(value_name = "GROUP/SNAPSHOT", value_parser = parse_name)]
    pub snapshots: Vec<VolumeName>,

    /// Say what would be removed, and remove nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,

    /// How LVM is run; words are parted as in a shell, but there is none
    #[arg(long, value_name = "CMD", default_value = "lvm")]
    pub lvm_command: String,

    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

fn parse_name(text: &str) -> Result<VolumeName, String> {
    volume_name(text).ok_or_else(|| "is no GROUP/SNAPSHOT".to_owned())
}

/// Runs `voltar clean`.
pub(super) fn run(arguments: &CleanArguments) -> Result<ExitCode> {
    let lvm = Lvm::new(&words("--lvm-command", &arguments.lvm_command)?)?;
    let mode = if arguments.dry_run { Mode::Show } else { Mode::Remove };
    let cleaned = clean(&lvm, &arguments.snapshots, mode)?;
    match arguments.json {
        true => document("clean", as_json(&cleaned, mode))?,
        false => print(&text(&cleaned, mode))?,
    }
    Ok(if cleaned.errors.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}

fn as_json(cleaned: &Cleaned, mode: Mode) -> Value {
    let removed: Vec<String> = cleaned.removed.iter().map(ToString::to_string).collect();
    let kept: Vec<Value> = cleaned
        .kept
        .iter()
        .map(|(name, reason)| json!({ "snapshot": name.to_string(), "reason": reason }))
        .collect();
    json!({ "dry_run": mode == Mode::Show, "removed": removed, "kept": kept, "errors": cleaned.errors })
}

fn text(cleaned: &Cleaned, mode: Mode) -> String {
    let did = if mode == Mode::Remove { "removed" } else { "would remove" };
    let mut text = String::new();
    // Writing to a String does not fail.
    for name in &cleaned.removed {
        let _ = writeln!(text, "{did} {name}");
    }
    for (name, reason) in &cleaned.kept {
        let _ = writeln!(text, "kept {name}: {reason}");
    }
    for error in &cleaned.errors {
        let _ = writeln!(text, "ERROR: {error}");
    }
    if text.is_empty() {
        text.push_str("nothing to remove\n");
    }
    text
}
