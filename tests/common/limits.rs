//! What the readers of archives cannot show, so that nothing else is tolerated.

use super::diff::{Difference, Field};
use super::extract::{Reader, path_is_too_long};
use super::record::{Kind, Record, Tree};

/// A known limit of one reader.
struct Limit {
    readers: &'static [Reader],
    /// Why the difference is not the archive's.
    why: &'static str,
    covers: fn(&Difference, &Record) -> bool,
}

const LIMITS: &[Limit] = &[
    Limit {
        readers: &[Reader::GnuTar, Reader::Bsdtar, Reader::Strict],
        why: "tar has no type for sockets",
        covers: |difference, kernel| difference.field == Field::Presence && kernel.kind == Kind::Socket,
    },
    Limit {
        readers: &[Reader::GnuTar, Reader::Bsdtar],
        why: "no system call sets the times of change and creation",
        covers: |difference, _| matches!(difference.field, Field::Ctime | Field::Btime),
    },
    Limit {
        readers: &[Reader::GnuTar, Reader::Bsdtar],
        why: "no system call takes a path of over 4095 bytes, with its `./`",
        covers: |difference, _| {
            difference.field == Field::Presence
                && path_is_too_long(&[b"./", difference.path.as_slice()].concat())
        },
    },
    Limit {
        readers: &[Reader::Bsdtar],
        why: "bsdtar sets the times of a folder that exists before it extracts into it",
        covers: |difference, _| {
            difference.path.is_empty() && matches!(difference.field, Field::Mtime | Field::Atime)
        },
    },
    Limit {
        readers: &[Reader::GnuTar],
        why: "GNU tar keeps access times in incremental archives only",
        covers: |difference, _| difference.field == Field::Atime,
    },
    Limit {
        readers: &[Reader::GnuTar],
        why: "GNU tar does not know SCHILY.fflags",
        covers: |difference, _| difference.field == Field::Flags,
    },
];

/// The differences that no known limit of the reader explains.
pub fn unexplained(reader: Reader, kernel: &Tree, differences: Vec<Difference>) -> Vec<Difference> {
    let explained = |difference: &Difference| {
        let record = kernel.get(&difference.path);
        let mut limits = LIMITS.iter().filter(|limit| limit.readers.contains(&reader));
        record.is_some_and(|record| limits.any(|limit| (limit.covers)(difference, record)))
    };
    differences.into_iter().filter(|difference| !explained(difference)).collect()
}
