//! What `lvs` says of volumes.
//!
//! Its report is JSON in which all values are text (lvmreport(7)); numbers and states are checked here before anything rests on
//! them. `lv_attr` is described in lvs(8).

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::mark;
use crate::error::{Error, Kind, Result};
use crate::printable::Printable;
use crate::snapshot::VolumeName;

/// The fields of a row. Those of segments are not among them: `lvs` would give a row for each segment.
pub(super) const FIELDS: &str = "vg_name,vg_uuid,lv_name,lv_attr,lv_layout,lv_role,lv_size,origin,pool_lv,lv_tags,\
                                 lv_health_status,lv_snapshot_invalid,snap_percent,metadata_percent,vg_extent_size";

#[derive(Deserialize)]
struct Document<T> {
    report: Vec<Report<T>>,
}

/// A report is of volumes or of groups.
#[derive(Deserialize)]
struct Report<T> {
    #[serde(alias = "lv", alias = "vg")]
    rows: Vec<T>,
}

#[derive(Deserialize)]
struct Raw {
    vg_name: String,
    vg_uuid: String,
    lv_name: String,
    lv_attr: String,
    lv_layout: String,
    lv_role: String,
    lv_size: String,
    origin: String,
    pool_lv: String,
    lv_tags: String,
    lv_health_status: String,
    lv_snapshot_invalid: String,
    snap_percent: String,
    metadata_percent: String,
    vg_extent_size: String,
}

/// One logical volume.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    pub(super) name: VolumeName,
    pub(super) attributes: Attributes,
    pub(super) layout: Vec<String>,
    pub(super) roles: Vec<String>,
    pub(super) len_bytes: u64,
    pub(super) origin: Option<String>,
    pub(super) pool: Option<String>,
    pub(super) tags: Vec<String>,
    /// Empty where all is well.
    pub(super) health: String,
    /// Empty, `snapshot invalid`, or `unknown`.
    pub(super) invalid: String,
    pub(super) snap_percent: String,
    pub(super) metadata_percent: String,
    /// Of its group, which tells it from another of that name.
    pub(super) group_uuid: String,
    pub(super) extent_bytes: u64,
}

/// The characters of `lv_attr` that matter here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Attributes {
    /// `s` a classic snapshot, `S` one that is being merged into its origin, and others.
    pub(super) kind: char,
    /// `w`, `r`, or `R` where it can be written but is not to be now.
    permission: char,
    /// `a` active, `s` suspended, `I` an overflowed snapshot, `-` not active, and others.
    pub(super) state: char,
    /// Whether something has it open.
    pub(super) is_open: bool,
    /// Whether activating the group leaves it out.
    is_skipped: bool,
}

impl Row {
    /// Whether its space is that of a thin pool.
    pub(super) fn is_thin(&self) -> bool {
        has(&self.layout, "thin")
    }

    /// Whether it is a pool, or a part of another volume.
    pub(super) fn is_internal(&self) -> bool {
        !has(&self.roles, "public") || self.is_pool()
    }

    /// Whether others have their space in it.
    pub(super) fn is_pool(&self) -> bool {
        has(&self.layout, "pool")
    }

    /// Whether it is a snapshot, and not a volume in its own right.
    ///
    /// A thin volume that was cloned from another is a snapshot to LVM, but guests run on it. What is not to be written, or is left out when the
    /// group is activated, is none of those. A thin snapshot outlives its origin: then its name and its mark tell.
    pub(super) fn is_snapshot(&self) -> bool {
        if !self.is_thin() {
            return has(&self.roles, "thicksnapshot");
        }
        let is_kept = self.attributes.permission == 'r' || self.attributes.is_skipped;
        let is_ours = self.is_marked() && mark::taken(&self.name.volume).is_some();
        is_kept && (has(&self.roles, "snapshot") || is_ours)
    }

    /// Whether it is what an unfinished removal leaves of a snapshot: a volume in its own right to
    /// LVM, with this program's tags, and its name or all that the tags tell. LVM removes a classic
    /// snapshot in two steps.
    pub(super) fn is_leftover(&self) -> bool {
        let is_ours = mark::taken(&self.name.volume).is_some() || mark::Mark::read(&self.tags).is_some();
        self.is_marked() && is_ours && !self.is_snapshot() && !self.is_internal()
    }

    /// Whether it carries this program's mark.
    pub(super) fn is_marked(&self) -> bool {
        has(&self.tags, mark::TAG)
    }

    /// Whether its device is there.
    pub(super) fn is_active(&self) -> bool {
        self.attributes.state != '-'
    }
}

fn has(list: &[String], word: &str) -> bool {
    list.iter().any(|item| item == word)
}

/// Reads the volumes of a report, each once.
///
/// # Errors
///
/// When something is not as LVM writes it.
pub(super) fn parse(json: &[u8]) -> Result<Vec<Row>> {
    let mut rows: Vec<Row> = Vec::new();
    for raw in document(json)? {
        let row = row(raw)?;
        let is_same = |last: &Row| last.name == row.name && last.group_uuid == row.group_uuid;
        if !rows.last().is_some_and(is_same) {
            rows.push(row);
        }
    }
    Ok(rows)
}

/// Reads a percentage; `None` where LVM knows none.
///
/// # Errors
///
/// When it is no number from 0 to 100.
pub(super) fn percent(text: &str) -> Result<Option<f64>> {
    if text.is_empty() {
        return Ok(None);
    }
    // sudo may set another locale.
    let value: f64 = text.replace(',', ".").parse().map_err(|_| strange("percentage", text))?;
    match (0.0..=100.0).contains(&value) {
        true => Ok(Some(value)),
        false => Err(strange("percentage", text)),
    }
}

/// The rows of a report.
pub(super) fn document<T: DeserializeOwned>(json: &[u8]) -> Result<Vec<T>> {
    let document: Document<T> = serde_json::from_slice(json).map_err(|error| {
        Error::new(
            Kind::Snapshot,
            format!("the report of LVM is not as expected (lvm2 2.02.158 or later is needed): {error}"),
        )
    })?;
    Ok(document.report.into_iter().flat_map(|report| report.rows).collect())
}

fn row(raw: Raw) -> Result<Row> {
    // Volumes for internal use are shown in brackets.
    let volume = raw.lv_name.trim_start_matches('[').trim_end_matches(']');
    let name = VolumeName::new(&raw.vg_name, volume)
        .map_err(|error| Error::new(Kind::Snapshot, format!("the report of LVM: {error}")))?;
    Ok(Row {
        attributes: attributes(&raw.lv_attr)?,
        layout: list(&raw.lv_layout),
        roles: list(&raw.lv_role),
        len_bytes: bytes(&raw.lv_size)?,
        origin: filled(raw.origin),
        pool: filled(raw.pool_lv),
        tags: list(&raw.lv_tags),
        health: raw.lv_health_status,
        invalid: raw.lv_snapshot_invalid,
        snap_percent: raw.snap_percent,
        metadata_percent: raw.metadata_percent,
        group_uuid: raw.vg_uuid,
        extent_bytes: match bytes(&raw.vg_extent_size)? {
            0 => return Err(strange("extent size", "0")),
            size => size,
        },
        name,
    })
}

fn attributes(text: &str) -> Result<Attributes> {
    let characters: Vec<char> = text.chars().collect();
    match characters.as_slice() {
        [kind, permission, _allocation, _minor, state, open, _target, _zero, _health, skip, ..] => {
            Ok(Attributes {
                kind: *kind,
                permission: *permission,
                state: *state,
                is_open: *open == 'o',
                is_skipped: *skip == 'k',
            })
        }
        _ => Err(strange("lv_attr", text)),
    }
}

fn list(text: &str) -> Vec<String> {
    text.split(',').filter(|item| !item.is_empty()).map(str::to_owned).collect()
}

/// LVM puts the name of a hidden volume in brackets.
fn filled(text: String) -> Option<String> {
    let text = text.trim_start_matches('[').trim_end_matches(']');
    (!text.is_empty()).then(|| text.to_owned())
}

pub(super) fn bytes(text: &str) -> Result<u64> {
    text.parse().map_err(|_| strange("number of bytes", text))
}

fn strange(what: &str, text: &str) -> Error {
    let text = Printable(text.as_bytes());
    Error::new(
        Kind::Snapshot,
        format!("the report of LVM has {text:?} for a {what}", text = text.to_string()),
    )
}

#[cfg(test)]
mod tests;
