//! A worker's verdict on an archive.

use serde::{Deserialize, Serialize};

use crate::archive::read::Verdict;
use crate::printable::harmless;

/// Findings, and texts of each other kind, that are passed on: `voltar verify` tells all.
const TEXTS_KEPT: usize = 10;

/// A verdict in words.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judged {
    /// The first findings.
    pub findings: Vec<String>,
    /// The number of all findings; 0 where the archive is good.
    pub finding_count: u64,
    /// Whether all of the source was in it when it was made, where that is known.
    pub complete: Option<bool>,
    /// Whether something beside the archive says what it should be.
    pub is_proven: bool,
    /// Notes, which are no damage.
    pub notes: Vec<String>,
    /// Checks that were not possible, and why.
    pub unchecked: Vec<String>,
}

impl From<&Verdict> for Judged {
    fn from(verdict: &Verdict) -> Self {
        let findings = verdict.findings.iter().take(TEXTS_KEPT).map(ToString::to_string);
        Self {
            findings: findings.collect(),
            finding_count: u64::try_from(verdict.findings.len()).unwrap_or(u64::MAX),
            complete: verdict.complete,
            is_proven: verdict.is_proven(),
            notes: verdict.notes.iter().take(TEXTS_KEPT).cloned().collect(),
            unchecked: verdict.unchecked.iter().take(TEXTS_KEPT).cloned().collect(),
        }
    }
}

impl Judged {
    /// The same in words that steer no terminal. A worker is not trusted: we count the findings
    /// too.
    #[must_use]
    pub fn harmless(mut self) -> Self {
        for texts in [&mut self.findings, &mut self.notes, &mut self.unchecked] {
            texts.truncate(TEXTS_KEPT);
            texts.iter_mut().for_each(|text| *text = harmless(text));
        }
        self.finding_count = self.finding_count.max(u64::try_from(self.findings.len()).unwrap_or(0));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_count_whatever_the_worker_says_and_steer_no_terminal() {
        let judged = Judged { findings: vec!["\u{1b}[2J".to_owned(); 20], ..Judged::default() }.harmless();
        assert_eq!((judged.findings.len(), judged.finding_count), (TEXTS_KEPT, 10));
        assert_eq!(judged.findings[0], r"\u{1b}[2J");
    }
}
