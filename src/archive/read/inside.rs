//! What an unpacked stream holds: a tar, or something that only looks like an empty one.
//!
//! Most filesystems begin with zeros, and so does the tar of nothing: two blocks of zeros, padded to a record of 20
//! blocks. A compressed disk image must not be taken for that.

use super::members;
use super::packed::Packed;
use super::stream::TarStream as _;
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

impl Packed {
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
        let message = format!(
            "holds no tar, but {what}. If it is the image of a disk, unpack it first and name the unpacked file"
        );
        Err(Error::new(Kind::Unrecognised, message))
    }
}

/// What begins with these bytes.
fn name(head: &[u8]) -> String {
    if let Ok(Contents::Known(found)) = probe(&head.to_vec()) {
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
