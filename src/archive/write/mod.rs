//! The way out: from volumes to frames.
//!
//! ```text
//! volumes ▶ layout ▶ frame ▶ encode (in parallel) ▶ pipeline (in order) ▶ publish
//! ```

mod areas;
pub(super) mod embedded;
mod encode;
mod frame;
mod head;
mod image;
mod layout;
mod pipeline;
mod report;
mod run;
mod volumes;
pub(super) mod writing;

pub use embedded::{gathering, is_member as is_embedded_manifest};
pub(crate) use image::is_empty;
pub use report::Report;
pub use run::{Identity, Output, Request, create};
pub(crate) use volumes::foresee;
