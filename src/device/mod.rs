//! Bytes by absolute position, from block devices and image files.
//!
//! Nothing here knows what the bytes mean. A device has no cursor, and may be read from any number of threads at once. All are
//! opened read-only, but for what a disk is restored onto ([`WriteAt`]).

mod counting;
mod direct;
mod file;
pub mod foreign;
pub mod image;
mod mapped;
mod named;
mod open;
mod reader;
mod window;
mod write;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use crate::error::{Error, Kind, Result};
use crate::units::ByteRange;

pub use counting::Counting;
pub use open::{Io, of_file, open_plain};
pub(crate) use reader::Reader;
pub use window::Window;
pub use write::{WritableWindow, WriteAt, WriteDevice, from_file, from_known, open_writable};

/// A device that any thread may hold.
pub type Device = Arc<dyn ReadAt>;

/// Opens a block device or an image file, read-only, as [`image::open`] does by itself.
///
/// # Errors
///
/// As [`image::open`].
pub fn open(path: &Path, io: Io) -> Result<Device> {
    Ok(image::open(path, io, &image::Wish::default())?.device)
}

/// Bytes by absolute position.
pub trait ReadAt: Send + Sync + fmt::Debug {
    /// Length in bytes.
    fn len_bytes(&self) -> u64;

    /// Fills `buffer` with the bytes from `offset_bytes` on.
    ///
    /// # Errors
    ///
    /// [`Kind::Read`] when the device fails, [`Kind::Corrupt`] when a part of the range lies outside it.
    fn read_at(&self, offset_bytes: u64, buffer: &mut [u8]) -> Result<()>;

    /// Tells that `range` is read soon: a hint, which may do nothing.
    fn will_need(&self, _range: ByteRange) {}

    /// Tells that `range` is not read again: a hint, which may do nothing.
    fn done_with(&self, _range: ByteRange) {}

    /// The next run of bytes at or after `from_bytes` that may hold something other than zeros.
    ///
    /// `None` when there is none up to the end. A device that can't tell gives all the rest.
    fn next_data(&self, from_bytes: u64) -> Option<ByteRange> {
        ByteRange::between(from_bytes, self.len_bytes()).filter(|rest| !rest.is_empty())
    }

    /// Size in bytes of a logical sector, where the device has one; an image file has none.
    fn sector_bytes(&self) -> Option<u32> {
        None
    }
}

/// Reads `len_bytes` bytes into a new vector, after checking that the device has that many.
///
/// # Errors
///
/// As [`ReadAt::read_at`].
pub fn read_vec(device: &dyn ReadAt, offset_bytes: u64, len_bytes: usize) -> Result<Vec<u8>> {
    within(device.len_bytes(), offset_bytes, len_bytes)?;
    let mut buffer = vec![0; len_bytes];
    device.read_at(offset_bytes, &mut buffer)?;
    Ok(buffer)
}

/// Checks that a read of `len_bytes` at `offset_bytes` stays within a device of `device_len_bytes`.
pub(crate) fn within(device_len_bytes: u64, offset_bytes: u64, len_bytes: usize) -> Result<()> {
    let end = u64::try_from(len_bytes).ok().and_then(|len| offset_bytes.checked_add(len));
    if end.is_some_and(|end| end <= device_len_bytes) {
        return Ok(());
    }
    let message = format!("{len_bytes} bytes are to be read here, but the device ends at {device_len_bytes}");
    Err(Error::new(Kind::Corrupt, message).at_byte(offset_bytes))
}

/// The error of a read that the operating system refused.
fn read_error(offset_bytes: u64, source: std::io::Error) -> Error {
    Error::new(Kind::Read, source).at_byte(offset_bytes)
}

/// Bytes in memory are a device too: tests and decompressed images use it.
impl ReadAt for Vec<u8> {
    fn len_bytes(&self) -> u64 {
        u64::try_from(self.len()).unwrap_or(u64::MAX)
    }

    fn read_at(&self, offset_bytes: u64, buffer: &mut [u8]) -> Result<()> {
        within(self.len_bytes(), offset_bytes, buffer.len())?;
        let found = usize::try_from(offset_bytes)
            .ok()
            .and_then(|start| self.get(start..start.checked_add(buffer.len())?));
        if let Some(bytes) = found {
            buffer.copy_from_slice(bytes);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    const LEN: u64 = 3 * 4096 + 700;

    fn content() -> Vec<u8> {
        (0..LEN).map(|at| (at % 251) as u8).collect()
    }

    /// Every implementation, over the same bytes.
    fn table(file: &tempfile::NamedTempFile) -> Vec<(&'static str, Device)> {
        let padded: Vec<u8> = [vec![9; 100], content(), vec![9; 100]].concat();
        let range = ByteRange::new(100, LEN).unwrap();
        let opened = |io| open(file.path(), io).unwrap();
        vec![
            ("memory", Arc::new(content())),
            ("window", Arc::new(Window::new(Arc::new(padded), range).unwrap())),
            ("counting", Arc::new(Counting::new(Arc::new(content())))),
            ("pread", opened(Io::Pread)),
            ("direct", opened(Io::Direct)),
            ("mmap", opened(Io::Mmap)),
        ]
    }

    #[test]
    fn every_device_gives_the_same_bytes_and_refuses_to_read_past_its_end() {
        let mut file = tempfile::NamedTempFile::new_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        file.write_all(&content()).unwrap();
        let whole = content();
        for (name, device) in table(&file) {
            assert_eq!(device.len_bytes(), LEN, "{name}");
            for (start, len) in
                [(0, LEN), (0, 1), (LEN - 1, 1), (4095, 2), (4096, 4096), (511, 8000), (LEN, 0)]
            {
                let got = read_vec(device.as_ref(), start, len as usize).unwrap();
                assert_eq!(
                    got,
                    whole[start as usize..(start + len) as usize],
                    "{name}: {len} bytes at {start}"
                );
            }
            for (start, len) in [(LEN, 1), (LEN - 1, 2), (u64::MAX, 1), (0, LEN + 1)] {
                let error = device.read_at(start, &mut vec![0; len as usize]).unwrap_err();
                assert_eq!(error.kind(), Kind::Corrupt, "{name}: {len} bytes at {start}");
            }
        }
    }

    #[test]
    fn a_sparse_image_tells_where_its_data_are() {
        let file = tempfile::NamedTempFile::new_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        file.as_file().set_len(8 << 20).unwrap();
        rustix::io::pwrite(file.as_file(), b"data", 4 << 20).unwrap();
        let device = open(file.path(), Io::Pread).unwrap();
        let data = device.next_data(0).unwrap();
        assert!(data.start() > 0 && data.start() <= 4 << 20 && data.end() > 4 << 20);
        assert_eq!(device.next_data(data.end()), None);
    }
}
