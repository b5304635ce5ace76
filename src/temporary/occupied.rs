//! Looks at the path where a file is to be. Only a regular file is ever replaced.

use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

use crate::error::{Error, Kind, Result};
use crate::printable::Printable;

/// The kind of file at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing.
    Nothing,
    /// A regular file.
    File,
}

/// Looks at a path under which a file is to be, and refuses what is never replaced: a device, a
/// FIFO, a socket, a folder, a link.
///
/// # Errors
///
/// [`Kind::Exists`] with what is there and the next step, [`Kind::Write`] when that can't be found
/// out.
pub fn standing(path: &Path) -> Result<Standing> {
    look(path, |_| "choose another name".to_owned())
}

/// As [`standing`], for what can also be written to stdout (`-o -`), and so into a device.
///
/// # Errors
///
/// As [`standing`].
pub fn standing_for_stream(path: &Path) -> Result<Standing> {
    look(path, |written| format!("to write into it, use `-o - > {written}`"))
}

fn look(path: &Path, into: impl Fn(Printable<'_>) -> String) -> Result<Standing> {
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found.file_type(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Standing::Nothing),
        Err(source) => return Err(Error::new(Kind::Write, source).on(path)),
    };
    if found.is_file() {
        return Ok(Standing::File);
    }
    let behind = fs::metadata(path).map_or(found, |behind| behind.file_type());
    let written = Printable::path(path);
    let through = if behind.is_block_device() {
        Some("a block device")
    } else if behind.is_char_device() {
        Some("a character device")
    } else if behind.is_fifo() {
        Some("a FIFO")
    } else {
        None
    };
    let message = match through {
        Some(what) => format!("is {what}, which is never replaced: {}", into(written)),
        None if behind.is_socket() => "is a socket, which is never replaced: choose another name".to_owned(),
        None if found.is_symlink() => match fs::read_link(path) {
            Ok(target) => format!(
                "is a symbolic link, which is never replaced: name the file that it leads to ({}), or remove \
                 the link",
                Printable::path(&target)
            ),
            Err(source) => format!("is a symbolic link that can't be read: {source}"),
        },
        None => "is a folder, which is never replaced: choose another name".to_owned(),
    };
    Err(Error::new(Kind::Exists, message).on(path))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn only_a_file_or_nothing_may_be_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("file"), "").unwrap();
        symlink(at("file"), at("link")).unwrap();
        symlink("/dev/null", at("null")).unwrap();
        symlink(at("absent"), at("dangling")).unwrap();
        let _socket = UnixListener::bind(at("socket")).unwrap();
        let mode = rustix::fs::Mode::from(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, at("fifo"), rustix::fs::FileType::Fifo, mode, 0).unwrap();
        assert_eq!(standing(&at("file")).unwrap(), Standing::File);
        assert_eq!(standing(&at("absent")).unwrap(), Standing::Nothing);
        let refused = [
            (at("link"), "name the file that it leads to"),
            (at("dangling"), "name the file that it leads to"),
            (at("null"), "is a character device, which is never replaced: choose another name"),
            ("/dev/null".into(), "is a character device"),
            (at("fifo"), "is a FIFO"),
            (at("socket"), "is a socket"),
            (folder.path().to_path_buf(), "is a folder"),
        ];
        for (path, expected) in refused {
            let error = standing(&path).unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains("--force"), "{error}");
        }
        let error = standing_for_stream("/dev/null".as_ref()).unwrap_err().to_string();
        assert!(error.contains("use `-o - > /dev/null`"), "{error}");
    }
}
