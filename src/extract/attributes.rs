//! Extended attributes: set, and read back. The kernel and some filesystems take a value and keep
//! another one.

use rustix::fs::{XattrFlags, fgetxattr, fsetxattr, getxattr, setxattr};
use rustix::io::Errno;

use super::metadata::Open;
use super::run::{Run, refused};
use super::unsupported::What;
use crate::error::Result;
use crate::fields::{u16_at, u32_at};
use crate::filesystem::Attribute;
use crate::view::Item;

pub(super) const ACCESS_ACL: &[u8] = b"system.posix_acl_access";
pub(super) const DEFAULT_ACL: &[u8] = b"system.posix_acl_default";
/// A change of owner removes it, so it comes after that.
pub(super) const CAPABILITY: &[u8] = b"security.capability";
const SELINUX: &[u8] = b"security.selinux";

/// Attributes that the kernel gives back as they were set.
const KEPT_AS_SET: [&[u8]; 2] = [b"user.", b"trusted."];

/// Bytes by which a value may be longer when it is read back: those of a capability's third version.
const MORE: usize = 8;

impl Run<'_> {
    /// Sets an attribute; says whether the target took it.
    pub(super) fn attribute(&self, open: Open<'_>, item: &Item, attribute: &Attribute) -> Result<bool> {
        let Attribute { name, value } = attribute;
        let name = name.as_slice();
        if name.starts_with(b"trusted.") && !self.rights.is_root {
            self.left.add(What::TrustedAttribute);
            return Ok(false);
        }
        let outcome = match (open.is_place, self.target.descriptors().path(open.file)) {
            (false, _) => fsetxattr(open.file, name, value, XattrFlags::empty()),
            // The kernel takes no attributes by such a descriptor, but by its path: that leads to
            // what is open, whatever has its name by now.
            (true, Some(path)) => setxattr(path, name, value, XattrFlags::empty()),
            (true, None) => {
                self.left.add_of(What::UnreachableAttribute, &item.path);
                return Ok(false);
            }
        };
        match outcome {
            Ok(()) => return Ok(true),
            Err(Errno::PERM | Errno::ACCESS) if !self.rights.is_root => self.left.add(What::DeniedAttribute),
            Err(errno) if matches!(errno, Errno::NOSPC | Errno::DQUOT) && !is_full(open, errno) => {
                self.left.add_of(What::Attribute, &item.path);
            }
            Err(errno @ (Errno::NOSPC | Errno::DQUOT | Errno::IO | Errno::ROFS)) => {
                return Err(refused("attributes", errno));
            }
            Err(_) => self.left.add_of(What::Attribute, &item.path),
        }
        Ok(false)
    }

    /// Whether the target has an attribute that it took. `mode` is that of the entry: it decides
    /// three entries of an ACL.
    pub(super) fn has_attribute(&self, open: Open<'_>, attribute: &Attribute, mode: u16) -> bool {
        let name = attribute.name.as_slice();
        let Some(is_same) = comparison(name) else { return true };
        let mut value = vec![0; attribute.value.len().saturating_add(MORE)];
        let len = match (open.is_place, self.target.descriptors().path(open.file)) {
            (false, _) => fgetxattr(open.file, name, value.as_mut_slice()),
            (true, Some(path)) => getxattr(path, name, value.as_mut_slice()),
            (true, None) => return false,
        };
        let there = len.ok().and_then(|len| value.get(..len));
        is_same(&attribute.value, there, mode)
    }
}

/// Whether a value that is there, if any, says the same as the one that was set.
type Comparison = fn(&[u8], Option<&[u8]>, u16) -> bool;

/// How the values of an attribute are compared; `None` for those that a security module may
/// rewrite.
fn comparison(name: &[u8]) -> Option<Comparison> {
    match name {
        ACCESS_ACL => Some(|wanted, there, mode| is_same_list(wanted, there, Some(mode))),
        DEFAULT_ACL => Some(|wanted, there, _| is_same_list(wanted, there, None)),
        CAPABILITY => {
            Some(|wanted, there, _| there.is_some_and(|there| capability(there) == capability(wanted)))
        }
        SELINUX => Some(|wanted, there, _| there.is_some_and(|there| trimmed(there) == trimmed(wanted))),
        _ if KEPT_AS_SET.iter().any(|start| name.starts_with(start)) => {
            Some(|wanted, there, _| there == Some(wanted))
        }
        _ => None,
    }
}

/// Owner, group, mask and others, which have no number (`linux/posix_acl.h`).
const USER_OBJ: u16 = 0x01;
const GROUP_OBJ: u16 = 0x04;
const MASK: u16 = 0x10;
const OTHER: u16 = 0x20;

/// Entries of a list that says no more than the mode.
const MINIMAL: usize = 3;

/// Whether two lists say the same. The mode was set after the list: it counts. A list that says no
/// more than the mode is not kept.
fn is_same_list(wanted: &[u8], there: Option<&[u8]>, mode: Option<u16>) -> bool {
    let Some(mut wanted) = list(wanted) else { return false };
    if let Some(mode) = mode {
        let group = if wanted.iter().any(|(tag, _, _)| *tag == MASK) { MASK } else { GROUP_OBJ };
        for (tag, permissions, _) in &mut wanted {
            match *tag {
                USER_OBJ => *permissions = mode >> 6 & 0o7,
                OTHER => *permissions = mode & 0o7,
                tag if tag == group => *permissions = mode >> 3 & 0o7,
                _ => {}
            }
        }
    }
    match there {
        None => mode.is_some() && wanted.len() == MINIMAL,
        Some(there) => list(there) == Some(wanted),
    }
}

/// Tags, permissions and numbers, sorted (`linux/posix_acl_xattr.h`).
fn list(value: &[u8]) -> Option<Vec<(u16, u16, u32)>> {
    let entry = |entry: &[u8]| {
        let (tag, permissions) = (u16_at(entry, 0).ok()?, u16_at(entry, 2).ok()?);
        let has_number = ![USER_OBJ, GROUP_OBJ, MASK, OTHER].contains(&tag);
        Some((tag, permissions, if has_number { u32_at(entry, 4).ok()? } else { 0 }))
    };
    let mut entries: Vec<_> = value.get(4..)?.chunks(8).map(entry).collect::<Option<_>>()?;
    entries.sort_unstable();
    Some(entries)
}

/// Third version of a capability's value, and the bit that makes it effective
/// (`linux/capability.h`).
const VERSION_3: u32 = 0x0300_0000;
const VERSIONS: u32 = 0xff00_0000;
const EFFECTIVE: u32 = 1;

/// What a capability says: whether it is effective, its sets, and which root it is for. The kernel
/// gives the second version for the third one where that is for root of this namespace.
fn capability(value: &[u8]) -> Option<(bool, &[u8], u32)> {
    let magic = u32_at(value, 0).ok()?;
    let root = if magic & VERSIONS == VERSION_3 { u32_at(value, 20).ok()? } else { 0 };
    Some((magic & EFFECTIVE != 0, value.get(4..20)?, root))
}

/// A label without the zero byte at its end, which is there or not.
fn trimmed(label: &[u8]) -> &[u8] {
    label.strip_suffix(b"\0").unwrap_or(label)
}

/// Whether it is the filesystem that has no space, and not the inode: ext4 says the same when
/// attributes are too large for one.
fn is_full(open: Open<'_>, errno: Errno) -> bool {
    errno == Errno::DQUOT || rustix::fs::fstatvfs(open.file).is_ok_and(|stat| stat.f_bfree < 16)
}

/// Whether what is made in this directory gets ACLs that nobody asked for.
pub(super) fn has_default_acl(directory: std::os::fd::BorrowedFd<'_>) -> bool {
    // What is too long for the buffer is there all the same.
    !matches!(
        fgetxattr(directory, DEFAULT_ACL, &mut [0_u8; 8][..]),
        Err(Errno::NODATA | Errno::NOTSUP | Errno::NOSYS)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acl(entries: &[(u16, u16, u32)]) -> Vec<u8> {
        let mut value = 2_u32.to_le_bytes().to_vec();
        for (tag, permissions, id) in entries {
            value.extend(tag.to_le_bytes());
            value.extend(permissions.to_le_bytes());
            value.extend(id.to_le_bytes());
        }
        value
    }

    fn is_same(name: &[u8], wanted: &[u8], there: Option<&[u8]>, mode: u16) -> bool {
        comparison(name).unwrap()(wanted, there, mode)
    }

    const NONE: u32 = u32::MAX;

    #[test]
    fn a_list_is_the_same_when_it_says_the_same_with_the_mode() {
        let wanted = acl(&[
            (USER_OBJ, 7, NONE),
            (2, 5, 1000),
            (GROUP_OBJ, 5, NONE),
            (MASK, 7, NONE),
            (OTHER, 0, NONE),
        ]);
        let masked = acl(&[(USER_OBJ, 6, 0), (2, 5, 1000), (GROUP_OBJ, 5, 0), (MASK, 4, 0), (OTHER, 0, 0)]);
        let other_user = acl(&[
            (USER_OBJ, 7, NONE),
            (2, 5, 1001),
            (GROUP_OBJ, 5, NONE),
            (MASK, 7, NONE),
            (OTHER, 0, NONE),
        ]);
        let minimal = acl(&[(USER_OBJ, 7, NONE), (GROUP_OBJ, 5, NONE), (OTHER, 0, NONE)]);
        let cases = [
            (&wanted, Some(&wanted), 0o770, true),
            (&wanted, Some(&masked), 0o640, true),
            (&wanted, Some(&masked), 0o770, false),
            (&wanted, Some(&other_user), 0o770, false),
            (&wanted, Some(&minimal), 0o770, false),
            (&wanted, None, 0o770, false),
            (&minimal, None, 0o750, true),
            (&minimal, Some(&minimal), 0o750, true),
            (&minimal, Some(&wanted), 0o750, false),
        ];
        for (index, (wanted, there, mode, expected)) in cases.into_iter().enumerate() {
            let there = there.map(Vec::as_slice);
            assert_eq!(is_same(ACCESS_ACL, wanted, there, mode), expected, "case {index}");
        }
        // The mode has nothing to say about what is made in a directory later.
        assert!(is_same(DEFAULT_ACL, &wanted, Some(&wanted), 0o640));
        assert!(!is_same(DEFAULT_ACL, &wanted, Some(&masked), 0o640));
        assert!(!is_same(DEFAULT_ACL, &minimal, None, 0o750));
    }

    #[test]
    fn a_capability_is_the_same_in_both_of_its_versions() {
        let value = |version: u32, flags: u32, permitted: u32, root: &[u8]| {
            let magic = (version | flags).to_le_bytes();
            [&magic[..], &permitted.to_le_bytes(), &[0; 12], root].concat()
        };
        let second = value(0x0200_0000, 1, 0x400, &[]);
        let third = |root| value(VERSION_3, 1, 0x400, &u32::to_le_bytes(root));
        let cases = [
            (Some(second.clone()), true),
            (Some(third(0)), true),
            (Some(third(1000)), false),
            (Some(value(0x0200_0000, 0, 0x400, &[])), false),
            (Some(value(0x0200_0000, 1, 0x401, &[])), false),
            (None, false),
        ];
        for (index, (there, expected)) in cases.into_iter().enumerate() {
            assert_eq!(is_same(CAPABILITY, &second, there.as_deref(), 0), expected, "case {index}");
        }
    }

    #[test]
    fn other_values_are_the_same_byte_by_byte() {
        assert!(is_same(SELINUX, b"system_u:object_r:etc_t", Some(b"system_u:object_r:etc_t\0"), 0));
        assert!(!is_same(SELINUX, b"system_u:object_r:etc_t", Some(b"system_u:object_r:usr_t"), 0));
        assert!(is_same(b"user.a", b"x", Some(b"x"), 0) && !is_same(b"user.a", b"x", Some(b"x\0"), 0));
        assert!(!is_same(b"trusted.a", b"", None, 0));
        assert!(comparison(b"security.ima").is_none());
    }
}
