//! Which rules hold for a folder of archives, by a plan alone: the volume may be gone, and nobody is asked for it.

use std::path::Path;

use crate::config::plan::{Plan, Source, What};
use crate::retention::{Retention, has_rule};
use crate::snapshot::VolumeName;
use crate::store::names::folder_of;

/// The rules for the folder of this name; `None` where no source names it: then nobody said that anything of it may go.
///
/// Volumes of several groups may have one name, and a folder does not tell its group: then all of their rules hold, and they add up.
/// What has a source of its own is left out of its group, wherever that stands; of several sources the first says how. Both as in a run.
#[must_use]
pub fn rules_for(plan: &Plan, folder: &str) -> Option<Retention> {
    let mut seen: Vec<Origin<'_>> = Vec::new();
    let mut rules: Option<Retention> = None;
    let is_group = |source: &&Source| matches!(source.what, What::Group { .. });
    let named = plan.sources.iter().filter(|source| !is_group(source));
    for source in named.chain(plan.sources.iter().filter(is_group)) {
        let Some(origin) = origin(&source.what, folder) else { continue };
        if seen.contains(&origin) {
            continue;
        }
        seen.push(origin);
        rules = Some(match rules {
            Some(others) => together(&others, &source.retention),
            None => source.retention.clone(),
        });
    }
    rules
}

/// Where the archives of a folder may come from.
#[derive(PartialEq)]
enum Origin<'a> {
    Group(&'a str),
    Device(&'a Path),
}

/// What the source would have its archives of in that folder, if anything.
fn origin<'a>(what: &'a What, folder: &str) -> Option<Origin<'a>> {
    // Where two volumes may have one name, their group's name is put before it.
    let is_of = |name: &VolumeName| {
        let names = [name.volume.clone(), format!("{}-{}", name.group, name.volume)];
        what.picks(name) && names.iter().any(|name| folder_of(name) == folder)
    };
    match what {
        What::Volume(name) => is_of(name).then_some(Origin::Group(&name.group)),
        What::Device(path) => (folder_of(&path.to_string_lossy()) == folder).then_some(Origin::Device(path)),
        What::Group { group, .. } => {
            let without_group = folder.strip_prefix(group.as_str()).and_then(|rest| rest.strip_prefix('-'));
            let mut names = [Some(folder), without_group].into_iter().flatten();
            let named = |volume: &str| VolumeName { group: group.clone(), volume: volume.to_owned() };
            names.any(|volume| is_of(&named(volume))).then_some(Origin::Group(group))
        }
    }
}

/// Rules that keep what either keeps.
fn together(one: &Retention, other: &Retention) -> Retention {
    if !has_rule(one) || !has_rule(other) {
        return Retention::default();
    }
    Retention {
        keep_days: one.keep_days.max(other.keep_days),
        keep_last: one.keep_last.max(other.keep_last),
        keep_daily: one.keep_daily.max(other.keep_daily),
        keep_weekly: one.keep_weekly.max(other.keep_weekly),
        keep_monthly: one.keep_monthly.max(other.keep_monthly),
        keep_yearly: one.keep_yearly.max(other.keep_yearly),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::config::plan::{Report, VolumeOptions};
    use crate::store::Destination;

    fn plan(sources: Vec<(What, Retention)>) -> Plan {
        let source = |(what, retention)| Source { what, options: VolumeOptions::default(), retention };
        Plan {
            sources: sources.into_iter().map(source).collect(),
            destination: Destination { folder: "/B".into(), require_mount: false, minimum_free: None },
            lvm_command: vec!["lvm".to_owned()],
            report: Report::default(),
            verify: None,
        }
    }

    fn group(group: &str, include: &[&str], exclude: &[&str]) -> What {
        let owned = |patterns: &[&str]| patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
        What::Group { group: group.to_owned(), include: owned(include), exclude: owned(exclude) }
    }

    fn volume(group: &str, volume: &str) -> What {
        What::Volume(VolumeName { group: group.to_owned(), volume: volume.to_owned() })
    }

    fn days(days: u32) -> Retention {
        Retention { keep_days: Some(days), ..Retention::default() }
    }

    #[test]
    fn a_folder_has_the_rules_of_the_sources_that_name_its_volume() {
        let last = Retention { keep_last: Some(3), ..Retention::default() };
        let both = Retention { keep_days: Some(9), keep_last: Some(3), ..Retention::default() };
        let image = || What::Device(PathBuf::from("/srv/guest.img"));
        type Sources = Vec<(What, Retention)>;
        let cases: [(&str, Sources, &str, Option<Retention>); 16] = [
            ("a volume", vec![(volume("vg", "web1"), days(9))], "web1", Some(days(9))),
            ("another", vec![(volume("vg", "web1"), days(9))], "web2", None),
            ("an image", vec![(image(), days(9))], "guest", Some(days(9))),
            ("a group", vec![(group("vg", &[], &[]), days(9))], "web1", Some(days(9))),
            ("a pattern", vec![(group("vg", &["web*"], &[]), days(9))], "web1", Some(days(9))),
            ("another pattern", vec![(group("vg", &["db*"], &[]), days(9))], "web1", None),
            ("a part of a name", vec![(group("vg", &["web"], &[]), days(9))], "web1", None),
            ("left out", vec![(group("vg", &["web*"], &["*1"]), days(9))], "web1", None),
            ("with its group", vec![(group("vg", &["web*"], &[]), days(9))], "vg-web1", Some(days(9))),
            (
                "its own source",
                vec![(volume("vg", "web1"), days(9)), (group("vg", &[], &[]), last.clone())],
                "web1",
                Some(days(9)),
            ),
            (
                "its own source behind its group",
                vec![(group("vg", &[], &[]), last.clone()), (volume("vg", "web1"), days(9))],
                "web1",
                Some(days(9)),
            ),
            (
                "the first of two groups",
                vec![(group("vg", &["web*"], &[]), days(9)), (group("vg", &[], &[]), last.clone())],
                "web1",
                Some(days(9)),
            ),
            (
                "two groups",
                vec![(group("a", &[], &[]), days(9)), (group("b", &[], &[]), last)],
                "web1",
                Some(both),
            ),
            (
                "the higher",
                vec![(group("a", &[], &[]), days(9)), (group("b", &[], &[]), days(8))],
                "web1",
                Some(days(9)),
            ),
            (
                "everything and something",
                vec![(group("a", &[], &[]), days(9)), (group("b", &[], &[]), Retention::default())],
                "web1",
                Some(Retention::default()),
            ),
            ("nothing", Vec::new(), "web1", None),
        ];
        for (what, sources, folder, expected) in cases {
            assert_eq!(rules_for(&plan(sources), folder), expected, "{what}");
        }
    }
}
