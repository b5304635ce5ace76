//! How entries are shown: as `ls -l` does, and as JSON.

use jiff::Timestamp as Moment;
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

use crate::filesystem::{FileKind, Timestamp};
use crate::hex;
use crate::printable::{Printable, harmless};
use crate::view::Item;

/// `-rw-r-xr--`, with the letters that ls(1) has for set-user-id and the like.
pub(super) fn mode(item: &Item) -> String {
    let kind = match item.kind {
        FileKind::Regular | FileKind::Image => '-',
        FileKind::Directory => 'd',
        FileKind::Symlink => 'l',
        FileKind::CharacterDevice { .. } => 'c',
        FileKind::BlockDevice { .. } => 'b',
        FileKind::Fifo => 'p',
        FileKind::Socket => 's',
    };
    let mut text = String::from(kind);
    let specials = [(0o4000, 's', 'S'), (0o2000, 's', 'S'), (0o1000, 't', 'T')];
    for ((special, with, without), shift) in specials.into_iter().zip([6, 3, 0]) {
        let bits = item.metadata.mode >> shift;
        text.push(if bits & 4 != 0 { 'r' } else { '-' });
        text.push(if bits & 2 != 0 { 'w' } else { '-' });
        text.push(match (item.metadata.mode & special != 0, bits & 1 != 0) {
            (true, true) => with,
            (true, false) => without,
            (false, true) => 'x',
            (false, false) => '-',
        });
    }
    text.push(if item.metadata.attributes.is_empty() { ' ' } else { mark(item) });
    text
}

/// As ls(1): a plus for an ACL, a dot for a security label alone.
fn mark(item: &Item) -> char {
    let has =
        |prefix: &[u8]| item.metadata.attributes.iter().any(|attribute| attribute.name.starts_with(prefix));
    match (has(b"system.posix_acl_"), has(b"security.selinux")) {
        (true, _) => '+',
        (false, true) => '.',
        (false, false) => ' ',
    }
}

/// `2026-11-22 17:04`, in the time zone of this host; the seconds alone where no calendar has them.
pub(super) fn time(time: Option<Timestamp>, zone: &TimeZone, format: &str) -> String {
    let Some(time) = time else { return "-".to_owned() };
    let nanoseconds = i32::try_from(time.nanoseconds).unwrap_or(0);
    match Moment::new(time.seconds, nanoseconds) {
        Ok(moment) => moment.to_zoned(zone.clone()).strftime(format).to_string(),
        Err(_) => time.to_string(),
    }
}

/// The owner's name where it is told, otherwise the number.
pub(super) fn owner(name: &[u8], number: u64) -> String {
    if name.is_empty() { number.to_string() } else { Printable(name).to_string() }
}

/// Size, or the numbers of a device.
pub(super) fn size(item: &Item) -> String {
    match item.kind {
        FileKind::CharacterDevice { major, minor } | FileKind::BlockDevice { major, minor } => {
            format!("{major}, {minor}")
        }
        _ => item.size.to_string(),
    }
}

/// The path as it is shown; the root of everything is a dot.
pub(super) fn path(path: &[u8]) -> String {
    if path.is_empty() { ".".to_owned() } else { Printable(path).to_string() }
}

/// A path that can be pasted into a shell: unchanged if it is plain, else quoted. Bytes that are no
/// text, and those that would move a terminal's cursor, are written as `$'…'` has them.
pub(super) fn pasted(path: &[u8]) -> String {
    if path.is_empty() {
        return ".".to_owned();
    }
    let is_plain = |c: char| c.is_alphanumeric() || "%+,-./:=@_^".contains(c);
    match std::str::from_utf8(path) {
        Ok(text) if text.chars().all(is_plain) && harmless(text) == text => text.to_owned(),
        Ok(text) if harmless(text) == text => format!("'{}'", text.replace('\'', r"'\''")),
        _ => {
            let escaped = path.iter().map(|byte| match byte {
                b'\\' | b'\'' => format!("\\{}", char::from(*byte)),
                b' '..=b'~' => char::from(*byte).to_string(),
                _ => format!("\\{byte:03o}"),
            });
            format!("$'{}'", escaped.collect::<String>())
        }
    }
}

/// The field of a path, and its exact bytes where they are no text, before others.
pub(super) fn path_as_json(path: &[u8], others: Value) -> Value {
    let mut fields = Map::new();
    text(
        &mut |name, value| drop(fields.insert(name.to_owned(), value)),
        "path",
        if path.is_empty() { b"." } else { path },
    );
    if let Value::Object(others) = others {
        fields.extend(others);
    }
    Value::Object(fields)
}

/// An entry under the names that the manifest has for its fields.
pub(super) fn as_json(item: &Item) -> Value {
    let mut fields = Map::new();
    let mut add = |name: &str, value: Value| drop(fields.insert(name.to_owned(), value));
    let time = |time: Timestamp| json!([time.seconds, time.nanoseconds]);
    text(&mut add, "path", if item.path.is_empty() { b"." } else { &item.path });
    add("type", json!(item.kind.name()));
    add("mode", json!(format!("{:04o}", item.metadata.mode)));
    add("uid", json!(item.metadata.uid));
    add("gid", json!(item.metadata.gid));
    for (name, value) in [("uname", &item.uname), ("gname", &item.gname)] {
        if !value.is_empty() {
            text(&mut add, name, value);
        }
    }
    if matches!(item.kind, FileKind::Regular | FileKind::Symlink | FileKind::Image) {
        add("size", json!(item.size));
    }
    let times = [
        ("mtime", item.metadata.modified),
        ("atime", item.metadata.accessed),
        ("ctime", item.metadata.changed),
        ("created", item.metadata.created),
    ];
    times
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .for_each(|(name, value)| add(name, time(value)));
    if let Some(inode) = item.inode {
        add("inode", json!(inode.number));
        if inode.tree != 0 {
            add("tree", json!(inode.tree));
        }
    }
    if let Some(links) = item.links {
        add("links", json!(links));
    }
    if let FileKind::CharacterDevice { major, minor } | FileKind::BlockDevice { major, minor } = item.kind {
        add("rdev", json!([major, minor]));
    }
    if let Some(target) = &item.target {
        text(&mut add, "target", target);
    }
    if let Some(link) = &item.link {
        text(&mut add, "link", link);
    }
    if let Some(flags) = item.flags() {
        add("flags", json!(flags));
    }
    if !item.metadata.attributes.is_empty() {
        let attributes = item.metadata.attributes.iter();
        let attributes: Map<String, Value> =
            attributes.map(|a| (Printable(&a.name).to_string(), json!(hex::encode(&a.value)))).collect();
        add("xattrs", Value::Object(attributes));
    }
    if let Some(content) = &item.content {
        let start = if content.data_only { "data_" } else { "" };
        add(&format!("{start}{}", content.algorithm.name()), json!(content.hex));
    }
    Value::Object(fields)
}

/// A field of text, and its exact bytes where they are no text.
fn text(add: &mut impl FnMut(&str, Value), name: &str, bytes: &[u8]) {
    add(name, json!(String::from_utf8_lossy(bytes)));
    if std::str::from_utf8(bytes).is_err() {
        add(&format!("{name}_hex"), json!(hex::encode(bytes)));
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    use std::process::Command;

    use super::*;

    #[test]
    fn a_name_that_is_pasted_into_a_shell_is_the_same_name() {
        let names: [&[u8]; 12] = [
            b"p4/etc/fstab",
            b"a b",
            b"it's",
            b"$(reboot)",
            b"-rf *",
            b"tab\there",
            b"line\nbreak",
            b"\x1b[2J",
            b"\xff\xfe'\\",
            "gr\u{fc}n".as_bytes(),
            "\u{202e}txt.exe".as_bytes(),
            b"#x;y&z~",
        ];
        for name in names {
            let shown = pasted(name);
            assert!(!shown.chars().any(char::is_control), "{shown:?}");
            // Bash knows $'...', as ksh and zsh do.
            let output = Command::new("bash").arg("-c").arg(format!("printf %s {shown}")).output().unwrap();
            assert_eq!(OsStr::from_bytes(&output.stdout), OsStr::from_bytes(name), "{shown}");
        }
        assert_eq!(pasted(b"p4/etc/fstab"), "p4/etc/fstab");
        assert_eq!(pasted(b""), ".");
    }
}
