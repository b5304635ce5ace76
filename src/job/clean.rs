//! Cleaning: snapshots that carry this program's mark and that nobody needs any more.

use crate::error::Result;
use crate::printable::harmless;
use crate::snapshot::{Marked, Owner, Provider, VolumeName};

/// What came of cleaning.
#[derive(Debug, Default)]
pub struct Cleaned {
    /// Snapshots that were removed, or that would have been.
    pub removed: Vec<VolumeName>,
    /// Snapshots that stay, and why.
    pub kept: Vec<(VolumeName, String)>,
    /// Leftovers of snapshots that are plain volumes now, in words: every run reports them.
    pub leftovers: Vec<String>,
    /// What failed.
    pub errors: Vec<String>,
}

/// Whether anything is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It is.
    Remove,
    /// It is only said what would be.
    Show,
}

/// Removes the snapshots of processes that are no more; when some are named, these and no others.
///
/// The leftover of an unfinished removal is a plain volume to LVM: somebody may have made it one.
/// So it is reported, and removed only when the user names it.
///
/// A snapshot without a mark is never removed, nor is one whose process still runs. One whose
/// process may still run is kept, unless the user names it.
///
/// # Errors
///
/// When it can't be found out which snapshots there are.
pub fn clean(provider: &dyn Provider, named: &[VolumeName], mode: Mode) -> Result<Cleaned> {
    let marked = provider.marked()?;
    let mut cleaned = Cleaned::default();
    for name in named.iter().filter(|name| marked.iter().all(|marked| marked.name != **name)) {
        cleaned
            .errors
            .push(format!("{name} is no snapshot that voltar took: it is not there, or carries no mark"));
    }
    let is_meant = |snapshot: &&Marked| named.is_empty() || named.contains(&snapshot.name);
    for snapshot in marked.iter().filter(is_meant) {
        let is_named = !named.is_empty();
        match reason_to_keep(snapshot, is_named) {
            Some(reason) if is_named => cleaned.errors.push(format!("{} stays: {reason}", snapshot.name)),
            Some(reason) => {
                if !snapshot.is_snapshot {
                    cleaned.leftovers.push(format!("{}: {reason}", snapshot.name));
                }
                cleaned.kept.push((snapshot.name.clone(), reason));
            }
            None => match if mode == Mode::Remove { provider.remove(&snapshot.name) } else { Ok(()) } {
                Ok(()) => cleaned.removed.push(snapshot.name.clone()),
                Err(error) => {
                    cleaned.errors.push(format!("the snapshot {} can't be removed: {error}", snapshot.name));
                }
            },
        }
    }
    Ok(cleaned)
}

/// Why it stays; `None` when it goes.
fn reason_to_keep(snapshot: &Marked, is_named: bool) -> Option<String> {
    let Marked { name, owner, is_snapshot, .. } = snapshot;
    match owner {
        Owner::Dead | Owner::Unknown | Owner::Elsewhere { .. } if !is_snapshot && !is_named => Some(format!(
            "it was a snapshot that voltar took, and its removal was cut short: \"voltar clean {name}\" \
             removes it; if it is a volume of yours, take the tag away (lvchange --deltag voltar \
             {name}) and rename it"
        )),
        Owner::Dead => None,
        Owner::Alive { pid } => {
            Some(format!("process {pid}, which took it, still runs: end it, or wait until it is through"))
        }
        Owner::Elsewhere { .. } | Owner::Unknown if is_named => None,
        Owner::Elsewhere { host } => Some(format!(
            "a process took it that can't be seen from here, on the host {}, and only there it is known whether it is still needed",
            harmless(host)
        )),
        Owner::Unknown => Some("its mark does not say who took it".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::fake::Fake;

    fn name(volume: &str) -> VolumeName {
        VolumeName { group: "vg0".to_owned(), volume: volume.to_owned() }
    }

    fn fake() -> Fake {
        let owners = [
            ("dead", Owner::Dead),
            ("alive", Owner::Alive { pid: 7 }),
            ("elsewhere", Owner::Elsewhere { host: "node2".to_owned() }),
            ("unknown", Owner::Unknown),
        ];
        let marked = owners.map(|(volume, owner)| Marked {
            name: name(volume),
            origin: None,
            taken: None,
            owner,
            is_snapshot: true,
        });
        Fake { marked: marked.into(), ..Fake::default() }
    }

    #[test]
    fn only_what_is_known_to_be_left_over_goes_by_itself() {
        let fake = fake();
        let cleaned = clean(&fake, &[], Mode::Remove).unwrap();
        assert_eq!(cleaned.removed, [name("dead")]);
        assert_eq!(fake.calls(), ["marked", "remove vg0/dead"]);
        let kept: Vec<&str> = cleaned.kept.iter().map(|(name, _)| name.volume.as_str()).collect();
        assert_eq!(kept, ["alive", "elsewhere", "unknown"]);
        assert!(cleaned.errors.is_empty());
    }

    #[test]
    fn what_is_named_goes_unless_it_is_needed_or_carries_no_mark() {
        let fake = fake();
        let named = ["alive", "elsewhere", "unknown", "web"].map(name);
        let cleaned = clean(&fake, &named, Mode::Remove).unwrap();
        assert_eq!(cleaned.removed, [name("elsewhere"), name("unknown")]);
        assert_eq!(fake.calls(), ["marked", "remove vg0/elsewhere", "remove vg0/unknown"]);
        assert_eq!(cleaned.errors.len(), 2, "{:?}", cleaned.errors);
    }

    #[test]
    fn what_is_left_of_a_snapshot_is_told_and_goes_when_it_is_named() {
        let mut fake = fake();
        fake.marked.iter_mut().for_each(|marked| marked.is_snapshot = false);
        let cleaned = clean(&fake, &[], Mode::Remove).unwrap();
        assert_eq!((cleaned.removed.as_slice(), cleaned.kept.len()), (&[][..], 4));
        let (_, reason) = &cleaned.kept[0];
        assert!(reason.contains("\"voltar clean vg0/dead\" removes it"), "{reason}");
        let cleaned = clean(&fake, &["dead", "alive"].map(name), Mode::Remove).unwrap();
        assert_eq!((cleaned.removed.as_slice(), cleaned.errors.len()), (&[name("dead")][..], 1));
    }

    #[test]
    fn a_dry_run_removes_nothing() {
        let fake = fake();
        assert_eq!(clean(&fake, &[], Mode::Show).unwrap().removed, [name("dead")]);
        assert_eq!(fake.calls(), ["marked"]);
    }

    #[test]
    fn one_that_stays_does_not_keep_the_others() {
        let fake = Fake { fails: vec!["remove"], ..fake() };
        let cleaned = clean(&fake, &[name("elsewhere"), name("unknown")], Mode::Remove).unwrap();
        assert_eq!(cleaned.errors.len(), 2);
        assert!(cleaned.removed.is_empty());
    }
}
