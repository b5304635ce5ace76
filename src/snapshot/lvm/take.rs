//! Taking a snapshot: one command, since a guest may stand still until it is through.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::command::Said;
use super::complaint::refusal;
use super::lvs::Row;
use super::mark::{self, Mark};
use super::size::{self, Space};
use super::{Lvm, remove};
use crate::error::{Error, Kind, Result};
use crate::snapshot::name::MOST_CHARACTERS;
use crate::snapshot::{Foreseen, Size, Snapshot, Volume, VolumeName, Wish};

/// How long the command may take: a frozen guest waits for it.
const LIMIT: Duration = Duration::from_secs(60);

/// How long udev has to make the device's node.
const NODE_LIMIT: Duration = Duration::from_secs(10);

/// Longest ending that the device mapper puts behind the name of a classic snapshot, and of its origin.
const SNAPSHOT_ENDING: usize = "-cow".len();
const ORIGIN_ENDING: usize = "-real".len();

/// Names tried for a snapshot, where others of the same second are there.
const MOST_NAMES: u32 = 5;

/// See [`crate::snapshot::Provider::take`].
pub(super) fn take(lvm: &Lvm, volume: &Volume, wish: &Wish, note: &dyn Fn(&str)) -> Result<Snapshot> {
    let is_thin = volume.pool.is_some();
    if !is_thin && volume.name.mapper_len().saturating_add(ORIGIN_ENDING) > MOST_CHARACTERS {
        return Err(too_long(&volume.name));
    }
    let mut space = space(volume, wish.size)?;
    let mark = Mark::of_this_process()?;
    let time = mark::time();
    let mut has_asked_again = false;
    let mut number = 1;
    let name = loop {
        let name = name(&volume.name, &time, number)?;
        let said = create(lvm, volume, &name, &mark, space.as_ref())
            .map_err(|error| abandoned(lvm, &name, &mark, error))?;
        if said.status.success() {
            break name;
        }
        let error = refusal(&format!("lvcreate {}", volume.name), &said);
        let complaints = String::from_utf8_lossy(&said.err);
        if complaints.contains("already exists in volume group") {
            // That one may well be in use.
            if number == MOST_NAMES {
                return Err(error);
            }
            number = number.saturating_add(1);
        } else if complaints.contains("insufficient free space")
            && wish.size == Size::Automatic
            && !has_asked_again
        {
            // Somebody took of it since the volume was looked at.
            has_asked_again = true;
            space = self::space(&super::find::find(lvm, &volume.name)?, wish.size)?;
        } else {
            return Err(abandoned(lvm, &name, &mark, error));
        }
    };
    if let Some(warning) = space.and_then(|space| space.warning) {
        note(&warning);
    }
    let device = node(lvm, &name).map_err(|error| abandoned(lvm, &name, &mark, error))?;
    Ok(Snapshot { name, origin: volume.name.clone(), device, is_thin })
}

/// See [`crate::snapshot::Provider::foresee`].
pub(super) fn foresee(volume: &Volume, wish: &Wish) -> Result<Foreseen> {
    let space = space(volume, wish.size)?;
    let len_bytes = space.as_ref().map(|space| space.extents.saturating_mul(volume.extent_bytes));
    Ok(Foreseen { len_bytes, warning: space.and_then(|space| space.warning) })
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
    let origin = volume.name.to_string();
    let mut arguments = vec!["lvcreate", "--yes", "--snapshot", "--permission", "r"];
    match &extents {
        Some(extents) => arguments.extend(["--extents", extents]),
        // Otherwise LVM makes it, and leaves it inactive.
        None => arguments.extend(["--setactivationskip", "n"]),
    }
    for tag in &tags {
        arguments.extend(["--addtag", tag]);
    }
    arguments.extend(["--name", &name.volume, &origin]);
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

/// Waits for the snapshot's device, and makes LVM bring it up where it didn't by itself.
fn node(lvm: &Lvm, name: &VolumeName) -> Result<PathBuf> {
    let device = name.device(&lvm.devices);
    if appears(lvm, &device, Duration::from_secs(1)) {
        return Ok(device);
    }
    let row = lvm.row(name)?.ok_or_else(|| gone(name))?;
    if !row.is_active() {
        let text = name.to_string();
        lvm.order(&["lvchange", "--activate", "y", "--ignoreactivationskip", &text])?;
    }
    match appears(lvm, &device, NODE_LIMIT) {
        true => Ok(device),
        false => Err(Error::new(
            Kind::Snapshot,
            format!(
                "{}: there is no such block device, though LVM made the snapshot: activate its origin, and see whether udev runs \
                 (vgscan --mknodes)",
                device.display()
            ),
        )),
    }
}

fn appears(lvm: &Lvm, device: &Path, limit: Duration) -> bool {
    let started = Instant::now();
    loop {
        if (lvm.is_node)(device) {
            return true;
        }
        if started.elapsed() >= limit.min(lvm.patience) {
            return false;
        }
        thread::sleep(Duration::from_millis(10));
    }
}

fn gone(name: &VolumeName) -> Error {
    Error::new(Kind::Snapshot, format!("{name}: LVM said it made this snapshot, but it is not there"))
}

/// Removes what a failed attempt may have left, and gives the error that made it fail.
fn abandoned(lvm: &Lvm, name: &VolumeName, mark: &Mark, error: Error) -> Error {
    let is_ours = |row: &Row| Mark::read(&row.tags).as_ref() == Some(mark);
    let outcome = lvm.row(name).and_then(|row| match row.is_some_and(|row| is_ours(&row)) {
        true => remove::remove(lvm, name),
        false => Ok(()),
    });
    match outcome {
        Ok(()) => error,
        Err(second) => Error::new(
            error.kind(),
            format!("{error}; what may be left of snapshot {name} could not be removed: {second}"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: &str = "20250102T030405Z";

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
