//! What can't be set, counted by what it is: a line for each, not for each file.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use crate::printable::Printable;

/// What may be left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// The owner or the group.
    Owner,
    /// Set-user-id and set-group-id of a file whose owner is another here.
    SetId,
    /// Attributes that only root may set.
    TrustedAttribute,
    /// Attributes that this user may not set.
    DeniedAttribute,
    /// Attributes that the filesystem does not take.
    Attribute,
    /// Attributes of links and nodes, which this process can't reach.
    UnreachableAttribute,
    /// Inode flags that this user may not set.
    DeniedFlags,
    /// Inode flags that the filesystem does not take.
    Flags,
    /// Append-only and immutable flags that found no room in memory.
    LateFlags,
    /// Further names that became files of their own.
    Link,
    /// Quota projects.
    Project,
    /// Times that the filesystem does not take, or not as they are.
    Times,
    /// Owners that root could not set, or that the filesystem did not take.
    OwnerRefused,
    /// Modes that the filesystem does not take, or not as they are.
    Mode,
    /// Devices that were not asked for.
    Device,
    /// Devices that this user may not make.
    DeniedDevice,
    /// Sockets.
    Socket,
}

/// All of them, whether each is an issue, and its sentence. Things that the user has no right to set
/// are not issues.
const ALL: [(What, bool, &str); 17] = [
    (What::Owner, false, "owners or groups: only root may set them"),
    (What::SetId, false, "set-user-ID or set-group-ID bits: the owner is another here"),
    (What::TrustedAttribute, false, "attributes trusted.*: only root may set them"),
    (What::DeniedAttribute, false, "attributes of others (capabilities, labels): only root may set them"),
    (
        What::Attribute,
        true,
        "extended attributes or ACLs that this filesystem does not take, or not as they are",
    ),
    (
        What::UnreachableAttribute,
        true,
        "attributes of links, FIFOs and devices: in this container root lacks the right that they take \
         (CAP_SYS_ADMIN), or the kernel the call; --no-sandbox sets them without enclosing the process",
    ),
    (What::DeniedFlags, false, "inode flags: only root may set them"),
    (What::Flags, true, "inode flags that this filesystem does not take"),
    (
        What::LateFlags,
        true,
        "flags append-only and immutable: more than this program remembers until the end",
    ),
    (
        What::Link,
        true,
        "hard links, now files of their own: their first names are not extracted, and there are more than \
         this program remembers",
    ),
    (What::Project, false, "quota projects: set them with chattr -p or xfs_quota"),
    (What::Times, true, "times that this filesystem does not take, or not as they are"),
    (
        What::OwnerRefused,
        true,
        "owners or groups that this filesystem does not take, or that root may not set here",
    ),
    (What::Mode, true, "modes that this filesystem does not take, or not as they are"),
    (What::Device, false, "device nodes: --devices makes them"),
    (What::DeniedDevice, false, "device nodes: only root may make them"),
    (What::Socket, false, "sockets: nobody listens on them any more"),
];

/// How often each was left, and of which entry first.
#[derive(Debug, Default)]
pub(super) struct Unsupported {
    counts: [AtomicU64; ALL.len()],
    first: Mutex<BTreeMap<usize, Vec<u8>>>,
}

impl Unsupported {
    /// Counts one.
    pub(super) fn add(&self, what: What) {
        let places = ALL.iter().zip(&self.counts);
        places.filter(|((one, _, _), _)| *one == what).for_each(|(_, count)| {
            count.fetch_add(1, Relaxed);
        });
    }

    /// Counts one, of the entry with this path: the first is named.
    pub(super) fn add_of(&self, what: What, path: &[u8]) {
        self.add(what);
        if let Some(index) = ALL.iter().position(|(one, _, _)| *one == what) {
            let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
            first.entry(index).or_insert_with(|| path.to_vec());
        }
    }

    /// A sentence for each that was left, and whether it is an issue.
    pub(super) fn sentences(&self) -> Vec<(bool, String)> {
        let first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        let counted = ALL.iter().zip(&self.counts).map(|(all, count)| (all, count.load(Relaxed)));
        counted
            .enumerate()
            .filter(|(_, (_, count))| *count > 0)
            .map(|(index, ((_, is_issue, text), count))| {
                let such = first.get(&index).map(|path| format!(" (the first: {})", Printable(path)));
                (*is_issue, format!("{count} × {text}{}", such.unwrap_or_default()))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_said_once_with_its_number() {
        let left = Unsupported::default();
        left.add(What::Device);
        left.add(What::Flags);
        left.add(What::Device);
        left.add_of(What::Times, b"etc/fstab");
        left.add_of(What::Times, b"etc/passwd");
        assert_eq!(
            left.sentences(),
            [
                (true, "1 × inode flags that this filesystem does not take".to_owned()),
                (
                    true,
                    "2 × times that this filesystem does not take, or not as they are (the first: etc/fstab)"
                        .to_owned()
                ),
                (false, "2 × device nodes: --devices makes them".to_owned()),
            ]
        );
    }
}
