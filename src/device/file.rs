//! A block device or image file, read through the page cache with `pread`.

use std::fs::File;
use std::num::NonZeroU64;
use std::os::unix::fs::FileExt as _;

use rustix::fs::{Advice, SeekFrom, fadvise, seek};

use super::{ReadAt, read_error, within};
use crate::error::Result;
use crate::units::ByteRange;

/// What an open file is, as far as reading it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Backing {
    /// An image file. Its pages may be somebody else's too, so they are left in the cache.
    Image,
    /// A block device with sectors of this many bytes. Its pages in the cache are ours alone.
    Block { sector_bytes: u32 },
}

/// Reads with `pread`.
#[derive(Debug)]
pub(super) struct Positional {
    file: File,
    len_bytes: u64,
    backing: Backing,
}

impl Positional {
    pub(super) fn new(file: File, len_bytes: u64, backing: Backing) -> Self {
        Self { file, len_bytes, backing }
    }

    /// Tells the kernel to read what is asked for and nothing ahead of it: what comes next is read in another way.
    pub(super) fn without_readahead(self) -> Self {
        // A hint: where it is refused, more is read than is needed.
        let _ = fadvise(&self.file, 0, None, Advice::Random);
        self
    }

    fn advise(&self, range: ByteRange, advice: Advice) {
        // A hint: where it is refused, reading is only slower.
        let _ = fadvise(&self.file, range.start(), NonZeroU64::new(range.len()), advice);
    }
}

impl ReadAt for Positional {
    fn len_bytes(&self) -> u64 {
        self.len_bytes
    }

    fn read_at(&self, offset_bytes: u64, buffer: &mut [u8]) -> Result<()> {
        within(self.len_bytes, offset_bytes, buffer.len())?;
        self.file.read_exact_at(buffer, offset_bytes).map_err(|source| read_error(offset_bytes, source))
    }

    fn will_need(&self, range: ByteRange) {
        if !range.is_empty() {
            self.advise(range, Advice::WillNeed);
        }
    }

    fn done_with(&self, range: ByteRange) {
        if !range.is_empty() && self.backing != Backing::Image {
            self.advise(range, Advice::DontNeed);
        }
    }

    fn next_data(&self, from_bytes: u64) -> Option<ByteRange> {
        let rest = ByteRange::between(from_bytes, self.len_bytes).filter(|rest| !rest.is_empty())?;
        if self.backing != Backing::Image {
            return Some(rest);
        }
        // The file's cursor moves here; nothing else uses it.
        let start = match seek(&self.file, SeekFrom::Data(from_bytes)) {
            Ok(start) => start,
            Err(rustix::io::Errno::NXIO) => return None,
            Err(_) => return Some(rest),
        };
        let end = seek(&self.file, SeekFrom::Hole(start)).unwrap_or(self.len_bytes);
        ByteRange::between(start.max(from_bytes), end.min(self.len_bytes)).filter(|data| !data.is_empty())
    }

    fn sector_bytes(&self) -> Option<u32> {
        match self.backing {
            Backing::Image => None,
            Backing::Block { sector_bytes } => Some(sector_bytes),
        }
    }
}
