//! Faults of a log.

use thiserror::Error;
use uuid::Uuid;

use super::super::checksum;
use crate::error::{Error, Kind};
use crate::fields::Short;

#[derive(Debug, Error, PartialEq, Eq)]
pub(super) enum Fault {
    #[error(transparent)]
    Short(#[from] Short),
    #[error("unknown features {0:#x}")]
    Features(u32),
    #[error("it has {0} blocks of 512 bytes")]
    TooShort(u64),
    #[error("no record was found before block {0}")]
    NoRecord(u64),
    #[error("record magic {magic:#010x} at block {block}")]
    Magic { block: u64, magic: u32 },
    #[error("record of version {version} at block {block}")]
    Version { block: u64, version: u32 },
    #[error("record of {len} bytes (of at most {size}) at block {block}")]
    Length { block: u64, len: u32, size: u32 },
    #[error("the record at block {block} says that it is at block {said}")]
    Place { block: u64, said: u32 },
    #[error("the record at block {block}: its {fault}")]
    Checksum { block: u64, fault: checksum::Fault },
    #[error("the record at block {block} is of another filesystem, {uuid}")]
    Uuid { block: u64, uuid: Uuid },
    #[error(
        "it was written by a machine of another byte order (format {0}): mount and unmount it there once"
    )]
    ByteOrder(u32),
    #[error("its tail, block {0}, is outside of it")]
    Tail(u64),
    #[error("an operation of {len} bytes in the record at block {block}, which ends before")]
    Operation { block: u64, len: u32 },
    #[error("an operation of client {0:#x}")]
    Client(u8),
    #[error("an operation with flags {0:#x}")]
    Flags(u8),
    #[error("a transaction's header of {len} bytes, magic {magic:#010x}")]
    TransactionHeader { len: usize, magic: u32 },
    #[error("an item of {0} regions")]
    Regions(u16),
    #[error("an item with no region before its continuation")]
    Continuation,
    #[error("an item of unknown type {0:#06x}")]
    ItemType(u16),
    #[error("a buffer of {len} sectors at sector {sector}, outside the filesystem")]
    Buffer { sector: i64, len: u16 },
    #[error("regions of a buffer that don't match its map")]
    BufferMap,
    #[error("an inode of {len} bytes at sector {sector}, outside the filesystem")]
    Inode { sector: i64, len: i32 },
    #[error("inode {number}: {reason}")]
    InodeItem { number: u64, reason: &'static str },
    #[error("{count} new inodes of {size} bytes in {blocks} blocks")]
    Create { count: u32, size: u32, blocks: u32 },
    #[error("it changes more than {0} bytes, more than is kept in memory")]
    Memory(usize),
    #[error("it frees more than {0} buffers, more than are kept in memory")]
    Cancelled(usize),
    #[error("it begins more changes than {0} bytes of memory hold")]
    Intents(usize),
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Features(_)
            | Fault::ByteOrder(_)
            | Fault::Memory(_)
            | Fault::Cancelled(_)
            | Fault::Intents(_) => Self::new(Kind::Unsupported, fault),
            _ => Self::corrupt(fault),
        }
    }
}
