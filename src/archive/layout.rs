//! The byte map: from entries to pieces of the tar stream, before a byte of data is read.
//!
//! The lengths of headers and files are known from metadata, so each piece's place is known when it is made.

use std::sync::Arc;

use super::header::{self, BLOCK, Stored};
use super::manifest::{Place, Record};
use super::sparse;
use crate::error::{Error, Kind, Result};
use crate::filesystem::{Content, Extent, FileKind};
use crate::tree::{Body, Entry};

/// A piece of the tar stream, or what a digest takes for one.
#[derive(Debug)]
pub(super) enum Piece {
    /// These bytes: a header, a sparse map.
    Literal(Vec<u8>),
    /// Zeros up to the next multiple of the block length, and at the end.
    Padding(u64),
    /// The bytes of a file that has them in its metadata.
    Content(Vec<u8>),
    /// The bytes of a file that are on a device.
    Range(Range),
    /// Zeros of a file that are not in the stream, but in its digest.
    Hole(u64),
    /// The member ends here: what the manifest says of it.
    Member(Box<Record>),
}

/// Bytes of a file that lie in one piece on a device.
#[derive(Clone, Debug)]
pub(super) struct Range {
    /// Which of the run's devices.
    pub source: usize,
    /// Position on the device, in bytes.
    pub device_bytes: u64,
    /// Length in bytes.
    pub len_bytes: u64,
    /// Whose bytes they are, for messages.
    pub path: Arc<[u8]>,
}

/// What one filesystem's entries are called in the archive, and where their bytes come from.
pub(super) struct Naming {
    /// The folder that stands for the root: `p1`, or `.`.
    pub folder: Vec<u8>,
    /// Which of the run's devices the extents count on.
    pub source: usize,
}

impl Naming {
    /// What tar calls the entry: `p1/etc/fstab`, `./etc/fstab`; for the root, the folder alone.
    fn member(&self, path: &[u8]) -> Vec<u8> {
        match path {
            [] => self.folder.clone(),
            path => [self.folder.as_slice(), b"/", path].concat(),
        }
    }

    /// What messages and the manifest call it: the same without `./`, and `.` for a root.
    pub(super) fn shown(&self, path: &[u8]) -> Vec<u8> {
        match (self.folder.as_slice(), path) {
            (b".", []) => b".".to_vec(),
            (b".", path) => path.to_vec(),
            _ => self.member(path),
        }
    }
}

/// Makes the pieces of the stream, and knows how long it is so far.
#[derive(Debug)]
pub(super) struct Layout {
    position: u64,
    data_bytes: u64,
    /// Longest stream that is made.
    limit_bytes: u64,
}

impl Layout {
    pub(super) fn new(limit_bytes: u64) -> Self {
        Self { position: 0, data_bytes: 0, limit_bytes }
    }

    /// Bytes of files on the device that are in the pieces so far.
    pub(super) fn data_bytes(&self) -> u64 {
        self.data_bytes
    }

    /// The pieces of an entry.
    pub(super) fn entry(&mut self, naming: &Naming, entry: Entry) -> Result<Vec<Piece>> {
        let name = naming.member(&entry.path);
        let mut record = Record::of_entry(&naming.shown(&entry.path), &entry);
        if entry.inode.kind == FileKind::Socket {
            // There is no kind of member for it.
            return Ok(vec![Piece::Member(Box::new(record))]);
        }
        let link = match &entry.body {
            Body::Target(target) => target.clone(),
            Body::SameAs(path) => naming.member(path),
            Body::Content(_) | Body::Nothing => Vec::new(),
        };
        let mut pieces = Pieces { layout: self, pieces: Vec::new() };
        let start = pieces.layout.position;
        if let Body::SameAs(path) = &entry.body {
            record.same_as(&naming.shown(path));
        }
        let place = match &entry.body {
            Body::Content(Content::Inline(bytes)) => {
                let len_bytes = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                let stored = Stored { len_bytes, sparse_len_bytes: None };
                pieces.push(Piece::Literal(header::of_entry(&name, &entry, &link, stored)))?;
                let data = pieces.layout.position;
                pieces.push(Piece::Content(bytes.clone()))?;
                Place { header: start, data, stored: len_bytes, holes: Vec::new() }
            }
            Body::Content(Content::Extents(extents)) => {
                let plan = sparse::plan(extents, entry.inode.size_bytes);
                let header = |stored| header::of_entry(&name, &entry, &link, stored);
                let path = Arc::clone(&entry.path);
                record.digest_leaves_out_holes = !plan.hash_holes;
                pieces.extents(header, extents, &plan, naming.source, path)?
            }
            _ => {
                pieces.push(Piece::Literal(header::of_entry(&name, &entry, &link, Stored::NOTHING)))?;
                Place { header: start, data: pieces.layout.position, stored: 0, holes: Vec::new() }
            }
        };
        record.place = Some(place);
        pieces.finish(record)
    }

    /// The pieces of a volume that goes in as it is: what is not in `extents` is zeros.
    pub(super) fn image(&mut self, image: &Image<'_>) -> Result<Vec<Piece>> {
        let plan = sparse::plan(image.extents, image.len_bytes);
        let mut record = Record::of_image(image.name, image.len_bytes);
        record.digest_leaves_out_holes = !plan.hash_holes;
        let mut pieces = Pieces { layout: self, pieces: Vec::new() };
        let header = |stored| header::of_image(image.name, stored);
        let place = pieces.extents(header, image.extents, &plan, image.source, Arc::from(image.name))?;
        record.place = Some(place);
        pieces.finish(record)
    }

    /// The end of the archive: two blocks of zeros.
    pub(super) fn end(&mut self) -> Result<Vec<Piece>> {
        let mut pieces = Pieces { layout: self, pieces: Vec::new() };
        pieces.push(Piece::Padding(BLOCK.saturating_mul(2)))?;
        Ok(pieces.pieces)
    }
}

/// A volume that goes in as it is.
pub(super) struct Image<'a> {
    /// What the archive calls it.
    pub name: &'a [u8],
    /// Its length.
    pub len_bytes: u64,
    /// The parts of it that hold something.
    pub extents: &'a [Extent],
    /// Which of the run's devices it is on.
    pub source: usize,
}

/// The pieces of one member as they are made.
struct Pieces<'a> {
    layout: &'a mut Layout,
    pieces: Vec<Piece>,
}

impl Pieces<'_> {
    fn push(&mut self, piece: Piece) -> Result<()> {
        let len = match &piece {
            Piece::Literal(bytes) | Piece::Content(bytes) => u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            Piece::Padding(len) => *len,
            Piece::Range(range) => range.len_bytes,
            Piece::Hole(_) | Piece::Member(_) => 0,
        };
        let limit = self.layout.limit_bytes;
        let position = self.layout.position.checked_add(len).filter(|position| *position <= limit);
        let Some(position) = position else {
            let message = format!(
                "the archive would be longer than {limit} bytes before compression, more than this device can \
                 sensibly hold; --max-output allows more"
            );
            return Err(Error::new(Kind::Limit, message));
        };
        self.layout.position = position;
        if matches!(piece, Piece::Range(_)) {
            self.layout.data_bytes = self.layout.data_bytes.saturating_add(len);
        }
        self.pieces.push(piece);
        Ok(())
    }

    /// Header, map and data of a file that may have holes.
    fn extents(
        &mut self,
        header: impl FnOnce(Stored) -> Vec<u8>,
        extents: &[Extent],
        plan: &sparse::Plan,
        source: usize,
        path: Arc<[u8]>,
    ) -> Result<Place> {
        let start = self.layout.position;
        let map = plan.map.clone().unwrap_or_default();
        let map_len = u64::try_from(map.len()).unwrap_or(u64::MAX);
        let stored = Stored {
            len_bytes: plan.data_bytes.saturating_add(map_len),
            sparse_len_bytes: plan.map.is_some().then_some(plan.size_bytes),
        };
        self.push(Piece::Literal(header(stored)))?;
        if !map.is_empty() {
            self.push(Piece::Literal(map))?;
        }
        let data = self.layout.position;
        let mut end = 0;
        for extent in extents {
            let hole = extent.file_bytes.saturating_sub(end);
            if hole > 0 && plan.hash_holes {
                self.push(Piece::Hole(hole))?;
            }
            end = extent.file_bytes.saturating_add(extent.len_bytes);
            self.push(Piece::Range(Range {
                source,
                device_bytes: extent.device_bytes,
                len_bytes: extent.len_bytes,
                path: Arc::clone(&path),
            }))?;
        }
        let tail = plan.size_bytes.saturating_sub(end);
        if tail > 0 && plan.hash_holes {
            self.push(Piece::Hole(tail))?;
        }
        Ok(Place {
            header: start,
            data,
            stored: plan.data_bytes,
            holes: sparse::holes(extents, plan.size_bytes),
        })
    }

    /// Pads the member to whole blocks, and closes it.
    fn finish(mut self, record: Record) -> Result<Vec<Piece>> {
        self.pieces.push(Piece::Member(Box::new(record)));
        let past = self.layout.position % BLOCK;
        if past > 0 {
            self.push(Piece::Padding(BLOCK.saturating_sub(past)))?;
        }
        Ok(self.pieces)
    }
}
