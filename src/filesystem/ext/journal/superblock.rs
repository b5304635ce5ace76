//! The journal's superblock.

use super::checksum::{crc32c, crc32c_without};
use super::fault::Fault;
use super::header::{Header, MAGIC};
use crate::fields::{be32_at, bytes_at, slice_at, u8_at};

/// Bytes of the superblock; its checksum covers all of them.
pub(super) const SUPERBLOCK_BYTES: usize = 1024;
/// Blocks that the log has at least (`JBD2_MIN_JOURNAL_BLOCKS`).
const MIN_BLOCKS: u32 = 1024;
/// Blocks for fast commits when the superblock names no number (`JBD2_DEFAULT_FAST_COMMIT_BLOCKS`).
const DEFAULT_FAST_COMMIT_BLOCKS: u32 = 256;
/// `JBD2_CRC32C_CHKSUM`.
const CRC32C: u8 = 4;
/// Position of `s_checksum`.
const CHECKSUM: usize = 0xFC;

/// `JBD2_FEATURE_COMPAT_CHECKSUM`.
const COMPAT_CHECKSUM: u32 = 0x01;
/// `JBD2_FEATURE_INCOMPAT_REVOKE`.
const REVOKE: u32 = 0x01;
/// `JBD2_FEATURE_INCOMPAT_64BIT`.
const WIDE: u32 = 0x02;
/// `JBD2_FEATURE_INCOMPAT_ASYNC_COMMIT`.
const ASYNC_COMMIT: u32 = 0x04;
/// `JBD2_FEATURE_INCOMPAT_CSUM_V2`.
const CSUM_V2: u32 = 0x08;
/// `JBD2_FEATURE_INCOMPAT_CSUM_V3`.
const CSUM_V3: u32 = 0x10;
/// `JBD2_FEATURE_INCOMPAT_FAST_COMMIT`.
const FAST_COMMIT: u32 = 0x20;
/// The incompatible features that are understood here.
const KNOWN_INCOMPAT: u32 = REVOKE | WIDE | ASYNC_COMMIT | CSUM_V2 | CSUM_V3 | FAST_COMMIT;

/// What of a transaction has checksums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Checksums {
    /// Nothing.
    None,
    /// The descriptor and data blocks of a transaction together, in its commit block.
    V1,
    /// Each block; the tags keep 16 bits.
    V2,
    /// Each block; the tags keep 32 bits.
    V3,
}

/// Where the log is, how it is written and where its transactions begin.
#[derive(Clone, Copy, Debug)]
pub(super) struct Superblock {
    /// Bytes of a block.
    pub(super) block_bytes: u32,
    /// First block of the log.
    pub(super) first: u32,
    /// The block after the log's last.
    pub(super) end: u32,
    /// Blocks of the journal, those for fast commits included.
    pub(super) blocks: u32,
    /// Number of the first transaction.
    pub(super) sequence: u32,
    /// Block where the first transaction begins; none when there is nothing to replay.
    pub(super) start: Option<u32>,
    /// Which checksums there are.
    pub(super) checksums: Checksums,
    /// Start value of the checksums.
    pub(super) seed: u32,
    /// Whether block numbers have 64 bits.
    pub(super) wide: bool,
    /// Whether a commit block may have been written before the blocks that it commits.
    pub(super) async_commit: bool,
    /// Whether there may be fast commits after the log.
    pub(super) fast_commit: bool,
    /// Number of filesystems that use the journal; only counted on a device of its own.
    pub(super) users: u32,
}

impl Superblock {
    /// Reads the superblock of a journal that has `available` blocks of `block_bytes` bytes.
    ///
    /// Layout: <https://docs.kernel.org/filesystems/ext4/journal.html#super-block>; all fields are big-endian.
    /// The checks are those of `journal_check_superblock` in `fs/jbd2/journal.c`.
    pub(super) fn parse(bytes: &[u8], block_bytes: u32, available: u64) -> Result<Self, Fault> {
        let bytes = slice_at(bytes, 0, SUPERBLOCK_BYTES)?;
        let header = Header::parse(bytes)?;
        let s_blocksize = be32_at(bytes, 0x0C)?;
        let s_maxlen = be32_at(bytes, 0x10)?;
        let s_first = be32_at(bytes, 0x14)?;
        let s_sequence = be32_at(bytes, 0x18)?;
        let s_start = be32_at(bytes, 0x1C)?;

        if header.h_magic != MAGIC {
            return Err(Fault::Magic(header.h_magic));
        }
        let features = match header.h_blocktype {
            Header::SUPERBLOCK_V1 => Features::default(),
            Header::SUPERBLOCK_V2 => Features::parse(bytes)?,
            other => return Err(Fault::Format(other)),
        };
        let checksums = features.checksums()?;
        let uuid = bytes_at::<16>(bytes, 0x30)?;
        if matches!(checksums, Checksums::V2 | Checksums::V3) {
            verify(bytes)?;
        }
        if s_blocksize != block_bytes {
            return Err(Fault::BlockSize { s_blocksize, block_bytes });
        }
        if u64::from(s_maxlen) > available {
            return Err(Fault::LongerThanItsFile { s_maxlen, blocks: available });
        }
        let fast_commit_blocks = features.fast_commit_blocks(bytes)?;
        let end = s_maxlen
            .checked_sub(fast_commit_blocks)
            .filter(|blocks| *blocks >= MIN_BLOCKS)
            .ok_or(Fault::TooShort { s_maxlen, fast_commit: fast_commit_blocks, minimum: MIN_BLOCKS })?;
        let last = end.saturating_sub(1);
        if !(1..=last).contains(&s_first) {
            return Err(Fault::First { s_first, last });
        }
        if s_start != 0 && !(s_first..=last).contains(&s_start) {
            return Err(Fault::Start { s_start, first: s_first, last });
        }
        Ok(Self {
            block_bytes,
            first: s_first,
            end,
            blocks: s_maxlen,
            sequence: s_sequence,
            start: (s_start != 0).then_some(s_start),
            checksums,
            seed: crc32c(!0, &uuid),
            wide: features.incompat & WIDE != 0,
            async_commit: features.incompat & ASYNC_COMMIT != 0,
            fast_commit: features.incompat & FAST_COMMIT != 0,
            users: features.users,
        })
    }

    /// Whether each block of the log has a checksum of its own.
    pub(super) fn has_block_checksums(&self) -> bool {
        matches!(self.checksums, Checksums::V2 | Checksums::V3)
    }

    /// Blocks of the log.
    pub(super) fn log_blocks(&self) -> u32 {
        self.end.saturating_sub(self.first)
    }

    /// The block `distance` blocks after `block`, which is in the log; behind its last block follows its first.
    pub(super) fn after(&self, block: u32, distance: u32) -> u32 {
        let position = u64::from(block.saturating_sub(self.first)).saturating_add(distance.into());
        let wrapped = position.checked_rem(self.log_blocks().into()).unwrap_or(0);
        u32::try_from(wrapped).unwrap_or(0).saturating_add(self.first)
    }

    /// The number of the transaction that is `ordinal` after the first. The numbers wrap.
    pub(super) fn number(&self, ordinal: u32) -> u32 {
        self.sequence.wrapping_add(ordinal)
    }
}

/// The features of a superblock of the second version; the first has none.
#[derive(Clone, Copy, Debug, Default)]
struct Features {
    compat: u32,
    incompat: u32,
    checksum_type: u8,
    users: u32,
}

impl Features {
    fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        let compat = be32_at(bytes, 0x24)?;
        let incompat = be32_at(bytes, 0x28)?;
        let ro_compat = be32_at(bytes, 0x2C)?;
        let unknown = incompat & !KNOWN_INCOMPAT;
        if unknown != 0 || ro_compat != 0 {
            return Err(Fault::UnknownFeatures { incompat: unknown, ro_compat });
        }
        Ok(Self { compat, incompat, checksum_type: u8_at(bytes, 0x50)?, users: be32_at(bytes, 0x40)? })
    }

    fn checksums(&self) -> Result<Checksums, Fault> {
        let found = (self.compat & COMPAT_CHECKSUM, self.incompat & CSUM_V2, self.incompat & CSUM_V3);
        let checksums = match found {
            (0, 0, 0) => return Ok(Checksums::None),
            (_, 0, 0) => return Ok(Checksums::V1),
            (0, _, 0) => Checksums::V2,
            (0, 0, _) => Checksums::V3,
            (0, _, _) => return Err(Fault::ChecksumVersions("2 and 3")),
            (_, _, 0) => return Err(Fault::ChecksumVersions("1 and 2")),
            (_, _, _) => return Err(Fault::ChecksumVersions("1 and 3")),
        };
        if self.checksum_type != CRC32C {
            return Err(Fault::ChecksumType(self.checksum_type));
        }
        Ok(checksums)
    }

    /// Blocks at the journal's end that are kept for fast commits.
    fn fast_commit_blocks(&self, bytes: &[u8]) -> Result<u32, Fault> {
        if self.incompat & FAST_COMMIT == 0 {
            return Ok(0);
        }
        let s_num_fc_blks = be32_at(bytes, 0x54)?;
        Ok(if s_num_fc_blks == 0 { DEFAULT_FAST_COMMIT_BLOCKS } else { s_num_fc_blks })
    }
}

fn verify(bytes: &[u8]) -> Result<(), Fault> {
    let stored = be32_at(bytes, CHECKSUM)?;
    let computed = crc32c_without(!0, bytes, CHECKSUM);
    if stored == computed { Ok(()) } else { Err(Fault::SuperblockChecksum { stored, computed }) }
}

#[cfg(test)]
mod tests {
    use super::super::recover;
    use super::super::writer::{FILESYSTEM_BLOCKS, Format, Writer};
    use super::*;
    use crate::error::{Error, Kind};

    const V3: Format = Format::new(Checksums::V3, true);

    fn superblock_error(writer: &Writer) -> Error {
        let (_, log) = writer.finish();
        recover(&log, FILESYSTEM_BLOCKS, 256).unwrap_err()
    }

    #[test]
    fn a_superblock_that_cannot_be_trusted_is_an_error() {
        let cases: [(usize, u32, Fault); 13] = [
            (0, 1, Fault::Magic(1)),
            (4, 1, Fault::Format(1)),
            (0x0C, 4096, Fault::BlockSize { s_blocksize: 4096, block_bytes: 1024 }),
            (0x10, 1025, Fault::LongerThanItsFile { s_maxlen: 1025, blocks: 1024 }),
            (0x10, 1023, Fault::TooShort { s_maxlen: 1023, fast_commit: 0, minimum: 1024 }),
            (0x14, 0, Fault::First { s_first: 0, last: 1023 }),
            (0x14, 1024, Fault::First { s_first: 1024, last: 1023 }),
            (0x1C, 1024, Fault::Start { s_start: 1024, first: 1, last: 1023 }),
            (0x28, 0x1_0040, Fault::UnknownFeatures { incompat: 0x1_0040, ro_compat: 0 }),
            (0x2C, 1, Fault::UnknownFeatures { incompat: 0, ro_compat: 1 }),
            (0x28, 0x18, Fault::ChecksumVersions("2 and 3")),
            (0x24, 1, Fault::ChecksumVersions("1 and 3")),
            (0x50, 0x0100_0000, Fault::ChecksumType(1)),
        ];
        for (at, value, fault) in cases {
            let mut writer = Writer::new(V3);
            writer.put(0, at, &value.to_be_bytes());
            writer.seal_superblock();
            assert_eq!(*superblock_error(&writer).cause().downcast_ref::<Fault>().unwrap(), fault);
        }
    }

    #[test]
    fn an_unknown_feature_is_not_damage() {
        let mut writer = Writer::new(V3);
        writer.put(0, 0x28, &0x40_u32.to_be_bytes());
        assert_eq!(superblock_error(&writer).kind(), Kind::Unsupported);
    }

    #[test]
    fn a_superblock_that_does_not_match_its_checksum_is_an_error() {
        let mut writer = Writer::new(V3);
        writer.put(0, 0x200, &[1]);
        let error = superblock_error(&writer);
        assert!(matches!(error.cause().downcast_ref(), Some(Fault::SuperblockChecksum { .. })), "{error}");
    }
}
