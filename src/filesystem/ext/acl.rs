//! POSIX access control lists: from the form on the disk to the one that getxattr(2) gives.
//!
//! The disk keeps no number for entries that have none (`struct ext4_acl_entry_short`); the kernel's interface does
//! (`linux/posix_acl_xattr.h`).

use thiserror::Error;

use crate::fields::{Short, u16_at, u32_at};

/// `EXT4_ACL_VERSION`.
const DISK_VERSION: u32 = 1;
/// `POSIX_ACL_XATTR_VERSION`.
const ATTRIBUTE_VERSION: u32 = 2;
const SHORT_LEN: usize = 4;
const LONG_LEN: usize = 8;
/// `ACL_USER` and `ACL_GROUP`: the entries with a number.
const NUMBERED: [u16; 2] = [0x02, 0x08];
/// `ACL_USER_OBJ`, `ACL_GROUP_OBJ`, `ACL_MASK`, `ACL_OTHER`: those without.
const UNNUMBERED: [u16; 4] = [0x01, 0x04, 0x10, 0x20];
/// `ACL_UNDEFINED_ID`.
const NO_NUMBER: u32 = u32::MAX;

/// What is wrong with a list.
#[derive(Debug, Error, PartialEq, Eq)]
pub(super) enum Fault {
    #[error(transparent)]
    Short(#[from] Short),
    #[error("version {0} is not known")]
    Version(u32),
    #[error("tag {0:#x} is not known")]
    Tag(u16),
}

/// The attribute value for a list on the disk.
pub(super) fn to_attribute(list: &[u8]) -> Result<Vec<u8>, Fault> {
    let a_version = u32_at(list, 0)?;
    if a_version != DISK_VERSION {
        return Err(Fault::Version(a_version));
    }
    let mut attribute = ATTRIBUTE_VERSION.to_le_bytes().to_vec();
    let mut at = 4;
    while at < list.len() {
        let e_tag = u16_at(list, at)?;
        let e_perm = u16_at(list, at.saturating_add(2))?;
        let (e_id, len) = match e_tag {
            tag if NUMBERED.contains(&tag) => (u32_at(list, at.saturating_add(4))?, LONG_LEN),
            tag if UNNUMBERED.contains(&tag) => (NO_NUMBER, SHORT_LEN),
            tag => return Err(Fault::Tag(tag)),
        };
        attribute.extend(e_tag.to_le_bytes());
        attribute.extend(e_perm.to_le_bytes());
        attribute.extend(e_id.to_le_bytes());
        at = at.saturating_add(len);
    }
    Ok(attribute)
}

/// The list on the disk for an attribute value.
pub(super) fn to_disk(attribute: &[u8]) -> Result<Vec<u8>, Fault> {
    let a_version = u32_at(attribute, 0)?;
    if a_version != ATTRIBUTE_VERSION {
        return Err(Fault::Version(a_version));
    }
    let mut list = DISK_VERSION.to_le_bytes().to_vec();
    let mut at = 4_usize;
    while at < attribute.len() {
        let e_tag = u16_at(attribute, at)?;
        let e_perm = u16_at(attribute, at.saturating_add(2))?;
        let e_id = u32_at(attribute, at.saturating_add(4))?;
        list.extend(e_tag.to_le_bytes());
        list.extend(e_perm.to_le_bytes());
        match e_tag {
            tag if NUMBERED.contains(&tag) => list.extend(e_id.to_le_bytes()),
            tag if UNNUMBERED.contains(&tag) => {}
            tag => return Err(Fault::Tag(tag)),
        }
        at = at.saturating_add(LONG_LEN);
    }
    Ok(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_without_a_number_get_the_undefined_one() {
        let disk = [1, 0, 0, 0, 0x01, 0, 7, 0, 0x02, 0, 5, 0, 0xe8, 3, 0, 0];
        let attribute = [2, 0, 0, 0, 1, 0, 7, 0, 255, 255, 255, 255, 2, 0, 5, 0, 0xe8, 3, 0, 0];
        assert_eq!(to_attribute(&disk).unwrap(), attribute);
        assert_eq!(to_disk(&attribute).unwrap(), disk);
        assert_eq!(to_disk(&attribute[..7]), Err(Fault::Short(Short { at: 6, have: 7 })));
    }

    #[test]
    fn a_list_that_makes_no_sense_is_refused() {
        let cases: [(&[u8], Fault); 4] = [
            (&[1, 0], Fault::Short(Short { at: 0, have: 2 })),
            (&[2, 0, 0, 0], Fault::Version(2)),
            (&[1, 0, 0, 0, 3, 0, 7, 0], Fault::Tag(3)),
            (&[1, 0, 0, 0, 2, 0, 7, 0], Fault::Short(Short { at: 8, have: 8 })),
        ];
        for (list, fault) in cases {
            assert_eq!(to_attribute(list), Err(fault));
        }
    }
}
