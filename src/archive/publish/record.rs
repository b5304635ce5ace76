//! The record of a publication: a hidden file that is there while the files of an archive get their
//! names, and says which. Its lock keeps two publications of one name apart.
//!
//! Each file is under one of three names: its final one, a hidden one while it is new, another
//! hidden one after it was replaced. From these names alone one can tell how far the publication
//! came.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::Path;

use super::files::ArchiveFiles;
use crate::format::digest::Algorithm;
use crate::temporary::Name;

/// The role of the record's own name.
pub(super) const ROLE: &str = "publishing";

/// Bytes of the longest record.
pub(super) const MOST_BYTES: u64 = 1024;

/// First line, without the state before it.
const TITLE: &str = " voltar publishing 1";

/// How far a publication came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// The final names are as they were.
    Preparing,
    /// New files are there under hidden names, and what they replace has a second name.
    Swapping,
}

impl State {
    /// The first byte of the record: it alone changes.
    pub(super) fn byte(self) -> u8 {
        match self {
            Self::Preparing => b'p',
            Self::Swapping => b's',
        }
    }
}

/// A record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) state: State,
    pub(super) algorithm: Algorithm,
    /// Bytes of the new archive, manifest and checksum file.
    pub(super) lens: [u64; 3],
    /// The archive's name.
    pub(super) archive: OsString,
}

/// One of the names that a publication changes.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    pub(super) name: OsString,
    /// The name of the new file until it is published, and its length. `None` for a checksum file
    /// of another digest, which is only removed.
    pub(super) new: Option<(Name, u64)>,
    /// The name of the old file afterwards.
    pub(super) old: Name,
}

impl Record {
    /// The name under which the record of an archive is.
    pub(super) fn name_of(archive: &OsStr) -> Name {
        Name::of_bytes(archive.as_bytes(), ROLE)
    }

    pub(super) fn name(&self) -> Name {
        Self::name_of(&self.archive)
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let [archive, manifest, checksum] = self.lens;
        let lines = format!("{TITLE}\n{} {archive} {manifest} {checksum}\n", self.algorithm.name());
        [&[self.state.byte()], lines.as_bytes(), self.archive.as_bytes()].concat()
    }

    /// Reads a record; `None` when the bytes are not a record.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let (state, rest) = bytes.split_first()?;
        let state = [State::Preparing, State::Swapping].into_iter().find(|one| one.byte() == *state)?;
        let rest = rest.strip_prefix(TITLE.as_bytes())?.strip_prefix(b"\n")?;
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        let (line, archive) = rest.split_at_checked(end)?;
        let archive = archive.get(1..)?;
        let mut words = std::str::from_utf8(line).ok()?.split(' ');
        let algorithm = words.next()?;
        let algorithm = Algorithm::ALL.into_iter().find(|one| one.name() == algorithm)?;
        let mut len = || words.next()?.parse().ok();
        let lens = [len()?, len()?, len()?];
        let is_name = !archive.is_empty() && !archive.iter().any(|byte| matches!(byte, b'/' | 0));
        (words.next().is_none() && is_name).then(|| Self {
            state,
            algorithm,
            lens,
            archive: OsString::from_vec(archive.to_vec()),
        })
    }

    /// All names that it changes. The archive is the last: once it is there, all is.
    pub(super) fn slots(&self) -> Vec<Slot> {
        let name = self.name();
        let [archive_len, manifest_len, checksum_len] = self.lens;
        let target = |algorithm| ArchiveFiles::new(Path::new(&self.archive), algorithm);
        let mut slots: Vec<Slot> = Algorithm::ALL
            .into_iter()
            .map(|algorithm| Slot {
                name: target(algorithm).checksum.into(),
                new: (algorithm == self.algorithm).then(|| (name.with_role("checksum"), checksum_len)),
                old: name.with_role(&format!("old-{}", algorithm.name())),
            })
            .collect();
        slots.push(Slot {
            name: target(self.algorithm).manifest.into(),
            new: Some((name.with_role("manifest"), manifest_len)),
            old: name.with_role("old-manifest"),
        });
        slots.push(Slot {
            name: self.archive.clone(),
            new: Some((name.with_role("archive"), archive_len)),
            old: name.with_role("old-archive"),
        });
        slots
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written_and_nothing_else_is_one() {
        let record = Record {
            state: State::Swapping,
            algorithm: Algorithm::Sha256,
            lens: [7, 0, u64::MAX],
            archive: OsString::from_vec(b"a\n\xff.tar".to_vec()),
        };
        let bytes = record.bytes();
        assert_eq!(Record::parse(&bytes), Some(record));
        let wrong: [&[u8]; 8] = [
            b"",
            b"s voltar publishing 1\nsha1 1 2 3\n",
            b"s voltar publishing 1\nsha1 1 2 3\na/b",
            b"s voltar publishing 1\nsha1 1 2\na",
            b"s voltar publishing 1\nsha1 1 2 3 4\na",
            b"s voltar publishing 2\nsha1 1 2 3\na",
            b"x voltar publishing 1\nsha1 1 2 3\na",
            b"s voltar publishing 1\nmd5 1 2 3\na",
        ];
        for bytes in wrong {
            assert_eq!(Record::parse(bytes), None, "{}", String::from_utf8_lossy(bytes));
        }
        for len in 0..bytes.len() {
            let _ = Record::parse(&bytes[..len]);
        }
    }
}
