//! What a disk has outside of its files, and can't be made again without: the table itself, boot code, headers.
//!
//! All of it goes into the manifest, byte for byte, as records of what is not zero: the first sector and a GPT's two copies, extended boot
//! records, what lies before the first partition and at the start of other gaps, where boot loaders put their code, the boot
//! sector that an ext filesystem leaves free, and the header of swap space. The tar has none of it.

use super::volumes::{Part, Treatment};
use crate::device::{ReadAt, read_vec};
use crate::error::{Error, Kind, Result};
use crate::format::manifest::{self, Area, AreasOf, KEPT_MOST, RECORD_BYTES};
use crate::partition::Table;
use crate::units::{ByteRange, Bytes};
use crate::volume::{Disk, Held};

/// Of what lies before the first partition: there, boards without a disk's firmware have their boot loaders.
const BEFORE_FIRST_BYTES: u64 = 16 << 20;

/// Of every other gap.
const GAP_BYTES: u64 = 1 << 20;

/// What is looked at in all gaps together, beside the first.
const GAPS_BYTES: u64 = 32 << 20;

/// What an ext filesystem leaves to boot loaders, before its superblock.
const EXT_BOOT_BYTES: u64 = 1024;

/// Zeros are left out in pieces of a sector.
const PIECE: usize = 512;

/// Sizes of a page, of all machines, and the signatures that end the first page of swap space.
const PAGES: [u64; 5] = [4 << 10, 8 << 10, 16 << 10, 32 << 10, 64 << 10];
const SWAP_SIGNATURES: [&[u8; 10]; 2] = [b"SWAPSPACE2", b"SWAP-SPACE"];

/// All that is kept of a disk.
#[derive(Debug, Default)]
pub(super) struct Areas {
    pub areas: Vec<Area>,
    /// What was left out, though it may be needed.
    pub warnings: Vec<String>,
    /// What could not be read.
    pub faults: Vec<Error>,
    /// Whether they are those of a disk with its table, or of one volume.
    of_disk: bool,
}

impl Areas {
    /// Reads what is to be kept. `is_bare` tells that the archive is of one volume, whose table is not in it.
    ///
    /// # Errors
    ///
    /// When the device fails, unless the run is to go on then.
    pub(super) fn read(disk: &Disk, parts: &[Part<'_>], is_bare: bool, keep_going: bool) -> Result<Self> {
        let mut areas = Self::default();
        let device = disk.device();
        let mut ranges = Vec::new();
        if let Some(table) = disk.table().filter(|_| !is_bare) {
            areas.of_disk = true;
            ranges.extend(table.structures.iter().copied());
            ranges.extend(gaps(table, device.len_bytes()));
        }
        ranges.extend(parts.iter().filter_map(|part| header(device, part)));
        for range in united(ranges, device.len_bytes()) {
            match areas.take(device, range) {
                Err(error) if error.kind() == Kind::Read && keep_going => areas.faults.push(error),
                taken => taken?,
            }
        }
        Ok(areas)
    }

    /// Keeps what of a range is not zero.
    fn take(&mut self, device: &dyn ReadAt, range: ByteRange) -> Result<()> {
        let mut at = range.start();
        while let Some(data) = device.next_data(at).filter(|data| data.start() < range.end()) {
            at = data.start().max(at);
            let end = data.end().min(range.end());
            while at < end {
                let len = usize::try_from(end.saturating_sub(at)).unwrap_or(usize::MAX).min(RECORD_BYTES);
                let bytes = read_vec(device, at, len)?;
                for (index, piece) in bytes.chunks(PIECE).enumerate() {
                    let start = at.saturating_add(to_u64(index.saturating_mul(PIECE)));
                    if piece.iter().any(|byte| *byte != 0) && !self.push(start, piece) {
                        return Ok(());
                    }
                }
                at = at.saturating_add(to_u64(len));
            }
        }
        Ok(())
    }

    /// Keeps a piece; `false` when there is no more room.
    fn push(&mut self, start: u64, piece: &[u8]) -> bool {
        if self.len_bytes().saturating_add(to_u64(piece.len())) > KEPT_MOST {
            if self.warnings.is_empty() {
                self.warnings.push(format!(
                    "outside of the partitions there are more than {}: from byte {start} on nothing of that is kept, and a \
                     restored disk will not have it",
                    Bytes(KEPT_MOST)
                ));
            }
            return false;
        }
        match self.areas.last_mut() {
            Some(last)
                if end_bytes(last) == start
                    && last.data.len().saturating_add(piece.len()) <= RECORD_BYTES =>
            {
                last.data.extend_from_slice(piece);
            }
            _ => self.areas.push(Area { start_bytes: start, data: piece.to_vec() }),
        }
        true
    }

    fn len_bytes(&self) -> u64 {
        self.areas.iter().fold(0, |sum, area| sum.saturating_add(to_u64(area.data.len())))
    }

    /// What the head says of them. If it says anything, a disk can be made of the archive.
    pub(super) fn summary(&self) -> manifest::Areas {
        manifest::Areas {
            of: if self.of_disk { AreasOf::Disk } else { AreasOf::Volume },
            records: to_u64(self.areas.len()),
            len_bytes: self.len_bytes(),
        }
    }
}

fn end_bytes(area: &Area) -> u64 {
    area.start_bytes.saturating_add(to_u64(area.data.len()))
}

/// Where boot loaders may be, outside of all partitions and of the extended partitions that hold some of them.
fn gaps(table: &Table, device_bytes: u64) -> Vec<ByteRange> {
    let mut taken: Vec<ByteRange> =
        table.partitions.iter().map(|partition| partition.range).filter(|range| !range.is_empty()).collect();
    taken.sort_unstable();
    let (mut gaps, mut at, mut looked_at) = (Vec::new(), 0_u64, 0_u64);
    for range in taken.into_iter().chain(ByteRange::new(device_bytes, 0)) {
        let most = match at {
            0 => BEFORE_FIRST_BYTES,
            _ => GAP_BYTES.min(GAPS_BYTES.saturating_sub(looked_at)),
        };
        let end = range.start().min(device_bytes).min(at.saturating_add(most));
        if let Some(gap) = ByteRange::between(at, end).filter(|gap| !gap.is_empty()) {
            looked_at = if at == 0 { 0 } else { looked_at.saturating_add(gap.len()) };
            gaps.push(gap);
        }
        at = at.max(range.end());
    }
    gaps
}

/// What of a volume is kept besides its files.
fn header(device: &dyn ReadAt, part: &Part<'_>) -> Option<ByteRange> {
    // Positions of the records count on the disk.
    part.volume.id().number()?;
    let range = part.volume.range();
    let len = match &part.treatment {
        Treatment::Files(_) => EXT_BOOT_BYTES,
        Treatment::Image(_) => return None,
        Treatment::Nothing if part.volume.held() == Held::Swap => {
            PAGES.into_iter().find(|page| is_swap(device, range, *page))?
        }
        Treatment::Empty | Treatment::Nothing => return None,
    };
    ByteRange::new(range.start(), len.min(range.len()))
}

/// Whether the first page of swap space has this length. One that holds a suspended system is none: its header would wake that.
fn is_swap(device: &dyn ReadAt, range: ByteRange, page_bytes: u64) -> bool {
    let at = page_bytes.checked_sub(10).and_then(|at| range.start().checked_add(at));
    let found = at.and_then(|at| read_vec(device, at, 10).ok());
    page_bytes <= range.len()
        && found.is_some_and(|found| SWAP_SIGNATURES.iter().any(|known| found == known.as_slice()))
}

/// The same ranges in order, each byte in one of them, and none behind the end.
fn united(mut ranges: Vec<ByteRange>, device_bytes: u64) -> Vec<ByteRange> {
    ranges.sort_unstable();
    let mut united: Vec<ByteRange> = Vec::new();
    for range in ranges {
        let before = united.last().map_or(0, ByteRange::end);
        let (start, end) = (range.start().max(before), range.end().min(device_bytes));
        united.extend(ByteRange::between(start, end).filter(|range| !range.is_empty()));
    }
    united
}

fn to_u64(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(start: u64, len: u64) -> ByteRange {
        ByteRange::new(start, len).unwrap()
    }

    #[test]
    fn each_byte_is_kept_once_and_none_behind_the_end() {
        let ranges = vec![range(900, 200), range(0, 512), range(100, 50), range(400, 300)];
        assert_eq!(united(ranges, 1000), [range(0, 512), range(512, 188), range(900, 100)]);
    }

    #[test]
    fn what_is_not_zero_is_kept_in_bounded_records() {
        let mut device = vec![0_u8; 200 << 10];
        device[..100 << 10].fill(7);
        device[(150 << 10) + 3] = 1;
        let mut areas = Areas::default();
        areas.take(&device, range(0, 200 << 10)).unwrap();
        let found: Vec<_> = areas.areas.iter().map(|area| (area.start_bytes, area.data.len())).collect();
        assert_eq!(found, [(0, 48 << 10), (48 << 10, 48 << 10), (96 << 10, 4 << 10), (150 << 10, 512)]);
        assert_eq!(areas.summary().len_bytes, (100 << 10) + 512);
    }

    #[test]
    fn more_than_the_limit_is_a_warning() {
        let device = vec![1_u8; (KEPT_MOST as usize) + 4096];
        let mut areas = Areas::default();
        areas.take(&device, range(0, KEPT_MOST + 4096)).unwrap();
        assert_eq!(areas.len_bytes(), KEPT_MOST);
        assert_eq!(areas.warnings.len(), 1);
        assert!(areas.warnings[0].contains("nothing of that is kept"), "{:?}", areas.warnings);
    }
}
