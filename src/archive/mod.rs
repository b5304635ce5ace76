//! The archive: a tar stream whose every byte's place is known before data are read, cut into frames, made in parallel.
//!
//! ```text
//! part ▶ layout ▶ cut ▶ work (in parallel) ▶ line (in order) ▶ publish
//! ```

mod acl;
mod areas;
pub(crate) mod base64;
mod capped;
mod clock;
mod codec;
mod cut;
mod digest;
mod embedded;
mod fflags;
mod form;
mod header;
mod host;
mod image;
mod layout;
mod line;
pub mod manifest;
mod observer;
mod part;
mod pax;
mod publish;
pub mod read;
mod report;
mod run;
mod sparse;
mod work;
mod writing;

pub use clock::{clock, fixed as fixed_time, now};
pub use codec::{Compression, FrameLengths};
pub use digest::{Algorithm, Digest, Hasher};
pub use embedded::{gathering, is_member as is_embedded_manifest};
pub use fflags::{full_text as flags_text, of_full_text as all_flags_of_text, of_text as flags_of_text};
pub use form::Form;
pub use host::host_name;
pub(crate) use image::is_empty;
pub use line::threads;
pub use manifest::kind_name;
pub use observer::{Nobody, Observer};
pub(crate) use part::foresee;
pub use publish::{Digests, Publication, Sealed, Target, Writers, remove, remove_left_overs, settle};
pub use report::Report;
pub use run::{Output, Raw, Request, create};
pub(crate) use sparse::holes_count;
