//! Writes journals, for tests: block by block, with the checksums of each version.

use std::sync::Arc;

use super::checksum::{BigEndianCrc32, crc32c, crc32c_without};
use super::header::{Header, MAGIC};
use super::log::Log;
use super::superblock::Checksums;
use crate::device::Device;
use crate::filesystem::Extent;

/// Blocks of the filesystem before the journal; each is filled with [`OLD`].
pub(super) const FILESYSTEM_BLOCKS: u64 = 64;
/// What the filesystem's blocks hold.
pub(super) const OLD: u8 = 0xFF;
/// Blocks of a journal.
pub(super) const BLOCKS: u32 = 1024;
/// First block of the log.
pub(super) const FIRST: u32 = 1;
const UUID: [u8; 16] = *b"journal of a tes";

/// How a journal is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Format {
    pub block_bytes: usize,
    pub checksums: Checksums,
    pub wide: bool,
    pub async_commit: bool,
    pub fast_commit_blocks: Option<u32>,
}

impl Format {
    pub const fn new(checksums: Checksums, wide: bool) -> Self {
        Self { block_bytes: 1024, checksums, wide, async_commit: false, fast_commit_blocks: None }
    }

    fn has_block_checksums(&self) -> bool {
        matches!(self.checksums, Checksums::V2 | Checksums::V3)
    }

    fn incompat(&self) -> u32 {
        let checksums = match self.checksums {
            Checksums::None | Checksums::V1 => 0,
            Checksums::V2 => 0x08,
            Checksums::V3 => 0x10,
        };
        let flag = |is_set: bool, bit: u32| if is_set { bit } else { 0 };
        0x01 | flag(self.wide, 0x02)
            | flag(self.async_commit, 0x04)
            | checksums
            | flag(self.fast_commit_blocks.is_some(), 0x20)
    }
}

/// A journal that is being written.
pub(super) struct Writer {
    pub format: Format,
    pub journal: Vec<u8>,
    /// The block that is written next.
    pub at: u32,
    /// The transaction that is written.
    pub sequence: u32,
    /// Time of the next commit.
    pub seconds: u64,
    /// The block after the log's last.
    pub end: u32,
    crc: BigEndianCrc32,
}

impl Writer {
    pub(super) fn new(format: Format) -> Self {
        Self::starting(format, FIRST, 7)
    }

    /// A journal whose first transaction is `sequence`, at block `start`.
    pub(super) fn starting(format: Format, start: u32, sequence: u32) -> Self {
        let blocks = BLOCKS + format.fast_commit_blocks.unwrap_or(0);
        let journal = vec![0; format.block_bytes * blocks as usize];
        let mut writer = Self {
            format,
            journal,
            at: start,
            sequence,
            seconds: 1_000,
            end: BLOCKS,
            crc: BigEndianCrc32::new(),
        };
        let compat = u32::from(format.checksums == Checksums::V1);
        for (at, value) in [
            (0x00, MAGIC),
            (0x04, Header::SUPERBLOCK_V2),
            (0x0C, format.block_bytes as u32),
            (0x10, blocks),
            (0x14, FIRST),
            (0x18, sequence),
            (0x1C, start),
            (0x24, compat),
            (0x28, format.incompat()),
            (0x40, 1),
            (0x54, format.fast_commit_blocks.unwrap_or(0)),
        ] {
            writer.put(0, at, &value.to_be_bytes());
        }
        writer.put(0, 0x30, &UUID);
        if format.has_block_checksums() {
            writer.put(0, 0x50, &[4]);
        }
        writer.seal_superblock();
        writer
    }

    /// Makes the superblock's checksum right.
    pub(super) fn seal_superblock(&mut self) {
        if self.format.has_block_checksums() {
            let sum = crc32c_without(!0, &self.journal[..1024], 0xFC);
            self.put(0, 0xFC, &sum.to_be_bytes());
        }
    }

    /// Overwrites bytes of a block of the journal.
    pub(super) fn put(&mut self, log_block: u32, at: usize, bytes: &[u8]) {
        let start = log_block as usize * self.format.block_bytes + at;
        self.journal[start..start + bytes.len()].copy_from_slice(bytes);
    }

    pub(super) fn block(&self, log_block: u32) -> &[u8] {
        let start = log_block as usize * self.format.block_bytes;
        &self.journal[start..start + self.format.block_bytes]
    }

    fn seed(&self) -> u32 {
        crc32c(!0, &UUID)
    }

    fn next(&mut self) -> u32 {
        let here = self.at;
        self.at = if here + 1 == self.end { FIRST } else { here + 1 };
        here
    }

    fn header(&self, kind: u32) -> Vec<u8> {
        let mut block = vec![0; self.format.block_bytes];
        block[0..4].copy_from_slice(&MAGIC.to_be_bytes());
        block[4..8].copy_from_slice(&kind.to_be_bytes());
        block[8..12].copy_from_slice(&self.sequence.to_be_bytes());
        block
    }

    /// A block that begins with the journal's magic number must be escaped.
    pub(super) fn content(&self, fill: u8) -> Vec<u8> {
        vec![fill; self.format.block_bytes]
    }

    /// Writes a descriptor block and copies of blocks, each filled with one byte.
    pub(super) fn blocks(&mut self, blocks: &[(u64, u8)]) -> &mut Self {
        let contents: Vec<_> = blocks.iter().map(|(block, fill)| (*block, self.content(*fill))).collect();
        self.contents(&contents)
    }

    /// Writes a descriptor block and copies of blocks.
    pub(super) fn contents(&mut self, blocks: &[(u64, Vec<u8>)]) -> &mut Self {
        let descriptor_at = self.next();
        let mut descriptor = self.header(Header::DESCRIPTOR);
        let mut tags = Vec::new();
        let mut copies = Vec::new();
        for (index, (block, content)) in blocks.iter().enumerate() {
            let mut content = content.clone();
            let mut flags = if index == 0 { 0 } else { 0x2 };
            if index + 1 == blocks.len() {
                flags |= 0x8;
            }
            if content.starts_with(&MAGIC.to_be_bytes()) {
                content[..4].fill(0);
                flags |= 0x1;
            }
            let sum = crc32c(crc32c(self.seed(), &self.sequence.to_be_bytes()), &content);
            tags.extend(self.tag(*block, flags, sum));
            if index == 0 {
                tags.extend(UUID);
            }
            copies.push(content);
        }
        descriptor[12..12 + tags.len()].copy_from_slice(&tags);
        self.seal(&mut descriptor);
        self.crc.update(&descriptor);
        self.put(descriptor_at, 0, &descriptor);
        for copy in copies {
            self.crc.update(&copy);
            let at = self.next();
            self.put(at, 0, &copy);
        }
        self
    }

    fn tag(&self, block: u64, flags: u16, sum: u32) -> Vec<u8> {
        let (low, high) = ((block as u32).to_be_bytes(), ((block >> 32) as u32).to_be_bytes());
        let mut tag = low.to_vec();
        match self.format.checksums {
            Checksums::V3 => {
                tag.extend(u32::from(flags).to_be_bytes());
                tag.extend(high);
                tag.extend(sum.to_be_bytes());
                return tag;
            }
            Checksums::V2 => tag.extend((sum as u16).to_be_bytes()),
            Checksums::None | Checksums::V1 => tag.extend([0; 2]),
        }
        tag.extend(flags.to_be_bytes());
        if self.format.wide {
            tag.extend(high);
        }
        if self.format.checksums == Checksums::V2 {
            tag.extend([0; 2]);
        }
        tag
    }

    /// Writes the checksum at the end of a descriptor or revocation block.
    pub(super) fn seal(&self, block: &mut [u8]) {
        if self.format.has_block_checksums() {
            let tail = block.len() - 4;
            block[tail..].fill(0);
            let sum = crc32c(self.seed(), block);
            block[tail..].copy_from_slice(&sum.to_be_bytes());
        }
    }

    pub(super) fn revoke(&mut self, blocks: &[u64]) -> &mut Self {
        let at = self.next();
        let mut block = self.header(Header::REVOKE);
        let records: Vec<u8> = blocks
            .iter()
            .flat_map(|number| {
                let bytes = number.to_be_bytes();
                if self.format.wide { bytes.to_vec() } else { bytes[4..].to_vec() }
            })
            .collect();
        block[12..16].copy_from_slice(&(16 + records.len() as u32).to_be_bytes());
        block[16..16 + records.len()].copy_from_slice(&records);
        self.seal(&mut block);
        self.put(at, 0, &block);
        self
    }

    pub(super) fn commit(&mut self) -> &mut Self {
        let at = self.next();
        let mut block = self.header(Header::COMMIT);
        block[0x30..0x38].copy_from_slice(&self.seconds.to_be_bytes());
        match self.format.checksums {
            Checksums::None => {}
            Checksums::V1 => {
                block[0x0C..0x0E].copy_from_slice(&[1, 4]);
                block[0x10..0x14].copy_from_slice(&self.crc.sum().to_be_bytes());
            }
            Checksums::V2 | Checksums::V3 => {
                let sum = crc32c(self.seed(), &block);
                block[0x10..0x14].copy_from_slice(&sum.to_be_bytes());
            }
        }
        self.put(at, 0, &block);
        self.crc = BigEndianCrc32::new();
        self.sequence = self.sequence.wrapping_add(1);
        self.seconds += 1;
        self
    }

    /// The filesystem and its journal on one device. The journal lies in two pieces, the second before the first.
    pub(super) fn finish(&self) -> (Device, Log) {
        let block_bytes = self.format.block_bytes;
        let filesystem = vec![OLD; block_bytes * FILESYSTEM_BLOCKS as usize];
        let split = 300 * block_bytes;
        let (first, second) = self.journal.split_at(split);
        let second_at = filesystem.len() as u64;
        let first_at = second_at + second.len() as u64;
        let device: Device = Arc::new([&filesystem, second, first].concat());
        let extents = vec![
            Extent::raw(0, first_at, split as u64),
            Extent::raw(split as u64, second_at, second.len() as u64),
        ];
        let log = Log { device: device.clone(), extents, block_bytes: block_bytes as u32, superblock: 0 };
        (device, log)
    }
}
