//! The filesystem's device in its state after recovery.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::fault::Fault;
use super::place::{BLOCK, BLOCK_LEN};
use crate::device::{Device, ReadAt, read_vec};
use crate::error::Result;
use crate::fields::put_bytes;
use crate::filesystem::overlay::{Overlaid, Replaced};
use crate::units::ByteRange;

/// Bytes that are kept at most. The changes of a log of 2 GiB are mostly to the same sectors.
pub(super) const BYTES_MOST: usize = 160 << 20;

/// The sectors that a log replaces.
#[derive(Clone, Debug, Default)]
pub(in crate::filesystem::xfs) struct Overlay {
    sectors: BTreeMap<u64, Box<[u8; BLOCK_LEN]>>,
}

impl Overlay {
    /// Whether nothing is replaced.
    pub(in crate::filesystem::xfs) fn is_empty(&self) -> bool {
        self.sectors.is_empty()
    }

    /// Whether a byte of this range is in a sector that is replaced.
    pub(in crate::filesystem::xfs) fn holds(&self, position: u64, len: u64) -> bool {
        let end = position.saturating_add(len).div_ceil(BLOCK);
        self.sectors.range(position / BLOCK..end.max(position / BLOCK)).next().is_some()
    }

    /// Puts bytes over those of the device.
    pub(super) fn write(&mut self, device: &dyn ReadAt, position: u64, bytes: &[u8]) -> Result<()> {
        let mut rest = bytes;
        let mut at = position;
        while !rest.is_empty() {
            let sector = at / BLOCK;
            let within = usize::try_from(at % BLOCK).unwrap_or(0);
            let (part, behind) = rest.split_at(rest.len().min(BLOCK_LEN.saturating_sub(within)));
            if !self.sectors.contains_key(&sector) {
                if self.sectors.len().saturating_mul(BLOCK_LEN) >= BYTES_MOST {
                    return Err(Fault::Memory(BYTES_MOST).into());
                }
                let mut below = Box::new([0; BLOCK_LEN]);
                if part.len() < BLOCK_LEN {
                    device.read_at(sector.saturating_mul(BLOCK), below.as_mut_slice())?;
                }
                self.sectors.insert(sector, below);
            }
            if let Some(over) = self.sectors.get_mut(&sector) {
                put_bytes(over.as_mut_slice(), within, part);
            }
            at = at.saturating_add(u64::try_from(part.len()).unwrap_or(u64::MAX));
            rest = behind;
        }
        Ok(())
    }

    /// Reads from the device, with the replaced sectors over it.
    pub(in crate::filesystem::xfs) fn read_over(
        &self,
        device: &dyn ReadAt,
        position: u64,
        len: u64,
    ) -> Result<Vec<u8>> {
        let mut bytes = read_vec(device, position, usize::try_from(len).unwrap_or(usize::MAX))?;
        self.cover(position, &mut bytes);
        Ok(bytes)
    }

    /// Puts over `buffer`, which holds the device's bytes from `position` on, what is replaced of
    /// them.
    fn cover(&self, position: u64, buffer: &mut [u8]) {
        let end = position.saturating_add(u64::try_from(buffer.len()).unwrap_or(u64::MAX));
        let last = end.div_ceil(BLOCK).max(position / BLOCK);
        for (sector, over) in self.sectors.range(position / BLOCK..last) {
            let start = sector.saturating_mul(BLOCK);
            let skipped = usize::try_from(position.saturating_sub(start)).unwrap_or(usize::MAX);
            let at = usize::try_from(start.saturating_sub(position)).unwrap_or(usize::MAX);
            let over = over.get(skipped..).unwrap_or_default();
            let len = over.len().min(buffer.len().saturating_sub(at));
            put_bytes(buffer, at, over.get(..len).unwrap_or_default());
        }
    }
}

/// The device with the replaced sectors; the device itself when nothing is replaced.
pub(in crate::filesystem::xfs) fn overlaid(device: &Device, overlay: &Arc<Overlay>) -> Device {
    match overlay.is_empty() {
        true => Arc::clone(device),
        false => Arc::new(Overlaid::new(Arc::clone(device), Arc::clone(overlay))),
    }
}

impl Replaced for Arc<Overlay> {
    fn read_over(&self, device: &dyn ReadAt, offset_bytes: u64, buffer: &mut [u8]) -> Result<()> {
        device.read_at(offset_bytes, buffer)?;
        self.cover(offset_bytes, buffer);
        Ok(())
    }

    fn next_replaced(&self, from_bytes: u64) -> Option<ByteRange> {
        let (sector, _) = self.sectors.range(from_bytes / BLOCK..).next()?;
        ByteRange::new(sector.saturating_mul(BLOCK), BLOCK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_over_a_device_is_read_and_the_rest_is_the_devices() {
        let device: Device = Arc::new(vec![7_u8; 4096]);
        let mut overlay = Overlay::default();
        overlay.write(device.as_ref(), 1000, &[1; 100]).unwrap();
        overlay.write(device.as_ref(), 1050, &[2; 10]).unwrap();
        let mut expected = vec![7_u8; 4096];
        expected[1000..1100].fill(1);
        expected[1050..1060].fill(2);
        let overlay = Arc::new(overlay);
        let over = overlaid(&device, &overlay);
        for (start, len) in [(0, 4096), (1000, 100), (1010, 5), (1024, 1000), (500, 1), (0, 1001), (4096, 0)]
        {
            let read = read_vec(over.as_ref(), start, len).unwrap();
            assert_eq!(read, expected[start as usize..start as usize + len], "{len} bytes at {start}");
        }
        assert!(overlay.holds(600, 1) && overlay.holds(0, 513) && !overlay.holds(0, 512));
        assert!(!overlay.holds(1536, 1));
    }
}
