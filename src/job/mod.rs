//! Jobs: from a configuration to archives of many volumes, every night, with what was kept, what was removed, and why.
//!
//! ```text
//! config ▶ plan ▶ run ─▶ backup ─▶ (hooks, snapshot, worker) ─▶ outcome ▶ report
//!                  └──▶ destination, archives, retention ──────────┘
//! ```

pub mod archives;
pub mod outcome;
pub mod plan;
mod tail;
pub mod worker;

pub use archives::Archived;
