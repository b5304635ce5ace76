//! Symbolic links: the target lies in the inode, or in blocks of its own.
//!
//! Layout: `struct xfs_dsymlink_hdr`, which version 5 has in front of each piece.

use thiserror::Error;

use super::block;
use super::inode::{Format, Private};
use super::metadata::Metadata;
use crate::error::{Error, Result};
use crate::fields::{Short, be32_at, slice_at, until_nul};
use crate::filesystem::Inode;

const MAGIC: u32 = 0x5853_4c4d;
const HEADER_LEN: usize = 56;
/// `XFS_SYMLINK_MAXLEN`.
const TARGET_MOST: u64 = 1024;

/// Faults of a target.
#[derive(Debug, Error, PartialEq, Eq)]
enum Fault {
    #[error(transparent)]
    Short(#[from] Short),
    #[error("link target: {0}")]
    Block(#[from] block::Fault),
    #[error("a link target of {0} bytes, must be 1 to 1024")]
    Size(u64),
    #[error("the link target's block has magic {0:#010x}")]
    Magic(u32),
    #[error("{bytes} bytes of the link target from byte {offset} on, where byte {expected} was due")]
    Piece { offset: u32, bytes: u32, expected: usize },
    #[error("the link target ends after {have} of {size} bytes")]
    CutOff { have: usize, size: u64 },
    #[error("the link target holds a NUL")]
    Nul,
    #[error("a link target in a fork of format {0:?}")]
    Format(Format),
}

/// Reads the target of a symbolic link.
pub(super) fn target(metadata: &Metadata, inode: &Inode) -> Result<Vec<u8>> {
    let size = inode.size_bytes;
    if size == 0 || size > TARGET_MOST {
        return Err(Error::corrupt(Fault::Size(size)));
    }
    let len = usize::try_from(size).unwrap_or(0);
    let fork = Private::of(inode).data().map_err(Error::corrupt)?;
    let target = match fork.format {
        Format::Local => slice_at(fork.bytes, 0, len).map_err(Error::corrupt)?.to_vec(),
        Format::Extents => remote(metadata, inode, len)?,
        other => return Err(Error::corrupt(Fault::Format(other))),
    };
    match until_nul(&target).len() == target.len() {
        true => Ok(target),
        false => Err(Error::corrupt(Fault::Nul)),
    }
}

/// Reads a target that lies in blocks: a piece for each extent.
fn remote(metadata: &Metadata, inode: &Inode, len: usize) -> Result<Vec<u8>> {
    let has_checksums = metadata.superblock.features.has_checksums();
    let mut target = Vec::new();
    for run in metadata.data_runs(inode)? {
        let left = len.saturating_sub(target.len());
        if left == 0 {
            break;
        }
        let most = left.saturating_add(if has_checksums { HEADER_LEN } else { 0 });
        let blocks = most.div_ceil(metadata.superblock.block_len().max(1));
        let run_len = usize::try_from(run.len).unwrap_or(usize::MAX).min(blocks);
        let piece_len = run_len.saturating_mul(metadata.superblock.block_len());
        let position = metadata.position(&run);
        let bytes = metadata.read(position, piece_len)?;
        let piece = match has_checksums {
            true => {
                piece(metadata, &bytes, position, inode.id.number, target.len()).map_err(Error::corrupt)?
            }
            false => bytes.as_slice(),
        };
        target.extend_from_slice(piece.get(..left).unwrap_or(piece));
    }
    if target.len() < len {
        let size = inode.size_bytes;
        return Err(Error::corrupt(Fault::CutOff { have: target.len(), size }));
    }
    Ok(target)
}

fn piece<'a>(
    metadata: &Metadata,
    bytes: &'a [u8],
    position: u64,
    owner: u64,
    expected: usize,
) -> Result<&'a [u8], Fault> {
    let sl_magic = be32_at(bytes, 0)?;
    if sl_magic != MAGIC {
        return Err(Fault::Magic(sl_magic));
    }
    let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    block::REMOTE.check(bytes, &metadata.expected(position, len, owner))?;
    let sl_offset = be32_at(bytes, 4)?;
    let sl_bytes = be32_at(bytes, 8)?;
    let piece = usize::try_from(sl_bytes).ok().and_then(|len| bytes.get(HEADER_LEN..)?.get(..len));
    match piece {
        Some(piece) if usize::try_from(sl_offset) == Ok(expected) => Ok(piece),
        _ => Err(Fault::Piece { offset: sl_offset, bytes: sl_bytes, expected }),
    }
}
