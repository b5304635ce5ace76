//! How much space a classic snapshot gets.
//!
//! Of each chunk of the origin that is written for the first time after it, the snapshot keeps what was there. It never needs
//! more than the whole origin, and the tables that say what lies where
//! (<https://docs.kernel.org/admin-guide/device-mapper/snapshot.html>).

use crate::error::{Error, Kind, Result};
use crate::snapshot::{Size, Volume};
use crate::units::{Bytes, round_up};

/// The chunk that `lvcreate` takes where none is named.
const CHUNK_BYTES: u64 = 4096;

/// Chunks that one chunk of the table tells of (16 bytes each).
const CHUNKS_PER_TABLE: u64 = CHUNK_BYTES / 16;

/// How much of its origin's size a snapshot gets in addition when it is extended.
const EXTENSION_PERCENT: u64 = 20;

/// Space for a snapshot.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Space {
    /// In extents of the group.
    pub(super) extents: u64,
    /// Whether it may overflow although it was asked to have all that there is to have.
    pub(super) warning: Option<String>,
}

/// Bytes of a snapshot that can't overflow.
pub(super) fn full_bytes(origin_bytes: u64) -> u64 {
    let chunks = origin_bytes.div_ceil(CHUNK_BYTES);
    let tables = chunks.div_ceil(CHUNKS_PER_TABLE);
    // A header, and an empty table that ends the list.
    chunks.saturating_add(tables).saturating_add(2).saturating_mul(CHUNK_BYTES)
}

/// Decides on the space for a snapshot of `volume`.
///
/// # Errors
///
/// [`Kind::Snapshot`] when the group has not enough; [`Kind::Usage`] for a size of 0.
pub(super) fn space(volume: &Volume, size: Size) -> Result<Space> {
    let free = volume.group_free_bytes;
    let full = full_bytes(volume.len_bytes);
    let wanted = match size {
        Size::Automatic => full.min(free),
        Size::PercentOfOrigin(percent) => percent_of(full, u64::from(percent)).min(full),
        Size::Bytes(bytes) => bytes.min(full),
    };
    let extents = |bytes: u64| round_up(bytes, volume.extent_bytes)?.checked_div(volume.extent_bytes);
    let full_extents = extents(full).unwrap_or(u64::MAX);
    let free_extents = free.checked_div(volume.extent_bytes).unwrap_or(0);
    if size != Size::Automatic && wanted == 0 {
        return Err(Error::new(
            Kind::Usage,
            "a snapshot of no size holds no changes: give it some, 10% of the origin for instance",
        ));
    }
    let wanted_extents = match size {
        Size::Automatic => full_extents.min(free_extents),
        _ => extents(wanted).unwrap_or(u64::MAX),
    };
    if wanted_extents == 0 || wanted_extents > free_extents {
        return Err(too_little(volume, size, wanted_extents));
    }
    let warning = (size == Size::Automatic && wanted_extents < full_extents).then(|| {
        format!(
            "{}: the snapshot has {}, all that group {} has free: it overflows, and the backup fails, when more of its {} are \
             written meanwhile",
            volume.name,
            Bytes(wanted_extents.saturating_mul(volume.extent_bytes)),
            volume.name.group,
            Bytes(volume.len_bytes)
        )
    });
    Ok(Space { extents: wanted_extents, warning })
}

/// Extents to add to a snapshot of `len_bytes`; 0 where there is no more room, or no more is needed.
pub(super) fn extension(origin_bytes: u64, len_bytes: u64, free_bytes: u64, extent_bytes: u64) -> u64 {
    let full = full_bytes(origin_bytes);
    let missing = full.saturating_sub(len_bytes);
    let wanted = percent_of(full, EXTENSION_PERCENT).min(missing);
    let free = free_bytes.checked_div(extent_bytes).unwrap_or(0);
    wanted
        .checked_next_multiple_of(extent_bytes)
        .and_then(|bytes| bytes.checked_div(extent_bytes))
        .unwrap_or(0)
        .min(free)
}

/// Rounded up.
fn percent_of(bytes: u64, percent: u64) -> u64 {
    let part = u128::from(bytes).saturating_mul(u128::from(percent)).div_ceil(100);
    u64::try_from(part).unwrap_or(u64::MAX)
}

fn too_little(volume: &Volume, size: Size, wanted_extents: u64) -> Error {
    let needed = match size {
        Size::Automatic => format!("takes at least {}", Bytes(volume.extent_bytes)),
        _ => format!("of that size takes {}", Bytes(wanted_extents.saturating_mul(volume.extent_bytes))),
    };
    Error::new(
        Kind::Snapshot,
        format!(
            "{}: no space for a snapshot: group {} has {} free, one {needed}, and one that can't overflow {}; remove what is not \
             needed (lvs shows old snapshots), or make the group larger (vgextend)",
            volume.name,
            volume.name.group,
            Bytes(volume.group_free_bytes),
            Bytes(full_bytes(volume.len_bytes))
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::VolumeName;

    const MIB: u64 = 1 << 20;

    fn volume(len_bytes: u64, group_free_bytes: u64) -> Volume {
        let name = VolumeName::new("vg", "lv").unwrap();
        let device = "/dev/vg/lv".into();
        Volume {
            name,
            device,
            len_bytes,
            pool: None,
            is_open: false,
            group_free_bytes,
            extent_bytes: 4 * MIB,
        }
    }

    #[test]
    fn a_snapshot_that_cannot_overflow_has_what_lvm_calls_the_maximum() {
        // "Reducing COW size 1.56 GiB down to maximum usable size 260.00 MiB", and 68 for 64.
        assert_eq!(full_bytes(256 * MIB).div_ceil(4 * MIB), 65);
        assert_eq!(full_bytes(64 * MIB).div_ceil(4 * MIB), 17);
    }

    #[test]
    fn the_size_follows_the_wish_and_never_passes_what_is_needed() {
        let cases = [
            (Size::Automatic, 1000 * MIB, 65, false),
            (Size::Automatic, 260 * MIB, 65, false),
            (Size::Automatic, 256 * MIB, 64, true),
            (Size::Automatic, 4 * MIB, 1, true),
            (Size::PercentOfOrigin(100), 260 * MIB, 65, false),
            (Size::PercentOfOrigin(50), 260 * MIB, 33, false),
            (Size::PercentOfOrigin(1), 260 * MIB, 1, false),
            (Size::PercentOfOrigin(u32::MAX), 1000 * MIB, 65, false),
            (Size::Bytes(1), 260 * MIB, 1, false),
            (Size::Bytes(10 * MIB), 260 * MIB, 3, false),
            (Size::Bytes(u64::MAX), 260 * MIB, 65, false),
        ];
        for (size, free, extents, has_warning) in cases {
            let space = space(&volume(256 * MIB, free), size).unwrap();
            assert_eq!((space.extents, space.warning.is_some()), (extents, has_warning), "{size:?}, {free}");
        }
    }

    #[test]
    fn a_group_without_space_says_what_it_has_and_what_is_needed() {
        let cases = [
            (
                Size::Automatic,
                0,
                "0 B free, one takes at least 4.0 MiB, and one that can't overflow 257.0 MiB",
            ),
            (Size::Automatic, MIB, "1.0 MiB free"),
            (Size::PercentOfOrigin(100), 256 * MIB, "256.0 MiB free, one of that size takes 260.0 MiB"),
            (Size::Bytes(12 * MIB), 11 * MIB, "of that size takes 12.0 MiB"),
        ];
        for (size, free, said) in cases {
            let error = space(&volume(256 * MIB, free), size).unwrap_err();
            assert_eq!(error.kind(), Kind::Snapshot);
            assert!(error.to_string().contains(said), "{error}");
        }
        for size in [Size::PercentOfOrigin(0), Size::Bytes(0)] {
            assert_eq!(space(&volume(MIB, MIB), size).unwrap_err().kind(), Kind::Usage);
        }
    }

    #[test]
    fn an_extension_is_bounded_by_what_is_free_and_what_is_needed() {
        let cases = [(40, 1000, 13), (40, 12, 3), (40, 0, 0), (256, 1000, 1), (260, 1000, 0), (300, 1000, 0)];
        for (len, free, extents) in cases {
            assert_eq!(extension(256 * MIB, len * MIB, free * MIB, 4 * MIB), extents, "{len} {free}");
        }
    }
}
