//! POSIX access control lists: the text of an archive and the attribute of the kernel.

/// The value of `system.posix_acl_access` that an archive's text means.
///
/// Entries are parted by commas or newlines: `user::rw-`, `user:1000:r--`, or `user:name:r--:1000` with the number
/// last. The attribute is a version (2) and, for each entry, tag, permissions and id
/// (`include/uapi/linux/posix_acl_xattr.h`).
pub fn attribute_of_text(text: &str) -> Result<Vec<u8>, String> {
    const VERSION: u32 = 2;
    const NO_ID: u32 = u32::MAX;
    let mut entries = Vec::new();
    for entry in text.split([',', '\n']).filter(|entry| !entry.is_empty()) {
        let fault = || format!("ACL entry {entry:?}");
        let parts: Vec<&str> = entry.split(':').collect();
        let (&[tag, name, permissions], last) = parts.split_first_chunk().ok_or_else(fault)?;
        let id = match (name, last) {
            ("", []) => NO_ID,
            (_, [id]) => id.parse().map_err(|_| fault())?,
            (id, []) => id.parse().map_err(|_| fault())?,
            _ => return Err(fault()),
        };
        let tag: u16 = match (tag, id) {
            ("user", NO_ID) => 0x01,
            ("user", _) => 0x02,
            ("group", NO_ID) => 0x04,
            ("group", _) => 0x08,
            ("mask", NO_ID) => 0x10,
            ("other", NO_ID) => 0x20,
            _ => return Err(fault()),
        };
        let permissions = match permissions.as_bytes() {
            [read, write, execute] => {
                let bit = |found: u8, letter: u8, bit: u16| match found {
                    b'-' => Ok(0),
                    found if found == letter => Ok(bit),
                    _ => Err(fault()),
                };
                bit(*read, b'r', 4)? | bit(*write, b'w', 2)? | bit(*execute, b'x', 1)?
            }
            _ => return Err(fault()),
        };
        entries.push((tag, id, permissions));
    }
    entries.sort_unstable();
    let mut value = VERSION.to_le_bytes().to_vec();
    for (tag, id, permissions) in entries {
        value.extend(tag.to_le_bytes());
        value.extend::<[u8; 2]>(u16::to_le_bytes(permissions));
        value.extend(id.to_le_bytes());
    }
    Ok(value)
}

/// The entries of an attribute, in order of their bytes. The kernel takes those of one tag in any order.
pub fn entries(attribute: &[u8]) -> Vec<&[u8]> {
    let (version, entries) = attribute.split_at(attribute.len().min(4));
    let mut entries: Vec<&[u8]> = entries.chunks(8).collect();
    entries.sort_unstable();
    entries.insert(0, version);
    entries
}

/// The same attribute with each id of a user or a group at most 2^31-1.
pub fn with_ids_of_31_bits(attribute: &[u8]) -> Vec<u8> {
    const NAMED: [u8; 2] = [0x02, 0x08];
    let mut value = attribute.to_vec();
    let entries = value.get_mut(4..).into_iter().flat_map(|entries| entries.chunks_exact_mut(8));
    for entry in entries.filter(|entry| NAMED.contains(&entry[0])) {
        let id = u32::from_le_bytes(entry[4..].try_into().expect("four bytes"));
        entry[4..].copy_from_slice(&id.min(i32::MAX as u32).to_le_bytes());
    }
    value
}
