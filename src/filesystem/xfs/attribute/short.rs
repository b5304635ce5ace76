//! Attributes in the inode itself (`struct xfs_attr_sf_hdr`).

use super::name::Space;
use super::{Fault, Found};
use crate::fields::{be16_at, slice_at, u8_at};

const HEADER_LEN: usize = 4;
/// Lengths of name and value, and flags.
const HEAD_LEN: usize = 3;

pub(super) fn read(fork: &[u8], found: &mut Found) -> Result<(), Fault> {
    let totsize = usize::from(be16_at(fork, 0)?);
    let space = slice_at(fork, 0, totsize)?;
    let count = u8_at(space, 2)?;
    let mut at = HEADER_LEN;
    for _ in 0..count {
        let namelen = usize::from(u8_at(space, at)?);
        let valuelen = usize::from(u8_at(space, at.saturating_add(1))?);
        let flags = u8_at(space, at.saturating_add(2))?;
        let name_at = at.saturating_add(HEAD_LEN);
        let name = slice_at(space, name_at, namelen)?;
        let value_at = name_at.saturating_add(namelen);
        let value = slice_at(space, value_at, valuelen)?;
        if let Some(space) = Space::of(flags) {
            found.add(space, name, value.to_vec())?;
        }
        at = value_at.saturating_add(valuelen);
    }
    Ok(())
}
