//! Changes an image in a few places where it hurts, and repairs its checksums.

use super::fields::{bytes_at, le32, put};
use super::random::Random;
use super::repair;
use super::site::{self, Site, Sites};

/// Changes some bytes without moving any: what a fuzzer brings along.
pub type Bytes<'a> = &'a mut dyn FnMut(&mut [u8]);

const SECTOR_LEN: usize = 512;

/// Mutates an image. `bytes`, where there is one, is used for some of the changes.
pub fn image(image: &mut [u8], random: &mut Random, mut bytes: Option<Bytes<'_>>) {
    let sites = site::all(image);
    for _ in 0..=random.below(4) {
        match random.below(16) {
            0 => copy_structure(image, &sites, random),
            1 => copy_range(image, random, 1024),
            2 => swap_ranges(image, random, 1024),
            3 => flip(image, random),
            4 | 5 => match bytes.as_mut() {
                Some(bytes) => some_bytes(image, &sites, random, bytes),
                None => flip(image, random),
            },
            _ => change_field(image, &sites, random),
        }
    }
    // Now and then the checksums stay wrong, so that what happens then is seen too.
    if !random.one_in(16) {
        repair::image(image);
    }
}

fn draw<'a>(sites: &'a Sites, random: &mut Random) -> Option<&'a Site> {
    let kind = random.below(sites.len());
    random.pick(sites.get(kind)?)
}

fn change_field(image: &mut [u8], sites: &Sites, random: &mut Random) {
    let Some(site) = draw(sites, random) else { return };
    let Some((offset, len)) = random.pick(site.fields).copied() else { return };
    let (at, len) = (site.at + usize::from(offset), usize::from(len));
    let bytes = bytes_at::<8>(image, at);
    let mut field = [0; 8];
    field[..len].copy_from_slice(&bytes[..len]);
    if site.is_big_endian {
        field[..len].reverse();
    }
    let value = number(image, u64::from_le_bytes(field), len, random);
    let mut field = value.to_le_bytes();
    if site.is_big_endian {
        field[..len].reverse();
    }
    put(image, at, &field[..len]);
}

/// A number that a field may hold in the place of `old`.
pub(super) fn number(image: &[u8], old: u64, len: usize, random: &mut Random) -> u64 {
    const KNOWN: [u64; 28] = [
        0, 1, 2, 3, 4, 5, 7, 8, 10, 11, 12, 16, 60, 64, 127, 128, 255, 256, 511, 512, 1023, 1024, 4095, 4096,
        32767, 32768, 65535, 65536,
    ];
    let bits = 8 * len;
    match random.below(10) {
        0..=2 => old ^ 1 << random.below(bits),
        3 => old.wrapping_add(1),
        4 => old.wrapping_sub(1),
        5 => random.pick(&KNOWN).copied().unwrap_or(0),
        6 => random.pick(&KNOWN).copied().unwrap_or(0).wrapping_neg(),
        7 => 1 << random.below(bits),
        // A number that stands elsewhere: of a block or an inode, with luck.
        8 => u64::from(le32(image, random.below(image.len() / 4) * 4)),
        _ => random.number() >> random.below(64),
    }
}

/// Puts a structure in the place of another of its kind.
fn copy_structure(image: &mut [u8], sites: &Sites, random: &mut Random) {
    let kind = random.below(sites.len());
    let Some(places) = sites.get(kind) else { return };
    let (Some(from), Some(to)) = (random.pick(places), random.pick(places)) else { return };
    let len = from.fields.iter().map(|(at, len)| usize::from(*at) + usize::from(*len)).max().unwrap_or(0);
    if let Some(bytes) = image.get(from.at..from.at + len).map(<[u8]>::to_vec) {
        put(image, to.at, &bytes);
    }
}

fn place(image: &[u8], random: &mut Random, len: usize) -> usize {
    // Most of an image is zeros: a place where something is says more.
    let draws: Vec<usize> = (0..8).map(|_| random.below(image.len() / len) * len).collect();
    let holds =
        |at: &&usize| image.get(**at..**at + len).is_some_and(|bytes| bytes.iter().any(|byte| *byte != 0));
    draws.iter().find(holds).or(draws.first()).copied().unwrap_or(0)
}

fn copy_range(image: &mut [u8], random: &mut Random, len: usize) {
    let (from, to) = (place(image, random, len), place(image, random, len));
    if from + len <= image.len() && to + len <= image.len() {
        image.copy_within(from..from + len, to);
    }
}

fn swap_ranges(image: &mut [u8], random: &mut Random, len: usize) {
    let (from, to) = (place(image, random, len), place(image, random, len));
    if let (Some(one), Some(other)) = (image.get(from..from + len), image.get(to..to + len)) {
        let (one, other) = (one.to_vec(), other.to_vec());
        put(image, to, &one);
        put(image, from, &other);
    }
}

fn flip(image: &mut [u8], random: &mut Random) {
    let at = place(image, random, SECTOR_LEN) + random.below(SECTOR_LEN);
    if let Some(byte) = image.get_mut(at) {
        *byte ^= 1 << random.below(8);
    }
}

fn some_bytes(image: &mut [u8], sites: &Sites, random: &mut Random, bytes: &mut Bytes<'_>) {
    let at = match draw(sites, random) {
        Some(site) if !random.one_in(3) => site.at,
        _ => place(image, random, SECTOR_LEN),
    };
    let end = (at + 128).min(image.len());
    if let Some(part) = image.get_mut(at..end) {
        bytes(part);
    }
}
