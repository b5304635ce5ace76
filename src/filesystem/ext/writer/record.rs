//! The record of an inode.
//!
//! <https://docs.kernel.org/filesystems/ext4/inodes.html>

use super::map::{I_BLOCK_LEN, Map};
use crate::fields::{high_half, high_quarter, low_half, low_quarter, put_bytes, put_u16, put_u32, u32_at};
use crate::filesystem::ext::inode::{BASE_LEN, HUGE_FILE_FL, I_BLOCK_AT};
use crate::filesystem::ext::superblock::Superblock;
use crate::filesystem::{FileKind, Metadata, Timestamp};

/// Extra fields up to the time of creation, without it.
const WITHOUT_CREATION: usize = 16;
/// All extra fields that there are.
const ALL: usize = 32;

/// What an inode has besides.
#[derive(Clone, Debug)]
pub(super) struct Rest {
    pub size: u64,
    pub links: u16,
    /// Units of 512 bytes.
    pub sectors: u64,
    /// Flags that belong to how its content is kept.
    pub flags: u32,
    pub i_block: [u8; I_BLOCK_LEN],
    pub generation: u32,
    /// The block that has its attributes; 0 for none.
    pub attribute_block: u64,
}

/// Bytes of extra fields in an inode.
pub(super) fn extra_len(superblock: &Superblock, new: &Metadata) -> usize {
    let most = usize::from(superblock.inode_size).saturating_sub(BASE_LEN);
    let wanted = usize::from(superblock.want_extra_isize).max(ALL).next_multiple_of(4);
    let has_all = new.created.is_some() || new.project.is_some_and(|project| project != 0);
    if has_all { wanted.min(most) } else { WITHOUT_CREATION.min(most) }
}

/// The number of an owner or a group. The caller gives none that has more than 32 bits.
pub(super) fn id(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// What an inode is, as the upper bits of its mode say.
fn kind_bits(kind: FileKind) -> u16 {
    match kind {
        FileKind::Fifo => 0o01_0000,
        FileKind::CharacterDevice { .. } => 0o02_0000,
        FileKind::Directory => 0o04_0000,
        FileKind::BlockDevice { .. } => 0o06_0000,
        // An image is a regular file to every filesystem.
        FileKind::Regular | FileKind::Image => 0o10_0000,
        FileKind::Symlink => 0o12_0000,
        FileKind::Socket => 0o14_0000,
    }
}

/// The record of an inode, without its checksum. `space` is what lies behind the extra fields.
pub(super) fn encode(
    superblock: &Superblock,
    kind: FileKind,
    new: &Metadata,
    rest: &Rest,
    space: &[u8],
) -> Vec<u8> {
    let (uid, gid) = (id(new.uid), id(new.gid));
    let mut record = vec![0; usize::from(superblock.inode_size)];
    let at = record.as_mut_slice();
    put_u16(at, 0x0, kind_bits(kind) | new.mode & 0o7777);
    put_u16(at, 0x2, low_quarter(uid));
    put_u32(at, 0x4, low_half(rest.size));
    put_u16(at, 0x18, low_quarter(gid));
    put_u16(at, 0x1a, rest.links);
    let (count, huge) = match superblock.features.has_huge_file() && rest.sectors >> 48 != 0 {
        true => (rest.sectors.checked_div(u64::from(superblock.block_size / 512)).unwrap_or(0), HUGE_FILE_FL),
        false => (rest.sectors, 0),
    };
    put_u32(at, 0x1c, low_half(count));
    put_u16(at, 0x74, low_quarter(high_half(count)));
    put_u32(at, 0x20, new.flags.0 | rest.flags | huge);
    put_bytes(at, I_BLOCK_AT, &rest.i_block);
    put_u32(at, 0x64, rest.generation);
    put_u32(at, 0x68, low_half(rest.attribute_block));
    put_u32(at, 0x6c, high_half(rest.size));
    put_u16(at, 0x76, low_quarter(high_half(rest.attribute_block)));
    put_u16(at, 0x78, high_quarter(uid));
    put_u16(at, 0x7a, high_quarter(gid));
    let extra = extra_len(superblock, new);
    let has = |at: usize| at < BASE_LEN || at.saturating_add(4) <= BASE_LEN.saturating_add(extra);
    let times = [
        (new.accessed, 0x8, 0x8c),
        (new.changed, 0xc, 0x84),
        (new.modified, 0x10, 0x88),
        (new.created, 0x90, 0x94),
    ];
    for (time, low_at, extra_at) in times {
        let Some(time) = time else { continue };
        let (low, high) = encode_time(time);
        if has(low_at) {
            put_u32(at, low_at, low);
        }
        if has(extra_at) {
            put_u32(at, extra_at, high);
        }
    }
    if extra > 0 {
        put_u16(at, BASE_LEN, u16::try_from(extra).unwrap_or(0));
    }
    if extra >= ALL {
        put_u32(at, 0x9c, new.project.unwrap_or(0));
    }
    put_bytes(at, BASE_LEN.saturating_add(extra), space);
    record
}

/// Gives a record another content: its map, size, and units of 512 bytes.
pub(super) fn replace_content(record: &mut [u8], size: u64, sectors: u64, map: &Map) {
    put_u32(record, 0x4, low_half(size));
    put_u32(record, 0x6c, high_half(size));
    put_u32(record, 0x1c, low_half(sectors));
    put_u16(record, 0x74, low_quarter(high_half(sectors)));
    let flags = u32_at(record, 0x20).unwrap_or(0);
    put_u32(record, 0x20, flags | map.flags);
    put_bytes(record, I_BLOCK_AT, &map.i_block);
}

/// The two fields of a time: 32 bits of seconds, and two more with the nanoseconds.
fn encode_time(time: Timestamp) -> (u32, u32) {
    let [a, b, c, d, ..] = time.seconds.to_le_bytes();
    let low = i32::from_le_bytes([a, b, c, d]);
    let epoch = time.seconds.saturating_sub(i64::from(low)) >> 32 & 0x3;
    let epoch = u32::try_from(epoch).unwrap_or(0);
    (u32::from_le_bytes(low.to_le_bytes()), epoch | time.nanoseconds.min(999_999_999) << 2)
}

/// Whether an inode can keep this time.
pub(super) fn keeps_time(superblock: &Superblock, time: Timestamp) -> bool {
    let most = if superblock.inode_size > 128 { 0x3_7fff_ffff } else { i64::from(i32::MAX) };
    (i64::from(i32::MIN)..=most).contains(&time.seconds) && time.nanoseconds < 1_000_000_000
}

/// The numbers of a device, as `i_block` keeps them: in the old form where it has space for them.
pub(super) fn device_numbers(major: u32, minor: u32) -> [u8; I_BLOCK_LEN] {
    let mut i_block = [0; I_BLOCK_LEN];
    if major < 256 && minor < 256 {
        put_u32(&mut i_block, 0, major << 8 | minor);
    } else {
        put_u32(&mut i_block, 4, minor & 0xff | major << 8 | (minor & !0xff) << 12);
    }
    i_block
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filesystem::Flags;
    use crate::filesystem::ext::inode;
    use crate::filesystem::ext::superblock::tests::sound;

    #[test]
    fn an_inode_that_is_written_is_the_one_that_is_read() {
        let superblock = sound();
        for seconds in [i64::from(i32::MIN), -1, 0, i64::from(i32::MAX), 0x8000_0000, 0x3_7fff_ffff] {
            let time = Timestamp { seconds, nanoseconds: 999_999_999 };
            let kind = FileKind::BlockDevice { major: 300, minor: 0xf_ff01 };
            let new = Metadata {
                mode: 0o4755,
                uid: 0xfff0_0001,
                gid: 70_000,
                accessed: Some(time),
                modified: Some(Timestamp { seconds, nanoseconds: 1 }),
                changed: Some(Timestamp { seconds, nanoseconds: 2 }),
                created: Some(Timestamp { seconds, nanoseconds: 3 }),
                flags: Flags(0x40),
                project: None,
                attributes: Vec::new(),
            };
            let i_block = device_numbers(300, 0xf_ff01);
            let rest =
                Rest { size: 0, links: 3, sectors: 8, flags: 0, i_block, generation: 7, attribute_block: 9 };
            let mut record = encode(&superblock, kind, &new, &rest, &[]);
            inode::seal(&superblock, 12, &mut record).unwrap();
            let read = inode::parse(&superblock, 12, record).unwrap();
            assert_eq!((read.fault, read.kind, read.links), (None, kind, 3));
            assert_eq!(read.metadata, new);
            let read = encode(&superblock, kind, &Metadata { created: None, ..new }, &rest, &[]);
            assert_eq!(inode::parse(&superblock, 12, read).unwrap().metadata.created, None);
        }
    }
}
