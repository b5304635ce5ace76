//! Searches in the B-trees of a pool's metadata.

use super::block::Blocks;
use crate::error::{Error, Result};

/// Each level has 126 children at least, so these are enough for any number of keys.
const LEVELS_MOST: u32 = 16;

/// What a tree says about a key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    Value(u64),
    /// The key is not there, nor is any up to this one; `None` for up to the end.
    Nothing(Option<u64>),
}

/// Looks for a key.
pub(super) fn find(blocks: &Blocks, root: u64, key: u64) -> Result<Found> {
    run(blocks, root, key, &mut |_, _| false)
}

/// Looks for a key, and shows it and those behind it in the same leaf as long as `more` wants them.
pub(super) fn run(
    blocks: &Blocks,
    root: u64,
    key: u64,
    more: &mut dyn FnMut(u64, u64) -> bool,
) -> Result<Found> {
    let mut block = root;
    let mut next = None;
    for _ in 0..LEVELS_MOST {
        let node = blocks.node(block)?;
        let at = node.entries.partition_point(|(known, _)| *known <= key);
        if let Some((behind, _)) = node.entries.get(at) {
            next = Some(*behind);
        }
        let found = at.checked_sub(1).and_then(|at| Some((at, *node.entries.get(at)?)));
        match found {
            Some((at, (known, value))) if node.is_leaf && known == key => {
                for (key, value) in node.entries.iter().skip(at) {
                    if !more(*key, *value) {
                        break;
                    }
                }
                return Ok(Found::Value(value));
            }
            _ if node.is_leaf => return Ok(Found::Nothing(next)),
            Some((_, (_, child))) => block = child,
            // The key is before all others.
            None => return Ok(Found::Nothing(next)),
        }
    }
    Err(Error::corrupt(format!("a tree of more than {LEVELS_MOST} levels at metadata block {root}")))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::block::{BLOCK_BYTES, NODE};
    use super::super::node::{INTERNAL, LEAF};
    use super::*;

    /// A block that holds a node.
    fn node(number: u64, flags: u32, entries: &[(u64, u64)]) -> Vec<u8> {
        let mut bytes = vec![0; BLOCK_BYTES as usize];
        bytes[4..8].copy_from_slice(&flags.to_le_bytes());
        bytes[8..16].copy_from_slice(&number.to_le_bytes());
        bytes[16..20].copy_from_slice(&(entries.len() as u32).to_le_bytes());
        bytes[20..24].copy_from_slice(&252_u32.to_le_bytes());
        bytes[24..28].copy_from_slice(&8_u32.to_le_bytes());
        for (index, (key, value)) in entries.iter().enumerate() {
            bytes[32 + index * 8..40 + index * 8].copy_from_slice(&key.to_le_bytes());
            let at = 32 + 252 * 8 + index * 8;
            bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
        }
        repair(&mut bytes);
        bytes
    }

    fn repair(bytes: &mut [u8]) {
        let checksum = !crc32c::crc32c(&bytes[4..]) ^ NODE;
        bytes[..4].copy_from_slice(&checksum.to_le_bytes());
    }

    fn blocks(nodes: &[Vec<u8>]) -> Blocks {
        Blocks::new(Arc::new(nodes.concat()))
    }

    #[test]
    fn keys_are_found_and_gaps_end_at_the_next_key_of_any_leaf() {
        let blocks = blocks(&[
            node(0, INTERNAL, &[(5, 1), (40, 2)]),
            node(1, LEAF, &[(5, 50), (6, 60), (9, 90)]),
            node(2, LEAF, &[(40, 400)]),
        ]);
        let cases = [
            (0, Found::Nothing(Some(5))),
            (5, Found::Value(50)),
            (7, Found::Nothing(Some(9))),
            (9, Found::Value(90)),
            (10, Found::Nothing(Some(40))),
            (40, Found::Value(400)),
            (41, Found::Nothing(None)),
        ];
        for (key, found) in cases {
            assert_eq!(find(&blocks, 0, key).unwrap(), found, "{key}");
        }
        let mut seen = Vec::new();
        run(&blocks, 0, 5, &mut |key, value| {
            seen.push((key, value));
            key < 6
        })
        .unwrap();
        assert_eq!(seen, [(5, 50), (6, 60)]);
    }

    #[test]
    fn a_tree_that_lies_is_an_error_and_ends() {
        let fault = |nodes: &[Vec<u8>]| find(&blocks(nodes), 0, 7).unwrap_err().to_string();
        assert!(fault(&[node(0, INTERNAL, &[(1, 0)])]).contains("more than 16 levels"));
        assert!(fault(&[node(0, INTERNAL, &[(1, 1 << 60)])]).contains("metadata block 1152921504606846976"));
        assert!(fault(&[node(3, LEAF, &[(1, 0)])]).contains("says that it is block 3"));
        assert!(fault(&[node(0, 3, &[])]).contains("flags 0x3"));
        assert!(fault(&[node(0, LEAF, &[(2, 0), (2, 1)])]).contains("do not grow"));
        let mut damaged = node(0, LEAF, &[(1, 0)]);
        damaged[40] ^= 1;
        assert!(fault(&[damaged]).contains("checksum"));
        let mut many = node(0, LEAF, &[]);
        many[16..24].fill(0xff);
        repair(&mut many);
        assert!(fault(&[many]).contains("ends before"));
        let mut full = node(0, LEAF, &[]);
        full[16] = 253;
        repair(&mut full);
        assert!(fault(&[full]).contains("253 entries"));
    }
}
