//! The manifest's first record: what was archived, and how.

use std::os::unix::ffi::OsStrExt as _;

use serde_json::{Value, json};

use super::areas::Areas;
use super::run::Request;
use super::volumes::{Part, Treatment};
use crate::filesystem::Contents;
use crate::format::manifest::FORMAT;
use crate::printable::Printable;
use crate::volume::{Disk, Volume};

/// The manifest's first record.
pub(super) fn head(
    disk: &Disk,
    request: &Request<'_>,
    level: i32,
    parts: &[Part<'_>],
    areas: &Areas,
) -> Value {
    let Request { options, identity, .. } = request;
    let exclude = options.exclude.iter().map(|pattern| Printable(pattern.as_bytes()).to_string());
    json!({
        "record": "head",
        "format": FORMAT,
        "tool": concat!("voltar ", env!("CARGO_PKG_VERSION")),
        "started": identity.started,
        "source": {
            "path": Printable::path(disk.path()).to_string(),
            "len_bytes": disk.len_bytes(),
            "sector_bytes": disk.device().sector_bytes(),
        },
        "snapshot_of": identity.snapshot_of,
        "host": identity.host.as_ref().map(|host| Printable(host.as_bytes()).to_string()),
        "table": disk.table().map(|table| json!({
            "scheme": table.scheme, "id": table.id, "sector_bytes": table.sector_bytes,
        })),
        "warnings": disk.warnings().iter().chain(&areas.warnings).collect::<Vec<_>>(),
        "areas": areas.summary(),
        "volumes": parts.iter().map(volume).collect::<Vec<_>>(),
        "compression": options.compression.name(),
        "level": level,
        "digest": options.digest.name(),
        "file_digest": options.file_digest.name(),
        "exclude": exclude.collect::<Vec<_>>(),
    })
}

fn volume(part: &Part<'_>) -> Value {
    let volume: &Volume = part.volume;
    let member = || String::from_utf8_lossy(&volume.id().image()).into_owned();
    let (member, summary) = match &part.treatment {
        Treatment::Files(filesystem) => {
            (Some(String::from_utf8_lossy(&part.folder).into_owned()), Some(filesystem.summary()))
        }
        Treatment::Image(_) => (Some(member()), None),
        Treatment::Empty | Treatment::Nothing => (None, None),
    };
    let signature = match volume.contents() {
        Contents::Known(signature) => Some(signature),
        Contents::Unknown => None,
    };
    let mut record = json!({
        "number": volume.id().number(),
        "member": member,
        "start_bytes": volume.range().start(),
        "len_bytes": volume.range().len(),
        "type": volume.entry().map(|entry| entry.type_id.clone()),
        "name": volume.entry().map(|entry| entry.name.clone()),
        "uuid": volume.entry().map(|entry| entry.uuid.clone()),
        "holds": if matches!(part.treatment, Treatment::Empty) { "nothing" } else { volume.name() },
        "label": signature.map(|signature| signature.label.clone()),
        "volume_uuid": signature.map(|signature| signature.uuid.clone()),
        "filesystem": summary,
    });
    if volume.id().number().is_none()
        && let Some(fields) = record.as_object_mut()
    {
        // It has no number, and does not lie on the disk in one piece.
        for key in ["number", "start_bytes", "type", "name", "uuid"] {
            fields.remove(key);
        }
        fields.insert("volume".to_owned(), json!(volume.id()));
        fields.insert("layer".to_owned(), json!(volume.kind()));
        fields.insert("layer_uuid".to_owned(), json!(volume.uuid()));
        fields.insert("on".to_owned(), json!(volume.members()));
    }
    record
}
