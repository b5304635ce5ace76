//! Maps of sparse files: written in GNU tar's form 1.0, read in the four forms that it has had.
//!
//! <https://www.gnu.org/software/tar/manual/html_node/Sparse-Formats.html>

use thiserror::Error;

use super::header::{BLOCK_LEN, Block};
use super::number::parse_unsigned;
use super::pax;
use crate::fields::slice_at;
use crate::filesystem::Extent;
use crate::format::digest::holes_count;

/// Runs of data that one file may have: more would take more memory than is good.
const RUNS_MOST: usize = 1 << 22;

/// Runs of data: position in the file, and length.
pub(crate) type Runs = Vec<(u64, u64)>;

#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum Fault {
    #[error("the map of a sparse file is not made of numbers")]
    NoNumber,
    #[error("the map of a sparse file has more than {RUNS_MOST} runs")]
    TooMany,
    #[error("the map of a sparse file ends in the middle")]
    CutOff,
    #[error("the run of {len} bytes at {start} of a sparse file goes back, or past its end at {size}")]
    Outside { start: u64, len: u64, size: u64 },
    #[error("the runs of a sparse file take {runs} bytes, but {stored} are stored")]
    Stored { runs: u64, stored: u64 },
}

/// How a file's extents are stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Length of the file, holes included.
    pub size_bytes: u64,
    /// Bytes that the disk has of it.
    pub data_bytes: u64,
    /// Bytes that are stored, without the map.
    pub stored_bytes: u64,
    /// The map, padded, where there is a hole.
    pub map: Option<Vec<u8>>,
    /// The holes: position and length of each, in bytes.
    pub holes: Vec<(u64, u64)>,
    /// Whether the digest covers the holes.
    pub hash_holes: bool,
}

/// Plans a file of `size_bytes` bytes with these extents, which are in order and within it. Holes
/// are stored as zeros, unless `is_sparse`.
pub(crate) fn plan(extents: &[Extent], size_bytes: u64, is_sparse: bool) -> Plan {
    let data_bytes = extents.iter().fold(0_u64, |sum, extent| sum.saturating_add(extent.len_bytes));
    if !is_sparse {
        let stored_bytes = size_bytes.max(data_bytes);
        return Plan { size_bytes, data_bytes, stored_bytes, map: None, holes: Vec::new(), hash_holes: true };
    }
    let in_holes = size_bytes.saturating_sub(data_bytes);
    let runs = runs_of(extents);
    Plan {
        size_bytes,
        data_bytes,
        stored_bytes: data_bytes,
        map: (in_holes > 0).then(|| map(&runs, size_bytes)),
        holes: holes(&runs, size_bytes),
        hash_holes: holes_count(data_bytes, size_bytes),
    }
}

/// Runs of data: neighbouring extents of the file count as one.
fn runs_of(extents: &[Extent]) -> Runs {
    let mut runs = Runs::new();
    for extent in extents {
        match runs.last_mut() {
            Some((start, len)) if start.saturating_add(*len) == extent.file_bytes => {
                *len = len.saturating_add(extent.len_bytes);
            }
            _ => runs.push((extent.file_bytes, extent.len_bytes)),
        }
    }
    runs
}

/// The number of runs, then position and length of each, in decimal lines; a hole at the end is a run of no bytes there.
fn map(runs: &[(u64, u64)], size_bytes: u64) -> Vec<u8> {
    let end = runs.last().map_or(0, |(start, len)| start.saturating_add(*len));
    let last = (end < size_bytes).then_some((size_bytes, 0));
    let mut map = format!("{}\n", runs.len().saturating_add(usize::from(last.is_some())));
    for (start, len) in runs.iter().copied().chain(last) {
        map.push_str(&format!("{start}\n{len}\n"));
    }
    let mut map = map.into_bytes();
    map.resize(map.len().next_multiple_of(BLOCK_LEN), 0);
    map
}

/// What lies between the runs, and behind the last.
fn holes(runs: &[(u64, u64)], size_bytes: u64) -> Runs {
    let mut holes = Vec::new();
    let mut end = 0;
    for (start, len) in runs.iter().copied() {
        if start > end {
            holes.push((end, start.saturating_sub(end)));
        }
        end = start.saturating_add(len);
    }
    if size_bytes > end {
        holes.push((end, size_bytes.saturating_sub(end)));
    }
    holes
}

/// The old GNU form: four runs in the header, 21 in each block behind it.
#[derive(Debug, Default)]
pub(crate) struct Old {
    pub runs: Runs,
    pub size: u64,
    pub has_more: bool,
}

impl Old {
    pub(crate) fn of_header(block: &Block) -> Result<Self, Fault> {
        let mut old = Self { size: field(block, 483)?, ..Self::default() };
        old.take(block, 386, 4, 482)?;
        Ok(old)
    }

    /// Takes on the runs of a further block.
    pub(crate) fn add(&mut self, block: &Block) -> Result<(), Fault> {
        self.take(block, 0, 21, 504)
    }

    fn take(&mut self, block: &Block, at: usize, count: usize, more_at: usize) -> Result<(), Fault> {
        for index in 0..count {
            let at = at.saturating_add(index.saturating_mul(24));
            // A run of no bytes marks the end, and the first that is not there too.
            let is_unused = slice_at(block, at.saturating_add(12), 1).is_ok_and(|byte| byte == [0]);
            if is_unused {
                break;
            }
            if self.runs.len() >= RUNS_MOST {
                return Err(Fault::TooMany);
            }
            self.runs.push((field(block, at)?, field(block, at.saturating_add(12))?));
        }
        self.has_more = block.get(more_at).is_some_and(|byte| *byte != 0);
        Ok(())
    }
}

fn field(block: &Block, at: usize) -> Result<u64, Fault> {
    slice_at(block, at, 12).ok().and_then(parse_unsigned).ok_or(Fault::NoNumber)
}

/// Form 0.1: position and length of each run in one pax record, with commas between them.
pub(crate) fn of_list(value: &[u8]) -> Result<Runs, Fault> {
    let mut numbers = value.split(|byte| *byte == b',').map(|text| pax::number(text).ok_or(Fault::NoNumber));
    let mut runs = Runs::new();
    while let Some(start) = numbers.next() {
        if runs.len() >= RUNS_MOST {
            return Err(Fault::TooMany);
        }
        runs.push((start?, numbers.next().ok_or(Fault::CutOff)??));
    }
    Ok(runs)
}

/// Form 0.0: position and length of each run in pax records of their own, which repeat.
#[derive(Debug, Default)]
pub(crate) struct Repeated {
    start: Option<u64>,
    pub runs: Runs,
}

impl Repeated {
    pub(crate) fn start(&mut self, value: &[u8]) -> Result<(), Fault> {
        self.start = Some(pax::number(value).ok_or(Fault::NoNumber)?);
        Ok(())
    }

    pub(crate) fn len(&mut self, value: &[u8]) -> Result<(), Fault> {
        let start = self.start.take().ok_or(Fault::CutOff)?;
        if self.runs.len() >= RUNS_MOST {
            return Err(Fault::TooMany);
        }
        self.runs.push((start, pax::number(value).ok_or(Fault::NoNumber)?));
        Ok(())
    }
}

/// Form 1.0: decimal lines before the data, padded to whole blocks. Takes block after block until the map is whole.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    digits: Vec<u8>,
    /// Numbers that are to come, once the first is read.
    expected: Option<usize>,
    start: Option<u64>,
    pub runs: Runs,
}

impl Lines {
    /// Takes a block on. Whether the map is whole with it.
    pub(crate) fn add(&mut self, block: &Block) -> Result<bool, Fault> {
        for byte in block {
            match byte {
                b'0'..=b'9' if self.digits.len() < 20 => self.digits.push(*byte),
                b'\n' => {
                    let number = pax::number(&self.digits).ok_or(Fault::NoNumber)?;
                    self.digits.clear();
                    if self.number(number)? {
                        return Ok(true);
                    }
                }
                _ => return Err(Fault::NoNumber),
            }
        }
        Ok(false)
    }

    fn number(&mut self, number: u64) -> Result<bool, Fault> {
        match (self.expected, self.start.take()) {
            (None, _) => {
                let count = usize::try_from(number).ok().filter(|count| *count <= RUNS_MOST);
                self.expected = Some(count.ok_or(Fault::TooMany)?);
            }
            (Some(_), None) => self.start = Some(number),
            (Some(_), Some(start)) => self.runs.push((start, number)),
        }
        Ok(self.expected == Some(self.runs.len()))
    }
}

/// Checks that the runs are in order, within the file, and as long as what is stored. Those of no bytes are left out.
pub(crate) fn check(mut runs: Runs, size: u64, stored: u64) -> Result<Runs, Fault> {
    let (mut end, mut sum) = (0_u64, 0_u64);
    for (start, len) in &runs {
        let outside = || Fault::Outside { start: *start, len: *len, size };
        let run_end = start.checked_add(*len).filter(|run_end| *run_end <= size).ok_or_else(outside)?;
        if *start < end {
            return Err(outside());
        }
        end = run_end;
        sum = sum.saturating_add(*len);
    }
    if sum != stored {
        return Err(Fault::Stored { runs: sum, stored });
    }
    runs.retain(|(_, len)| *len > 0);
    Ok(runs)
}

const _: () = assert!(BLOCK_LEN == 512, "the old form's places are those in a block of 512 bytes");

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_map_that_is_written_is_the_one_that_is_read(
            runs in prop::collection::vec((1..1_u64 << 40, 1..1_u64 << 20), 0..60), behind in 1..1_u64 << 40,
        ) {
            let (mut extents, mut end) = (Vec::new(), 0);
            for (gap, len) in runs {
                extents.push(extent(end + gap, len));
                end += gap + len;
            }
            let plan = plan(&extents, end + behind, true);
            let mut lines = Lines::default();
            let blocks = plan.map.as_ref().unwrap().as_chunks::<BLOCK_LEN>().0;
            for (index, block) in blocks.iter().enumerate() {
                prop_assert_eq!(lines.add(block), Ok(index + 1 == blocks.len()));
            }
            let expected: Runs = extents.iter().map(|extent| (extent.file_bytes, extent.len_bytes)).collect();
            prop_assert_eq!(check(lines.runs, plan.size_bytes, plan.stored_bytes), Ok(expected));
        }
    }

    #[test]
    fn a_map_in_lines_may_cross_blocks() {
        let mut text = "40\n".to_owned();
        (0..40).for_each(|run| text.push_str(&format!("{}\n4096\n", 1_000_000 + run * 10_000)));
        let mut bytes = text.into_bytes();
        bytes.resize(bytes.len().next_multiple_of(BLOCK_LEN), 0);
        let mut lines = Lines::default();
        let blocks = bytes.as_chunks::<BLOCK_LEN>().0;
        for (index, block) in blocks.iter().enumerate() {
            assert_eq!(lines.add(block), Ok(index + 1 == blocks.len()));
        }
        assert_eq!((lines.runs.len(), lines.runs[39]), (40, (1_390_000, 4096)));
    }

    #[test]
    fn a_map_without_runs_is_whole_at_once() {
        let mut block = [0; BLOCK_LEN];
        block[..2].copy_from_slice(b"0\n");
        assert_eq!(Lines::default().add(&block), Ok(true));
    }

    #[test]
    fn lists_are_pairs() {
        assert_eq!(of_list(b"0,512,8192,10"), Ok(vec![(0, 512), (8192, 10)]));
        assert_eq!(of_list(b"0,512,8192"), Err(Fault::CutOff));
        assert_eq!(of_list(b"0,x"), Err(Fault::NoNumber));
    }

    #[test]
    fn runs_are_in_order_and_within_the_file() {
        assert_eq!(check(vec![(0, 10), (20, 5), (30, 0)], 30, 15), Ok(vec![(0, 10), (20, 5)]));
        for (runs, stored) in
            [(vec![(0, 31)], 31), (vec![(10, 5), (0, 5)], 10), (vec![(u64::MAX, 2)], 2), (vec![(0, 5)], 6)]
        {
            assert!(check(runs, 30, stored).is_err());
        }
    }

    fn extent(file_bytes: u64, len_bytes: u64) -> Extent {
        Extent::raw(file_bytes, 0, len_bytes)
    }

    #[test]
    fn a_map_names_the_runs_of_data_and_the_end() {
        let cases = [
            (vec![], 4096, "1\n4096\n0\n"),
            (vec![extent(4096, 1024)], 5120, "1\n4096\n1024\n"),
            (vec![extent(0, 1024), extent(1024, 1024), extent(8192, 10)], 8202, "2\n0\n2048\n8192\n10\n"),
            (vec![extent(0, 1024)], 8192, "2\n0\n1024\n8192\n0\n"),
        ];
        for (extents, size, text) in cases {
            let map = plan(&extents, size, true).map.unwrap();
            assert_eq!(map.len() % BLOCK_LEN, 0);
            assert_eq!(String::from_utf8(map).unwrap().trim_end_matches('\0'), text);
        }
    }

    #[test]
    fn a_file_without_holes_has_no_map() {
        assert_eq!(plan(&[extent(0, 1024), extent(1024, 6)], 1030, true).map, None);
        assert_eq!(plan(&[], 0, true).map, None);
    }

    #[test]
    fn huge_holes_are_left_out_of_the_digest() {
        assert!(plan(&[extent(0, 1 << 20)], 2 << 20, true).hash_holes);
        assert!(!plan(&[extent(0, 4096)], 1 << 40, true).hash_holes);
    }

    #[test]
    fn a_file_that_shall_not_be_sparse_is_stored_in_full() {
        let plan = plan(&[extent(4096, 1024)], 1 << 20, false);
        assert_eq!((plan.stored_bytes, plan.data_bytes, plan.hash_holes), (1 << 20, 1024, true));
        assert_eq!((plan.map, plan.holes), (None, vec![]));
    }
}
