//! POSIX access control lists: the value of an extended attribute, and the text of a tar archive.
//!
//! acl(5), "TEXT FORMS": entries with commas or lines between them. The text that is written has
//! the short form with the long tags, and numbers, because names are the guest's and not this
//! host's. `linux/posix_acl_xattr.h` has the value.

use crate::fields::{u16_at, u32_at};

const ATTRIBUTE_VERSION: u32 = 2;
const NO_ID: u32 = u32::MAX;
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
    let entries: Option<Vec<String>> = entries.chunks_exact(ENTRY_LEN).map(shown).collect();
    entries.map(|entries| entries.join(","))
}

fn shown(entry: &[u8]) -> Option<String> {
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

/// The value; `None` for a text that is no list, or names users or groups without a number.
pub(crate) fn value(text: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(text).ok()?;
    let entries = text.split([',', '\n']).map(|entry| entry.split('#').next().unwrap_or_default().trim());
    let mut entries: Vec<(u16, u16, u32)> =
        entries.filter(|entry| !entry.is_empty()).map(entry).collect::<Option<_>>()?;
    // The kernel takes them in this order alone.
    entries.sort_by_key(|(tag, _, id)| (*tag, *id));
    let mut value = ATTRIBUTE_VERSION.to_le_bytes().to_vec();
    for (tag, permission, id) in entries {
        value.extend(tag.to_le_bytes());
        value.extend(permission.to_le_bytes());
        value.extend(id.to_le_bytes());
    }
    Some(value)
}

/// Tag, permission and number of `user:1000:r-x`, `user:joe:r-x:1000`, `mask::r--`, `u::7`.
fn entry(text: &str) -> Option<(u16, u16, u32)> {
    let mut parts = text.split(':');
    let tag = parts.next()?;
    // Solaris and bsdtar leave the empty name of a mask and of others out.
    let (name, permission) = match (parts.next()?, parts.next()) {
        (name, Some(permission)) => (name, permission),
        (permission, None) => ("", permission),
    };
    let (own, other) = match tag {
        "user" | "u" => (0x01, Some(0x02)),
        "group" | "g" => (0x04, Some(0x08)),
        "mask" | "m" => (0x10, None),
        "other" | "o" => (0x20, None),
        _ => return None,
    };
    let permission = permissions(permission)?;
    if name.is_empty() {
        return Some((own, permission, NO_ID));
    }
    // A name has its number behind the permissions; the name itself is that of another host.
    let id = parts.next().unwrap_or(name).parse().ok()?;
    other.map(|tag| (tag, permission, id))
}

fn permissions(text: &str) -> Option<u16> {
    if let Ok(number) = text.parse::<u16>() {
        return (number <= 7).then_some(number);
    }
    text.chars().try_fold(0, |bits, letter| match letter {
        'r' => Some(bits | 4),
        'w' => Some(bits | 2),
        'x' => Some(bits | 1),
        '-' => Some(bits),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_becomes_the_value_that_it_was() {
        for shown in [
            "user::rwx,group::r-x,other::---",
            "user::rwx,user:1000:r-x,user:1001:---,group::r-x,group:5:-w-,mask::r-x,other::---",
        ] {
            assert_eq!(text(&value(shown.as_bytes()).unwrap()).unwrap(), shown);
        }
    }

    #[test]
    fn other_forms_mean_the_same() {
        let plain = value(b"user::rwx,user:1000:r-x,group::r-x,mask::r-x,other::---").unwrap();
        for text in [
            "user::rwx\nuser:joe:r-x:1000 # a note\ngroup::r-x\nmask:r-x\nother:---\n",
            "o::0,u::7,u:1000:5,g::5,m::5",
        ] {
            assert_eq!(value(text.as_bytes()).unwrap(), plain, "{text}");
        }
        for wrong in ["user:joe:r-x", "user", "owner::rwx", "user::rwz", "mask:5:rwx", "user::9"] {
            assert_eq!(value(wrong.as_bytes()), None, "{wrong}");
        }
    }

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
