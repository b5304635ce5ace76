//! The manifest: JSON Lines beside the archive, one record an entry, so that questions need not
//! unpack anything. `docs/manifest.md` describes the records.
//!
//! A head, areas, then entries and issues in the archive's order, then the lengths of frames and a
//! tail. Both ends are compressed apart from what is between them: [`ends`] reads them alone.
//!
//! Each record is one type, which encodes and decodes. Whoever can write to the disk that a
//! manifest lies on may have made it: so decoded lists are bounded, and texts are checked.

pub(crate) mod capped;
mod ends;
mod entry;
mod escape;
mod head;
pub mod inside;
mod record;
mod writer;

pub use self::ends::{Ends, ends, ends_of};
pub(crate) use self::ends::{Found, ends_of_device, last, regular};
pub(crate) use self::entry::EntryRecord;
pub use self::entry::{Content, ManifestEntry, Place};
pub use self::head::{Areas, AreasOf, Brief, Filesystem, Head, Source, Table, Unread, Volume, Volumes};
pub use self::record::{Area, Record, Tail};
pub(crate) use self::record::{ENTRY_START, FramesRecord, Name, head_of, issue_line, line, parse, wrong};
pub(crate) use self::writer::ManifestWriter;
#[cfg(test)]
pub(crate) use self::writer::of_lines;

/// Version of the manifest's form. It grows when a program that read the old one would misread the
/// new one.
pub(crate) const FORMAT: u32 = 1;

/// Bytes of one record of an area, before they become text.
pub(crate) const RECORD_BYTES: usize = 48 << 10;

/// Bytes of all areas together. A boot loader takes less than one of them. A table takes 32 KiB,
/// at most 8 MiB.
pub(crate) const KEPT_MOST: u64 = 32 << 20;

/// The name of a kind of error in the manifest.
#[must_use]
pub fn kind_name(kind: crate::error::Kind) -> &'static str {
    kind.name()
}
