//! Which legs of a RAID or a mirror hold the newest data.
//!
//! Layout: `struct dm_raid_superblock` in `drivers/md/dm-raid.c`, and `struct log_header_disk` in
//! `drivers/md/dm-log.c` of the kernel. Both are little-endian.

use crate::device::{ReadAt, read_vec};
use crate::error::{Error, Kind, Result};
use crate::fields::{Short, u32_at, u64_at};

/// `DM_RAID_MAGIC`.
const MAGIC: u32 = 0x6452_6d44;
const SUPERBLOCK_LEN: usize = 512;
/// `FEATURE_FLAG_SUPPORTS_V190`: the fields for reshaping are there.
const V190: u32 = 1;
/// `SB_FLAG_RESHAPE_ACTIVE`.
const RESHAPE_ACTIVE: u32 = 1;
/// `MaxSector`: nothing is left to be done.
const DONE: u64 = u64::MAX;

/// `MIRROR_MAGIC`, and where the bits of the regions begin: `LOG_OFFSET` is two sectors.
const LOG_MAGIC: u32 = 0x4d69_5272;
const LOG_BITS_AT: u64 = 1024;
/// Regions of a log that are read at most: 32 TiB in regions of 512 KiB, which LVM makes.
const REGIONS_MOST: u64 = 1 << 26;

/// What the superblock of a leg says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State {
    pub events: u64,
    /// Bits of legs that had failed.
    failed: u64,
    /// Up to where this leg was rebuilt.
    recovered: u64,
    /// Up to where all legs were made the same.
    synced: u64,
    /// Where data begin on each leg, in sectors.
    pub data_offset: u64,
    is_reshaping: bool,
}

/// A leg as it was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leg {
    /// It can't be read.
    Missing,
    /// It has no superblock: it is new.
    New,
    Known(State),
}

/// Reads the superblock of a leg.
pub(super) fn read(device: &dyn ReadAt) -> Result<Leg> {
    let bytes = read_vec(device, 0, SUPERBLOCK_LEN)?;
    let state = state(&bytes).map_err(Error::corrupt)?;
    Ok(state.map_or(Leg::New, Leg::Known))
}

fn state(bytes: &[u8]) -> Result<Option<State>, Short> {
    if u32_at(bytes, 0)? != MAGIC {
        return Ok(None);
    }
    let is_v190 = u32_at(bytes, 4)? & V190 != 0;
    let flags = u32_at(bytes, 60)?;
    Ok(Some(State {
        events: u64_at(bytes, 16)?,
        failed: u64_at(bytes, 24)?,
        recovered: u64_at(bytes, 32)?,
        synced: u64_at(bytes, 40)?,
        data_offset: if is_v190 { u64_at(bytes, 96)? } else { 0 },
        is_reshaping: is_v190 && flags & RESHAPE_ACTIVE != 0,
    }))
}

/// Which legs are up to date, and whether redundancy can be trusted in all places.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Judged {
    pub usable: Vec<bool>,
    pub is_synced: bool,
    /// Where data begin on each leg, in sectors.
    pub data_offset: u64,
}

/// Judges the legs by the newest of their superblocks.
pub(super) fn judge(legs: &[Leg]) -> Result<Judged> {
    let known = legs.iter().filter_map(|leg| match leg {
        Leg::Known(state) => Some(state),
        _ => None,
    });
    let Some(newest) = known.max_by_key(|state| state.events) else {
        // Nothing was written since it was made: all legs begin together.
        let usable = legs.iter().map(|leg| *leg == Leg::New).collect();
        return Ok(Judged { usable, is_synced: false, data_offset: 0 });
    };
    if newest.is_reshaping {
        let message = "its layout was being changed (lvconvert); back it up when that is over";
        return Err(Error::new(Kind::Unsupported, message));
    }
    let usable = (0_u32..).zip(legs).map(|(number, leg)| {
        let is_failed = newest.failed.checked_shr(number).unwrap_or(0) & 1 != 0;
        match leg {
            // A crash between two superblocks leaves one behind by one, with the same data.
            Leg::Known(state) => {
                !is_failed && state.recovered == DONE && state.events.saturating_add(1) >= newest.events
            }
            Leg::Missing | Leg::New => false,
        }
    });
    Ok(Judged { usable: usable.collect(), is_synced: newest.synced == DONE, data_offset: newest.data_offset })
}

/// Whether a mirror's log says that all its regions are the same on all legs.
pub(super) fn is_log_clean(log: &dyn ReadAt) -> Result<bool> {
    let head = read_vec(log, 0, 16)?;
    let magic = u32_at(&head, 0).map_err(Error::corrupt)?;
    let nr_regions = u64_at(&head, 8).map_err(Error::corrupt)?;
    if magic != LOG_MAGIC || nr_regions > REGIONS_MOST {
        return Ok(false);
    }
    let len = usize::try_from(nr_regions.div_ceil(8)).unwrap_or(usize::MAX);
    let bits = read_vec(log, LOG_BITS_AT, len)?;
    let is_set = |region: u64| {
        let byte = usize::try_from(region / 8).ok().and_then(|at| bits.get(at)).copied().unwrap_or(0);
        byte & 1_u8.checked_shl(u32::try_from(region % 8).unwrap_or(0)).unwrap_or(0) != 0
    };
    Ok((0..nr_regions).all(is_set))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATE: State =
        State { events: 7, failed: 0, recovered: DONE, synced: DONE, data_offset: 0, is_reshaping: false };

    #[test]
    fn a_leg_that_failed_or_is_being_rebuilt_is_passed_over() {
        let known = Leg::Known(STATE);
        let behind = Leg::Known(State { events: 6, ..STATE });
        let old = Leg::Known(State { events: 5, ..STATE });
        let rebuilt = Leg::Known(State { recovered: 4096, ..STATE });
        let tells = Leg::Known(State { failed: 0b10, events: 9, ..STATE });
        let cases: [(&[Leg], &[bool]); 8] = [
            (&[known, known], &[true, true]),
            (&[known, behind], &[true, true]),
            (&[old, known], &[false, true]),
            (&[known, rebuilt], &[true, false]),
            (&[tells, behind], &[true, false]),
            (&[known, Leg::New], &[true, false]),
            (&[Leg::New, Leg::New], &[true, true]),
            (&[Leg::Missing, known], &[false, true]),
        ];
        for (legs, usable) in cases {
            assert_eq!(judge(legs).unwrap().usable, usable, "{legs:?}");
        }
        let reshaping = Leg::Known(State { is_reshaping: true, ..STATE });
        assert_eq!(judge(&[reshaping]).unwrap_err().kind(), Kind::Unsupported);
        let syncing = Leg::Known(State { synced: 100, ..STATE });
        assert!(!judge(&[syncing, syncing]).unwrap().is_synced);
    }

    #[test]
    fn a_log_is_clean_when_each_region_is() {
        let mut log = vec![0_u8; 2048];
        log[..4].copy_from_slice(&LOG_MAGIC.to_le_bytes());
        log[8..16].copy_from_slice(&12_u64.to_le_bytes());
        log[1024..1026].copy_from_slice(&[0xff, 0x0f]);
        assert!(is_log_clean(&log).unwrap());
        log[1025] = 0x0d;
        assert!(!is_log_clean(&log).unwrap());
        log[0] = 0;
        assert!(!is_log_clean(&log).unwrap());
    }
}
