//! POSIX access control lists: from the form on the disk to the one that getxattr(2) gives.
//!
//! `struct xfs_acl` in the kernel's `fs/xfs/libxfs/xfs_format.h`, and `linux/posix_acl_xattr.h`.

use thiserror::Error;

use crate::fields::{Short, be16_at, be32_at};

/// `POSIX_ACL_XATTR_VERSION`.
const ATTRIBUTE_VERSION: u32 = 2;
const HEADER_LEN: usize = 4;
const ENTRY_LEN: usize = 12;
/// `ACL_USER` and `ACL_GROUP`: the entries with a number.
const NUMBERED: [u32; 2] = [0x02, 0x08];
/// `ACL_USER_OBJ`, `ACL_GROUP_OBJ`, `ACL_MASK`, `ACL_OTHER`: those without.
const UNNUMBERED: [u32; 4] = [0x01, 0x04, 0x10, 0x20];
/// `ACL_UNDEFINED_ID`.
const NO_NUMBER: u32 = u32::MAX;

/// Faults of a list.
#[derive(Debug, Error, PartialEq, Eq)]
pub(super) enum Fault {
    #[error(transparent)]
    Short(#[from] Short),
    #[error("{entries} entries in {len} bytes")]
    Length { entries: u32, len: usize },
    #[error("tag {0:#x} is not known")]
    Tag(u32),
}

/// The attribute value for a list on the disk.
pub(super) fn to_attribute(list: &[u8]) -> Result<Vec<u8>, Fault> {
    let acl_cnt = be32_at(list, 0)?;
    let body = list.get(HEADER_LEN..).unwrap_or_default();
    let entries = body.chunks_exact(ENTRY_LEN);
    if u32::try_from(entries.len()) != Ok(acl_cnt) {
        return Err(Fault::Length { entries: acl_cnt, len: list.len() });
    }
    let mut attribute = ATTRIBUTE_VERSION.to_le_bytes().to_vec();
    for entry in entries {
        let ae_tag = be32_at(entry, 0)?;
        let ae_id = match ae_tag {
            tag if NUMBERED.contains(&tag) => be32_at(entry, 4)?,
            tag if UNNUMBERED.contains(&tag) => NO_NUMBER,
            tag => return Err(Fault::Tag(tag)),
        };
        let ae_perm = be16_at(entry, 8)?;
        attribute.extend(u16::try_from(ae_tag).unwrap_or(0).to_le_bytes());
        attribute.extend(ae_perm.to_le_bytes());
        attribute.extend(ae_id.to_le_bytes());
    }
    Ok(attribute)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: [u8; 28] =
        [0, 0, 0, 2, 0, 0, 0, 1, 255, 255, 255, 255, 0, 7, 0, 0, 0, 0, 0, 2, 0, 0, 3, 0xe8, 0, 5, 0, 0];

    #[test]
    fn entries_become_those_of_the_kernels_interface() {
        let attribute = [2, 0, 0, 0, 1, 0, 7, 0, 255, 255, 255, 255, 2, 0, 5, 0, 0xe8, 3, 0, 0];
        assert_eq!(to_attribute(&LIST).unwrap(), attribute);
    }

    #[test]
    fn a_list_that_makes_no_sense_is_refused() {
        let mut tag = LIST;
        tag[7] = 3;
        let cases: [(&[u8], Fault); 3] = [
            (&LIST[..3], Fault::Short(Short { at: 0, have: 3 })),
            (&LIST[..27], Fault::Length { entries: 2, len: 27 }),
            (&tag, Fault::Tag(3)),
        ];
        for (list, fault) in cases {
            assert_eq!(to_attribute(list), Err(fault));
        }
    }
}
