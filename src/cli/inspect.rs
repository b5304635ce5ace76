//! `voltar inspect`.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::args::InspectArguments;
use super::speech::{document, note};
use super::{INCOMPLETE, print, table};
use crate::error::{Error, Kind, Result};
use crate::filesystem::{Contents, Summary};
use crate::partition::{Partition, Scheme};
use crate::printable::Printable;
use crate::sandbox::Writing;
use crate::units::Bytes;
use crate::volume::{Disk, Held, Standing, Volume, VolumeId, mount_points};
use crate::worker::child::Source;

/// Which columns are numbers.
const RIGHT: [bool; 10] = [false, true, true, false, false, true, true, false, false, false];

/// A volume and what could be learnt of it.
struct Seen<'a> {
    volume: &'a Volume,
    /// How many volumes it lies on, one below the other, in the text.
    indent: usize,
    summary: Option<Summary>,
    mounts: Vec<String>,
    faults: Vec<String>,
}

/// Runs `voltar inspect`.
pub(super) fn run(arguments: &InspectArguments) -> Result<ExitCode> {
    let source = Source::open(&arguments.source, &arguments.reading.reading())?;
    let disk = source.confine(Writing::Nowhere, note)?.parse()?;
    let seen = look_at_all(&disk);
    match arguments.json {
        true => document("inspect", as_json(&disk, &seen))?,
        false => print(&as_text(&disk, &seen))?,
    }
    let table_fault = disk.table().is_some_and(|table| table.fault.is_some());
    let is_whole =
        !table_fault && of_disk(&disk).next().is_none() && seen.iter().all(|seen| seen.faults.is_empty());
    Ok(if is_whole { ExitCode::SUCCESS } else { ExitCode::from(INCOMPLETE) })
}

fn look_at_all(disk: &Disk) -> Vec<Seen<'_>> {
    let mounts = mount_points(disk);
    let mut indents: HashMap<&VolumeId, usize> = HashMap::new();
    let mut seen = Vec::new();
    for volume in disk.volumes() {
        let below = volume.members().first().and_then(|below| indents.get(below));
        let indent = below.map_or(0, |below| below.saturating_add(1));
        indents.insert(volume.id(), indent);
        let mounts = mounts.get(volume.id()).into_iter().flatten();
        let mounts = mounts.map(|point| Printable(point).to_string()).collect();
        seen.push(Seen { indent, mounts, ..look(volume) });
    }
    seen
}

fn look(volume: &Volume) -> Seen<'_> {
    let mut faults: Vec<String> = volume.layer_faults().map(|fault| fault.cause().to_string()).collect();
    if let Standing::Lost(error) | Standing::Closed(error) = volume.standing() {
        faults.push(error.cause().to_string());
    }
    faults.extend(volume.entry().and_then(|entry| entry.fault.clone()));
    faults.extend(volume.entry().and_then(|entry| entry.past_end.clone()));
    let mut summary = None;
    if volume.held() == Held::Filesystem {
        match volume.with_root() {
            Ok(filesystem) => {
                faults.extend(filesystem.faults().iter().map(Error::to_string));
                summary = Some(filesystem.summary().clone());
            }
            Err(error) if error.kind() == Kind::Read => faults.push(error.to_string()),
            Err(error) => faults.push(error.cause().to_string()),
        }
    }
    Seen { volume, indent: 0, summary, mounts: Vec::new(), faults }
}

/// What is wrong with the disk as a whole.
fn of_disk(disk: &Disk) -> impl Iterator<Item = String> {
    disk.doubts().iter().cloned().chain(disk.faults().iter().map(Error::to_string))
}

fn as_text(disk: &Disk, seen: &[Seen<'_>]) -> String {
    let mut text = String::new();
    let table = match disk.table() {
        Some(table) => {
            let name = match table.scheme {
                Scheme::Mbr => "MBR",
                Scheme::Gpt => "GPT",
            };
            format!("{name} {}, sectors of {} bytes", table.id, table.sector_bytes)
        }
        None => "no partition table".to_owned(),
    };
    let (path, len) = (Printable::path(disk.path()), Bytes(disk.len_bytes()));
    // Writing to a String does not fail.
    let _ = writeln!(text, "{path}: {len}, {table}");
    let rows: Vec<[String; 10]> = seen.iter().map(row).collect();
    if !rows.is_empty() {
        let head = ["", "start", "size", "holds", "label", "used", "free", "mount", "type", "UUID"]
            .map(str::to_owned);
        let _ = write!(text, "\n{}", table::columns(&[&[head], rows.as_slice()].concat(), RIGHT));
    }
    let of_filesystems =
        seen.iter().flat_map(|seen| seen.summary.iter().flat_map(|summary| &summary.warnings));
    let locked = seen.iter().filter_map(|seen| match seen.volume.standing() {
        Standing::Locked(note) => Some(format!("note: {}: {note}", seen.volume.id().title())),
        _ => None,
    });
    let warnings = disk.warnings().iter().chain(of_filesystems).map(|warning| format!("note: {warning}"));
    let warnings = warnings.chain(locked);
    let table_fault = disk.table().and_then(|table| table.fault.as_ref());
    let faults = table_fault.into_iter().cloned().chain(of_disk(disk)).map(|fault| format!("issue: {fault}"));
    let of_volumes = seen.iter().flat_map(|seen| {
        seen.faults.iter().map(|fault| match seen.volume.id() {
            VolumeId::Whole => format!("issue: {fault}"),
            id => format!("issue: {}: {fault}", id.title()),
        })
    });
    for line in warnings.chain(faults).chain(of_volumes) {
        let _ = write!(text, "\n{line}");
    }
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

fn row(seen: &Seen<'_>) -> [String; 10] {
    let Seen { volume, indent, summary, mounts, .. } = seen;
    let name = match volume.id() {
        VolumeId::Whole => "whole".to_owned(),
        id => id.to_string(),
    };
    let (label, uuid) = match volume.contents() {
        Contents::Known(signature) => (signature.label.clone(), signature.uuid.clone()),
        Contents::Unknown => (String::new(), String::new()),
    };
    let size = |bytes: Option<u64>| bytes.map_or_else(|| "-".to_owned(), |bytes| Bytes(bytes).to_string());
    let summary = summary.as_ref();
    let (start, kind) = match volume.is_layered() {
        true => ("-".to_owned(), volume.kind().to_owned()),
        false => {
            let kind = volume.entry().map(type_name).unwrap_or_default();
            (Bytes(volume.range().start()).to_string(), or_dash(kind))
        }
    };
    let holds = match volume.standing() {
        Standing::Lost(_) => "unreadable",
        _ => volume.name(),
    };
    [
        format!("{}{name}", "  ".repeat(*indent)),
        start,
        Bytes(volume.range().len()).to_string(),
        holds.to_owned(),
        or_dash(label),
        size(summary.map(|summary| summary.used_bytes)),
        size(summary.map(|summary| summary.free_bytes)),
        or_dash(mounts.join(", ")),
        kind,
        or_dash(uuid),
    ]
}

/// The name of a partition's type, or its code where it has none.
fn type_name(entry: &Partition) -> String {
    if entry.type_name.is_empty() { entry.type_id.clone() } else { entry.type_name.clone() }
}

fn or_dash(text: String) -> String {
    if text.is_empty() { "-".to_owned() } else { text }
}

fn as_json(disk: &Disk, seen: &[Seen<'_>]) -> Value {
    json!({
        "path": Printable::path(disk.path()).to_string(),
        "len_bytes": disk.len_bytes(),
        "table": disk.table().map(|table| json!({
            "scheme": table.scheme,
            "id": table.id,
            "sector_bytes": table.sector_bytes,
            "fault": table.fault,
        })),
        "warnings": disk.warnings(),
        "issues": of_disk(disk).collect::<Vec<_>>(),
        "volumes": seen.iter().map(volume_json).collect::<Vec<_>>(),
    })
}

fn volume_json(seen: &Seen<'_>) -> Value {
    let Seen { volume, summary, faults, mounts, .. } = seen;
    let (standing, note) = match volume.standing() {
        Standing::Own => ("own", None),
        Standing::Opened => ("opened", None),
        Standing::Partly(_) => ("partly_opened", None),
        Standing::Locked(note) => ("locked", Some(note)),
        Standing::Closed(_) => ("closed", None),
        Standing::Lost(_) => ("unreadable", None),
    };
    let mut fields = json!({
        "volume": volume.id(),
        "number": volume.id().number(),
        "start_bytes": if volume.is_layered() { None } else { Some(volume.range().start()) },
        "len_bytes": volume.len_bytes(),
        "holds": volume.name(),
        "layer": if volume.is_layered() { Some(volume.kind()) } else { None },
        "layer_uuid": if volume.is_layered() { Some(volume.uuid()) } else { None },
        "on": volume.members(),
        "standing": standing,
        "note": note,
        "mount_points": mounts,
        "issues": faults,
    });
    let Some(object) = fields.as_object_mut() else { return fields };
    if let Contents::Known(signature) = volume.contents() {
        object.insert("label".to_owned(), json!(signature.label));
        object.insert("uuid".to_owned(), json!(signature.uuid));
    }
    if let Some(entry) = volume.entry() {
        let partition = json!({
            "type": entry.type_id,
            "type_name": entry.type_name,
            "name": entry.name,
            "uuid": entry.uuid,
            "bootable": entry.bootable,
        });
        object.insert("partition".to_owned(), partition);
    }
    if let Some(summary) = summary {
        object.insert("filesystem".to_owned(), json!(summary));
    }
    fields
}
