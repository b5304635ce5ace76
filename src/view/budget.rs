//! Memory that a list of entries may take: whoever made the place decides how many there are.

use super::Item;
use crate::error::{Error, Kind, Result};

/// Bytes of all that a command keeps of its entries. With what else it takes, it stays below 512
/// MiB.
pub const ENTRIES_BYTES_MOST: usize = 256 << 20;

/// Bytes that a node of a tree, a list or a map adds to its contents, with the allocator's share.
const OVERHEAD: usize = 96;

/// Memory that is left.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    left: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self::new(ENTRIES_BYTES_MOST)
    }
}

impl Budget {
    /// So many bytes.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        Self { left: bytes }
    }

    /// Takes this many bytes and the fixed cost of an entry. `false` when fewer are left.
    pub fn has(&mut self, bytes: usize) -> bool {
        match self.left.checked_sub(bytes.saturating_add(OVERHEAD)) {
            Some(left) => {
                self.left = left;
                true
            }
            None => false,
        }
    }

    /// As [`Budget::has`]; the error says what takes the memory, and what to do.
    ///
    /// # Errors
    ///
    /// [`Kind::Limit`] when there are not as many left.
    pub fn take(&mut self, bytes: usize, what: &str) -> Result<()> {
        if self.has(bytes) {
            return Ok(());
        }
        Err(Error::new(Kind::Limit, format!("{what} more memory than {} MiB", ENTRIES_BYTES_MOST >> 20)))
    }
}

impl Item {
    /// Bytes of memory that it takes, as far as its maker decides on that.
    #[must_use]
    pub fn memory(&self) -> usize {
        let attributes = self.metadata.attributes.iter().map(|attribute| {
            let both = attribute.name.len().saturating_add(attribute.value.len());
            both.saturating_add(OVERHEAD)
        });
        let len = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(0, Vec::len);
        [
            size_of::<Self>(),
            self.path.len(),
            len(&self.target),
            len(&self.link),
            self.uname.len(),
            self.gname.len(),
            self.content.as_ref().map_or(0, |content| content.hex.len()),
            self.body.memory(),
        ]
        .into_iter()
        .chain(attributes)
        .fold(0, usize::saturating_add)
    }
}
