//! A strict reader of the archives that this project writes: ustar headers, pax `x` headers, GNU sparse format 1.0.
//!
//! It takes nothing that two readers might understand differently, so an archive that it reads has correct checksums,
//! unique names, hard links to earlier members only, known pax keys only, and a proper end.

use std::collections::BTreeMap;
use std::io::Read;

use super::content::{Pieces, Summary};
use super::pax::{self, Records};
use super::record::{Kind, Record, Time, Tree, group_links, shown};
use super::{acl, flags};

const BLOCK_BYTES: usize = 512;

/// Archives may be filled up with zeros to a whole record, 10 KiB by default; no more than this.
const MOST_AFTER_END: u64 = 1 << 20;

/// Reads a whole archive into records. The root (`./`) has the empty path.
pub fn read(from: impl Read) -> Result<Tree, String> {
    let mut reader = Reader { from, place_bytes: 0 };
    let mut tree = Tree::new();
    let mut identities = BTreeMap::new();
    loop {
        let place_bytes = reader.place_bytes;
        match reader.member(&tree) {
            Ok(Some(member)) => {
                let identity = member.link_to.unwrap_or_else(|| member.path.clone());
                let identity = identities.get(&identity).cloned().unwrap_or(identity);
                identities.insert(member.path.clone(), identity);
                if tree.insert(member.path.clone(), member.record).is_some() {
                    return Err(format!("byte {place_bytes}: {}: twice", shown(&member.path)));
                }
            }
            Ok(None) => break,
            Err(fault) => return Err(format!("byte {place_bytes}: {fault}")),
        }
    }
    group_links(&mut tree, identities);
    count_links(&mut tree);
    Ok(tree)
}

fn count_links(tree: &mut Tree) {
    let mut counts = BTreeMap::new();
    for first in tree.values().filter_map(|record| record.linked.clone()) {
        *counts.entry(first).or_insert(0) += 1;
    }
    for record in tree.values_mut().filter(|record| record.kind != Kind::Directory) {
        record.links = Some(record.linked.as_ref().map_or(1, |first| counts[first]));
    }
}

struct Member {
    path: Vec<u8>,
    record: Record,
    link_to: Option<Vec<u8>>,
}

struct Reader<R> {
    from: R,
    place_bytes: u64,
}

impl<R: Read> Reader<R> {
    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), String> {
        self.place_bytes += buffer.len() as u64;
        self.from.read_exact(buffer).map_err(|error| error.to_string())
    }

    /// The next member, or none after a proper end.
    fn member(&mut self, earlier: &Tree) -> Result<Option<Member>, String> {
        let mut header = self.header()?;
        let mut records = Records::new();
        if let Some(extended) = header.as_ref().filter(|header| header.0[156] == b'x') {
            let length = extended.number(124, 12)?;
            if length > 16 << 20 {
                return Err(format!("a pax header of {length} bytes"));
            }
            let mut data = vec![0; length as usize];
            self.fill(&mut data)?;
            self.padding(length)?;
            records = pax::records(&data)?;
            header = self.header()?;
            if header.is_none() {
                return Err("the archive ends after a pax header".to_owned());
            }
        }
        let Some(header) = header else { return self.end().map(|()| None) };
        let path = member_path(&header, &records)?;
        let member = self.entry(&header, &records, earlier, path.clone());
        member.map(Some).map_err(|fault| format!("{}: {fault}", shown(&path)))
    }

    fn header(&mut self) -> Result<Option<Header>, String> {
        let mut block = [0; BLOCK_BYTES];
        self.fill(&mut block)?;
        if block == [0; BLOCK_BYTES] {
            return Ok(None);
        }
        let header = Header(block);
        let sum: u64 =
            (0..BLOCK_BYTES).map(|at| if (148..156).contains(&at) { 32 } else { block[at].into() }).sum();
        let declared = header.number(148, 8)?;
        if sum != declared {
            return Err(format!("header checksum {declared}, its bytes sum to {sum}"));
        }
        if &block[257..265] != b"ustar\x0000" {
            return Err("no ustar header".to_owned());
        }
        Ok(Some(header))
    }

    fn padding(&mut self, length: u64) -> Result<(), String> {
        let mut padding = [0; BLOCK_BYTES];
        let count = length.next_multiple_of(BLOCK_BYTES as u64) - length;
        self.fill(&mut padding[..count as usize])?;
        if padding == [0; BLOCK_BYTES] { Ok(()) } else { Err("padding that is not zero".to_owned()) }
    }

    /// After one block of zeros: at least one more, and nothing but zeros in whole blocks.
    fn end(&mut self) -> Result<(), String> {
        let mut rest = Vec::new();
        self.from
            .by_ref()
            .take(MOST_AFTER_END + 1)
            .read_to_end(&mut rest)
            .map_err(|error| error.to_string())?;
        if rest.len() as u64 > MOST_AFTER_END {
            return Err(format!("over {MOST_AFTER_END} bytes after the first block of zeros"));
        }
        if rest.len() < BLOCK_BYTES || rest.len() % BLOCK_BYTES != 0 || rest.iter().any(|byte| *byte != 0) {
            return Err(format!("{} bytes after the first block of zeros, or not all zero", rest.len()));
        }
        Ok(())
    }

    fn entry(
        &mut self,
        header: &Header,
        records: &Records,
        earlier: &Tree,
        path: Vec<u8>,
    ) -> Result<Member, String> {
        let kind = match header.0[156] {
            b'0' | b'1' => Kind::File,
            b'2' => Kind::Symlink,
            b'3' => Kind::CharacterDevice,
            b'4' => Kind::BlockDevice,
            b'5' => Kind::Directory,
            b'6' => Kind::Fifo,
            other => return Err(format!("type flag {:?}", char::from(other))),
        };
        let link = records.get(&b"linkpath"[..]).cloned().unwrap_or_else(|| header.text(157, 100).to_vec());
        let stored_bytes = match records.get(&b"size"[..]) {
            Some(size) => pax::number(size)?,
            None => header.number(124, 12)?,
        };
        let mut record = metadata(kind, header, records)?;
        if header.0[156] == b'1' {
            let link_to = canonical(&link)?;
            let first = earlier
                .get(&link_to)
                .ok_or_else(|| format!("links to {}, not seen before", shown(&link_to)))?;
            let same = |record: &Record| (record.mode, record.uid, record.gid, record.mtime);
            if stored_bytes != 0 || same(first) != same(&record) {
                return Err(format!("a hard link that differs from {}", shown(&link_to)));
            }
            return Ok(Member { path, record: first.clone(), link_to: Some(link_to) });
        }
        match kind {
            Kind::File => self.content(&mut record, records, stored_bytes)?,
            _ if stored_bytes != 0 => return Err(format!("{kind:?} with {stored_bytes} bytes of data")),
            Kind::Symlink => record.target = Some(link),
            Kind::CharacterDevice | Kind::BlockDevice => {
                record.device = Some((header.number(329, 8)? as u32, header.number(337, 8)? as u32));
            }
            _ => {}
        }
        Ok(Member { path, record, link_to: None })
    }

    fn content(&mut self, record: &mut Record, records: &Records, stored_bytes: u64) -> Result<(), String> {
        let get = |key: &str| records.get(key.as_bytes());
        let sparse = (get("GNU.sparse.major"), get("GNU.sparse.minor"), get("GNU.sparse.realsize"));
        let (size_bytes, map) = match sparse {
            (None, None, None) => (stored_bytes, vec![(0, stored_bytes)]),
            (Some(major), Some(minor), Some(size)) if major == b"1" && minor == b"0" => {
                let size_bytes = pax::number(size)?;
                (size_bytes, self.sparse_map(size_bytes, stored_bytes)?)
            }
            other => return Err(format!("sparse file with {other:?}")),
        };
        record.size_bytes = Some(size_bytes);
        record.stored_bytes = Some(map.iter().map(|(_, length)| length).sum());
        let summary = self.data(&map, size_bytes)?;
        record.content = Some(summary.content);
        record.sha1 = summary.sha1;
        record.data_sha1 = summary.data_sha1;
        self.padding(stored_bytes)
    }

    /// The map at the start of a sparse member's data: a count, then offset and length of each range with data.
    fn sparse_map(&mut self, size_bytes: u64, stored_bytes: u64) -> Result<Vec<(u64, u64)>, String> {
        let before = self.place_bytes;
        let count = self.sparse_number()?;
        let mut map: Vec<(u64, u64)> = Vec::new();
        let mut end = 0_u64;
        for _ in 0..count {
            let (offset, length) = (self.sparse_number()?, self.sparse_number()?);
            if offset < end || offset.checked_add(length).is_none_or(|end| end > size_bytes) {
                return Err(format!("sparse range {offset}+{length} after {end}, of {size_bytes}"));
            }
            end = offset + length;
            map.push((offset, length));
        }
        self.padding(self.place_bytes - before)?;
        let data: u64 = map.iter().map(|(_, length)| length).sum();
        if self.place_bytes - before + data != stored_bytes {
            return Err(format!("sparse ranges of {data} bytes in a member of {stored_bytes}"));
        }
        Ok(map)
    }

    fn sparse_number(&mut self) -> Result<u64, String> {
        let mut digits = Vec::new();
        loop {
            let mut byte = [0];
            self.fill(&mut byte)?;
            match byte {
                [b'\n'] => return pax::number(&digits),
                _ if digits.len() < 20 => digits.push(byte[0]),
                _ => return Err("a number of more than 20 digits in a sparse map".to_owned()),
            }
        }
    }

    fn data(&mut self, map: &[(u64, u64)], size_bytes: u64) -> Result<Summary, String> {
        let mut pieces = Pieces::new();
        let mut buffer = vec![0; 1 << 16];
        for (offset, length) in map {
            let mut done = 0;
            while done < *length {
                let now = buffer.len().min((length - done) as usize);
                self.fill(&mut buffer[..now])?;
                pieces.add(offset + done, &buffer[..now]);
                done += now as u64;
            }
        }
        Ok(pieces.finish(size_bytes))
    }
}

struct Header([u8; BLOCK_BYTES]);

impl Header {
    fn text(&self, start: usize, length: usize) -> &[u8] {
        let field = &self.0[start..start + length];
        &field[..field.iter().position(|byte| *byte == 0).unwrap_or(length)]
    }

    /// An octal number, or a positive one in base 256.
    fn number(&self, start: usize, length: usize) -> Result<u64, String> {
        let field = &self.0[start..start + length];
        let fault = || format!("number field at {start}: {:?}", field.escape_ascii().to_string());
        if field[0] == 0x80 {
            let (high, low) = field[1..].split_at(length.saturating_sub(9));
            if high.iter().any(|byte| *byte != 0) {
                return Err(fault());
            }
            return Ok(low.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)));
        }
        let text = std::str::from_utf8(field).map_err(|_| fault())?.trim_matches(['\0', ' ']);
        u64::from_str_radix(if text.is_empty() { "0" } else { text }, 8).map_err(|_| fault())
    }
}

fn member_path(header: &Header, records: &Records) -> Result<Vec<u8>, String> {
    let named = records.get(&b"GNU.sparse.name"[..]).or_else(|| records.get(&b"path"[..])).cloned();
    let path = named.unwrap_or_else(|| {
        let (prefix, name) = (header.text(345, 155), header.text(0, 100));
        if prefix.is_empty() { name.to_vec() } else { [prefix, b"/", name].concat() }
    });
    if (header.0[156] == b'5') != (path.last() == Some(&b'/')) {
        return Err(format!("{}: a slash at the end is for directories, and for each", shown(&path)));
    }
    canonical(&path)
}

/// A path without `./` at the start and the slash at the end.
pub fn canonical(path: &[u8]) -> Result<Vec<u8>, String> {
    let inner = path.strip_suffix(b"/").unwrap_or(path);
    if inner == b"." {
        return Ok(Vec::new());
    }
    let inner = inner.strip_prefix(b"./").unwrap_or(inner);
    if inner.contains(&0) || inner.split(|byte| *byte == b'/').any(|part| matches!(part, b"" | b"." | b".."))
    {
        return Err(format!("path {}", shown(path)));
    }
    Ok(inner.to_vec())
}

fn metadata(kind: Kind, header: &Header, records: &Records) -> Result<Record, String> {
    let pax_time = |key: &str| records.get(key.as_bytes()).map(|text| pax::time(text)).transpose();
    let id = |key: &str, start: usize| {
        let id =
            records.get(key.as_bytes()).map_or_else(|| header.number(start, 8), |text| pax::number(text))?;
        u32::try_from(id).map_err(|_| format!("{key} {id}"))
    };
    let whole = Time { seconds: header.number(136, 12).unwrap_or(0) as i64, nanoseconds: 0 };
    let mut record = Record {
        mode: Some(header.number(100, 8)? as u32),
        uid: Some(id("uid", 108)?),
        gid: Some(id("gid", 116)?),
        mtime: Some(pax_time("mtime")?.unwrap_or(whole)),
        atime: pax_time("atime")?,
        ctime: pax_time("ctime")?,
        btime: pax_time("LIBARCHIVE.creationtime")?,
        flags: Some(0),
        ..Record::new(kind)
    };
    let mut xattrs = BTreeMap::new();
    let mut put = |name: &[u8], value: Vec<u8>| match xattrs.insert(name.to_vec(), value.clone()) {
        Some(other) if other != value => Err(format!("two values of {}", name.escape_ascii())),
        _ => Ok(()),
    };
    let utf8 = |value: &[u8]| String::from_utf8(value.to_vec()).map_err(|error| error.to_string());
    for (key, value) in records {
        if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
            put(&decoded(name), value.clone())?;
            continue;
        }
        match key.as_slice() {
            b"path" | b"linkpath" | b"size" | b"uid" | b"gid" | b"mtime" | b"atime" | b"ctime" => {}
            b"LIBARCHIVE.creationtime" | b"GNU.sparse.name" | b"GNU.sparse.realsize" => {}
            b"GNU.sparse.major" | b"GNU.sparse.minor" => {}
            b"hdrcharset" if value == b"BINARY" => {}
            b"SCHILY.fflags" => record.flags = Some(flags::parse(&utf8(value)?)?),
            b"SCHILY.acl.access" => put(b"system.posix_acl_access", acl::attribute_of_text(&utf8(value)?)?)?,
            b"SCHILY.acl.default" => {
                put(b"system.posix_acl_default", acl::attribute_of_text(&utf8(value)?)?)?
            }
            // The kernel's value has a zero byte at the end, this key has not.
            b"RHT.security.selinux" => match records.get(&b"SCHILY.xattr.security.selinux"[..]) {
                Some(raw) if raw.strip_suffix(b"\0").unwrap_or(raw) == value => {}
                Some(_) => return Err("two values of security.selinux".to_owned()),
                None => put(b"security.selinux", [value.as_slice(), b"\0"].concat())?,
            },
            other => return Err(format!("pax key {}", other.escape_ascii())),
        }
    }
    record.xattrs = Some(xattrs);
    Ok(record)
}

/// An attribute's name as GNU tar writes it in a pax key: `=` is `%3D` and `%` is `%25`.
fn decoded(name: &[u8]) -> Vec<u8> {
    let mut rest = name;
    let mut decoded = Vec::new();
    while let Some((first, after)) = rest.split_first() {
        (rest, _) = match (rest.strip_prefix(b"%3D"), rest.strip_prefix(b"%25")) {
            (Some(after), _) => (after, decoded.push(b'=')),
            (None, Some(after)) => (after, decoded.push(b'%')),
            (None, None) => (after, decoded.push(*first)),
        };
    }
    decoded
}

/// An attribute's name as it stands in a pax key.
pub fn escaped(name: &[u8]) -> Vec<u8> {
    let escape = |byte: &u8| match byte {
        b'=' => b"%3D".to_vec(),
        b'%' => b"%25".to_vec(),
        other => vec![*other],
    };
    name.iter().flat_map(escape).collect()
}
