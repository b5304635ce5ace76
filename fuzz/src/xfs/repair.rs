//! The checksums of version 5.

use std::ops::Range;

use super::super::fields::{be32, slice};
use super::super::sparse::{SECTOR_LEN, Sparse};
use super::log;

/// Magic numbers, where they stand, and where the checksum is.
const BLOCKS: [(usize, &[u8], usize); 15] = [
    (0, b"XFSB", 224),
    (0, b"XAGF", 216),
    (0, b"XAGI", 312),
    (0, b"IN", 100),
    (0, b"XDB3", 4),
    (0, b"XDD3", 4),
    (0, b"XDF3", 4),
    (0, b"BMA3", 64),
    (0, b"XSLM", 12),
    (0, b"XARM", 12),
    (0, b"IAB3", 52),
    (8, &[0x3b, 0xee], 12),
    (8, &[0x3e, 0xbe], 12),
    (8, &[0x3d, 0xf1], 12),
    (8, &[0x3d, 0xff], 12),
];

/// Repairs the checksums of all that is found.
pub fn repair(image: &mut Sparse) {
    let block = (be32(&image.bytes, 4) as usize).clamp(SECTOR_LEN, 1 << 16);
    let directory = block << image.bytes.get(192).copied().unwrap_or(0).min(7);
    let inode = image.bytes.get(122).map_or(SECTOR_LEN, |log| 1 << (*log).min(11)).max(SECTOR_LEN);
    let sector = usize::from(u16::from_be_bytes([
        image.bytes.get(102).copied().unwrap_or(0),
        image.bytes.get(103).copied().unwrap_or(0),
    ]));
    let starts: Vec<usize> = image.held.iter().map(|sector| sector * SECTOR_LEN).collect();
    for at in starts {
        let head = slice(&image.bytes, at..at + 16);
        if be32(head, 0) == log::MAGIC {
            record(image, at);
            continue;
        }
        let found = BLOCKS
            .iter()
            .find(|(place, magic, _)| head.get(*place..).is_some_and(|head| head.starts_with(magic)));
        let Some((_, magic, crc)) = found else { continue };
        let len = match *magic {
            b"IN" => inode,
            [b'X', b'D', ..] | [0x3d, _] => directory,
            [b'X', b'A', b'G', _] | [b'X', b'F', ..] => sector,
            _ => block,
        };
        seal(image, at..at + len, *crc);
    }
}

fn seal(image: &mut Sparse, range: Range<usize>, crc: usize) {
    let at = range.start + crc;
    if range.end <= image.bytes.len() && range.len() >= crc + 4 {
        image.put(at, &[0; 4]);
        let computed = crc32c::crc32c(slice(&image.bytes, range));
        image.put(at, &computed.to_le_bytes());
    }
}

/// The checksum of a record covers its header, the further sectors of it that its length needs, and
/// its bytes.
fn record(image: &mut Sparse, at: usize) {
    let Some((headers, len)) = log::lengths(&image.bytes, at) else { return };
    let body = at + headers;
    image.put(at + 32, &[0; 4]);
    let bytes = &image.bytes;
    let mut crc = crc32c::crc32c(slice(bytes, at..at + 328));
    for more in 1..(headers / SECTOR_LEN).min(len.div_ceil(32 << 10)) {
        let start = at + more * SECTOR_LEN;
        crc = crc32c::crc32c_append(crc, slice(bytes, start..start + 260));
    }
    let crc = crc32c::crc32c_append(crc, slice(bytes, body..body + len));
    image.put(at + 32, &crc.to_le_bytes());
}
