//! The way back: archives are opened, looked into and proven, whoever made them.
//!
//! ```text
//! packed (frames, or one stream) ▶ members (what the tar says) ▶ verify
//! manifest (what stood in it when it was made) ──────────────────┘
//! ```
//!
//! An archive is as hostile as a disk: it may come from anywhere.

mod cache;
mod embedded;
mod facts;
mod frames;
mod gzip;
mod gzip_table;
mod inside;
mod manifest;
mod members;
mod packed;
mod seek_table;
mod sidecars;
mod stream;
mod unpack;
mod verify;

pub use embedded::ends_inside;
pub use facts::differences;
pub use frames::{Frames, Span};
pub use manifest::{
    Area, AreasOf, AreasRecord, Content, EntryKind, FilesystemRecord, Head, Manifest, ManifestEntry, Place,
    Record, Records, SourceRecord, TableRecord, Tail, VolumeRecord,
};
pub use members::{End, Member, MemberKind, MemberPlace, Members};
pub use packed::Packed;
pub use sidecars::{Checksum, Files};
pub(super) use stream::FromDevice;
pub use stream::TarStream;
pub use verify::{Counts, Finding, Verdict, Which, verify};
