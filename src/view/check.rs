//! Holds content that is read against the digest that the manifest has of it.

use super::Item;
use crate::archive::{Hasher, holes_count};

/// The digest of one file while it is computed.
pub struct Check {
    hasher: Hasher,
    data_only: bool,
    expected: String,
    size_bytes: u64,
    /// The end of the data that were seen.
    end: u64,
}

impl Check {
    /// The digest of an entry, where it is known and costs no more than its `data_bytes` of data
    /// do.
    #[must_use]
    pub fn of(item: &Item, data_bytes: u64) -> Option<Self> {
        let content = item.content.as_ref()?;
        let is_cheap = content.data_only || holes_count(data_bytes, item.size);
        is_cheap.then(|| Self {
            hasher: content.algorithm.hasher(),
            data_only: content.data_only,
            expected: content.hex.clone(),
            size_bytes: item.size,
            end: 0,
        })
    }

    /// Takes data at their position in the file; what lies between them is a hole.
    pub fn update(&mut self, at: u64, bytes: &[u8]) {
        self.hole_up_to(at);
        self.hasher.update(bytes);
        self.end = at.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    }

    fn hole_up_to(&mut self, at: u64) {
        if !self.data_only {
            self.hasher.update_zeros(at.saturating_sub(self.end));
        }
    }

    /// Whether the content is that of which the manifest has the digest.
    #[must_use]
    pub fn agrees(mut self) -> bool {
        self.hole_up_to(self.size_bytes);
        self.hasher.finish().to_string() == self.expected
    }
}
