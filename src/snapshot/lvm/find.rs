//! Finding volumes: one by name, or all of a group.

use super::Lvm;
use super::group::listed;
use super::lvs::Row;
use crate::error::{Error, Kind, Result};
use crate::snapshot::{Volume, VolumeName};

/// See [`crate::snapshot::Provider::find`].
pub(super) fn find(lvm: &Lvm, name: &VolumeName) -> Result<Volume> {
    let name = &VolumeName::new(&name.group, &name.volume)?;
    lvm.known_groups().remove(&name.group);
    let Some(row) = lvm.row_of(name, &|lvm| lvm.is_there(&name.group))? else {
        let there = worth_a_backup(lvm, &name.group)?;
        let there = listed(there.iter().map(|row| row.name.volume.as_str()));
        let message = format!("no volume {} in group {}: it has {there}", name.volume, name.group);
        return Err(Error::new(Kind::Source, message));
    };
    match unfit(&row) {
        Some(why) => Err(Error::new(Kind::Source, format!("{name} {why}"))),
        None => volume(lvm, row),
    }
}

/// See [`crate::snapshot::Provider::volumes`].
pub(super) fn volumes(lvm: &Lvm, group: &str) -> Result<Vec<VolumeName>> {
    VolumeName::check_group(group)?;
    lvm.known_groups().remove(group);
    let rows = worth_a_backup(lvm, group)?;
    Ok(rows.into_iter().map(|row| row.name).collect())
}

fn worth_a_backup(lvm: &Lvm, group: &str) -> Result<Vec<Row>> {
    let rows = match lvm.rows_of_group(group, &[]) {
        Ok(rows) => rows,
        Err(error) => {
            lvm.is_there(group)?;
            return Err(error);
        }
    };
    let is_worth = |row: &Row| !row.is_internal() && !row.is_snapshot() && !row.is_leftover();
    let mut rows: Vec<Row> = rows.into_iter().filter(is_worth).collect();
    rows.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(rows)
}

fn volume(lvm: &Lvm, row: Row) -> Result<Volume> {
    // A cached volume, too, has what LVM calls a pool.
    let pool = if row.is_thin() { row.pool.clone() } else { None };
    Ok(Volume {
        device: lvm.called(&row.name)?.device(&lvm.devices),
        len_bytes: row.len_bytes,
        is_open: row.attributes.is_open,
        // A thin snapshot takes none of it.
        group_free_bytes: match pool {
            Some(_) => 0,
            None => lvm.look_up(&row.name.group)?.free_bytes,
        },
        pool,
        extent_bytes: row.extent_bytes,
        name: row.name,
    })
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
    if row.is_leftover() {
        return Some(format!(
            "is what is left of a snapshot that voltar took, and whose removal was cut short: \
             \"voltar clean {name}\" removes it; if it is a volume of yours, take the tag away \
             (lvchange --deltag voltar {name}) and rename it"
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
