//! One member: what its header and the records before it say.

use std::collections::{BTreeMap, BTreeSet};

use thiserror::Error;

use super::header::{self, Header};
use super::pax::{self, Global, Pair};
use super::sparse::{self, Repeated, Runs};
use super::{acl, flags};
use crate::filesystem::{Attribute, FileKind, Metadata, Timestamp};
use crate::printable::Printable;

/// Attributes of one entry. The kernel lists 64 KiB of names, each of which has a byte and its end.
pub(crate) const ATTRIBUTES_MOST: usize = 1 << 16;

#[derive(Debug, Error)]
pub(crate) enum Fault {
    #[error(transparent)]
    Header(#[from] header::Fault),
    #[error(transparent)]
    Pax(#[from] pax::Fault),
    #[error(transparent)]
    Sparse(#[from] sparse::Fault),
    #[error("the pax record {keyword} has a value that can't be understood")]
    Value { keyword: String },
    #[error("a header for the next member has {len} bytes, at most {most} are read")]
    TooLong { len: u64, most: u64 },
    #[error("a header for the next member, but no member follows")]
    NothingFollows,
    #[error("the member has no name")]
    NoName,
    #[error("the global pax records take more memory than they may")]
    TooManyGlobal,
    #[error("the member has more than {ATTRIBUTES_MOST} extended attributes")]
    TooManyAttributes,
    #[error("the archive ends within a member: it is cut off")]
    CutOff,
}

/// What a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberKind {
    /// A file. What tars call by letters of their own and has content is a regular one.
    File(FileKind),
    /// A further name of a member before it.
    Link,
    /// Nothing that is extracted: a volume's label, a part of a file that began in another archive.
    Other(u8),
}

/// Where a member is in the tar stream, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemberPlace {
    /// Position of the first of its headers.
    pub header: u64,
    /// Position of the data, behind the header and a sparse file's map.
    pub data: u64,
    /// Bytes of data that are stored.
    pub stored: u64,
}

/// A member of a tar archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The name as it stands in the archive, without slashes at its end. It may begin with one, or hold `..`.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: MemberKind,
    /// Owner, mode, times, attributes (ACLs among them) and the like.
    pub metadata: Metadata,
    /// The owner's name; empty when none is told.
    pub uname: Vec<u8>,
    /// The group's name; empty when none is told.
    pub gname: Vec<u8>,
    /// Length of the content in bytes, holes included.
    pub size: u64,
    /// The target of a symbolic link, or the name of the member that this one is the same as.
    pub link: Vec<u8>,
    /// Keywords of what could not be understood and is lost: ACLs that name users without numbers.
    pub lost: Vec<String>,
    /// Runs of data of a sparse file: position in the file, and length. What lies between them is zeros. `None` when it
    /// is all data.
    pub runs: Option<Vec<(u64, u64)>>,
    /// Where it is.
    pub place: MemberPlace,
}

impl Member {
    /// The runs of data, of any file.
    #[must_use]
    pub fn data_runs(&self) -> Vec<(u64, u64)> {
        match &self.runs {
            Some(runs) => runs.clone(),
            None if self.place.stored == 0 => Vec::new(),
            None => vec![(0, self.place.stored)],
        }
    }
}

/// How the map of a sparse file comes.
#[derive(Debug, Default)]
pub(crate) enum Map {
    /// It is none.
    #[default]
    None,
    /// Known already.
    Known(Runs),
    /// In the blocks before the data.
    Lines,
}

/// What the headers before a member's own said of it.
#[derive(Debug, Default)]
pub(crate) struct Before {
    /// GNU's long name and link target.
    pub name: Option<Vec<u8>>,
    pub link: Option<Vec<u8>>,
    /// Pax records.
    pub records: Vec<u8>,
}

impl Before {
    pub(crate) fn is_empty(&self) -> bool {
        self.name.is_none() && self.link.is_none() && self.records.is_empty()
    }
}

/// What a member comes to, before its map is read.
pub(crate) struct Described {
    pub member: Member,
    /// Bytes behind the header, without padding.
    pub stored: u64,
    pub map: Map,
}

/// Puts together what the header, the headers before it and the global records say.
pub(crate) fn describe(header: Header, before: Before, global: &Global) -> Result<Described, Fault> {
    let link_size = header.size;
    let mut reading = Reading::of_header(header, before.name, before.link);
    let own = pax::pairs(&before.records)?;
    let replaced: BTreeSet<&[u8]> =
        own.iter().map(|(keyword, _)| *keyword).filter(|keyword| global.has(keyword)).collect();
    for (keyword, value) in global.pairs().filter(|(keyword, _)| !replaced.contains(keyword)) {
        reading.record((keyword, value))?;
    }
    own.iter().try_for_each(|pair| reading.record(*pair))?;
    reading.finish(link_size)
}

/// A member as it is put together.
struct Reading {
    member: Member,
    attributes: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Whether a directory has names behind its header.
    has_names: bool,
    /// What a pax record says of the stored length.
    size: Option<u64>,
    sparse_name: Option<Vec<u8>>,
    sparse_size: Option<u64>,
    sparse_list: Option<Runs>,
    repeated: Repeated,
    has_version: bool,
}

impl Reading {
    fn of_header(header: Header, name: Option<Vec<u8>>, link: Option<Vec<u8>>) -> Self {
        let kind = kind(&header);
        let mode = u16::try_from(header.mode & 0o7777).unwrap_or(0);
        let member = Member {
            path: name.unwrap_or(header.name),
            kind,
            metadata: Metadata {
                mode,
                uid: header.uid,
                gid: header.gid,
                modified: Some(Timestamp { seconds: header.mtime, nanoseconds: 0 }),
                ..Metadata::default()
            },
            uname: header.uname,
            gname: header.gname,
            size: 0,
            link: link.unwrap_or(header.link),
            lost: Vec::new(),
            runs: None,
            place: MemberPlace::default(),
        };
        Self {
            member,
            attributes: BTreeMap::new(),
            has_names: header.kind == b'D',
            size: None,
            sparse_name: None,
            sparse_size: None,
            sparse_list: None,
            repeated: Repeated::default(),
            has_version: false,
        }
    }

    fn record(&mut self, (keyword, value): Pair<'_>) -> Result<(), Fault> {
        if let Some(name) = keyword.strip_prefix(b"SCHILY.xattr.") {
            self.attribute(unescaped(name), value.to_vec());
            return match self.attributes.len() {
                0..=ATTRIBUTES_MOST => Ok(()),
                _ => Err(Fault::TooManyAttributes),
            };
        }
        if value.is_empty() {
            // It takes away what a record for all members said, and that was left out already.
            return Ok(());
        }
        let wrong = || Fault::Value { keyword: Printable(keyword).to_string() };
        let number = || pax::number(value).ok_or_else(wrong);
        let time = || pax::time(value).ok_or_else(wrong);
        let member = &mut self.member;
        match keyword {
            b"path" => member.path = value.to_vec(),
            b"linkpath" => member.link = value.to_vec(),
            b"size" => self.size = Some(number()?),
            b"uid" => member.metadata.uid = number()?,
            b"gid" => member.metadata.gid = number()?,
            b"uname" => member.uname = value.to_vec(),
            b"gname" => member.gname = value.to_vec(),
            b"mtime" => member.metadata.modified = Some(time()?),
            b"atime" => member.metadata.accessed = Some(time()?),
            b"ctime" => member.metadata.changed = Some(time()?),
            b"LIBARCHIVE.creationtime" => member.metadata.created = Some(time()?),
            b"SCHILY.fflags" => {
                member.metadata.flags = flags::of_text(&String::from_utf8_lossy(value));
            }
            b"SCHILY.acl.access" => self.acl("system.posix_acl_access", keyword, value),
            b"SCHILY.acl.default" => self.acl("system.posix_acl_default", keyword, value),
            b"RHT.security.selinux" => {
                let value = [value.strip_suffix(b"\0").unwrap_or(value), b"\0"].concat();
                self.attribute(b"security.selinux".to_vec(), value);
            }
            b"GNU.sparse.major" | b"GNU.sparse.minor" => self.has_version = true,
            b"GNU.sparse.name" => self.sparse_name = Some(value.to_vec()),
            b"GNU.sparse.size" | b"GNU.sparse.realsize" => self.sparse_size = Some(number()?),
            b"GNU.sparse.map" => self.sparse_list = Some(sparse::of_list(value)?),
            b"GNU.sparse.offset" => self.repeated.start(value)?,
            b"GNU.sparse.numbytes" => self.repeated.len(value)?,
            _ => {}
        }
        Ok(())
    }

    fn attribute(&mut self, name: Vec<u8>, value: Vec<u8>) {
        self.attributes.insert(name, value);
    }

    fn acl(&mut self, name: &str, keyword: &[u8], text: &[u8]) {
        match acl::value(text) {
            Some(value) => self.attribute(name.as_bytes().to_vec(), value),
            None => self.member.lost.push(Printable(keyword).to_string()),
        }
    }

    fn finish(mut self, header_size: u64) -> Result<Described, Fault> {
        let mut member = self.member;
        let stored = match member.kind {
            MemberKind::File(FileKind::Regular) | MemberKind::Other(_) => self.size.unwrap_or(header_size),
            // A link may have the content once more, but only pax says so for certain.
            MemberKind::Link => self.size.unwrap_or(0),
            MemberKind::File(FileKind::Directory) if self.has_names => self.size.unwrap_or(header_size),
            // Others write the length of a directory's or a link's inode here, and nothing behind it.
            _ => 0,
        };
        member.path = self.sparse_name.take().unwrap_or(member.path);
        if member.kind == MemberKind::File(FileKind::Regular) && member.path.ends_with(b"/") {
            // The first tars had no kind for directories.
            member.kind = MemberKind::File(FileKind::Directory);
        }
        while member.path.len() > 1 && member.path.ends_with(b"/") {
            member.path.pop();
        }
        if member.path.is_empty() {
            return Err(Fault::NoName);
        }
        let attributes = self.attributes.into_iter().map(|(name, value)| Attribute { name, value });
        member.metadata.attributes = attributes.collect();
        let size = self.sparse_size.unwrap_or(stored);
        member.size = if self.has_names { 0 } else { size };
        let map = match (self.sparse_list, self.has_version, self.sparse_size) {
            (Some(runs), _, _) => Map::Known(runs),
            (None, true, Some(_)) => Map::Lines,
            (None, false, Some(_)) => Map::Known(self.repeated.runs),
            (None, _, None) => Map::None,
        };
        Ok(Described { member, stored, map })
    }
}

fn kind(header: &Header) -> MemberKind {
    let Header { major, minor, .. } = *header;
    MemberKind::File(match header.kind {
        b'1' => return MemberKind::Link,
        b'2' => FileKind::Symlink,
        b'3' => FileKind::CharacterDevice { major, minor },
        b'4' => FileKind::BlockDevice { major, minor },
        // GNU's kind for directories in incremental archives has the names of what was in it as its
        // content.
        b'5' | b'D' => FileKind::Directory,
        b'6' => FileKind::Fifo,
        letter @ (b'M' | b'N' | b'V') => return MemberKind::Other(letter),
        // POSIX: unknown letters are regular files.
        _ => FileKind::Regular,
    })
}

/// An attribute's name, of which GNU tar escapes `%` and `=`.
fn unescaped(name: &[u8]) -> Vec<u8> {
    let (mut plain, mut rest) = (Vec::with_capacity(name.len()), name);
    loop {
        rest = match rest {
            [] => return plain,
            [b'%', b'2', b'5', after @ ..] => {
                plain.push(b'%');
                after
            }
            [b'%', b'3', b'D' | b'd', after @ ..] => {
                plain.push(b'=');
                after
            }
            [byte, after @ ..] => {
                plain.push(*byte);
                after
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_attributes_are_what_they_were_before_tar_escaped_them() {
        assert_eq!(unescaped(b"user.a%3Db%25c%x"), b"user.a=b%c%x");
    }

    #[test]
    fn a_record_of_a_member_stands_for_the_one_of_all_members_and_an_empty_one_for_the_header() {
        let header =
            || Header { name: b"a".to_vec(), kind: b'0', uname: b"header".to_vec(), ..Header::default() };
        let mut global = Global::default();
        global.add(&[(b"uname", b"global")]);
        let uname = |records: &[u8]| {
            let before = Before { records: records.to_vec(), ..Before::default() };
            describe(header(), before, &global).unwrap().member.uname
        };
        assert_eq!(uname(b""), b"global");
        assert_eq!(uname(b"13 uname=own\n"), b"own");
        assert_eq!(uname(b"9 uname=\n"), b"header");
    }
}
