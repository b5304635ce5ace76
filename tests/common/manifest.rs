//! The manifest as records: what it says of each entry, sockets among them.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::record::{Kind, Record, Time, Tree, group_links, shown};
use super::tar::canonical;
use super::{archive, flags};

/// Reads the manifest of an archive into records. Panics where it is not what the documentation promises.
pub fn read(archive: &Path) -> Tree {
    let mut tree = Tree::new();
    let mut identities = BTreeMap::new();
    for line in archive::manifest(archive) {
        match line["record"].as_str() {
            Some("entry") => {}
            Some("issue") => panic!("an issue: {line}"),
            _ => continue,
        }
        let path = canonical(&bytes(&line, "path").expect("a path")).expect("a plain path");
        let entry = record(&line);
        let link = bytes(&line, "link").map(|link| canonical(&link).expect("a plain path"));
        let entry = match &link {
            None => entry,
            Some(first) => {
                let first = tree.get(first).unwrap_or_else(|| panic!("{line}: a link of nothing before it"));
                let same =
                    |record: &Record| (record.kind, record.mode, record.uid, record.gid, record.size_bytes);
                assert_eq!(same(first), same(&entry), "{line}: a link that differs from the first name");
                first.clone()
            }
        };
        identities.insert(path.clone(), link.unwrap_or_else(|| path.clone()));
        assert!(tree.insert(path.clone(), entry).is_none(), "{} is twice in the manifest", shown(&path));
    }
    group_links(&mut tree, identities);
    tree
}

fn record(line: &Value) -> Record {
    let kind = match line["type"].as_str() {
        Some("file" | "image") => Kind::File,
        Some("dir") => Kind::Directory,
        Some("symlink") => Kind::Symlink,
        Some("chr") => Kind::CharacterDevice,
        Some("blk") => Kind::BlockDevice,
        Some("fifo") => Kind::Fifo,
        Some("sock") => Kind::Socket,
        _ => panic!("the type of {line}"),
    };
    let number = |key: &str| line[key].as_u64();
    let small = |value: &Value| value.as_u64().and_then(|value| u32::try_from(value).ok()).expect("32 bits");
    let time = |key: &str| {
        let time = line.get(key)?;
        Some(Time { seconds: time[0].as_i64().expect("seconds"), nanoseconds: small(&time[1]) })
    };
    let digest = |key: &str| line[key].as_str().map(|hex| unhex(hex).try_into().expect("20 bytes"));
    Record {
        mode: line["mode"].as_str().map(|mode| u32::from_str_radix(mode, 8).expect("an octal mode")),
        uid: line.get("uid").map(small),
        gid: line.get("gid").map(small),
        size_bytes: number("size").filter(|_| kind == Kind::File),
        mtime: time("mtime"),
        atime: time("atime"),
        ctime: time("ctime"),
        btime: time("created"),
        device: line.get("rdev").map(|rdev| (small(&rdev[0]), small(&rdev[1]))),
        target: bytes(line, "target"),
        links: number("links").filter(|_| kind != Kind::Directory),
        stored_bytes: line["place"]["stored"].as_u64(),
        sha1: digest("sha1"),
        data_sha1: digest("data_sha1"),
        xattrs: Some(line["xattrs"].as_object().into_iter().flatten().map(attribute).collect()),
        flags: Some(line["flags"].as_str().map_or(0, |text| flags::parse_full(text).expect("known flags"))),
        ..Record::new(kind)
    }
}

fn attribute((name, value): (&String, &Value)) -> (Vec<u8>, Vec<u8>) {
    (unescaped(name), unhex(value.as_str().expect("hexadecimal digits")))
}

/// A field in bytes: exactly under its name with the ending `_hex`, or as text.
fn bytes(line: &Value, key: &str) -> Option<Vec<u8>> {
    let exact = line[format!("{key}_hex")].as_str().map(unhex);
    exact.or_else(|| line[key].as_str().map(|text| text.as_bytes().to_vec()))
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).expect("ASCII"));
    digits.map(|pair| u8::from_str_radix(pair, 16).expect("hexadecimal digits")).collect()
}

/// Undoes the escapes of a shown name: `\\`, `\n`, `\x1b` for a byte and `\u{1b}` for a character.
fn unescaped(text: &str) -> Vec<u8> {
    let mut plain = Vec::new();
    let mut rest = text;
    while let Some((before, escape)) = rest.split_once('\\') {
        plain.extend_from_slice(before.as_bytes());
        let (kind, after) = escape.split_at(1);
        rest = match kind {
            "\\" => (plain.push(b'\\'), after).1,
            "n" => (plain.push(b'\n'), after).1,
            "r" => (plain.push(b'\r'), after).1,
            "t" => (plain.push(b'\t'), after).1,
            "x" => {
                let (digits, after) = after.split_at(2);
                plain.extend(unhex(digits));
                after
            }
            "u" => {
                let (digits, after) = after[1..].split_once('}').expect("a closing brace");
                let code = u32::from_str_radix(digits, 16).expect("hexadecimal digits");
                let mut buffer = [0; 4];
                plain.extend_from_slice(
                    char::from_u32(code).expect("a character").encode_utf8(&mut buffer).as_bytes(),
                );
                after
            }
            other => panic!("escape \\{other} in {text}"),
        };
    }
    plain.extend_from_slice(rest.as_bytes());
    plain
}
