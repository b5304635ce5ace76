//! Retention over years of nights, written out: `tests/retention/*.txt` show what becomes of each archive, and why.
//!
//! Each file begins with the rules, the moment of the decision and the nights; what follows is what comes of them. Where a change of the
//! program changes that on purpose, `VOLTAR_WRITE=1 cargo test --test retention` writes the files anew: read the difference,
//! line by line, before it is committed.
//!
//! The days, weeks and months that the rules rest on are held against `date` (coreutils).

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use voltar::calendar::{DAY_SECONDS, Period, parse_stamp, stamp};
use voltar::retention::{Retention, decide, describe, next_to_expire};
use voltar::store::archives::Told;
use voltar::store::{Archived, Key};

/// From this many removals in a row on, only the first and the last are written out.
const LONG: usize = 3;

struct Case {
    name: &'static str,
    /// What the nights are like.
    nights: &'static str,
    rules: Retention,
    now: &'static str,
    archives: Vec<Archived>,
}

fn at(stamp: &str) -> i64 {
    parse_stamp(stamp).unwrap_or_else(|| panic!("{stamp}"))
}

fn archived(taken: i64, issues: Option<u64>) -> Archived {
    let told = |issues| Told {
        source: "/dev/vg0/web1".to_owned(),
        snapshot_of: None,
        host: None,
        data_bytes: 1,
        bytes_read: 1,
        entries: 1,
        images: 0,
        issues,
        seconds: None,
    };
    let key = Key::new(format!("web1_{}.tar.zst", stamp(taken))).unwrap();
    Archived { volume: "web1".to_owned(), key, taken, len_bytes: 1, told: issues.map(told) }
}

/// A night after the other, at the time of the first, the last one included.
fn nights(first: &str, last: &str) -> impl Iterator<Item = i64> + use<> {
    let (first, last) = (at(first), at(last));
    (0..).map(move |number| first + number * DAY_SECONDS).take_while(move |taken| *taken <= last)
}

fn cases() -> Vec<Case> {
    let complete = |taken| archived(taken, Some(0));
    let none = Retention::default;
    let usual = || Retention {
        keep_daily: Some(14),
        keep_weekly: Some(8),
        keep_monthly: Some(12),
        keep_yearly: Some(5),
        ..none()
    };
    vec![
        Case {
            name: "four-years",
            nights: "every night from 1 January 2022 to 9 May 2026, at 01:00:05, all complete",
            rules: usual(),
            now: "2026-05-09T013000Z",
            archives: nights("2022-01-01T010005Z", "2026-05-09T010005Z").map(complete).collect(),
        },
        Case {
            name: "fourteen-days",
            nights: "every night from 1 January to 9 May 2026, at 01:00:05, all complete",
            rules: Retention { keep_days: Some(14), ..none() },
            now: "2026-05-09T013000Z",
            archives: nights("2026-01-01T010005Z", "2026-05-09T010005Z").map(complete).collect(),
        },
        Case {
            name: "days-and-backups-that-stopped",
            nights: "every night from 1 January to 1 April 2026, then none",
            rules: Retention { keep_days: Some(14), keep_last: Some(3), ..none() },
            now: "2026-05-09T013000Z",
            archives: nights("2026-01-01T010005Z", "2026-04-01T010005Z").map(complete).collect(),
        },
        Case {
            name: "some-incomplete",
            nights: "every night from 1 January 2025 to 9 May 2026; each fifth is incomplete, and so are the last four",
            rules: usual(),
            now: "2026-05-09T013000Z",
            archives: nights("2025-01-01T010005Z", "2026-05-09T010005Z")
                .enumerate()
                .map(|(number, taken)| {
                    let is_incomplete = number % 5 == 4 || taken > at("2026-05-06T000000Z");
                    archived(taken, Some(u64::from(is_incomplete)))
                })
                .collect(),
        },
        Case {
            name: "incomplete-ever-since",
            nights: "every night from 1 January 2025 to 9 May 2026; since 1 October none is complete, and since May none has a manifest",
            rules: Retention { keep_daily: Some(7), keep_monthly: Some(4), ..none() },
            now: "2026-05-09T013000Z",
            archives: nights("2025-01-01T010005Z", "2026-05-09T010005Z")
                .map(|taken| match taken {
                    taken if taken > at("2026-05-01T000000Z") => archived(taken, None),
                    taken if taken > at("2025-10-01T000000Z") => archived(taken, Some(3)),
                    taken => complete(taken),
                })
                .collect(),
        },
        Case {
            name: "often-and-seldom",
            nights: "every six hours in the last ten days, on each Sunday of half a year, and on 29 February 2024",
            rules: Retention {
                keep_last: Some(6),
                keep_daily: Some(5),
                keep_weekly: Some(10),
                keep_yearly: Some(3),
                ..none()
            },
            now: "2026-05-09T013000Z",
            archives: {
                let sundays = nights("2025-11-02T030000Z", "2026-04-26T030000Z").step_by(7);
                let often = (0..40).map(|number| at("2026-04-29T060000Z") + number * DAY_SECONDS / 4);
                std::iter::once(at("2024-02-29T030000Z")).chain(sundays).chain(often).map(complete).collect()
            },
        },
        Case {
            name: "a-clock-that-jumped",
            nights: "every night from 20 April to 9 May 2026, one of 1970 and two of 2038",
            rules: Retention { keep_days: Some(5), keep_monthly: Some(3), ..none() },
            now: "2026-05-09T013000Z",
            archives: ["1970-01-01T000010Z", "2038-01-19T031407Z", "2038-01-20T031407Z"]
                .into_iter()
                .map(at)
                .chain(nights("2026-04-20T010005Z", "2026-05-09T010005Z"))
                .map(complete)
                .collect(),
        },
    ]
}

/// What becomes of the archives, oldest first. Long runs of removals are drawn together.
fn written_out(case: &Case) -> String {
    let now = at(case.now);
    let mut archives = case.archives.clone();
    archives.sort_by_key(|archived| archived.taken);
    let decisions = decide(&archives, &case.rules, now);
    let kept = decisions.iter().filter(|decision| !decision.is_removal()).count();
    let next = match next_to_expire(&archives, &case.rules, now) {
        Some((key, when)) => format!("{key} on {}", stamp(when)),
        None => "none".to_owned(),
    };
    let mut text = format!(
        "rules:  {}\nnow:    {}\nnights: {}\nkept:   {kept} of {}\nnext:   {next}\n\n",
        describe(&case.rules),
        case.now,
        case.nights,
        archives.len()
    );
    let day = |archived: &Archived| {
        let mark = match &archived.told {
            Some(told) if told.issues == 0 => ' ',
            Some(_) => '!',
            None => '?',
        };
        format!("{}{mark}", stamp(archived.taken))
    };
    for run in decisions.chunk_by(|one, other| one.is_removal() && other.is_removal()) {
        match run {
            [first, .., last] if run.len() >= LONG => {
                writeln!(text, "{} to {} removed, {}", day(first.archived), day(last.archived), run.len())
                    .unwrap();
            }
            run => {
                for decision in run {
                    let reasons =
                        if decision.is_removal() { "removed".to_owned() } else { decision.reasons() };
                    writeln!(text, "{} {reasons}", day(decision.archived)).unwrap();
                }
            }
        }
    }
    text
}

#[test]
fn years_of_nights_are_kept_and_removed_as_written_out() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/retention");
    let writes = std::env::var_os("VOLTAR_WRITE").is_some();
    let mut expected: Vec<String> = Vec::new();
    for case in cases() {
        let path = folder.join(format!("{}.txt", case.name));
        expected.push(format!("{}.txt", case.name));
        let found = written_out(&case);
        if writes {
            fs::write(&path, &found).unwrap();
            continue;
        }
        let written = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let differs = written.lines().zip(found.lines()).find(|(written, found)| written != found);
        assert!(
            written == found,
            "{}: {differs:?} ({} and {} lines); see the head of tests/retention.rs",
            path.display(),
            written.lines().count(),
            found.lines().count()
        );
    }
    expected.sort();
    let mut there: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    there.sort();
    assert_eq!(there, expected, "files in tests/retention");
}

#[test]
fn pruning_every_night_comes_to_the_same_as_pruning_once() {
    for case in cases() {
        let now = at(case.now);
        let mut all = case.archives.clone();
        all.sort_by_key(|archived| archived.taken);
        let mut there: Vec<Archived> = Vec::new();
        for archived in all.iter().filter(|archived| archived.taken <= now) {
            there.push(archived.clone());
            let goes: Vec<bool> =
                decide(&there, &case.rules, archived.taken).iter().map(|d| d.is_removal()).collect();
            let mut goes = goes.into_iter();
            there.retain(|_| !goes.next().unwrap());
        }
        let stays = |archives: &[Archived]| -> Vec<i64> {
            let kept =
                decide(archives, &case.rules, now).into_iter().filter(|decision| !decision.is_removal());
            kept.map(|decision| decision.archived.taken).filter(|taken| *taken <= now).collect()
        };
        assert_eq!(stays(&there), stays(&all), "{}", case.name);
    }
}

#[test]
fn days_weeks_and_months_are_those_of_date() {
    // Around the turns of years, where ISO weeks differ most, and a few days of each month.
    let moments: Vec<i64> = (1969..2110)
        .flat_map(|year| {
            let day =
                |month: u32, day: u32, time: &str| at(&format!("{year:04}-{month:02}-{day:02}T{time}Z"));
            let turn = (26..=31).map(move |date| day(12, date, "235959"));
            let first = (1..=6).map(move |date| day(1, date, "000000"));
            let middle = (1..=12).map(move |month| day(month, 28, "120000"));
            first.chain(middle).chain(turn).collect::<Vec<_>>()
        })
        .collect();
    let input: String = moments.iter().map(|moment| format!("@{moment}\n")).collect();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("moments");
    fs::write(&path, input).unwrap();
    let output = Command::new("date")
        .args(["--utc", "+%Y %j %G %V %m %Y-%m-%dT%H%M%SZ", "--file"])
        .arg(&path)
        .output()
        .expect("date of coreutils");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.lines().count(), moments.len());
    for (moment, line) in moments.into_iter().zip(text.lines()) {
        let (numbers, time) = line.rsplit_once(' ').unwrap();
        let numbers: Vec<i16> = numbers.split(' ').map(|number| number.parse().unwrap()).collect();
        let [year, day, week_year, week, month] = numbers[..] else { panic!("{line}") };
        assert_eq!(Period::Day.of(moment), (year, day), "{line}");
        assert_eq!(Period::Week.of(moment), (week_year, week), "{line}");
        assert_eq!(Period::Month.of(moment), (year, month), "{line}");
        assert_eq!(Period::Year.of(moment), (year, 0), "{line}");
        assert_eq!(stamp(moment), time);
    }
}
