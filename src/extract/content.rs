//! The content of one file: written where it belongs, with holes where there were some, and held against its digest.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use rustix::io::Errno;

use super::run::{Run, refused};
use crate::error::{Error, Result};
use crate::filesystem::FileKind;
use crate::view::{Check, Item, TakeAt};

/// What gives the data of a file to what takes them.
pub(super) type Read<'a> = dyn FnMut(&mut TakeAt<'_>) -> Result<()> + 'a;

/// Bytes of zeros that become a hole, in the image of a partition.
const HOLE_LEN: usize = 64 << 10;

impl Run<'_> {
    /// Writes the content of an entry into a file that is empty. That it is not what the manifest says is an issue, and the file is there.
    pub(super) fn fill(
        &self,
        file: &File,
        item: &Item,
        data_bytes: Option<u64>,
        read: &mut Read<'_>,
    ) -> Result<()> {
        let mut check = data_bytes.and_then(|data| Check::of(item, data));
        let (mut end, mut done) = (0_u64, 0_u64);
        read(&mut |at, bytes| {
            let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            let after = at.checked_add(len).filter(|after| *after <= item.size && at >= end);
            let after = after.ok_or_else(|| Error::corrupt("there is more content than its size says"))?;
            if let Some(check) = &mut check {
                check.update(at, bytes);
            }
            write(file, at, bytes, item.kind == FileKind::Image)?;
            (end, done) = (after, done.saturating_add(len));
            self.progress(bytes.len())
        })?;
        if let Some(check) = check {
            if check.agrees() {
                self.verified.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            } else {
                let message = "extracted, but its content is not what it was when the archive was made: the digest in the manifest is another \
                               (voltar verify tells where the damage is)";
                self.issue(Some(&item.path), Error::corrupt(message));
            }
        }
        self.pass(item.size.saturating_sub(done));
        if end < item.size || item.kind == FileKind::Image {
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
