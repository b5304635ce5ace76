//! The content of one file: written where it belongs, with holes where there were some, and held against its digest.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use rustix::io::Errno;

use super::run::{Run, refused};
use crate::archive::Hasher;
use crate::error::{Error, Result};
use crate::place::{Item, ItemKind, TakeAt};

/// What gives the data of a file to what takes them.
pub(super) type Read<'a> = dyn FnMut(&mut TakeAt<'_>) -> Result<()> + 'a;

/// Bytes of zeros that become a hole, in the image of a partition.
const HOLE_LEN: usize = 64 << 10;

/// Holes that count in a digest are no longer than the data and this many bytes; see `docs/manifest.md`.
const HOLES_FREE: u64 = 64 << 10;

/// A digest as it is computed.
struct Check {
    hasher: Hasher,
    data_only: bool,
    expected: String,
}

impl Check {
    /// The digest of an entry, where it is known and costs no more than the data do.
    fn of(item: &Item, data_bytes: Option<u64>) -> Option<Self> {
        let content = item.content.as_ref()?;
        let data = data_bytes?;
        let holes = item.size.saturating_sub(data);
        let is_cheap = content.data_only || holes <= data.saturating_add(HOLES_FREE);
        is_cheap.then(|| Self {
            hasher: content.algorithm.hasher(),
            data_only: content.data_only,
            expected: content.hex.clone(),
        })
    }

    fn hole(&mut self, len_bytes: u64) {
        if !self.data_only {
            self.hasher.update_zeros(len_bytes);
        }
    }
}

impl Run<'_> {
    /// Writes the content of an entry into a file that is empty. That it is not what the manifest says is an issue, and the file is there.
    pub(super) fn fill(
        &self,
        file: &File,
        item: &Item,
        data_bytes: Option<u64>,
        read: &mut Read<'_>,
    ) -> Result<()> {
        let mut check = Check::of(item, data_bytes);
        let (mut end, mut done) = (0_u64, 0_u64);
        read(&mut |at, bytes| {
            let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            let after = at.checked_add(len).filter(|after| *after <= item.size && at >= end);
            let after = after.ok_or_else(|| Error::corrupt("there is more content than its size says"))?;
            if let Some(check) = &mut check {
                check.hole(at.saturating_sub(end));
                check.hasher.update(bytes);
            }
            write(file, at, bytes, item.kind == ItemKind::Image)?;
            (end, done) = (after, done.saturating_add(len));
            self.progress(bytes.len())
        })?;
        if let Some(mut check) = check {
            check.hole(item.size.saturating_sub(end));
            if check.hasher.finish().to_string() == check.expected {
                self.verified.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            } else {
                let message = "extracted, but its content is not what it was when the archive was made: the digest in the manifest is another \
                               (voltar verify tells where the damage is)";
                self.issue(Some(&item.path), Error::corrupt(message));
            }
        }
        self.done.fetch_add(item.size.saturating_sub(done), std::sync::atomic::Ordering::Relaxed);
        if end < item.size || item.kind == ItemKind::Image {
            file.set_len(item.size).map_err(|error| failed(&error))?;
        }
        Ok(())
    }
}

/// Writes a piece, in the image of a partition without what is zeros.
fn write(file: &File, at: u64, bytes: &[u8], leave_holes: bool) -> Result<()> {
    if !leave_holes {
        return file.write_all_at(bytes, at).map_err(|error| failed(&error));
    }
    let mut position = at;
    for piece in bytes.chunks(HOLE_LEN) {
        if piece.iter().any(|byte| *byte != 0) {
            file.write_all_at(piece, position).map_err(|error| failed(&error))?;
        }
        position = position.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
    }
    Ok(())
}

fn failed(error: &std::io::Error) -> Error {
    refused("its content", Errno::from_io_error(error).unwrap_or(Errno::IO))
}
