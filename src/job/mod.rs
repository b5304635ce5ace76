//! Jobs: a run over the volumes of a plan, with the backup of each, and the removal of old archives.
//!
//! ```text
//! plan ▶ run ─▶ backup ─▶ (hooks, snapshot, worker) ─▶ outcome ▶ report
//!         └──▶ store, retention ──────────────────────────┘
//! ```

pub mod backup;
pub mod clean;
#[cfg(test)]
mod fake;
mod hooks;
pub mod ownership;
pub mod run;
mod witness;

pub use witness::Witness;
