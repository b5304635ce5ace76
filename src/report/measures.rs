//! What follows from the facts by arithmetic, for all forms of the report.

use std::time::Duration;

use crate::report::outcome::{Outcome, Published, VolumeOutcome};
use crate::store::{Archived, Key, Space};

/// Bytes of all archives that lie in the destination, with what stands beside them.
pub(super) fn total_bytes(outcome: &Outcome) -> u64 {
    sum(outcome.history.iter().map(|archive| archive.len_bytes))
}

/// What this run published.
pub(super) fn published(outcome: &Outcome) -> impl Iterator<Item = &Published> {
    outcome.volumes.iter().filter_map(|volume| volume.result.as_ref().ok())
}

/// A sum that stays at the largest number rather than to wrap.
pub(super) fn sum(values: impl Iterator<Item = u64>) -> u64 {
    values.fold(0, u64::saturating_add)
}

/// How many times shorter the archive is than the files in it, in hundredths; `None` for an empty one.
pub(super) fn ratio(data_bytes: u64, archive_bytes: u64) -> Option<u64> {
    let hundredths = u128::from(data_bytes).saturating_mul(100).checked_div(u128::from(archive_bytes))?;
    u64::try_from(hundredths).ok()
}

/// Bytes in a second; `None` where no time passed.
pub(super) fn rate(bytes: u64, time: Duration) -> Option<u64> {
    let per_second = u128::from(bytes).saturating_mul(1000).checked_div(time.as_millis())?;
    u64::try_from(per_second).ok()
}

/// How much of a filesystem is used, in percent, rounded up: what is nearly full is not shown as less. Counted as `df` does, which
/// leaves out what is kept for root.
pub(super) fn used_percent(space: Space) -> u64 {
    let used = space.total_bytes.saturating_sub(space.free_bytes);
    share(used, space.total_bytes, 100, Rounding::Up)
}

/// How a [`share`] is rounded.
#[derive(Clone, Copy)]
pub(super) enum Rounding {
    Up,
    Nearest,
}

/// `value` of `whole`, on a scale of `length`: never more than `length`, and 0 of nothing.
pub(super) fn share(value: u64, whole: u64, length: u64, rounding: Rounding) -> u64 {
    let whole_wide = u128::from(whole);
    let extra = match rounding {
        Rounding::Up => whole_wide.saturating_sub(1),
        Rounding::Nearest => whole_wide / 2,
    };
    let scaled = u128::from(value).saturating_mul(u128::from(length)).saturating_add(extra);
    let share = scaled.checked_div(whole_wide).unwrap_or_default();
    u64::try_from(share).unwrap_or(length).min(length)
}

/// How much longer this run's archive is than the one before, in tenths of a percent; `None` where one of them is missing.
///
/// Both are measured as they lie in the destination.
pub(super) fn change(outcome: &Outcome, volume: &VolumeOutcome) -> Option<i64> {
    let key = &volume.result.as_ref().ok()?.key;
    let now = outcome.history.iter().find(|archive| &archive.key == key)?.len_bytes;
    let before = i128::from(volume.previous.as_ref()?.len_bytes);
    let tenths = i128::from(now).checked_sub(before)?.checked_mul(1000)?.checked_div(before)?;
    i64::try_from(tenths).ok()
}

/// The latest archives of a volume, oldest first: at most `most`.
pub(super) fn latest<'a>(outcome: &'a Outcome, folder: &str, most: usize) -> Vec<&'a Archived> {
    let mut archives: Vec<&Archived> =
        outcome.history.iter().rev().filter(|archive| archive.volume == folder).take(most).collect();
    archives.reverse();
    archives
}

/// The latest complete archive of a volume.
pub(super) fn last_complete<'a>(outcome: &'a Outcome, folder: &str) -> Option<&'a Archived> {
    outcome.history.iter().rev().find(|archive| archive.volume == folder && archive.is_complete())
}

/// How long an archive took, where its manifest says a length of time.
pub(super) fn duration(archive: &Archived) -> Option<Duration> {
    Duration::try_from_secs_f64(archive.told.as_ref()?.seconds?).ok()
}

/// Whether this is the archive that a volume's run published.
pub(super) fn is_of_this_run(volume: &VolumeOutcome, key: &Key) -> bool {
    volume.result.as_ref().is_ok_and(|published| published.key == *key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_never_more_than_the_whole() {
        let cases =
            [(0, 10, 0), (5, 10, 50), (10, 10, 100), (11, 10, 100), (1, 0, 0), (u64::MAX, u64::MAX, 100)];
        for (value, whole, percent) in cases {
            assert_eq!(share(value, whole, 100, Rounding::Nearest), percent, "{value} of {whole}");
        }
    }

    #[test]
    fn what_is_nearly_full_is_not_shown_as_less() {
        assert_eq!(used_percent(Space { total_bytes: 1000, free_bytes: 1 }), 100);
        assert_eq!(used_percent(Space { total_bytes: 1000, free_bytes: 650 }), 35);
        assert_eq!(used_percent(Space { total_bytes: 0, free_bytes: 0 }), 0);
    }

    #[test]
    fn ratios_and_rates_of_nothing_are_none() {
        assert_eq!(ratio(26, 10), Some(260));
        assert_eq!(ratio(26, 0), None);
        assert_eq!(rate(1 << 20, Duration::from_millis(500)), Some(2 << 20));
        assert_eq!(rate(1, Duration::ZERO), None);
    }
}
