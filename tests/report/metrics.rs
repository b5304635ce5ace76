//! The report as metrics, read by Prometheus' own tool.

use std::io::Write as _;
use std::process::Stdio;

use libtest_mimic::Trial;
use voltar::report::metrics;

use crate::common::tools;
use crate::common::trials::{Needs, trial};
use crate::nights::{DAY, STARTED, fail, hostile, interrupt, night, ten};

const PROMTOOL: Needs = Needs::Tool("promtool", "prometheus");

pub fn trials() -> Vec<Trial> {
    vec![
        trial("promtool has nothing to say against the metrics of any night", &[PROMTOOL], checked),
        trial("promtool does complain of a label that is not escaped", &[PROMTOOL], complains),
        trial("the last success survives a night that failed", &[], last_success),
        trial("an incomplete archive is an archive and no success", &[], incomplete),
        trial("a volume that is named twice is told once", &[], once),
        trial("every metric has its help and its type before its samples", &[], heads),
    ]
}

fn check(text: &str) -> std::process::Output {
    let mut child = tools::command("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool starts");
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn checked() {
    let mut same_names = night(3, 1);
    same_names.volumes[2].name = same_names.volumes[0].name.clone();
    for outcome in [night(0, 0), night(1, 0), ten(), hostile(), same_names] {
        let text = metrics(&outcome);
        let output = check(&text);
        tools::assert_success("promtool", &output);
        assert!(output.stdout.is_empty() && output.stderr.is_empty(), "{}\n{text}", tools::said(&output));
    }
}

fn complains() {
    let mut text = metrics(&night(1, 0));
    text.push_str("voltar_volume_failed{volume=\"a\"b\"} 1\n");
    assert!(!check(&text).status.success());
}

fn sample(text: &str, name: &str) -> Option<String> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ').map(str::to_owned))
}

fn last_success() {
    let mut outcome = night(2, 5);
    fail(&mut outcome, 1, "the device is gone");
    let text = metrics(&outcome);
    let of = |metric: &str, volume: usize| {
        sample(&text, &format!("voltar_volume_{metric}{{volume=\"cinder-volumes/volume-{volume:08}\"}}"))
    };
    assert_eq!(of("last_success_timestamp_seconds", 0), Some(STARTED.to_string()));
    assert_eq!(of("last_success_timestamp_seconds", 1), Some((STARTED - DAY).to_string()));
    assert_eq!((of("failed", 0), of("failed", 1)), (Some("0".to_owned()), Some("1".to_owned())));
    assert_eq!(of("archive_bytes", 1), None, "no archive, no size");
    assert_eq!(of("archives", 1), Some("5".to_owned()));
    assert_eq!(sample(&text, "voltar_last_run_complete"), Some("0".to_owned()));
}

fn incomplete() {
    let mut outcome = night(1, 5);
    interrupt(&mut outcome, 0, 7);
    let text = metrics(&outcome);
    let of = |metric: &str| {
        sample(&text, &format!("voltar_volume_{metric}{{volume=\"cinder-volumes/volume-00000000\"}}"))
    };
    assert_eq!(of("last_success_timestamp_seconds"), Some((STARTED - DAY).to_string()));
    assert_eq!(of("last_archive_timestamp_seconds"), Some(STARTED.to_string()));
    assert_eq!((of("issues"), of("failed")), (Some("7".to_owned()), Some("0".to_owned())));
    assert_eq!(sample(&text, "voltar_last_run_complete"), Some("0".to_owned()));
}

fn once() {
    let mut outcome = night(2, 1);
    outcome.volumes[1].name = outcome.volumes[0].name.clone();
    assert_eq!(metrics(&outcome).matches("voltar_volume_failed{").count(), 1);
}

fn heads() {
    let text = metrics(&ten());
    let mut known = String::new();
    for line in text.lines() {
        match line.split_once(' ').unwrap() {
            ("#", rest) => known = rest.split(' ').nth(1).unwrap().to_owned(),
            (sample, _) => assert_eq!(sample.split('{').next(), Some(known.as_str())),
        }
        assert!(known.starts_with("voltar_"), "{line}");
    }
    assert!(text.matches("# HELP").count() == text.matches("# TYPE").count() && text.ends_with('\n'));
}
