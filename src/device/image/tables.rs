//! The tables of an image, read in blocks that are kept for a while.
//!
//! A table is never loaded whole: a header may claim any length for it.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use lru::LruCache;

use crate::device::{Device, read_vec};
use crate::error::{Error, Kind, Result};

/// Bytes of a block.
const BLOCK: u64 = 4096;

/// Blocks that are kept: 8 MiB, which map 64 GiB of a qcow2 image with its usual clusters.
const KEPT: NonZeroUsize = NonZeroUsize::new(2048).unwrap();

/// The tables of one file.
#[derive(Debug)]
pub(super) struct Tables {
    file: Device,
    kept: Mutex<LruCache<u64, Arc<[u8]>>>,
}

impl Tables {
    pub(super) fn new(file: Device) -> Self {
        Self { file, kept: Mutex::new(LruCache::new(KEPT)) }
    }

    /// The `N` bytes at `at`.
    ///
    /// # Errors
    ///
    /// [`Kind::Read`] when they lie past the end of the file, or can't be read.
    pub(super) fn bytes<const N: usize>(&self, at: u64) -> Result<[u8; N]> {
        let block = self.block(at.checked_div(BLOCK).unwrap_or(0))?;
        let skip = at.checked_rem(BLOCK).and_then(|skip| usize::try_from(skip).ok()).unwrap_or(0);
        if let Some(bytes) = block.get(skip..).and_then(|rest| rest.first_chunk::<N>()) {
            return Ok(*bytes);
        }
        // The field crosses into the next block, or the file ends before it.
        let bytes = read_vec(self.file.as_ref(), at, N).map_err(|error| error.of_kind(Kind::Read))?;
        bytes.first_chunk::<N>().copied().ok_or_else(|| past_end(at, self.file.len_bytes()))
    }

    fn block(&self, index: u64) -> Result<Arc<[u8]>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(block) = kept.get(&index) {
            return Ok(Arc::clone(block));
        }
        drop(kept);
        let at = index.saturating_mul(BLOCK);
        let len = self.file.len_bytes().saturating_sub(at).min(BLOCK);
        if len == 0 {
            return Err(past_end(at, self.file.len_bytes()));
        }
        let block: Arc<[u8]> = read_vec(self.file.as_ref(), at, usize::try_from(len).unwrap_or(0))?.into();
        kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.put(index, Arc::clone(&block));
        Ok(block)
    }
}

/// The error for a part of an image that lies behind the end of its file.
pub(super) fn past_end(at: u64, file_len: u64) -> Error {
    let message =
        format!("the image needs byte {at} of its file, which ends at {file_len}: it is cut off or damaged");
    Error::new(Kind::Read, message)
}
