//! `voltar run`: all volumes of the configuration.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueHint};
use serde_json::{Value, json};

use super::args::SayingArguments;
use super::console::{Console, Show};
use super::speech::document;
use super::{FAILED, INCOMPLETE, print, signals};
use crate::error::{Error, Kind, Result};
use crate::job::Witness as _;
use crate::job::run::{Preview, WouldVerify, preview, run as run_plan};
use crate::report::outcome::{Outcome, Verdict};
use crate::snapshot::Lvm;
use crate::store::archives::Removed;
use crate::units::Bytes;
use crate::worker::{Program, Worker};
use crate::{config, report};

const EXAMPLES: &str = "\
Examples:
  voltar config example > /etc/voltar/voltar.toml   a configuration to begin with
  voltar run --dry-run                              what a run would do
  voltar run                                        the run, with its report at the end
  voltar run --config node7.toml --quiet            nothing but what went wrong

Exit codes:
  0  all volumes are complete
  1  a volume failed, an archive is damaged, or something else failed, as the report says
  2  the arguments or the configuration make no sense
  3  all volumes have an archive, but some are incomplete";

/// Back up all volumes of the configuration, and keep what its rules keep
///
/// One volume after the other has its turn, as in voltar backup. One that fails does not stop the others. Old archives are
/// removed as the configuration says, of volumes whose backup succeeded; of those that failed everything is kept. The report goes to
/// stdout, and wherever the configuration says. SIGTERM ends the run in order: what was begun is put away, what was not
/// is told as failed.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct RunArguments {
    /// The configuration
    #[arg(long, value_name = "FILE", default_value = config::DEFAULT_PATH, value_hint = ValueHint::FilePath)]
    pub config: PathBuf,

    /// Say what would be done, and do none of it
    #[arg(short = 'n', long)]
    pub dry_run: bool,

    #[command(flatten)]
    pub saying: SayingArguments,
}

/// Runs `voltar run`.
pub(super) fn run(arguments: &RunArguments) -> Result<ExitCode> {
    let config::Loaded { plan, warnings } = config::read(&arguments.config)?;
    super::config::warn(&warnings);
    let lvm = Lvm::new(&plan.lvm_command)?;
    let show = arguments.saying.show(false);
    let worker = Worker::new(Program::this(&["worker"]));
    if arguments.dry_run {
        let preview = preview(&plan, &lvm, &worker);
        match show {
            Show::Json { .. } => document("preview", preview_as_json(&preview))?,
            _ => print(&preview_as_text(&preview))?,
        }
        let fails = !preview.errors.is_empty() || preview.volumes.iter().any(|volume| volume.what.is_err());
        return Ok(if fails { ExitCode::from(FAILED) } else { ExitCode::SUCCESS });
    }
    let stop = signals::stop_flag().map_err(|source| Error::new(Kind::System, source))?;
    let console = Console::new(show, stop);
    let outcome = run_plan(&plan, &lvm, &worker, &console);
    console.end();
    let untold = report::publish(&outcome, &plan.report);
    for error in &untold {
        console.fault(&format!("the report did not get where it should: {error}"));
    }
    match show {
        Show::Json { .. } => console.json("summary", report::json(&outcome)),
        // Whether somebody reads it changes nothing.
        Show::Words { .. } => drop(print(&report::text(&outcome))),
        Show::Quiet => {}
    }
    Ok(if untold.is_empty() { code(&outcome) } else { ExitCode::from(FAILED) })
}

/// The exit code for what came of a run.
pub(super) fn code(outcome: &Outcome) -> ExitCode {
    match outcome.verdict() {
        Verdict::Complete => ExitCode::SUCCESS,
        Verdict::Incomplete => ExitCode::from(INCOMPLETE),
        Verdict::Failed => ExitCode::from(FAILED),
    }
}

fn preview_as_text(preview: &Preview) -> String {
    let mut text = String::new();
    // Writing to a String does not fail.
    for name in &preview.cleaned {
        let _ = writeln!(text, "would remove the snapshot {name}, which an earlier run left behind\n");
    }
    for volume in &preview.volumes {
        let _ = match &volume.what {
            Ok(what) if what.starts_with(&volume.name) => writeln!(text, "{what}"),
            Ok(what) => writeln!(text, "{}: {what}", volume.name),
            Err(error) => writeln!(text, "{}: WOULD FAIL: {error}", volume.name),
        };
        for note in &volume.notes {
            let _ = writeln!(text, "  {note}");
        }
        let _ = writeln!(text, "  into {}/, kept: {}", volume.folder, volume.retention);
        for Removed { key, len_bytes } in &volume.removed {
            let _ = writeln!(text, "  would remove {} ({})", preview.destination.of(key), Bytes(*len_bytes));
        }
    }
    if let Some(WouldVerify { newest, sample }) = &preview.verified {
        if *newest {
            let _ = writeln!(text, "\nwould verify the newest archive of each volume");
        }
        for key in sample {
            let _ = writeln!(text, "would verify {}, as part of today's sample", preview.destination.of(key));
        }
    }
    for error in &preview.errors {
        let _ = writeln!(text, "ERROR: {error}");
    }
    let count = preview.volumes.len();
    let _ = writeln!(text, "\n{count} volume{}; nothing was done", if count == 1 { "" } else { "s" });
    text
}

fn preview_as_json(preview: &Preview) -> Value {
    let volumes = preview.volumes.iter().map(|volume| {
        let removed = volume.removed.iter().map(|removed| preview.destination.of(&removed.key).to_string());
        json!({
            "name": volume.name,
            "folder": volume.folder,
            "what": volume.what.as_ref().ok(),
            "error": volume.what.as_ref().err(),
            "notes": volume.notes,
            "retention": volume.retention,
            "would_remove": removed.collect::<Vec<_>>(),
        })
    });
    json!({
        "would_clean": preview.cleaned,
        "volumes": volumes.collect::<Vec<_>>(),
        "would_verify": preview.verified.as_ref().map(|would| {
            let sample = would.sample.iter().map(|key| preview.destination.of(key).to_string());
            json!({ "newest": would.newest, "sample": sample.collect::<Vec<_>>() })
        }),
        "errors": preview.errors,
    })
}
