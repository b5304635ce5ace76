//! A folder of archives.

use super::names::Key;

/// Archives that lie in one folder, by name.
#[derive(Debug, PartialEq, Eq)]
pub struct Shelf {
    /// The folder; `None` for the store's own.
    pub folder: Option<Key>,
    /// The archives.
    pub archives: Vec<Key>,
}
