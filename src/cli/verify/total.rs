//! The total over many archives.

use std::fmt;

use serde_json::{Value, json};

use crate::archive::read::Verdict;
use crate::cli::{FAILED, INCOMPLETE};
use crate::error::Result;

/// Numbers of archives.
#[derive(Debug, Default)]
pub(super) struct Total {
    good: u64,
    unproven: u64,
    incomplete: u64,
    damaged: u64,
    unreadable: u64,
    /// Those that had no turn.
    passed_over: u64,
    /// Those of all of them that could only be checked in part, as a file beside them is missing.
    partly_checked: u64,
}

impl Total {
    pub(super) fn new(passed_over: u64) -> Self {
        Self { passed_over, ..Self::default() }
    }

    pub(super) fn add(&mut self, outcome: &Result<Verdict>) {
        let count = match outcome {
            Err(_) => &mut self.unreadable,
            Ok(verdict) if !verdict.is_good() => &mut self.damaged,
            Ok(verdict) if verdict.complete == Some(false) => &mut self.incomplete,
            Ok(verdict) if !verdict.is_proven() => &mut self.unproven,
            Ok(_) => &mut self.good,
        };
        *count = count.saturating_add(1);
        if outcome.as_ref().is_ok_and(|verdict| !verdict.unchecked.is_empty()) {
            self.partly_checked = self.partly_checked.saturating_add(1);
        }
    }

    fn all(&self) -> u64 {
        let counts = [self.good, self.unproven, self.incomplete, self.damaged, self.unreadable];
        counts.into_iter().fold(0, u64::saturating_add)
    }

    /// The exit code: damaged is worse than incomplete.
    pub(super) fn code(&self) -> u8 {
        match (self.damaged.saturating_add(self.unreadable), self.incomplete) {
            (0, 0) => 0,
            (0, _) => INCOMPLETE,
            _ => FAILED,
        }
    }

    pub(super) fn as_json(&self) -> Value {
        json!({
            "archives": self.all(),
            "good": self.good,
            "unproven": self.unproven,
            "incomplete": self.incomplete,
            "damaged": self.damaged,
            "unreadable": self.unreadable,
            "passed_over": self.passed_over,
            "partly_checked": self.partly_checked,
        })
    }
}

impl fmt::Display for Total {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.all();
        write!(f, "{all} {}: {} good", if all == 1 { "archive" } else { "archives" }, self.good)?;
        let others = [
            (self.unproven, "sound but unproven"),
            (self.incomplete, "good but incomplete"),
            (self.damaged, "DAMAGED"),
            (self.unreadable, "not readable"),
            (self.passed_over, "not checked this time"),
            (self.partly_checked, "of all checked in part only: a file beside them is missing"),
        ];
        others
            .iter()
            .filter(|(count, _)| *count > 0)
            .try_for_each(|(count, word)| write!(f, ", {count} {word}"))
    }
}
