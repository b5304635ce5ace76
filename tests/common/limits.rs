//! What the readers of archives cannot show, so that nothing else is tolerated.

use super::diff::{Difference, Field, differences};
use super::extract::{Reader, path_is_too_long};
use super::record::{Kind, Record, Time, Tree};
use super::{acl, flags, tar, tree};

/// A known limit of one reader.
struct Limit {
    readers: &'static [Reader],
    /// Why the difference is not the archive's.
    why: &'static str,
    covers: fn(&Case) -> bool,
}

/// A difference, and the two records that differ.
struct Case<'a> {
    path: &'a [u8],
    field: &'a Field,
    kernel: &'a Record,
    found: Option<&'a Record>,
}

const LIMITS: &[Limit] = &[
    Limit {
        readers: &[Reader::GnuTar, Reader::Bsdtar, Reader::Strict],
        why: "tar has no type for sockets",
        covers: |case| *case.field == Field::Presence && case.kernel.kind == Kind::Socket,
    },
    Limit {
        readers: &[Reader::GnuTar, Reader::Bsdtar],
        why: "no system call sets the times of change and creation",
        covers: |case| matches!(case.field, Field::Ctime | Field::Btime),
    },
    Limit {
        readers: &[Reader::GnuTar, Reader::Bsdtar],
        why: "no system call takes a path of over 4095 bytes, with its `./`",
        covers: |case| *case.field == Field::Presence && path_is_too_long(&[b"./", case.path].concat()),
    },
    Limit {
        readers: &[Reader::GnuTar],
        why: "GNU tar keeps access times in incremental archives only",
        covers: |case| *case.field == Field::Atime,
    },
    Limit {
        readers: &[Reader::GnuTar],
        why: "GNU tar does not know SCHILY.fflags",
        covers: |case| *case.field == Field::Flags,
    },
    Limit {
        readers: &[Reader::Bsdtar],
        why: "bsdtar sets the times of a folder that exists before it extracts into it",
        covers: |case| case.path.is_empty() && matches!(case.field, Field::Mtime | Field::Atime),
    },
    Limit {
        readers: &[Reader::Bsdtar],
        why: "bsdtar takes the fraction of a time before 1970 for one after the second, not before it",
        covers: |case| {
            let times = |record: &Record| match case.field {
                Field::Mtime => record.mtime,
                Field::Atime => record.atime,
                _ => None,
            };
            times(case.kernel).zip(case.found.and_then(times)).is_some_and(|(kernel, found)| {
                let turned = |time: Time| Time {
                    seconds: time.seconds + 1,
                    nanoseconds: 1_000_000_000 - time.nanoseconds,
                };
                kernel.seconds < 0 && kernel.nanoseconds > 0 && found == turned(kernel)
            })
        },
    },
    Limit {
        readers: &[Reader::Bsdtar],
        why: "only with CAP_SYS_RESOURCE, which root may lack in a container, can the flag of journaled data be set",
        covers: |case| {
            let (kernel, found) = (case.kernel.flags, case.found.and_then(|found| found.flags));
            *case.field == Field::Flags
                && kernel.map(flags::archived)
                    == found.map(|found| flags::archived(found) | flags::JOURNAL_DATA)
                && !may_use_resources()
        },
    },
    Limit {
        readers: &[Reader::Bsdtar],
        why: "bsdtar leaves the escapes as they are that GNU tar wants for `=` and `%` in names of attributes",
        covers: |case| {
            let Field::Xattr(name) = case.field else { return false };
            let kernel = case.kernel.xattrs.iter().flatten();
            let mut renamed = kernel.filter(|(plain, _)| plain.iter().any(|byte| b"=%".contains(byte)));
            let found = |name: &Vec<u8>| case.found?.xattrs.as_ref()?.get(name);
            renamed.any(|(plain, value)| {
                let escaped = tar::escaped(plain);
                (name == plain || *name == escaped) && found(&escaped) == Some(value)
            })
        },
    },
    Limit {
        readers: &[Reader::Bsdtar],
        why: "bsdtar reads the ids of an ACL as numbers of 31 bits",
        covers: |case| {
            let Field::Xattr(name) = case.field else { return false };
            let value = |record: &Record| record.xattrs.as_ref().and_then(|xattrs| xattrs.get(name).cloned());
            let values = value(case.kernel).zip(case.found.and_then(value));
            name.starts_with(b"system.posix_acl_")
                && values.is_some_and(|(kernel, found)| {
                    acl::entries(&acl::with_ids_of_31_bits(&kernel)) == acl::entries(&found)
                })
        },
    },
];

/// The differences that no known limit of the reader explains.
pub fn unexplained(reader: Reader, kernel: &Tree, found: &Tree) -> Vec<Difference> {
    let explained = |difference: &Difference| {
        let Some(record) = kernel.get(&difference.path) else { return false };
        let found = found.get(&difference.path);
        let case = Case { path: &difference.path, field: &difference.field, kernel: record, found };
        LIMITS.iter().any(|limit| limit.readers.contains(&reader) && (limit.covers)(&case))
    };
    differences(kernel, found).into_iter().filter(|difference| !explained(difference)).collect()
}

/// Whether this process has `CAP_SYS_RESOURCE`, number 24 (`include/uapi/linux/capability.h`).
fn may_use_resources() -> bool {
    let status = tree::text("/proc/self/status");
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:")).expect("capabilities");
    u64::from_str_radix(effective.trim(), 16).expect("hexadecimal digits") >> 24 & 1 == 1
}
