//! Devices that are written to: what a disk is restored onto.
//!
//! Reading never needs any of this. A device that is open here was asked for by whoever runs the program, by its name.

use std::fs::{File, OpenOptions};
use std::io::{Seek as _, SeekFrom};
use std::os::unix::fs::{FileExt as _, FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Arc;

use super::file::{Backing, Positional};
use super::open::sector_bytes;
use super::{ReadAt, within};
use crate::error::{Error, Kind, Result};
use crate::temporary::told_full;
use crate::units::ByteRange;

/// A device that any thread may write to.
pub type WriteDevice = Arc<dyn WriteAt>;

/// Bytes by absolute position, to be read and written.
pub trait WriteAt: ReadAt {
    /// Writes all of `bytes` from `offset_bytes` on. The device never grows.
    ///
    /// # Errors
    ///
    /// [`Kind::Write`] when the device fails or is full, [`Kind::Corrupt`] when a part of the range lies outside it.
    fn write_all_at(&self, offset_bytes: u64, bytes: &[u8]) -> Result<()>;

    /// Waits until all that was written is where it outlasts a loss of power.
    ///
    /// # Errors
    ///
    /// [`Kind::Write`] when some of it could not be written.
    fn sync(&self) -> Result<()>;
}

/// Opens a block device or a raw image file for reading and writing; it is as long as it is.
///
/// # Errors
///
/// [`Kind::Source`] when it can't be opened, or is neither of the two.
pub fn open_writable(path: &Path) -> Result<WriteDevice> {
    try_open(path).map_err(|error| error.on(path))
}

fn try_open(path: &Path) -> Result<WriteDevice> {
    let refused = |source| Error::new(Kind::Source, source);
    // Without waiting: a fifo would wait for a reader.
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = OpenOptions::new().read(true).write(true).custom_flags(flags).open(path).map_err(refused)?;
    from_file(file)
}

/// Takes a file that is open for reading and writing.
///
/// # Errors
///
/// [`Kind::Source`] when it is neither a block device nor a regular file.
pub fn from_file(file: File) -> Result<WriteDevice> {
    let refused = |source| Error::new(Kind::Source, source);
    let metadata = file.metadata().map_err(refused)?;
    let kind = metadata.file_type();
    let backing = match (kind.is_block_device(), kind.is_file()) {
        (true, _) => Backing::Block { sector_bytes: sector_bytes(metadata.rdev()) },
        (_, true) => Backing::Image,
        _ => {
            let message = "is neither a block device nor a regular file: nothing can be restored onto it";
            return Err(Error::new(Kind::Source, message));
        }
    };
    let len_bytes = (&file).seek(SeekFrom::End(0)).map_err(refused)?;
    let reading = file.try_clone().map_err(refused)?;
    Ok(Arc::new(Writable { file, reading: Positional::new(reading, len_bytes, backing) }))
}

/// Takes a file that is open for reading and writing, and of which all is known: no path is looked
/// at.
///
/// # Errors
///
/// [`Kind::System`] when there are too many open files.
pub fn from_known(file: File, len_bytes: u64, sector_bytes: Option<u32>) -> Result<WriteDevice> {
    let backing = sector_bytes.map_or(Backing::Image, |sector_bytes| Backing::Block { sector_bytes });
    let reading = file.try_clone().map_err(|source| Error::new(Kind::System, source))?;
    Ok(Arc::new(Writable { file, reading: Positional::new(reading, len_bytes, backing) }))
}

/// Writes with `pwrite`, through the page cache.
#[derive(Debug)]
struct Writable {
    file: File,
    reading: Positional,
}

impl ReadAt for Writable {
    fn len_bytes(&self) -> u64 {
        self.reading.len_bytes()
    }

    fn read_at(&self, offset_bytes: u64, buffer: &mut [u8]) -> Result<()> {
        self.reading.read_at(offset_bytes, buffer)
    }

    fn next_data(&self, from_bytes: u64) -> Option<ByteRange> {
        self.reading.next_data(from_bytes)
    }

    fn sector_bytes(&self) -> Option<u32> {
        self.reading.sector_bytes()
    }
}

impl WriteAt for Writable {
    fn write_all_at(&self, offset_bytes: u64, bytes: &[u8]) -> Result<()> {
        within(self.len_bytes(), offset_bytes, bytes.len())?;
        self.file.write_all_at(bytes, offset_bytes).map_err(|source| {
            let source = told_full(&self.file, source);
            Error::new(Kind::Write, source).at_byte(offset_bytes)
        })
    }

    fn sync(&self) -> Result<()> {
        self.file.sync_data().map_err(|source| Error::new(Kind::Write, told_full(&self.file, source)))
    }
}

/// A range of another device that looks like a device of its own, to be written to: a partition.
#[derive(Debug)]
pub struct WritableWindow {
    device: WriteDevice,
    range: ByteRange,
}

impl WritableWindow {
    /// The part `range` of `device`.
    ///
    /// # Errors
    ///
    /// [`Kind::Corrupt`] when the range reaches past the end of the device.
    pub fn new(device: WriteDevice, range: ByteRange) -> Result<Self> {
        if range.end() > device.len_bytes() {
            let (end, len) = (range.end(), device.len_bytes());
            return Err(Error::corrupt(format!("ends at byte {end}, but the device at {len}")));
        }
        Ok(Self { device, range })
    }
}

impl ReadAt for WritableWindow {
    fn len_bytes(&self) -> u64 {
        self.range.len()
    }

    fn read_at(&self, offset_bytes: u64, buffer: &mut [u8]) -> Result<()> {
        within(self.range.len(), offset_bytes, buffer.len())?;
        self.device.read_at(self.range.start().saturating_add(offset_bytes), buffer)
    }

    fn sector_bytes(&self) -> Option<u32> {
        self.device.sector_bytes()
    }
}

impl WriteAt for WritableWindow {
    fn write_all_at(&self, offset_bytes: u64, bytes: &[u8]) -> Result<()> {
        within(self.range.len(), offset_bytes, bytes.len())?;
        self.device.write_all_at(self.range.start().saturating_add(offset_bytes), bytes)
    }

    fn sync(&self) -> Result<()> {
        self.device.sync()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::read_vec;

    #[test]
    fn what_is_written_into_a_window_lies_there_and_nowhere_else() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(100).unwrap();
        let whole = open_writable(file.path()).unwrap();
        let range = ByteRange::new(40, 20).unwrap();
        let window = WritableWindow::new(Arc::clone(&whole), range).unwrap();
        window.write_all_at(5, b"here").unwrap();
        window.sync().unwrap();
        assert_eq!(read_vec(&window, 5, 4).unwrap(), b"here");
        let mut expected = vec![0; 100];
        expected[45..49].copy_from_slice(b"here");
        assert_eq!(std::fs::read(file.path()).unwrap(), expected);
        for (at, len) in [(20, 1), (18, 3), (u64::MAX, 1)] {
            let error = window.write_all_at(at, &vec![1; len]).unwrap_err();
            assert_eq!(error.kind(), Kind::Corrupt, "{len} bytes at {at}");
        }
        let outside = ByteRange::new(90, 20).unwrap();
        assert_eq!(WritableWindow::new(whole, outside).unwrap_err().kind(), Kind::Corrupt);
        assert_eq!(std::fs::read(file.path()).unwrap(), expected);
    }

    #[test]
    fn what_is_no_device_is_no_target() {
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path(), Path::new("/dev/null")] {
            assert_eq!(open_writable(path).unwrap_err().kind(), Kind::Source, "{}", path.display());
        }
    }
}
