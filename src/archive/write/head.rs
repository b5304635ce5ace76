//! The manifest's first record: what was archived, and how.

use std::os::unix::ffi::OsStrExt as _;

use super::areas::Areas;
use super::request::Request;
use super::volumes::{Part, Treatment};
use crate::filesystem::Contents;
use crate::format::manifest::{FORMAT, Head, Source, Table, Volume};
use crate::printable::Printable;
use crate::volume::Disk;

/// The manifest's first record.
pub(super) fn head(
    disk: &Disk,
    request: &Request<'_>,
    level: i32,
    parts: &[Part<'_>],
    areas: &Areas,
) -> Head {
    let Request { options, identity, .. } = request;
    let exclude = options.exclude.iter().map(|pattern| Printable(pattern.as_bytes()).to_string());
    Head {
        format: FORMAT,
        tool: concat!("voltar ", env!("CARGO_PKG_VERSION")).to_owned(),
        started: identity.started,
        source: Source {
            path: Printable::path(disk.path()).to_string(),
            len_bytes: disk.len_bytes(),
            sector_bytes: disk.device().sector_bytes(),
        },
        snapshot_of: identity.snapshot_of.clone(),
        host: identity.host.as_ref().map(|host| Printable(host.as_bytes()).to_string()),
        table: disk.table().map(|table| Table {
            scheme: Some(table.scheme),
            id: table.id.clone(),
            sector_bytes: table.sector_bytes,
        }),
        warnings: disk.warnings().iter().chain(&areas.warnings).cloned().collect(),
        areas: Some(areas.summary()),
        volumes: parts.iter().map(volume).collect(),
        compression: options.compression.name().to_owned(),
        level,
        digest: options.digest.name().to_owned(),
        file_digest: options.file_digest.name().to_owned(),
        exclude: exclude.collect(),
        ..Head::default()
    }
}

fn volume(part: &Part<'_>) -> Volume {
    let (volume, id) = (part.volume, part.volume.id());
    let (member, summary) = match &part.treatment {
        Treatment::Files(filesystem) => (Some(part.folder.clone()), Some(filesystem.summary())),
        Treatment::Image(_) => (Some(id.image()), None),
        Treatment::Empty | Treatment::Nothing => (None, None),
    };
    let signature = match volume.contents() {
        Contents::Known(signature) => Some(signature),
        Contents::Unknown => None,
    };
    let is_empty = matches!(part.treatment, Treatment::Empty);
    let (number, entry) = (id.number(), volume.entry());
    // A volume without a number does not lie on the disk in one piece.
    let of_layer = number.is_none();
    Volume {
        number,
        member: member.map(|member| String::from_utf8_lossy(&member).into_owned()),
        start_bytes: number.map(|_| volume.range().start()),
        len_bytes: volume.range().len(),
        type_id: entry.map(|entry| entry.type_id.clone()),
        name: entry.map(|entry| entry.name.clone()),
        uuid: entry.map(|entry| entry.uuid.clone()),
        holds: if is_empty { "nothing" } else { volume.name() }.to_owned(),
        label: signature.map(|signature| signature.label.clone()),
        volume_uuid: signature.map(|signature| signature.uuid.clone()),
        filesystem: summary.map(Into::into),
        volume: of_layer.then(|| id.to_string()),
        layer: of_layer.then(|| volume.kind().to_owned()),
        layer_uuid: of_layer.then(|| volume.uuid().to_owned()),
        on: volume.members().iter().filter(|_| of_layer).map(ToString::to_string).collect(),
    }
}
