//! `voltar inspect`.

use std::fmt::Write as _;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::args::InspectArguments;
use super::speech::{document, note};
use super::{INCOMPLETE, print, table};
use crate::error::{Error, Result};
use crate::filesystem::{Contents, Summary};
use crate::partition::{Partition, Scheme};
use crate::printable::Printable;
use crate::sandbox::Writing;
use crate::units::Bytes;
use crate::volume::{Disk, Held, Volume, VolumeId};
use crate::worker::child::Source;

/// Which columns are numbers.
const RIGHT: [bool; 9] = [false, true, true, false, false, true, true, false, false];

/// A volume and what could be learnt of it.
struct Seen<'a> {
    volume: &'a Volume,
    summary: Option<Summary>,
    faults: Vec<String>,
}

/// Runs `voltar inspect`.
pub(super) fn run(arguments: &InspectArguments) -> Result<ExitCode> {
    let source = Source::open(&arguments.source, &arguments.reading.reading())?;
    let disk = source.confine(Writing::Nowhere, note)?.parse()?;
    let seen: Vec<Seen<'_>> = disk.volumes().iter().map(look).collect();
    match arguments.json {
        true => document("inspect", as_json(&disk, &seen))?,
        false => print(&as_text(&disk, &seen))?,
    }
    let table_fault = disk.table().is_some_and(|table| table.fault.is_some());
    let is_whole = !table_fault && disk.doubts().is_empty() && seen.iter().all(|seen| seen.faults.is_empty());
    Ok(if is_whole { ExitCode::SUCCESS } else { ExitCode::from(INCOMPLETE) })
}

fn look(volume: &Volume) -> Seen<'_> {
    let mut faults: Vec<String> = Vec::new();
    faults.extend(volume.entry().and_then(|entry| entry.fault.clone()));
    faults.extend(volume.entry().and_then(|entry| entry.past_end.clone()));
    let mut summary = None;
    if volume.held() == Held::Filesystem {
        match volume.with_root() {
            Ok(filesystem) => {
                faults.extend(filesystem.faults().iter().map(Error::to_string));
                summary = Some(filesystem.summary().clone());
            }
            Err(error) => faults.push(error.cause().to_string()),
        }
    }
    Seen { volume, summary, faults }
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
    let rows: Vec<[String; 9]> = seen.iter().map(row).collect();
    if !rows.is_empty() {
        let head = ["", "start", "size", "holds", "label", "used", "free", "type", "UUID"].map(str::to_owned);
        let _ = write!(text, "\n{}", table::columns(&[&[head], rows.as_slice()].concat(), RIGHT));
    }
    let of_filesystems =
        seen.iter().flat_map(|seen| seen.summary.iter().flat_map(|summary| &summary.warnings));
    let warnings = disk.warnings().iter().chain(of_filesystems).map(|warning| format!("note: {warning}"));
    let table_fault = disk.table().and_then(|table| table.fault.as_ref());
    let faults = table_fault.into_iter().chain(disk.doubts()).map(|fault| format!("issue: {fault}"));
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

fn row(seen: &Seen<'_>) -> [String; 9] {
    let Seen { volume, summary, .. } = seen;
    let number = match volume.id() {
        VolumeId::Whole => "whole".to_owned(),
        id => id.to_string(),
    };
    let (label, uuid) = match volume.contents() {
        Contents::Known(signature) => (signature.label.clone(), signature.uuid.clone()),
        Contents::Unknown => (String::new(), String::new()),
    };
    let size = |bytes: Option<u64>| bytes.map_or_else(|| "-".to_owned(), |bytes| Bytes(bytes).to_string());
    let summary = summary.as_ref();
    [
        number,
        Bytes(volume.range().start()).to_string(),
        Bytes(volume.range().len()).to_string(),
        volume.name().to_owned(),
        or_dash(label),
        size(summary.map(|summary| summary.used_bytes)),
        size(summary.map(|summary| summary.free_bytes)),
        or_dash(volume.entry().map(type_name).unwrap_or_default()),
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
        "issues": disk.doubts(),
        "volumes": seen.iter().map(volume_json).collect::<Vec<_>>(),
    })
}

fn volume_json(seen: &Seen<'_>) -> Value {
    let Seen { volume, summary, faults } = seen;
    let mut fields = json!({
        "number": volume.id().number(),
        "start_bytes": volume.range().start(),
        "len_bytes": volume.range().len(),
        "holds": volume.name(),
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
