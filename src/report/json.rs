//! The report as JSON, for programs: `docs/report.md` has the fields.

use serde_json::{Map, Value, json};

use crate::hex;
use crate::report::measures::{change, published, sum, total_bytes};
use crate::report::outcome::{Outcome, Published, VolumeOutcome};
use crate::report::times::rfc3339;
use crate::report::verified::Verified;
use crate::report::words::summary;
use crate::store::{Address, Archived};

/// Version of the form; it grows when a program that read the old one would misread the new one.
const FORMAT: u32 = 1;

/// The report as JSON. Lengths are in bytes, times in seconds.
#[must_use]
pub fn json(outcome: &Outcome) -> Value {
    let (failed, incomplete) = outcome.trouble();
    let mut report = object(json!({
        "format": FORMAT,
        "tool": concat!("voltar ", env!("CARGO_PKG_VERSION")),
        "host": outcome.host,
        "status": outcome.verdict().name(),
        "summary": summary(outcome),
        "started": outcome.started,
        "started_at": rfc3339(outcome.started),
        "seconds": outcome.elapsed.as_secs_f64(),
        "volume_count": outcome.volumes.len(),
        "failed_count": failed,
        "incomplete_count": incomplete,
        "verified_count": outcome.verified.len(),
        "damaged_count": outcome.damaged().count(),
        "archive_bytes": sum(published(outcome).map(|archive| archive.archive_bytes)),
    }));
    let mut destination = Map::new();
    add_address(&mut destination, "path", &outcome.destination);
    destination.insert("is_mounted".to_owned(), json!(outcome.is_mounted));
    destination.insert("total_bytes".to_owned(), json!(outcome.space.map(|space| space.total_bytes)));
    destination.insert("free_bytes".to_owned(), json!(outcome.space.map(|space| space.free_bytes)));
    destination.insert("archive_count".to_owned(), json!(outcome.history.len()));
    destination.insert("archives_bytes".to_owned(), json!(total_bytes(outcome)));
    report.insert("destination".to_owned(), Value::Object(destination));
    report.insert("errors".to_owned(), json!(outcome.errors));
    report.insert("cleaned".to_owned(), json!(outcome.cleaned));
    let verified =
        outcome.verified.iter().map(|verified| verified_fields(&outcome.destination, verified)).collect();
    report.insert("verified".to_owned(), Value::Array(verified));
    let volumes = outcome.volumes.iter().map(|volume| volume_fields(outcome, volume)).collect();
    report.insert("volumes".to_owned(), Value::Array(volumes));
    let history =
        outcome.history.iter().map(|archive| archived_fields(&outcome.destination, archive)).collect();
    report.insert("history".to_owned(), Value::Array(history));
    Value::Object(report)
}

fn volume_fields(outcome: &Outcome, volume: &VolumeOutcome) -> Value {
    let removed = volume.removed.iter().map(|removed| {
        let mut fields = Map::new();
        add_address(&mut fields, "path", &outcome.destination.of(&removed.key));
        fields.insert("len_bytes".to_owned(), json!(removed.len_bytes));
        Value::Object(fields)
    });
    let next = volume.next_to_expire.as_ref().map(|(key, when)| {
        let mut fields = Map::new();
        add_address(&mut fields, "path", &outcome.destination.of(key));
        fields.insert("when".to_owned(), json!(when));
        Value::Object(fields)
    });
    json!({
        "name": volume.name,
        "folder": volume.folder,
        "status": volume.verdict().name(),
        "seconds": volume.elapsed.as_secs_f64(),
        "error": volume.result.as_ref().err(),
        "archive": volume.result.as_ref().ok().map(|published| published_fields(&outcome.destination, published)),
        "change_percent": change(outcome, volume).and_then(tenths),
        "previous": volume.previous.as_ref().map(|archive| archived_fields(&outcome.destination, archive)),
        "retention": volume.retention,
        "removed": removed.collect::<Vec<Value>>(),
        "next_to_expire": next,
        "notes": volume.notes,
    })
}

fn verified_fields(destination: &Address, verified: &Verified) -> Value {
    let judged = verified.result.as_ref().ok();
    let mut fields = Map::new();
    add_address(&mut fields, "path", &destination.of(&verified.key));
    fields.extend(object(json!({
        "volume": verified.folder,
        "status": verified.status(),
        "seconds": verified.elapsed.as_secs_f64(),
        "error": verified.result.as_ref().err(),
        "finding_count": judged.map(|judged| judged.finding_count),
        "findings": judged.map(|judged| &judged.findings),
        "notes": judged.map(|judged| &judged.notes),
        "unchecked": judged.map(|judged| &judged.unchecked),
        "next_step": verified.is_damaged().then(|| verified.next_step(destination)),
    })));
    Value::Object(fields)
}

fn published_fields(destination: &Address, published: &Published) -> Value {
    let mut fields = Map::new();
    add_address(&mut fields, "path", &destination.of(&published.key));
    let (algorithm, digits) = &published.digest;
    fields.extend(object(json!({
        "archive_bytes": published.archive_bytes,
        "data_bytes": published.data_bytes,
        "bytes_read": published.bytes_read,
        "entries": published.entries,
        "images": published.images,
        "digest": { "algorithm": algorithm, "hex": digits },
        "issue_count": published.issue_count,
        "issues": published.issues,
        "snapshot_percent": published.snapshot_percent,
    })));
    Value::Object(fields)
}

fn archived_fields(destination: &Address, archive: &Archived) -> Value {
    let told = archive.told.as_ref();
    let mut fields = Map::new();
    add_address(&mut fields, "path", &destination.of(&archive.key));
    fields.extend(object(json!({
        "volume": archive.volume,
        "taken": archive.taken,
        "len_bytes": archive.len_bytes,
        "is_complete": archive.is_complete(),
        "data_bytes": told.map(|told| told.data_bytes),
        "bytes_read": told.map(|told| told.bytes_read),
        "entries": told.map(|told| told.entries),
        "images": told.map(|told| told.images),
        "issue_count": told.map(|told| told.issues),
        "seconds": told.and_then(|told| told.seconds),
    })));
    Value::Object(fields)
}

/// An address: where it is not UTF-8, a field with the ending `_hex` has it exactly.
fn add_address(fields: &mut Map<String, Value>, name: &str, address: &Address) {
    let bytes = address.as_bytes();
    fields.insert(name.to_owned(), json!(String::from_utf8_lossy(bytes)));
    if std::str::from_utf8(bytes).is_err() {
        fields.insert(format!("{name}_hex"), json!(hex::encode(bytes)));
    }
}

/// Tenths as a decimal number; `null` where it is beyond all measure.
fn tenths(value: i64) -> Option<f64> {
    i32::try_from(value).ok().map(|value| f64::from(value) / 10.0)
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}
