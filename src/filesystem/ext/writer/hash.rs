//! The hashes of names that an index of a directory is sorted by.
//!
//! <https://docs.kernel.org/filesystems/ext4/directory.html#hash-tree-directories>; half MD4 is three short rounds of RFC 1320, TEA is
//! Wheeler's and Needham's cipher with sixteen rounds.

use crate::fields::{Short, u8_at, u32_at};

/// `DX_HASH_LEGACY`, `DX_HASH_HALF_MD4`, `DX_HASH_TEA`.
const LEGACY: u8 = 0;
const HALF_MD4: u8 = 1;
const TEA: u8 = 2;
/// `s_flags`: bytes of names count as unsigned.
const UNSIGNED_HASH: u32 = 0x2;
/// Where the hashes begin without a seed: as MD4 does.
const START: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
/// The largest hash means the end of a directory (`EXT4_HTREE_EOF_32BIT`).
const END: u32 = 0x7fff_ffff << 1;

/// How the names of one filesystem are hashed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hasher {
    /// As the root of an index tells it.
    pub version: u8,
    is_signed: bool,
    seed: [u32; 4],
}

impl Hasher {
    /// As a superblock says.
    pub(super) fn of(superblock: &[u8]) -> Result<Self, Short> {
        let mut seed = [0; 4];
        for (word, at) in seed.iter_mut().zip([0xec, 0xf0, 0xf4, 0xf8]) {
            *word = u32_at(superblock, at)?;
        }
        if seed == [0; 4] {
            seed = START;
        }
        let version = match u8_at(superblock, 0xfc)? {
            known @ (LEGACY | TEA) => known,
            _ => HALF_MD4,
        };
        Ok(Self { version, is_signed: u32_at(superblock, 0x160)? & UNSIGNED_HASH == 0, seed })
    }

    /// The hash of a name, which is even, and a second one for names with the same.
    pub(super) fn hash(&self, name: &[u8]) -> (u32, u32) {
        let (hash, minor) = match self.version {
            LEGACY => (self.legacy(name), 0),
            TEA => self.chained(name, 4, tea),
            _ => self.half_md4(name),
        };
        match hash & !1 {
            END => (END.wrapping_sub(2), minor),
            hash => (hash, minor),
        }
    }

    fn half_md4(&self, name: &[u8]) -> (u32, u32) {
        let state = self.state(name, 8, half_md4);
        let [_, hash, minor, _] = state;
        (hash, minor)
    }

    fn chained(&self, name: &[u8], words: usize, round: fn(&mut [u32; 4], &[u32])) -> (u32, u32) {
        let [hash, minor, ..] = self.state(name, words, round);
        (hash, minor)
    }

    fn state(&self, name: &[u8], words: usize, round: fn(&mut [u32; 4], &[u32])) -> [u32; 4] {
        let mut state = self.seed;
        let mut rest = name;
        while !rest.is_empty() {
            round(&mut state, &self.words(rest, words));
            rest = rest.get(words.saturating_mul(4)..).unwrap_or_default();
        }
        state
    }

    fn byte(&self, byte: u8) -> u32 {
        match self.is_signed {
            true => i32::from(i8::from_le_bytes([byte])).cast_unsigned(),
            false => u32::from(byte),
        }
    }

    /// A part of a name as words; what is missing is filled up with the length of the name from here on.
    fn words(&self, name: &[u8], count: usize) -> Vec<u32> {
        let len = u32::try_from(name.len()).unwrap_or(u32::MAX);
        let pad = len | len << 8;
        let pad = pad | pad << 16;
        let taken = name.get(..count.saturating_mul(4)).unwrap_or(name);
        let word = |part: &[u8]| part.iter().fold(pad, |word, byte| self.byte(*byte).wrapping_add(word << 8));
        taken.chunks(4).map(word).chain(std::iter::repeat(pad)).take(count).collect()
    }

    fn legacy(&self, name: &[u8]) -> u32 {
        let (mut hash, mut before) = (0x12a3_fe2d_u32, 0x37ab_e8f9_u32);
        for byte in name {
            let next = before.wrapping_add(hash ^ self.byte(*byte).wrapping_mul(7_152_373));
            let next = if next & 0x8000_0000 == 0 { next } else { next.wrapping_sub(0x7fff_ffff) };
            (before, hash) = (hash, next);
        }
        hash << 1
    }
}

fn tea(state: &mut [u32; 4], words: &[u32]) {
    const DELTA: u32 = 0x9e37_79b9;
    let [a, b, ..] = *state;
    let &[k0, k1, k2, k3] = words else { return };
    let (mut a, mut b, mut sum) = (a, b, 0_u32);
    for _ in 0..16 {
        sum = sum.wrapping_add(DELTA);
        a = a.wrapping_add((b << 4).wrapping_add(k0) ^ b.wrapping_add(sum) ^ (b >> 5).wrapping_add(k1));
        b = b.wrapping_add((a << 4).wrapping_add(k2) ^ a.wrapping_add(sum) ^ (a >> 5).wrapping_add(k3));
    }
    let [first, second, ..] = state;
    *first = first.wrapping_add(a);
    *second = second.wrapping_add(b);
}

/// The order in which a round takes the words, how far it turns, its constant and its function.
type Round = ([usize; 8], [u32; 4], u32, fn(u32, u32, u32) -> u32);

const ROUNDS: [Round; 3] = [
    ([0, 1, 2, 3, 4, 5, 6, 7], [3, 7, 11, 19], 0, |x, y, z| z ^ (x & (y ^ z))),
    ([1, 3, 5, 7, 0, 2, 4, 6], [3, 5, 9, 13], 0x5a82_7999, |x, y, z| (x & y).wrapping_add((x ^ y) & z)),
    ([3, 7, 2, 6, 1, 5, 0, 4], [3, 9, 11, 15], 0x6ed9_eba1, |x, y, z| x ^ y ^ z),
];

fn half_md4(state: &mut [u32; 4], words: &[u32]) {
    let [mut a, mut b, mut c, mut d] = *state;
    for (order, turns, constant, function) in ROUNDS {
        for (index, turn) in order.into_iter().zip(turns.into_iter().cycle()) {
            let word = words.get(index).copied().unwrap_or(0);
            let sum = a.wrapping_add(function(b, c, d)).wrapping_add(word).wrapping_add(constant);
            (a, b, c, d) = (d, sum.rotate_left(turn), b, c);
        }
    }
    for (word, add) in state.iter_mut().zip([a, b, c, d]) {
        *word = word.wrapping_add(add);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `debugfs -R "dx_hash -h HASHALG_N NAME"` says; from 3 on, bytes are unsigned.
    #[test]
    fn hashes_are_those_that_debugfs_computes() {
        let hasher = |version, is_signed| Hasher { version, is_signed, seed: START };
        let cases = include!("hash/known.rs");
        for (version, is_signed, name, hash, minor) in cases {
            let name: &[u8] = name;
            assert_eq!(
                hasher(version, is_signed).hash(name),
                (hash, minor),
                "{version} {is_signed} {name:?}"
            );
        }
    }
}
