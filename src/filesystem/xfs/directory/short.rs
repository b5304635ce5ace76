//! Names in the inode itself (`struct xfs_dir2_sf_hdr`).

use super::{Fault, Names};
use crate::fields::{be32_at, be64_at, slice_at, u8_at};

/// Length of an entry before its name: the name's length, and where the entry would be in a block.
const HEAD_LEN: usize = 3;

/// Reads the names in `fork`, which ends where the directory does.
pub(super) fn read(fork: &[u8], has_file_type: bool, names: &mut Names<'_>) -> Result<(), Fault> {
    let count = u8_at(fork, 0)?;
    let wide = u8_at(fork, 1)? != 0;
    let number_len = if wide { 8 } else { 4 };
    let number = |at| if wide { be64_at(fork, at) } else { be32_at(fork, at).map(u64::from) };
    let mut at = 2_usize.saturating_add(number_len);
    for _ in 0..count {
        let name_len = usize::from(u8_at(fork, at)?);
        let name_at = at.saturating_add(HEAD_LEN);
        let name = slice_at(fork, name_at, name_len)?;
        let number_at = name_at.saturating_add(name_len).saturating_add(usize::from(has_file_type));
        names.name(0, at, name, number(number_at)?);
        at = number_at.saturating_add(number_len);
    }
    Ok(())
}
