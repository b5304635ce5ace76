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
//!
//! Without default features this is the library up to `volume`: disks, volumes, filesystems and the
//! walk. The feature `luks` adds encrypted volumes, `archive` all that has to do with archives, and
//! `cli`, the default, the program.
#![deny(unsafe_code, missing_docs)]
// Some helpers of a layer serve a layer that this build leaves out.
#![cfg_attr(not(feature = "cli"), allow(dead_code, unused_imports))]
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

#[cfg(feature = "archive")]
pub mod archive;
#[cfg(feature = "archive")]
pub mod calendar;
#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "cli")]
pub mod config;
pub mod device;
pub mod error;
#[cfg(feature = "archive")]
pub mod extract;
mod fields;
pub mod filesystem;
#[cfg(feature = "archive")]
pub mod format;
mod hex;
#[cfg(feature = "cli")]
pub mod job;
pub mod partition;
pub mod printable;
#[cfg(feature = "cli")]
pub mod report;
#[cfg(feature = "archive")]
pub mod restore;
#[cfg(feature = "cli")]
pub mod retention;
#[cfg(feature = "archive")]
pub mod sandbox;
#[cfg(feature = "archive")]
pub mod snapshot;
#[cfg(feature = "archive")]
pub mod store;
pub mod temporary;
pub mod tree;
pub mod units;
#[cfg(feature = "archive")]
pub mod view;
pub mod volume;
#[cfg(feature = "cli")]
pub mod worker;

pub use error::{Error, Issue, Kind, Result};
pub use volume::Disk;
