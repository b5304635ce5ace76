//! The tree of one filesystem: its entries in a fixed order, hard links told apart from first names, exclusion.
//!
//! The walk streams: of what it has passed it remembers inodes that have further names, and directories, because a
//! damaged filesystem may lead back to one.

mod entry;
mod exclude;
mod glob;
mod lookup;
mod path;
mod pattern;
mod walk;

pub use entry::{Body, Entry};
pub use exclude::Exclude;
pub use lookup::{find, read, resolve};
pub use path::TreePath;
pub use pattern::Pattern;
pub use walk::{Step, Walk};
