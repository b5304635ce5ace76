//! Descriptor blocks: of which blocks the blocks after them are copies.

use super::checksum::{crc32c, crc32c_without};
use super::header::Header;
use super::superblock::{Checksums, Superblock};
use crate::fields::{Short, be32_at, bytes_at, wide};

/// `JBD2_FLAG_ESCAPE`.
const ESCAPE: u16 = 0x1;
/// `JBD2_FLAG_SAME_UUID`.
const SAME_UUID: u16 = 0x2;
/// `JBD2_FLAG_LAST_TAG`.
const LAST_TAG: u16 = 0x8;
/// Bytes of the UUID after a tag without [`SAME_UUID`].
const UUID_BYTES: usize = 16;
/// Bytes of the checksum at the end of a descriptor or revocation block (`jbd2_journal_block_tail`).
const TAIL_BYTES: usize = 4;

/// What one block of the log is a copy of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tag {
    /// The block of the filesystem.
    pub(super) block: u64,
    /// Whether the copy begins with zeros instead of the journal's magic number, which the block begins with.
    pub(super) escaped: bool,
    /// Checksum of the copy, as many bits as the journal keeps.
    checksum: u32,
}

impl Tag {
    /// Whether `copy` has the checksum that the tag keeps; `sequence` is the transaction's number.
    pub(super) fn matches(&self, copy: &[u8], sequence: u32, journal: &Superblock) -> bool {
        let computed = crc32c(crc32c(journal.seed, &sequence.to_be_bytes()), copy);
        match journal.checksums {
            Checksums::None | Checksums::V1 => true,
            Checksums::V2 => self.checksum == computed & 0xFFFF,
            Checksums::V3 => self.checksum == computed,
        }
    }
}

/// The tags of a descriptor block.
///
/// Layout: <https://docs.kernel.org/filesystems/ext4/journal.html#descriptor-block>; all fields are big-endian.
/// There are as many as fit, unless one says that it is the last.
pub(super) fn tags<'a>(block: &'a [u8], journal: &Superblock) -> Tags<'a> {
    let end = block.len().saturating_sub(if journal.has_block_checksums() { TAIL_BYTES } else { 0 });
    let tags = block.get(..end).unwrap_or_default();
    let tag_bytes = tag_bytes(journal);
    Tags { block: tags, at: Header::BYTES, tag_bytes, wide: journal.wide, checksums: journal.checksums }
}

/// Length of a tag, as `journal_tag_bytes` in `fs/jbd2/journal.c` has it.
fn tag_bytes(journal: &Superblock) -> usize {
    match (journal.checksums, journal.wide) {
        (Checksums::V3, _) => 16,
        (Checksums::V2, true) => 14,
        (Checksums::V2, false) => 10,
        (_, true) => 12,
        (_, false) => 8,
    }
}

/// Whether a descriptor or revocation block has the checksum that its last bytes say.
pub(super) fn matches_tail(block: &[u8], journal: &Superblock) -> bool {
    if !journal.has_block_checksums() {
        return true;
    }
    let tail = block.len().saturating_sub(TAIL_BYTES);
    be32_at(block, tail) == Ok(crc32c_without(journal.seed, block, tail))
}

/// Bytes of a revocation block that records may fill.
pub(super) fn usable_bytes(journal: &Superblock) -> u32 {
    let tail = if journal.has_block_checksums() { TAIL_BYTES } else { 0 };
    journal.block_bytes.saturating_sub(u32::try_from(tail).unwrap_or(0))
}

/// Goes through the tags of a descriptor block.
pub(super) struct Tags<'a> {
    block: &'a [u8],
    at: usize,
    tag_bytes: usize,
    wide: bool,
    checksums: Checksums,
}

impl Tags<'_> {
    fn parse(&self) -> Result<(Tag, u16), Short> {
        // The whole tag must be in the block, also the fields that are not used.
        let end = self.at.saturating_add(self.tag_bytes);
        if end > self.block.len() {
            return Err(Short { at: self.at, have: self.block.len() });
        }
        let t_blocknr = be32_at(self.block, self.at)?;
        let t_flags = u16::from_be_bytes(bytes_at(self.block, self.at.saturating_add(6))?);
        let t_blocknr_high = if self.wide { be32_at(self.block, self.at.saturating_add(8))? } else { 0 };
        let checksum = match self.checksums {
            Checksums::None | Checksums::V1 => 0,
            Checksums::V2 => u16::from_be_bytes(bytes_at(self.block, self.at.saturating_add(4))?).into(),
            Checksums::V3 => be32_at(self.block, self.at.saturating_add(12))?,
        };
        let tag = Tag { block: wide(t_blocknr_high, t_blocknr), escaped: t_flags & ESCAPE != 0, checksum };
        Ok((tag, t_flags))
    }
}

impl Iterator for Tags<'_> {
    type Item = Tag;

    fn next(&mut self) -> Option<Tag> {
        let (tag, t_flags) = self.parse().ok()?;
        let uuid_bytes = if t_flags & SAME_UUID == 0 { UUID_BYTES } else { 0 };
        self.at = if t_flags & LAST_TAG == 0 {
            self.at.saturating_add(self.tag_bytes).saturating_add(uuid_bytes)
        } else {
            self.block.len()
        };
        Some(tag)
    }
}
