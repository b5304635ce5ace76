//! What could not be read of a place, in bounded memory.

use std::sync::{Mutex, PoisonError};

use crate::error::{Error, Issue};

/// Issues that are kept word by word; of the others the number is told.
const KEPT: usize = 1000;

/// Characters that are kept of one issue.
const CHARACTERS_MOST: usize = 4096;

/// The first issues, and how many there are.
#[derive(Debug, Default)]
pub(super) struct Issues(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    first: Vec<Issue>,
    more: u64,
}

impl Issues {
    pub(super) fn add(&self, issue: Issue) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.first.len() < KEPT {
            let Issue { mut path, error } = issue;
            if let Some(path) = &mut path {
                path.truncate(CHARACTERS_MOST);
            }
            kept.first.push(Issue { path, error: error.shortened(CHARACTERS_MOST) });
        } else {
            kept.more = kept.more.saturating_add(1);
        }
    }

    /// The first ones, and behind them how many more there are.
    pub(super) fn list(&self) -> Vec<Issue> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let more = (kept.more > 0).then(|| Issue::from(Error::corrupt(format!("and {} more", kept.more))));
        kept.first.iter().cloned().chain(more).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    #[test]
    fn the_first_are_kept_and_the_others_are_counted() {
        let issues = Issues::default();
        issues.add(Error::new(Kind::Read, "x".repeat(1 << 20)).in_inode(7).into());
        (1..1004).for_each(|number| issues.add(Error::corrupt(format!("issue {number}")).into()));
        let list = issues.list();
        let error = &list[0].error;
        assert_eq!((error.kind(), error.place().inode), (Kind::Read, Some(7)));
        assert!(list[0].to_string().len() <= CHARACTERS_MOST + 20);
        let [last, more] = [999, 1000].map(|index| list[index].to_string());
        assert_eq!((list.len(), last.as_str(), more.as_str()), (1001, "issue 999", "and 4 more"));
    }
}
