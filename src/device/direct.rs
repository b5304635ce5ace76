//! Large reads past the page cache (`O_DIRECT`), small ones through it.
//!
//! A backup reads each file once: going past the cache saves the copy's share of the CPU and leaves the host's
//! cache to the machines that run there. Metadata are small, and near each other: those go through the cache.

use std::cell::RefCell;
use std::fs::File;
use std::os::unix::fs::FileExt as _;

use super::file::Positional;
use super::{ReadAt, read_error, within};
use crate::error::Result;
use crate::units::ByteRange;

/// Position, length and address of a direct read are multiples of this: the largest sector in use.
const ALIGNMENT: usize = 4096;
const ALIGNMENT_BYTES: u64 = 4096;

/// Shorter reads go through the page cache.
const SHORTEST: usize = 128 << 10;

/// Bytes of one direct read.
const PIECE: usize = 1 << 20;

/// Reads with `O_DIRECT` where that pays.
#[derive(Debug)]
pub(super) struct Direct {
    direct: File,
    cached: Positional,
}

impl Direct {
    /// `direct` is the same file as `cached`, opened with `O_DIRECT`.
    pub(super) fn new(direct: File, cached: Positional) -> Self {
        Self { direct, cached: cached.without_readahead() }
    }

    /// Reads the whole aligned pieces that cover the buffer, and copies what was asked for.
    fn read_aligned(&self, offset_bytes: u64, buffer: &mut [u8], bounce: &mut Bounce) -> Result<()> {
        let mut at = offset_bytes;
        let mut rest = buffer;
        while !rest.is_empty() {
            let lead_bytes = at % ALIGNMENT_BYTES;
            let start = at.saturating_sub(lead_bytes);
            let lead = usize::try_from(lead_bytes).unwrap_or(0);
            let wanted = rest.len().min(PIECE.saturating_sub(lead));
            let (now, later) = rest.split_at_mut(wanted);
            let aligned = lead.saturating_add(wanted).next_multiple_of(ALIGNMENT);
            let piece = bounce.piece(aligned);
            self.direct.read_exact_at(piece, start).map_err(|source| read_error(start, source))?;
            if let Some(bytes) = piece.get(lead..).and_then(|bytes| bytes.get(..wanted)) {
                now.copy_from_slice(bytes);
            }
            at = at.saturating_add(u64::try_from(wanted).unwrap_or(u64::MAX));
            rest = later;
        }
        Ok(())
    }
}

impl ReadAt for Direct {
    fn len_bytes(&self) -> u64 {
        self.cached.len_bytes()
    }

    fn read_at(&self, offset_bytes: u64, buffer: &mut [u8]) -> Result<()> {
        within(self.len_bytes(), offset_bytes, buffer.len())?;
        // The last sectors of an image file may not fill an aligned block.
        let aligned_end = self.len_bytes().saturating_sub(self.len_bytes() % ALIGNMENT_BYTES);
        let end = offset_bytes.saturating_add(u64::try_from(buffer.len()).unwrap_or(u64::MAX));
        if buffer.len() < SHORTEST || end > aligned_end {
            return self.cached.read_at(offset_bytes, buffer);
        }
        BOUNCE.with_borrow_mut(|bounce| self.read_aligned(offset_bytes, buffer, bounce))
    }

    fn will_need(&self, range: ByteRange) {
        if range.len() < u64::try_from(SHORTEST).unwrap_or(0) {
            self.cached.will_need(range);
        }
    }

    fn done_with(&self, range: ByteRange) {
        self.cached.done_with(range);
    }

    fn next_data(&self, from_bytes: u64) -> Option<ByteRange> {
        self.cached.next_data(from_bytes)
    }

    fn sector_bytes(&self) -> Option<u32> {
        self.cached.sector_bytes()
    }
}

thread_local! {
    static BOUNCE: RefCell<Bounce> = const { RefCell::new(Bounce(Vec::new())) };
}

/// A buffer at an aligned address, one per thread.
struct Bounce(Vec<u8>);

impl Bounce {
    /// `len` bytes at an aligned address; `len` is at most [`PIECE`] and a multiple of [`ALIGNMENT`].
    fn piece(&mut self, len: usize) -> &mut [u8] {
        self.0.resize(PIECE.saturating_add(ALIGNMENT).saturating_mul(2), 0);
        let lead = self.0.as_ptr().align_offset(ALIGNMENT);
        self.0.get_mut(lead..).and_then(|aligned| aligned.get_mut(..len)).unwrap_or_default()
    }
}
