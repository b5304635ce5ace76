//! Makes the checksums of an image right again, all that a reader may compare: so that a mutation is not stopped by them.
//!
//! <https://docs.kernel.org/filesystems/ext4/checksums.html>; the GPT's are those of the UEFI specification, 5.3.

use super::ext::{EXTENTS_FL, Ext, INDEX_FL, INLINE_DATA_FL, InodePlace, starts};
use super::fields::{be32, bytes_at, crc32c, crc32c_without, le16, le32, le64, put, slice};
use super::journal;

/// Repairs partition tables and filesystems.
pub fn image(image: &mut [u8]) {
    for start in starts(image) {
        filesystem(image, start);
    }
    partition_table(image);
}

/// Repairs the checksums of both copies of a GPT, for sectors of 512 and of 4096 bytes.
pub fn partition_table(image: &mut [u8]) {
    for sector in [512, 4096] {
        let last = (image.len() / sector).saturating_sub(1) * sector;
        for header in [sector, last] {
            if slice(image, header..header + 8) == b"EFI PART" {
                gpt_copy(image, header, sector);
            }
        }
    }
}

fn gpt_copy(image: &mut [u8], header: usize, sector: usize) {
    let size = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
    let entries = size(le64(image, header + 0x48)).saturating_mul(sector);
    let count = u64::from(le32(image, header + 0x50));
    let len = size(count.saturating_mul(le32(image, header + 0x54).into())).min(image.len());
    let array = slice(image, entries..entries.saturating_add(len));
    if !array.is_empty() {
        let crc = libdeflater::crc32(array);
        put(image, header + 0x58, &crc.to_le_bytes());
    }
    let header_size = size(le32(image, header + 0xc).into()).min(sector);
    put(image, header + 0x10, &[0; 4]);
    let crc = libdeflater::crc32(slice(image, header..header + header_size));
    put(image, header + 0x10, &crc.to_le_bytes());
}

/// Repairs the filesystem that begins at `start`.
pub fn filesystem(image: &mut [u8], start: usize) {
    let Some(ext) = Ext::at(image, start) else { return };
    for inode in ext.inodes(image) {
        if inode.number == ext.journal_inode {
            let map = ext.map(image, inode);
            journal::repair(image, &map.blocks, ext.block_size);
        }
        if ext.has_metadata_checksums {
            belongings(image, &ext, inode);
            self::inode(image, &ext, inode);
        }
    }
    (0..ext.groups).for_each(|group| descriptor(image, &ext, group));
    if ext.has_metadata_checksums {
        let at = ext.superblock();
        let crc = crc32c(!0, slice(image, at..at + 0x3fc));
        put(image, at + 0x3fc, &crc.to_le_bytes());
    }
}

/// Repairs what belongs to an inode but is not in it: extent nodes, directory blocks, attributes, the list of orphans.
fn belongings(image: &mut [u8], ext: &Ext, inode: InodePlace) {
    let seed = ext.inode_seed(image, inode);
    let flags = le32(image, inode.at + 0x20);
    let map = ext.map(image, inode);
    if flags & EXTENTS_FL != 0 {
        for node in map.nodes {
            let tail = 12 + 12 * usize::from(le16(image, node + 4));
            if tail + 4 <= ext.block_size {
                let crc = crc32c(seed, slice(image, node..node + tail));
                put(image, node + tail, &crc.to_le_bytes());
            }
        }
    }
    if le16(image, inode.at) >> 12 == 0o4 && flags & INLINE_DATA_FL == 0 {
        for (index, block) in map.blocks.iter().enumerate() {
            directory_block(image, ext, seed, *block, index, flags & INDEX_FL != 0);
        }
    } else if inode.number == ext.orphan_file_inode {
        for block in &map.blocks {
            let tail = block + ext.block_size - 8;
            let number = u64::try_from((block - ext.start) / ext.block_size).unwrap_or(0);
            let crc = crc32c(crc32c(seed, &number.to_le_bytes()), slice(image, *block..tail));
            put(image, tail + 4, &crc.to_le_bytes());
        }
    }
    let attributes = ext.attribute_block(image, inode);
    let place = ext.block(attributes).filter(|at| attributes != 0 && le32(image, *at) == 0xea02_0000);
    if let Some(at) = place {
        let seed = crc32c(ext.seed(), &attributes.to_le_bytes());
        let crc = crc32c_without(seed, slice(image, at..at + ext.block_size), 0x10, 4);
        put(image, at + 0x10, &crc.to_le_bytes());
    }
}

fn directory_block(image: &mut [u8], ext: &Ext, seed: u32, at: usize, index: usize, has_index: bool) {
    let len = ext.block_size;
    let fills_block = le32(image, at) == 0 && usize::from(le16(image, at + 4)) == len % 65536;
    let limit_at = match index {
        0 if has_index => 0x18 + usize::from(bytes_at::<1>(image, at + 0x1d)[0]),
        _ if has_index && fills_block => 8,
        _ => {
            let tail = at + len - 12;
            if le32(image, tail + 4) == 0xde00_000c {
                let crc = crc32c(seed, slice(image, at..tail));
                put(image, tail + 8, &crc.to_le_bytes());
            }
            return;
        }
    };
    let (limit, count) = (le16(image, at + limit_at), le16(image, at + limit_at + 2));
    let tail = limit_at + usize::from(limit) * 8;
    let in_use = limit_at + usize::from(count) * 8;
    if count <= limit && tail + 8 <= len {
        let crc = crc32c(seed, slice(image, at..at + in_use));
        let crc = crc32c(crc32c(crc, slice(image, at + tail..at + tail + 4)), &[0; 4]);
        put(image, at + tail + 4, &crc.to_le_bytes());
    }
}

fn inode(image: &mut [u8], ext: &Ext, inode: InodePlace) {
    let seed = ext.inode_seed(image, inode);
    let extra = if ext.inode_size > 128 { le16(image, inode.at + 0x80) } else { 0 };
    let has_high = extra >= 4;
    put(image, inode.at + 0x7c, &[0; 2]);
    if has_high {
        put(image, inode.at + 0x82, &[0; 2]);
    }
    let [a, b, c, d] = crc32c(seed, slice(image, inode.at..inode.at + ext.inode_size)).to_le_bytes();
    put(image, inode.at + 0x7c, &[a, b]);
    if has_high {
        put(image, inode.at + 0x82, &[c, d]);
    }
}

fn descriptor(image: &mut [u8], ext: &Ext, group: usize) {
    let Some(at) = ext.descriptor(group) else { return };
    let number = u32::try_from(group).unwrap_or(0).to_le_bytes();
    let bytes = slice(image, at..at + ext.descriptor_size);
    if bytes.is_empty() {
        return;
    }
    let checksum = if ext.has_metadata_checksums {
        crc32c_without(crc32c(ext.seed(), &number), bytes, 0x1e, 2)
    } else if ext.has_group_checksums {
        let uuid = bytes_at::<16>(image, ext.superblock() + 0x68);
        let bytes = [&uuid[..], &number, &bytes[..0x1e], &bytes[32..]].concat();
        u32::from(crc16(&bytes))
    } else {
        return;
    };
    let [a, b, ..] = checksum.to_le_bytes();
    put(image, at + 0x1e, &[a, b]);
}

/// CRC-16 with the polynomial 0x8005, reflected, from all ones on.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(u16::MAX, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xa001 } else { crc >> 1 })
    })
}

/// Whether a journal superblock is at `at`.
pub fn is_journal(image: &[u8], at: usize) -> bool {
    be32(image, at) == journal::MAGIC && matches!(be32(image, at + 4), 3 | 4)
}
