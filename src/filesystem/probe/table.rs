//! Signatures that are some bytes at one place, a line each.
//!
//! Sources: the superblock structures of the kernel's filesystems (`fs/`, `include/uapi/linux/`), and the
//! specifications of those that it has none for.

use super::Signature;
use super::head::Head;
use crate::fields::{be32_at, be64_at, u16_at, u32_at, u64_at};

/// Where something else about a volume is; all positions count from its start, in bytes.
#[derive(Clone, Copy)]
enum At {
    Nowhere,
    /// Text that ends at a NUL: position, length.
    Text(usize, usize),
    /// UTF-16, little-endian: position, length in bytes.
    Utf16(usize, usize),
    /// A UUID of 16 bytes.
    Uuid(usize),
    /// Two little-endian numbers of 32 bits.
    Pair(usize),
}

/// One line of the table.
struct Row {
    name: &'static str,
    at: usize,
    magic: &'static [u8],
    label: At,
    uuid: At,
    /// What else must be true, for a magic that may be chance or may be left from before.
    check: fn(&[u8]) -> Option<bool>,
}

const fn row(name: &'static str, at: usize, magic: &'static [u8]) -> Row {
    Row { name, at, magic, label: At::Nowhere, uuid: At::Nowhere, check: |_| Some(true) }
}

impl Row {
    const fn label(self, label: At) -> Self {
        Self { label, ..self }
    }

    const fn uuid(self, uuid: At) -> Self {
        Self { uuid, ..self }
    }

    const fn check(self, check: fn(&[u8]) -> Option<bool>) -> Self {
        Self { check, ..self }
    }

    fn find(&self, head: &Head<'_>) -> Option<Signature> {
        let found = head.has(self.at, self.magic) && (self.check)(head.bytes()) == Some(true);
        found.then(|| Signature { name: self.name, label: self.label.read(head), uuid: self.uuid.read(head) })
    }
}

impl At {
    fn read(self, head: &Head<'_>) -> String {
        match self {
            Self::Nowhere => String::new(),
            Self::Text(at, len) => head.text(at, len),
            Self::Utf16(at, len) => head.utf16(at, len),
            Self::Uuid(at) => head.uuid(at),
            Self::Pair(at) => pair(head.bytes(), at).unwrap_or_default(),
        }
    }
}

fn pair(bytes: &[u8], at: usize) -> Option<String> {
    let (first, second) = (u32_at(bytes, at).ok()?, u32_at(bytes, at.checked_add(4)?).ok()?);
    Some(if (first, second) == (0, 0) { String::new() } else { format!("{first:08x}{second:08x}") })
}

const K1: usize = 1 << 10;
const K4: usize = 4 << 10;
const K8: usize = 8 << 10;
const K16: usize = 16 << 10;
const K32: usize = 32 << 10;
const K64: usize = 64 << 10;

/// What holds other things.
#[rustfmt::skip]
const MEMBERS: [Row; 6] = [
    row("crypto_LUKS", 0, b"LUKS\xba\xbe\0\x01").uuid(At::Text(168, 40)),
    row("crypto_LUKS", 0, b"LUKS\xba\xbe\0\x02").uuid(At::Text(168, 40)).label(At::Text(24, 48)),
    row("BitLocker", 3, b"-FVE-FS-"),
    row("bcache", K4 + 24, b"\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81").uuid(At::Uuid(K4 + 40)),
    // The first pair in the list of names and values that each label of a pool begins with.
    row("zfs_member", K16 + 24, b"version\0").check(|bytes| Some(matches!(bytes.get(K16..K16 + 2)?, [0 | 1, 0 | 1]))),
    row("LVM1_member", 0, b"HM\x01\0"),
];

/// Filesystems.
#[rustfmt::skip]
const FILESYSTEMS: [Row; 20] = [
    row("xfs", 0, b"XFSB").uuid(At::Uuid(32)).label(At::Text(108, 12)).check(xfs_block_size),
    row("btrfs", K64 + 64, b"_BHRfS_M").uuid(At::Uuid(K64 + 32)).label(At::Text(K64 + 0x12b, 256)).check(|bytes| Some(u64_at(bytes, K64 + 48).ok()? == 65536)),
    row("bcachefs", K4 + 24, b"\xc6\x85\x73\xf6\x66\xce\x90\xa9\xd9\x6a\x60\xcf\x80\x3d\xf7\xef").uuid(At::Uuid(K4 + 56)).label(At::Text(K4 + 72, 32)),
    row("f2fs", K1, b"\x10\x20\xf5\xf2").uuid(At::Uuid(K1 + 108)).label(At::Utf16(K1 + 124, 1024)),
    row("erofs", K1, b"\xe2\xe1\xf5\xe0").uuid(At::Uuid(K1 + 48)).label(At::Text(K1 + 64, 16)),
    row("squashfs", 0, b"hsqs").check(|bytes| Some(u16_at(bytes, 28).ok()? >= 4)),
    row("squashfs3", 0, b"hsqs").check(|bytes| Some(u16_at(bytes, 28).ok()? < 4)),
    row("squashfs3", 0, b"sqsh"),
    row("cramfs", 0, b"\x45\x3d\xcd\x28").label(At::Text(48, 16)),
    row("apfs", 32, b"NXSB").uuid(At::Uuid(72)),
    row("jfs", K32, b"JFS1").uuid(At::Uuid(K32 + 136)).label(At::Text(K32 + 152, 16)),
    row("reiserfs", K64 + 52, b"ReIsErFs"),
    row("reiserfs", K64 + 52, b"ReIsEr2Fs").uuid(At::Uuid(K64 + 84)).label(At::Text(K64 + 100, 16)),
    row("reiserfs", K64 + 52, b"ReIsEr3Fs").uuid(At::Uuid(K64 + 84)).label(At::Text(K64 + 100, 16)),
    row("nilfs2", K1 + 6, b"\x34\x34").uuid(At::Uuid(K1 + 152)).label(At::Text(K1 + 168, 80)).check(nilfs2_revision),
    row("gfs2", K64, b"\x01\x16\x19\x70\0\0\0\x01").uuid(At::Uuid(K64 + 256)).label(At::Text(K64 + 160, 64)).check(gfs2_format),
    row("ufs", K8 + 1372, b"\x54\x19\x01\0").uuid(At::Pair(K8 + 144)),
    row("ufs", K64 + 1372, b"\x19\x01\x54\x19").uuid(At::Pair(K64 + 144)).label(At::Text(K64 + 680, 32)),
    row("hfsplus", K1, b"H+\0\x04"),
    row("hfsplus", K1, b"HX\0\x05"),
];

/// `sb_blocksize`: a power of two from 512 to 65536.
fn xfs_block_size(bytes: &[u8]) -> Option<bool> {
    let sb_blocksize = be32_at(bytes, 4).ok()?;
    Some(sb_blocksize.is_power_of_two() && (512..=65536).contains(&sb_blocksize))
}

/// Length of an XFS or Btrfs filesystem: `sb_dblocks` blocks of `sb_blocksize`;
/// `dev_item.total_bytes`.
pub(super) fn len_bytes(head: &Head<'_>) -> Option<u64> {
    let bytes = head.bytes();
    match find_filesystem(head)?.name {
        "xfs" => be64_at(bytes, 8).ok()?.checked_mul(be32_at(bytes, 4).ok()?.into()),
        "btrfs" => u64_at(bytes, K64 + 0xd1).ok(),
        _ => None,
    }
}

/// `s_rev_level` and `s_bytes`: revision 2, and a superblock that fits its block.
fn nilfs2_revision(bytes: &[u8]) -> Option<bool> {
    let (s_rev_level, s_bytes) = (u32_at(bytes, K1).ok()?, u16_at(bytes, K1 + 8).ok()?);
    Some(s_rev_level == 2 && (200..=1024).contains(&s_bytes))
}

/// `sb_fs_format`: 1801 and those to come; GFS, the first one, has 1309.
fn gfs2_format(bytes: &[u8]) -> Option<bool> {
    Some((1800..1900).contains(&be32_at(bytes, K64 + 24).ok()?))
}

pub(super) fn find_member(head: &Head<'_>) -> Option<Signature> {
    MEMBERS.iter().find_map(|row| row.find(head))
}

pub(super) fn find_filesystem(head: &Head<'_>) -> Option<Signature> {
    FILESYSTEMS.iter().find_map(|row| row.find(head))
}
