//! Extended attributes as people know them: ACLs as getfacl(1) shows them, all else as getfattr(1)
//! does.

use crate::fields::{u16_at, u32_at};
use crate::format::base64;
use crate::printable::harmless;
use crate::view::Item;

/// Names of ACLs, and what stands before each of their lines.
const ACLS: [(&[u8], &str); 2] =
    [(b"system.posix_acl_access", ""), (b"system.posix_acl_default", "default:")];

/// `POSIX_ACL_XATTR_VERSION`, and the bytes of the header and of an entry
/// (`include/uapi/linux/posix_acl_xattr.h`).
const VERSION: u32 = 2;
const HEADER: usize = 4;
const ENTRY: usize = 8;

/// The attributes of an entry, a name and a value each.
pub(super) fn rows(item: &Item) -> Vec<(&'static str, String)> {
    let mut rows = Vec::new();
    for attribute in &item.metadata.attributes {
        let acl = ACLS.iter().find(|(name, _)| *name == attribute.name);
        match acl.and_then(|(_, before)| acl_lines(&attribute.value, before)) {
            Some(lines) => rows.extend(lines.into_iter().map(|line| ("acl", line))),
            None => {
                let name = harmless(&String::from_utf8_lossy(&attribute.name)).to_string();
                rows.push(("attribute", format!("{name}={}", value(&attribute.value))));
            }
        }
    }
    rows
}

/// The lines of an ACL with numbers for names; `None` where it is not as the kernel makes them.
fn acl_lines(bytes: &[u8], before: &str) -> Option<Vec<String>> {
    let (header, entries) = bytes.split_at_checked(HEADER)?;
    let entries = entries.chunks(ENTRY);
    if u32_at(header, 0).ok()? != VERSION || entries.clone().any(|entry| entry.len() != ENTRY) {
        return None;
    }
    let parsed: Option<Vec<(u16, u16, u32)>> = entries
        .map(|entry| Some((u16_at(entry, 0).ok()?, u16_at(entry, 2).ok()?, u32_at(entry, 4).ok()?)))
        .collect();
    let parsed = parsed?;
    let mask = parsed.iter().find(|(tag, ..)| *tag == 0x10).map(|(_, permission, _)| *permission);
    let line = |(tag, permission, id): &(u16, u16, u32)| {
        let (name, is_masked) = match tag {
            0x01 => ("user:".to_owned(), false),
            0x02 => (format!("user:{id}"), true),
            0x04 => ("group:".to_owned(), true),
            0x08 => (format!("group:{id}"), true),
            0x10 => ("mask:".to_owned(), false),
            0x20 => ("other:".to_owned(), false),
            _ => return None,
        };
        let effective = mask.filter(|mask| is_masked && permission & !mask != 0);
        let effective = effective.map(|mask| format!("\t#effective:{}", letters(permission & mask)));
        Some(format!("{before}{name}:{}{}", letters(*permission), effective.unwrap_or_default()))
    };
    parsed.iter().map(line).collect()
}

fn letters(permission: u16) -> String {
    let letter = |bit: u16, letter: char| if permission & bit != 0 { letter } else { '-' };
    [letter(4, 'r'), letter(2, 'w'), letter(1, 'x')].iter().collect()
}

/// A value as getfattr(1) chooses: as text where seven of eight bytes can be printed, else in
/// base64.
fn value(bytes: &[u8]) -> String {
    // A zero at the end of a text is not shown.
    let counted = bytes.strip_suffix(b"\0").unwrap_or(bytes);
    let strange = counted.iter().filter(|byte| !matches!(byte, b' '..=b'~')).count();
    if strange.saturating_mul(8) > counted.len() {
        return format!("0s{}", base64::encode(bytes));
    }
    let mut text = String::from("\"");
    for byte in counted {
        match byte {
            b'"' | b'\\' => text.extend(['\\', char::from(*byte)]),
            b' '..=b'~' => text.push(char::from(*byte)),
            // getfattr writes some of these as they are; a terminal would obey them.
            _ => text.push_str(&format!("\\{byte:03o}")),
        }
    }
    text.push('"');
    text
}
