//! A block of attributes (`struct xfs_attr_leafblock`, `struct xfs_attr3_leafblock`).

use super::name::Space;
use super::source::Source;
use super::{Fault, Found, remote};
use crate::error::{Error, Kind, Result};
use crate::fields::{be16_at, be32_at, slice_at, u8_at};

/// Lengths of the header in version 4 and 5, and where its number of entries is.
const HEADER_LEN: usize = 32;
const HEADER_5_LEN: usize = 80;
const COUNT_AT: usize = 12;
const COUNT_5_AT: usize = 56;
const ENTRY_LEN: usize = 8;
/// `XFS_ATTR_LOCAL`: the value stands behind the name.
const LOCAL: u8 = 0x1;

/// An entry: where its name is, and how its value is kept.
struct Entry<'a> {
    space: Space,
    name: &'a [u8],
    value: Value<'a>,
}

enum Value<'a> {
    Here(&'a [u8]),
    Remote { block: u32, len: u32 },
}

/// Adds the attributes of a leaf.
pub(super) fn read(number: u32, block: &[u8], source: &Source<'_>, found: &mut Found) -> Result<()> {
    let has_checksums = source.metadata.superblock.features.has_checksums();
    let (count_at, first) = if has_checksums { (COUNT_5_AT, HEADER_5_LEN) } else { (COUNT_AT, HEADER_LEN) };
    let count = be16_at(block, count_at).map_err(Error::corrupt)?;
    let end = usize::from(count).saturating_mul(ENTRY_LEN).saturating_add(first);
    if end > block.len() {
        found.fault(Fault::TooMany { block: number, entries: count });
        return Ok(());
    }
    for slot in 0..usize::from(count) {
        let at = first.saturating_add(slot.saturating_mul(ENTRY_LEN));
        match entry(number, block, at) {
            Ok(None) => {}
            Ok(Some(Entry { space, name, value: Value::Here(value) })) => {
                found.add(space, name, value.to_vec())?;
            }
            Ok(Some(Entry { space, name, value: Value::Remote { block, len } })) => {
                match remote::value(block, len, source) {
                    Ok(value) => found.add(space, name, value)?,
                    Err(error) if matches!(error.kind(), Kind::Corrupt | Kind::Read) => found.fault(error),
                    Err(error) => return Err(error),
                }
            }
            Err(fault) => found.fault(fault),
        }
    }
    Ok(())
}

fn entry(number: u32, block: &[u8], at: usize) -> Result<Option<Entry<'_>>, Fault> {
    let nameidx = usize::from(be16_at(block, at.saturating_add(4))?);
    let flags = u8_at(block, at.saturating_add(6))?;
    let Some(space) = Space::of(flags) else { return Ok(None) };
    let wrong = |len| move |_| Fault::Entry { block: number, at: nameidx, len };
    let field = |offset: usize| nameidx.saturating_add(offset);
    if flags & LOCAL != 0 {
        let valuelen = usize::from(be16_at(block, nameidx)?);
        let namelen = usize::from(u8_at(block, field(2))?);
        let len = namelen.saturating_add(valuelen);
        let both = slice_at(block, field(3), len).map_err(wrong(len))?;
        let (name, value) = both.split_at_checked(namelen).unwrap_or((both, &[]));
        return Ok(Some(Entry { space, name, value: Value::Here(value) }));
    }
    let valueblk = be32_at(block, nameidx)?;
    let valuelen = be32_at(block, field(4))?;
    let namelen = usize::from(u8_at(block, field(8))?);
    let name = slice_at(block, field(9), namelen).map_err(wrong(namelen))?;
    Ok(Some(Entry { space, name, value: Value::Remote { block: valueblk, len: valuelen } }))
}
