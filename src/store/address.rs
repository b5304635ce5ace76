//! Addresses of stores and of the objects in them.

use std::fmt;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::names::Key;
use crate::printable::Printable;

/// The address of a store, or of an object in one, as people write it: a path, or a URL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Address(PathBuf);

impl Address {
    /// The address of an object in the store of this address.
    #[must_use]
    pub fn of(&self, key: &Key) -> Self {
        self.in_folder(key.as_path())
    }

    /// The address of a folder in the store of this address.
    #[must_use]
    pub fn in_folder(&self, folder: impl AsRef<Path>) -> Self {
        Self(self.0.join(folder))
    }

    /// Its bytes: a path need not be UTF-8.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_os_str().as_bytes()
    }

    /// The same, for the place of an error, and for commands that take a file of this host.
    #[must_use]
    pub fn as_path(&self) -> &Path {
        &self.0
    }
}

impl<T: Into<PathBuf>> From<T> for Address {
    fn from(address: T) -> Self {
        Self(address.into())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Printable::path(&self.0))
    }
}
