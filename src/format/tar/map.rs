//! Sparse files: from extents to the map that GNU tar's format 1.0 puts before the data.
//!
//! <https://www.gnu.org/software/tar/manual/html_node/PAX-1.html>

use crate::filesystem::Extent;

/// The map is padded to whole blocks.
const BLOCK_LEN: usize = 512;

/// Holes count in the digest when they are no longer than the data, and this many bytes. Otherwise a file of a few blocks
/// that claims to be terabytes long would keep a core busy for hours.
const HOLES_FREE: u64 = 64 << 10;

/// Whether holes count in the digest of a file with this many bytes of data. The rule stands here
/// alone.
pub(crate) fn holes_count(data_bytes: u64, size_bytes: u64) -> bool {
    size_bytes.saturating_sub(data_bytes) <= data_bytes.saturating_add(HOLES_FREE)
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
    let runs = runs(extents);
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
fn runs(extents: &[Extent]) -> Vec<(u64, u64)> {
    let mut runs: Vec<(u64, u64)> = Vec::new();
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
fn holes(runs: &[(u64, u64)], size_bytes: u64) -> Vec<(u64, u64)> {
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

#[cfg(test)]
mod tests {
    use super::*;

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
