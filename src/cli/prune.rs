//! `voltar prune`.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueHint};
use serde_json::{Value, json};

use super::keep::KeepArguments;
use super::list::{indented, plain, plan, scope, state};
use super::speech::{self, document};
use super::table::{columns, count};
use super::{FAILED, print};
use crate::calendar::{now, readable};
use crate::config::plan::Plan;
use crate::config::rules_for;
use crate::error::{Error, Kind, Result};
use crate::job::ownership;
use crate::printable::Printable;
use crate::retention::{Decision, Retention, Verdict, decide, describe};
use crate::store::archives::{self, Removed, VolumeArchives};
use crate::store::{Address, Destination, Store};
use crate::units::Bytes;
use crate::worker::Manifests;

const EXAMPLES: &str = "\
Examples:
  voltar prune /BACKUPS --keep-daily 14 --keep-monthly 6 --dry-run   what would go, and why the rest stays
  voltar prune /BACKUPS --keep-days 30 --volume volume-00000001      one volume only
  voltar prune --dry-run                                             by the rules of voltar run";

/// Remove the archives that no rule keeps
///
/// Each rule adds to what is kept; days, weeks, months and years are those of UTC. Rules count complete archives. The last
/// complete archive always stays, and so does a later one that is not. Only files that are named as voltar names them are touched.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct PruneArguments {
    /// Folder of the backups, or of one volume [default: that of the configuration, with its rules]
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub destination: Option<PathBuf>,

    /// Take destination and rules from this configuration of voltar run [default: /etc/voltar/voltar.toml, without DIR]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with_all = [
        "destination", "keep_days", "keep_last", "keep_daily", "keep_weekly", "keep_monthly", "keep_yearly",
    ])]
    pub config: Option<PathBuf>,

    /// The archives of this volume only (repeatable)
    #[arg(long = "volume", value_name = "NAME")]
    pub volumes: Vec<String>,

    #[command(flatten)]
    pub keep: KeepArguments,

    /// Say what would be removed, and remove nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,

    /// Print JSON, when all is done
    #[arg(long)]
    pub json: bool,
}

/// What came of all volumes.
#[derive(Default)]
struct Total {
    archives: usize,
    orphans: usize,
    len_bytes: u64,
    /// What failed, in words.
    errors: Vec<String>,
    /// What was decided on each volume; where this is wanted, nothing is told in words.
    volumes: Option<Vec<Value>>,
}

/// Runs `voltar prune`.
pub(super) fn run(arguments: &PruneArguments) -> Result<ExitCode> {
    let (destination, rules) = rules(arguments)?;
    let (store, volumes) = scope(&destination, &arguments.volumes)?;
    let store = store.as_ref();
    // A dry run needs no lock, and no right to write.
    let _lock = match arguments.dry_run {
        true => store.check().map(|()| None)?,
        false => Some(store.lock()?),
    };
    if !arguments.dry_run {
        store.remove_left_overs();
    }
    let manifests = Manifests::of_this_program();
    let mut total = Total { volumes: arguments.json.then(Vec::new), ..Total::default() };
    for volume in volumes {
        match rules.of(&volume) {
            Some(kept) => match rules.archives(store, &volume, &manifests) {
                Ok(ours) => prune(store, ours, &volume, &kept, arguments.dry_run, &mut total)?,
                Err(error) => total.fault(&format!("of this volume nothing is removed: {error}")),
            },
            None => {
                let shown = Printable(volume.as_bytes());
                let text =
                    format!("{shown}: no source of the configuration names it, so all of it is kept\n\n");
                total.tell(|| text, || json!({ "volume": volume, "retention": null }))?;
            }
        }
    }
    let code = if total.errors.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(FAILED) };
    if let Some(volumes) = &total.volumes {
        let summary = json!({
            "destination": store.address().to_string(),
            "dry_run": arguments.dry_run,
            "volumes": volumes,
            "removed_archives": total.archives,
            "removed_orphans": total.orphans,
            "removed_bytes": total.len_bytes,
            "errors": total.errors,
        });
        document("prune", summary)?;
        return Ok(code);
    }
    let mut text = format!(
        "{} {}, {}",
        if arguments.dry_run { "would remove" } else { "removed" },
        count(total.archives, "archive", "archives"),
        Bytes(total.len_bytes)
    );
    if total.orphans > 0 {
        // Writing to a String does not fail.
        let _ = write!(text, ", and {} of archives that are gone", count(total.orphans, "file", "files"));
    }
    print(&format!("{text}\n"))?;
    Ok(code)
}

/// Whose rules hold.
enum Rules {
    /// The same for all volumes.
    Same(Retention),
    /// Those of a configuration's sources.
    Planned(Box<Plan>),
}

impl Rules {
    fn of(&self, volume: &str) -> Option<Retention> {
        match self {
            Self::Same(rules) => Some(rules.clone()),
            Self::Planned(plan) => rules_for(plan, volume),
        }
    }

    /// The archives of a volume. A configuration says nothing of those of another host.
    fn archives(&self, store: &dyn Store, volume: &str, manifests: &Manifests) -> Result<VolumeArchives> {
        let ours = VolumeArchives::read(store, volume, manifests)?;
        if matches!(self, Self::Planned(_)) {
            ownership::check_host(store, &ours.archives)?;
        }
        Ok(ours)
    }
}

/// Where to prune, and by which rules.
fn rules(arguments: &PruneArguments) -> Result<(Destination, Rules)> {
    let message = match (&arguments.destination, arguments.keep.rules()) {
        (Some(folder), Some(rules)) => return Ok((plain(folder), Rules::Same(rules))),
        (None, None) => {
            let plan = plan(arguments.config.as_deref())?;
            return Ok((plan.destination.clone(), Rules::Planned(Box::new(plan))));
        }
        (Some(_), None) => {
            "say what is to be kept, with --keep-daily N for example; without a rule nothing would go"
        }
        (None, Some(_)) => "say for which DIR these rules are; without it those of the configuration hold",
    };
    Err(Error::new(Kind::Usage, message))
}

/// Decides on the archives of one volume, removes what goes, and says so.
fn prune(
    store: &dyn Store,
    VolumeArchives { archives, orphans }: VolumeArchives,
    volume: &str,
    rules: &Retention,
    dry_run: bool,
    total: &mut Total,
) -> Result<()> {
    let decisions = decide(&archives, rules, now());
    let words = || {
        let title = format!("{}: {}", Printable(volume.as_bytes()), describe(rules));
        let rows: Vec<[String; 4]> = decisions.iter().map(row).collect();
        format!("{title}\n{}\n", indented(&columns(&rows, [false, true, false, false])))
    };
    total.tell(words, || as_json(&store.address(), volume, rules, &decisions, &orphans))?;
    // What is about to go was told before.
    for Decision { archived, .. } in decisions.iter().filter(|decision| decision.is_removal()) {
        let len_bytes = archived.len_bytes;
        let removed = Removed { key: archived.key.clone(), len_bytes };
        if total.count(if dry_run { Ok(removed) } else { archives::remove(store, archived) }) {
            total.archives = total.archives.saturating_add(1);
        }
    }
    for orphan in orphans {
        let removed = if dry_run { Ok(()) } else { store.remove(&orphan.key) };
        if total.count(removed.map(|()| orphan)) {
            total.orphans = total.orphans.saturating_add(1);
        }
    }
    Ok(())
}

impl Total {
    /// Tells what was decided on a volume: at once in words, or at the end.
    fn tell(&mut self, words: impl FnOnce() -> String, fields: impl FnOnce() -> Value) -> Result<()> {
        match &mut self.volumes {
            Some(volumes) => volumes.push(fields()),
            None => print(&words())?,
        }
        Ok(())
    }

    /// Counts what is gone. One that can't be removed does not keep the others.
    fn count(&mut self, removed: Result<Removed>) -> bool {
        match removed {
            Ok(removed) => {
                self.len_bytes = self.len_bytes.saturating_add(removed.len_bytes);
                true
            }
            Err(error) => {
                self.fault(&error.to_string());
                false
            }
        }
    }

    fn fault(&mut self, text: &str) {
        // In JSON they are in the document.
        if self.volumes.is_none() {
            speech::fault(text);
        }
        self.errors.push(text.to_owned());
    }
}

/// What was decided on a volume. An archive is kept for these reasons; one that goes has none.
fn as_json(
    address: &Address,
    volume: &str,
    rules: &Retention,
    decisions: &[Decision<'_>],
    orphans: &[Removed],
) -> Value {
    let archives = decisions.iter().map(|decision| {
        let Decision { archived, verdict } = decision;
        let kept = match verdict {
            Verdict::Keep(reasons) => reasons.iter().map(ToString::to_string).collect(),
            Verdict::Remove => Vec::new(),
        };
        json!({
            "path": address.of(&archived.key).to_string(),
            "taken": archived.taken,
            "len_bytes": archived.len_bytes,
            "complete": archived.is_complete(),
            "goes": decision.is_removal(),
            "kept": kept,
        })
    });
    let orphans = orphans
        .iter()
        .map(|orphan| json!({ "path": address.of(&orphan.key).to_string(), "len_bytes": orphan.len_bytes }));
    json!({
        "volume": volume,
        "retention": describe(rules),
        "archives": archives.collect::<Vec<_>>(),
        "orphans": orphans.collect::<Vec<_>>(),
    })
}

fn row(decision: &Decision<'_>) -> [String; 4] {
    let archived = decision.archived;
    let verdict = match &decision.verdict {
        Verdict::Keep(_) => format!("keep: {}", decision.reasons()),
        Verdict::Remove => "REMOVE".to_owned(),
    };
    [readable(archived.taken), Bytes(archived.len_bytes).to_string(), state(archived), verdict]
}
