//! The table of frames at the end of a gzip archive that has its manifest in it.

use super::{FOOTER_MEMBER_LEN, footer, lengths};
use crate::device::{ReadAt, read_vec};
use crate::error::{Error, Kind, Result};
use crate::format::codec::Frames;

/// Frames that are kept in memory. An archive with more is read from front to back.
const FRAMES_MOST: u32 = 1 << 22;

/// Bytes that a frame takes in a table of members at most: its length, and a share of the member's
/// own.
const ENTRY_MOST: u64 = 64;

/// The frames as the table tells them; `None` where the archive does not end with one.
pub(crate) fn read(device: &dyn ReadAt) -> Result<Option<Frames>> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::codec::{Compression, FrameLengths};

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
