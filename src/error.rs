//! What went wrong, where, and with which consequence.
//!
//! An [`Error`] ends the operation it is returned from. An [`Issue`] is an error that cost one
//! entry (or a part of one): it is recorded and counted, and the run continues.

use std::any::Any;
use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::printable::Printable;

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of thing went wrong. Stable: programs may match on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// The caller asked for something that makes no sense (exit code 2).
    Usage,
    /// A file or device could not be opened, or is of no use as a source.
    Source,
    /// The archive or image has no entry of this name.
    NotFound,
    /// The device could not be read at some place.
    Read,
    /// The archive could not be written: no space, a closed pipe, no permission.
    Write,
    /// The target exists already.
    Exists,
    /// The bytes on the device break the rules of their format.
    Corrupt,
    /// The bytes on the device are right, as far as one can see, but use something unknown here.
    Unsupported,
    /// The device holds nothing that is known here.
    Unrecognised,
    /// What the device holds can be read in more than one way.
    Ambiguous,
    /// A limit was reached that keeps a hostile image from using up this machine.
    Limit,
    /// A snapshot could not be taken, or is worth nothing any more.
    Snapshot,
    /// The operating system refused a thread, a process, memory, or the sandbox.
    System,
    /// This program has a bug: a thread panicked, or a worker broke the protocol.
    Internal,
    /// A signal asked to stop.
    Interrupted,
}

impl Kind {
    /// Every kind and its name, as manifests and JSON have it.
    const NAMES: [(Self, &'static str); 15] = [
        (Self::Usage, "usage"),
        (Self::Source, "source"),
        (Self::NotFound, "not_found"),
        (Self::Read, "read"),
        (Self::Write, "write"),
        (Self::Exists, "exists"),
        (Self::Corrupt, "corrupt"),
        (Self::Unsupported, "unsupported"),
        (Self::Unrecognised, "unrecognised"),
        (Self::Ambiguous, "ambiguous"),
        (Self::Limit, "limit"),
        (Self::Snapshot, "snapshot"),
        (Self::System, "system"),
        (Self::Internal, "internal"),
        (Self::Interrupted, "interrupted"),
    ];

    /// The name of the kind in manifests and JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(kind, _)| *kind == self).map_or("internal", |(_, name)| name)
    }

    /// The kind with this name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, known)| *known == name).map(|(kind, _)| *kind)
    }
}

/// Where it went wrong: from the outside to the inside, each part as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The device, image or archive on this host.
    pub path: Option<PathBuf>,
    /// Number of the partition, from 1.
    pub partition: Option<u32>,
    /// Name of the volume that is not a partition of the disk.
    pub volume: Option<String>,
    /// Number of the inode.
    pub inode: Option<u64>,
    /// The tree that the number counts in, on a filesystem that has several.
    pub tree: Option<u64>,
    /// Absolute position, in bytes, on the device (or in the partition where there is one).
    pub offset_bytes: Option<u64>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        let mut part = |f: &mut fmt::Formatter<'_>, text: fmt::Arguments<'_>| {
            let outcome = write!(f, "{separator}{text}");
            separator = ": ";
            outcome
        };
        if let Some(path) = &self.path {
            part(f, format_args!("{}", Printable::path(path)))?;
        }
        if let Some(number) = self.partition {
            part(f, format_args!("partition {number}"))?;
        }
        if let Some(name) = &self.volume {
            part(f, format_args!("volume {name}"))?;
        }
        if let Some(tree) = self.tree {
            part(f, format_args!("tree {tree}"))?;
        }
        if let Some(number) = self.inode {
            part(f, format_args!("inode {number}"))?;
        }
        if let Some(offset) = self.offset_bytes {
            part(f, format_args!("byte {offset}"))?;
        }
        Ok(())
    }
}

/// An error: a stable kind, a place, and the cause.
///
/// Shown as one line, `vda.img: partition 2: inode 12: extent tree depth 9, at most 5`.
///
/// A clone has the same kind, place and cause, so an error that is reported twice is never rebuilt
/// from its text.
#[derive(Clone, Debug)]
pub struct Error {
    inner: Box<Inner>,
}

#[derive(Clone, Debug)]
struct Inner {
    kind: Kind,
    place: Place,
    source: Arc<dyn StdError + Send + Sync>,
}

impl Error {
    /// An error of `kind` caused by `source`: another error, or a sentence.
    pub fn new(kind: Kind, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        let inner = Inner { kind, place: Place::default(), source: Arc::from(source.into()) };
        Self { inner: Box::new(inner) }
    }

    /// Bytes on the device that break the rules of their format.
    pub fn corrupt(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(Kind::Corrupt, source)
    }

    /// A fault of this program itself.
    pub fn internal(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(Kind::Internal, source)
    }

    /// The error for a thread that panicked, with what the panic said.
    #[must_use]
    pub fn panicked(what: &str, panic: &(dyn Any + Send)) -> Self {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
        let text = crate::printable::harmless(&text);
        Self::internal(format!("{what} panicked, which is a bug of voltar, please report it: {text}"))
    }

    /// An error that came through a decoder or another reader: an error of this crate keeps its
    /// kind and place, an error of the operating system is a failed read, and all else says that
    /// the bytes are wrong.
    #[must_use]
    pub fn through_reader(error: io::Error, what: &str) -> Self {
        match error.downcast::<Self>() {
            Ok(error) => error,
            Err(error) if error.raw_os_error().is_some() => Self::new(Kind::Read, error),
            Err(error) => Self::corrupt(format!("{what}: {error}")),
        }
    }

    /// The same error with another kind: that of the operation which it ends.
    #[must_use]
    pub fn of_kind(mut self, kind: Kind) -> Self {
        self.inner.kind = kind;
        self
    }

    /// The same error with another place: that of the process that met it.
    #[must_use]
    pub fn at(mut self, place: Place) -> Self {
        self.inner.place = place;
        self
    }

    /// The same error with a cause of at most this many characters, for lists in memory.
    #[must_use]
    pub fn shortened(mut self, characters: usize) -> Self {
        let told = self.inner.source.to_string();
        if let Some((end, _)) = told.char_indices().nth(characters) {
            let told = told.get(..end).unwrap_or_default().to_owned();
            self.inner.source = Arc::from(Box::<dyn StdError + Send + Sync>::from(told));
        }
        self
    }

    /// The same error, with `before` in front of its cause.
    #[must_use]
    pub fn because(mut self, before: impl fmt::Display, after: impl fmt::Display) -> Self {
        let told = format!("{before}{}{after}", self.inner.source);
        self.inner.source = Arc::from(Box::<dyn StdError + Send + Sync>::from(told));
        self
    }

    /// Adds the path of the device, image or archive, unless one is known already.
    #[must_use]
    pub fn on(mut self, path: &Path) -> Self {
        self.inner.place.path.get_or_insert_with(|| path.to_path_buf());
        self
    }

    /// Whether the operating system gave the cause.
    #[must_use]
    pub fn is_of_system(&self) -> bool {
        let cause = self.cause().downcast_ref::<std::io::Error>();
        cause.is_some_and(|cause| cause.raw_os_error().is_some())
    }

    /// Adds the number of the partition, unless one is known already.
    #[must_use]
    pub fn in_partition(mut self, number: u32) -> Self {
        self.inner.place.partition.get_or_insert(number);
        self
    }

    /// Adds the name of a volume that is not a partition, unless one is known already.
    #[must_use]
    pub fn in_volume(mut self, name: &str) -> Self {
        self.inner.place.volume.get_or_insert_with(|| name.to_owned());
        self
    }

    /// Adds the number of the inode, unless one is known already.
    #[must_use]
    pub fn in_inode(mut self, number: u64) -> Self {
        self.inner.place.inode.get_or_insert(number);
        self
    }

    /// Adds the tree that the inode's number counts in, unless one is known already. 0 adds nothing:
    /// the filesystem has one tree alone.
    #[must_use]
    pub fn in_tree(mut self, tree: u64) -> Self {
        if tree != 0 {
            self.inner.place.tree.get_or_insert(tree);
        }
        self
    }

    /// Adds the position in bytes, unless one is known already.
    #[must_use]
    pub fn at_byte(mut self, offset_bytes: u64) -> Self {
        self.inner.place.offset_bytes.get_or_insert(offset_bytes);
        self
    }

    /// What kind of thing went wrong.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.inner.kind
    }

    /// Where it went wrong.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.inner.place
    }

    /// Whether going on makes no sense: the fault is not in one entry but in the device, a limit,
    /// or a wish to stop.
    #[must_use]
    pub fn ends_the_run(&self) -> bool {
        matches!(
            self.inner.kind,
            Kind::Read | Kind::Write | Kind::Limit | Kind::System | Kind::Internal | Kind::Interrupted
        )
    }

    /// The cause alone, without the place.
    #[must_use]
    pub fn cause(&self) -> &(dyn StdError + Send + Sync + 'static) {
        self.inner.source.as_ref()
    }

    /// The operating system's error behind this one, if there is one.
    #[must_use]
    pub fn io(&self) -> Option<&io::Error> {
        self.cause().downcast_ref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = &self.inner.place;
        if *place != Place::default() {
            write!(f, "{place}: ")?;
        }
        write!(f, "{}", self.inner.source)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.inner.source.source()
    }
}

/// An error that cost one entry, or a part of one. The rest is in the archive.
#[derive(Clone, Debug)]
pub struct Issue {
    /// The path in the archive, in bytes as on the disk; none when it concerns a whole filesystem.
    pub path: Option<Vec<u8>>,
    /// What was wrong, and where.
    pub error: Error,
}

impl From<Error> for Issue {
    fn from(error: Error) -> Self {
        Self { path: None, error }
    }
}

impl fmt::Display for Issue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path {
            Some(path) => write!(f, "{}: {}", Printable(path), self.error),
            None => write!(f, "{}", self.error),
        }
    }
}

/// A value of which some parts could not be read, and why each could not.
#[derive(Debug)]
pub struct Salvaged<T> {
    /// What could be read.
    pub value: T,
    /// What could not, an error each.
    pub faults: Vec<Error>,
}

impl<T> Salvaged<T> {
    /// A value that is whole.
    pub fn whole(value: T) -> Self {
        Self { value, faults: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_names_the_place_from_the_outside_to_the_inside() {
        let error = Error::corrupt("extent tree depth 9, at most 5")
            .in_inode(12)
            .in_partition(2)
            .on(Path::new("vda.img"));
        assert_eq!(error.to_string(), "vda.img: partition 2: inode 12: extent tree depth 9, at most 5");
        let error = Error::corrupt("no root").in_volume("vg-root").on(Path::new("vda.img"));
        assert_eq!(error.to_string(), "vda.img: volume vg-root: no root");
    }

    #[test]
    fn the_innermost_place_wins() {
        let error = Error::corrupt("bad").in_inode(12).in_inode(13);
        assert_eq!(error.place().inode, Some(12));
    }

    #[test]
    fn a_path_from_an_image_cannot_steer_the_terminal() {
        let issue = Issue { path: Some(b"p1/\x1b[2Jx\xff\n".to_vec()), error: Error::corrupt("bad") };
        assert_eq!(issue.to_string(), r"p1/\u{1b}[2Jx\xff\n: bad");
    }
}
