//! A volume that goes in as it is: a first pass finds where it holds anything but zeros.

use crate::device::ReadAt;
use crate::error::{Kind, Result};
use crate::filesystem::Extent;

/// Zeros count as a hole in pieces of this many bytes, or more on a large volume.
const PIECE_BYTES: u64 = 64 << 10;

/// Most pieces of a volume: what bounds the memory for its map, at 40 bytes each.
const PIECES_MOST: u64 = 1 << 20;

/// Bytes of one read.
const READ_BYTES: u64 = 1 << 20;

/// Finds the parts of a device that hold something. `go_on` is asked before each read. With `keep_going`, what can't be
/// read counts as something: it is told when it is archived.
pub(super) fn extents(
    device: &dyn ReadAt,
    keep_going: bool,
    go_on: impl Fn() -> Result<()>,
) -> Result<Vec<Extent>> {
    scan(device, keep_going, go_on, |_| false)
}

/// Whether a device holds nothing but zeros.
pub(crate) fn is_empty(device: &dyn ReadAt, go_on: impl Fn() -> Result<()>) -> Result<bool> {
    scan(device, true, go_on, |found| !found.is_empty()).map(|found| found.is_empty())
}

/// Finds the parts of a device that hold something, until there are `enough`.
fn scan(
    device: &dyn ReadAt,
    keep_going: bool,
    go_on: impl Fn() -> Result<()>,
    enough: impl Fn(&[Extent]) -> bool,
) -> Result<Vec<Extent>> {
    let len_bytes = device.len_bytes();
    let piece_bytes = len_bytes.div_ceil(PIECES_MOST).next_power_of_two().max(PIECE_BYTES);
    let piece_len = usize::try_from(piece_bytes).unwrap_or(usize::MAX);
    let read_bytes = READ_BYTES.max(piece_bytes);
    let mut extents = Vec::new();
    let mut buffer = Vec::new();
    let mut at = 0;
    while let Some(data) = device.next_data(at).filter(|_| !enough(&extents)) {
        // From one piece's start to the next, so that pieces are the same wherever the data begin.
        let into = data.start().checked_rem(piece_bytes).unwrap_or(0);
        at = data.start().saturating_sub(into).max(at);
        let end = data.end().checked_next_multiple_of(piece_bytes).unwrap_or(len_bytes).min(len_bytes);
        while at < end && !enough(&extents) {
            go_on()?;
            let read = end.saturating_sub(at).min(read_bytes);
            buffer.resize(usize::try_from(read).unwrap_or(0), 0);
            match device.read_at(at, &mut buffer) {
                Ok(()) => {}
                Err(error) if keep_going && error.kind() == Kind::Read => buffer.fill(u8::MAX),
                Err(error) => return Err(error),
            }
            for piece in buffer.chunks(piece_len) {
                let len_bytes = u64::try_from(piece.len()).unwrap_or(0);
                if piece.iter().any(|byte| *byte != 0) {
                    push(&mut extents, at, len_bytes);
                }
                at = at.saturating_add(len_bytes);
            }
        }
    }
    Ok(extents)
}

fn push(extents: &mut Vec<Extent>, at: u64, len_bytes: u64) {
    match extents.last_mut() {
        Some(last) if last.file_bytes.saturating_add(last.len_bytes) == at => {
            last.len_bytes = last.len_bytes.saturating_add(len_bytes);
        }
        _ => extents.push(Extent::raw(at, at, len_bytes)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_are_found_in_pieces_up_to_the_last_byte() {
        let mut bytes = vec![0_u8; (5 << 20) + 700];
        bytes[70_000] = 1;
        bytes[(2 << 20) - 1] = 1;
        bytes[2 << 20] = 1;
        let last = bytes.len() - 1;
        bytes[last] = 1;
        let found = extents(&bytes, false, || Ok(())).unwrap();
        let found: Vec<_> = found.iter().map(|extent| (extent.file_bytes, extent.len_bytes)).collect();
        assert_eq!(found, [(65_536, 65_536), ((2 << 20) - 65_536, 131_072), (5 << 20, 700)]);
        assert!(!is_empty(&bytes, || Ok(())).unwrap());
        assert!(is_empty(&vec![0_u8; 100_000], || Ok(())).unwrap());
    }
}
