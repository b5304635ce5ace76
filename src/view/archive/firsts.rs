//! First names of what is no regular file: a further name does not say what it is, or where it
//! leads.

use std::collections::BTreeMap;

use crate::filesystem::FileKind;
use crate::view::{Budget, Item};

/// Bytes of symbolic links and devices that are remembered for their further names.
const BYTES_MOST: usize = 64 << 20;

/// Kind of an entry, its target, and its size.
type First = (FileKind, Option<Vec<u8>>, u64);

/// Those that were met so far, as many as there is memory for.
pub(super) struct Firsts(BTreeMap<Vec<u8>, First>, Budget);

impl Default for Firsts {
    fn default() -> Self {
        Self(BTreeMap::new(), Budget::new(BYTES_MOST))
    }
}

impl Firsts {
    /// Remembers an entry that may have further names, or makes one of those whole.
    pub(super) fn pass(&mut self, mut item: Item, may_have_more: bool) -> Item {
        let is_other = !matches!(item.kind, FileKind::Regular | FileKind::Directory | FileKind::Image);
        match &item.link {
            Some(link) => {
                if let Some((kind, target, size)) = self.0.get(link) {
                    (item.kind, item.target, item.size) = (*kind, target.clone(), *size);
                }
            }
            None if is_other && may_have_more => {
                let target = item.target.as_ref().map_or(0, Vec::len);
                if self.1.has(item.path.len().saturating_add(target)) {
                    self.0.insert(item.path.clone(), (item.kind, item.target.clone(), item.size));
                }
            }
            None => {}
        }
        item
    }
}
