//! Compares a member of the tar with its entry of the manifest, field by field.
//!
//! The tar is what counts: whatever it tells, the manifest must tell too. Fields are kept as keyed
//! hashes, since one line of a manifest may stand for megabytes of attributes, and many entries
//! wait to be compared at once.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hash};
use std::sync::OnceLock;

use super::members::{Member, MemberKind};
use crate::filesystem::{Attribute, FileKind, Flags, Timestamp};
use crate::format::manifest::ManifestEntry;
use crate::format::tar::{acl, flags as fflags};

/// Names of the fields in messages.
const NAMES: [&str; 17] = [
    "name",
    "type",
    "place of the data",
    "stored length",
    "length",
    "mode",
    "owner",
    "time",
    "access time",
    "change time",
    "creation time",
    "link target",
    "first name",
    "device numbers",
    "attributes",
    "flags",
    "holes",
];

/// One field; `None` where it is not told.
type Fact = Option<u64>;

/// All fields, in the order of their names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Facts([Fact; NAMES.len()]);

/// In what a member differs from what the manifest says of it: names of fields.
#[must_use]
pub fn differences(member: &Member, entry: &ManifestEntry) -> Vec<&'static str> {
    Facts::of_member(member).differences(&Facts::of_entry(entry))
}

impl Facts {
    pub(crate) fn of_member(member: &Member) -> Self {
        let (kind, is_link) = match member.kind {
            MemberKind::File(kind) => (Some(kind), false),
            kind => (None, kind == MemberKind::Link),
        };
        let size = match kind {
            Some(FileKind::Regular) => fact(&member.size),
            Some(FileKind::Symlink) => fact(&len(&member.link)),
            _ => None,
        };
        let metadata = &member.metadata;
        let holes = member.runs.as_deref().map_or_else(Vec::new, |runs| holes_between(runs, member.size));
        Self([
            fact(plain(&member.path)),
            fact(&if is_link { b'h' } else { kind.map_or(b'?', letter) }),
            fact(&member.place.data),
            fact(&member.place.stored),
            size,
            fact(&metadata.mode),
            fact(&(metadata.uid, metadata.gid)),
            time(metadata.modified),
            time(metadata.accessed),
            time(metadata.changed),
            time(metadata.created),
            (kind == Some(FileKind::Symlink)).then_some(&member.link).and_then(fact),
            is_link.then(|| plain(&member.link)).and_then(fact),
            kind.and_then(FileKind::device).as_ref().and_then(fact),
            attributes(&metadata.attributes),
            flags(metadata.flags),
            fact(&holes),
        ])
    }

    pub(crate) fn of_entry(entry: &ManifestEntry) -> Self {
        let is_image = entry.kind == FileKind::Image;
        let place = entry.place.as_ref();
        let metadata = &entry.metadata;
        let start = is_image.then_some(Timestamp { seconds: 0, nanoseconds: 0 });
        Self([
            fact(plain(&entry.path)),
            fact(&if entry.link.is_some() { b'h' } else { letter(entry.kind) }),
            place.and_then(|place| fact(&place.data)),
            place.and_then(|place| fact(&place.stored)),
            entry.size.as_ref().and_then(fact),
            fact(&metadata.mode),
            fact(&(metadata.uid, metadata.gid)),
            time(metadata.modified.or(start)),
            time(metadata.accessed),
            time(metadata.changed),
            time(metadata.created),
            entry.target.as_ref().and_then(fact),
            entry.link.as_deref().map(plain).and_then(fact),
            entry.kind.device().as_ref().and_then(fact),
            attributes(&metadata.attributes),
            flags(metadata.flags),
            fact(&place.map_or_else(Vec::new, |place| merged(&place.holes))),
        ])
    }

    /// The names of the fields that the member tells, and the entry not, or in another way.
    pub(crate) fn differences(&self, entry: &Self) -> Vec<&'static str> {
        let pairs = NAMES.iter().zip(self.0.iter().zip(&entry.0));
        pairs.filter(|(_, (told, said))| told.is_some() && told != said).map(|(name, _)| *name).collect()
    }
}

/// The value as a number that nobody outside of this process can foresee.
fn fact<T: Hash + ?Sized>(value: &T) -> Fact {
    static KEY: OnceLock<RandomState> = OnceLock::new();
    Some(KEY.get_or_init(RandomState::new).hash_one(value))
}

fn len(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

/// A path as the manifest has it.
fn plain(path: &[u8]) -> &[u8] {
    path.strip_prefix(b"./").unwrap_or(path)
}

fn time(time: Option<Timestamp>) -> Fact {
    time.and_then(|Timestamp { seconds, nanoseconds }| fact(&(seconds, nanoseconds)))
}

/// The flags that a tar has names for, where there are such.
fn flags(flags: Flags) -> Fact {
    Some(fflags::settable(flags).0).filter(|flags| *flags != 0).as_ref().and_then(fact)
}

fn letter(kind: FileKind) -> u8 {
    match kind {
        FileKind::Regular | FileKind::Image => b'f',
        FileKind::Directory => b'd',
        FileKind::Symlink => b'l',
        FileKind::CharacterDevice { .. } => b'c',
        FileKind::BlockDevice { .. } => b'b',
        FileKind::Fifo => b'p',
        FileKind::Socket => b's',
    }
}

/// Attributes by name. The text of an ACL has its entries in the kernel's order, whatever that on
/// the disk was.
fn attributes(attributes: &[Attribute]) -> Fact {
    let value = |attribute: &Attribute| match attribute.name.as_slice() {
        b"system.posix_acl_access" | b"system.posix_acl_default" => {
            acl::text(&attribute.value).and_then(|text| acl::value(text.as_bytes()))
        }
        _ => None,
    };
    let hashed = attributes.iter().map(|attribute| {
        let ordered = value(attribute);
        fact(&(&attribute.name, ordered.as_ref().unwrap_or(&attribute.value)))
    });
    fact(&hashed.collect::<Vec<_>>())
}

/// The holes between runs of data, up to the end of the file.
fn holes_between(runs: &[(u64, u64)], size: u64) -> Vec<(u64, u64)> {
    let (mut holes, mut end) = (Vec::new(), 0_u64);
    for (start, len) in runs {
        holes.push((end, start.saturating_sub(end)));
        end = start.saturating_add(*len);
    }
    holes.push((end, size.saturating_sub(end)));
    merged(&holes)
}

/// Holes without empty ones; those that meet are one.
fn merged(holes: &[(u64, u64)]) -> Vec<(u64, u64)> {
    let mut merged: Vec<(u64, u64)> = Vec::new();
    for (start, len) in holes.iter().copied().filter(|(_, len)| *len > 0) {
        match merged.last_mut() {
            Some((before, so_far)) if before.saturating_add(*so_far) == start => {
                *so_far = so_far.saturating_add(len);
            }
            _ => merged.push((start, len)),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_are_what_is_between_runs_however_these_are_cut() {
        assert_eq!(holes_between(&[(0, 5), (5, 3), (10, 0), (12, 1)], 20), [(8, 4), (13, 7)]);
        assert_eq!(holes_between(&[], 7), merged(&[(0, 3), (3, 4)]));
        assert_eq!(holes_between(&[(0, 7)], 7), []);
    }

    #[test]
    fn the_order_of_an_acl_is_no_difference_and_a_changed_entry_is() {
        let acl = |text: &str| {
            let value = acl::value(text.as_bytes()).unwrap();
            vec![Attribute { name: b"system.posix_acl_access".to_vec(), value }]
        };
        let mut turned = acl("user::rwx,group::r-x,other::---");
        let entries = turned[0].value.split_off(4);
        let backwards: Vec<u8> = entries.chunks(8).rev().flatten().copied().collect();
        turned[0].value.extend(backwards);
        assert_eq!(attributes(&acl("user::rwx,group::r-x,other::---")), attributes(&turned));
        assert_ne!(attributes(&acl("user::rwx,group::r-x,other::r--")), attributes(&turned));
    }
}
