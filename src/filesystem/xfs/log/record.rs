//! Records: what is written to the log in one piece (`struct xlog_rec_header`).
//!
//! The first word of each block of a record is replaced by the cycle in which it was written, and
//! kept in the header.

use uuid::Uuid;

use super::super::checksum;
use super::fault::Fault;
use super::place::{BLOCK, BLOCK_LEN, Log, RECORD_MAGIC};
use crate::error::Result;
use crate::fields::{be32_at, be64_at, bytes_at, put_bytes, u32_at};

/// `XLOG_VERSION_OKBITS`, and the bit for records that may be longer than 32 KiB.
const VERSIONS: u32 = 0x3;
const VERSION_2: u32 = 0x2;
/// Blocks whose words one block of the header keeps (`XLOG_CYCLE_DATA_SIZE`).
const WORDS: usize = 64;
/// `XLOG_HEADER_CYCLE_SIZE`, `XLOG_MAX_RECORD_BSIZE`.
const HEADER_BYTES: u32 = 32 << 10;
const BYTES_MOST: u32 = 256 << 10;
const CHECKSUM_AT: usize = 32;
const WORDS_AT: usize = 44;
/// Positions in further blocks of the header: of the words, and of the end of the bytes that the
/// checksum covers.
const MORE_WORDS_AT: usize = 4;
const MORE_END: usize = 260;
/// Bytes of the header that the checksum covers: on i386 it is 4 bytes shorter than elsewhere.
const COVERED: [usize; 2] = [328, 324];
/// `XLOG_FMT_LINUX_LE`.
const LITTLE_ENDIAN: u32 = 1;

/// The header of a record, checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Its position in the log.
    pub block: u64,
    /// Cycle and block: what orders all changes.
    pub lsn: u64,
    /// The block of the oldest record that was still needed when this one was written.
    pub tail: u64,
    pub operations: u32,
    /// Bytes behind the header.
    pub len: u32,
    /// Blocks of the header.
    pub header_blocks: u64,
    format: u32,
    uuid: Uuid,
}

impl Header {
    /// Blocks of all of the record.
    pub(super) fn blocks(&self) -> u64 {
        self.header_blocks.saturating_add(u64::from(self.len).div_ceil(BLOCK))
    }
}

/// Reads a record's header from its first block.
pub(super) fn header(log: &Log, block: u64, bytes: &[u8]) -> Result<Header, Fault> {
    let h_magicno = be32_at(bytes, 0)?;
    if h_magicno != RECORD_MAGIC {
        return Err(Fault::Magic { block, magic: h_magicno });
    }
    let h_version = be32_at(bytes, 8)?;
    if h_version == 0 || h_version & !VERSIONS != 0 {
        return Err(Fault::Version { block, version: h_version });
    }
    let h_len = be32_at(bytes, 12)?;
    let h_size = if log.is_v2 && h_version & VERSION_2 != 0 { be32_at(bytes, 320)? } else { HEADER_BYTES };
    if h_len == 0 || h_len > BYTES_MOST || h_size > BYTES_MOST {
        return Err(Fault::Length { block, len: h_len, size: h_size });
    }
    let h_lsn = be64_at(bytes, 16)?;
    let said = crate::fields::low_half(h_lsn);
    if u64::from(said) != block {
        return Err(Fault::Place { block, said });
    }
    let tail = u64::from(be32_at(bytes, 28)?);
    if tail >= log.blocks {
        return Err(Fault::Tail(tail));
    }
    Ok(Header {
        block,
        lsn: h_lsn,
        tail,
        operations: be32_at(bytes, 40)?,
        len: h_len,
        header_blocks: u64::from(h_size.div_ceil(HEADER_BYTES).max(1)),
        format: be32_at(bytes, 300)?,
        uuid: Uuid::from_bytes(bytes_at(bytes, 304)?),
    })
}

/// Reads the record at `block`, with its words put back. Outside is an error of the device, inside
/// what is wrong with the record.
pub(super) fn read(log: &Log, block: u64) -> Result<Result<(Header, Vec<u8>), Fault>> {
    let header = match header(log, block, &log.read(block, 1)?) {
        Ok(header) => header,
        Err(fault) => return Ok(Err(fault)),
    };
    if header.blocks() >= log.blocks {
        return Ok(Err(Fault::Length { block, len: header.len, size: header.len }));
    }
    let bytes = log.read(block, header.blocks())?;
    Ok(unpack(log, &header, bytes).map(|body| (header, body)))
}

fn unpack(log: &Log, header: &Header, mut bytes: Vec<u8>) -> Result<Vec<u8>, Fault> {
    let block = header.block;
    let head_len = usize::try_from(header.header_blocks.saturating_mul(BLOCK)).unwrap_or(0);
    let body_len = usize::try_from(header.len).unwrap_or(0);
    let mut body = bytes.split_off(head_len.min(bytes.len()));
    let covered = body.get(..body_len).unwrap_or(&body);
    check(log, block, &bytes, covered)?;
    if header.uuid != log.uuid && !header.uuid.is_nil() {
        return Err(Fault::Uuid { block, uuid: header.uuid });
    }
    if header.format != LITTLE_ENDIAN {
        return Err(Fault::ByteOrder(header.format));
    }
    for (number, piece) in body.chunks_mut(BLOCK_LEN).enumerate() {
        let (part, word) = (number / WORDS, number % WORDS);
        let words_at = if part == 0 { WORDS_AT } else { MORE_WORDS_AT };
        let at =
            part.saturating_mul(BLOCK_LEN).saturating_add(words_at).saturating_add(word.saturating_mul(4));
        put_bytes(piece, 0, &bytes_at::<4>(&bytes, at)?);
    }
    body.truncate(body_len);
    Ok(body)
}

/// Compares the checksum. Version 4 has one since Linux 3.10, or zero.
fn check(log: &Log, block: u64, head: &[u8], body: &[u8]) -> Result<(), Fault> {
    let stored = u32_at(head, CHECKSUM_AT)?;
    if stored == 0 && !log.has_checksums {
        return Ok(());
    }
    // Only as many blocks of the header as the record's length needs, though there may be more of
    // them.
    let needed = body.len().div_ceil(WORDS.saturating_mul(BLOCK_LEN));
    let mut computed = 0;
    for covered in COVERED {
        let first = head.get(..covered).unwrap_or(head);
        let more =
            head.chunks(BLOCK_LEN).take(needed).skip(1).map(|more| more.get(..MORE_END).unwrap_or(more));
        let crc = more.fold(checksum::of(first, CHECKSUM_AT)?, crc32c::crc32c_append);
        computed = crc32c::crc32c_append(crc, body);
        if computed == stored {
            return Ok(());
        }
    }
    Err(Fault::Checksum { block, fault: checksum::Fault::Mismatch { stored, computed } })
}
