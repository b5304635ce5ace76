//! A bitmap of clusters or inodes: a bit is set for each that is in use, and for what is not there.

/// A bitmap, as long as a block.
#[derive(Debug)]
pub(super) struct Bitmap {
    bytes: Vec<u8>,
    is_changed: bool,
}

impl Bitmap {
    /// One in which the first `bits` are free, and those behind do not exist.
    pub(super) fn new(len: usize, bits: u32) -> Self {
        let mut bitmap = Self { bytes: vec![0; len], is_changed: true };
        let all = u32::try_from(len.saturating_mul(8)).unwrap_or(u32::MAX);
        (bits..all).for_each(|bit| bitmap.set(bit));
        bitmap
    }

    /// That which lies on the disk.
    pub(super) fn of(bytes: Vec<u8>) -> Self {
        Self { bytes, is_changed: false }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether it differs from what is on the disk.
    pub(super) fn is_changed(&self) -> bool {
        self.is_changed
    }

    fn place(bit: u32) -> (usize, u8) {
        (usize::try_from(bit / 8).unwrap_or(usize::MAX), 1 << (bit % 8))
    }

    pub(super) fn set(&mut self, bit: u32) {
        let (at, mask) = Self::place(bit);
        if let Some(byte) = self.bytes.get_mut(at) {
            *byte |= mask;
            self.is_changed = true;
        }
    }

    pub(super) fn clear(&mut self, bit: u32) {
        let (at, mask) = Self::place(bit);
        if let Some(byte) = self.bytes.get_mut(at) {
            *byte &= !mask;
            self.is_changed = true;
        }
    }

    /// Whether a bit is set; one that is not there is.
    pub(super) fn is_set(&self, bit: u32) -> bool {
        let (at, mask) = Self::place(bit);
        self.bytes.get(at).is_none_or(|byte| byte & mask != 0)
    }

    /// The first run of free bits from `from` on, below `end` and at most `most` long: its start and length.
    pub(super) fn free_run(&self, from: u32, end: u32, most: u32) -> Option<(u32, u32)> {
        let mut start = from;
        while start < end && self.is_set(start) {
            let whole = start.is_multiple_of(8) && self.bytes.get(Self::place(start).0) == Some(&u8::MAX);
            start = start.saturating_add(if whole { 8 } else { 1 });
        }
        let stop = end.min(start.saturating_add(most));
        let len = (start..stop).take_while(|bit| !self.is_set(*bit)).count();
        let len = u32::try_from(len).unwrap_or(0);
        (len > 0).then_some((start, len))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_runs_are_found_and_what_does_not_exist_is_never_free() {
        let mut bitmap = Bitmap::new(4, 30);
        (0..17).chain(20..22).for_each(|bit| bitmap.set(bit));
        assert_eq!(bitmap.free_run(0, 32, 100), Some((17, 3)));
        assert_eq!(bitmap.free_run(0, 32, 2), Some((17, 2)));
        assert_eq!(bitmap.free_run(20, 32, 100), Some((22, 8)));
        assert_eq!(bitmap.free_run(30, 32, 100), None);
        assert_eq!(bitmap.free_run(0, 17, 100), None);
        bitmap.clear(3);
        assert_eq!(bitmap.free_run(0, 32, 100), Some((3, 1)));
        assert_eq!(bitmap.free_run(40, 90, 100), None);
    }
}
