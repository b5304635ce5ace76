//! Metadata that lie in tables: read in large pieces, and kept for a while.
//!
//! Inodes are small and stand in long tables, group descriptors too. One read brings a piece of a table, and the walk,
//! which goes by inode number where it can, finds the next ones in it.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use lru::LruCache;

use crate::device::{Device, read_vec};
use crate::error::{Kind, Result};

/// Length of a piece in bytes, unless what is in use of the table ends before it.
const LARGE_PIECE: u64 = 64 << 10;
/// The same where nothing tells how much of a table is in use: what is read beside the wanted inode may be nothing.
const SMALL_PIECE: u64 = 4 << 10;

/// Bytes that are kept: the inodes of 65,536 files.
const KEPT_BYTES: u64 = 16 << 20;

/// The pieces of tables that were read last.
pub(super) struct Tables {
    device: Device,
    piece_bytes: u64,
    pieces: Mutex<LruCache<u64, Arc<[u8]>>>,
}

/// A table on the device, as much of it as is in use.
#[derive(Clone, Copy, Debug)]
pub(super) struct Table {
    /// Position on the device, in bytes.
    pub position: u64,
    /// Length in bytes.
    pub len: u64,
}

impl Tables {
    /// `use_is_known` tells that each table is as long as it is in use.
    pub(super) fn new(device: Device, use_is_known: bool) -> Self {
        let piece_bytes = if use_is_known { LARGE_PIECE } else { SMALL_PIECE };
        let pieces = KEPT_BYTES.checked_div(piece_bytes).and_then(|pieces| usize::try_from(pieces).ok());
        let pieces = pieces.and_then(NonZeroUsize::new).unwrap_or(NonZeroUsize::MIN);
        Self { device, piece_bytes, pieces: Mutex::new(LruCache::new(pieces)) }
    }

    /// Gives the record of `len` bytes at `at` bytes into the table; it may cross from one piece into the next.
    pub(super) fn record(&self, table: Table, at: u64, len: usize) -> Result<Vec<u8>> {
        let mut record = Vec::with_capacity(len);
        let mut at = at;
        while record.len() < len {
            let index = at.checked_div(self.piece_bytes).unwrap_or(0);
            let piece = match self.piece(table, index) {
                Ok(piece) => piece,
                // A bad sector shall not cost the records around it.
                Err(error) if error.kind() == Kind::Read => return self.alone(table, at, record.len(), len),
                Err(error) => return Err(error),
            };
            let start = at.checked_rem(self.piece_bytes).unwrap_or(0);
            let start = usize::try_from(start).unwrap_or(usize::MAX);
            let wanted = len.saturating_sub(record.len());
            let found = piece.get(start..).unwrap_or_default();
            let found = found.get(..wanted).unwrap_or(found);
            if found.is_empty() {
                // The record lies behind the part in use: it is read alone, and not kept.
                return self.alone(table, at, record.len(), len);
            }
            record.extend_from_slice(found);
            at = at.saturating_add(u64::try_from(found.len()).unwrap_or(u64::MAX));
        }
        Ok(record)
    }

    /// Reads a record by itself; `at` is where the bytes after the first `have` of it are.
    fn alone(&self, table: Table, at: u64, have: usize, len: usize) -> Result<Vec<u8>> {
        let start = at.saturating_sub(u64::try_from(have).unwrap_or(0));
        read_vec(self.device.as_ref(), table.position.saturating_add(start), len)
    }

    fn piece(&self, table: Table, index: u64) -> Result<Arc<[u8]>> {
        let start = index.saturating_mul(self.piece_bytes);
        let position = table.position.saturating_add(start);
        let cached = self.lock().get(&position).cloned();
        if let Some(piece) = cached {
            return Ok(piece);
        }
        let len = table.len.saturating_sub(start).min(self.piece_bytes);
        let piece: Arc<[u8]> =
            read_vec(self.device.as_ref(), position, usize::try_from(len).unwrap_or(0))?.into();
        self.lock().put(position, Arc::clone(&piece));
        Ok(piece)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, LruCache<u64, Arc<[u8]>>> {
        // Pieces are put in whole: a panic elsewhere leaves nothing half done.
        self.pieces.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
