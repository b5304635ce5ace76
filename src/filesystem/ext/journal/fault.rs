//! What can be wrong with a journal.

use thiserror::Error as ThisError;

use crate::error::{Error, Kind};
use crate::fields::Short;

/// Why nothing of a journal can be used.
#[derive(Clone, Debug, PartialEq, Eq, ThisError)]
pub(super) enum Fault {
    #[error("journal: {0}")]
    Short(#[from] Short),
    #[error("journal superblock has the magic number {0:#010x}, not 0xc03b3998")]
    Magic(u32),
    #[error("journal superblock has block type {0}, known are 3 and 4")]
    Format(u32),
    #[error("journal has blocks of {s_blocksize} bytes, the filesystem of {block_bytes}")]
    BlockSize { s_blocksize: u32, block_bytes: u32 },
    #[error("journal of {s_maxlen} blocks, but only {blocks} are there")]
    LongerThanItsFile { s_maxlen: u32, blocks: u64 },
    #[error(
        "journal of {s_maxlen} blocks, {fast_commit} of them for fast commits; at least {minimum} must be left"
    )]
    TooShort { s_maxlen: u32, fast_commit: u32, minimum: u32 },
    #[error("log begins at block {s_first} of the journal, allowed are 1 to {last}")]
    First { s_first: u32, last: u32 },
    #[error("first transaction at block {s_start} of the journal, the log is in blocks {first} to {last}")]
    Start { s_start: u32, first: u32, last: u32 },
    #[error("journal uses unknown features: incompatible {incompat:#x}, read-only compatible {ro_compat:#x}")]
    UnknownFeatures { incompat: u32, ro_compat: u32 },
    #[error("journal has more than one version of checksums at once: {0}")]
    ChecksumVersions(&'static str),
    #[error("journal has checksums of type {0}, known is 4 (CRC-32C)")]
    ChecksumType(u8),
    #[error("journal superblock has checksum {stored:#010x}, computed is {computed:#010x}")]
    SuperblockChecksum { stored: u32, computed: u32 },
    #[error(
        "the device of the journal holds none: magic number {s_magic:#06x}, incompatible features {s_feature_incompat:#x}"
    )]
    NoJournalDevice { s_magic: u16, s_feature_incompat: u32 },
    #[error("journal device has the UUID {found}, the filesystem's journal {expected}")]
    OtherJournal { found: uuid::Uuid, expected: uuid::Uuid },
    #[error("journal is used by {0} filesystems, 1 is supported")]
    Users(u32),
    #[error("journal's superblock lies at block {superblock}, but its log begins at {s_first}")]
    SuperblockInLog { superblock: u32, s_first: u32 },
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        let kind = match fault {
            Fault::UnknownFeatures { .. } | Fault::Users(_) => Kind::Unsupported,
            Fault::NoJournalDevice { .. } | Fault::OtherJournal { .. } => Kind::Source,
            _ => Kind::Corrupt,
        };
        Self::new(kind, fault)
    }
}

/// Why a transaction can't be used, and so neither those after it. `log_block` counts from the journal's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ThisError)]
pub(super) enum Damage {
    #[error("descriptor block at log block {log_block} does not match its checksum")]
    DescriptorChecksum { log_block: u32 },
    #[error("revocation block at log block {log_block} does not match its checksum")]
    RevocationChecksum { log_block: u32 },
    #[error("revocation block at log block {log_block} has {r_count} bytes in use, at most {limit}")]
    RevocationLength { log_block: u32, r_count: u32, limit: u32 },
    #[error(
        "commit block at log block {log_block} has checksum {stored:#010x}, computed is {computed:#010x}"
    )]
    CommitChecksum { log_block: u32, stored: u32, computed: u32 },
    #[error("copy of block {block} at log block {log_block} does not match its checksum")]
    DataChecksum { log_block: u32, block: u64 },
    #[error("log block {log_block} is a copy of block {block}, but there are {blocks}")]
    OutsideFilesystem { log_block: u32, block: u64, blocks: u64 },
    #[error("descriptor block at log block {log_block} describes {tags} blocks, the log has {blocks}")]
    LongerThanTheLog { log_block: u32, tags: u32, blocks: u32 },
    #[error(
        "descriptor block at log block {log_block} describes more than {most} blocks with those before it, \
         more than are kept in memory"
    )]
    TooManyCopies { log_block: u32, most: usize },
    #[error("no end after {blocks} blocks, which is the whole log")]
    Endless { blocks: u32 },
    #[error("log block {log_block} can't be read from the device")]
    Unreadable { log_block: u32 },
}

/// A transaction that can't be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ThisError)]
#[error("journal transaction {sequence}, and all after it, not replayed: {damage}")]
pub(super) struct DamagedTransaction {
    /// The transaction's number.
    pub(super) sequence: u32,
    /// What is wrong with it.
    pub(super) damage: Damage,
}

impl From<DamagedTransaction> for Error {
    fn from(fault: DamagedTransaction) -> Self {
        let kind = match fault.damage {
            Damage::Unreadable { .. } => Kind::Read,
            Damage::TooManyCopies { .. } => Kind::Limit,
            _ => Kind::Corrupt,
        };
        Self::new(kind, fault)
    }
}

/// Why the fast commits, or not all of them, can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ThisError)]
pub(super) enum FastCommitFault {
    #[error("fast commits replayed in part: {changes} changes are taken, in {bytes} bytes at most")]
    TooMany { changes: usize, bytes: u32 },
    #[error("fast commits not replayed: unknown features {0:#x}")]
    Features(u32),
    #[error("fast commits not replayed: tag {tag:#06x} of {len} bytes at byte {at} of log block {log_block}")]
    Tag { log_block: u32, at: usize, tag: u16, len: u16 },
    #[error(
        "fast commits not replayed: the first ends in log block {log_block} with transaction {fc_tid} and checksum {stored:#010x}, expected {expected} and {computed:#010x}"
    )]
    Tail { log_block: u32, fc_tid: u32, expected: u32, stored: u32, computed: u32 },
}

impl From<FastCommitFault> for Error {
    fn from(fault: FastCommitFault) -> Self {
        let kind = match fault {
            FastCommitFault::TooMany { .. } => Kind::Limit,
            FastCommitFault::Features(_) => Kind::Unsupported,
            _ => Kind::Corrupt,
        };
        Self::new(kind, fault)
    }
}
