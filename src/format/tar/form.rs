//! Choices for the tar, where readers differ in what they understand.

use serde::{Deserialize, Serialize};

/// Choices that trade what a tar says for the readers that understand it. The manifest has all of
/// it in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Form {
    /// Whether files with holes are stored as sparse files. Otherwise holes are stored as zeros,
    /// for readers that know no sparse files.
    pub sparse: bool,
    /// Whether the tar has creation times (`LIBARCHIVE.creationtime`). GNU tar warns of each.
    pub creation_time: bool,
    /// Whether the tar has inode flags (`SCHILY.fflags`). GNU tar warns of each.
    pub flags: bool,
}

impl Default for Form {
    /// Every common tar reads it without a warning, and holes take no space.
    fn default() -> Self {
        Self { sparse: true, creation_time: false, flags: false }
    }
}
