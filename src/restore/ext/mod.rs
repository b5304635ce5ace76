//! An ext2, ext3 or ext4 filesystem, made anew and equal to the one that was archived: without a mount, and without root for an image.
//!
//! First [`format()`]: `mke2fs` makes the filesystem, empty, with the features, sizes and UUID of the archived one. It is another program, so
//! this is done before a process gives up its rights. Then [`fill()`]: what the archive has goes into it, by code of our own, inside the
//! sandbox. `docs/restore-ext.md` says why it is done this way, and what the
//! other ways lose.

mod fill;
mod format;
mod told;

pub use fill::{Outcome, fill};
pub use format::format;
