//! Taking a snapshot: `lvcreate` alone, since a guest may stand still until it is through.

use std::time::Duration;

use super::Lvm;
use super::command::Said;
use super::complaint::refusal;
use super::mark::{self, Mark};
use super::size::{self, Space};
use crate::error::{Error, Kind, Result};
use crate::snapshot::name::MOST_CHARACTERS;
use crate::snapshot::{Estimate, FailedSnapshot, Size, Snapshot, SnapshotRequest, Volume, VolumeName};

/// How long the command may take: a frozen guest waits for it.
const LIMIT: Duration = Duration::from_secs(60);

/// Longest ending that the device mapper puts behind the name of a classic snapshot, and of its origin.
const SNAPSHOT_ENDING: usize = "-cow".len();
const ORIGIN_ENDING: usize = "-real".len();

/// Names tried for a snapshot, where others of the same second are there.
const MOST_NAMES: u32 = 5;

/// See [`crate::snapshot::Provider::take`].
pub(super) fn take(
    lvm: &Lvm,
    volume: &Volume,
    request: &SnapshotRequest,
    note: &dyn Fn(&str),
) -> std::result::Result<Snapshot, FailedSnapshot> {
    let is_thin = volume.pool.is_some();
    // Known since the volume was found: no guest waits for another command.
    let origin = &lvm.called(&volume.name)?;
    if !is_thin && origin.mapper_len().saturating_add(ORIGIN_ENDING) > MOST_CHARACTERS {
        return Err(too_long(&volume.name).into());
    }
    let mut space = space(volume, request.size)?;
    let mark = Mark::of_this_process()?;
    let time = mark::time();
    let mut has_less = false;
    let mut number = 1;
    let name = loop {
        let name = VolumeName { group: volume.name.group.clone(), ..name(origin, &time, number)? };
        let said = match create(lvm, volume, &name, &mark, space.as_ref()) {
            Ok(said) => said,
            Err(error) => return Err(FailedSnapshot { error, left: Some(name) }),
        };
        if said.status.success() {
            break name;
        }
        let error = refusal(&format!("lvcreate {}", volume.name), &said);
        let complaints = String::from_utf8_lossy(&said.err);
        if complaints.contains("already exists in volume group") {
            // That one may well be in use.
            if number == MOST_NAMES {
                return Err(error.into());
            }
            number = number.saturating_add(1);
            continue;
        }
        let asked_for = space.as_ref().map_or(0, |space| space.extents);
        match free_extents(&complaints, asked_for) {
            // Somebody took of it since the volume was looked at.
            Some(extents) if request.size == Size::Automatic && !has_less => {
                has_less = true;
                let group_free_bytes = extents.saturating_mul(volume.extent_bytes);
                space = self::space(&Volume { group_free_bytes, ..volume.clone() }, request.size)?;
            }
            _ => return Err(FailedSnapshot { error, left: Some(name) }),
        }
    };
    if let Some(warning) = space.and_then(|space| space.warning) {
        note(&warning);
    }
    let device = lvm.called(&name)?.device(&lvm.devices);
    Ok(Snapshot { name, origin: volume.name.clone(), device, is_thin })
}

/// How many extents can be had where LVM says that they are too few. A frozen guest does not wait
/// until it is asked once more.
///
/// LVM says in three ways how many there are, or how many more it would need: where the group has
/// too few, where its open physical volumes have, and where those that its allocation policy takes
/// have.
fn free_extents(complaints: &str, asked_for: u64) -> Option<u64> {
    let number = |before: &str, after: &str| -> Option<u64> {
        let (_, rest) = complaints.split_once(before)?;
        rest.split_once(after)?.0.rsplit(' ').next()?.parse().ok()
    };
    number("has insufficient free space (", " extents)")
        .or_else(|| number(" extents needed, but only ", " available"))
        .or_else(|| {
            complaints.contains("Insufficient suitable ").then_some(())?;
            asked_for.checked_sub(number(" for logical volume ", " more required")?)
        })
}

/// See [`crate::snapshot::Provider::estimate`].
pub(super) fn estimate(volume: &Volume, request: &SnapshotRequest) -> Result<Estimate> {
    let space = space(volume, request.size)?;
    let len_bytes = space.as_ref().map(|space| space.extents.saturating_mul(volume.extent_bytes));
    Ok(Estimate { len_bytes, warning: space.and_then(|space| space.warning) })
}

/// Space of its own; thin snapshots have none.
fn space(volume: &Volume, size: Size) -> Result<Option<Space>> {
    match volume.pool {
        Some(_) => Ok(None),
        None => size::space(volume, size).map(Some),
    }
}

fn create(lvm: &Lvm, volume: &Volume, name: &VolumeName, mark: &Mark, space: Option<&Space>) -> Result<Said> {
    let tags = mark.tags();
    let extents = space.map(|space| space.extents.to_string());
    let origin = lvm.name_volume(&volume.name)?;
    let mut arguments = vec!["lvcreate", "--yes", "--snapshot", "--permission", "r"];
    match &extents {
        Some(extents) => arguments.extend(["--extents", extents]),
        // Otherwise LVM makes it, and leaves it inactive.
        None => arguments.extend(["--setactivationskip", "n"]),
    }
    for tag in &tags {
        arguments.extend(["--addtag", tag]);
    }
    arguments.extend(origin.options());
    arguments.extend(["--name", &name.volume, &origin.text]);
    lvm.program.run(&arguments, LIMIT)
}

/// The name of a snapshot: `VOLUME-voltar-20250102T030405Z`, cut short where the device mapper could not have it.
fn name(origin: &VolumeName, time: &str, number: u32) -> Result<VolumeName> {
    let number = if number == 1 { String::new() } else { format!("-{number}") };
    let ending = format!("{}{time}{number}", mark::INFIX);
    let mut stem = origin.volume.clone();
    loop {
        let name = VolumeName { group: origin.group.clone(), volume: format!("{stem}{ending}") };
        if name.mapper_len().saturating_add(SNAPSHOT_ENDING) <= MOST_CHARACTERS {
            return Ok(name);
        }
        stem.pop();
        if stem.is_empty() {
            return Err(too_long(origin));
        }
    }
}

fn too_long(name: &VolumeName) -> Error {
    let message = format!(
        "{name}: the name is too long for a snapshot: the device mapper has room for {MOST_CHARACTERS} characters, hyphens count \
         twice, and its own endings need some; rename the volume with lvrename"
    );
    Error::new(Kind::Snapshot, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: &str = "20250102T030405Z";

    #[test]
    fn the_extents_that_can_be_had_are_read_from_each_complaint() {
        let cases = [
            ("  Volume group \"small\" has insufficient free space (3 extents): 16 required.", Some(3)),
            ("  Insufficient free space: 17 extents needed, but only 0 available", Some(0)),
            ("  Insufficient suitable allocatable extents for logical volume s: 12 more required", Some(5)),
            ("  Insufficient suitable allocatable extents for logical volume s: 18 more required", None),
            ("  Insufficient suitable contiguous extents", None),
            ("  Volume group \"small\" is exported", None),
        ];
        for (complaint, extents) in cases {
            assert_eq!(free_extents(complaint, 17), extents, "{complaint}");
        }
    }

    #[test]
    fn a_snapshot_is_named_after_its_origin_and_the_time() {
        let origin = VolumeName::new("cinder-volumes", "volume-00000001").unwrap();
        assert_eq!(name(&origin, TIME, 1).unwrap().volume, "volume-00000001-voltar-20250102T030405Z");
        let second = name(&origin, TIME, 2).unwrap().volume;
        assert_eq!(second, "volume-00000001-voltar-20250102T030405Z-2");
        assert_eq!(mark::taken(&second), Some(1_735_787_045));
    }

    #[test]
    fn a_long_name_is_cut_to_what_the_device_mapper_can_have() {
        // Seen: of group cinder-volumes, a snapshot's name may have 107 characters without hyphens.
        for stem in ["x".repeat(110), "x-".repeat(50)] {
            let origin = VolumeName::new("cinder-volumes", &stem).unwrap();
            let name = name(&origin, TIME, 2).unwrap();
            assert!(name.mapper_len() + 4 <= 127 && name.mapper_len() + 4 > 125, "{name}");
            assert!(name.volume.ends_with("-voltar-20250102T030405Z-2"), "{name}");
        }
        let origin = VolumeName::new(&"-".repeat(60).replacen('-', "g", 1), "v").unwrap();
        assert!(name(&origin, TIME, 1).unwrap_err().to_string().contains("lvrename"));
    }
}
