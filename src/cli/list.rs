//! `voltar list`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueHint};
use serde_json::{Value, json};

use super::print;
use super::speech::document;
use super::table::{columns, count};
use crate::calendar::{now, readable};
use crate::config::plan::Plan;
use crate::config::{self, rules_for};
use crate::error::Result;
use crate::printable::Printable;
use crate::report::as_images;
use crate::retention::{Reason, Retention, Verdict, decide};
use crate::store::archives::{Archived, VolumeArchives};
use crate::store::scope::Scope;
use crate::store::{self, Address, Destination, Space, Store};
use crate::units::Bytes;
use crate::worker::Manifests;

/// List the archives in a destination
///
/// What lies there is all there is to know: no database stands behind it. Of each archive its name and both ends of its
/// manifest are read.
#[derive(Debug, Args)]
pub(super) struct ListArguments {
    /// Folder of the backups, or of one volume [default: that of the configuration]
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub destination: Option<PathBuf>,

    /// Say why each archive is kept, by the rules of this configuration of voltar run [default: /etc/voltar/voltar.toml,
    /// without DIR]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,

    /// The archives of this volume only (repeatable)
    #[arg(long = "volume", value_name = "NAME")]
    pub volumes: Vec<String>,

    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// The archives of one volume.
struct Listed {
    volume: String,
    ours: VolumeArchives,
    /// The reasons for each archive, none where it goes; `None` where no rules are known.
    kept: Option<Vec<Vec<Reason>>>,
    /// Whether a configuration was given that does not name the volume.
    is_unnamed: bool,
}

/// Runs `voltar list`.
pub(super) fn run(arguments: &ListArguments) -> Result<ExitCode> {
    let (destination, plan) = match (&arguments.destination, &arguments.config) {
        (Some(folder), None) => (plain(folder), None),
        (Some(folder), Some(file)) => (plain(folder), Some(config::load(file)?)),
        (None, file) => {
            let plan = plan(file.as_deref())?;
            (plan.destination.clone(), Some(plan))
        }
    };
    let (store, volumes) = scope(&destination, &arguments.volumes)?;
    let store = store.as_ref();
    let mut listed = Vec::new();
    let manifests = Manifests::of_this_program();
    for volume in volumes {
        let ours = VolumeArchives::read(store, &volume, &manifests)?;
        let rules = plan.as_ref().map(|plan| rules_for(plan, &volume));
        let is_unnamed = rules == Some(None);
        let kept = rules.flatten().map(|rules| kept(&ours.archives, &rules));
        listed.push(Listed { volume, ours, kept, is_unnamed });
    }
    match arguments.json {
        true => document("list", as_json(store, &listed))?,
        false => print(&as_text(store, &listed))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Why each archive stays; without a reason it goes.
fn kept(archives: &[Archived], rules: &Retention) -> Vec<Vec<Reason>> {
    let decisions = decide(archives, rules, now()).into_iter();
    let reasons = decisions.map(|decision| match decision.verdict {
        Verdict::Keep(reasons) => reasons,
        Verdict::Remove => Vec::new(),
    });
    reasons.collect()
}

/// The configuration that stands for a folder that was not named.
pub(super) fn plan(file: Option<&Path>) -> Result<Plan> {
    config::load(file.unwrap_or(Path::new(config::DEFAULT_PATH)))
}

/// A destination of which nothing is asked but to be there.
pub(super) fn plain(folder: &Path) -> Destination {
    Destination { folder: folder.to_path_buf(), require_mount: false, minimum_free: None }
}

/// The store and the volumes that are meant. Of a destination all is asked that its configuration
/// asks of it.
pub(super) fn scope(destination: &Destination, volumes: &[String]) -> Result<(Box<dyn Store>, Vec<String>)> {
    let whole = store::open(destination)?;
    let Scope { destination: folder, volumes } = Scope::of(&destination.folder, volumes)?;
    whole.check()?;
    Ok((store::open(&Destination { folder, ..destination.clone() })?, volumes))
}

fn as_text(store: &dyn Store, listed: &[Listed]) -> String {
    let mut text = String::new();
    let (mut archive_count, mut all_bytes) = (0_usize, 0_u64);
    for Listed { volume, ours, kept, is_unnamed } in listed {
        let bytes = ours.archives.iter().fold(0_u64, |sum, archived| sum.saturating_add(archived.len_bytes));
        archive_count = archive_count.saturating_add(ours.archives.len());
        all_bytes = all_bytes.saturating_add(bytes);
        let archives = count(ours.archives.len(), "archive", "archives");
        // Writing to a String does not fail.
        let _ = writeln!(text, "{}: {archives}, {}", Printable(volume.as_bytes()), Bytes(bytes));
        let kept_head = if kept.is_some() { "kept" } else { "" };
        let mut rows = vec![["taken", "size", "entries", "files", "took", "", kept_head].map(str::to_owned)];
        for (index, archived) in ours.archives.iter().enumerate() {
            rows.push(row(archived, kept.as_ref().and_then(|kept| kept.get(index))));
        }
        if rows.len() > 1 {
            text.push_str(&indented(&columns(&rows, [false, true, true, true, true, false, false])));
        }
        if *is_unnamed {
            text.push_str("  no source of the configuration names it, so all of it is kept\n");
        }
        if !ours.orphans.is_empty() {
            let files = count(ours.orphans.len(), "file", "files");
            let _ = writeln!(text, "  {files} of archives that are gone; voltar prune removes them");
        }
        text.push('\n');
    }
    let (volumes, archives) =
        (count(listed.len(), "volume", "volumes"), count(archive_count, "archive", "archives"));
    let _ = write!(text, "{}: {volumes}, {archives}, {}", store.address(), Bytes(all_bytes));
    if let Some(Space { total_bytes, free_bytes }) = store.space() {
        let _ = write!(text, "; {} of {} are free", Bytes(free_bytes), Bytes(total_bytes));
    }
    text.push('\n');
    text
}

fn row(archived: &Archived, kept: Option<&Vec<Reason>>) -> [String; 7] {
    let told = archived.told.as_ref();
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    [
        readable(archived.taken),
        Bytes(archived.len_bytes).to_string(),
        or_dash(told.map(|told| told.entries.to_string())),
        or_dash(told.map(|told| Bytes(told.data_bytes).to_string())),
        or_dash(told.and_then(|told| told.seconds).map(|seconds| format!("{seconds:.0} s"))),
        state(archived),
        kept.map(|reasons| words(reasons)).unwrap_or_default(),
    ]
}

/// Why an archive stays, in words.
fn words(reasons: &[Reason]) -> String {
    let words: Vec<String> = reasons.iter().map(Reason::to_string).collect();
    if words.is_empty() { "no more".to_owned() } else { words.join(", ") }
}

/// Whether an archive is complete, in words.
pub(super) fn state(archived: &Archived) -> String {
    let images = archived.told.as_ref().map_or_else(String::new, |told| as_images(told.images));
    let state = match &archived.told {
        None => "NO WHOLE MANIFEST".to_owned(),
        Some(told) if told.issues == 0 => "complete".to_owned(),
        Some(told) if told.issues == 1 => "INCOMPLETE: 1 issue".to_owned(),
        Some(told) => format!("INCOMPLETE: {} issues", told.issues),
    };
    state + &images
}

/// The text with each line a little to the right.
pub(super) fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}

fn as_json(store: &dyn Store, listed: &[Listed]) -> Value {
    let (address, space) = (store.address(), store.space());
    let volumes = listed.iter().map(|Listed { volume, ours, kept, .. }| {
        let kept = |index: usize| kept.as_ref().and_then(|kept| kept.get(index));
        let archives = ours.archives.iter().enumerate();
        json!({
            "volume": volume,
            "archives": archives.map(|(index, archived)| archive_json(&address, archived, kept(index))).collect::<Vec<_>>(),
            "orphans": ours.orphans.iter().map(|orphan| json!({
                "path": address.of(&orphan.key).to_string(), "len_bytes": orphan.len_bytes,
            })).collect::<Vec<_>>(),
        })
    });
    json!({
        "destination": address.to_string(),
        "total_bytes": space.map(|space| space.total_bytes),
        "free_bytes": space.map(|space| space.free_bytes),
        "volumes": volumes.collect::<Vec<_>>(),
    })
}

fn archive_json(address: &Address, archived: &Archived, kept: Option<&Vec<Reason>>) -> Value {
    let told = archived.told.as_ref();
    json!({
        "path": address.of(&archived.key).to_string(),
        "taken": archived.taken,
        "len_bytes": archived.len_bytes,
        "complete": archived.is_complete(),
        "source": told.map(|told| &told.source),
        "snapshot_of": told.map(|told| &told.snapshot_of),
        "host": told.map(|told| &told.host),
        "issues": told.map(|told| told.issues),
        "entries": told.map(|told| told.entries),
        "images": told.map(|told| told.images),
        "data_bytes": told.map(|told| told.data_bytes),
        "bytes_read": told.map(|told| told.bytes_read),
        "seconds": told.and_then(|told| told.seconds),
        "kept": kept.map(|reasons| reasons.iter().map(Reason::to_string).collect::<Vec<_>>()),
    })
}
