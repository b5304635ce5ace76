//! Whether a snapshot still shows its origin as it was.
//!
//! Only what LVM is known to say of a good one counts as good; all else is an error, or an overflow.

use super::lvs::{self, Row};
use crate::error::{Error, Kind, Result};
use crate::snapshot::State;

/// Judges a snapshot by its row, and a thin one by its pool's as well.
///
/// # Errors
///
/// [`Kind::Snapshot`] when LVM says neither that it is good nor that it overflowed.
pub(super) fn judge(row: &Row, pool: Option<&Row>) -> Result<State> {
    match (row.is_thin(), pool) {
        (true, Some(pool)) => thin(row, pool),
        (true, None) => Err(doubtful(row, "LVM doesn't tell its pool")),
        (false, _) => classic(row),
    }
}

fn classic(row: &Row) -> Result<State> {
    if row.attributes.kind != 's' {
        return Err(doubtful(row, "it is no snapshot any more, or is being merged into its origin"));
    }
    let used = lvs::percent(&row.snap_percent)?;
    match (row.attributes.state, row.invalid.as_str(), used) {
        ('I' | 'S', _, _) | (_, "snapshot invalid", _) => Ok(State::Overflowed),
        // The next change breaks it, and a kernel that says "Overflow" shows as this, too.
        ('a', "", Some(used)) if used >= 100.0 => Ok(State::Overflowed),
        ('a', "", Some(_)) => {
            healthy(row)?;
            Ok(State::Valid { used_percent: used })
        }
        _ => Err(doubtful(row, "LVM doesn't say that it is valid")),
    }
}

/// A thin snapshot has no space of its own. What it shares with its origin stays as it is when the pool is out of space for data: the
/// origin's writers wait, or fail. A pool that is broken otherwise may have lost anything.
fn thin(row: &Row, pool: &Row) -> Result<State> {
    active(row)?;
    healthy(row)?;
    active(pool)?;
    if pool.health != "out_of_data" {
        healthy(pool)?;
    }
    match lvs::percent(&pool.metadata_percent)? {
        Some(used) if used < 100.0 => Ok(State::Valid { used_percent: None }),
        _ => Err(doubtful(
            pool,
            "the pool's metadata has no space left: lvextend --poolmetadatasize +1G GROUP/POOL",
        )),
    }
}

fn active(row: &Row) -> Result<()> {
    match row.attributes.state {
        'a' => Ok(()),
        _ => Err(doubtful(row, "it is not active")),
    }
}

fn healthy(row: &Row) -> Result<()> {
    match row.health.as_str() {
        "" => Ok(()),
        _ => Err(doubtful(row, "it is not in good health")),
    }
}

fn doubtful(row: &Row, why: &str) -> Error {
    let Row { name, attributes, invalid, health, snap_percent, .. } = row;
    let state = attributes.state;
    let message = format!(
        "{name}: {why} (state {state:?}, snap_percent {snap_percent:?}, lv_snapshot_invalid {invalid:?}, lv_health_status {health:?}): \
         what is read from it can't be trusted"
    );
    Error::new(Kind::Snapshot, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(json: &[u8]) -> Row {
        lvs::parse(json).unwrap().remove(0)
    }

    macro_rules! recorded {
        ($name:literal) => {
            row(include_bytes!(concat!("../../../tests/lvm/", $name, ".json")))
        };
    }

    fn valid(used: f64) -> State {
        State::Valid { used_percent: Some(used) }
    }

    #[test]
    fn a_classic_snapshot_is_valid_or_overflowed_as_lvm_says() {
        let cases = [
            ("new", recorded!("snapshot"), valid(0.0)),
            ("used", recorded!("snapshot_80"), valid(81.62)),
            ("overflowed", recorded!("snapshot_overflowed"), State::Overflowed),
            ("overflowed and open", recorded!("snapshot_overflowed_open"), State::Overflowed),
            (
                "full to the brim",
                Row { snap_percent: "100.00".to_owned(), ..recorded!("snapshot") },
                State::Overflowed,
            ),
        ];
        for (what, row, state) in cases {
            assert_eq!(judge(&row, None).unwrap(), state, "{what}");
        }
    }

    #[test]
    fn what_is_not_known_is_never_valid() {
        let good = || recorded!("snapshot");
        let text = str::to_owned;
        let cases = [
            ("inactive", recorded!("snapshot_inactive")),
            ("suspended", recorded!("snapshot_suspended")),
            ("an origin", recorded!("linear")),
            ("being merged", recorded!("merging")),
            ("no percentage", Row { snap_percent: text(""), ..good() }),
            ("a strange percentage", Row { snap_percent: text("many"), ..good() }),
            ("unknown", Row { invalid: text("unknown"), ..good() }),
            ("in bad health", Row { health: text("partial"), ..good() }),
            ("of a group that misses a disk", {
                let rows = lvs::parse(include_bytes!("../../../tests/lvm/partial.json")).unwrap();
                rows.into_iter().find(|row| row.name.volume == "thin-1-voltar-20250102T030405Z").unwrap()
            }),
        ];
        for (what, row) in cases {
            let pool = recorded!("pool");
            let judged = judge(&row, Some(&pool));
            assert_eq!(judged.expect_err(what).kind(), Kind::Snapshot, "{what}");
        }
    }

    #[test]
    fn a_thin_snapshot_is_as_good_as_its_pool() {
        let snapshot = recorded!("thin_snapshot");
        let good = State::Valid { used_percent: None };
        assert_eq!(judge(&snapshot, Some(&recorded!("pool"))).unwrap(), good);
        // Seen: its bytes are the same as before, though the pool is full.
        let full = recorded!("thin_snapshot_pool_full");
        assert_eq!(judge(&full, Some(&recorded!("pool_full"))).unwrap(), good);
        let text = str::to_owned;
        let cases = [
            ("no pool", None),
            ("no space for metadata", Some(Row { metadata_percent: text("100.00"), ..recorded!("pool") })),
            ("unknown metadata", Some(Row { metadata_percent: text(""), ..recorded!("pool") })),
            ("failed", Some(Row { health: text("failed"), ..recorded!("pool") })),
            ("read only", Some(Row { health: text("metadata_read_only"), ..recorded!("pool") })),
            ("inactive", Some(Row { attributes: recorded!("inactive").attributes, ..recorded!("pool") })),
        ];
        for (what, pool) in cases {
            assert!(judge(&snapshot, pool.as_ref()).is_err(), "{what}");
        }
        let failed = Row { health: text("failed"), ..snapshot };
        assert!(judge(&failed, Some(&recorded!("pool"))).is_err());
    }
}
