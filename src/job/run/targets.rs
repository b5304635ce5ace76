//! From the sources of a plan to the volumes that there are.

use std::collections::BTreeMap;

use super::super::backup::Subject;
use crate::config::plan::{Plan, Source, What};
use crate::printable::Printable;
use crate::snapshot::{Provider, VolumeName};
use crate::store::names::folder_of;

/// One thing to back up, and where.
#[derive(Debug)]
pub struct BackupTarget<'a> {
    /// Its name: `GROUP/VOLUME`, or a path.
    pub name: String,
    /// What it is.
    pub subject: Subject,
    /// The folder of its archives, within the destination.
    pub folder: String,
    /// The line of the plan that it comes from.
    pub source: &'a Source,
    /// Why it can't be backed up, known before anything is tried.
    pub fault: Option<String>,
}

/// All that a plan backs up, in order.
#[derive(Debug, Default)]
pub struct Targets<'a> {
    /// Each thing, once.
    pub targets: Vec<BackupTarget<'a>>,
    /// Sources that could not be expanded, and why.
    pub errors: Vec<String>,
}

/// Expands groups, leaves out of them what has a source of its own, and gives each its folder.
pub fn expand<'a>(plan: &'a Plan, provider: &dyn Provider) -> Targets<'a> {
    let mut all = Targets::default();
    for source in &plan.sources {
        let subjects = match &source.what {
            What::Volume(name) => vec![Subject::Volume(name.clone())],
            What::Device(path) => vec![Subject::Device(path.clone())],
            What::Group { group, include, .. } => match provider.volumes(group) {
                Ok(volumes) => {
                    let names = volumes.into_iter();
                    let names: Vec<VolumeName> = names.filter(|name| source.what.picks(name)).collect();
                    if names.is_empty() {
                        all.errors.push(nothing_in(group, include));
                    }
                    // What has a source of its own is meant there.
                    names.into_iter().filter(|name| !has_source(plan, name)).map(Subject::Volume).collect()
                }
                Err(error) => {
                    all.errors.push(format!("the volumes of group {group} can't be listed: {error}"));
                    continue;
                }
            },
        };
        for subject in subjects {
            // Of two sources that have it the first says how.
            if all.targets.iter().all(|target| target.subject != subject) {
                all.targets.push(target(plan, subject, source));
            }
        }
    }
    refuse_shared(&mut all.targets);
    all
}

fn has_source(plan: &Plan, name: &VolumeName) -> bool {
    plan.sources.iter().any(|source| matches!(source.what, What::Volume(_)) && source.what.picks(name))
}

fn target<'a>(plan: &Plan, subject: Subject, source: &'a Source) -> BackupTarget<'a> {
    let name = match &subject {
        Subject::Volume(name) => name.to_string(),
        Subject::Device(path) => Printable::path(path).to_string(),
    };
    let folder = match &subject {
        Subject::Volume(name) => plan.folder_of(name),
        Subject::Device(path) => folder_of(&path.to_string_lossy()),
    };
    BackupTarget { name, subject, folder, source, fault: None }
}

/// A source that names nothing is a mistake: a group that lost its volumes, or a pattern that is misspelt.
fn nothing_in(group: &str, include: &[String]) -> String {
    match include {
        [] => format!(
            "no volume of group {group} is to be backed up: it has none, or all are excluded: correct include and exclude, or remove the source"
        ),
        include => format!(
            "no volume of group {group} matches {}: correct include, or remove the source",
            include.join(" or ")
        ),
    }
}

/// Refuses things whose folders would be the same: histories that are mixed are worth nothing, since retention would remove
/// archives of one for those of the other.
fn refuse_shared(targets: &mut [BackupTarget<'_>]) {
    for index in shared(targets) {
        let Some(target) = targets.get_mut(index) else { continue };
        target.fault = Some(format!(
            "not begun: two sources would have their archives in the folder {}; one of them needs another name or destination",
            target.folder
        ));
    }
}

/// Which of them have a folder that another has too.
fn shared(targets: &[BackupTarget<'_>]) -> Vec<usize> {
    let mut folders: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, target) in targets.iter().enumerate() {
        folders.entry(&target.folder).or_default().push(index);
    }
    folders.into_values().filter(|indices| indices.len() > 1).flatten().collect()
}
