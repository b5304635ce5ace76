//! The table of frames at the end of a zstd archive, in a frame that other readers skip.
//!
//! <https://github.com/facebook/zstd/blob/dev/contrib/seekable_format/zstd_seekable_compression_format.md>

use thiserror::Error;

use super::FrameLengths;
use super::frames::Frames;
use crate::device::{ReadAt, read_vec};
use crate::error::{Error, Kind, Result};
use crate::fields::{Short, u8_at, u32_at};

const SKIPPABLE_MAGIC: u32 = 0x184d_2a5e;
const SEEKABLE_MAGIC: u32 = 0x8f92_eab1;
const FOOTER_BYTES: u64 = 9;
const FOOTER_LEN: usize = 9;
const HEADER_BYTES: u64 = 8;
const ENTRY_LEN: usize = 8;
const CHECKSUM_LEN: usize = 4;

/// Shortest frame of zstd (RFC 8878, section 3.1.1): magic number, descriptor, one more byte, and a block of nothing.
const FRAME_LEAST: u32 = 9;

/// Frames that are kept in memory. An archive with more is read from front to back.
const FRAMES_MOST: u32 = 1 << 22;

/// Bit of the descriptor: each entry has a checksum behind its lengths. The bits of [`RESERVED`] must be zero.
const HAS_CHECKSUMS: u8 = 0x80;
const RESERVED: u8 = 0x7c;

#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum Fault {
    #[error("the seek table's descriptor is {0:#04x}, with bits that nobody knows")]
    Descriptor(u8),
    #[error("the seek table has {entries} frames, which take {table} bytes, but the archive {archive}")]
    TooLong { entries: u32, table: u64, archive: u64 },
    #[error("the seek table begins with {0:#010x}, not with {SKIPPABLE_MAGIC:#010x}")]
    Magic(u32),
    #[error("the seek table says of itself that it has {said} bytes, but it has {has}")]
    Length { said: u32, has: u64 },
    #[error("the seek table has a frame of {len} bytes, the shortest have {FRAME_LEAST}")]
    TooShort { len: u32 },
    #[error(transparent)]
    Short(#[from] Short),
}

/// The table of frames: two lengths each, then their number, no flags, and a magic number to find it by.
pub(super) fn write(frames: &[FrameLengths]) -> Vec<u8> {
    let content = frames.len().saturating_mul(ENTRY_LEN).saturating_add(FOOTER_LEN);
    let (Ok(count), Ok(content)) = (u32::try_from(frames.len()), u32::try_from(content)) else {
        // 2^29 frames are 2 PiB of files: without a table they are read from front to back.
        return Vec::new();
    };
    let mut table = [SKIPPABLE_MAGIC.to_le_bytes(), content.to_le_bytes()].concat();
    for frame in frames {
        table.extend_from_slice(&frame.packed.to_le_bytes());
        table.extend_from_slice(&frame.raw.to_le_bytes());
    }
    table.extend_from_slice(&count.to_le_bytes());
    table.push(0);
    table.extend_from_slice(&SEEKABLE_MAGIC.to_le_bytes());
    table
}

/// The frames as the table tells them; `None` where the archive does not end with one.
pub(super) fn read(device: &dyn ReadAt) -> Result<Option<Frames>> {
    let archive = device.len_bytes();
    let Some(footer_at) = archive.checked_sub(FOOTER_BYTES) else { return Ok(None) };
    let footer = read_vec(device, footer_at, FOOTER_LEN)?;
    let corrupt = |fault: Fault| Error::corrupt(fault).at_byte(footer_at);
    if u32_at(&footer, 5).map_err(|short| corrupt(short.into()))? != SEEKABLE_MAGIC {
        return Ok(None);
    }
    let (table_at, table, entry_len) = table(device, &footer)?.map_err(corrupt)?;
    let mut packed = table.chunks_exact(entry_len).map(|entry| u32_at(entry, 0).unwrap_or(0));
    if let Some(len) = packed.find(|len| *len < FRAME_LEAST) {
        return Err(corrupt(Fault::TooShort { len }));
    }
    let lengths = table.chunks_exact(entry_len).map(|entry| {
        let (packed, raw) = (u32_at(entry, 0).unwrap_or(0), u32_at(entry, 4).unwrap_or(0));
        (u64::from(packed), u64::from(raw))
    });
    Frames::of_lengths(lengths, table_at).map(Some).map_err(|error| error.at_byte(table_at))
}

/// Bytes of all frames and of their table, where a device ends with one.
pub(crate) fn whole_bytes(device: &dyn ReadAt) -> Result<Option<u64>> {
    let len_bytes = device.len_bytes();
    let Some(footer_at) = len_bytes.checked_sub(FOOTER_BYTES) else { return Ok(None) };
    let footer = read_vec(device, footer_at, FOOTER_LEN)?;
    if u32_at(&footer, 5).ok() != Some(SEEKABLE_MAGIC) {
        return Ok(None);
    }
    let Ok((table_at, entries, entry_len)) = table(device, &footer)? else { return Ok(None) };
    let frames = entries
        .chunks_exact(entry_len)
        .fold(0_u64, |sum, entry| sum.saturating_add(u32_at(entry, 0).map_or(0, u64::from)));
    Ok(len_bytes.checked_sub(table_at).map(|table| table.saturating_add(frames)))
}

/// Where the table's frame begins, its entries, and the length of each of them.
#[expect(clippy::type_complexity, reason = "a fault of the table is told apart from one of the device")]
fn table(device: &dyn ReadAt, footer: &[u8]) -> Result<Result<(u64, Vec<u8>, usize), Fault>> {
    let archive = device.len_bytes();
    let parsed = || -> Result<_, Fault> {
        let (entries, descriptor) = (u32_at(footer, 0)?, u8_at(footer, 4)?);
        if descriptor & RESERVED != 0 {
            return Err(Fault::Descriptor(descriptor));
        }
        let checksum = if descriptor & HAS_CHECKSUMS == 0 { 0 } else { CHECKSUM_LEN };
        let entry_len = ENTRY_LEN.saturating_add(checksum);
        let entries_bytes = u64::from(entries).saturating_mul(u64::try_from(entry_len).unwrap_or(u64::MAX));
        let table = entries_bytes.saturating_add(FOOTER_BYTES).saturating_add(HEADER_BYTES);
        let too_long = Fault::TooLong { entries, table, archive };
        let table_at = archive.checked_sub(table).ok_or(too_long)?;
        Ok((entries, table_at, entries_bytes, entry_len))
    };
    let (count, table_at, entries_bytes, entry_len) = match parsed() {
        Ok(parsed) => parsed,
        Err(fault) => return Ok(Err(fault)),
    };
    let header = read_vec(device, table_at, usize::try_from(HEADER_BYTES).unwrap_or(0))?;
    let checked = || -> Result<(), Fault> {
        let (magic, said) = (u32_at(&header, 0)?, u32_at(&header, 4)?);
        if magic != SKIPPABLE_MAGIC {
            return Err(Fault::Magic(magic));
        }
        let has = entries_bytes.saturating_add(FOOTER_BYTES);
        if u64::from(said) == has { Ok(()) } else { Err(Fault::Length { said, has }) }
    };
    if let Err(fault) = checked() {
        return Ok(Err(fault));
    }
    if count > FRAMES_MOST {
        let message = format!("the archive has {count} frames, at most {FRAMES_MOST} are kept in memory");
        return Err(Error::new(Kind::Limit, message));
    }
    let len = usize::try_from(entries_bytes).unwrap_or(usize::MAX);
    let entries = read_vec(device, table_at.saturating_add(HEADER_BYTES), len)?;
    Ok(Ok((table_at, entries, entry_len)))
}

/// Where the last of a file's frames is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LastFrame {
    /// Position of its first byte in the file.
    pub start_bytes: u64,
    pub lengths: FrameLengths,
}

/// Finds the last frame of a file of `len_bytes` bytes by the table at its end; `None` where there
/// is no table, or no frame. `read_at` reads from a position.
pub(crate) fn last_frame(
    len_bytes: u64,
    read_at: impl Fn(u64, &mut [u8]) -> Result<()>,
) -> Result<Option<LastFrame>> {
    // Four bytes, so far before the end.
    let field = |before_end: u64| -> Result<Option<u32>> {
        let Some(at) = len_bytes.checked_sub(before_end) else { return Ok(None) };
        let mut bytes = [0; 4];
        read_at(at, &mut bytes)?;
        Ok(Some(u32::from_le_bytes(bytes)))
    };
    // The footer: number of frames, a byte of flags, magic number.
    let (Some(count), Some(flags), Some(magic)) = (field(9)?, field(5)?, field(4)?) else { return Ok(None) };
    if magic != SEEKABLE_MAGIC {
        return Ok(None);
    }
    let [flags, ..] = flags.to_le_bytes();
    if flags != 0 {
        let message = format!("the table of frames has the flags {flags:#x}, which are unknown here");
        return Err(Error::new(Kind::Unsupported, message));
    }
    let content_len = u64::from(count).saturating_mul(8).saturating_add(FOOTER_BYTES);
    let table_len = content_len.saturating_add(HEADER_BYTES);
    let (Some(skippable), Some(said_len)) = (field(table_len)?, field(table_len.saturating_sub(4))?) else {
        let message = format!("the table of frames says {count} frames, but the file has {len_bytes} bytes");
        return Err(Error::corrupt(message));
    };
    if (skippable, u64::from(said_len)) != (SKIPPABLE_MAGIC, content_len) {
        let message = format!("the table of frames does not begin {table_len} bytes before the end");
        return Err(Error::corrupt(message));
    }
    // The last entry, right before the footer; where there is no frame these are the table's own header.
    let (Some(packed), Some(raw), true) = (field(17)?, field(13)?, count > 0) else { return Ok(None) };
    let lengths = FrameLengths { packed, raw };
    let before_table = len_bytes.saturating_sub(table_len);
    let Some(start_bytes) = before_table.checked_sub(u64::from(lengths.packed)) else {
        let message =
            format!("the last frame has {} bytes, but {before_table} are before the table", lengths.packed);
        return Err(Error::corrupt(message));
    };
    Ok(Some(LastFrame { start_bytes, lengths }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::codec::{Compression, FrameLengths};

    fn archive() -> Vec<u8> {
        let frames = [FrameLengths { packed: 30, raw: 100 }, FrameLengths { packed: 12, raw: 7 }];
        [vec![0; 42], Compression::Zstd.trailer(&frames, false)].concat()
    }

    #[test]
    fn the_table_that_is_written_is_the_one_that_is_read() {
        let frames = read(&archive()).unwrap().unwrap();
        assert_eq!(frames, Frames::of_lengths([(30, 100), (12, 7)], 42).unwrap());
    }

    #[test]
    fn each_flipped_bit_of_the_table_is_noticed() {
        let (good, frames) = (archive(), read(&archive()).unwrap());
        for bit in 42 * 8..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            // The lengths in the tar stream add up to nothing that the table itself could be held against.
            let is_raw_length = [54..58, 62..66].iter().any(|range| range.contains(&(bit / 8)));
            // Two bits of the descriptor mean nothing.
            let is_descriptor = bit / 8 == good.len() - 5;
            match read(&bad) {
                Ok(found) => {
                    assert!(
                        is_descriptor || found != frames && (found.is_none() || is_raw_length),
                        "bit {bit}"
                    );
                }
                Err(error) => assert!(!error.to_string().is_empty()),
            }
        }
    }

    #[test]
    fn frames_that_are_too_short_or_too_many_take_no_memory() {
        let of = |lengths: &[FrameLengths], content: usize| {
            [vec![0; content], Compression::Zstd.trailer(lengths, false)].concat()
        };
        let short = of(&[FrameLengths { packed: 8, raw: 1 }], 8);
        assert!(read(&short).unwrap_err().to_string().contains("shortest"));
        let many = vec![FrameLengths { packed: 9, raw: 1 }; (1 << 22) + 1];
        let many = of(&many, 9 * many.len());
        assert_eq!(read(&many).unwrap_err().kind(), Kind::Limit);
    }

    #[test]
    fn what_is_no_table_is_none() {
        assert_eq!(read(&vec![1, 2, 3]).unwrap(), None);
        assert_eq!(read(&vec![0; 100]).unwrap(), None);
    }
}
