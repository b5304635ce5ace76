//! `voltar verify`.

mod named;
mod total;

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::Ordering::Relaxed;

use clap::{Args, ValueHint};
use serde_json::{Value, json};

use self::total::Total;
use super::args::SayingArguments;
use super::console::Console;
use super::diff::{self, Differences};
use super::options::ReadingArguments;
use super::places::{Named, Out, open_files};
use super::{FAILED, print, signals};
use crate::archive::read::{Files, Finding, Verdict, verify};
use crate::archive::{Observer as _, kind_name};
use crate::error::{Error, Kind, Result};
use crate::printable::Printable;
use crate::sandbox;
use crate::store::choice::{Choice, Share};
use crate::units::ByteRange;
use crate::view::{GoOn, Location, Opened};
use crate::volume::Reading;

/// Findings that are shown to people: of a frame that is lost there may be one for each file in it.
const FINDINGS_SHOWN: usize = 40;

/// The verdict on a sound archive that has no checksum file and no manifest to compare with.
const UNPROVEN: &str = "sound, but UNPROVEN: neither a checksum file nor a manifest says what it should be";

const EXIT_CODES: &str = "\
Exit codes:
  0  good
  1  damaged, or can't be read
  2  the arguments make no sense
  3  good, but some of the source could not be read when the archive was made";

/// Prove archives good, or say what of them is damaged
///
/// Reads the whole archive once, on all cores: the checksum file, each frame, the tar's headers,
/// padding and end, and each member and its content against the manifest. Says which of the files
/// is damaged, and where. What is not beside the archive is not needed; what could not be checked
/// without it is said.
///
/// Of a folder, all archives in it and below are checked, with a total at the end. Archives of
/// other programs (tar, tar.gz, tar.zst) are checked as far as they allow.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(super) struct VerifyArguments {
    /// Archives, or folders of archives: a destination, or the folder of one volume
    #[arg(required = true, value_name = "ARCHIVE|DIR", value_hint = ValueHint::AnyPath)]
    archives: Vec<PathBuf>,

    /// Of a folder, the newest archive of each volume
    #[arg(long, conflicts_with = "against")]
    newest: bool,

    /// Of a folder, a share like 10%: another one each day, so that all have their turn
    #[arg(long, value_name = "PERCENT", conflicts_with = "against")]
    sample: Option<Share>,

    /// Compare what is in the archive with a device or image as well: what was added, removed and changed there
    #[arg(long, value_name = "SOURCE", value_hint = ValueHint::FilePath)]
    against: Option<OsString>,

    #[command(flatten)]
    reading: ReadingArguments,

    #[command(flatten)]
    saying: SayingArguments,
}

/// Runs `voltar verify`.
pub(super) fn run(arguments: &VerifyArguments) -> Result<ExitCode> {
    let (show, is_json) = (arguments.saying.show(false), arguments.saying.json);
    let stop = signals::stop_flag().map_err(|source| Error::new(Kind::System, source))?;
    let choice = Choice { newest: arguments.newest, sample: arguments.sample };
    let named = named::archives(&arguments.archives, &choice)?;
    // All are opened with all rights, and read with none.
    open_files(named.archives.len())?;
    let opened: Vec<Result<Files>> = named.archives.iter().map(|path| Files::open(path)).collect();
    let against = against(arguments, &named.archives)?;
    let mut gap = None;
    if arguments.reading.reading().has_sandbox {
        gap = sandbox::enter()?.gap();
    }
    let mut total = Total::new(named.passed_over);
    for (files, path) in opened.into_iter().zip(&named.archives) {
        let console = Console::new(show, std::sync::Arc::clone(&stop));
        if let Some(gap) = gap.take() {
            console.note(gap);
        }
        let outcome = files.and_then(|files| verify(&files, &console));
        console.end();
        if let Err(error) = &outcome
            && error.kind() == Kind::Interrupted
        {
            return outcome.map(|_| ExitCode::SUCCESS);
        }
        total.add(&outcome);
        if is_json {
            let mut fields = as_json(&outcome);
            if let Some(fields) = fields.as_object_mut() {
                fields.insert("archive".to_owned(), json!(Printable::path(path).to_string()));
                fields.insert("seconds".to_owned(), json!(console.elapsed().as_secs_f64()));
            }
            console.json("verdict", fields);
        } else if named.has_folders {
            print(&as_line(path, &outcome, arguments.saying.quiet))?;
        } else {
            print(&as_text(path, &outcome, arguments.saying.quiet))?;
        }
    }
    if named.has_folders || named.archives.len() > 1 {
        match is_json {
            true => Console::new(show, std::sync::Arc::clone(&stop)).json("total", total.as_json()),
            false => print(&format!("{total}\n"))?,
        }
    }
    let worst = total.code();
    match against {
        Some((archive, source)) if worst != FAILED => {
            let go_on = || match stop.load(Relaxed) {
                true => Err(Error::new(Kind::Interrupted, "stopped by a signal")),
                false => Ok(()),
            };
            compare(archive.named()?, source.named()?, is_json, worst, &go_on)
        }
        _ => Ok(ExitCode::from(worst)),
    }
}

/// A place that is open, and not looked into yet.
struct Waiting {
    opened: Opened,
    path: Vec<u8>,
    text: OsString,
}

impl Waiting {
    fn open(text: &OsStr, reading: &Reading) -> Result<Self> {
        let location = Location::parse(text);
        Ok(Self { opened: location.open(reading)?, path: location.path, text: text.to_owned() })
    }

    fn named(self) -> Result<Named> {
        Ok(Named { place: self.opened.place()?, path: self.path, text: self.text })
    }
}

/// Opens the archive and the source that it is compared with.
fn against(arguments: &VerifyArguments, archives: &[PathBuf]) -> Result<Option<(Waiting, Waiting)>> {
    let reading = arguments.reading.reading();
    let Some(source) = &arguments.against else {
        let is_usual = reading == Reading { has_sandbox: reading.has_sandbox, ..Reading::default() };
        let message = "how a disk is read matters with --against only, which names the disk";
        return if is_usual { Ok(None) } else { Err(Error::new(Kind::Usage, message)) };
    };
    let [archive] = archives else {
        return Err(Error::new(Kind::Usage, "--against compares one archive, and there are more"));
    };
    let source = Waiting::open(source, &reading)?;
    Ok(Some((Waiting::open(archive.as_os_str(), &Reading::default())?, source)))
}

fn compare(archive: Named, source: Named, json: bool, code: u8, go_on: &GoOn<'_>) -> Result<ExitCode> {
    let mut out = Out::new();
    let differences = diff::compare(&archive, &source, false, json, &mut out, go_on)?;
    if !json {
        let Differences { added, removed, changed, same } = &differences;
        let shown = Printable(source.text.as_encoded_bytes());
        let text =
            format!("{shown}: {added} added, {removed} removed, {changed} changed since, {same} the same");
        out.line(text)?;
    }
    out.end()?;
    match diff::code(&archive, &source, &differences) {
        same if same == ExitCode::SUCCESS => Ok(ExitCode::from(code)),
        worse => Ok(worse),
    }
}

fn as_text(path: &std::path::Path, outcome: &Result<Verdict>, quiet: bool) -> String {
    let mut text = String::new();
    let shown = Printable::path(path);
    let verdict = match outcome {
        Ok(verdict) => verdict,
        Err(error) => {
            // The error may name the path of its own accord.
            let place = if error.place().path.is_some() { String::new() } else { format!("{shown}: ") };
            return format!("{shown}: CAN'T BE VERIFIED\n  {place}{error}\n");
        }
    };
    let word = match (verdict.is_good(), verdict.complete) {
        (false, _) => "DAMAGED",
        (true, Some(false)) => "good, but INCOMPLETE: some of the source could not be read when it was made",
        (true, _) if quiet => return text,
        (true, _) if !verdict.is_proven() => UNPROVEN,
        (true, _) => "good",
    };
    // Writing to a String does not fail.
    let _ = writeln!(text, "{shown}: {word}");
    for note in &verdict.notes {
        let _ = writeln!(text, "  note: {note}");
    }
    for finding in verdict.findings.iter().take(FINDINGS_SHOWN) {
        let _ = writeln!(text, "  {finding}");
    }
    let more = verdict.findings.len().saturating_sub(FINDINGS_SHOWN);
    if more > 0 {
        let _ = writeln!(text, "  and {more} more; --json tells up to a thousand");
    }
    if !quiet {
        let _ = writeln!(text, "  checked: {}", counts(verdict));
        for what in &verdict.unchecked {
            let _ = writeln!(text, "  not checked: {what}");
        }
    }
    text
}

/// One line, with the parts that could not be checked, and what is wrong.
fn as_line(path: &std::path::Path, outcome: &Result<Verdict>, quiet: bool) -> String {
    let is_in_order =
        outcome.as_ref().is_ok_and(|verdict| verdict.is_good() && verdict.complete != Some(false));
    if !is_in_order {
        return as_text(path, outcome, quiet);
    }
    let text = as_text(path, outcome, quiet);
    let Some(line) = text.lines().next() else { return String::new() };
    let unchecked = outcome.as_ref().map_or(&[][..], |verdict| &verdict.unchecked);
    match unchecked {
        [] => format!("{line}\n"),
        all => format!("{line}; not checked: {}\n", all.join("; ")),
    }
}

/// `2 digests of the whole, 12 frames, 340 members, 120 files' digests`.
fn counts(verdict: &Verdict) -> String {
    let counts = verdict.counts;
    let parts = [
        (counts.witnesses, "digest of the whole", "digests of the whole"),
        (counts.frames, "frame", "frames"),
        (counts.members, "member", "members"),
        (counts.digests, "file's content", "files' content"),
    ];
    let parts = parts.iter().filter(|(count, _, _)| *count > 0);
    let parts: Vec<String> =
        parts.map(|(count, one, many)| format!("{count} {}", if *count == 1 { one } else { many })).collect();
    if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") }
}

fn as_json(outcome: &Result<Verdict>) -> Value {
    match outcome {
        Err(error) => json!({
            "good": false,
            "error": { "kind": kind_name(error.kind()), "message": error.to_string() },
        }),
        Ok(verdict) => json!({
            "good": verdict.is_good(),
            "complete": verdict.complete,
            "findings": verdict.findings.iter().map(finding_json).collect::<Vec<_>>(),
            "checked": {
                "witnesses": verdict.counts.witnesses,
                "frames": verdict.counts.frames,
                "members": verdict.counts.members,
                "digests": verdict.counts.digests,
            },
            "proven": verdict.is_proven(),
            "notes": verdict.notes,
            "unchecked": verdict.unchecked,
        }),
    }
}

fn finding_json(finding: &Finding) -> Value {
    let range = |range: &ByteRange| json!({ "start_bytes": range.start(), "len_bytes": range.len() });
    json!({
        "which": finding.which.name(),
        "file": Printable::path(&finding.file).to_string(),
        "path": finding.path.as_deref().map(|path| Printable(path).to_string()),
        "in_file": finding.packed.as_ref().map(range),
        "in_tar": finding.raw.as_ref().map(range),
        "message": finding.message,
    })
}
