//! POSIX access control lists as text, the way tar archives keep them: `user::rwx,user:1000:r-x,mask::r-x,other::---`.
//!
//! acl(5), "SHORT TEXT FORM" with the long tags; numbers, because the names are the guest's and not this host's.

use crate::fields::{u16_at, u32_at};

const ATTRIBUTE_VERSION: u32 = 2;
const ENTRY_LEN: usize = 8;

/// The text for an attribute value (`linux/posix_acl_xattr.h`); `None` for one that is no list.
pub(crate) fn text(value: &[u8]) -> Option<String> {
    if u32_at(value, 0) != Ok(ATTRIBUTE_VERSION) {
        return None;
    }
    let entries = value.get(4..)?;
    if entries.is_empty() || entries.len() % ENTRY_LEN != 0 {
        return None;
    }
    let entries: Option<Vec<String>> = entries.chunks_exact(ENTRY_LEN).map(entry).collect();
    entries.map(|entries| entries.join(","))
}

fn entry(entry: &[u8]) -> Option<String> {
    let (e_tag, e_perm, e_id) = (u16_at(entry, 0).ok()?, u16_at(entry, 2).ok()?, u32_at(entry, 4).ok()?);
    let (tag, has_number) = match e_tag {
        0x01 => ("user", false),
        0x02 => ("user", true),
        0x04 => ("group", false),
        0x08 => ("group", true),
        0x10 => ("mask", false),
        0x20 => ("other", false),
        _ => return None,
    };
    if e_perm > 0o7 {
        return None;
    }
    let number = if has_number { e_id.to_string() } else { String::new() };
    let permission = |bit: u16, letter| if e_perm & bit == 0 { '-' } else { letter };
    let (r, w, x) = (permission(4, 'r'), permission(2, 'w'), permission(1, 'x'));
    Some(format!("{tag}:{number}:{r}{w}{x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_becomes_text_and_anything_else_does_not() {
        let list = [
            &[2, 0, 0, 0][..],
            &[1, 0, 7, 0, 255, 255, 255, 255],
            &[2, 0, 5, 0, 0xe8, 3, 0, 0],
            &[4, 0, 5, 0, 255, 255, 255, 255],
            &[0x10, 0, 5, 0, 255, 255, 255, 255],
            &[0x20, 0, 0, 0, 255, 255, 255, 255],
        ]
        .concat();
        assert_eq!(text(&list).unwrap(), "user::rwx,user:1000:r-x,group::r-x,mask::r-x,other::---");
        for wrong in [&list[..3], &list[..4], &list[..13], &[1, 0, 0, 0, 1, 0, 7, 0, 0, 0, 0, 0]] {
            assert_eq!(text(wrong), None);
        }
    }
}
