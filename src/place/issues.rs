//! What could not be read of a place, in bounded memory.

use std::sync::{Mutex, PoisonError};

/// Issues that are kept word by word; of the others the number is told.
const KEPT: usize = 1000;

/// Characters that are kept of one issue.
const CHARACTERS_MOST: usize = 4096;

/// The first issues, and how many there are.
#[derive(Debug, Default)]
pub(super) struct Issues(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    first: Vec<String>,
    more: u64,
}

impl Issues {
    pub(super) fn add(&self, text: &str) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.first.len() < KEPT {
            kept.first.push(text.chars().take(CHARACTERS_MOST).collect());
        } else {
            kept.more = kept.more.saturating_add(1);
        }
    }

    /// The first ones, and behind them how many more there are.
    pub(super) fn list(&self) -> Vec<String> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let more = (kept.more > 0).then(|| format!("and {} more", kept.more));
        kept.first.iter().cloned().chain(more).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_are_kept_and_the_others_are_counted() {
        let issues = Issues::default();
        (0..1003).for_each(|number| issues.add(&format!("issue {number}")));
        issues.add(&"x".repeat(1 << 20));
        let list = issues.list();
        assert_eq!((list.len(), list[999].as_str(), list[1000].as_str()), (1001, "issue 999", "and 4 more"));
    }
}
