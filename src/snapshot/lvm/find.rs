//! Finding volumes: one by name, or all of a group.

use super::Lvm;
use super::lvs::{self, Row};
use crate::error::{Error, Kind, Result};
use crate::snapshot::{Volume, VolumeName};

/// Most names that a message lists.
const MOST_NAMES: usize = 20;

/// See [`crate::snapshot::Provider::find`].
pub(super) fn find(lvm: &Lvm, name: &VolumeName) -> Result<Volume> {
    let name = &VolumeName::new(&name.group, &name.volume)?;
    let Some(row) = lvm.row_of(name, &|lvm| is_there(lvm, &name.group))? else {
        let there = volumes(lvm, &name.group)?;
        let there = listed(there.iter().map(|volume| volume.name.volume.as_str()));
        let message = format!("no volume {} in group {}: it has {there}", name.volume, name.group);
        return Err(Error::new(Kind::Source, message));
    };
    match unfit(&row) {
        Some(why) => Err(Error::new(Kind::Source, format!("{name} {why}"))),
        None => Ok(volume(lvm, row)),
    }
}

/// See [`crate::snapshot::Provider::volumes`].
pub(super) fn volumes(lvm: &Lvm, group: &str) -> Result<Vec<Volume>> {
    VolumeName::check_group(group)?;
    let rows = match lvm.rows(&[group], group) {
        Ok(rows) => rows,
        Err(error) => {
            is_there(lvm, group)?;
            return Err(error);
        }
    };
    let worth = rows.into_iter().filter(|row| !row.is_internal() && !row.is_snapshot());
    let mut volumes: Vec<Volume> = worth.map(|row| volume(lvm, row)).collect();
    volumes.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(volumes)
}

fn volume(lvm: &Lvm, row: Row) -> Volume {
    Volume {
        device: row.name.device(&lvm.devices),
        len_bytes: row.len_bytes,
        // A cached volume, too, has what LVM calls a pool.
        pool: if row.is_thin() { row.pool } else { None },
        is_open: row.attributes.is_open,
        group_free_bytes: row.group_free_bytes,
        extent_bytes: row.extent_bytes,
        name: row.name,
    }
}

/// Why no snapshot is taken of it, and what to do.
fn unfit(row: &Row) -> Option<String> {
    let name = &row.name;
    if row.is_pool() {
        return Some("is a pool: name one of the volumes that have their space in it".to_owned());
    }
    if row.is_internal() {
        return Some("is a part of another volume: name that one".to_owned());
    }
    if row.is_snapshot() {
        let origin = row.origin.as_deref().unwrap_or("a volume that is gone");
        let device = name.device(std::path::Path::new("/dev"));
        return Some(format!(
            "is a snapshot, of {origin}: back up that, or read the snapshot as it is (voltar archive {})",
            device.display()
        ));
    }
    // A thin snapshot is active by itself.
    if !row.is_active() && !row.is_thin() {
        return Some(format!(
            "is not active on this host: activate it (lvchange --activate y {name}), or back it up where it is"
        ));
    }
    None
}

/// # Errors
///
/// When there is no such group, with those that there are.
fn is_there(lvm: &Lvm, group: &str) -> Result<()> {
    let said = lvm.ask(&["vgs", "--reportformat", "json", "-o", "vg_name"], "vgs")?;
    let groups = lvs::parse_groups(&said.out)?;
    if groups.iter().any(|there| there == group) {
        return Ok(());
    }
    let there = listed(groups.iter().map(String::as_str));
    Err(Error::new(Kind::Source, format!("no volume group {group}: there is {there}")))
}

fn listed<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let rest = names.len().saturating_sub(MOST_NAMES);
    let shown: Vec<&str> = names.take(MOST_NAMES).collect();
    match (shown.is_empty(), rest) {
        (true, _) => "none".to_owned(),
        (_, 0) => shown.join(", "),
        _ => format!("{} and {rest} more", shown.join(", ")),
    }
}
