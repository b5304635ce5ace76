//! The archive: a tar stream whose every byte's place is known before data are read, cut into
//! frames, made in parallel.
//!
//! ```text
//! write ▶ publish        read ▶ verify
//! ```

mod clock;
mod host;
mod observer;
mod options;
mod publish;
pub mod read;
mod verify;
mod write;

pub use crate::format::codec::{Compression, FrameLengths};
pub(crate) use crate::format::digest::holes_count;
pub use crate::format::digest::{Algorithm, Digest, Hasher};
pub use crate::format::manifest;
pub use crate::format::manifest::kind_name;
pub use crate::format::tar::flags::{
    full_text as flags_text, named as named_flags, settable as settable_flags,
};
pub use crate::format::tar::form::Form;
pub use clock::{clock, fixed as fixed_time, now};
pub use host::host_name;
pub use observer::{Nobody, Observer};
pub use options::{Options, Raw, threads};
pub use publish::{ArchiveFiles, Digests, Publication, Sealed, Writers, remove, remove_left_overs, settle};
pub use verify::{Counts, Finding, Verdict, Which, verify};
pub use write::{Identity, Output, Report, Request, create, gathering, is_embedded_manifest};
pub(crate) use write::{foresee, is_empty};
