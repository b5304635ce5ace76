//! Values in blocks of their own; in version 5 each begins with a header
//! (`struct xfs_attr3_rmt_hdr`).
//!
//! These blocks are not in the log: they are written before what leads to them.

use super::super::block;
use super::source::Source;
use super::{Fault, VALUE_MOST};
use crate::error::{Error, Result};
use crate::fields::be32_at;

const MAGIC: u32 = 0x5841_524d;
const HEADER_LEN: usize = 56;

/// Reads a value of `len` bytes from block `first` of the fork on.
pub(super) fn value(first: u32, len: u32, source: &Source<'_>) -> Result<Vec<u8>> {
    let len = usize::try_from(len).unwrap_or(usize::MAX);
    if len > VALUE_MOST {
        return Err(Fault::ValueSize(len).into());
    }
    let superblock = &source.metadata.superblock;
    let mut value = Vec::new();
    let mut block = first;
    while value.len() < len {
        let position = source.position(block).ok_or(Fault::ValueHole(block))?;
        let bytes = source.metadata.read(position, superblock.block_len())?;
        let piece = match superblock.features.has_checksums() {
            true => piece(source, &bytes, position, value.len())?,
            false => bytes.as_slice(),
        };
        let left = len.saturating_sub(value.len());
        value.extend_from_slice(piece.get(..left).unwrap_or(piece));
        block = block.checked_add(1).ok_or(Fault::ValueHole(block))?;
    }
    Ok(value)
}

fn piece<'a>(source: &Source<'_>, bytes: &'a [u8], position: u64, expected: usize) -> Result<&'a [u8]> {
    let rm_magic = be32_at(bytes, 0).map_err(Error::corrupt)?;
    if rm_magic != MAGIC {
        return Err(Fault::ValueMagic(rm_magic).into());
    }
    let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    let said = source.metadata.expected(position, len, source.owner);
    block::REMOTE.check(bytes, &said).map_err(Fault::Block)?;
    let rm_offset = be32_at(bytes, 4).map_err(Error::corrupt)?;
    let rm_bytes = be32_at(bytes, 8).map_err(Error::corrupt)?;
    let piece = usize::try_from(rm_bytes).ok().and_then(|len| bytes.get(HEADER_LEN..)?.get(..len));
    match piece {
        Some(piece) if usize::try_from(rm_offset) == Ok(expected) && rm_bytes > 0 => Ok(piece),
        _ => Err(Fault::ValuePiece { offset: rm_offset, bytes: rm_bytes, expected }.into()),
    }
}
