//! The two ends of a partition that is written as it was, kept back until all else is on the
//! target: there its filesystem says what it is.

use crate::device::WriteAt;
use crate::error::Result;
use crate::units::ByteRange;

/// Bytes at the front that are kept back. Superblocks lie here, that of btrfs at 64 KiB as the
/// last.
const FRONT_BYTES: u64 = 128 << 10;

/// Bytes at the back: superblocks of md, labels of ZFS, copies of NTFS and GPT lie here.
const BACK_BYTES: u64 = 512 << 10;

/// The parts of one partition that are written last.
#[derive(Debug)]
pub(super) struct Held {
    front: Piece,
    back: Piece,
}

/// A range of the target, and what it will hold. The target has zeros there.
#[derive(Debug)]
struct Piece {
    start: u64,
    bytes: Vec<u8>,
}

impl Held {
    /// For the partition in this range of the target.
    pub(super) fn new(range: ByteRange) -> Self {
        let front = range.len().min(FRONT_BYTES);
        let back = range.len().saturating_sub(front).min(BACK_BYTES);
        let piece = |start: u64, len: u64| Piece { start, bytes: vec![0; usize::try_from(len).unwrap_or(0)] };
        Self { front: piece(range.start(), front), back: piece(range.end().saturating_sub(back), back) }
    }

    /// Writes bytes to the target, but for those that are kept back.
    pub(super) fn write(&mut self, device: &dyn WriteAt, at: u64, bytes: &[u8]) -> Result<()> {
        self.front.take(at, bytes);
        self.back.take(at, bytes);
        let index = |position: u64| {
            usize::try_from(position.saturating_sub(at)).unwrap_or(usize::MAX).min(bytes.len())
        };
        let (from, to) = (index(self.front.end()), index(self.back.start));
        match bytes.get(from..to) {
            Some(middle) if !middle.is_empty() => {
                device.write_all_at(at.saturating_add(u64::try_from(from).unwrap_or(0)), middle)
            }
            _ => Ok(()),
        }
    }

    /// Writes the back.
    pub(super) fn write_back(&self, device: &dyn WriteAt) -> Result<()> {
        device.write_all_at(self.back.start, &self.back.bytes)
    }

    /// Writes the front.
    pub(super) fn write_front(&self, device: &dyn WriteAt) -> Result<()> {
        device.write_all_at(self.front.start, &self.front.bytes)
    }
}

impl Piece {
    fn end(&self) -> u64 {
        self.start.saturating_add(u64::try_from(self.bytes.len()).unwrap_or(u64::MAX))
    }

    /// Takes the part of `bytes` that lies here.
    fn take(&mut self, at: u64, bytes: &[u8]) {
        let usize = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        let skipped = usize(self.start.saturating_sub(at));
        let own = self.bytes.get_mut(usize(at.saturating_sub(self.start))..).unwrap_or_default();
        let given = bytes.get(skipped..).unwrap_or_default();
        own.iter_mut().zip(given).for_each(|(own, given)| *own = *given);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::device::{WriteDevice, from_file};

    fn target(len: u64) -> (tempfile::NamedTempFile, WriteDevice) {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(len).unwrap();
        let target = from_file(file.as_file().try_clone().unwrap()).unwrap();
        (file, Arc::clone(&target))
    }

    #[test]
    fn both_ends_come_last_and_every_byte_has_its_place() {
        for len in [1, 512, 100 << 10, 1 << 20, (1 << 20) + 7, 2 << 20, (3 << 20) + 11] {
            let before = 5000;
            let (file, device) = target(before + len + 100);
            let bytes: Vec<u8> = (0..len).map(|at| (at % 251) as u8 + 1).collect();
            let range = ByteRange::new(before, len).unwrap();
            let mut held = Held::new(range);
            let mut at = before;
            for piece in bytes.chunks(70_001) {
                held.write(device.as_ref(), at, piece).unwrap();
                at += piece.len() as u64;
            }
            let seen = std::fs::read(file.path()).unwrap();
            let is_zero = |from: u64, to: u64| seen[from as usize..to as usize].iter().all(|byte| *byte == 0);
            assert!(is_zero(0, before + len.min(FRONT_BYTES)), "{len}");
            assert!(is_zero((before + len).saturating_sub(BACK_BYTES).max(before), before + len), "{len}");
            held.write_back(device.as_ref()).unwrap();
            held.write_front(device.as_ref()).unwrap();
            let seen = std::fs::read(file.path()).unwrap();
            assert_eq!(seen[before as usize..(before + len) as usize], bytes, "{len}");
            assert!(seen[(before + len) as usize..].iter().all(|byte| *byte == 0), "{len}");
        }
    }
}
