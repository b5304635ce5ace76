//! The 512-byte header of a tar member, and the pax records before it.
//!
//! A pure function: an entry's metadata in, bytes out. The crate `tar` lays out the fields.

use tar::{EntryType, Header};

use super::form::Form;
use super::pax::Records;
use super::{acl, flags as fflags};
use crate::filesystem::{Attribute, FileKind, Inode, Metadata, Timestamp};
use crate::tree::{Body, Entry};

/// Length of a header, and what all data are padded to.
pub(crate) const BLOCK: u64 = 512;
const BLOCK_LEN: usize = 512;

/// Bytes that a name or a link target may have in the header.
const NAME_MOST: usize = 100;
/// Bytes that the field holds which stands before the name, with a slash between them.
const PREFIX_MOST: usize = 155;
/// Largest numbers that the fields hold in octal.
const ID_MOST: u64 = 0o777_7777;
const SIZE_MOST: u64 = 0o777_7777_7777;
const TIME_MOST: i64 = 0o777_7777_7777;

/// How the bytes of a member lie in the archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    /// Bytes behind the header, without padding.
    pub len_bytes: u64,
    /// Length of the file, where it is stored as a sparse file and the bytes begin with its map.
    pub sparse_len_bytes: Option<u64>,
}

impl Stored {
    /// Nothing behind the header.
    pub(crate) const NOTHING: Self = Self { len_bytes: 0, sparse_len_bytes: None };
}

/// The header of an entry, with its pax records. `name` is what the archive calls it, without a slash at the end.
/// `link` is the link target, or what the archive calls the entry that this one is the same as.
pub(crate) fn of_entry(name: &[u8], entry: &Entry, link: &[u8], stored: Stored, form: Form) -> Vec<u8> {
    let inode = &entry.inode;
    let (kind, numbers) = match (&entry.body, inode.kind) {
        (Body::SameAs(_), _) => (EntryType::Link, None),
        (_, FileKind::Directory) => (EntryType::Directory, None),
        (_, FileKind::Symlink) => (EntryType::Symlink, None),
        (_, FileKind::CharacterDevice { major, minor }) => (EntryType::Char, Some((major, minor))),
        (_, FileKind::BlockDevice { major, minor }) => (EntryType::Block, Some((major, minor))),
        (_, FileKind::Fifo) => (EntryType::Fifo, None),
        (_, FileKind::Regular | FileKind::Socket | FileKind::Image) => (EntryType::Regular, None),
    };
    let mut member = Member::new(name, kind, inode, stored);
    if let Some((major, minor)) = numbers {
        // Only a header without device fields refuses them, and this one has them.
        let _ = member.header.set_device_major(major);
        let _ = member.header.set_device_minor(minor);
    }
    member.link(link);
    member.attributes(&inode.metadata.attributes);
    if let Some(created) = inode.metadata.created.filter(|_| form.creation_time) {
        member.records.push_shown(b"LIBARCHIVE.creationtime", created);
    }
    if let Some(flags) = fflags::text(inode.metadata.flags).filter(|_| form.flags) {
        member.records.push(b"SCHILY.fflags", flags.as_bytes());
    }
    member.finish()
}

/// The header of a partition that goes in as it is. It has no owner and no times: it is the same whenever it is made.
pub(crate) fn of_image(name: &[u8], stored: Stored) -> Vec<u8> {
    let mut header = Header::new_ustar();
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o600);
    Member { name: name.to_vec(), header, records: Records::new() }.with(stored).finish()
}

/// The header of the manifest in its own archive, made when the run began.
pub(crate) fn of_manifest(name: &[u8], len_bytes: u64, started: u64) -> Vec<u8> {
    let mut header = Header::new_ustar();
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o600);
    header.set_mtime(started.min(TIME_MOST.unsigned_abs()));
    let stored = Stored { len_bytes, sparse_len_bytes: None };
    Member { name: name.to_vec(), header, records: Records::new() }.with(stored).finish()
}

/// A member's header as it grows.
struct Member {
    name: Vec<u8>,
    header: Header,
    records: Records,
}

impl Member {
    fn new(name: &[u8], kind: EntryType, inode: &Inode, stored: Stored) -> Self {
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(u32::from(inode.metadata.mode));
        let slash: &[u8] = if kind == EntryType::Directory { b"/" } else { b"" };
        let mut member = Self { name: [name, slash].concat(), header, records: Records::new() };
        member.owner(&inode.metadata);
        member.times(&inode.metadata);
        member.with(stored)
    }

    fn with(mut self, stored: Stored) -> Self {
        // Above what octal digits hold, this is a binary number, as GNU tar and star write it.
        self.header.set_size(stored.len_bytes);
        if stored.sparse_len_bytes.is_none() {
            self.path();
            if stored.len_bytes > SIZE_MOST {
                self.records.push_shown(b"size", stored.len_bytes);
            }
            return self;
        }
        // A tar that knows no sparse files shows the stored part under this name, as GNU tar has
        // it.
        let name = std::mem::take(&mut self.name);
        self.name = beside(&name, b"GNUSparseFile.0");
        // Of the records that name a file, Python's tarfile obeys the last, and after a record of
        // the size it looks for the next member behind as many bytes as the file has with its
        // holes. So the path comes first, as bsdtar has it, and the size stands in the header
        // alone.
        self.path();
        self.records.push(b"GNU.sparse.major", b"1");
        self.records.push(b"GNU.sparse.minor", b"0");
        self.records.push(b"GNU.sparse.name", &name);
        self.records.push_shown(b"GNU.sparse.realsize", stored.sparse_len_bytes.unwrap_or_default());
        self
    }

    /// The record of a name that is too long for the header.
    fn path(&mut self) {
        if self.name.len() > NAME_MOST {
            self.records.push(b"path", &self.name);
        }
    }

    fn owner(&mut self, metadata: &Metadata) {
        self.header.set_uid(metadata.uid);
        self.header.set_gid(metadata.gid);
        for (keyword, id) in [(&b"uid"[..], metadata.uid), (b"gid", metadata.gid)] {
            if id > ID_MOST {
                self.records.push_shown(keyword, id);
            }
        }
    }

    fn times(&mut self, metadata: &Metadata) {
        let modified = metadata.modified.unwrap_or_default();
        let seconds = modified.seconds.clamp(0, TIME_MOST);
        self.header.set_mtime(seconds.unsigned_abs());
        if (Timestamp { seconds, nanoseconds: 0 }) != modified {
            self.records.push_shown(b"mtime", modified);
        }
        for (keyword, time) in [(&b"atime"[..], metadata.accessed), (b"ctime", metadata.changed)] {
            if let Some(time) = time {
                self.records.push_shown(keyword, time);
            }
        }
    }

    fn link(&mut self, target: &[u8]) {
        if target.len() > NAME_MOST {
            self.records.push(b"linkpath", target);
        }
        if let Some(header) = self.header.as_ustar_mut() {
            copy(target, &mut header.linkname);
        }
    }

    /// Extended attributes under the names that GNU tar and bsdtar read: ACLs as text, SELinux also under a keyword of its
    /// own, and all others as they are.
    fn attributes(&mut self, attributes: &[Attribute]) {
        for Attribute { name, value } in attributes {
            let acl = match name.as_slice() {
                b"system.posix_acl_access" => acl::text(value).map(|text| (&b"SCHILY.acl.access"[..], text)),
                b"system.posix_acl_default" => {
                    acl::text(value).map(|text| (&b"SCHILY.acl.default"[..], text))
                }
                _ => None,
            };
            if let Some((keyword, text)) = acl {
                self.records.push(keyword, text.as_bytes());
                continue;
            }
            if name == b"security.selinux" {
                let label = value.strip_suffix(b"\0").unwrap_or(value);
                self.records.push(b"RHT.security.selinux", label);
            }
            let keyword = [b"SCHILY.xattr.", escaped(name).as_slice()].concat();
            self.records.push(&keyword, value);
        }
    }

    /// The pax header, where there are records, and the header itself.
    fn finish(mut self) -> Vec<u8> {
        if let Some(header) = self.header.as_ustar_mut() {
            // Readers that know no records find longer names in two parts.
            let (prefix, name) = parts(&self.name).unwrap_or((b"", &self.name));
            copy(prefix, &mut header.prefix);
            copy(name, &mut header.name);
        }
        seal(&mut self.header);
        let records = self.records.as_bytes();
        let mut bytes =
            Vec::with_capacity(records.len().next_multiple_of(BLOCK_LEN).saturating_add(2 * BLOCK_LEN));
        if !records.is_empty() {
            let mut header = Header::new_ustar();
            header.set_entry_type(EntryType::XHeader);
            header.set_mode(0o644);
            header.set_mtime(self.header.mtime().unwrap_or(0));
            header.set_size(u64::try_from(records.len()).unwrap_or(u64::MAX));
            if let Some(header) = header.as_ustar_mut() {
                copy(&beside(&self.name, b"PaxHeaders"), &mut header.name);
            }
            seal(&mut header);
            bytes.extend_from_slice(header.as_bytes());
            bytes.extend_from_slice(records);
            bytes.resize(bytes.len().next_multiple_of(BLOCK_LEN), 0);
        }
        bytes.extend_from_slice(self.header.as_bytes());
        bytes
    }
}

/// Writes the checksum: the sum of all bytes, itself taken for spaces. The crate's own takes byte after byte, which is as much work as all
/// the other fields.
fn seal(header: &mut Header) {
    header.as_old_mut().cksum.fill(b' ');
    let sum = header.as_bytes().iter().fold(0_u32, |sum, byte| sum.wrapping_add(u32::from(*byte)));
    let digits = format!("{sum:07o}\0");
    header.as_old_mut().cksum.iter_mut().zip(digits.bytes()).for_each(|(to, from)| *to = from);
}

/// Takes a name that is too long for its field apart at a slash, so that the first part fits into
/// the field for prefixes. `None` where it fits, or can't be made to.
fn parts(name: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = name.len().checked_sub(NAME_MOST.saturating_add(1))?;
    let slash = name.get(at..)?.iter().position(|byte| *byte == b'/')?.checked_add(at)?;
    let (prefix, rest) = name.split_at_checked(slash)?;
    let rest = rest.strip_prefix(b"/")?;
    (prefix.len() <= PREFIX_MOST && !prefix.is_empty() && !rest.is_empty()).then_some((prefix, rest))
}

/// Copies as much as the field holds.
fn copy(bytes: &[u8], field: &mut [u8]) {
    field.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
}

/// The name of something beside `name`: `./etc/fstab` becomes `./etc/PaxHeaders/fstab`.
fn beside(name: &[u8], folder: &[u8]) -> Vec<u8> {
    let name = name.strip_suffix(b"/").unwrap_or(name);
    match name.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => {
            let (parent, base) = name.split_at(slash);
            [parent, b"/", folder, base].concat()
        }
        None => [b"./", folder, b"/", name].concat(),
    }
}

/// An attribute's name as GNU tar escapes it: `=` would end the keyword.
fn escaped(name: &[u8]) -> Vec<u8> {
    let mut escaped = Vec::with_capacity(name.len());
    for byte in name {
        match byte {
            b'%' => escaped.extend_from_slice(b"%25"),
            b'=' => escaped.extend_from_slice(b"%3D"),
            byte => escaped.push(*byte),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_records_of_a_sparse_file_begin_with_its_path_and_have_no_size() {
        let name = [vec![b'n'; 120], b"/".to_vec(), vec![b's'; 60]].concat();
        let stored = Stored { len_bytes: SIZE_MOST + 1, sparse_len_bytes: Some(1 << 40) };
        let bytes = of_image(&name, stored);
        let text = String::from_utf8_lossy(&bytes[512..1024]).into_owned();
        let keywords: Vec<&str> = text
            .lines()
            .filter_map(|line| line.split_once(' ')?.1.split_once('='))
            .map(|(key, _)| key)
            .collect();
        let expected =
            ["path", "GNU.sparse.major", "GNU.sparse.minor", "GNU.sparse.name", "GNU.sparse.realsize"];
        assert_eq!(keywords, expected);
        let header = Header::from_byte_slice(&bytes[1024..]);
        assert_eq!(header.entry_size().unwrap(), SIZE_MOST + 1);
    }

    #[test]
    fn long_names_are_in_two_parts_where_a_slash_allows_it() {
        let long =
            |prefix: usize, name: usize| [vec![b'p'; prefix], b"/".to_vec(), vec![b'n'; name]].concat();
        for (prefix, name) in [(1, 100), (155, 100), (155, 1), (100, 1)] {
            let whole = long(prefix, name);
            assert_eq!(parts(&whole), Some((&whole[..prefix], &whole[prefix + 1..])));
        }
        for whole in [long(156, 1), long(1, 101), b"a/b".to_vec(), vec![b'x'; 200], long(0, 101)] {
            assert_eq!(parts(&whole), None);
        }
        let directory = [vec![b'p'; 120], b"/".to_vec()].concat();
        assert_eq!(parts(&directory), None);
    }
}
