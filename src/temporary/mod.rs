//! Temporary files: the one way to make, lock, name and clean up files that are not whole yet.
//!
//! A temporary file has no name where the filesystem has `O_TMPFILE`: a process that is killed
//! leaves nothing. Elsewhere its name is a [`Name`], which nobody else gives to a file. The process
//! that writes a temporary file holds its lock, so a file that nobody holds was left by a process
//! that was killed, and [`Folder::clean`] removes it. Where many entries are made at once, that
//! lock is the folder's ([`enter`]).

mod clean;
mod folder;
mod full;
mod name;
mod occupied;
mod replace;
mod scratch;
mod shared;

pub use folder::{Folder, Over, Temporary};
pub use full::{is_full, room, told_full, told_missing};
pub use name::Name;
pub use occupied::{Standing, standing, standing_for_stream};
pub use replace::replace;
pub use scratch::scratch;
pub use shared::{Names, enter, sweep};
