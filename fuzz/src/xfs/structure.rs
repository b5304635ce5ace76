//! The fields of metadata that lead somewhere, or say how much there is.

use super::super::fields::{be16, slice};
use super::super::random::Random;

/// Magic number, where it stands, fields of the head (position and length), and the repeated part
/// behind it: its start, the step, and its fields.
type Structure = (usize, &'static [u8], &'static [(usize, usize)], usize, usize, &'static [(usize, usize)]);

const STRUCTURES: [Structure; 10] = [
    (0, b"XFSB", SUPERBLOCK, 0, 0, &[]),
    (0, b"IN", INODE, 176, 8, &[(0, 8), (0, 4), (0, 2), (0, 1), (1, 1), (2, 1)]),
    // Names: inode, length, first letters, kind; they have no fixed step.
    (0, b"XDB3", NAMES, 64, 8, &[(0, 8), (0, 2), (2, 2), (4, 4), (7, 1), (8, 1)]),
    (0, b"XDD3", NAMES, 64, 8, &[(0, 8), (0, 2), (2, 2), (4, 4), (7, 1), (8, 1)]),
    (0, b"BMA3", &[(4, 2), (6, 2), (8, 8), (16, 8), (24, 8), (56, 8)], 72, 8, &[(0, 8), (0, 4), (4, 4)]),
    (0, b"XSLM", &[(4, 4), (8, 4), (32, 8), (40, 8), (56, 8)], 56, 4, &[(0, 1), (0, 4)]),
    (0, b"XARM", &[(4, 4), (8, 4), (32, 8), (40, 8)], 56, 4, &[(0, 4)]),
    (8, &[0x3b, 0xee], LEAF, 80, 8, &[(0, 4), (4, 2), (6, 1), (7, 1)]),
    (8, &[0x3e, 0xbe], &[(0, 4), (4, 4), (48, 8), (56, 2), (58, 2)], 64, 8, &[(0, 4), (4, 4)]),
    (0, b"XAGI", &[(8, 4), (12, 4), (16, 4), (20, 4), (24, 4), (28, 4)], 40, 4, &[(0, 4)]),
];

const SUPERBLOCK: &[(usize, usize)] = &[
    (4, 4),
    (8, 8),
    (16, 8),
    (48, 8),
    (56, 8),
    (84, 4),
    (88, 4),
    (96, 4),
    (100, 2),
    (102, 2),
    (104, 2),
    (106, 2),
    (120, 1),
    (121, 1),
    (122, 1),
    (123, 1),
    (124, 1),
    (126, 1),
    (128, 8),
    (136, 8),
    (144, 8),
    (192, 1),
    (200, 4),
    (208, 4),
    (212, 4),
    (216, 4),
    (220, 4),
];
/// Mode, version, formats, links, sizes, extents, place of the attributes, flags, number.
const INODE: &[(usize, usize)] = &[
    (2, 2),
    (4, 1),
    (5, 1),
    (5, 1),
    (16, 4),
    (24, 8),
    (56, 8),
    (56, 8),
    (64, 8),
    (72, 4),
    (76, 4),
    (80, 2),
    (82, 1),
    (82, 1),
    (83, 1),
    (83, 1),
    (90, 2),
    (120, 8),
    (152, 8),
    (176, 2),
    (176, 4),
    (178, 2),
    (179, 1),
    (180, 4),
];
const NAMES: &[(usize, usize)] = &[(8, 8), (40, 8), (48, 2), (50, 2), (52, 2), (54, 2)];
const LEAF: &[(usize, usize)] = &[(0, 4), (4, 4), (56, 2), (58, 2), (60, 2), (64, 2), (66, 2)];

/// A field of the structure at `sector`: its position and length.
pub(super) fn field(image: &[u8], sector: usize, random: &mut Random) -> Option<(usize, usize)> {
    let head = slice(image, sector..sector + 16);
    let is_here = |(at, magic, ..): &&Structure| head.get(*at..).is_some_and(|head| head.starts_with(magic));
    let (_, magic, fields, start, step, repeated) = STRUCTURES.iter().find(is_here)?;
    if *step == 0 || random.one_in(2) {
        let (at, len) = random.pick(fields)?;
        return Some((sector + at, *len));
    }
    let most = (512 - start) / step;
    // Attributes of an inode begin where its core says.
    let forks =
        if *magic == b"IN" && random.one_in(2) { usize::from(be16(image, sector + 82) >> 8) } else { 0 };
    let (at, len) = random.pick(repeated)?;
    Some((sector + start + (forks + random.below(most)) % most * step + at, *len))
}
