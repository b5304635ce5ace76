//! Lists that other programs read: mtree(5), and what sha1sum and its like check.

use std::ffi::OsStr;

use super::speech::note;
use crate::archive::Algorithm;
use crate::error::{Error, Kind, Result};
use crate::filesystem::FileKind;
use crate::printable::Printable;
use crate::units::Bytes;
use crate::view::{Contents, Item, Place, Way};

/// Digests of a place's files, of whatever kind is asked for.
pub(super) struct Digests<'a> {
    contents: Contents<'a>,
    /// The place as the person wrote it.
    text: &'a OsStr,
    /// Whether it was said that contents are read.
    has_said: bool,
}

impl<'a> Digests<'a> {
    pub(super) fn new(place: &'a dyn Place, text: &'a OsStr) -> Self {
        Self { contents: Contents::new(place, &|| Ok(())), text, has_said: false }
    }

    /// The digest of a file's content, as [`Contents::of`]. Says, once, that contents are read
    /// because the manifest has another one.
    pub(super) fn of(&mut self, item: &Item, algorithm: Algorithm) -> Result<Option<String>> {
        let other =
            item.content.as_ref().map(|content| content.algorithm).filter(|known| *known != algorithm);
        if let Some(known) = other.filter(|_| !self.has_said) {
            self.has_said = true;
            let (place, known) = (Printable(self.text.as_encoded_bytes()), known.name());
            let wanted = algorithm.name();
            note(&format!("{place}: its manifest has {known}, so files are read for their {wanted}"));
        }
        self.contents.of(item, Way::Digest(algorithm))
    }
}

/// The error of a file whose digest is not computed.
pub(super) fn too_long(item: &Item, algorithm: Algorithm) -> Error {
    let (name, size) = (algorithm.name(), Bytes(item.size));
    let message =
        format!("its {name} is not known: most of its {size} is a hole, and to hash that takes hours");
    Error::new(Kind::Unsupported, message)
}

/// The length of the content; a further name in an archive without a manifest does not tell it.
pub(super) fn content_size(place: &dyn Place, item: &Item) -> Result<u64> {
    match &item.link {
        Some(link) => place.find(link, false).map(|first| first.size),
        None => Ok(item.size),
    }
}

/// A line for `sha1sum -c` and the like. A name with a backslash or a newline is escaped as coreutils do it.
pub(super) fn sum_line(digest: &str, path: &[u8]) -> Vec<u8> {
    let mut escaped = Vec::with_capacity(path.len());
    for byte in path {
        match byte {
            b'\\' => escaped.extend_from_slice(b"\\\\"),
            b'\n' => escaped.extend_from_slice(b"\\n"),
            b'\r' => escaped.extend_from_slice(b"\\r"),
            byte => escaped.push(*byte),
        }
    }
    let mark: &[u8] = if escaped == path { b"" } else { b"\\" };
    [mark, digest.as_bytes(), b"  ", &escaped, b"\n"].concat()
}

/// The first line of an mtree.
pub(super) const MTREE_HEAD: &str = "#mtree";

/// The digest that an mtree has of an entry: the known one, where it has a word for it, else a computed one, and none where the place knows
/// none either.
pub(super) fn mtree_digest(digests: &mut Digests<'_>, item: &Item) -> Result<Option<(Algorithm, String)>> {
    match item.content.as_ref().filter(|content| !content.data_only) {
        None => Ok(None),
        Some(content) if content.algorithm == Algorithm::Blake3 => {
            digests.of(item, Algorithm::Sha1).map(|hex| hex.map(|hex| (Algorithm::Sha1, hex)))
        }
        Some(content) => Ok(Some((content.algorithm, content.hex.clone()))),
    }
}

/// A line of an mtree, without a newline; `None` for what it has no word for.
pub(super) fn mtree_line(item: &Item, path: &[u8], digest: Option<(Algorithm, String)>) -> Option<String> {
    let kind = match item.kind {
        FileKind::Regular | FileKind::Image => "file",
        FileKind::Directory => "dir",
        FileKind::Symlink => "link",
        FileKind::CharacterDevice { .. } => "char",
        FileKind::BlockDevice { .. } => "block",
        FileKind::Fifo => "fifo",
        // bsdtar takes one for a file.
        FileKind::Socket => return None,
    };
    let name = if path.is_empty() { ".".to_owned() } else { format!("./{}", escaped(path)) };
    let mut line = format!(
        "{name} type={kind} mode={:04o} uid={} gid={}",
        item.metadata.mode, item.metadata.uid, item.metadata.gid
    );
    if let Some(modified) = item.metadata.modified {
        line.push_str(&format!(" time={}.{:09}", modified.seconds, modified.nanoseconds));
    }
    if let Some(links) = item.links.filter(|_| item.kind != FileKind::Directory) {
        line.push_str(&format!(" nlink={links}"));
    }
    match item.kind {
        FileKind::Regular | FileKind::Image => line.push_str(&format!(" size={}", item.size)),
        FileKind::CharacterDevice { major, minor } | FileKind::BlockDevice { major, minor } => {
            line.push_str(&format!(" device=native,{major},{minor}"));
        }
        _ => {}
    }
    if let Some(target) = &item.target {
        line.push_str(&format!(" link={}", escaped(target)));
    }
    if let Some((algorithm, hex)) = digest {
        line.push_str(&format!(" {}digest={hex}", algorithm.name()));
    }
    Some(line)
}

/// Bytes that have a meaning in an mtree, or are not to be seen, as backslash and three octal digits.
fn escaped(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            b'\\' | b'#' | b'=' | b'*' | b'?' | b'[' | b']' => text.push_str(&format!("\\{byte:03o}")),
            byte if byte.is_ascii_graphic() => text.push(char::from(*byte)),
            byte => text.push_str(&format!("\\{byte:03o}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_as_the_readers_want_it() {
        assert_eq!(escaped(b"a b\\#\xff"), "a\\040b\\134\\043\\377");
        assert_eq!(sum_line("00", b"a\nb"), b"\\00  a\\nb\n");
        assert_eq!(sum_line("00", b"a b"), b"00  a b\n");
    }
}
