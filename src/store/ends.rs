//! Both ends of manifests, as the history of a store needs them.

use std::fs::File;

use crate::archive::manifest::Ends;
use crate::error::Result;

/// Reads both ends of manifests.
pub trait ReadEnds: Sync {
    /// Reads both ends of a manifest.
    ///
    /// # Errors
    ///
    /// [`crate::Kind::Corrupt`] when it is no manifest or damaged, [`crate::Kind::Unsupported`] when
    /// it is of a newer form.
    fn ends(&self, manifest: File) -> Result<Ends>;

    /// Reads both ends of the manifest in an archive. Its tail has the bytes of that archive.
    ///
    /// # Errors
    ///
    /// As [`ReadEnds::ends`]; [`crate::Kind::NotFound`] when it has none,
    /// [`crate::Kind::Unrecognised`] when it is no archive.
    fn ends_inside(&self, archive: File) -> Result<Ends>;
}

/// Reads manifests in this process, in tests.
#[cfg(test)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Here;

#[cfg(test)]
impl ReadEnds for Here {
    fn ends(&self, manifest: File) -> Result<Ends> {
        crate::archive::manifest::ends_of(manifest)
    }

    fn ends_inside(&self, archive: File) -> Result<Ends> {
        crate::archive::read::ends_inside(archive)
    }
}
