//! Which of many archives are verified: all, the newest of each volume, or another part each day.

use std::fmt;
use std::str::FromStr;

use crate::store::{Key, Shelf};

/// Seconds of a day.
const DAY_SECONDS: i64 = 86_400;

/// A share of all archives, in whole percent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share(u32);

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.strip_suffix('%').unwrap_or(text);
        let percent = digits.parse().ok().filter(|percent| (1..=100).contains(percent));
        percent.map(Self).ok_or_else(|| "a share is a whole number of percent from 1% to 100%".to_owned())
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0)
    }
}

/// The rule that chooses archives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// The last of each folder, by name: that is the newest where voltar named them.
    pub newest: bool,
    /// A share, another one each day: all have their turn within 100 days divided by the percent.
    pub sample: Option<Share>,
}

impl Choice {
    /// Whether all are chosen.
    #[must_use]
    pub fn is_all(&self) -> bool {
        !self.newest && self.sample.is_none()
    }

    /// The archives that have their turn at a time in seconds since 1970. With both ways, what
    /// either chooses.
    #[must_use]
    pub fn of(&self, shelves: &[Shelf], now: i64) -> Vec<Key> {
        let all = shelves.iter().flat_map(|shelf| &shelf.archives);
        let chosen = all.zip(self.flags(shelves, now)).filter(|(_, is_chosen)| *is_chosen);
        chosen.map(|(key, _)| key.clone()).collect()
    }

    /// Whether each archive has its turn, shelf by shelf.
    #[must_use]
    pub fn flags(&self, shelves: &[Shelf], now: i64) -> Vec<bool> {
        let all = || shelves.iter().flat_map(|shelf| &shelf.archives);
        let day = now.div_euclid(DAY_SECONDS);
        let mut sampled: Vec<bool> = match self.sample {
            Some(share) => all().map(|key| share.has(key, day)).collect(),
            None => all().map(|_| self.is_all()).collect(),
        };
        if self.sample.is_some() && !sampled.contains(&true) {
            // Of few archives one has its turn each day.
            let count = i64::try_from(sampled.len()).unwrap_or(i64::MAX);
            let turn = day.checked_rem_euclid(count).and_then(|turn| usize::try_from(turn).ok());
            if let Some(turn) = turn.and_then(|turn| sampled.get_mut(turn)) {
                *turn = true;
            }
        }
        let is_last = shelves.iter().flat_map(|Shelf { archives, .. }| {
            (1..=archives.len()).map(move |number| number == archives.len())
        });
        let newest = is_last.map(|is_last| self.newest && is_last);
        sampled.iter().zip(newest).map(|(sampled, newest)| *sampled || newest).collect()
    }
}

impl Share {
    /// Whether an archive has its turn on a day: its name decides, so the turns of the others stay
    /// as they are when some come and go.
    fn has(self, key: &Key, day: i64) -> bool {
        let name = key.file_name().as_encoded_bytes();
        // FNV-1a: the same on every host.
        let hash = name.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let place = i64::try_from((hash >> 32) % 100).unwrap_or(0);
        let percent = i64::from(self.0);
        let moved = place.wrapping_add(day.wrapping_mul(percent));
        moved.rem_euclid(100) < percent
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn shelves(counts: &[usize]) -> Vec<Shelf> {
        let shelf = |(index, count): (usize, &usize)| {
            let folder = format!("volume-{index}");
            let key = |night| Key::new(format!("{folder}/{folder}_{night:04}.tar.zst")).unwrap();
            Shelf { archives: (0..*count).map(key).collect(), folder: Key::new(&folder) }
        };
        counts.iter().enumerate().map(shelf).collect()
    }

    #[test]
    fn a_sample_is_the_same_all_day_and_over_time_has_all() {
        let shelves = shelves(&[30, 20, 1]);
        for (text, days) in [("10%", 10), ("7%", 15), ("30", 4), ("100%", 1), ("1%", 100)] {
            let choice = Choice { newest: false, sample: Some(text.parse().unwrap()) };
            let mut seen = BTreeSet::new();
            for day in 20_000..20_000 + days {
                let chosen = choice.of(&shelves, day * DAY_SECONDS + 5);
                assert_eq!(chosen, choice.of(&shelves, day * DAY_SECONDS + 80_000));
                assert!(!chosen.is_empty(), "{text}");
                seen.extend(chosen);
            }
            assert_eq!(seen.len(), 51, "{text}");
        }
    }

    #[test]
    fn a_sample_has_about_the_share_that_was_asked_for() {
        let shelves = shelves(&[1000]);
        let choice = Choice { newest: false, sample: Some(Share(10)) };
        let counts: Vec<usize> = (0..10).map(|day| choice.of(&shelves, day * DAY_SECONDS).len()).collect();
        assert_eq!(counts.iter().sum::<usize>(), 1000);
        assert!(counts.iter().all(|count| (50..=150).contains(count)), "{counts:?}");
    }

    #[test]
    fn few_archives_have_their_turn_one_a_day() {
        let shelves = shelves(&[3]);
        let choice = Choice { newest: false, sample: Some(Share(1)) };
        let seen: BTreeSet<_> = (0..3).flat_map(|day| choice.of(&shelves, day * DAY_SECONDS)).collect();
        assert_eq!(seen.len(), 3);
        assert!(choice.of(&[], 0).is_empty());
    }

    #[test]
    fn the_newest_are_the_last_by_name_and_both_ways_are_added() {
        let shelves = shelves(&[3, 2]);
        let newest = Choice { newest: true, sample: None };
        let names: Vec<String> = newest.of(&shelves, 0).iter().map(|key| key.to_string()).collect();
        assert_eq!(names, ["volume-0/volume-0_0002.tar.zst", "volume-1/volume-1_0001.tar.zst"]);
        let both = Choice { newest: true, sample: Some(Share(100)) };
        assert_eq!(both.of(&shelves, 0), Choice::default().of(&shelves, 0));
    }

    #[test]
    fn a_share_is_a_whole_number_of_percent() {
        assert_eq!("10%".parse::<Share>().unwrap().to_string(), "10%");
        for wrong in ["", "%", "0%", "101%", "-1", "1.5%", "ten"] {
            assert!(wrong.parse::<Share>().is_err(), "{wrong}");
        }
    }
}
