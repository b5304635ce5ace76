//! Tells whether an unpacked stream holds a tar, or something that only looks like an empty one.
//!
//! Most filesystems begin with zeros, and so does the tar of nothing: two blocks of zeros, padded
//! to a record of 20 blocks. A compressed disk image must not be taken for that.

use std::sync::Arc;

use super::container::Container;
use super::members;
use super::stream::TarStream as _;
use crate::device::{Device, read_vec};
use crate::error::{Error, Kind, Result};
use crate::filesystem::{Contents, probe};

/// Bytes that are looked at: as many as a filesystem's signature needs.
const HEAD_LEN: usize = 128 << 10;

/// Longest tar of nothing: one record, as GNU tar writes it. The shortest has two blocks.
const NOTHING_MOST: usize = 20 * members::BLOCK_LEN;
const NOTHING_LEAST: usize = 2 * members::BLOCK_LEN;

/// Position of the two bytes that end a boot sector, and the bytes.
const BOOT_SECTOR_END: std::ops::Range<usize> = 510..512;
const BOOT_SIGNATURE: [u8; 2] = [0x55, 0xaa];

impl Container {
    /// Whether a file begins as an archive does. A tar of nothing begins as many filesystems do,
    /// with zeros, and does not count.
    ///
    /// # Errors
    ///
    /// When it can't be read.
    pub fn is_archive(device: &Device) -> Result<bool> {
        let len = usize::try_from(device.len_bytes()).unwrap_or(usize::MAX).min(members::BLOCK_LEN);
        let is_zeros = read_vec(device.as_ref(), 0, len)?.iter().all(|byte| *byte == 0);
        Ok(!is_zeros && Self::recognise(device)?.is_some())
    }

    /// Whether a plain file is a tar of nothing.
    ///
    /// # Errors
    ///
    /// When it can't be read.
    pub fn of_zeros(device: &Device) -> Result<bool> {
        let len = usize::try_from(device.len_bytes()).unwrap_or(usize::MAX);
        if !(NOTHING_LEAST..=NOTHING_MOST).contains(&len) {
            return Ok(false);
        }
        Ok(read_vec(device.as_ref(), 0, len)?.iter().all(|byte| *byte == 0))
    }

    /// Checks that the stream is a tar. An error of reading it is left to whoever reads all of it.
    ///
    /// # Errors
    ///
    /// [`Kind::Unrecognised`] when it is no tar; the message says what it is instead.
    pub fn check_is_tar(&self) -> Result<()> {
        let mut head = vec![0; HEAD_LEN];
        let Ok(len) = self.stream().and_then(|mut stream| stream.fill(&mut head)) else { return Ok(()) };
        head.truncate(len);
        let first = head.get(..members::BLOCK_LEN).unwrap_or(&head);
        let is_zeros = head.iter().all(|byte| *byte == 0);
        let is_tar = match first.iter().all(|byte| *byte == 0) {
            true => is_zeros && (NOTHING_LEAST..=NOTHING_MOST).contains(&len),
            false => members::is_tar(first),
        };
        if is_tar {
            return Ok(());
        }
        let what = match () {
            () if head.is_empty() => "nothing: it was made of an empty file".to_owned(),
            () if is_zeros => "zeros: it was made of a blank disk or a part of one".to_owned(),
            () => name(&head),
        };
        let name = self.compression().name();
        let message = format!(
            "holds no tar, but {what}. If it is the image of a disk, unpack it first and name the \
             unpacked file: {name} -dk FILE"
        );
        Err(Error::new(Kind::Unrecognised, message))
    }
}

/// Names the format that begins with these bytes.
fn name(head: &[u8]) -> String {
    let device: Device = Arc::new(head.to_vec());
    if let Ok(Contents::Known(found)) = probe(&device) {
        return format!("{} as on a disk", found.name);
    }
    if head.get(BOOT_SECTOR_END) == Some(&BOOT_SIGNATURE) {
        return "a disk with a boot sector".to_owned();
    }
    // A character may be cut off at the end.
    let is_text = match std::str::from_utf8(head) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none(),
    };
    match is_text && !head.contains(&0) {
        true => "text".to_owned(),
        false => "something unknown".to_owned(),
    }
}
