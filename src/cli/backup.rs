//! `voltar backup`: one volume, now.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueHint};
use serde_json::{Value, json};

use super::archive::plural;
use super::args::SayingArguments;
use super::console::{Console, Show, per_second};
use super::options::OptionArguments;
use super::words::words;
use super::{print, run, signals};
use crate::archive::{Compression, Options};
use crate::config;
use crate::config::plan::{Hooks, Plan, Report, SnapshotOptions, Source, VolumeOptions, What};
use crate::error::{Error, Kind, Result};
use crate::printable::Printable;
use crate::report::outcome::{Outcome, Published};
use crate::retention::Retention;
use crate::snapshot::{Lvm, Size, VolumeName};
use crate::store::{Address, Destination};
use crate::units::Bytes;
use crate::worker::{Program, Worker};

const EXAMPLES: &str = r#"Examples:
  voltar backup cinder-volumes/volume-00000001 --to /BACKUPS
      /BACKUPS/volume-00000001/volume-00000001_2026-11-22T031500Z.tar.zst

  voltar backup vg0/web --to /BACKUPS --snapshot-size 10%ORIGIN --extend
      a small snapshot, which grows when it gets full

  voltar backup vg0/web --to /BACKUPS --freeze 'virsh domfsfreeze web' --thaw 'virsh domfsthaw web'
      with the guest's filesystems at rest for the moment of the snapshot

  voltar backup vg0/web --to /BACKUPS --freeze "ssh web 'mysqldump --all-databases > /var/backups/all.sql'"
      with a dump of the guest's databases in it, made just before

  voltar backup vg0/web --to /BACKUPS --lvm-command 'sudo -n lvm'
      as a user of group disk, with LVM's commands alone as root

Freeze and thaw are given VOLTAR_HOOK (freeze or thaw), VOLTAR_GROUP, VOLTAR_VOLUME and VOLTAR_DEVICE in their environment.

Exit codes:
  0  complete
  1  failed, nothing was published; or something could not be put in order, as it says
  2  the arguments make no sense
  3  published, but some of the source could not be read: the issues say what"#;

/// Take a snapshot of a logical volume, archive the files in it, remove the snapshot
///
/// The volume may be in use. A snapshot shows it as it was at one moment, as a disk whose plug was pulled; journals are replayed
/// while it is read. With --freeze and --thaw a guest, or a database in it, is at rest at that moment, and for no longer.
///
/// A snapshot that had no space for all that was changed meanwhile is worth nothing: LVM is asked after the last read, and
/// the archive is published only if all is well. The snapshot is removed in any case, also on Ctrl-C; one that a killed run
/// left behind is removed by the next one.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct BackupArguments {
    /// Logical volume; or the path of a device or image, which is read as it is
    #[arg(value_name = "GROUP/VOLUME|PATH")]
    pub source: PathBuf,

    /// Folder of the backups; the volume gets one of its own in it
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub to: PathBuf,

    /// Space for what is changed while the snapshot is there: 10G, 50%ORIGIN [default: 100%ORIGIN, or what is free]
    #[arg(long, value_name = "SIZE", value_parser = config::snapshot_size, help_heading = "The snapshot")]
    pub snapshot_size: Option<Size>,

    /// Make a snapshot larger that is 80 % full, as long as its group has space
    #[arg(long, help_heading = "The snapshot")]
    pub extend: bool,

    /// Run CMD before the snapshot is taken; words are parted as in a shell, but there is none
    #[arg(long, value_name = "CMD", help_heading = "The snapshot")]
    pub freeze: Option<String>,

    /// Run CMD after it was taken, or could not be, or CMD of --freeze failed: in any case
    #[arg(long, value_name = "CMD", help_heading = "The snapshot")]
    pub thaw: Option<String>,

    /// How many seconds each of these may take
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400), help_heading = "The snapshot")]
    pub hook_timeout: u64,

    /// How LVM is run; words are parted as in a shell, but there is none
    #[arg(long, value_name = "CMD", default_value = "lvm", help_heading = "The snapshot")]
    pub lvm_command: String,

    /// Compression
    #[arg(
        short,
        long,
        value_enum,
        value_name = "NAME",
        default_value = "zstd",
        help_heading = "How it is made"
    )]
    pub compress: Compression,

    #[command(flatten)]
    pub options: OptionArguments,

    #[command(flatten)]
    pub saying: SayingArguments,
}

/// Runs `voltar backup`.
pub(super) fn run(arguments: &BackupArguments) -> Result<ExitCode> {
    let plan = plan(arguments)?;
    let show = arguments.saying.show(false);
    let stop = signals::stop_flag().map_err(|source| Error::new(Kind::System, source))?;
    let console = Console::new(show, stop);
    let lvm = Lvm::new(&plan.lvm_command)?;
    let outcome = crate::job::run::run(&plan, &lvm, &Worker::new(Program::this(&["worker"])), &console);
    console.end();
    summarise(&console, show, &outcome);
    Ok(run::code(&outcome))
}

/// A plan for one volume, of which everything is kept.
fn plan(arguments: &BackupArguments) -> Result<Plan> {
    let what = what(&arguments.source)?;
    let hook =
        |option: &str, text: &Option<String>| text.as_ref().map(|text| words(option, text)).transpose();
    let hooks = Hooks {
        freeze: hook("--freeze", &arguments.freeze)?,
        thaw: hook("--thaw", &arguments.thaw)?,
        time_limit: Duration::from_secs(arguments.hook_timeout),
    };
    let asks_for_snapshot = hooks.freeze.is_some()
        || hooks.thaw.is_some()
        || arguments.snapshot_size.is_some()
        || arguments.extend;
    if asks_for_snapshot && let What::Device(path) = &what {
        let path = Printable::path(path);
        let message = format!(
            "no snapshot is taken of {path}, so there is nothing to freeze or extend; a volume is named GROUP/VOLUME"
        );
        return Err(Error::new(Kind::Usage, message));
    }
    let archive = Options { compression: arguments.compress, ..arguments.options.options()? };
    archive.check()?;
    if archive.reading.journal.is_some()
        && let What::Volume(name) = &what
    {
        let message = format!(
            "--journal: the snapshot is of {name} alone, and a journal that is apart would be of a later moment: name the path of a \
             device that nothing writes to"
        );
        return Err(Error::new(Kind::Usage, message));
    }
    let snapshot = SnapshotOptions {
        size: arguments.snapshot_size.unwrap_or_default(),
        extend: arguments.extend,
        hooks,
    };
    let options = VolumeOptions { archive, snapshot };
    Ok(Plan {
        sources: vec![Source { what, options, retention: Retention::default() }],
        destination: Destination { folder: arguments.to.clone(), require_mount: false, minimum_free: None },
        lvm_command: words("--lvm-command", &arguments.lvm_command)?,
        report: Report::default(),
        verify: None,
    })
}

/// `GROUP/VOLUME`, or a path: that begins with a `/` or a dot, or has no `/` at all.
fn what(source: &std::path::Path) -> Result<What> {
    let text = source.to_str().unwrap_or_default();
    match volume_name(text) {
        Some(name) => Ok(What::Volume(name)),
        None if text.starts_with(['/', '.']) => Ok(What::Device(source.to_path_buf())),
        None => {
            let source = Printable::path(source);
            let message =
                format!("{source} is no GROUP/VOLUME; the path of a device or image begins with / or ./");
            Err(Error::new(Kind::Usage, message))
        }
    }
}

/// `GROUP/VOLUME`, as LVM allows names; a path is none.
pub(super) fn volume_name(text: &str) -> Option<VolumeName> {
    let (group, volume) = text.split_once('/')?;
    VolumeName::new(group, volume).ok()
}

/// Says what came of it.
fn summarise(console: &Console, show: Show, outcome: &Outcome) {
    let Some(volume) = outcome.volumes.first() else {
        return console.json("summary", failure_as_json(None, outcome));
    };
    match (&volume.result, show) {
        (Ok(published), Show::Json { .. }) => console.json("summary", as_json(published, outcome)),
        (Ok(published), Show::Words { .. }) => {
            // The archive is published: that nobody reads this changes nothing.
            let _ = print(&as_text(&outcome.destination, published, outcome.elapsed));
        }
        (Ok(_), Show::Quiet) => {}
        (Err(error), Show::Json { .. }) => console.json("summary", failure_as_json(Some(error), outcome)),
        // It was told when it happened.
        (Err(_), _) => {}
    }
}

/// The summary where there is no archive; nothing where no JSON is wanted.
fn failure_as_json(error: Option<&String>, outcome: &Outcome) -> Value {
    json!({
        "archive": null,
        "complete": false,
        "error": error,
        "seconds": outcome.elapsed.as_secs_f64(),
        "errors": outcome.errors,
    })
}

fn as_text(destination: &Address, published: &Published, elapsed: Duration) -> String {
    let mut text = String::new();
    let (data, archive) = (Bytes(published.data_bytes), Bytes(published.archive_bytes));
    let rate = Bytes(per_second(published.data_bytes, elapsed));
    let seconds = elapsed.as_secs_f64();
    let (algorithm, digest) = &published.digest;
    // Writing to a String does not fail.
    let _ = writeln!(text, "{}", destination.of(&published.key));
    let _ = writeln!(
        text,
        "  {} entries; {data} of files became {archive} in {seconds:.1} s, {rate}/s",
        published.entries
    );
    if let Some(percent) = published.snapshot_percent {
        let _ = writeln!(text, "  the snapshot was {percent:.1} % full at most");
    }
    let _ = writeln!(text, "  {algorithm} {digest}");
    if published.issue_count > 0 {
        let count = published.issue_count;
        let _ = writeln!(text, "  INCOMPLETE: {count} issue{}, see above or the manifest", plural(count));
    }
    text
}

fn as_json(published: &Published, outcome: &Outcome) -> Value {
    let (algorithm, digest) = &published.digest;
    let mut summary = json!({
        "archive": outcome.destination.of(&published.key).to_string(),
        "complete": published.issue_count == 0,
        "entries": published.entries,
        "issues": published.issue_count,
        "data_bytes": published.data_bytes,
        "archive_bytes": published.archive_bytes,
        "bytes_read": published.bytes_read,
        "snapshot_percent": published.snapshot_percent,
        "seconds": outcome.elapsed.as_secs_f64(),
        "errors": outcome.errors,
    });
    if let Some(fields) = summary.as_object_mut() {
        fields.insert(algorithm.clone(), json!(digest));
    }
    summary
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn what_a_source_has_no_use_for_is_refused() {
        #[derive(Debug, clap::Parser)]
        struct Line {
            #[command(flatten)]
            arguments: BackupArguments,
        }
        let plan = |words: &[&str]| {
            let line = [&["backup", "--to", "/BACKUPS"], words].concat();
            plan(&<Line as clap::Parser>::try_parse_from(line).unwrap().arguments)
        };
        let cases: [(&[&str], Option<&str>); 6] = [
            (&["./disk.img", "--extend"], Some("nothing to freeze or extend")),
            (&["./disk.img", "--snapshot-size", "1G"], Some("nothing to freeze or extend")),
            (
                &["vg0/web", "--journal", "/dev/vg0/journal"],
                Some("--journal: the snapshot is of vg0/web alone"),
            ),
            (&["vg0/web", "--extend", "--snapshot-size", "1G"], None),
            (&["./disk.img", "--journal", "./journal.img"], None),
            (&["vg0/web"], None),
        ];
        for (words, expected) in cases {
            let error = plan(words).err().map(|error| error.to_string());
            assert_eq!(error.is_some(), expected.is_some(), "{words:?}: {error:?}");
            assert!(error.unwrap_or_default().contains(expected.unwrap_or_default()), "{words:?}");
        }
    }

    #[test]
    fn a_source_is_a_volume_or_a_path() {
        let volume = |group: &str, volume: &str| {
            What::Volume(VolumeName { group: group.to_owned(), volume: volume.to_owned() })
        };
        let cases = [
            ("cinder-volumes/volume-1", Some(volume("cinder-volumes", "volume-1"))),
            ("vg.0/a+b_c", Some(volume("vg.0", "a+b_c"))),
            ("/dev/vg0/web", Some(What::Device("/dev/vg0/web".into()))),
            ("./disk.img", Some(What::Device("./disk.img".into()))),
            ("../disk.img", Some(What::Device("../disk.img".into()))),
            ("disk.img", None),
            ("vg0/", None),
            ("a/b/c", None),
            ("-a/b", None),
            ("a/b c", None),
        ];
        for (text, expected) in cases {
            assert_eq!(what(Path::new(text)).ok(), expected, "{text}");
        }
    }
}
