//! The structures of an image, and the fields in each.

use super::ext::{Ext, INLINE_DATA_FL, InodePlace, starts};
use super::fields::{be32, bytes_at, le16, le32, le64, slice};
use super::journal;
use super::repair::is_journal;

/// A structure: where it is, and its fields, each with its position in the structure and its length.
#[derive(Clone, Debug)]
pub struct Site {
    pub at: usize,
    pub fields: &'static [(u16, u8)],
    /// Whether its numbers begin with the highest byte.
    pub is_big_endian: bool,
}

/// A kind of structure with all of its places. Kinds are drawn first, so that a rare one is met as often as a common one.
pub type Sites = Vec<Vec<Site>>;

#[rustfmt::skip]
const SUPERBLOCK: &[(u16, u8)] = &[
    (0x0, 4), (0x4, 4), (0xc, 4), (0x10, 4), (0x14, 4), (0x18, 4), (0x1c, 4), (0x20, 4), (0x24, 4), (0x28, 4), (0x3a, 2),
    (0x4c, 4), (0x54, 4), (0x58, 2), (0x5a, 2), (0x5c, 4), (0x60, 4), (0x64, 4), (0x5c, 4), (0x60, 4), (0x64, 4),
    (0x68, 4), (0x78, 1), (0xce, 2), (0xd0, 4), (0xe0, 4), (0xe4, 4), (0xe8, 4), (0xfc, 1), (0xfe, 2), (0x104, 4),
    (0x150, 4), (0x158, 4), (0x15c, 2), (0x160, 4), (0x174, 1), (0x175, 1), (0x24c, 4), (0x250, 4), (0x270, 4), (0x280, 4),
];
#[rustfmt::skip]
const DESCRIPTOR: &[(u16, u8)] = &[
    (0x0, 4), (0x4, 4), (0x8, 4), (0xc, 2), (0xe, 2), (0x10, 2), (0x12, 2), (0x1c, 2), (0x28, 4), (0x32, 2),
];
#[rustfmt::skip]
const INODE: &[(u16, u8)] = &[
    (0x0, 2), (0x0, 2), (0x2, 2), (0x4, 4), (0x4, 4), (0x8, 4), (0xc, 4), (0x10, 4), (0x14, 4), (0x18, 2), (0x1a, 2),
    (0x1c, 4), (0x20, 4), (0x20, 4), (0x28, 4), (0x2c, 4), (0x30, 4), (0x34, 4), (0x38, 4), (0x3c, 4), (0x54, 4), (0x58, 4),
    (0x5c, 4), (0x60, 4), (0x64, 4), (0x68, 4), (0x6c, 4), (0x74, 2), (0x76, 2), (0x78, 2), (0x80, 2), (0x84, 4),
    (0x88, 4), (0x8c, 4), (0x90, 4), (0x94, 4), (0x9c, 4), (0xa0, 4), (0xa4, 4),
];
const EXTENT_HEADER: &[(u16, u8)] = &[(0, 2), (2, 2), (4, 2), (6, 2)];
const EXTENT: &[(u16, u8)] = &[(0, 4), (4, 2), (6, 2), (8, 4), (4, 4), (8, 2)];
const POINTER: &[(u16, u8)] = &[(0, 4)];
#[rustfmt::skip]
const NAME: &[(u16, u8)] = &[(0, 4), (0, 4), (4, 2), (6, 1), (7, 1), (8, 1), (9, 1)];
const INDEX: &[(u16, u8)] = &[(0x1c, 1), (0x1d, 1), (0x1e, 1), (0x20, 2), (0x22, 2)];
const ATTRIBUTE_HEADER: &[(u16, u8)] = &[(0, 4), (4, 4), (8, 4)];
const ATTRIBUTE: &[(u16, u8)] = &[(0, 1), (1, 1), (2, 2), (4, 4), (8, 4), (12, 4), (16, 1)];
#[rustfmt::skip]
const JOURNAL_SUPERBLOCK: &[(u16, u8)] = &[
    (0x4, 4), (0xc, 4), (0x10, 4), (0x14, 4), (0x18, 4), (0x1c, 4), (0x20, 4), (0x24, 4), (0x28, 4), (0x2c, 4),
    (0x40, 4), (0x50, 1), (0x54, 4),
];
const JOURNAL_BLOCK: &[(u16, u8)] = &[(4, 4), (8, 4), (0xc, 4), (0x10, 4), (0x14, 4), (0x30, 4)];
const TAG: &[(u16, u8)] = &[(0, 4), (4, 2), (6, 2), (8, 4)];
const FAST_COMMIT: &[(u16, u8)] = &[(0, 2), (2, 2), (4, 4), (8, 4), (12, 4), (16, 4)];
#[rustfmt::skip]
const GPT: &[(u16, u8)] = &[
    (0x8, 4), (0xc, 4), (0x18, 8), (0x20, 8), (0x28, 8), (0x30, 8), (0x48, 8), (0x50, 4), (0x54, 4),
];
const GPT_ENTRY: &[(u16, u8)] = &[(0, 4), (0x10, 4), (0x20, 8), (0x28, 8), (0x30, 8), (0x38, 2)];
const MBR_ENTRY: &[(u16, u8)] = &[(0, 1), (4, 1), (8, 4), (12, 4)];
const ORPHAN: &[(u16, u8)] = &[(0, 4), (4, 4), (8, 4)];

fn site(at: usize, fields: &'static [(u16, u8)]) -> Site {
    Site { at, fields, is_big_endian: false }
}

/// All structures of an image.
pub fn all(image: &[u8]) -> Sites {
    let mut sites = tables(image);
    for ext in starts(image).into_iter().filter_map(|start| Ext::at(image, start)) {
        sites.extend(filesystem(image, &ext));
    }
    sites.retain(|places| !places.is_empty());
    sites
}

/// The structures of partition tables.
pub fn tables(image: &[u8]) -> Sites {
    let mut headers = Vec::new();
    let mut entries = Vec::new();
    for sector in [512, 4096] {
        let last = (image.len() / sector).saturating_sub(1) * sector;
        for header in [sector, last] {
            if slice(image, header..header + 8) == b"EFI PART" {
                headers.push(site(header, GPT));
                let first = usize::try_from(le64(image, header + 0x48)).unwrap_or(0).saturating_mul(sector);
                let len = usize::try_from(le32(image, header + 0x54)).unwrap_or(0);
                let places = (0..8).map(|index: usize| first.saturating_add(index.saturating_mul(len)));
                entries.extend(places.filter(|at| *at < image.len()).map(|at| site(at, GPT_ENTRY)));
            }
        }
    }
    // Boot records: the first sector, and those of logical partitions.
    let records = (0..image.len()).step_by(512).filter(|at| le16(image, at + 510) == 0xaa55).take(16);
    let mbr = records.flat_map(|at| (0..4).map(move |slot| site(at + 446 + 16 * slot, MBR_ENTRY)));
    vec![headers, entries, mbr.collect()]
}

fn filesystem(image: &[u8], ext: &Ext) -> Sites {
    let descriptors =
        (0..ext.groups).filter_map(|group| ext.descriptor(group)).map(|at| site(at, DESCRIPTOR));
    let inodes = ext.inodes(image);
    let mut sites = vec![vec![site(ext.superblock(), SUPERBLOCK)], descriptors.collect()];
    sites.push(inodes.iter().map(|inode| site(inode.at, INODE)).collect());
    let mut kinds: [Vec<Site>; 7] = Default::default();
    let mut journal_sites = Vec::new();
    for inode in inodes {
        let [headers, extents, pointers, names, index, attributes, orphans] = &mut kinds;
        let map = ext.map(image, inode);
        for node in map.nodes.iter().copied().chain([inode.at + 0x28]) {
            if le16(image, node) == 0xf30a {
                headers.push(site(node, EXTENT_HEADER));
                let entries = usize::from(le16(image, node + 2)).min(16);
                extents.extend((0..entries).map(|entry| site(node + 12 + 12 * entry, EXTENT)));
            } else {
                pointers.extend((0..16).map(|entry| site(node + 4 * entry, POINTER)));
            }
        }
        let is_inline = le32(image, inode.at + 0x20) & INLINE_DATA_FL != 0;
        if le16(image, inode.at) >> 12 == 0o4 && is_inline {
            names.extend(self::names(image, inode.at + 0x2c, 56));
        } else if le16(image, inode.at) >> 12 == 0o4 {
            index.extend(map.blocks.first().map(|block| site(*block, INDEX)));
            names.extend(map.blocks.iter().take(16).flat_map(|at| self::names(image, *at, ext.block_size)));
        } else if inode.number == ext.orphan_file_inode {
            orphans.extend(map.blocks.first().map(|block| site(*block, ORPHAN)));
        } else if inode.number == ext.journal_inode {
            journal_sites = journal(image, &map.blocks, ext.block_size);
        }
        attributes.extend(self::attributes(image, ext, inode));
    }
    sites.extend(kinds);
    sites.extend(journal_sites);
    sites
}

fn names(image: &[u8], start: usize, len: usize) -> Vec<Site> {
    let mut found = Vec::new();
    let mut at = start;
    while at + 8 <= start + len && found.len() < 64 {
        found.push(site(at, NAME));
        at += usize::from(le16(image, at + 4)).max(4);
    }
    found
}

fn attributes(image: &[u8], ext: &Ext, inode: InodePlace) -> Vec<Site> {
    let mut found = Vec::new();
    let block = ext.attribute_block(image, inode);
    if let Some(at) = ext.block(block).filter(|at| block != 0 && le32(image, *at) == 0xea02_0000) {
        found.push(site(at, ATTRIBUTE_HEADER));
        found.extend(entries(image, at + 0x20, at + ext.block_size));
    }
    let magic = inode.at + 128 + usize::from(le16(image, inode.at + 0x80));
    if ext.inode_size > 128 && le32(image, magic) == 0xea02_0000 {
        found.extend(entries(image, magic + 4, inode.at + ext.inode_size));
    }
    found
}

fn entries(image: &[u8], start: usize, end: usize) -> Vec<Site> {
    let mut found = Vec::new();
    let mut at = start;
    while at + 16 <= end && le32(image, at) != 0 && found.len() < 32 {
        found.push(site(at, ATTRIBUTE));
        at += (16 + usize::from(bytes_at::<1>(image, at)[0])).next_multiple_of(4);
    }
    found
}

fn journal(image: &[u8], blocks: &[usize], block_size: usize) -> Sites {
    let Some(superblock) = blocks.first().copied().filter(|at| is_journal(image, *at)) else {
        return Vec::new();
    };
    let big = |at, fields| Site { at, fields, is_big_endian: true };
    let format = journal::Format::at(image, superblock);
    let mut own = Vec::new();
    let mut tags = Vec::new();
    let mut fast = Vec::new();
    for at in blocks.iter().copied().skip(1) {
        if be32(image, at) == journal::MAGIC {
            own.push(big(at, JOURNAL_BLOCK));
            if be32(image, at + 4) == journal::DESCRIPTOR {
                let found = format.tags(slice(image, at..at + block_size));
                tags.extend(found.into_iter().take(16).map(|tag| big(at + tag, TAG)));
            }
        } else if le16(image, at) == 9 && le16(image, at + 2) == 8 {
            let mut tag = at;
            while tag + 8 < at + block_size && le16(image, tag) != 0 && fast.len() < 64 {
                fast.push(site(tag, FAST_COMMIT));
                tag += 4 + usize::from(le16(image, tag + 2));
            }
        }
    }
    vec![vec![big(superblock, JOURNAL_SUPERBLOCK)], own, tags, fast]
}
