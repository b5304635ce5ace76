//! What a manifest keeps of a disk, as a device: the areas where they lay, and zeros everywhere else.
//!
//! So the table in it is read as that of any disk is, by the parser that takes nothing on trust.

use crate::archive::read::Area;
use crate::device::ReadAt;
use crate::error::{Error, Result};

/// The areas of a disk.
#[derive(Debug)]
pub(super) struct Skeleton {
    len_bytes: u64,
    sector_bytes: Option<u32>,
    /// In order, none over another.
    areas: Vec<Area>,
}

impl Skeleton {
    /// # Errors
    ///
    /// [`Kind::Corrupt`](crate::Kind::Corrupt) when the areas can be those of no disk of `len_bytes`.
    pub(super) fn new(len_bytes: u64, sector_bytes: Option<u32>, areas: Vec<Area>) -> Result<Self> {
        let mut before = 0;
        for area in &areas {
            let (start, end) = (area.start_bytes, end(area));
            if start < before || end > len_bytes {
                let message = format!(
                    "the manifest has an area from byte {start} to {end}, behind one that ends at {before}, on a device of \
                     {len_bytes}"
                );
                return Err(Error::corrupt(message));
            }
            before = end;
        }
        Ok(Self { len_bytes, sector_bytes, areas })
    }

    /// All areas, in order.
    pub(super) fn areas(&self) -> &[Area] {
        &self.areas
    }
}

fn end(area: &Area) -> u64 {
    u64::try_from(area.data.len()).map_or(u64::MAX, |len| area.start_bytes.saturating_add(len))
}

impl ReadAt for Skeleton {
    fn len_bytes(&self) -> u64 {
        self.len_bytes
    }

    fn read_at(&self, offset_bytes: u64, buffer: &mut [u8]) -> Result<()> {
        let len = u64::try_from(buffer.len()).unwrap_or(u64::MAX);
        let last = offset_bytes.checked_add(len).filter(|last| *last <= self.len_bytes);
        let Some(last) = last else {
            return Err(
                Error::corrupt(format!("the disk ends at byte {}", self.len_bytes)).at_byte(offset_bytes)
            );
        };
        buffer.fill(0);
        let first = self.areas.partition_point(|area| end(area) <= offset_bytes);
        let touched = self.areas.iter().skip(first).take_while(|area| area.start_bytes < last);
        for area in touched {
            let usize = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
            let from = usize(offset_bytes.saturating_sub(area.start_bytes));
            let to = usize(area.start_bytes.saturating_sub(offset_bytes));
            let data = area.data.get(from..).unwrap_or_default();
            let room = buffer.get_mut(to..).unwrap_or_default();
            room.iter_mut().zip(data).for_each(|(byte, kept)| *byte = *kept);
        }
        Ok(())
    }

    fn sector_bytes(&self) -> Option<u32> {
        self.sector_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::read_vec;

    fn area(start_bytes: u64, data: &[u8]) -> Area {
        Area { start_bytes, data: data.to_vec() }
    }

    #[test]
    fn areas_lie_where_they_lay_between_zeros() {
        let skeleton =
            Skeleton::new(20, None, vec![area(2, b"abc"), area(5, b"d"), area(18, b"yz")]).unwrap();
        let whole = b"\0\0abcd\0\0\0\0\0\0\0\0\0\0\0\0yz";
        for from in 0..20_usize {
            for len in 0..=20 - from {
                let found = read_vec(&skeleton, from as u64, len).unwrap();
                assert_eq!(found, whole[from..from + len], "{len} bytes at {from}");
            }
        }
        assert!(skeleton.read_at(19, &mut [0; 2]).is_err());
        assert!(skeleton.read_at(u64::MAX, &mut [0; 2]).is_err());
    }

    #[test]
    fn areas_of_no_disk_are_refused() {
        for areas in [vec![area(5, b"ab"), area(6, b"c")], vec![area(19, b"ab")], vec![area(u64::MAX, b"ab")]]
        {
            assert!(Skeleton::new(20, None, areas).is_err());
        }
    }
}
