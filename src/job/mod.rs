//! Jobs: from a configuration to archives of many volumes, every night, with what was kept, what was removed, and why.
//!
//! ```text
//! config ▶ plan ▶ run ─▶ backup ─▶ (hooks, snapshot, worker) ─▶ outcome ▶ report
//!                  └──▶ destination, archives, retention ──────────┘
//! ```

pub mod archives;
pub mod backup;
pub mod calendar;
pub mod choice;
pub mod clean;
pub mod config;
pub mod destination;
#[cfg(test)]
mod fake;
mod hooks;
pub mod origin;
pub mod outcome;
pub mod plan;
pub mod report;
pub mod retention;
pub mod run;
pub mod scope;
pub mod verified;
mod witness;

pub use archives::Archived;
pub use witness::Witness;
