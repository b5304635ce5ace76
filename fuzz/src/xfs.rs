//! XFS: mutations of what holds something, and the checksums of version 5 made right again.
//!
//! Structures are found by their magic numbers at each sector: blocks of directories, attributes,
//! maps and targets, inodes, superblocks, records of the log.

use std::ops::Range;

use super::fields::{be32, put, slice};
use super::random::Random;

const SECTOR: usize = 512;
const RECORD: u32 = 0xfeed_babe;
/// Magic numbers, where they stand, and where the checksum is; all of them cover a block.
const BLOCKS: [(usize, &[u8], usize); 12] = [
    (0, b"XDB3", 4),
    (0, b"XDD3", 4),
    (0, b"XDF3", 4),
    (0, b"BMA3", 64),
    (0, b"XSLM", 12),
    (0, b"XARM", 12),
    (8, &[0x3b, 0xee], 12),
    (8, &[0x3e, 0xbe], 12),
    (8, &[0x3d, 0xf1], 12),
    (8, &[0x3d, 0xff], 12),
    (0, b"XAGF", 216),
    (0, b"XAGI", 312),
];

/// Changes a few bytes of one sector that is not empty, one of the log half of the time where
/// `in_log`, and repairs all checksums but for one time in sixteen.
pub fn mutate(image: &mut [u8], random: &mut Random, in_log: bool) {
    let starts: Vec<usize> = (0..image.len() / SECTOR).map(|sector| sector * SECTOR).collect();
    let is_wanted = |at: usize| {
        let sector = slice(image, at..at + SECTOR);
        sector.iter().any(|byte| *byte != 0) && (!in_log || log(image).contains(&at))
    };
    let wanted: Vec<usize> = starts.into_iter().filter(|at| is_wanted(*at)).collect();
    for _ in 0..=random.below(4) {
        let Some(sector) = random.pick(&wanted) else { return };
        let at = sector + random.below(SECTOR);
        let len = 1 << random.below(4);
        let bytes = match random.below(4) {
            0 => vec![0; len],
            1 => vec![0xff; len],
            _ => random.number().to_be_bytes()[..len].to_vec(),
        };
        put(image, at, &bytes);
    }
    if !random.one_in(16) {
        repair(image);
    }
}

/// Position of the log.
fn log(image: &[u8]) -> Range<usize> {
    let (block, group) = (be32(image, 4) as usize, be32(image, 84) as usize);
    let (start, group_log) =
        (be32(image, 52) as usize, u32::from(image.get(124).copied().unwrap_or(0)).min(31));
    let linear = (start >> group_log).saturating_mul(group).saturating_add(start & ((1 << group_log) - 1));
    let start = linear.saturating_mul(block);
    start..start.saturating_add((be32(image, 96) as usize).saturating_mul(block))
}

/// Repairs the checksums of all that is found.
pub fn repair(image: &mut [u8]) {
    let block = (be32(image, 4) as usize).clamp(SECTOR, 1 << 16);
    let directory = block << image.get(192).copied().unwrap_or(0).min(7);
    let inode = image.get(122).map_or(SECTOR, |log| 1 << (*log).min(11)).max(SECTOR);
    for at in (0..image.len()).step_by(SECTOR) {
        let head = slice(image, at..at + 16).to_vec();
        if head.starts_with(b"XFSB") {
            seal(image, at..at + SECTOR, 224);
        } else if head.starts_with(b"IN") {
            seal(image, at..at + inode, 100);
        } else if be32(image, at) == RECORD {
            record(image, at);
        } else if let Some((_, magic, crc)) =
            BLOCKS.iter().find(|(place, magic, _)| head[*place..].starts_with(magic))
        {
            let len = match *magic {
                [b'X', b'D', ..] => directory,
                [b'X', b'A', b'G', _] => SECTOR,
                _ => block,
            };
            seal(image, at..at + len, *crc);
        }
    }
}

fn seal(image: &mut [u8], range: Range<usize>, crc: usize) {
    let at = range.start + crc;
    if range.end <= image.len() {
        put(image, at, &[0; 4]);
        let computed = crc32c::crc32c(slice(image, range));
        put(image, at, &computed.to_le_bytes());
    }
}

/// The checksum of a record covers its header, the further blocks of it that its length needs, and
/// its bytes.
fn record(image: &mut [u8], at: usize) {
    let (len, size) = (be32(image, at + 12) as usize, be32(image, at + 320) as usize);
    let headers = size.div_ceil(32 << 10).clamp(1, 8);
    let body = at + headers * SECTOR;
    if len > 256 << 10 || body + len > image.len() {
        return;
    }
    put(image, at + 32, &[0; 4]);
    let mut crc = crc32c::crc32c(slice(image, at..at + 328));
    for more in 1..headers.min(len.div_ceil(32 << 10)) {
        let start = at + more * SECTOR;
        crc = crc32c::crc32c_append(crc, slice(image, start..start + 260));
    }
    let crc = crc32c::crc32c_append(crc, slice(image, body..body + len));
    put(image, at + 32, &crc.to_le_bytes());
}
