//! What the integration tests share: other programs as oracles, and the kernel's view of an image.
#![allow(
    dead_code,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr
)]

pub mod acl;
pub mod archive;
pub mod content;
pub mod diff;
pub mod extract;
pub mod flags;
pub mod guest;
pub mod images;
pub mod kernel;
pub mod limits;
pub mod manifest;
pub mod pax;
pub mod record;
pub mod subject;
pub mod tar;
pub mod tools;
pub mod tree;
pub mod trials;
pub mod view;
