//! Both ends of manifests, as the history of a store needs them.

use std::path::Path;

use crate::archive::manifest::Ends;
use crate::error::Result;
#[cfg(test)]
use crate::error::{Error, Kind};

/// Reads both ends of manifests.
pub trait ReadEnds: Sync {
    /// Reads both ends of the manifest at `path`.
    ///
    /// # Errors
    ///
    /// [`Kind::Source`] when it can't be opened, with the system's error ([`Error::io`]), which
    /// says whether there is such a file; [`Kind::Corrupt`] when it is no manifest or damaged,
    /// [`Kind::Unsupported`] when it is of a newer form.
    fn ends(&self, path: &Path) -> Result<Ends>;

    /// Reads both ends of the manifest in the archive at `path`. Its tail has the bytes of that
    /// archive.
    ///
    /// # Errors
    ///
    /// As [`ReadEnds::ends`]; [`Kind::NotFound`] when it has none, [`Kind::Unrecognised`] when it
    /// is no archive.
    fn ends_inside(&self, path: &Path) -> Result<Ends>;
}

/// Reads manifests in this process, in tests.
#[cfg(test)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Here;

#[cfg(test)]
impl ReadEnds for Here {
    fn ends(&self, path: &Path) -> Result<Ends> {
        crate::archive::manifest::ends(path)
    }

    fn ends_inside(&self, path: &Path) -> Result<Ends> {
        let opened = std::fs::File::open(path).map_err(|source| Error::new(Kind::Source, source))?;
        crate::archive::read::ends_inside(opened).map_err(|error| error.on(path))
    }
}
