//! A small filesystem in memory, for the tests of each parser.

use std::sync::Arc;

use uuid::Uuid;

use super::features::Features;
use super::metadata::Metadata;
use super::superblock::Superblock;
use crate::fields::put_bytes;
use crate::filesystem::Inode;

pub(super) const BLOCK: usize = 1024;
pub(super) const UUID: Uuid = Uuid::from_bytes([7; 16]);
/// Blocks that the device of [`metadata`] has.
pub(super) const BLOCKS: usize = 64;

/// Version 4 or 5: blocks of 1 KiB, inodes of 256 bytes, two groups of 16,384 blocks.
pub(super) fn superblock(version: u16) -> Superblock {
    Superblock {
        features: Features { version: 0xb4a0 | version, incompatible: 1, ..Features::default() },
        block_size: 1024,
        block_log: 10,
        sector_size: 512,
        inode_size: 256,
        inodes_log: 2,
        blocks: 20_000,
        groups: 2,
        group_blocks: 16_384,
        group_log: 14,
        directory_block: 1024,
        root: 128,
        log_start: 4096,
        log_blocks: 1024,
        realtime_blocks: 0,
        uuid: UUID,
        meta_uuid: UUID,
        label: b"sample".to_vec(),
        inodes: 64,
        free_inodes: 60,
        free_blocks: 10_000,
    }
}

/// Metadata over these blocks, the first at their number; the others are zeros.
pub(super) fn metadata(version: u16, blocks: &[(usize, Vec<u8>)]) -> Metadata {
    let mut device = vec![0; BLOCKS * BLOCK];
    for (number, block) in blocks {
        device[number * BLOCK..][..block.len()].copy_from_slice(block);
    }
    Metadata::new(Arc::new(device), superblock(version))
}

/// A record of version 2 with this mode, format of its data, size and data.
pub(super) fn record(mode: u16, format: u8, size: u64, extents: u32, data: &[u8]) -> Vec<u8> {
    let mut record = vec![0; 256];
    let fields: [(usize, &[u8]); 8] = [
        (0, b"IN"),
        (2, &mode.to_be_bytes()),
        (4, &[2]),
        (5, &[format]),
        (16, &1_u32.to_be_bytes()),
        (56, &size.to_be_bytes()),
        (76, &extents.to_be_bytes()),
        (100, data),
    ];
    for (at, bytes) in fields {
        record[at..at + bytes.len()].copy_from_slice(bytes);
    }
    record
}

/// The same as an inode.
pub(super) fn inode(mode: u16, format: u8, size: u64, extents: u32, data: &[u8]) -> Inode {
    let record = record(mode, format, size, extents, data);
    super::inode::parse(&superblock(4), 131, record, false).unwrap()
}

/// An inode with attributes in this format, from byte 16 of its forks on.
pub(super) fn with_attributes(format: u8, extents: u16, attributes: &[u8]) -> Inode {
    let mut record = record(0o100_644, 2, 0, 0, &[]);
    record[80..82].copy_from_slice(&extents.to_be_bytes());
    record[82..84].copy_from_slice(&[2, format]);
    record[116..116 + attributes.len()].copy_from_slice(attributes);
    super::inode::parse(&superblock(4), 131, record, false).unwrap()
}

/// An extent of a fork.
pub(super) fn extent(logical: u64, physical: u64, len: u64) -> [u8; 16] {
    let number = u128::from(logical) << 73 | u128::from(physical) << 21 | u128::from(len);
    number.to_be_bytes()
}

/// The text of a parser's error, which names its fault.
pub(super) fn says<T>(result: crate::error::Result<T>) -> String {
    result.map(drop).unwrap_err().to_string()
}

/// Repairs the checksum at this position of a structure.
pub(super) fn seal(bytes: &mut [u8], checksum_at: usize) {
    let crc = super::checksum::of(bytes, checksum_at).unwrap();
    put_bytes(bytes, checksum_at, &crc.to_le_bytes());
}
