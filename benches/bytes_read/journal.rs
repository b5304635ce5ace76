//! How much of a journal's log is in use.
//!
//! <https://docs.kernel.org/filesystems/ext4/journal.html>

use voltar::Result;

use super::layout::{Layout, Map};

const MAGIC: u32 = 0xc03b_3998;
const DESCRIPTOR: u32 = 1;
const COMMIT: u32 = 2;
const REVOCATION: u32 = 5;
const FEATURE_64BIT: u32 = 0x2;
const FEATURE_CHECKSUM_2: u32 = 0x8;
const FEATURE_CHECKSUM_3: u32 = 0x10;
const TAG_SAME_UUID: u16 = 0x2;
const TAG_LAST: u16 = 0x8;

/// The journal is in the byte order of its first machine's opposite: big-endian.
fn u32_at(bytes: &[u8], at: usize) -> u32 {
    super::layout::u32_at(bytes, at).swap_bytes()
}

/// Blocks of the log that have to be read: the superblock, those from the start of the log to the last commit, and the
/// one behind it, which tells that it was the last.
pub fn blocks_in_use(layout: &Layout, map: &Map) -> Result<u64> {
    let block = |number: u64| {
        let run = map.runs.iter().find(|run| (run.logical..run.logical + run.len).contains(&number));
        let run = run.expect("a journal has no holes");
        layout.block(run.physical + number - run.logical)
    };
    let superblock = block(0)?;
    let (most, first) = (u64::from(u32_at(&superblock, 0x10)), u64::from(u32_at(&superblock, 0x14)));
    let (mut sequence, start) = (u32_at(&superblock, 0x18), u64::from(u32_at(&superblock, 0x1c)));
    let features = u32_at(&superblock, 0x28);
    if start == 0 {
        return Ok(1);
    }
    let wrapped = |number: u64| if number >= most { number - most + first } else { number };
    let (mut here, mut passed) = (start, 0);
    loop {
        let found = block(here)?;
        passed += 1;
        if u32_at(&found, 0) != MAGIC || u32_at(&found, 8) != sequence || passed > most {
            return Ok(1 + passed);
        }
        let data = match u32_at(&found, 4) {
            DESCRIPTOR => tags(&found, features),
            COMMIT => {
                sequence = sequence.wrapping_add(1);
                0
            }
            REVOCATION => 0,
            _ => return Ok(1 + passed),
        };
        passed += data;
        here = wrapped(here + 1 + data);
    }
}

/// The number of blocks that follow a descriptor.
fn tags(descriptor: &[u8], features: u32) -> u64 {
    let is_long = features & FEATURE_CHECKSUM_3 != 0;
    let tag_len = match (is_long, features & FEATURE_64BIT != 0) {
        (true, _) => 16,
        (false, true) => 12,
        (false, false) => 8,
    };
    let tail_len = if is_long || features & FEATURE_CHECKSUM_2 != 0 { 4 } else { 0 };
    let (mut at, mut count) = (12, 0);
    while at + tag_len <= descriptor.len() - tail_len {
        count += 1;
        // 32 bits in the long form, 16 behind a checksum in the short one: the low half is at the same place.
        let flags = (u32_at(descriptor, at + 4) & 0xffff) as u16;
        if flags & TAG_LAST != 0 {
            break;
        }
        at += tag_len + if flags & TAG_SAME_UUID == 0 { 16 } else { 0 };
    }
    count
}
