//! The first bytes of a device, and the forms in which labels and identifiers are kept.

use uuid::Uuid;

use crate::device::{ReadAt, read_vec};
use crate::error::{Error, Kind, Result};
use crate::fields::{bytes_at, until_nul};
use crate::printable::{Printable, from_utf16};

/// Nearly all signatures lie within; Btrfs, ReiserFS and GFS2 have theirs at 64 KiB.
const HEAD_BYTES: u64 = 128 << 10;

/// Where the first bytes can't be read as a whole they are read in pieces of this length, and what can't be read is zeros.
const PIECE_LEN: usize = 512;

/// The first bytes of a device, as many as there are.
#[derive(Debug)]
pub(super) struct Head<'a> {
    device: &'a dyn ReadAt,
    bytes: Vec<u8>,
    unreadable: Option<Error>,
}

impl<'a> Head<'a> {
    pub(super) fn read(device: &'a dyn ReadAt) -> Result<Self> {
        let len = usize::try_from(device.len_bytes().min(HEAD_BYTES)).unwrap_or_default();
        match read_vec(device, 0, len) {
            Ok(bytes) => Ok(Self { device, bytes, unreadable: None }),
            Err(error) if error.kind() == Kind::Read => Self::in_pieces(device, len),
            Err(error) => Err(error),
        }
    }

    fn in_pieces(device: &'a dyn ReadAt, len: usize) -> Result<Self> {
        let (mut bytes, mut unreadable, mut at) = (vec![0; len], None, 0_u64);
        for piece in bytes.chunks_mut(PIECE_LEN) {
            if let Err(error) = device.read_at(at, piece) {
                if error.kind() != Kind::Read {
                    return Err(error);
                }
                piece.fill(0);
                unreadable.get_or_insert(error);
            }
            at = at.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
        }
        Ok(Self { device, bytes, unreadable })
    }

    /// The device's error, where a part of it could not be read and is zeros here.
    pub(super) fn unreadable(self) -> Option<Error> {
        self.unreadable
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn device_bytes(&self) -> u64 {
        self.device.len_bytes()
    }

    /// Whether `magic` is at `at`.
    pub(super) fn has(&self, at: usize, magic: &[u8]) -> bool {
        self.bytes.get(at..).is_some_and(|rest| rest.starts_with(magic))
    }

    /// At most `len` bytes from anywhere on the device; `None` where none can be read.
    pub(super) fn elsewhere(&self, at: u64, len: u64) -> Option<Vec<u8>> {
        let len = len.min(self.device.len_bytes().checked_sub(at)?);
        read_vec(self.device, at, usize::try_from(len).ok()?).ok()
    }

    /// The text of `len` bytes at `at`; empty where there is none.
    pub(super) fn text(&self, at: usize, len: usize) -> String {
        self.slice(at, len).map(text).unwrap_or_default()
    }

    /// The text of `len` bytes of UTF-16, little-endian, at `at`; empty where there is none.
    pub(super) fn utf16(&self, at: usize, len: usize) -> String {
        self.slice(at, len).map(utf16).unwrap_or_default()
    }

    /// The UUID at `at`; empty where there is none.
    pub(super) fn uuid(&self, at: usize) -> String {
        bytes_at(&self.bytes, at).map(uuid).unwrap_or_default()
    }

    fn slice(&self, at: usize, len: usize) -> Option<&[u8]> {
        self.bytes.get(at..at.checked_add(len)?)
    }
}

/// Text up to the first NUL, without the spaces after it, made safe to show.
pub(super) fn text(bytes: &[u8]) -> String {
    Printable(until_nul(bytes).trim_ascii_end()).to_string()
}

/// Text in UTF-16, little-endian, up to the first NUL; what is no UTF-16 is replaced.
pub(super) fn utf16(bytes: &[u8]) -> String {
    self::text(from_utf16(bytes).as_bytes())
}

/// A UUID in lower case; empty when it is all zeros.
pub(super) fn uuid(bytes: [u8; 16]) -> String {
    match Uuid::from_bytes(bytes) {
        uuid if uuid.is_nil() => String::new(),
        uuid => uuid.to_string(),
    }
}

/// A serial number of DOS, `1234-ABCD`; empty when it is 0.
pub(super) fn serial(serial: u32) -> String {
    let (high, low) = (serial >> 16, serial & 0xffff);
    if serial == 0 { String::new() } else { format!("{high:04X}-{low:04X}") }
}
