//! Whether partitions lie where they can: on the device, and not on each other.

use super::Partition;

/// Notes on each partition what is wrong with its place.
///
/// Two partitions that overlap both get a fault that names the other (one of them, where there are several). An
/// extended partition may overlap the logical ones, which it holds, but no primary one.
pub(super) fn check(partitions: &mut [Partition], device_bytes: u64) {
    for partition in partitions.iter_mut() {
        let end = partition.range.end();
        if end > device_bytes {
            let what = format!("ends at byte {end}, but the device at {device_bytes}; is the image cut off?");
            partition.past_end = Some(what);
        }
    }
    let holds_data = |partition: &Partition| !partition.is_container;
    let is_outermost = |partition: &Partition| partition.is_container || partition.number <= LAST_PRIMARY;
    let with_container = |pair: &(usize, usize)| {
        [pair.0, pair.1].iter().any(|at| partitions.get(*at).is_some_and(|partition| partition.is_container))
    };
    let mut pairs = overlaps(partitions, holds_data);
    if partitions.iter().any(|partition| partition.is_container) {
        pairs.extend(overlaps(partitions, is_outermost).into_iter().filter(with_container));
    }
    for (at, other) in pairs {
        let number = partitions.get(other).map_or(0, |partition| partition.number);
        if let Some(partition) = partitions.get_mut(at) {
            add_fault(partition, format!("overlaps partition {number}"));
        }
    }
}

/// The number of the last slot in a master boot record.
const LAST_PRIMARY: u32 = 4;

/// Adds `what` to the faults of a partition.
pub(super) fn add_fault(partition: &mut Partition, what: String) {
    partition.fault = Some(match partition.fault.take() {
        Some(before) => format!("{before}; {what}"),
        None => what,
    });
}

/// For each of the `chosen` partitions that overlaps another chosen one: its place in the list, and the other's.
///
/// In order of their start, whoever overlaps any earlier one overlaps the one that reaches furthest so far, so one
/// pass after sorting finds them all.
fn overlaps(partitions: &[Partition], chosen: impl Fn(&Partition) -> bool) -> Vec<(usize, usize)> {
    let mut by_start: Vec<(usize, &Partition)> = partitions
        .iter()
        .enumerate()
        .filter(|(_, partition)| chosen(partition) && !partition.range.is_empty())
        .collect();
    by_start.sort_by_key(|(_, partition)| partition.range);
    let mut found = Vec::new();
    let mut furthest: Option<Furthest<'_>> = None;
    for (at, partition) in by_start {
        let mut reported = false;
        if let Some(before) =
            furthest.as_mut().filter(|before| before.partition.range.overlaps(&partition.range))
        {
            found.push((at, before.at));
            reported = true;
            if !before.reported {
                before.reported = true;
                found.push((before.at, at));
            }
        }
        if furthest.as_ref().is_none_or(|before| before.partition.range.end() < partition.range.end()) {
            furthest = Some(Furthest { at, partition, reported });
        }
    }
    found
}

/// The partition that reaches furthest among those seen.
struct Furthest<'a> {
    at: usize,
    partition: &'a Partition,
    /// Whether it is in the result already.
    reported: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::ByteRange;

    const DEVICE: u64 = 1000;

    fn partition(number: u32, start: u64, len: u64, is_container: bool) -> Partition {
        Partition {
            number,
            range: ByteRange::new(start, len).unwrap(),
            type_id: String::new(),
            type_name: String::new(),
            name: String::new(),
            uuid: String::new(),
            bootable: false,
            is_container,
            fault: None,
            past_end: None,
        }
    }

    fn faults(places: &[(u32, u64, u64, bool)]) -> Vec<(u32, String)> {
        let mut partitions: Vec<_> = places
            .iter()
            .map(|(number, start, len, holds)| partition(*number, *start, *len, *holds))
            .collect();
        check(&mut partitions, DEVICE);
        partitions.into_iter().filter_map(|p| Some((p.number, p.fault?))).collect()
    }

    fn overlap(number: u32, other: u32) -> (u32, String) {
        (number, format!("overlaps partition {other}"))
    }

    #[test]
    fn partitions_that_touch_or_are_empty_are_well_placed() {
        assert_eq!(faults(&[(1, 0, 100, false), (2, 100, 900, false), (3, 50, 0, false)]), []);
    }

    #[test]
    fn both_sides_of_an_overlap_name_each_other() {
        let found = faults(&[(3, 99, 10, false), (1, 0, 100, false), (2, 200, 100, false)]);
        assert_eq!(found, [overlap(3, 1), overlap(1, 3)]);
    }

    #[test]
    fn everyone_in_a_heap_of_overlaps_is_named() {
        let found =
            faults(&[(1, 0, 500, false), (2, 10, 10, false), (3, 15, 10, false), (4, 30, 900, false)]);
        assert_eq!(found, [overlap(1, 2), overlap(2, 1), overlap(3, 1), overlap(4, 1)]);
        let chained = faults(&[(1, 0, 20, false), (2, 10, 20, false), (3, 25, 20, false)]);
        assert_eq!(chained, [overlap(1, 2), overlap(2, 1), overlap(3, 2)]);
    }

    #[test]
    fn an_extended_partition_may_overlap_its_logicals_but_no_primary() {
        assert_eq!(faults(&[(1, 0, 100, false), (2, 100, 500, true), (5, 110, 90, false)]), []);
        let found = faults(&[(1, 0, 101, false), (2, 100, 500, true), (5, 110, 90, false)]);
        assert_eq!(found, [overlap(1, 2), overlap(2, 1)]);
    }

    #[test]
    fn a_partition_past_the_end_says_by_how_much() {
        let mut partitions = [partition(1, 900, 101, false), partition(2, 800, 100, false)];
        check(&mut partitions, DEVICE);
        let expected = "ends at byte 1001, but the device at 1000; is the image cut off?";
        assert_eq!(partitions[0].past_end.as_deref(), Some(expected));
        assert_eq!((&partitions[1].past_end, &partitions[0].fault), (&None, &None));
    }

    #[test]
    fn overlaps_are_those_that_comparing_every_pair_finds() {
        let mut seed = 1_u64;
        let mut next = |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % below
        };
        for _ in 0..500 {
            let places: Vec<_> = (1..9).map(|n| partition(n, next(100), next(30), false)).collect();
            let mut checked = places.clone();
            check(&mut checked, DEVICE);
            for (at, partition) in places.iter().enumerate() {
                let shares = |p: &Partition| !p.range.is_empty() && p.range.overlaps(&partition.range);
                let hit = !partition.range.is_empty()
                    && places.iter().enumerate().any(|(other, p)| other != at && shares(p));
                assert_eq!(checked[at].fault.is_some(), hit, "{places:?}");
            }
        }
    }
}
