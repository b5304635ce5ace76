//! What of a group is shown: its visible volumes, snapshots and origins, as LVM activates them.

use std::collections::BTreeSet;

use super::build::{Builder, Built, Disk};
use super::group::{Group, Index, Logical};
use super::label::Label;
use super::segment::{MadeOf, Segment};
use crate::device::Device;
use crate::error::{Error, Kind, Result};
use crate::volume::id::VolumeId;
use crate::volume::layer::{Closed, Context, Found, Member, Opened};

/// Longest name that is kept of a volume that is refused for its name.
const NAME_MOST: usize = 100;

/// A group, and what it is opened from.
pub(super) struct Opening<'a> {
    pub group: &'a Group,
    /// What tells it from another group of its name.
    pub suffix: Option<&'a str>,
    pub members: &'a [Member],
    pub labels: &'a [Option<Label>],
    pub context: &'a Context<'a>,
}

/// A classic snapshot: indices of the volumes that it is made of.
#[derive(Clone, Copy)]
struct Snapshot {
    origin: usize,
    store: usize,
    chunk_bytes: u64,
    is_merging: bool,
    is_visible: bool,
}

impl Opening<'_> {
    /// Adds the group's volumes, and marks the members that belong to it.
    pub(super) fn open(&self, opened: &mut Opened, used: &mut [bool]) {
        let disks = self.disks(opened, used);
        let there: BTreeSet<usize> = disks.iter().flatten().map(|(member, _)| *member).collect();
        if there.is_empty() {
            return;
        }
        let snapshots = self.snapshots();
        let reach = Reach { group: self.group, disks: disks.clone() };
        let mut builder = Builder::new(self.group, disks, self.context);
        let mut ids: BTreeSet<VolumeId> = opened.volumes.iter().map(|found| found.id.clone()).collect();
        for (index, volume) in self.group.logical.iter().enumerate() {
            let Some(shown) = shown(index, volume, &snapshots) else { continue };
            let (id, fault) = self.id(volume);
            if !ids.insert(id.clone()) {
                let told = id.title();
                opened.warnings.push(format!("{told}: another volume has a name like it, and is skipped"));
                continue;
            }
            let built = match fault {
                Some(fault) => Err(fault),
                None => self.built(&mut builder, shown),
            };
            let len_bytes = match shown {
                Shown::Snapshot(snapshot) => self.len_bytes(snapshot.origin),
                _ => volume.len_bytes,
            };
            opened.volumes.push(found(id, volume, shown, len_bytes, built, || reach.of(index)));
        }
        let name = crate::printable::harmless(&self.group.name);
        let warnings = builder.warnings.iter().map(|warning| format!("volume group {name}: {warning}"));
        opened.warnings.extend(warnings);
    }

    /// The members that are the group's physical volumes.
    fn disks(&self, opened: &mut Opened, used: &mut [bool]) -> Vec<Disk> {
        let mut disks = Vec::new();
        for physical in &self.group.physical {
            let mut found: Disk = None;
            for (index, (label, member)) in self.labels.iter().zip(self.members).enumerate() {
                if label.as_ref().is_none_or(|label| !label.is(&physical.uuid)) {
                    continue;
                }
                if let Some(used) = used.get_mut(index) {
                    *used = true;
                }
                match &found {
                    None => found = Some((index, Device::clone(&member.device))),
                    Some((first, _)) => {
                        let other = self.members.get(*first).map(|member| member.id.title());
                        let message = format!(
                            "the same physical volume is on {} as well, which was taken",
                            other.unwrap_or_default()
                        );
                        let error = Error::new(Kind::Ambiguous, message);
                        opened.closed.push((index, Closed::Unreadable(error)));
                    }
                }
            }
            disks.push(found);
        }
        disks
    }

    fn snapshots(&self) -> Vec<Snapshot> {
        let index = |name: &str| match self.group.find(name) {
            Some(Index::Logical(index)) => Some(index),
            _ => None,
        };
        let snapshot = |volume: &Logical| match volume.segments.as_deref() {
            Ok([Segment { made_of: MadeOf::Snapshot { origin, store, chunk_bytes, is_merging }, .. }]) => {
                Some(Snapshot {
                    origin: index(origin)?,
                    store: index(store)?,
                    chunk_bytes: *chunk_bytes,
                    is_merging: *is_merging,
                    is_visible: volume.is_visible,
                })
            }
            _ => None,
        };
        self.group.logical.iter().filter_map(snapshot).collect()
    }

    /// The identity, and why it can't be the name that the metadata give.
    fn id(&self, volume: &Logical) -> (VolumeId, Option<Error>) {
        let group = &self.group.name;
        match VolumeId::logical(group, &volume.name, self.suffix) {
            Ok(id) => (id, None),
            Err(error) => {
                let safe = VolumeId::logical(&safe(group), &safe(&volume.name), self.suffix);
                let unnamed = VolumeId::Logical { group: "_".to_owned(), name: "_".to_owned() };
                (safe.unwrap_or(unnamed), Some(error))
            }
        }
    }

    fn built(&self, builder: &mut Builder<'_>, shown: Shown) -> Result<Built> {
        match shown {
            Shown::Plain(index) => builder.volume(index, 0),
            Shown::Snapshot(Snapshot { origin, store, .. }) if origin == store => {
                Err(Error::corrupt("it is a snapshot of itself"))
            }
            Shown::Snapshot(Snapshot { origin, store, chunk_bytes, .. }) => {
                builder.snapshot(origin, store, chunk_bytes)
            }
        }
    }

    fn len_bytes(&self, index: usize) -> u64 {
        self.group.logical.get(index).map_or(0, |volume| volume.len_bytes)
    }
}

/// How a volume is shown.
#[derive(Clone, Copy)]
enum Shown {
    Plain(usize),
    /// A snapshot, or an origin that shows what is being merged into it.
    Snapshot(Snapshot),
}

fn shown(index: usize, volume: &Logical, snapshots: &[Snapshot]) -> Option<Shown> {
    if let Some(snapshot) = snapshots.iter().find(|snapshot| snapshot.store == index) {
        return (snapshot.is_visible && !snapshot.is_merging).then_some(Shown::Snapshot(*snapshot));
    }
    let is_part = |segment: &Segment| {
        matches!(segment.made_of, MadeOf::ThinPool { .. } | MadeOf::Snapshot { .. } | MadeOf::Hidden)
    };
    let is_hidden = volume.segments.as_ref().is_ok_and(|segments| segments.iter().any(is_part));
    // A snapshot of itself is no part of anything: it is told.
    if !volume.is_visible || is_hidden {
        return None;
    }
    let merging = snapshots.iter().find(|snapshot| snapshot.origin == index && snapshot.is_merging);
    Some(merging.map_or(Shown::Plain(index), |snapshot| Shown::Snapshot(*snapshot)))
}

fn found(
    id: VolumeId,
    volume: &Logical,
    shown: Shown,
    len_bytes: u64,
    built: Result<Built>,
    reach: impl Fn() -> BTreeSet<usize>,
) -> Found {
    let first = volume.segments.as_ref().ok().and_then(|segments| segments.first());
    let kind = match shown {
        Shown::Snapshot(snapshot) if !snapshot.is_merging => "snapshot",
        _ => first.map_or("unknown", |segment| segment.name),
    };
    let uuid = crate::printable::harmless(&volume.uuid);
    let (device, members, faults) = match built {
        Ok(Built { device, lost, members, mut faults }) => {
            faults.extend(lost.map(|lost| {
                let has = device.len_bytes();
                lost.because(format_args!("only its first {has} of {len_bytes} bytes can be read: "), "")
            }));
            (Ok(device), members, faults)
        }
        // Nothing of an overflowed snapshot is on its members either.
        Err(error) if error.kind() == Kind::Snapshot => (Err(error), BTreeSet::new(), Vec::new()),
        Err(error) => (Err(error), reach(), Vec::new()),
    };
    Found { id, kind, uuid, len_bytes, device, members: members.into_iter().collect(), faults }
}

/// A name with marks for what LVM does not allow.
fn safe(name: &str) -> String {
    let allowed = |character: char| character.is_ascii_alphanumeric() || "+_.".contains(character);
    let safe = |character: char| if allowed(character) { character } else { '_' };
    name.chars().take(NAME_MOST).map(safe).collect()
}

/// Finds the members that a volume lies on though it can't be read.
struct Reach<'a> {
    group: &'a Group,
    disks: Vec<Disk>,
}

impl Reach<'_> {
    fn of(&self, index: usize) -> BTreeSet<usize> {
        let mut members = BTreeSet::new();
        let mut seen = BTreeSet::new();
        let mut is_known = true;
        let mut open = vec![index];
        while let Some(index) = open.pop() {
            let volume = self.group.logical.get(index).filter(|_| seen.insert(index));
            is_known &= volume.is_none_or(|volume| volume.segments.is_ok());
            let segments = volume.and_then(|volume| volume.segments.as_ref().ok());
            for name in segments.into_iter().flatten().flat_map(|segment| names(&segment.made_of)) {
                match self.group.find(name) {
                    Some(Index::Physical(at)) => {
                        members.extend(self.disks.get(at).into_iter().flatten().map(|(member, _)| *member));
                    }
                    Some(Index::Logical(at)) => open.push(at),
                    _ => {}
                }
            }
        }
        match is_known {
            true => members,
            // Any member may have its parts.
            false => self.disks.iter().flatten().map(|(member, _)| *member).collect(),
        }
    }
}

/// The names of what a segment is made of.
fn names(made_of: &MadeOf) -> Vec<&str> {
    match made_of {
        MadeOf::Stripes { areas, .. } => areas.iter().map(|area| area.name.as_str()).collect(),
        MadeOf::Mirror { areas, log } => {
            areas.iter().map(|area| area.name.as_str()).chain(log.as_deref()).collect()
        }
        MadeOf::Raid { legs, .. } => {
            legs.iter().flat_map(|leg| [Some(leg.data.as_str()), leg.metadata.as_deref()]).flatten().collect()
        }
        MadeOf::ThinPool { metadata, data, .. } => vec![metadata, data],
        MadeOf::Thin { pool, external, .. } => {
            std::iter::once(pool.as_str()).chain(external.as_deref()).collect()
        }
        MadeOf::Snapshot { origin, store, .. } => vec![origin, store],
        MadeOf::Refused { parts, .. } => parts.iter().map(String::as_str).collect(),
        MadeOf::Zeros | MadeOf::Lost | MadeOf::Hidden => Vec::new(),
    }
}
