//! The blocks of a journal (jbd2): which is what, and their checksums.
//!
//! <https://docs.kernel.org/filesystems/ext4/journal.html>

use super::fields::{be32, bytes_at, crc32c, crc32c_without, le16, put, slice};

/// What every block begins with that is the journal's own.
pub const MAGIC: u32 = 0xc03b_3998;

/// Types of blocks.
pub const DESCRIPTOR: u32 = 1;
pub const COMMIT: u32 = 2;
pub const REVOKE: u32 = 5;

const CSUM_V2: u32 = 0x8;
const CSUM_V3: u32 = 0x10;
const WIDE: u32 = 0x2;

/// Tags of a descriptor block that are looked at.
const MOST_TAGS: usize = 512;

/// How a journal is written, as its superblock says.
#[derive(Clone, Copy, Debug)]
pub struct Format {
    incompat: u32,
    seed: u32,
}

impl Format {
    /// The format of the journal whose superblock is at `at`.
    pub fn at(image: &[u8], at: usize) -> Self {
        let incompat = if be32(image, at + 4) == 4 { be32(image, at + 0x28) } else { 0 };
        Self { incompat, seed: crc32c(!0, &bytes_at::<16>(image, at + 0x30)) }
    }

    fn has_checksums(self) -> bool {
        self.incompat & (CSUM_V2 | CSUM_V3) != 0
    }

    /// Length of a tag, without the UUID that may follow.
    pub fn tag_len(self) -> usize {
        match (self.incompat & CSUM_V3 != 0, self.incompat & CSUM_V2 != 0, self.incompat & WIDE != 0) {
            (true, _, _) => 16,
            (_, true, true) => 14,
            (_, true, false) => 10,
            (_, _, true) => 12,
            _ => 8,
        }
    }

    /// Where the tags of a descriptor block are, counted from its start.
    pub fn tags(self, block: &[u8]) -> Vec<usize> {
        let end = block.len().saturating_sub(if self.has_checksums() { 4 } else { 0 });
        let mut tags = Vec::new();
        let mut at = 12;
        while at + self.tag_len() <= end && tags.len() < MOST_TAGS {
            tags.push(at);
            let flags = u16::from_be_bytes(bytes_at(block, at + 6));
            if flags & 0x8 != 0 {
                break;
            }
            at += self.tag_len() + if flags & 0x2 == 0 { 16 } else { 0 };
        }
        tags
    }
}

/// Repairs the checksums of a journal whose blocks lie at these positions.
pub fn repair(image: &mut [u8], blocks: &[usize], block_size: usize) {
    let Some(superblock) = blocks.first().copied() else { return };
    if be32(image, superblock) != MAGIC {
        return;
    }
    let format = Format::at(image, superblock);
    if format.has_checksums() {
        let crc = crc32c_without(!0, slice(image, superblock..superblock + 1024), 0xfc, 4);
        put(image, superblock + 0xfc, &crc.to_be_bytes());
        for (index, at) in blocks.iter().enumerate().skip(1) {
            if be32(image, *at) == MAGIC {
                let following = blocks.get(index + 1..).unwrap_or_default();
                block(image, *at, following, block_size, format);
            }
        }
    }
    fast_commits(image, superblock, blocks, block_size);
}

fn block(image: &mut [u8], at: usize, following: &[usize], block_size: usize, format: Format) {
    let whole = |image: &[u8], at: usize| slice(image, at..at + block_size).to_vec();
    match be32(image, at + 4) {
        DESCRIPTOR => {
            let sequence = bytes_at::<4>(image, at + 8);
            let tags = format.tags(slice(image, at..at + block_size));
            for (tag, copy) in tags.into_iter().zip(following) {
                let crc = crc32c(crc32c(format.seed, &sequence), slice(image, *copy..*copy + block_size));
                if format.incompat & CSUM_V3 != 0 {
                    put(image, at + tag + 12, &crc.to_be_bytes());
                } else {
                    let [.., a, b] = crc.to_be_bytes();
                    put(image, at + tag + 4, &[a, b]);
                }
            }
            tail(image, at, block_size, format);
        }
        REVOKE => tail(image, at, block_size, format),
        COMMIT => {
            let crc = crc32c_without(format.seed, &whole(image, at), 0x10, 4);
            put(image, at + 0x10, &crc.to_be_bytes());
        }
        _ => {}
    }
}

fn tail(image: &mut [u8], at: usize, block_size: usize, format: Format) {
    let crc = crc32c_without(format.seed, slice(image, at..at + block_size), block_size - 4, 4);
    put(image, at + block_size - 4, &crc.to_be_bytes());
}

/// Repairs the checksums in the tails of fast commits, which lie behind the log.
fn fast_commits(image: &mut [u8], superblock: usize, blocks: &[usize], block_size: usize) {
    const TAIL: u16 = 8;
    if be32(image, superblock + 0x28) & 0x20 == 0 {
        return;
    }
    let len = match be32(image, superblock + 0x54) {
        0 => 256,
        len => usize::try_from(len).unwrap_or(usize::MAX),
    };
    let first = usize::try_from(be32(image, superblock + 0x10)).unwrap_or(0).saturating_sub(len);
    let mut crc = 0;
    for start in blocks.iter().skip(first).copied() {
        let mut at = start;
        while at + 4 <= start + block_size {
            let (tag, len) = (le16(image, at), usize::from(le16(image, at + 2)));
            if !(1..=9).contains(&tag) || at + 4 + len > start + block_size {
                break;
            }
            if tag == TAIL {
                crc = crc32c(crc, slice(image, at..at + 8));
                put(image, at + 8, &crc.to_le_bytes());
                crc = 0;
            } else {
                crc = crc32c(crc, slice(image, at..at + 4 + len));
            }
            at += 4 + len;
        }
    }
}
