//! Directories as they are written: their names in blocks, with an index where they have several.

use super::blocks::{Blocks, Form, record_len};
use super::content::Content;
use super::index;
use super::names::{Name, Names};
use crate::error::Result;

/// Writes the blocks of a directory, at least `least` of them; with an index where it has more than one and `hasher` is there. Gives
/// its size in bytes, and whether it has an index.
pub(super) fn write(
    content: &mut Content<'_>,
    form: &Form,
    names: &Names,
    hasher: Option<super::hash::Hasher>,
    large: bool,
    least: u64,
) -> Result<(u64, bool)> {
    let fits_in_one = names.iter().fold(24_usize, |sum, (_, name)| sum.saturating_add(record_len(name.name)))
        <= form.capacity();
    let index = hasher.filter(|_| !fits_in_one).and_then(|hasher| index::plan(form, names, hasher, large));
    let mut blocks = Blocks::new(content, form.block_len);
    if let Some(index) = index {
        index.write(&mut blocks, form, names)?;
        return Ok((blocks.len_bytes(), true));
    }
    let mut in_block: Vec<Name<'_>> = form.first_names().to_vec();
    let mut len = 24_usize;
    for (_, name) in names.iter() {
        let record = record_len(name.name);
        if len.saturating_add(record) > form.capacity() {
            blocks.put(&form.leaf(in_block.drain(..)))?;
            len = 0;
        }
        in_block.push(name);
        len = len.saturating_add(record);
    }
    blocks.put(&form.leaf(in_block.drain(..)))?;
    while blocks.count() < least {
        blocks.put(&form.leaf([]))?;
    }
    Ok((blocks.len_bytes(), false))
}
