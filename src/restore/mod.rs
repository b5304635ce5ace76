//! From an archive back to a disk: its table, its boot code, its filesystems.
//!
//! ```text
//! blueprint (what the manifest says) ▶ plan (for a target of some length) ▶ ext::format ▶ run
//! ```
//!
//! A manifest may be anybody's. A blueprint holds only what was checked: partitions come out of the same parser that reads disks, they
//! don't overlap, and each byte that is written has one place.

mod blueprint;
pub mod ext;
mod held;
mod in_use;
mod plan;
mod run;
mod skeleton;
mod target;

pub use blueprint::Blueprint;
pub use in_use::{InUse, users};
pub use plan::{Plan, Step, Work};
pub use run::{Restored, format, run, spoil};
pub use target::{Destination, Output, TargetFile};
