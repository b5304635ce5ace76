//! An image file mapped into memory.
//!
//! A mapping pays where an image is in the page cache already; for a block
//! device it never does, and there a failing medium would be a signal instead of an error.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::sync::Once;

use memmap2::{Advice, Mmap};

use super::file::Positional;
use super::{ReadAt, within};
use crate::error::{Error, Kind, Result};
use crate::units::ByteRange;

/// Reads by copying from a mapping.
#[derive(Debug)]
pub(super) struct Mapped {
    map: Mmap,
    cached: Positional,
}

impl Mapped {
    /// Maps the whole of `file`; `cached` is the same file, for what a mapping can't tell.
    pub(super) fn new(file: &File, cached: Positional) -> Result<Self> {
        leave_cleanly_on_sigbus();
        // SAFETY: the mapping is private and read-only, and is only ever copied from, byte by byte, into
        // buffers of our own. Should another process truncate the file meanwhile, the access raises SIGBUS,
        // which ends this process with a message (below); should it write to the file, the copy holds the old
        // or the new bytes, which is what reading a live image means.
        let map = unsafe { Mmap::map(file) }.map_err(|source| Error::new(Kind::Source, source))?;
        Ok(Self { map, cached })
    }

    fn advise(&self, range: ByteRange, advice: Advice) {
        if let (Ok(start), Ok(len)) = (usize::try_from(range.start()), usize::try_from(range.len())) {
            // A hint: where it is refused, reading is only slower.
            let _ = self.map.advise_range(advice, start, len);
        }
    }
}

impl ReadAt for Mapped {
    fn len_bytes(&self) -> u64 {
        self.cached.len_bytes()
    }

    fn read_at(&self, offset_bytes: u64, buffer: &mut [u8]) -> Result<()> {
        within(self.len_bytes(), offset_bytes, buffer.len())?;
        let found = usize::try_from(offset_bytes)
            .ok()
            .and_then(|start| self.map.get(start..start.checked_add(buffer.len())?));
        match found {
            Some(bytes) => buffer.copy_from_slice(bytes),
            None => self.cached.read_at(offset_bytes, buffer)?,
        }
        Ok(())
    }

    fn will_need(&self, range: ByteRange) {
        self.advise(range, Advice::WillNeed);
    }

    fn next_data(&self, from_bytes: u64) -> Option<ByteRange> {
        self.cached.next_data(from_bytes)
    }
}

/// Makes a SIGBUS (the image shrank, or its medium failed) end the process with one line instead of a core dump.
fn leave_cleanly_on_sigbus() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let handler = || {
            const LINE: &[u8] =
                b"voltar: error: the image became shorter, or could not be read, while it was \
                mapped into memory; nothing was published (--io pread reads without a mapping)\n";
            // SAFETY: write(2) and _exit(2) are async-signal-safe, and LINE is a valid buffer of its length.
            unsafe {
                libc::write(libc::STDERR_FILENO, LINE.as_ptr().cast(), LINE.len());
                libc::_exit(1);
            }
        };
        // SAFETY: the handler calls async-signal-safe functions only and does not return.
        let registered: io::Result<_> = unsafe { signal_hook::low_level::register(libc::SIGBUS, handler) };
        // Without the handler the kernel's default ends the process just the same, only less politely.
        drop(registered);
    });
}
