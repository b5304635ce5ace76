//! The way out: from volumes to frames.
//!
//! ```text
//! volumes ▶ layout ▶ frame ▶ encode (in parallel) ▶ pipeline (in order) ▶ publish
//! ```

mod areas;
mod embedded;
mod encode;
mod frame;
mod head;
mod image;
mod layout;
mod pipeline;
mod report;
mod request;
mod run;
mod volumes;
pub(super) mod writing;

pub use self::embedded::gathering;
pub use crate::format::manifest::inside::is_member as is_embedded_manifest;
pub(crate) use image::is_empty;
pub use report::Report;
pub use request::{Identity, Output, Request};
pub use run::create;
pub(crate) use volumes::foresee;
