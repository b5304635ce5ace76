//! Snapshots and whole runs with a real LVM, in a virtual machine: `cases/*.sh`, each a sentence and the commands that show it.
//!
//! The machine is booted twice at most, with and without udevd, and each boot runs all cases that are asked for; see `README.md`.

use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use libtest_mimic::Arguments;

mod case;
#[path = "../common/mod.rs"]
mod common;
mod guest;

use common::trials::{Needs, run, trial};
use guest::{Boot, Ended};

const NEEDS: [Needs; 5] = [
    Needs::Tool("python3", "python3"),
    Needs::Tool("setpriv", "util-linux"),
    Needs::Tool("apt-get", "apt"),
    Needs::Tool("dpkg-deb", "dpkg"),
    Needs::Tool("depmod", "kmod"),
];

const BOOTS: [Boot; 2] =
    [Boot { name: "without udevd", has_udev: false }, Boot { name: "with udevd", has_udev: true }];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let is_asked_for =
        |sentence: &str| arguments.filter.as_ref().is_none_or(|filter| sentence.contains(filter.as_str()));
    let cases = case::all();
    let planned: Vec<(String, usize, case::Case)> = cases
        .iter()
        .flat_map(|case| {
            [0, 1].map(|boot| (format!("{}, {}", case.sentence, BOOTS[boot].name), boot, case.clone()))
        })
        .filter(|(_, boot, case)| case.only.as_ref().is_none_or(|only| only == BOOTS[*boot].name))
        .collect();
    for case in &cases {
        assert!(
            planned.iter().any(|(_, _, planned)| planned.name == case.name),
            "{}.sh runs in no boot",
            case.name
        );
    }
    let asked = [0, 1].map(|number| {
        let of_boot = planned.iter().filter(|(sentence, boot, _)| *boot == number && is_asked_for(sentence));
        of_boot.map(|(_, _, case)| case.clone()).collect::<Vec<_>>()
    });
    let asked = Arc::new(asked);
    let ended: Arc<OnceLock<[Ended; 2]>> = Arc::default();
    let trial_of = |(sentence, boot, case): (String, usize, case::Case)| {
        let (ended, asked) = (Arc::clone(&ended), Arc::clone(&asked));
        trial(sentence, &NEEDS, move || {
            let ended = ended.get_or_init(|| guest::run_both(&BOOTS, &asked));
            ended[boot].assert_success(&case);
        })
    };
    let trials = planned.into_iter().map(trial_of).collect();
    run(trials)
}
