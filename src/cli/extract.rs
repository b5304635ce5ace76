//! `voltar extract`.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::{self, IsTerminal as _};
use std::num::NonZeroU16;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueHint};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;

use super::archive::{counted, plural};
use super::console::{Console, Show, per_second};
use super::options::{ExcludeArguments, ReadingArguments};
use super::{INCOMPLETE, print, signals};
use crate::archive::{Observer as _, threads};
use crate::error::{Error, Kind, Result};
use crate::extract::{Existing, ExtractDirectory, Report, Request, Source, extract};
use crate::printable::Printable;
use crate::units::Bytes;
use crate::view::{Location, clean};

const EXAMPLES: &str = "\
Examples:
  voltar extract guest.tar.zst -C /mnt                     all of it
  voltar extract guest.tar.zst p2/etc p2/home -C restored  two directories, as restored/p2/etc and restored/p2/home
  voltar extract guest.tar.zst:p2/etc/fstab                one file, as ./p2/etc/fstab
  voltar extract /dev/vg0/web1-snapshot:etc -C /tmp/web1   straight from a volume, without an archive

Interrupted, it goes on when the same command is run again.

Exit codes:
  0  all that was asked for is there
  1  failed; what is complete stays
  2  the arguments make no sense
  3  done, but some of it could not be extracted: the issues say what";

/// Get files back, from an archive, an image or a device
///
/// As root with owners, modes, times, extended attributes, ACLs, capabilities, inode flags, holes and hard links; as another user with what that user may
/// set, and it says what was left. Paths are those that voltar ls shows, and stay as they are below DIR. Archives of GNU tar and bsdtar are extracted too.
///
/// Nothing outside of DIR is touched, whatever an archive says: members that are named by absolute paths or by `..` are refused, and no symbolic link
/// is followed. A file has its name when it is whole.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ExtractArguments {
    /// An archive, an image or a device, perhaps with a path in it: backup.tar.zst:p2/etc
    #[arg(value_name = "PLACE", value_hint = ValueHint::FilePath)]
    place: OsString,

    /// Files and directories in it [default: all]
    #[arg(value_name = "PATH")]
    paths: Vec<OsString>,

    /// Directory to extract to; it is made where it is not there
    #[arg(short = 'C', long, value_name = "DIR", default_value = ".", value_hint = ValueHint::DirPath)]
    directory: PathBuf,

    /// Replace files that are there already
    #[arg(long, conflicts_with = "keep")]
    overwrite: bool,

    /// Leave files that are there already as they are
    #[arg(long)]
    keep: bool,

    /// Make device nodes too (root only)
    #[arg(long)]
    devices: bool,

    #[command(flatten)]
    exclude: ExcludeArguments,

    /// Give up when the content of the files grows beyond SIZE, like 500G [default: what fits]
    #[arg(long, value_name = "SIZE", value_parser = super::options::size)]
    max_output: Option<u64>,

    /// Threads [default: all cores]
    #[arg(short = 'T', long, value_name = "N")]
    threads: Option<NonZeroU16>,

    #[command(flatten)]
    reading: ReadingArguments,

    #[command(flatten)]
    saying: super::args::SayingArguments,
}

/// Runs `voltar extract`.
pub(super) fn run(arguments: &ExtractArguments) -> Result<ExitCode> {
    let show = arguments.saying.show(false);
    let stop = signals::stop_flag().map_err(|source| Error::new(Kind::System, source))?;
    let console = Console::new(show, stop);
    match restore(arguments, &console) {
        Ok(report) => {
            console.end();
            summarise(arguments, &console, show, &report);
            Ok(if report.is_complete() { ExitCode::SUCCESS } else { ExitCode::from(INCOMPLETE) })
        }
        Err(error) => {
            let next = "what is complete stays; make room, and the same command goes on from there";
            Err(console.told_missing(error, next))
        }
    }
}

fn restore(arguments: &ExtractArguments, console: &Console) -> Result<Report> {
    let location = Location::parse(&arguments.place);
    let below = |path: &OsString| clean(&[&location.path, b"/".as_slice(), path.as_bytes()].concat());
    let mut paths: Vec<Vec<u8>> = arguments.paths.iter().map(below).collect();
    if paths.is_empty() && !location.path.is_empty() {
        paths.push(location.path.clone());
    }
    let existing = match (arguments.overwrite, arguments.keep) {
        (true, _) => Existing::Overwrite,
        (false, true) => Existing::Keep,
        (false, false) => Existing::Refuse,
    };
    let reading = arguments.reading.reading();
    let request = Request {
        paths,
        exclude: arguments.exclude.exclude()?,
        existing,
        devices: arguments.devices,
        threads: threads(arguments.threads),
        max_output: arguments.max_output,
        count_first: arguments.saying.progress
            || arguments.saying.json
            || !arguments.saying.quiet && io::stderr().is_terminal(),
        observer: console,
    };
    let opened = location.open(&reading)?;
    if arguments.directory.exists() && !arguments.directory.is_dir() {
        let message =
            "is a file, and a folder is wanted: name one with -C, which is made where it is missing";
        return Err(Error::new(Kind::Usage, message).on(&arguments.directory));
    }
    let target = ExtractDirectory::open(&arguments.directory, Source::of(&location.file)?, &request)?;
    raise_open_files();
    let target = match reading.has_sandbox {
        true => target.confine(arguments.devices, |gap| console.note(gap))?,
        false => target,
    };
    let target = target.resume()?;
    if target.is_resumed() {
        console.note("an earlier run was interrupted here: what it made is not made again");
    }
    extract(opened.place()?.as_ref(), &target, &request)
}

/// Directories on the way are open, thousands of them in a tree that is deep.
fn raise_open_files() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    // Where it stays as it is, a tree that is too deep is an error that says so.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

/// Says what came of it.
fn summarise(arguments: &ExtractArguments, console: &Console, show: Show, report: &Report) {
    let elapsed = console.elapsed();
    console.json(
        "summary",
        json!({
            "directory": Printable::path(&arguments.directory).to_string(),
            "entries": report.entries,
            "data_bytes": report.data_bytes,
            "verified": report.verified,
            "made_before": report.made_before,
            "kept": report.kept,
            "left": report.left,
            "issues": report.issues,
            "complete": report.is_complete(),
            "seconds": elapsed.as_secs_f64(),
        }),
    );
    if !matches!(show, Show::Words { .. }) {
        return;
    }
    let mut text = String::new();
    // Writing to a String does not fail.
    let _ = writeln!(text, "{}", Printable::path(&arguments.directory));
    let _ = writeln!(text, "  {}", counted(&report.entries));
    let (data, rate) = (Bytes(report.data_bytes), Bytes(per_second(report.data_bytes, elapsed)));
    let _ = writeln!(text, "  {data} of files in {:.1} s, {rate}/s", elapsed.as_secs_f64());
    if report.verified > 0 {
        let (count, plural) = (report.verified, plural(report.verified));
        let _ = writeln!(text, "  {count} file{plural} held against the manifest's digests");
    }
    if report.made_before > 0 {
        let _ = writeln!(text, "  {} made before, by the run that was interrupted", report.made_before);
    }
    if report.kept > 0 {
        let _ = writeln!(text, "  {} kept as they were", report.kept);
    }
    for left in &report.left {
        let _ = writeln!(text, "  left: {left}");
    }
    if !report.is_complete() {
        let _ = writeln!(text, "  INCOMPLETE: {} issue{}, see above", report.issues, plural(report.issues));
    }
    // All is extracted: that nobody reads this changes nothing.
    let _ = print(&text);
}
