//! The way back: archives are opened, looked into and proven, whoever made them.
//!
//! ```text
//! packed (frames, or one stream) ▶ members (what the tar says) ▶ verify
//! manifest (what stood in it when it was made) ──────────────────┘
//! ```
//!
//! An archive is as hostile as a disk: it may come from anywhere.

mod cache;
pub(super) mod container;
mod embedded;
pub(super) mod facts;
mod inside;
pub(super) mod manifest;
pub(super) mod members;
pub(super) mod sidecars;
pub(super) mod stream;

pub use super::verify::{Counts, Finding, Verdict, Which, verify};
pub use crate::format::codec::{Frames, Span};
pub use crate::format::manifest::{Area, AreasOf, Content, Head, ManifestEntry, Place, Record, Tail, Volume};
pub use container::Container;
pub use embedded::ends_inside;
pub use facts::differences;
pub use manifest::{Manifest, Records};
pub use members::{End, Member, MemberKind, MemberPlace, Members};
pub use sidecars::{Checksum, Files};
pub use stream::TarStream;
