//! The report as text.

use std::fs;
use std::path::Path;

use libtest_mimic::Trial;
use voltar::report::{Zone, summary, text_in};

use crate::common::trials::trial;
use crate::nights::{damaged, fail, hostile, interrupt, night, ten, two};

const EXPECTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/report/night.txt");

pub fn trials() -> Vec<Trial> {
    vec![
        trial("a night of ten volumes reads as the file beside this test", &[], as_expected),
        trial("the mail in the README is what a night reads as", &[], as_in_the_readme),
        trial("the first words say how the night was", &[], summaries),
        trial("no line of the text is too long, and none steers a terminal", &[], lines),
        trial("issues that are not shown are counted, and it is said where they are", &[], rest_of_issues),
        trial("volumes with different retention each say theirs", &[], retentions),
    ]
}

fn as_expected() {
    let text = text_in(&ten(), &Zone::utc());
    let expected = fs::read_to_string(EXPECTED).unwrap();
    if text != expected {
        let seen = Path::new(env!("CARGO_TARGET_TMPDIR")).join("night.txt");
        fs::write(&seen, &text).unwrap();
        let line = text.lines().zip(expected.lines()).position(|(a, b)| a != b);
        panic!(
            "the text changed, first in line {line:?}: look at {}; if it is meant, copy it to {EXPECTED}",
            seen.display()
        );
    }
}

/// The block of the README that begins as a report does.
fn as_in_the_readme() {
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let text = text_in(&two(), &Zone::utc());
    let shown = readme.split("```text\n").filter_map(|rest| rest.split_once("```"));
    let shown = shown.map(|(block, _)| block).find(|block| block.starts_with("voltar on "));
    assert_eq!(shown, Some(text.as_str()), "the README's mail is to be:\n{text}");
}

fn summaries() {
    let with = |volumes, change: fn(&mut voltar::report::outcome::Outcome)| {
        let mut outcome = night(volumes, 2);
        change(&mut outcome);
        summary(&outcome)
    };
    let cases = [
        (with(10, |_| {}), "10 volumes, all complete"),
        (with(1, |_| {}), "1 volume, complete"),
        (with(1, |night| fail(night, 0, "no")), "1 volume, FAILED"),
        (with(1, |night| interrupt(night, 0, 1)), "1 volume, incomplete"),
        (with(10, |night| fail(night, 0, "no")), "1 of 10 FAILED"),
        (with(10, |night| interrupt(night, 4, 3)), "1 of 10 incomplete"),
        (
            with(10, |night| {
                fail(night, 0, "no");
                fail(night, 1, "no");
                interrupt(night, 4, 3);
            }),
            "2 of 10 FAILED, 1 incomplete",
        ),
        (with(10, |night| night.errors = vec!["no".to_owned()]), "10 volumes, all complete, but 1 error"),
        (
            with(2, |night| {
                fail(night, 0, "no");
                night.errors = vec!["a".to_owned(), "b".to_owned()];
            }),
            "1 of 2 FAILED, and 2 errors",
        ),
        (with(2, |night| night.verified = damaged(1)), "2 volumes, all complete, but 1 archive is DAMAGED"),
        (
            with(2, |night| {
                night.verified = damaged(2);
                night.errors = vec!["no".to_owned()];
            }),
            "2 volumes, all complete, but 2 archives are DAMAGED, 1 error",
        ),
        (with(0, |_| {}), "NO VOLUME was backed up"),
    ];
    for (seen, expected) in cases {
        assert_eq!(seen, expected);
    }
}

fn lines() {
    for outcome in [night(0, 0), night(1, 0), ten(), hostile(), night(60, 3)] {
        let text = text_in(&outcome, &Zone::utc());
        for line in text.lines() {
            assert!(line.chars().count() <= 98, "{} characters: {line}", line.chars().count());
            assert!(!line.ends_with(' '), "{line:?}");
        }
        let steers = |c: char| c != '\n' && (c.is_control() || ('\u{202a}'..='\u{2069}').contains(&c));
        assert_eq!(text.chars().find(|c| steers(*c)), None);
    }
}

fn rest_of_issues() {
    let mut outcome = night(1, 0);
    interrupt(&mut outcome, 0, 12);
    let text = text_in(&outcome, &Zone::utc());
    let shown = text.matches("Input/output error").count();
    assert_eq!(shown, 10, "{text}");
    assert!(
        text.contains("and 2 more, in volume-00000000_2011-10-06T230001Z.tar.zst.manifest.jsonl.zst"),
        "{text}"
    );
}

fn retentions() {
    let mut outcome = night(2, 0);
    assert!(text_in(&outcome, &Zone::utc()).contains("Current retention - 14 days\n"));
    outcome.volumes[1].retention = "6 monthly".to_owned();
    let text = text_in(&outcome, &Zone::utc());
    assert!(!text.contains("Current retention"), "{text}");
    assert!(text.contains("retention: 14 days\n") && text.contains("retention: 6 monthly\n"), "{text}");
}
