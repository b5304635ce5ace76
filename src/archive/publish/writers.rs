//! The side that writes: two open files, no path, and no right but to write into them.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::num::NonZeroU64;
use std::os::unix::fs::FileExt as _;

use rustix::fs::{Advice, fadvise};
use serde::{Deserialize, Serialize};

use crate::archive::write::writing::write_error;
use crate::error::{Error, Result};
use crate::format::digest::{Algorithm, Digest};
use crate::format::manifest::ManifestWriter;
use crate::temporary::told_full;

/// The digests that the checksum file names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digests {
    /// Of the archive.
    pub archive: Digest,
    /// Of the manifest.
    pub manifest: Digest,
}

impl Digests {
    /// Checks digests that another process tells.
    ///
    /// # Errors
    ///
    /// [`Kind::Internal`](crate::Kind::Internal) when they can't be those of this algorithm.
    pub fn check(&self, algorithm: Algorithm) -> Result<()> {
        match self.archive.is_of(algorithm) && self.manifest.is_of(algorithm) {
            true => Ok(()),
            false => {
                Err(Error::internal("the process that wrote the archive sends digests that are not valid"))
            }
        }
    }
}

/// Writes an archive and its manifest.
pub struct Writers {
    algorithm: Algorithm,
    archive: BufWriter<Flowing>,
    manifest: ManifestWriter<BufWriter<File>>,
}

impl Writers {
    /// Takes two empty files that can be read and written.
    ///
    /// # Errors
    ///
    /// [`Kind::Write`](crate::Kind::Write) when the manifest can't be begun.
    pub fn new(archive: File, manifest: File, algorithm: Algorithm) -> Result<Self> {
        let manifest = ManifestWriter::new(BufWriter::new(manifest)).map_err(write_error)?;
        Ok(Self { algorithm, archive: BufWriter::new(Flowing::new(archive)), manifest })
    }

    /// The two writers: the archive's and the manifest's.
    pub fn both(&mut self) -> (&mut (dyn Write + Send), &mut (dyn Write + Send)) {
        (&mut self.archive, &mut self.manifest)
    }

    /// Writes what is still to be written. `archive` is the digest of the archive.
    ///
    /// # Errors
    ///
    /// [`Kind::Write`](crate::Kind::Write) when something can't be written, or the manifest can't
    /// be read again.
    pub fn finish(self, archive: Digest) -> Result<Digests> {
        self.archive.into_inner().map_err(|error| write_error(error.into_error()))?;
        let manifest = self.manifest.finish().map_err(write_error)?;
        let manifest = manifest.into_inner().map_err(|error| write_error(error.into_error()))?;
        Ok(Digests { archive, manifest: digest_of(&manifest, self.algorithm)? })
    }
}

/// Bytes after which the disk is set to work.
const FLOW_BYTES: u64 = 32 << 20;

/// A file that goes to the disk while it is written. Left to itself the kernel waits for half a
/// minute, or until a tenth of the memory is to be written, and then the run waits for all of it
/// when it syncs.
struct Flowing {
    file: File,
    /// Bytes that were written, and how many of them the disk was set to work on.
    written: u64,
    flowing: u64,
}

impl Flowing {
    fn new(file: File) -> Self {
        Self { file, written: 0, flowing: 0 }
    }
}

impl Write for Flowing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = self.file.write(bytes).map_err(|error| told_full(&self.file, error))?;
        self.written = self.written.saturating_add(u64::try_from(len).unwrap_or(0));
        let waiting = self.written.saturating_sub(self.flowing);
        if waiting >= FLOW_BYTES {
            // The kernel begins to write pages that aren't needed and have changed
            // (posix_fadvise(2)); nobody waits for it. Nor does an archive take the cache from the
            // machines that run here. Where this is refused, the sync at the end takes longer.
            let _ = fadvise(&self.file, self.flowing, NonZeroU64::new(waiting), Advice::DontNeed);
            self.flowing = self.written;
        }
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// The digest of a file that was just written.
fn digest_of(file: &File, algorithm: Algorithm) -> Result<Digest> {
    let (mut hasher, mut buffer, mut at) = (algorithm.hasher(), vec![0; 1 << 20], 0_u64);
    loop {
        let len = file.read_at(&mut buffer, at).map_err(write_error)?;
        if len == 0 {
            return Ok(hasher.finish());
        }
        hasher.update(buffer.get(..len).unwrap_or_default());
        at = at.saturating_add(u64::try_from(len).unwrap_or(u64::MAX));
    }
}
