//! What of a superblock is a setting: put there as it was, since the program that makes filesystems takes only some of it.

use crate::fields::{high_half, low_half, put_bytes, put_u8, put_u16, put_u32, u32_at};
use crate::filesystem::ext::features::Features;
use crate::filesystem::ext::geometry::Geometry;

/// Lengths of texts in a superblock.
const LABEL_LEN: usize = 16;
const TEXT_LEN: usize = 64;
/// Features that change nothing about how a filesystem is made: they are put there when it is.
const COMPAT_LATER: u32 = 0x1 | 0x2;
const RO_COMPAT_LATER: u32 = 0x1000;
/// `s_flags`.
const SIGNED_HASH: u32 = 0x1;
const UNSIGNED_HASH: u32 = 0x2;

/// Puts the settings into a superblock.
pub(super) fn apply(superblock: &mut [u8], geometry: &Geometry) {
    put_u32(superblock, 0x8, low_half(geometry.reserved_blocks));
    let has_halves = u32_at(superblock, 0x60).is_ok_and(|incompat| incompat & 0x80 != 0);
    if has_halves {
        put_u32(superblock, 0x154, high_half(geometry.reserved_blocks));
    }
    put_u16(superblock, 0x36, u16::from_le_bytes(geometry.mounts_between_checks.to_le_bytes()));
    put_u16(superblock, 0x3c, geometry.errors);
    put_u32(superblock, 0x44, geometry.seconds_between_checks);
    put_u16(superblock, 0x50, geometry.reserved_uid);
    put_u16(superblock, 0x52, geometry.reserved_gid);
    let wanted = Features::of_names(&geometry.features);
    for (at, later, wanted) in
        [(0x5c, COMPAT_LATER, wanted.compat), (0x64, RO_COMPAT_LATER, wanted.ro_compat)]
    {
        let there = u32_at(superblock, at).unwrap_or(0);
        put_u32(superblock, at, there | later & wanted);
    }
    put_bytes(superblock, 0x68, geometry.uuid.as_bytes());
    text(superblock, 0x78, LABEL_LEN, &geometry.label_hex);
    text(superblock, 0x88, TEXT_LEN, &geometry.mounted_hex);
    put_bytes(superblock, 0xec, geometry.hash_seed.as_bytes());
    put_u8(superblock, 0xfc, geometry.hash_version);
    put_u32(superblock, 0x100, geometry.default_mount_options);
    put_u32(superblock, 0x108, geometry.made);
    if geometry.inode_bytes > 128 {
        put_u16(superblock, 0x15c, geometry.min_extra_isize);
        put_u16(superblock, 0x15e, geometry.want_extra_isize);
    }
    let flags = u32_at(superblock, 0x160).unwrap_or(0) & !(SIGNED_HASH | UNSIGNED_HASH);
    put_u32(superblock, 0x160, flags | if geometry.hash_signed { SIGNED_HASH } else { UNSIGNED_HASH });
    put_u16(superblock, 0x164, geometry.stride);
    put_u32(superblock, 0x170, geometry.stripe_width);
    text(superblock, 0x200, TEXT_LEN, &geometry.mount_options_hex);
    put_bytes(superblock, 0x254, &geometry.encryption);
}

fn text(superblock: &mut [u8], at: usize, len: usize, text: &[u8]) {
    let mut padded = text.to_vec();
    padded.resize(len, 0);
    put_bytes(superblock, at, &padded);
}
