//! Jobs: from a configuration to archives of many volumes, every night, with what was kept, what was removed, and why.
//!
//! ```text
//! config ▶ plan ▶ run ─▶ backup ─▶ (hooks, snapshot, worker) ─▶ outcome ▶ report
//!                  └──▶ destination, archives, retention ──────────┘
//! ```

pub mod archives;
pub mod backup;
pub mod clean;
#[cfg(test)]
mod fake;
mod hooks;
pub mod outcome;
pub mod plan;
pub mod run;
mod tail;
mod witness;
pub mod worker;

pub use archives::Archived;
pub use witness::Witness;
