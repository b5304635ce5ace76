//! The filesystem's device after recovery.

use std::ops::Range;

use super::header::MAGIC;
use crate::device::{Device, ReadAt};
use crate::error::Result;
use crate::filesystem::overlay::{Overlaid, Replaced};
use crate::units::ByteRange;

/// A block that the journal replaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Replacement {
    /// The block of the filesystem.
    pub(super) block: u64,
    /// Where its new content lies on the journal's device, in bytes.
    pub(super) log_bytes: u64,
    /// Whether it begins with zeros there, instead of the journal's magic number.
    pub(super) escaped: bool,
}

/// The blocks that a journal replaces: where their new contents are, not the contents.
#[derive(Clone, Debug)]
pub(in crate::filesystem::ext) struct Overlay {
    /// The journal's device.
    pub(super) log: Device,
    /// Bytes of a block.
    pub(super) block_bytes: u32,
    /// In the order of the blocks, each once.
    pub(super) replacements: Vec<Replacement>,
}

impl Overlay {
    /// Whether nothing is replaced.
    pub(in crate::filesystem::ext) fn is_empty(&self) -> bool {
        self.replacements.is_empty()
    }

    /// The filesystem's device with its replaced blocks.
    pub(in crate::filesystem::ext) fn over(self, device: Device) -> Overlaid<Self> {
        Overlaid::new(device, self)
    }

    /// The bytes of the filesystem that a replacement stands for.
    fn range(&self, replacement: &Replacement) -> Range<u64> {
        let start = replacement.block.saturating_mul(self.block_bytes.into());
        start..start.saturating_add(self.block_bytes.into())
    }

    /// The replacements whose blocks end after `from_bytes`.
    fn after(&self, from_bytes: u64) -> &[Replacement] {
        let first = self.replacements.partition_point(|found| self.range(found).end <= from_bytes);
        self.replacements.get(first..).unwrap_or_default()
    }

    /// Reads a part of a replaced block.
    fn read(&self, replacement: &Replacement, within_bytes: u64, buffer: &mut [u8]) -> Result<()> {
        self.log.read_at(replacement.log_bytes.saturating_add(within_bytes), buffer)?;
        if replacement.escaped {
            let start = usize::try_from(within_bytes).unwrap_or(usize::MAX);
            let magic = MAGIC.to_be_bytes().into_iter().skip(start);
            buffer.iter_mut().zip(magic).for_each(|(byte, right)| *byte = right);
        }
        Ok(())
    }
}

impl Replaced for Overlay {
    fn read_over(&self, device: &dyn ReadAt, offset_bytes: u64, buffer: &mut [u8]) -> Result<()> {
        let len = u64::try_from(buffer.len()).unwrap_or(u64::MAX);
        let Some(wanted) =
            ByteRange::new(offset_bytes, len).filter(|range| range.end() <= device.len_bytes())
        else {
            // The device words the error.
            return device.read_at(offset_bytes, buffer);
        };
        let (mut at, mut rest) = (offset_bytes, buffer);
        for replacement in self.after(offset_bytes) {
            let replaced = self.range(replacement);
            if replaced.start >= wanted.end() {
                break;
            }
            let before;
            (before, rest) = take(rest, replaced.start.saturating_sub(at));
            if !before.is_empty() {
                device.read_at(at, before)?;
            }
            at = at.max(replaced.start);
            let inside;
            (inside, rest) = take(rest, replaced.end.saturating_sub(at));
            self.read(replacement, at.saturating_sub(replaced.start), inside)?;
            at = replaced.end;
        }
        if rest.is_empty() { Ok(()) } else { device.read_at(at, rest) }
    }

    fn next_replaced(&self, from_bytes: u64) -> Option<ByteRange> {
        let range = self.range(self.after(from_bytes).first()?);
        ByteRange::between(range.start, range.end)
    }
}

/// The first `len` bytes, or as many as there are, and the rest.
fn take(buffer: &mut [u8], len: u64) -> (&mut [u8], &mut [u8]) {
    let middle = usize::try_from(len).unwrap_or(usize::MAX).min(buffer.len());
    buffer.split_at_mut(middle)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::device::Counting;

    const BLOCK_BYTES: u32 = 1024;

    /// Sixteen blocks, of which only 4 and 5 are not a hole.
    #[derive(Debug)]
    struct Sparse;

    impl ReadAt for Sparse {
        fn len_bytes(&self) -> u64 {
            16 << 10
        }

        fn read_at(&self, _: u64, buffer: &mut [u8]) -> Result<()> {
            buffer.fill(0);
            Ok(())
        }

        fn next_data(&self, from_bytes: u64) -> Option<ByteRange> {
            ByteRange::between(from_bytes.max(4 << 10), 6 << 10).filter(|data| !data.is_empty())
        }
    }

    fn overlay(blocks: &[u64]) -> Overlay {
        let replacement = |block: &u64| Replacement { block: *block, log_bytes: 0, escaped: false };
        let replacements = blocks.iter().map(replacement).collect();
        Overlay { log: Arc::new(vec![1; 1024]), block_bytes: BLOCK_BYTES, replacements }
    }

    #[test]
    fn a_replaced_block_in_a_hole_is_data() {
        let overlaid = overlay(&[2, 5, 9]).over(Arc::new(Sparse));
        let next = |from| overlaid.next_data(from).map(|data| (data.start(), data.end()));
        let cases = [
            (0, Some((2048, 3072))),
            (2500, Some((2500, 3072))),
            (3072, Some((4096, 6144))),
            (6144, Some((9216, 10240))),
            (10240, None),
        ];
        for (from, data) in cases {
            assert_eq!(next(from), data, "from {from}");
        }
    }

    #[test]
    fn what_is_not_replaced_is_read_at_once() {
        let device = Arc::new(Counting::new(Arc::new(vec![7; 16 << 10])));
        let overlaid = overlay(&[2, 9]).over(device.clone());
        let mut buffer = vec![0; 16 << 10];
        overlaid.read_at(0, &mut buffer).unwrap();
        assert_eq!((device.reads(), device.bytes_read()), (3, 14 << 10));
        assert!(buffer.chunks(1024).zip(0..).all(|(block, number)| {
            let expected = if number == 2 || number == 9 { 1 } else { 7 };
            block.iter().all(|byte| *byte == expected)
        }));
    }
}
