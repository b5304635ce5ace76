//! The manifest as the last member of its own archive, for archives that travel alone.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use super::layout::{Layout, Piece, Range};
use crate::device::{Device, ReadAt};
use crate::error::{Error, Issue, Kind, Result};
use crate::filesystem::Stored::Raw;
use crate::format::manifest::ManifestWriter;
use crate::format::manifest::inside::{FOLDER, FOLDERS};
use crate::format::tar::encode::{self, BLOCK};

/// A manifest that will go into its archive.
pub(super) struct Embedding {
    manifest: ManifestWriter<BufWriter<File>>,
    /// The part of the tar stream before it that did not fill a frame.
    held: Vec<u8>,
}

impl Embedding {
    pub(super) fn new(file: File) -> Result<Self> {
        let manifest = ManifestWriter::new(BufWriter::new(file)).map_err(unwritten)?;
        Ok(Self { manifest, held: Vec::new() })
    }

    pub(super) fn line(&mut self, line: &[u8]) -> Result<()> {
        self.manifest.write_all(line).map_err(unwritten)
    }

    /// Makes what comes next readable without what was before.
    pub(super) fn part(&mut self) -> Result<()> {
        self.manifest.flush().map_err(unwritten)
    }

    /// Keeps the last bytes of the tar stream so far.
    pub(super) fn hold(&mut self, raw: Vec<u8>) {
        self.held = raw;
    }

    /// The rest of the tar stream: the bytes that were held, the member of this name, and the end.
    /// The member's content is on the device that comes with it.
    pub(super) fn pieces(
        self,
        layout: &mut Layout,
        name: Option<&[u8]>,
        started: u64,
    ) -> Result<(Vec<Piece>, Device)> {
        let Self { manifest, held } = self;
        let file = manifest.finish().and_then(|file| file.into_inner().map_err(Into::into));
        let file = file.map_err(unwritten)?;
        let len_bytes = rustix::fs::fstat(&file).map_err(|errno| unwritten(errno.into()))?.st_size;
        let len_bytes = u64::try_from(len_bytes).unwrap_or(0);
        let mut pieces = vec![Piece::Literal(held)];
        if let Some(name) = name {
            let header = encode::of_manifest(name, len_bytes, started);
            let path = Arc::from(name);
            let range = Range { source: 0, file_bytes: 0, stored: Raw { at: 0 }, len_bytes, path };
            let past = len_bytes % BLOCK;
            let padding = if past == 0 { 0 } else { BLOCK.saturating_sub(past) };
            let member = vec![Piece::Literal(header), Piece::Range(range), Piece::Padding(padding)];
            pieces.extend(layout.add(member)?);
        }
        pieces.extend(layout.end()?);
        Ok((pieces, Arc::new(Gathered { file, len_bytes })))
    }
}

/// The error of the file that the manifest is gathered in.
fn unwritten(source: io::Error) -> Error {
    let message = format!(
        "the temporary file for the manifest in the archive: {source} (TMPDIR names another folder for it)"
    );
    Error::new(Kind::Write, message)
}

/// Makes the file in which a manifest is gathered before it goes into its archive.
///
/// # Errors
///
/// When it can't be made.
pub fn gathering() -> Result<File> {
    crate::temporary::scratch().map_err(|source| {
        let message = format!(
            "no temporary file can be made for the manifest in the archive: {source}; TMPDIR names a folder \
             for it"
        );
        Error::new(Kind::Write, message)
    })
}

/// The issue of a tree that has all names which the member may get.
pub(super) fn no_name() -> Issue {
    let message = format!(
        "the manifest is not in the archive: the tree has all names that it may get there, {FOLDER} to \
         {FOLDER}.{}",
        FOLDERS.saturating_sub(1)
    );
    Issue { path: None, error: Error::new(Kind::Unsupported, message) }
}

/// The file that the manifest was gathered in.
#[derive(Debug)]
struct Gathered {
    file: File,
    len_bytes: u64,
}

impl ReadAt for Gathered {
    fn len_bytes(&self) -> u64 {
        self.len_bytes
    }

    fn read_at(&self, offset_bytes: u64, buffer: &mut [u8]) -> Result<()> {
        self.file.read_exact_at(buffer, offset_bytes).map_err(|source| Error::new(Kind::Read, source))
    }
}
