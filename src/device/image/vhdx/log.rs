//! The log of a VHDX image: writes to its tables that may not have reached their place.
//!
//! The log is a ring of entries in sectors of 4 KiB. The newest run of entries whose numbers follow
//! each other is replayed in memory: the file stays as it is.
//!
//! Layout: \[MS-VHDX\], section 2.3.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::header::{Header, is_sound};
use crate::device::{Device, ReadAt, read_vec, within};
use crate::error::{Error, Kind, Result};
use crate::fields::{Short, bytes_at, slice_at, u32_at, u64_at};
use crate::units::ByteRange;

/// Bytes of a sector of the log, and of what a data descriptor writes.
const SECTOR: u64 = 4096;
const SECTOR_LEN: usize = 4096;
const ENTRY_HEADER: usize = 64;
const DESCRIPTOR: usize = 32;

/// Longest log that is replayed. Hyper-V makes logs of 1 MiB.
const LONGEST: u32 = 64 << 20;

/// How many times the length of the ring is checksummed at most.
const MOST_PASSES: u64 = 16;

/// The mark of a header whose log is not in use.
const UNUSED: [u8; 16] = [0; 16];

/// Replays the log of the image in `file`. Gives the file as it is after that.
///
/// # Errors
///
/// When the log is in use, and its entries can't be trusted.
pub(super) fn replayed(file: &Device, header: &Header) -> Result<Device> {
    if header.log_guid == UNUSED {
        return Ok(Arc::clone(file));
    }
    if header.log_len > LONGEST {
        let message = format!("has a log of {} bytes, at most {LONGEST} are replayed", header.log_len);
        return Err(Error::new(Kind::Limit, message));
    }
    let ring = read_vec(file.as_ref(), header.log_at, usize::try_from(header.log_len).unwrap_or(0))?;
    let entries = entries(&ring, header.log_guid);
    let sequence = newest(&entries, header.log_len.into())
        .ok_or_else(|| Error::corrupt("has a log in use, without an entry that can be trusted"))?;
    let needed = sequence.last().map_or(0, |entry| entry.file_len);
    if file.len_bytes() < needed {
        let message = format!("ends at byte {}, but had {needed} when its log was written", file.len_bytes());
        return Err(Error::corrupt(message));
    }
    let mut sectors = BTreeMap::new();
    for entry in sequence {
        entry.apply(&mut sectors).map_err(Error::corrupt)?;
    }
    Ok(Arc::new(Patched { file: Arc::clone(file), sectors }))
}

/// An entry that can be trusted.
#[derive(Debug)]
struct Entry {
    /// Position in the ring, in bytes, and length.
    at: u64,
    len: u64,
    /// Where the oldest entry was that was needed, when this one was written.
    tail: u64,
    sequence: u64,
    file_len: u64,
    descriptors: u32,
    bytes: Vec<u8>,
}

/// All entries of the ring that can be trusted.
fn entries(ring: &[u8], guid: [u8; 16]) -> Vec<Entry> {
    let len = u64::try_from(ring.len()).unwrap_or(0);
    let mut found = Vec::new();
    let mut at = 0;
    // Each candidate costs a checksum over its length, and a length may be a lie.
    let mut budget = len.saturating_mul(MOST_PASSES);
    while at < len && budget > 0 {
        let entry = entry(ring, at, guid, &mut budget).ok().flatten();
        at = at.saturating_add(entry.as_ref().map_or(SECTOR, |entry| entry.len));
        found.extend(entry);
    }
    found
}

fn entry(ring: &[u8], at: u64, guid: [u8; 16], budget: &mut u64) -> Result<Option<Entry>, Short> {
    let start = usize::try_from(at).unwrap_or(usize::MAX);
    let head = ring.get(start..).unwrap_or_default();
    if !head.starts_with(b"loge") {
        return Ok(None);
    }
    let entry_length = u32_at(head, 8)?;
    let tail = u32_at(head, 12)?;
    let sequence_number = u64_at(head, 16)?;
    let descriptor_count = u32_at(head, 24)?;
    let log_guid: [u8; 16] = bytes_at(head, 32)?;
    let flushed_file_offset = u64_at(head, 48)?;
    let len = u64::from(entry_length);
    let ring_len = u64::try_from(ring.len()).unwrap_or(0);
    if log_guid != guid
        || len == 0
        || len.checked_rem(SECTOR) != Some(0)
        || len > ring_len
        || sequence_number == 0
    {
        return Ok(None);
    }
    *budget = budget.saturating_sub(len);
    // An entry goes on at the start of the ring.
    let mut bytes = Vec::new();
    let count = usize::try_from(entry_length).unwrap_or(usize::MAX);
    bytes.extend(ring.iter().cycle().skip(start).take(count));
    if !is_sound(&bytes, 4) {
        return Ok(None);
    }
    Ok(Some(Entry {
        at,
        len,
        tail: tail.into(),
        sequence: sequence_number,
        file_len: flushed_file_offset,
        descriptors: descriptor_count,
        bytes,
    }))
}

/// The newest run of entries whose numbers follow each other, from the tail that its last one
/// names.
fn newest(entries: &[Entry], ring_len: u64) -> Option<Vec<&Entry>> {
    let by_place: BTreeMap<u64, &Entry> = entries.iter().map(|entry| (entry.at, entry)).collect();
    let mut heads: Vec<&Entry> = entries.iter().collect();
    heads.sort_by_key(|entry| std::cmp::Reverse(entry.sequence));
    heads.into_iter().find_map(|head| {
        let mut run = Vec::new();
        let mut at = head.tail;
        // Each step takes another entry, so there are no more steps than entries.
        for _ in 0..entries.len() {
            let entry = *by_place.get(&at)?;
            let follows =
                run.last().is_none_or(|last: &&Entry| last.sequence.checked_add(1) == Some(entry.sequence));
            if !follows {
                return None;
            }
            run.push(entry);
            if entry.at == head.at {
                return Some(run);
            }
            at = entry.at.saturating_add(entry.len).checked_rem(ring_len)?;
        }
        None
    })
}

impl Entry {
    /// Writes what the entry holds into `sectors`, by position in the file.
    fn apply(&self, sectors: &mut BTreeMap<u64, Box<[u8]>>) -> Result<(), Fault> {
        let count = usize::try_from(self.descriptors).unwrap_or(usize::MAX);
        let table = count.saturating_mul(DESCRIPTOR);
        let descriptors = slice_at(&self.bytes, ENTRY_HEADER, table)?;
        let data_at = ENTRY_HEADER.saturating_add(table).next_multiple_of(SECTOR_LEN);
        let mut data = self.bytes.get(data_at..).unwrap_or_default().chunks_exact(SECTOR_LEN);
        for descriptor in descriptors.chunks_exact(DESCRIPTOR) {
            let file_offset = u64_at(descriptor, 16)?;
            if u64_at(descriptor, 24)? != self.sequence || file_offset.checked_rem(SECTOR) != Some(0) {
                return Err(Fault::Descriptor);
            }
            match descriptor.get(..4) {
                Some(b"desc") => {
                    let sector = data.next().ok_or(Fault::Descriptor)?;
                    sectors.insert(file_offset, data_sector(descriptor, sector, self.sequence)?);
                }
                Some(b"zero") => zero(sectors, file_offset, u64_at(descriptor, 8)?)?,
                _ => return Err(Fault::Descriptor),
            }
        }
        Ok(())
    }
}

/// Puts a sector together: its first 8 and last 4 bytes are in the descriptor.
fn data_sector(descriptor: &[u8], sector: &[u8], sequence: u64) -> Result<Box<[u8]>, Fault> {
    let trailing_bytes: [u8; 4] = bytes_at(descriptor, 4)?;
    let leading_bytes: [u8; 8] = bytes_at(descriptor, 8)?;
    let sequence_high = u32_at(sector, 4)?;
    let sequence_low = u32_at(sector, SECTOR_LEN.saturating_sub(4))?;
    let stored = u64::from(sequence_high).wrapping_shl(32) | u64::from(sequence_low);
    if !sector.starts_with(b"data") || stored != sequence {
        return Err(Fault::Sector);
    }
    let middle = slice_at(sector, 8, SECTOR_LEN.saturating_sub(12))?;
    Ok([&leading_bytes, middle, &trailing_bytes].concat().into())
}

/// Most sectors of zeros that one log writes: it zeroes tables, which have 64 MiB at most.
const MOST_ZEROS: u64 = (64 << 20) / SECTOR;

fn zero(sectors: &mut BTreeMap<u64, Box<[u8]>>, at: u64, len: u64) -> Result<(), Fault> {
    let count = len.checked_div(SECTOR).filter(|count| *count <= MOST_ZEROS).ok_or(Fault::Zeros)?;
    for index in 0..count {
        let at = at.checked_add(index.saturating_mul(SECTOR)).ok_or(Fault::Zeros)?;
        sectors.insert(at, vec![0; SECTOR_LEN].into());
    }
    Ok(())
}

/// An entry whose content makes no sense, though its checksum is right.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
enum Fault {
    #[error("has a log entry that ends too early: {0}")]
    Short(#[from] Short),
    #[error("has a log entry with a descriptor that makes no sense")]
    Descriptor,
    #[error("has a log entry with a torn sector")]
    Sector,
    #[error("has a log entry that zeroes more than any table has")]
    Zeros,
}

/// A file with some of its sectors replaced.
#[derive(Debug)]
struct Patched {
    file: Device,
    sectors: BTreeMap<u64, Box<[u8]>>,
}

impl ReadAt for Patched {
    fn len_bytes(&self) -> u64 {
        self.file.len_bytes()
    }

    fn read_at(&self, offset_bytes: u64, buffer: &mut [u8]) -> Result<()> {
        within(self.len_bytes(), offset_bytes, buffer.len())?;
        self.file.read_at(offset_bytes, buffer)?;
        let len = u64::try_from(buffer.len()).unwrap_or(0);
        let end = offset_bytes.saturating_add(len);
        let first = offset_bytes.saturating_sub(SECTOR.saturating_sub(1));
        for (at, sector) in self.sectors.range(first..end) {
            // The part of the sector that lies in the buffer.
            let (from, to) = ((*at).max(offset_bytes), at.saturating_add(SECTOR).min(end));
            let index = |position: u64, start: u64| {
                usize::try_from(position.saturating_sub(start)).unwrap_or(usize::MAX)
            };
            let target = buffer.get_mut(index(from, offset_bytes)..index(to, offset_bytes));
            let source = sector.get(index(from, *at)..index(to, *at));
            if let (Some(target), Some(source)) = (target, source) {
                target.copy_from_slice(source);
            }
        }
        Ok(())
    }

    fn will_need(&self, range: ByteRange) {
        self.file.will_need(range);
    }

    fn done_with(&self, range: ByteRange) {
        self.file.done_with(range);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Entries, and their places in the ring.
    type Entries = Vec<(usize, Vec<u8>)>;

    const GUID: [u8; 16] = [7; 16];
    const RING: usize = 1 << 20;
    const FILE: usize = 4 << 20;

    /// A log entry that writes `fill` over the sectors at `at`.
    fn entry_of(sequence: u64, tail: u32, fill: u8, at: &[u64]) -> Vec<u8> {
        let sectors = 1 + at.len();
        let mut entry = vec![0; sectors * SECTOR_LEN];
        let len = u32::try_from(entry.len()).unwrap();
        entry[..4].copy_from_slice(b"loge");
        entry[8..12].copy_from_slice(&len.to_le_bytes());
        entry[12..16].copy_from_slice(&tail.to_le_bytes());
        entry[16..24].copy_from_slice(&sequence.to_le_bytes());
        entry[24..28].copy_from_slice(&u32::try_from(at.len()).unwrap().to_le_bytes());
        entry[32..48].copy_from_slice(&GUID);
        entry[48..56].copy_from_slice(&u64::try_from(FILE).unwrap().to_le_bytes());
        for (index, at) in at.iter().enumerate() {
            let descriptor = &mut entry[ENTRY_HEADER + index * DESCRIPTOR..][..DESCRIPTOR];
            descriptor[..16].copy_from_slice(&[b"desc", &[fill; 12][..]].concat());
            descriptor[16..24].copy_from_slice(&at.to_le_bytes());
            descriptor[24..].copy_from_slice(&sequence.to_le_bytes());
            let sector = &mut entry[(1 + index) * SECTOR_LEN..][..SECTOR_LEN];
            sector.fill(fill);
            sector[..8].copy_from_slice(b"data\0\0\0\0");
            sector[4092..].copy_from_slice(&u32::try_from(sequence).unwrap().to_le_bytes());
        }
        let crc = crc32c::crc32c(&entry);
        entry[4..8].copy_from_slice(&crc.to_le_bytes());
        entry
    }

    /// A file with a log at 1 MiB that has these entries at these places of the ring.
    fn file(entries: &[(usize, Vec<u8>)]) -> Device {
        let mut file = vec![1; FILE];
        let ring = &mut file[RING..2 * RING];
        ring.fill(0);
        for (at, entry) in entries {
            for (index, byte) in entry.iter().enumerate() {
                ring[(at + index) % RING] = *byte;
            }
        }
        Arc::new(file)
    }

    fn header() -> Header {
        let mut header = vec![0; super::super::header::HEADER_BYTES];
        header[..4].copy_from_slice(b"head");
        header[48..64].copy_from_slice(&GUID);
        header[66] = 1;
        header[68..72].copy_from_slice(&u32::try_from(RING).unwrap().to_le_bytes());
        header[72..80].copy_from_slice(&u64::try_from(RING).unwrap().to_le_bytes());
        let crc = crc32c::crc32c(&header);
        header[4..8].copy_from_slice(&crc.to_le_bytes());
        Header::newest(std::iter::once(&header[..])).unwrap()
    }

    /// Three bytes of a sector after the replay.
    fn sector(entries: &[(usize, Vec<u8>)], at: u64) -> Result<[u8; 3]> {
        let device = replayed(&file(entries), &header())?;
        let bytes = read_vec(device.as_ref(), at, SECTOR_LEN)?;
        Ok([bytes[0], bytes[100], bytes[4095]])
    }

    #[test]
    fn the_newest_run_of_entries_is_replayed() {
        let old = (0, entry_of(9, 0, 9, &[0]));
        let first = (8192, entry_of(10, 8192, 2, &[4096, 8192]));
        let second = (20480, entry_of(11, 8192, 3, &[8192]));
        let all = [old.clone(), first.clone(), second.clone()];
        let cases = [(0, 1), (4096, 2), (8192, 3), (12288, 1)];
        for (at, fill) in cases {
            assert_eq!(sector(&all, at).unwrap(), [fill; 3], "byte {at}");
        }
        // Without the last entry, the run ends at the one before it.
        assert_eq!(sector(&[old, first], 8192).unwrap(), [2; 3]);
    }

    #[test]
    fn a_run_goes_on_at_the_start_of_the_ring() {
        let tail = u32::try_from(RING - 8192).unwrap();
        let first = (RING - 8192, entry_of(4, tail, 2, &[4096]));
        let second = (0, entry_of(5, tail, 3, &[8192]));
        assert_eq!(sector(&[first, second.clone()], 4096).unwrap(), [2; 3]);
        let across = (RING - 4096, entry_of(4, tail + 4096, 5, &[4096]));
        let behind = (4096, entry_of(5, tail + 4096, 6, &[8192]));
        assert_eq!(sector(&[across, behind], 8192).unwrap(), [6; 3]);
    }

    #[test]
    fn a_log_that_lies_is_an_error() {
        let torn = |change: fn(&mut Vec<u8>)| {
            let mut entry = entry_of(10, 0, 2, &[4096]);
            change(&mut entry);
            entry[4..8].fill(0);
            let crc = crc32c::crc32c(&entry);
            entry[4..8].copy_from_slice(&crc.to_le_bytes());
            vec![(0, entry)]
        };
        let cases: [(&str, Entries); 7] = [
            ("without an entry", vec![]),
            ("without an entry", vec![(0, vec![b'x'; 8192])]),
            ("torn sector", torn(|entry| entry[8191] ^= 1)),
            ("descriptor", torn(|entry| entry[ENTRY_HEADER] = b'x')),
            ("descriptor", torn(|entry| entry[ENTRY_HEADER + 16] = 1)),
            ("ends too early", torn(|entry| entry[27] = 0xff)),
            ("but had", torn(|entry| entry[54] = 1)),
        ];
        for (words, entries) in cases {
            let error = sector(&entries, 4096).unwrap_err();
            assert!(error.to_string().contains(words), "{words}: {error}");
        }
    }

    #[test]
    fn entries_that_claim_great_lengths_cost_no_more_than_a_few_passes() {
        let mut ring = vec![0; RING];
        for at in (0..RING).step_by(SECTOR_LEN) {
            ring[at..at + 4].copy_from_slice(b"loge");
            ring[at + 8..at + 12].copy_from_slice(&u32::try_from(RING).unwrap().to_le_bytes());
            ring[at + 16] = 1;
            ring[at + 32..at + 48].copy_from_slice(&GUID);
        }
        let (ring_len, mut budget) = (u64::try_from(RING).unwrap(), u64::MAX);
        assert!(entry(&ring, 0, GUID, &mut budget).unwrap().is_none());
        assert_eq!(u64::MAX - budget, ring_len);
        assert!(entries(&ring, GUID).is_empty());
    }
}
