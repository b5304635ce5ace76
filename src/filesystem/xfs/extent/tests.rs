use super::super::sample::{extent, superblock};
use super::*;

fn run(logical: u64, physical: u64, len: u64) -> Run {
    Run { logical, physical, len, is_unwritten: false }
}

#[test]
fn an_extent_is_unpacked_from_128_bits() {
    let most = run((1 << 54) - 1, (1 << 52) - 1, (1 << 21) - 1);
    assert_eq!(parse(&extent(most.logical, most.physical, most.len)), Ok(most));
    let mut unwritten = extent(5, 77, 3);
    unwritten[0] |= 0x80;
    assert_eq!(parse(&unwritten), Ok(Run { is_unwritten: true, ..run(5, 77, 3) }));
}

#[test]
fn runs_that_follow_each_other_become_one() {
    let superblock = superblock(4);
    let mut runs = Runs::new(&superblock);
    for (logical, physical, len) in [(0, 100, 2), (2, 102, 3), (5, 200, 1), (9, 201, 1)] {
        runs.push(run(logical, physical, len)).unwrap();
    }
    assert_eq!(runs.into_runs(), [run(0, 100, 5), run(5, 200, 1), run(9, 201, 1)]);
}

#[test]
fn extents_that_can_not_be_are_refused() {
    let cases = [
        (run(9, 50, 0), Fault::Empty(9)),
        (run(9, 16_383, 2), Fault::Outside { physical: 16_383, last: 16_384 }),
        (run(9, 1 << 15, 1), Fault::Outside { physical: 1 << 15, last: 1 << 15 }),
        (run(9, u64::MAX, 9), Fault::Outside { physical: u64::MAX, last: u64::MAX - 1 }),
        (run(3, 50, 1), Fault::Order(3)),
        (run(4, 50, 1), Fault::Order(4)),
    ];
    for (bad, fault) in cases {
        let superblock = superblock(4);
        let mut runs = Runs::new(&superblock);
        runs.push(run(0, 20, 5)).unwrap();
        assert_eq!(runs.push(bad), Err(fault));
    }
}

#[test]
fn millions_of_reflinks_of_one_extent_end_at_a_limit() {
    let superblock = superblock(4);
    let mut runs = Runs::new(&superblock);
    let all = (0..).try_for_each(|number| runs.push(run(number * 2, 77, 1)));
    assert_eq!(all, Err(Fault::TooMany));
    assert_eq!(runs.into_runs().len(), EXTENTS_MOST);
}

#[test]
fn a_part_of_a_run_lies_where_it_lay() {
    let whole = run(10, 100, 10);
    assert_eq!(whole.between(12, 15), Some(run(12, 102, 3)));
    assert_eq!(whole.between(0, 11), Some(run(10, 100, 1)));
    assert_eq!((whole.between(0, 10), whole.between(20, 30), whole.between(15, 12)), (None, None, None));
}
