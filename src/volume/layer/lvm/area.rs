//! A metadata area: a header, and a ring of texts of which one counts.
//!
//! Layout: `struct mda_header` and `struct raw_locn` in `lib/format_text/layout.h` of LVM2. The
//! first location is the committed text. A second one is precommitted: a change that was under way
//! when the disk was copied, and never came true.

use super::checksum;
use super::fault::Fault;
use crate::device::{ReadAt, read_vec};
use crate::error::Result;
use crate::fields::{Short, slice_at, u32_at, u64_at};
use crate::units::ByteRange;

/// `MDA_HEADER_SIZE`. The ring begins behind it.
const HEADER_LEN: usize = 512;
const HEADER_BYTES: u64 = 512;
/// `FMTT_MAGIC`.
const MAGIC: &[u8] = b" LVM2 x[5A%r0N*>";
const VERSION: u32 = 1;
/// `RAW_LOCN_IGNORED`: the area is not kept up to date.
const IGNORED: u32 = 1;
/// Longest text that is read. A group of 4000 volumes has less than 4 MiB.
const TEXT_MOST: u64 = 16 << 20;

/// Where the text of an area lies.
#[derive(Debug, PartialEq, Eq)]
struct Location {
    /// Length of the area.
    area: u64,
    offset: u64,
    size: u64,
    checksum: u32,
}

/// Reads the text of a metadata area; `None` when it has none that counts.
pub(super) fn read(device: &dyn ReadAt, area: ByteRange) -> Result<Option<Vec<u8>>> {
    let at = area.start();
    if area.end() > device.len_bytes() || area.len() <= HEADER_BYTES {
        return Err(Fault::PastEnd { at, len: area.len() }.into());
    }
    let header = read_vec(device, at, HEADER_LEN)?;
    let Some(location) = location(&header, area).map_err(|fault| match fault {
        Fault::Short(_) => Fault::Area { at },
        fault => fault,
    })?
    else {
        return Ok(None);
    };
    if device.len_bytes().saturating_sub(at) < location.area {
        return Err(Fault::PastEnd { at, len: location.area }.into());
    }
    let text = ring(device, at, &location)?;
    if checksum::of(&[&text]) != location.checksum {
        return Err(Fault::TextChecksum.into());
    }
    Ok(Some(text))
}

fn location(header: &[u8], area: ByteRange) -> Result<Option<Location>, Fault> {
    let at = area.start();
    let checksum_xl = u32_at(header, 0)?;
    let magic = slice_at(header, 4, MAGIC.len())?;
    let version = u32_at(header, 20)?;
    let start = u64_at(header, 24)?;
    let size = u64_at(header, 32)?;
    if magic != MAGIC || checksum_xl != checksum::of(&[header.get(4..).unwrap_or_default()]) {
        return Err(Fault::Area { at });
    }
    if version != VERSION {
        return Err(Fault::Version { at, version });
    }
    if start != at || size <= HEADER_BYTES {
        return Err(Fault::PastEnd { at: start, len: size });
    }
    let location = committed(header, size)?;
    let Some(Location { offset, size: len, .. }) = location else { return Ok(None) };
    let is_inside = (HEADER_BYTES..size).contains(&offset) && len <= size.saturating_sub(HEADER_BYTES);
    match is_inside {
        false => Err(Fault::Text { offset, len, area: size }),
        true if len > TEXT_MOST => Err(Fault::Long(len)),
        true => Ok(location),
    }
}

/// The first `struct raw_locn`.
fn committed(header: &[u8], area: u64) -> Result<Option<Location>, Short> {
    let offset = u64_at(header, 40)?;
    let size = u64_at(header, 48)?;
    let checksum = u32_at(header, 56)?;
    let flags = u32_at(header, 60)?;
    let counts = offset != 0 && size != 0 && flags & IGNORED == 0;
    Ok(counts.then_some(Location { area, offset, size, checksum }))
}

/// The text, which begins anew behind the header when it reaches the end of the area.
fn ring(device: &dyn ReadAt, start: u64, location: &Location) -> Result<Vec<u8>> {
    let first = location.size.min(location.area.saturating_sub(location.offset));
    let read = |offset: u64, len: u64| {
        read_vec(device, start.saturating_add(offset), usize::try_from(len).unwrap_or(usize::MAX))
    };
    let mut text = read(location.offset, first)?;
    text.extend(read(HEADER_BYTES, location.size.saturating_sub(first))?);
    Ok(text)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    const START: usize = 4096;
    const SIZE: usize = 8192;

    /// A disk with one metadata area at 4096, and the text in it at `offset`.
    pub(in super::super) fn made(text: &[u8], offset: usize, flags: u32) -> Vec<u8> {
        let mut disk = vec![0; START + SIZE];
        let ring = SIZE - HEADER_LEN;
        for (index, byte) in text.iter().enumerate() {
            disk[START + HEADER_LEN + (offset - HEADER_LEN + index) % ring] = *byte;
        }
        let header = &mut disk[START..START + HEADER_LEN];
        header[4..20].copy_from_slice(MAGIC);
        header[20..24].copy_from_slice(&1_u32.to_le_bytes());
        header[24..32].copy_from_slice(&(START as u64).to_le_bytes());
        header[32..40].copy_from_slice(&(SIZE as u64).to_le_bytes());
        header[40..48].copy_from_slice(&(offset as u64).to_le_bytes());
        header[48..56].copy_from_slice(&(text.len() as u64).to_le_bytes());
        header[56..60].copy_from_slice(&checksum::of(&[text]).to_le_bytes());
        header[60..64].copy_from_slice(&flags.to_le_bytes());
        repair(&mut disk);
        disk
    }

    fn repair(disk: &mut [u8]) {
        let crc = checksum::of(&[&disk[START + 4..START + HEADER_LEN]]);
        disk[START..START + 4].copy_from_slice(&crc.to_le_bytes());
    }

    fn range() -> ByteRange {
        ByteRange::new(START as u64, SIZE as u64).unwrap()
    }

    #[test]
    fn a_text_is_read_also_when_it_wraps() {
        let text: Vec<u8> = (0..3000).map(|at| b'a' + (at % 26) as u8).collect();
        for offset in [512, 4096, 8191, 7680, 5192, 5193] {
            assert_eq!(read(&made(&text, offset, 0), range()).unwrap().as_deref(), Some(text.as_slice()));
        }
        let full = vec![b'x'; SIZE - HEADER_LEN];
        assert_eq!(read(&made(&full, 1024, 0), range()).unwrap(), Some(full));
    }

    #[test]
    fn an_ignored_area_and_an_empty_one_have_no_text() {
        assert_eq!(read(&made(b"text", 512, 1), range()).unwrap(), None);
        assert_eq!(read(&made(b"", 512, 0), range()).unwrap(), None);
    }

    #[test]
    fn each_lie_of_a_header_is_told() {
        let text = b"a text of twenty-two b";
        let change = |at: usize, value: &[u8]| {
            let mut disk = made(text, 512, 0);
            disk[START + at..START + at + value.len()].copy_from_slice(value);
            repair(&mut disk);
            read(&disk, range()).unwrap_err().to_string()
        };
        let number = |number: u64| number.to_le_bytes();
        let cases = [
            (change(4, b"x"), "metadata area at byte 4096 is damaged"),
            (change(20, &[2]), "version 2"),
            (change(24, &number(1 << 50)), "reaches past the end"),
            (change(32, &number(1 << 60)), "reaches past the end"),
            (change(32, &number(512)), "reaches past the end"),
            (change(40, &number(1)), "a text of 22 bytes at 1 in"),
            (change(40, &number(8192)), "a text of 22 bytes at 8192 in"),
            (change(48, &number(1 << 60)), "a text of 1152921504606846976 bytes"),
            (change(48, &number(7681)), "a text of 7681 bytes"),
            (change(56, &[0, 0, 0, 0]), "the checksum of the text is wrong"),
            (change(48, &number(21)), "the checksum of the text is wrong"),
        ];
        for (told, expected) in cases {
            assert!(told.contains(expected), "{told}, not {expected}");
        }
        let mut disk = made(text, 512, 0);
        disk[START + 100] = 1;
        assert!(read(&disk, range()).unwrap_err().to_string().contains("damaged"));
        assert!(read(&disk, ByteRange::new(4096, 1 << 40).unwrap()).is_err());
    }
}
