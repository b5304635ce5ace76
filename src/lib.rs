//! voltar reads the disk of a virtual machine, as a block device or an image file, and archives the
//! files in it.
//!
//! It parses the partition table and the filesystem itself: nothing is mounted, nothing is mapped, and read
//! permission on the device is all it needs.
//!
//! ```text
//! temporary ▶ device ▶ partition ▶ filesystem ▶ tree ▶ volume ▶ format ▶ archive ▶ snapshot
//!   ▶ store ▶ view ▶ sandbox ▶ extract ▶ restore ▶ worker ▶ retention ▶ config ▶ report ▶ job ▶ cli
//! ```
//!
//! Each of these is a module, and uses only those to its left.
#![deny(unsafe_code, missing_docs)]
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::string_slice,
        clippy::arithmetic_side_effects,
        clippy::as_conversions,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::todo,
        clippy::unimplemented,
        clippy::unreachable,
        clippy::print_stdout,
        clippy::print_stderr
    )
)]

pub mod archive;
pub mod calendar;
pub mod cli;
pub mod config;
pub mod device;
pub mod error;
pub mod extract;
mod fields;
pub mod filesystem;
pub mod format;
mod hex;
pub mod job;
pub mod partition;
pub mod printable;
pub mod report;
pub mod restore;
pub mod retention;
pub mod sandbox;
pub mod snapshot;
pub mod store;
pub mod temporary;
pub mod tree;
pub mod units;
pub mod view;
pub mod volume;
pub mod worker;

pub use error::{Error, Issue, Kind, Result};
pub use volume::Disk;
