//! The report as metrics, in Prometheus' text format for node_exporter's textfile collector.
//!
//! Format: <https://prometheus.io/docs/instrumenting/exposition_formats/>. `docs/report.md` has the metrics and alerts.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::report::measures::{last_complete, latest, total_bytes};
use crate::report::outcome::{Outcome, Published, Verdict, VolumeOutcome};

/// A metric of each volume: its name, what it is, and its value, where there is one.
type OfVolume = (&'static str, &'static str, fn(&Outcome, &VolumeOutcome) -> Option<String>);

/// A metric of the run.
type OfRun = (&'static str, &'static str, fn(&Outcome) -> Option<String>);

const OF_RUN: [OfRun; 11] = [
    ("voltar_last_run_timestamp_seconds", "When the last run began.", |run| Some(run.started.to_string())),
    ("voltar_last_run_duration_seconds", "How long the last run took.", |run| {
        Some(run.elapsed.as_secs_f64().to_string())
    }),
    ("voltar_last_run_complete", "Whether every volume has a complete archive of the last run.", |run| {
        Some(flag(run.verdict() == Verdict::Complete))
    }),
    ("voltar_last_run_volumes", "Volumes of the last run.", |run| Some(run.volumes.len().to_string())),
    ("voltar_last_run_errors", "What failed in the last run besides volumes.", |run| {
        Some(run.errors.len().to_string())
    }),
    ("voltar_verified_archives", "Archives that the last run verified.", |run| {
        Some(run.verified.len().to_string())
    }),
    ("voltar_damaged_archives", "Archives among them that are damaged, or could not be read.", |run| {
        Some(run.damaged().count().to_string())
    }),
    ("voltar_destination_size_bytes", "Size of the destination's filesystem.", |run| {
        run.space.map(|space| space.total_bytes.to_string())
    }),
    ("voltar_destination_free_bytes", "Free space of the destination's filesystem.", |run| {
        run.space.map(|space| space.free_bytes.to_string())
    }),
    ("voltar_destination_archives", "Archives in the destination.", |run| {
        Some(run.history.len().to_string())
    }),
    ("voltar_destination_archives_bytes", "Size of all archives in the destination.", |run| {
        Some(total_bytes(run).to_string())
    }),
];

const OF_VOLUMES: [OfVolume; 12] = [
    ("voltar_volume_failed", "Whether the last run published no archive of this volume.", |_, volume| {
        Some(flag(volume.result.is_err()))
    }),
    (
        "voltar_volume_last_success_timestamp_seconds",
        "When the latest complete archive of this volume was begun, in whichever run.",
        |run, volume| last_complete(run, &volume.folder).map(|archive| archive.taken.to_string()),
    ),
    (
        "voltar_volume_last_archive_timestamp_seconds",
        "When the latest archive of this volume was begun, complete or not.",
        |run, volume| latest(run, &volume.folder, 1).first().map(|archive| archive.taken.to_string()),
    ),
    ("voltar_volume_archives", "Archives of this volume in the destination.", |run, volume| {
        Some(latest(run, &volume.folder, usize::MAX).len().to_string())
    }),
    ("voltar_volume_duration_seconds", "How long this volume took in the last run.", |_, volume| {
        Some(volume.elapsed.as_secs_f64().to_string())
    }),
    ("voltar_volume_archive_bytes", "Size of the last run's archive of this volume.", |_, volume| {
        of_archive(volume, |archive| archive.archive_bytes)
    }),
    (
        "voltar_volume_data_bytes",
        "Size of the files in the last run's archive of this volume.",
        |_, volume| of_archive(volume, |archive| archive.data_bytes),
    ),
    ("voltar_volume_read_bytes", "Bytes that the last run read from this volume.", |_, volume| {
        of_archive(volume, |archive| archive.bytes_read)
    }),
    ("voltar_volume_entries", "Entries of the last run's archive of this volume.", |_, volume| {
        of_archive(volume, |archive| archive.entries)
    }),
    (
        "voltar_volume_images",
        "Partitions of this volume that the last run's archive stores as images.",
        |_, volume| of_archive(volume, |archive| archive.images),
    ),
    ("voltar_volume_issues", "Issues of the last run's archive of this volume.", |_, volume| {
        of_archive(volume, |archive| archive.issue_count)
    }),
    (
        "voltar_volume_snapshot_used_ratio",
        "How full this volume's snapshot got in the last run, from 0 to 1.",
        |_, volume| {
            let percent = volume.result.as_ref().ok()?.snapshot_percent?;
            Some((percent / 100.0).to_string())
        },
    ),
];

/// The report as metrics.
#[must_use]
pub fn metrics(outcome: &Outcome) -> String {
    let mut text = String::new();
    for (name, help, value) in OF_RUN {
        if let Some(value) = value(outcome) {
            head(&mut text, name, help);
            let _ = writeln!(text, "{name} {value}");
        }
    }
    let volumes = distinct(outcome);
    for (name, help, value) in OF_VOLUMES {
        let samples = volumes.iter().filter_map(|volume| Some((volume, value(outcome, volume)?)));
        for (index, (volume, value)) in samples.enumerate() {
            if index == 0 {
                head(&mut text, name, help);
            }
            let _ = writeln!(text, "{name}{{volume=\"{}\"}} {value}", label(&volume.name));
        }
    }
    text
}

/// The volumes, one of each name: two samples of the same name would make the collector refuse the whole file.
fn distinct(outcome: &Outcome) -> Vec<&VolumeOutcome> {
    let mut names = BTreeSet::new();
    outcome.volumes.iter().filter(|volume| names.insert(volume.name.as_str())).collect()
}

fn head(text: &mut String, name: &str, help: &str) {
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
}

fn of_archive(volume: &VolumeOutcome, field: fn(&Published) -> u64) -> Option<String> {
    volume.result.as_ref().ok().map(|archive| field(archive).to_string())
}

fn flag(value: bool) -> String {
    u8::from(value).to_string()
}

/// A label's value as the format wants it escaped.
fn label(value: &str) -> String {
    value.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_escaped_as_the_format_wants_it() {
        assert_eq!(label("a\"b\\c\nd"), r#"a\"b\\c\nd"#);
    }
}
