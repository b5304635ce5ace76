//! The byte map: from entries to pieces of the tar stream, before a byte of data is read.
//!
//! The lengths of headers and files are known from metadata, so each piece's place is known when it is made.

use std::sync::Arc;
use std::vec;

use crate::error::{Error, Kind, Result};
use crate::filesystem::{Content, Extent, FileKind, Stored as Kept};
use crate::format::manifest::inside::Taken;
use crate::format::manifest::{EntryRecord, Place};
use crate::format::tar::encode::{self, BLOCK, Stored};
use crate::format::tar::form::Form;
use crate::format::tar::sparse;
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
    /// The bytes of a file that are on a device, and its holes where they count in its digest: many pieces, which are
    /// made when it is their turn, as a file may have millions.
    File(Box<FileData>),
    /// Some of them.
    Range(Range),
    /// Zeros of a file that are not in the stream, but in its digest.
    Hole(u64),
    /// Zeros of a file that are in both.
    Zeros(u64),
    /// The member ends here: what the manifest says of it.
    Member(Box<EntryRecord>),
}

/// Bytes of a file that are stored in one piece.
#[derive(Clone, Debug)]
pub(super) struct Range {
    /// Which of the run's sources.
    pub source: usize,
    /// Position in the file, in bytes.
    pub file_bytes: u64,
    /// Where the source has them.
    pub stored: Kept,
    /// Length in bytes.
    pub len_bytes: u64,
    /// Whose bytes they are, as messages call it.
    pub path: Arc<[u8]>,
}

/// The extents of a file that are still to be made into pieces.
#[derive(Debug)]
pub(super) struct FileData {
    source: usize,
    path: Arc<[u8]>,
    extents: vec::IntoIter<Extent>,
    /// Where the last piece ended in the file.
    end: u64,
    /// Where the last hole ends, if holes count.
    size_bytes: Option<u64>,
    /// Whether holes are stored.
    is_filled: bool,
    /// Bytes in all extents.
    data_bytes: u64,
    /// Bytes that it takes in the stream.
    stored_bytes: u64,
}

impl Iterator for FileData {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        let next = self.extents.as_slice().first().copied();
        if let Some(size_bytes) = self.size_bytes {
            let start = next.map_or(size_bytes, |extent| extent.file_bytes);
            let hole = start.saturating_sub(self.end);
            self.end = self.end.max(start);
            if hole > 0 {
                return Some(hole_of(hole, self.is_filled));
            }
        }
        let Extent { file_bytes, len_bytes, stored } = self.extents.next()?;
        self.end = file_bytes.saturating_add(len_bytes);
        let path = Arc::clone(&self.path);
        Some(Piece::Range(Range { source: self.source, file_bytes, stored, len_bytes, path }))
    }
}

/// A hole, which is stored or only counts in the digest.
fn hole_of(len_bytes: u64, is_filled: bool) -> Piece {
    if is_filled { Piece::Zeros(len_bytes) } else { Piece::Hole(len_bytes) }
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
#[derive(Debug, Default)]
pub(super) struct Layout {
    position: u64,
    /// Bytes of what is in the manifest alone.
    beside_bytes: u64,
    data_bytes: u64,
    /// Longest stream that is made; `None` where each volume has a limit of its own.
    limit_of_run: Option<u64>,
    /// Longest stream up to the present volume's end.
    limit_bytes: u64,
    form: Form,
    /// Names in bare trees that a manifest in the archive must not have.
    taken: Taken,
}

impl Layout {
    pub(super) fn new(limit_of_run: Option<u64>, form: Form) -> Self {
        let limit_bytes = limit_of_run.unwrap_or(u64::MAX);
        Self { limit_of_run, limit_bytes, form, ..Self::default() }
    }

    /// Begins with a volume that may take `most` bytes, unless the run has a limit as a whole.
    pub(super) fn begin_part(&mut self, most: u64) {
        let so_far = self.position.saturating_add(self.beside_bytes);
        self.limit_bytes = self.limit_of_run.unwrap_or_else(|| so_far.saturating_add(most));
    }

    /// Bytes of files on the device that are in the pieces so far.
    pub(super) fn data_bytes(&self) -> u64 {
        self.data_bytes
    }

    /// Length of the stream so far.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Names that a manifest in the archive must not have.
    pub(super) fn taken(&self) -> Taken {
        self.taken
    }

    /// Takes pieces of whole blocks as they are.
    pub(super) fn add(&mut self, made: Vec<Piece>) -> Result<Vec<Piece>> {
        let mut pieces = Pieces { layout: self, pieces: Vec::new() };
        made.into_iter().try_for_each(|piece| pieces.push(piece))?;
        Ok(pieces.pieces)
    }

    /// Counts something that only the manifest has, under a path of this length: it is bounded as the stream is.
    pub(super) fn weigh(&mut self, path_len: usize) -> Result<()> {
        let len = u64::try_from(path_len).unwrap_or(u64::MAX).saturating_add(BLOCK);
        self.beside_bytes = self.beside_bytes.saturating_add(len);
        self.check(self.position)
    }

    /// Whether the stream may be so long.
    fn check(&self, position: u64) -> Result<()> {
        let limit = self.limit_bytes;
        if position.saturating_add(self.beside_bytes) <= limit {
            return Ok(());
        }
        let stored = if self.form.sparse { "" } else { " (with --sparse no, holes are stored as zeros)" };
        let message = format!(
            "the archive would be longer than {limit} bytes before compression, more than this device can \
             sensibly hold{stored}; --max-output allows more"
        );
        Err(Error::new(Kind::Limit, message))
    }

    /// The pieces of an entry. Of one that fails, nothing counts.
    pub(super) fn entry(&mut self, naming: &Naming, entry: Entry) -> Result<Vec<Piece>> {
        let (position, data_bytes) = (self.position, self.data_bytes);
        self.try_entry(naming, entry)
            .inspect_err(|_| (self.position, self.data_bytes) = (position, data_bytes))
    }

    fn try_entry(&mut self, naming: &Naming, mut entry: Entry) -> Result<Vec<Piece>> {
        let path = entry.path.to_bytes();
        if naming.folder == b"." {
            self.taken.look(&path);
        }
        let (name, shown) = (naming.member(&path), naming.shown(&path));
        let mut record = EntryRecord::of_entry(&shown, &entry);
        if entry.inode.kind == FileKind::Socket {
            if let Body::SameAs(path) = &entry.body {
                record.same_as(&naming.shown(&path.to_bytes()));
            }
            // There is no kind of member for it; the manifest's line counts all the same.
            self.weigh(shown.len())?;
            return Ok(vec![Piece::Member(Box::new(record))]);
        }
        let link = match &entry.body {
            Body::Target(target) => target.clone(),
            Body::SameAs(path) => naming.member(&path.to_bytes()),
            Body::Content(_) | Body::Nothing => Vec::new(),
        };
        let form = self.form;
        let mut pieces = Pieces { layout: self, pieces: Vec::new() };
        let start = pieces.layout.position;
        if let Body::SameAs(path) = &entry.body {
            record.same_as(&naming.shown(&path.to_bytes()));
        }
        let content = match &mut entry.body {
            Body::Content(content) => Some(std::mem::replace(content, Content::Extents(Vec::new()))),
            _ => None,
        };
        let header = |stored| encode::of_entry(&name, &entry, &link, stored, form);
        let place = match content {
            Some(content) => {
                let data = Data::of_content(content, naming.source, shown);
                let plan = data.plan(entry.inode.size_bytes, form.sparse);
                record.data_only = !plan.hash_holes;
                pieces.file(header, data, plan)?
            }
            None => {
                pieces.push(Piece::Literal(header(Stored::NOTHING)))?;
                Place { header: start, data: pieces.layout.position, stored: 0, holes: Vec::new() }
            }
        };
        record.place = Some(place);
        pieces.finish(record)
    }

    /// The pieces of a volume that goes in as it is: what is not in `extents` is zeros.
    pub(super) fn image(&mut self, image: &Image<'_>) -> Result<Vec<Piece>> {
        let extents = image.extents.to_vec();
        let data = Data::Device { extents, source: image.source, path: Arc::from(image.name) };
        let plan = data.plan(image.len_bytes, self.form.sparse);
        let mut record = EntryRecord::of_image(image.name, image.len_bytes);
        record.data_only = !plan.hash_holes;
        let mut pieces = Pieces { layout: self, pieces: Vec::new() };
        let header = |stored| encode::of_image(image.name, stored);
        let place = pieces.file(header, data, plan)?;
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

/// Where the bytes of one file are.
enum Data {
    Inline(Vec<u8>),
    Device { extents: Vec<Extent>, source: usize, path: Arc<[u8]> },
}

impl Data {
    fn of_content(content: Content, source: usize, path: Vec<u8>) -> Self {
        match content {
            Content::Inline(bytes) => Self::Inline(bytes),
            Content::Extents(extents) => Self::Device { extents, source, path: path.into() },
        }
    }

    fn plan(&self, size_bytes: u64, is_sparse: bool) -> sparse::Plan {
        match self {
            Self::Inline(bytes) => {
                let len_bytes = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                let whole = Extent::raw(0, 0, len_bytes);
                let extents = if bytes.is_empty() { &[] } else { std::slice::from_ref(&whole) };
                sparse::plan(extents, size_bytes, is_sparse)
            }
            Self::Device { extents, .. } => sparse::plan(extents, size_bytes, is_sparse),
        }
    }

    /// The pieces for it, in the file's order.
    fn pieces(self, plan: &sparse::Plan) -> Vec<Piece> {
        let size_bytes = plan.hash_holes.then_some(plan.size_bytes);
        let is_filled = plan.stored_bytes > plan.data_bytes;
        match self {
            Self::Inline(bytes) => {
                let hole = plan.size_bytes.saturating_sub(plan.data_bytes);
                let hole = size_bytes.filter(|_| hole > 0).map(|_| hole_of(hole, is_filled));
                std::iter::once(Piece::Content(bytes)).chain(hole).collect()
            }
            Self::Device { extents, source, path } => {
                let extents = extents.into_iter();
                let sparse::Plan { data_bytes, stored_bytes, .. } = *plan;
                vec![Piece::File(Box::new(FileData {
                    source,
                    path,
                    extents,
                    end: 0,
                    size_bytes,
                    is_filled,
                    data_bytes,
                    stored_bytes,
                }))]
            }
        }
    }
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
            Piece::Padding(len) | Piece::Zeros(len) => *len,
            Piece::File(data) => data.stored_bytes,
            Piece::Range(range) => range.len_bytes,
            Piece::Hole(_) | Piece::Member(_) => 0,
        };
        let position = self.layout.position.saturating_add(len);
        self.layout.check(position)?;
        self.layout.position = position;
        if let Piece::File(data) = &piece {
            self.layout.data_bytes = self.layout.data_bytes.saturating_add(data.data_bytes);
        }
        self.pieces.push(piece);
        Ok(())
    }

    /// Header, map and data of a file that may have holes.
    fn file(
        &mut self,
        header: impl FnOnce(Stored) -> Vec<u8>,
        data: Data,
        mut plan: sparse::Plan,
    ) -> Result<Place> {
        let start = self.layout.position;
        let map = plan.map.take();
        let map_len = map.as_ref().map_or(0, |map| u64::try_from(map.len()).unwrap_or(u64::MAX));
        let stored = Stored {
            len_bytes: plan.stored_bytes.saturating_add(map_len),
            sparse_len_bytes: map.is_some().then_some(plan.size_bytes),
        };
        self.push(Piece::Literal(header(stored)))?;
        if let Some(map) = map {
            self.push(Piece::Literal(map))?;
        }
        let position = self.layout.position;
        for piece in data.pieces(&plan) {
            self.push(piece)?;
        }
        Ok(Place { header: start, data: position, stored: plan.stored_bytes, holes: plan.holes })
    }

    /// Pads the member to whole blocks, and closes it.
    fn finish(mut self, record: EntryRecord) -> Result<Vec<Piece>> {
        self.pieces.push(Piece::Member(Box::new(record)));
        let past = self.layout.position % BLOCK;
        if past > 0 {
            self.push(Piece::Padding(BLOCK.saturating_sub(past)))?;
        }
        Ok(self.pieces)
    }
}
