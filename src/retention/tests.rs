use std::collections::BTreeSet;

use proptest::prelude::*;

use crate::calendar::{parse_stamp, stamp};
use crate::retention::*;
use crate::store::Key;
use crate::store::archives::Told;

fn archived(volume: &str, taken: i64, issues: Option<u64>) -> Archived {
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
    let key = Key::new(format!("{volume}/{volume}_{}.tar.zst", stamp(taken))).unwrap();
    Archived { volume: volume.to_owned(), key, taken, len_bytes: 1, told: issues.map(told) }
}

fn at(stamp: &str) -> i64 {
    parse_stamp(stamp).unwrap()
}

/// What becomes of archives, a line each: the day, and why it stays.
fn decided(archives: &[Archived], rules: &Retention, now: i64) -> Vec<String> {
    let line = |decision: &Decision<'_>| match decision.verdict {
        Verdict::Keep(_) => format!("{} {}", &stamp(decision.archived.taken)[..10], decision.reasons()),
        Verdict::Remove => format!("{} -", &stamp(decision.archived.taken)[..10]),
    };
    decide(archives, rules, now).iter().map(line).collect()
}

/// Archives of days of May 2026, at one o'clock; `!` behind a day makes it incomplete, `?` takes its manifest.
fn may(days: &[&str]) -> Vec<Archived> {
    let one = |day: &&str| {
        let number = day.trim_end_matches(['!', '?']);
        let issues = if day.ends_with('?') { None } else { Some(u64::from(day.ends_with('!'))) };
        archived("web1", at(&format!("2026-05-{number:0>2}T010000Z")), issues)
    };
    days.iter().map(one).collect()
}

#[test]
fn each_rule_says_why_an_archive_stays() {
    let none = Retention::default();
    let noon = at("2026-05-09T120000Z");
    let cases: [(&str, &[&str], Retention, &[&str]); 11] = [
        ("no rule", &["1", "2!"], none.clone(), &["2026-05-01 no rule", "2026-05-02 no rule"]),
        (
            "a rule of nothing is none",
            &["1"],
            Retention { keep_daily: Some(0), ..none.clone() },
            &["2026-05-01 no rule"],
        ),
        (
            "days",
            &["1", "7", "8", "9"],
            Retention { keep_days: Some(1), ..none.clone() },
            &["2026-05-01 -", "2026-05-07 -", "2026-05-08 -", "2026-05-09 within 1 day, last complete"],
        ),
        (
            "the latest",
            &["1", "2", "9"],
            Retention { keep_last: Some(2), ..none.clone() },
            &["2026-05-01 -", "2026-05-02 last 2 of 2", "2026-05-09 last 1 of 2, last complete"],
        ),
        (
            "days that have one",
            &["1", "2", "9"],
            Retention { keep_daily: Some(2), ..none.clone() },
            &["2026-05-01 -", "2026-05-02 daily 2 of 2", "2026-05-09 daily 1 of 2, last complete"],
        ),
        (
            // 4 May 2026 was a Monday.
            "weeks",
            &["2", "3", "4", "9"],
            Retention { keep_weekly: Some(3), ..none.clone() },
            &[
                "2026-05-02 -",
                "2026-05-03 weekly 2 of 3",
                "2026-05-04 -",
                "2026-05-09 weekly 1 of 3, last complete",
            ],
        ),
        (
            "rules add up",
            &["3", "8", "9"],
            Retention { keep_last: Some(1), keep_weekly: Some(2), keep_days: Some(2), ..none.clone() },
            &[
                "2026-05-03 weekly 2 of 2",
                "2026-05-08 within 2 days",
                "2026-05-09 within 2 days, last 1 of 1, weekly 1 of 2, last complete",
            ],
        ),
        (
            "incomplete ones count apart, and go when a complete one comes after them",
            &["4", "5!", "6", "7!", "8?", "9!"],
            Retention { keep_daily: Some(2), ..none.clone() },
            &[
                "2026-05-04 daily 2 of 2",
                "2026-05-05 -",
                "2026-05-06 daily 1 of 2, last complete",
                "2026-05-07 -",
                "2026-05-08 incomplete daily 2 of 2",
                "2026-05-09 incomplete daily 1 of 2, latest",
            ],
        ),
        (
            "an incomplete one that is young stays",
            &["8!", "9"],
            Retention { keep_days: Some(3), ..none.clone() },
            &["2026-05-08 within 3 days", "2026-05-09 within 3 days, last complete"],
        ),
        (
            "the last ones stay, however old",
            &["1", "2!"],
            Retention { keep_days: Some(3), ..none.clone() },
            &["2026-05-01 last complete", "2026-05-02 latest"],
        ),
        (
            "what is from the future stays, and counts for nothing",
            &["8", "9", "10", "11!"],
            Retention { keep_last: Some(1), ..none.clone() },
            &[
                "2026-05-08 -",
                "2026-05-09 last 1 of 1, last complete",
                "2026-05-10 from the future",
                "2026-05-11 from the future",
            ],
        ),
    ];
    for (what, archives, rules, expected) in cases {
        assert_eq!(decided(&may(archives), &rules, noon), expected, "{what}");
    }
}

#[test]
fn volumes_are_decided_on_by_themselves() {
    let rules = Retention { keep_last: Some(1), ..Retention::default() };
    let archives = [archived("a", 100, Some(0)), archived("b", 200, Some(0)), archived("a", 300, Some(0))];
    let removed: Vec<bool> = decide(&archives, &rules, 400).iter().map(Decision::is_removal).collect();
    assert_eq!(removed, [true, false, false]);
}

#[test]
fn rules_are_described_in_words() {
    let cases = [
        (Retention::default(), "everything"),
        (Retention { keep_days: Some(14), ..Retention::default() }, "14 days"),
        (Retention { keep_days: Some(1), keep_monthly: Some(6), ..Retention::default() }, "1 day, 6 monthly"),
        (
            Retention {
                keep_days: None,
                keep_last: Some(3),
                keep_daily: Some(7),
                keep_weekly: Some(4),
                keep_monthly: Some(0),
                keep_yearly: Some(2),
            },
            "last 3, 7 daily, 4 weekly, 2 yearly",
        ),
    ];
    for (rules, words) in cases {
        assert_eq!(describe(&rules), words);
    }
}

#[test]
fn what_goes_next_is_told_with_its_night() {
    let noon = at("2026-05-09T120000Z");
    let rules = |keep_days, keep_daily| Retention { keep_days, keep_daily, ..Retention::default() };
    type Next = Option<(&'static str, &'static str)>;
    let cases: [(&str, &[&str], Retention, Next); 6] = [
        ("no rule", &["8", "9"], rules(None, None), None),
        ("nothing there", &[], rules(None, Some(2)), None),
        // On the third night it is a little older than three days when that is asked.
        ("days", &["8", "9"], rules(Some(3), None), Some(("2026-05-08", "2026-05-11T010000Z"))),
        ("counted", &["7", "8", "9"], rules(None, Some(4)), Some(("2026-05-07", "2026-05-11T010000Z"))),
        (
            "what goes already is passed over",
            &["7", "8", "9"],
            rules(None, Some(2)),
            Some(("2026-05-08", "2026-05-10T010000Z")),
        ),
        ("not within eleven years", &["9"], rules(Some(100_000), None), None),
    ];
    for (what, archives, rules, expected) in cases {
        let next = next_to_expire(&may(archives), &rules, noon);
        let next = next.map(|(key, when)| (key.file_name().to_str().unwrap()[5..15].to_owned(), stamp(when)));
        let expected = expected.map(|(day, when)| (day.to_owned(), when.to_owned()));
        assert_eq!(next, expected, "{what}");
    }
}

/// A night by night repetition of what [`next_to_expire`] computes: an archive each night, and what goes is gone.
fn first_to_go(archives: &[Archived], rules: &Retention, now: i64, most_nights: i64) -> Option<(Key, i64)> {
    let keep = |archives: Vec<Archived>, then: i64| -> (Vec<Archived>, Vec<Archived>) {
        let removals: Vec<bool> = decide(&archives, rules, then).iter().map(Decision::is_removal).collect();
        let (gone, stay): (Vec<_>, Vec<_>) = archives.into_iter().zip(removals).partition(|(_, goes)| *goes);
        (stay.into_iter().map(|(a, _)| a).collect(), gone.into_iter().map(|(a, _)| a).collect())
    };
    let (mut there, _) = keep(archives.to_vec(), now);
    let real: BTreeSet<Key> = there.iter().map(|archived| archived.key.clone()).collect();
    let mut then = archives.iter().map(|a| a.taken).filter(|taken| *taken <= now).max().unwrap_or(now);
    while then <= now {
        then += DAY_SECONDS;
    }
    for _ in 0..most_nights {
        there.push(Archived {
            key: Key::new(format!("new/{then}")).unwrap(),
            ..archived("web1", then, Some(0))
        });
        let (stay, gone) = keep(there, then + 1);
        let first = gone.iter().filter(|a| real.contains(&a.key)).min_by_key(|a| (a.taken, a.key.clone()));
        if let Some(first) = first {
            return Some((first.key.clone(), then));
        }
        there = stay;
        then += DAY_SECONDS;
    }
    None
}

const NOW: i64 = 1_778_328_000;

fn histories() -> impl Strategy<Value = Vec<Archived>> {
    let one = (
        -40 * 30..30_i64,
        0..86_400_i64,
        prop_oneof![6 => Just(Some(0)), 2 => Just(Some(1)), 1 => Just(None)],
    );
    prop::collection::btree_map(
        one.clone().prop_map(|(day, second, _)| NOW + day * 43_200 + second),
        one,
        0..60,
    )
    .prop_map(|found| {
        found.into_iter().map(|(taken, (_, _, issues))| archived("web1", taken, issues)).collect()
    })
}

fn some_rules() -> impl Strategy<Value = Retention> {
    let number = |most: u32| prop::option::of(1..most);
    (number(60), number(6), number(20), number(10), number(8), number(4)).prop_map(
        |(keep_days, keep_last, keep_daily, keep_weekly, keep_monthly, keep_yearly)| Retention {
            keep_days,
            keep_last,
            keep_daily,
            keep_weekly,
            keep_monthly,
            keep_yearly,
        },
    )
}

fn kept(archives: &[Archived], rules: &Retention, now: i64) -> BTreeSet<Key> {
    let stay = decide(archives, rules, now).into_iter().filter(|decision| !decision.is_removal());
    stay.map(|decision| decision.archived.key.clone()).collect()
}

fn numbers(rules: &mut Retention) -> [&mut Option<u32>; 6] {
    [
        &mut rules.keep_days,
        &mut rules.keep_last,
        &mut rules.keep_daily,
        &mut rules.keep_weekly,
        &mut rules.keep_monthly,
        &mut rules.keep_yearly,
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_last_complete_archive_and_the_latest_and_all_of_the_future_stay(archives in histories(), rules in some_rules()) {
        let kept = kept(&archives, &rules, NOW);
        let present = || archives.iter().filter(|archived| archived.taken <= NOW);
        let last_complete = present().rfind(|archived| archived.is_complete());
        let future = archives.iter().filter(|archived| archived.taken > NOW);
        for must in last_complete.into_iter().chain(present().next_back()).chain(future) {
            prop_assert!(kept.contains(&must.key), "{}", must.key);
        }
    }

    #[test]
    fn what_stays_stays_when_the_rest_is_gone(archives in histories(), rules in some_rules()) {
        let before = kept(&archives, &rules, NOW);
        let left: Vec<Archived> = archives.into_iter().filter(|archived| before.contains(&archived.key)).collect();
        prop_assert_eq!(kept(&left, &rules, NOW), before);
    }

    #[test]
    fn the_order_of_the_list_does_not_matter(
        (archives, shuffled) in histories().prop_flat_map(|archives| (Just(archives.clone()), Just(archives).prop_shuffle())),
        rules in some_rules(),
    ) {
        prop_assert_eq!(kept(&archives, &rules, NOW), kept(&shuffled, &rules, NOW));
    }

    #[test]
    fn an_incomplete_archive_pushes_no_complete_one_out(
        archives in histories(),
        rules in some_rules(),
        day in -600..1_i64,
        issues in prop::sample::select(vec![None, Some(1)]),
    ) {
        let before = kept(&archives, &rules, NOW);
        let mut more = archives.clone();
        more.push(archived("web1", NOW + day * DAY_SECONDS, issues));
        let after = kept(&more, &rules, NOW);
        for archived in archives.iter().filter(|archived| archived.is_complete() && before.contains(&archived.key)) {
            prop_assert!(after.contains(&archived.key), "{}", archived.key);
        }
    }

    #[test]
    fn a_new_complete_archive_costs_each_rule_that_counts_at_most_one(archives in histories(), rules in some_rules()) {
        let past: Vec<Archived> = archives.into_iter().filter(|archived| archived.taken < NOW).collect();
        let before = kept(&past, &rules, NOW);
        let mut more = past.clone();
        more.push(archived("web1", NOW, Some(0)));
        let after = kept(&more, &rules, NOW);
        let gone = past.iter().filter(|a| a.is_complete() && before.contains(&a.key) && !after.contains(&a.key));
        // One more, which stayed as the last complete one alone.
        prop_assert!(gone.count() <= counting_rules(&rules).count() + 1);
    }

    #[test]
    fn more_rules_and_higher_numbers_keep_no_less(
        archives in histories(),
        rules in some_rules(),
        which in 0..6_usize,
        by in 1..10_u32,
    ) {
        prop_assume!(rules != Retention::default());
        let mut wider = rules.clone();
        let number = &mut numbers(&mut wider)[which];
        **number = Some(number.map_or(by, |number| number + by));
        prop_assert!(kept(&archives, &rules, NOW).is_subset(&kept(&archives, &wider, NOW)));
    }

    #[test]
    fn time_alone_brings_nothing_back(archives in histories(), rules in some_rules(), days in 0..100_i64) {
        let later = NOW + days * DAY_SECONDS;
        let now = kept(&archives, &rules, NOW);
        prop_assert!(kept(&archives, &rules, later).is_subset(&now));
    }

    #[test]
    fn every_archive_that_stays_has_a_reason_in_words(archives in histories(), rules in some_rules()) {
        for decision in decide(&archives, &rules, NOW) {
            prop_assert_eq!(decision.reasons().is_empty(), decision.is_removal());
        }
    }

    #[test]
    fn no_moment_is_too_far_away(
        takens in prop::collection::vec(any::<i64>(), 0..20),
        now in any::<i64>(),
        rules in some_rules(),
        many in any::<bool>(),
    ) {
        let archives: Vec<Archived> = takens.into_iter().map(|taken| archived("web1", taken, Some(0))).collect();
        let most = Some(u32::MAX);
        let rules = match many {
            true => Retention { keep_days: most, keep_last: most, keep_daily: most, ..rules },
            false => rules,
        };
        prop_assert_eq!(decide(&archives, &rules, now).len(), archives.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_goes_next_is_what_goes_night_by_night(archives in histories(), rules in some_rules()) {
        let most_nights = 500;
        let expected = first_to_go(&archives, &rules, NOW, most_nights);
        let found = next_to_expire(&archives, &rules, NOW);
        match expected {
            Some(expected) => prop_assert_eq!(found, Some(expected)),
            None => prop_assert!(found.is_none_or(|(_, when)| when > NOW + most_nights * DAY_SECONDS)),
        }
    }
}
