//! What can't be set, counted by what it is: a line for each, not for each file.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

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
    /// Inode flags that this user may not set.
    DeniedFlags,
    /// Inode flags that the filesystem does not take.
    Flags,
    /// Quota projects.
    Project,
    /// Times that could not be set.
    Times,
    /// Devices that were not asked for.
    Device,
    /// Devices that this user may not make.
    DeniedDevice,
    /// Sockets.
    Socket,
}

/// All of them, what is said of each, and whether that is an issue: what follows from who runs the program is none.
const ALL: [(What, bool, &str); 12] = [
    (What::Owner, false, "owners or groups: only root may set them"),
    (What::SetId, false, "set-user-ID or set-group-ID bits: the owner is another here"),
    (What::TrustedAttribute, false, "attributes trusted.*: only root may set them"),
    (What::DeniedAttribute, false, "attributes of others (capabilities, labels): only root may set them"),
    (What::Attribute, true, "extended attributes or ACLs that this filesystem does not take"),
    (What::DeniedFlags, false, "inode flags: only root may set them"),
    (What::Flags, true, "inode flags that this filesystem does not take"),
    (What::Project, false, "quota projects: set them with chattr -p or xfs_quota"),
    (What::Times, true, "times that this filesystem does not take"),
    (What::Device, false, "device nodes: --devices makes them"),
    (What::DeniedDevice, false, "device nodes: only root may make them"),
    (What::Socket, false, "sockets: nobody listens on them any more"),
];

/// How often each was left.
#[derive(Debug, Default)]
pub(super) struct Left([AtomicU64; ALL.len()]);

impl Left {
    /// Counts one.
    pub(super) fn add(&self, what: What) {
        let places = ALL.iter().zip(&self.0);
        places.filter(|((one, _, _), _)| *one == what).for_each(|(_, count)| {
            count.fetch_add(1, Relaxed);
        });
    }

    /// A sentence for each that was left, and whether it is an issue.
    pub(super) fn sentences(&self) -> Vec<(bool, String)> {
        let counted = ALL.iter().zip(&self.0).map(|(all, count)| (all, count.load(Relaxed)));
        counted
            .filter(|(_, count)| *count > 0)
            .map(|((_, is_issue, text), count)| (*is_issue, format!("{count} × {text}")))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_said_once_with_its_number() {
        let left = Left::default();
        left.add(What::Device);
        left.add(What::Flags);
        left.add(What::Device);
        assert_eq!(
            left.sentences(),
            [
                (true, "1 × inode flags that this filesystem does not take".to_owned()),
                (false, "2 × device nodes: --devices makes them".to_owned()),
            ]
        );
    }
}
