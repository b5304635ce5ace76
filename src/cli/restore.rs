//! `voltar restore`.

use std::fmt::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueHint};
use serde_json::{Value, json};

use super::args::SayingArguments;
use super::console::{Console, Show, per_second};
use super::table::{columns, count};
use super::{INCOMPLETE, print, signals};
use crate::archive::Observer as _;
use crate::archive::{Algorithm, ArchiveFiles};
use crate::error::{Error, Kind, Result};
use crate::partition::Scheme;
use crate::printable::Printable;
use crate::restore::{Destination, Plan, Restored, Step, TargetFile, Work, format, spoil};
use crate::units::Bytes;
use crate::worker::{Program, Restorer};

const EXAMPLES: &str = "\
Examples:
  voltar restore web1.tar.zst --to web1.img             a new image, as long as the disk was
  voltar restore web1.tar.zst --to /dev/vg0/web1        onto a volume that holds nothing yet
  voltar restore web1.tar.zst --to /dev/sdb --dry-run   what would be written where
  truncate -s 40G web1.img; voltar restore web1.tar.zst --to web1.img --grow

Exit codes:
  0  the disk is there
  1  failed; the target holds no disk
  2  the arguments make no sense
  3  the disk is there, but something could not be as it was: the issues say what";

/// Bring back the disk that an archive was made of
///
/// Makes the partition table as it was, puts back boot code and what boot loaders keep between partitions, partitions that are in
/// the archive as they are, and headers of swap space, and makes each ext filesystem anew: with the same UUID, label, features and sizes,
/// and with all files and their metadata. Nothing is mounted. An archive of one partition, or of a device without a table, becomes that
/// filesystem.
///
/// The manifest is needed, beside the archive or in it. A target that is mounted, in use or holds
/// data is refused unless --force is given. mke2fs (e2fsprogs) must be there.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct RestoreArguments {
    /// Archive, with its manifest beside it or in it
    #[arg(value_hint = ValueHint::FilePath)]
    archive: PathBuf,

    /// Block device, or image file; one that is not there is made
    #[arg(long, value_name = "TARGET", value_hint = ValueHint::AnyPath)]
    to: PathBuf,

    /// Let the last partition, and its ext filesystem, grow to the end of a larger target
    #[arg(long)]
    grow: bool,

    /// Write over a target that holds data or is in use: all of it is lost
    #[arg(long)]
    force: bool,

    /// Bytes of the sectors in which whoever uses the disk counts [default: those of TARGET]
    #[arg(long, value_name = "BYTES", value_parser = super::options::sector_size)]
    sector_size: Option<u32>,

    /// Show what would be written where, and write nothing
    #[arg(short = 'n', long)]
    dry_run: bool,

    #[command(flatten)]
    saying: SayingArguments,

    /// Keep all rights while reading the archive: for kernels without Landlock and seccomp
    #[arg(long)]
    no_sandbox: bool,
}

/// The next step where the target's filesystem is full.
const FULL: &str = "make room there, or name another target with --to";

/// Runs `voltar restore`.
pub(super) fn run(arguments: &RestoreArguments) -> Result<ExitCode> {
    let show = arguments.saying.show(false);
    let stop = signals::stop_flag().map_err(|source| Error::new(Kind::System, source))?;
    let console = Console::new(show, stop);
    let outcome = disk(arguments, show, &console);
    console.end();
    outcome
}

fn disk(arguments: &RestoreArguments, show: Show, console: &Console) -> Result<ExitCode> {
    let program = Program::this(&["worker"]);
    let mut restorer = Restorer::start(&program, &arguments.archive, !arguments.no_sandbox, console)?;
    for note in restorer.notes() {
        console.note(note);
    }
    refuse_archive(arguments)?;
    let destination = Destination::look(&arguments.to, arguments.force)?;
    let len_bytes = destination.len_bytes().unwrap_or_else(|| restorer.usual_bytes());
    let plan = restorer.plan(len_bytes, arguments.grow).map_err(|error| error.on(&arguments.to))?;
    plan.check_sectors(destination.sector_bytes(), arguments.sector_size)
        .map_err(|error| error.on(&arguments.to))?;
    if arguments.dry_run {
        show_plan(&plan, &arguments.to, show, console)?;
        return Ok(ExitCode::SUCCESS);
    }
    if !destination.users().is_empty() {
        let (target, users) = (Printable::path(&arguments.to), destination.users().join(", "));
        console.note(&format!(
            "{target} is in use ({users}) and is written over: stop that before you use the disk, as it can still write what it holds in memory"
        ));
    }
    let mut target = destination.open(len_bytes).map_err(|error| console.told_missing(error, FULL))?;
    let issues =
        format(&plan, &mut target).map_err(|error| console.told_missing(error, FULL).on(&arguments.to))?;
    let restored = write(arguments, restorer, target, issues, console)?;
    summarise(arguments, &plan, &restored, show, console);
    Ok(if restored.issues.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(INCOMPLETE) })
}

/// The archive itself, or what stands beside it, is no target, whatever is forced.
fn refuse_archive(arguments: &RestoreArguments) -> Result<()> {
    let identity = |path: &Path| std::fs::metadata(path).ok().map(|found| (found.dev(), found.ino()));
    let files = ArchiveFiles::new(&arguments.archive, Algorithm::default());
    let target = identity(&arguments.to);
    let is_target = |path: &PathBuf| target.is_some() && identity(path) == target;
    if [&files.archive, &files.manifest, &files.checksum].into_iter().any(is_target) {
        return Err(Error::new(Kind::Exists, "is the archive itself, or stands beside it").on(&arguments.to));
    }
    Ok(())
}

fn write(
    arguments: &RestoreArguments,
    restorer: Restorer,
    target: TargetFile,
    issues: Vec<String>,
    console: &Console,
) -> Result<Restored> {
    let mut restored = match restorer.write(&target, console) {
        Ok(restored) => restored,
        Err((error, written)) => {
            let error = console.told_missing(error, FULL);
            return Err(spoil(error, &target, written).on(&arguments.to));
        }
    };
    restored.issues.splice(0..0, issues);
    target.finish().map_err(|error| error.on(&arguments.to))?;
    for issue in &restored.issues {
        console.fault_of(issue);
    }
    Ok(restored)
}

/// Shows a plan as a table.
fn show_plan(plan: &Plan, to: &Path, show: Show, console: &Console) -> Result<()> {
    if let Show::Json { .. } = show {
        console.json("plan", as_json(plan, to));
        return Ok(());
    }
    let titles = ["PARTITION", "START", "SIZE", "TYPE", "HOLDS", "LABEL", "WHAT IS DONE"].map(str::to_owned);
    let rows = plan.steps.iter().map(|step| {
        [
            if step.number == 0 { "all".to_owned() } else { step.number.to_string() },
            Bytes(step.range.start()).to_string(),
            format!("{}{}", Bytes(step.range.len()), if step.grown { ", grown" } else { "" }),
            step.type_name.clone(),
            step.holds.clone(),
            step.label.clone(),
            done(step),
        ]
    });
    let rows: Vec<[String; 7]> = std::iter::once(titles).chain(rows).collect();
    let right = [true, true, true, false, false, false, false];
    print(&format!("{}\n{}", heading(plan, to), columns(&rows, right)))
}

/// `/dev/sdb, 16.0 GiB: a GPT with 3 partitions`.
fn heading(plan: &Plan, to: &Path) -> String {
    let what = match plan.scheme {
        Some(scheme) => {
            let scheme = if scheme == Scheme::Gpt { "a GPT" } else { "an MBR" };
            format!("{scheme} with {}", count(plan.steps.len(), "partition", "partitions"))
        }
        None => "one volume, without a partition table".to_owned(),
    };
    format!("{}, {}: {what}", Printable::path(to), Bytes(plan.target_bytes))
}

fn done(step: &Step) -> String {
    match &step.work {
        Work::Ext { below, .. } if below.is_empty() => "made anew, with the files of the archive".to_owned(),
        Work::Ext { below, .. } => format!("made anew, with the files of {}", Printable(below)),
        Work::Raw { member } => format!("written as it was, from {}", Printable(member)),
        Work::Swap => "its header, with UUID and label".to_owned(),
        Work::Nothing => "left empty".to_owned(),
    }
}

fn as_json(plan: &Plan, to: &Path) -> Value {
    let steps = plan.steps.iter().map(|step| {
        let (work, member) = match &step.work {
            Work::Ext { below, .. } => ("filesystem", Some(below)),
            Work::Raw { member } => ("image", Some(member)),
            Work::Swap => ("swap", None),
            Work::Nothing => ("nothing", None),
        };
        json!({
            "number": step.number,
            "start_bytes": step.range.start(),
            "len_bytes": step.range.len(),
            "grown": step.grown,
            "work": work,
            "member": member.map(|member| Printable(member).to_string()),
            "holds": step.holds,
            "label": step.label,
        })
    });
    json!({
        "target": Printable::path(to).to_string(),
        "target_bytes": plan.target_bytes,
        "table": plan.scheme,
        "volumes": steps.collect::<Vec<_>>(),
    })
}

/// Says what came of it.
fn summarise(arguments: &RestoreArguments, plan: &Plan, restored: &Restored, show: Show, console: &Console) {
    let elapsed = console.elapsed();
    if let Show::Json { .. } = show {
        let mut fields = as_json(plan, &arguments.to);
        if let Some(fields) = fields.as_object_mut() {
            let Restored { filesystems, entries, images, data_bytes, issues } = restored;
            fields.insert("filesystems".to_owned(), json!(filesystems));
            fields.insert("entries".to_owned(), json!(entries));
            fields.insert("images".to_owned(), json!(images));
            fields.insert("data_bytes".to_owned(), json!(data_bytes));
            fields.insert("issues".to_owned(), json!(issues));
            fields.insert("seconds".to_owned(), json!(elapsed.as_secs_f64()));
        }
        console.json("summary", fields);
    }
    if !matches!(show, Show::Words { .. }) {
        return;
    }
    let mut text = String::new();
    let number = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let filesystems = count(number(restored.filesystems), "filesystem", "filesystems");
    let entries = count(number(restored.entries), "entry", "entries");
    let images = count(number(restored.images), "partition", "partitions");
    let (data, rate) = (Bytes(restored.data_bytes), Bytes(per_second(restored.data_bytes, elapsed)));
    // Writing to a String does not fail.
    let _ = writeln!(text, "{}", heading(plan, &arguments.to));
    let mut parts = Vec::new();
    if restored.filesystems > 0 {
        parts.push(format!("{filesystems} made anew with {entries}"));
    }
    if restored.images > 0 {
        parts.push(format!(
            "{images} as {} {}",
            if restored.images == 1 { "it" } else { "they" },
            if restored.images == 1 { "was" } else { "were" }
        ));
    }
    if !parts.is_empty() {
        let _ = writeln!(text, "  {}", parts.join(", "));
    }
    let _ = writeln!(text, "  {data} of data in {:.1} s, {rate}/s", elapsed.as_secs_f64());
    if !restored.issues.is_empty() {
        let _ = writeln!(text, "  {}, see above", count(restored.issues.len(), "issue", "issues"));
    }
    // The disk is there: that nobody reads this changes nothing.
    let _ = print(&text);
}
