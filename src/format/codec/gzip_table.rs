//! The table of frames that a gzip archive ends with when its manifest is in it: where each frame
//! begins can't be seen otherwise.
//!
//! The table is in the headers of gzip members that hold nothing, as extra fields (RFC 1952,
//! section 2.3.1.1), so that every other program unpacks the archive as before. Members with the
//! field `VT` hold the frames' lengths in the archive, 4 bytes each. One member with the field `VE`
//! comes last: it is as long in every archive, and says how long the table is.

use super::{FrameLengths, Frames};
use crate::device::{ReadAt, read_vec};
use crate::error::{Error, Kind, Result};

/// The first bytes of each member: gzip, deflate, extra field, no time, no flags, unknown system.
const START: [u8; 10] = [0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff];
/// Its last bytes: deflate's block of nothing, the checksum of nothing and its length.
const END: [u8; 10] = [3, 0, 0, 0, 0, 0, 0, 0, 0, 0];
/// Names of the fields.
const TABLE: [u8; 2] = *b"VT";
const FOOTER: [u8; 2] = *b"VE";

/// Frames in one member: its field holds less than 64 KiB.
const FRAMES: usize = 16_000;

/// Bytes of the footer's field, and of its whole member.
const FOOTER_LEN: usize = 24;
const FOOTER_MEMBER_LEN: usize = START.len() + 6 + FOOTER_LEN + END.len();

/// The contents of the footer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Footer {
    /// Bytes of the table before it.
    pub table_bytes: u64,
    /// Number of frames.
    pub frames: u32,
    /// Bytes of the tar stream in each frame but the last.
    pub frame_bytes: u32,
    /// Bytes of the tar stream in all.
    pub stream_bytes: u64,
}

/// Frames that are kept in memory. An archive with more is read from front to back.
const FRAMES_MOST: u32 = 1 << 22;

/// Bytes that a frame takes in a table of members at most: its length, and a share of the member's
/// own.
const ENTRY_MOST: u64 = 64;

/// The frames as the table tells them; `None` where the archive does not end with one.
pub(super) fn read(device: &dyn ReadAt) -> Result<Option<Frames>> {
    let footer_bytes = u64::try_from(FOOTER_MEMBER_LEN).unwrap_or(u64::MAX);
    let Some(footer_at) = device.len_bytes().checked_sub(footer_bytes) else { return Ok(None) };
    let Some(footer) = footer(&read_vec(device, footer_at, FOOTER_MEMBER_LEN)?) else { return Ok(None) };
    if footer.frames > FRAMES_MOST {
        let (count, most) = (footer.frames, FRAMES_MOST);
        let message = format!("the archive has {count} frames, at most {most} are kept in memory");
        return Err(Error::new(Kind::Limit, message));
    }
    let wrong = || Error::corrupt("the table of its frames makes no sense").at_byte(footer_at);
    let most = u64::from(footer.frames).saturating_mul(ENTRY_MOST);
    let table_at = footer_at.checked_sub(footer.table_bytes).filter(|_| footer.table_bytes <= most);
    let table_at = table_at.ok_or_else(wrong)?;
    let table_len = usize::try_from(footer.table_bytes).map_err(|_| wrong())?;
    let packed = lengths(&read_vec(device, table_at, table_len)?).ok_or_else(wrong)?;
    if u32::try_from(packed.len()) != Ok(footer.frames) {
        return Err(wrong());
    }
    let (frame_bytes, mut rest) = (u64::from(footer.frame_bytes), footer.stream_bytes);
    let lengths: Vec<(u64, u64)> = packed
        .into_iter()
        .map(|packed| {
            let raw = rest.min(frame_bytes);
            rest = rest.saturating_sub(raw);
            (u64::from(packed), raw)
        })
        .collect();
    if rest > 0 {
        return Err(wrong());
    }
    Frames::of_lengths(lengths, table_at).map(Some).map_err(|error| error.at_byte(table_at))
}

/// The table of these frames, with its footer. Nothing where there are too many frames for it.
pub(super) fn table(frames: &[FrameLengths], frame_bytes: u32) -> Vec<u8> {
    let Ok(count) = u32::try_from(frames.len()) else { return Vec::new() };
    let mut table = Vec::new();
    for frames in frames.chunks(FRAMES) {
        let lengths: Vec<u8> = frames.iter().flat_map(|frame| frame.packed.to_le_bytes()).collect();
        table.extend(member(TABLE, &lengths));
    }
    let stream_bytes = frames.iter().fold(0_u64, |sum, frame| sum.saturating_add(u64::from(frame.raw)));
    let footer = [
        &u64::try_from(table.len()).unwrap_or(u64::MAX).to_le_bytes()[..],
        &count.to_le_bytes(),
        &frame_bytes.to_le_bytes(),
        &stream_bytes.to_le_bytes(),
    ];
    table.extend(member(FOOTER, &footer.concat()));
    table
}

/// A member that holds nothing but this field.
fn member(name: [u8; 2], field: &[u8]) -> Vec<u8> {
    let len = u16::try_from(field.len()).unwrap_or(u16::MAX);
    let all = len.saturating_add(4);
    [&START[..], &all.to_le_bytes(), &name, &len.to_le_bytes(), field, &END].concat()
}

/// The field of the first member in `bytes`, which must be one of these, and what comes behind it.
fn field(name: [u8; 2], bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = bytes.strip_prefix(&START)?;
    let (all, rest) = rest.split_first_chunk::<2>()?;
    let (len, rest) = rest.strip_prefix(&name)?.split_first_chunk::<2>()?;
    let len = u16::from_le_bytes(*len);
    let (field, rest) = rest.split_at_checked(usize::from(len))?;
    let is_whole = u16::from_le_bytes(*all) == len.checked_add(4)?;
    Some((field, rest.strip_prefix(&END)?)).filter(|_| is_whole)
}

/// Reads the footer from the last [`FOOTER_MEMBER_LEN`] bytes of an archive.
fn footer(bytes: &[u8]) -> Option<Footer> {
    let (field, rest) = field(FOOTER, bytes)?;
    let (table_bytes, field) = field.split_first_chunk::<8>()?;
    let (frames, field) = field.split_first_chunk::<4>()?;
    let (frame_bytes, field) = field.split_first_chunk::<4>()?;
    let (stream_bytes, field) = field.split_first_chunk::<8>()?;
    (field.is_empty() && rest.is_empty()).then_some(Footer {
        table_bytes: u64::from_le_bytes(*table_bytes),
        frames: u32::from_le_bytes(*frames),
        frame_bytes: u32::from_le_bytes(*frame_bytes),
        stream_bytes: u64::from_le_bytes(*stream_bytes),
    })
}

/// Lengths of the frames in the archive; `None` where this is no table.
fn lengths(mut table: &[u8]) -> Option<Vec<u32>> {
    let mut lengths = Vec::new();
    while !table.is_empty() {
        let (field, rest) = field(TABLE, table)?;
        let (numbers, none) = field.as_chunks::<4>();
        if !none.is_empty() {
            return None;
        }
        lengths.extend(numbers.iter().map(|number| u32::from_le_bytes(*number)));
        table = rest;
    }
    Some(lengths)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;
    use crate::format::codec::Compression;

    fn frames(count: usize) -> Vec<FrameLengths> {
        let lengths = |number| FrameLengths { packed: number as u32 + 1, raw: 1 << 20 };
        (0..count).map(lengths).collect()
    }

    #[test]
    fn the_table_comes_back_and_unpacks_to_nothing() {
        for count in [0, 1, FRAMES, FRAMES + 1, 3 * FRAMES] {
            let frames = frames(count);
            let bytes = table(&frames, 1 << 20);
            let (table, last) = bytes.split_at(bytes.len() - FOOTER_MEMBER_LEN);
            let footer = footer(last).unwrap();
            assert_eq!(footer.table_bytes, table.len() as u64);
            assert_eq!((footer.frames, footer.stream_bytes), (count as u32, (count as u64) << 20));
            let packed: Vec<u32> = frames.iter().map(|frame| frame.packed).collect();
            assert_eq!(lengths(table), Some(packed));
            let mut unpacked = Vec::new();
            flate2::read::MultiGzDecoder::new(&bytes[..]).read_to_end(&mut unpacked).unwrap();
            assert!(unpacked.is_empty());
        }
    }

    #[test]
    fn what_is_no_table_is_none() {
        let bytes = table(&frames(3), 1 << 20);
        let (table, last) = bytes.split_at(bytes.len() - FOOTER_MEMBER_LEN);
        for at in 0..16 {
            let mut bad = last.to_vec();
            bad[at] ^= 1;
            assert_eq!(footer(&bad), None, "byte {at}");
        }
        assert_eq!((footer(b""), footer(table), lengths(b"x"), lengths(last)), (None, None, None, None));
    }

    fn archive() -> Vec<u8> {
        let raw = Compression::Gzip.frame_bytes();
        let frames = [FrameLengths { packed: 30, raw }, FrameLengths { packed: 12, raw: 7 }];
        [vec![0; 42], Compression::Gzip.trailer(&frames, true)].concat()
    }

    #[test]
    fn the_table_that_is_written_is_the_one_that_is_read() {
        let frames = read(&archive()).unwrap().unwrap();
        assert_eq!(frames, Frames::of_lengths([(30, 1 << 20), (12, 7)], 42).unwrap());
        assert_eq!(read(&vec![0; 100]).unwrap(), None);
    }

    #[test]
    fn each_flipped_bit_of_the_table_is_noticed_or_harmless() {
        let (good, frames) = (archive(), read(&archive()).unwrap());
        for bit in 42 * 8..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(read(&bad).ok() != Some(frames.clone()), "bit {bit}");
        }
    }
}
