//! A filesystem that is full: how much of it is free, and how large it is.

use std::io;
use std::os::fd::AsFd;

use crate::error::Error;
use crate::units::Bytes;

/// How each message about missing space begins.
const START: &str = "no space is left";

/// The same error, and where a write found no space, how much the filesystem of this file has.
///
/// Call it before the file is closed: one without a name gives its space back then.
#[must_use]
pub fn told_full(file: impl AsFd, error: io::Error) -> io::Error {
    let kind = error.kind();
    let message = match kind {
        io::ErrorKind::StorageFull => format!("{START} ({})", room(file)),
        io::ErrorKind::QuotaExceeded => {
            format!("{START} (the quota is used up; {})", room(file))
        }
        _ => return error,
    };
    io::Error::new(kind, message)
}

/// Whether an error says that a filesystem is full. It may come from another process, as text.
#[must_use]
pub fn is_full(error: &Error) -> bool {
    error.cause().to_string().contains(START)
}

/// The same error, and for a full filesystem how much was still to come, and what to do.
#[must_use]
pub fn told_missing(error: Error, done_bytes: u64, total_bytes: u64, next: &str) -> Error {
    if !is_full(&error) {
        return error;
    }
    let left = Bytes(total_bytes.saturating_sub(done_bytes));
    match total_bytes {
        0 => error.because("", format_args!("; {next}")),
        _ => {
            let total = Bytes(total_bytes);
            error.because("", format_args!("; {left} of {total} were still to come: {next}"))
        }
    }
}

/// How much the filesystem of this file has free, and how large it is.
#[must_use]
pub fn room(file: impl AsFd) -> String {
    let Ok(found) = rustix::fs::fstatvfs(file) else {
        return "its filesystem does not tell how much is free".to_owned();
    };
    let bytes = |blocks: u64| Bytes(blocks.saturating_mul(found.f_frsize));
    let (free, total) = (bytes(found.f_bavail), bytes(found.f_blocks));
    if found.f_files > 0 && found.f_favail == 0 {
        return format!("all {} inodes of its filesystem are in use", found.f_files);
    }
    format!("its filesystem of {total} has {free} free")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    #[test]
    fn only_a_full_filesystem_is_told_with_its_size() {
        let file = tempfile::tempfile().unwrap();
        for (errno, is_told) in
            [(libc::ENOSPC, true), (libc::EDQUOT, true), (libc::EIO, false), (libc::EPERM, false)]
        {
            let source = io::Error::from_raw_os_error(errno);
            let (kind, text) = (source.kind(), source.to_string());
            let told = told_full(&file, source);
            assert_eq!(told.kind(), kind);
            assert_eq!(told.to_string() != text, is_told, "{told}");
            let error = Error::new(Kind::Write, told);
            assert_eq!(is_full(&error), is_told, "{error}");
            assert_eq!(error.to_string().contains("its filesystem of "), is_told, "{error}");
            let told = told_missing(error, 1 << 20, 3 << 20, "make room");
            let missing = "; 2.0 MiB of 3.0 MiB were still to come: make room";
            assert_eq!(told.to_string().ends_with(missing), is_told, "{told}");
        }
    }
}
