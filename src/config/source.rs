//! `[[source]]`: what is backed up.

use std::path::Path;

use toml::Spanned;
use toml::de::DeValue;

use crate::archive::Options;
use crate::config::fault::{Remarks, Span};
use crate::config::keys;
use crate::config::plan::{SnapshotOptions, Source, VolumeOptions, What};
use crate::config::section::Sources;
use crate::config::table::Table;
use crate::config::value;
use crate::config::values::Values;
use crate::retention::Retention;
use crate::snapshot::VolumeName;
use crate::store::names::folder_of;

/// What names a source; exactly one of them is there.
const NAMING: [&str; 4] = ["group", "volume", "image", "device"];

/// Reads all sources.
pub(super) fn read(
    root: &Table<'_, '_>,
    defaults: &VolumeOptions,
    retention: &Retention,
    remarks: &mut Remarks,
) -> Vec<Source> {
    let values = match root.raw("source").map(|raw| (raw, raw.get_ref())) {
        Some((_, DeValue::Array(values))) if !values.is_empty() => values,
        Some((raw, DeValue::Array(_))) => {
            remarks.fault(Some(raw.span()), "source: there is none, so nothing would be backed up");
            return Vec::new();
        }
        Some((raw, DeValue::Table(_))) => {
            remarks.fault(
                Some(raw.span()),
                "source: expected [[source]] with two brackets, since there may be several",
            );
            return Vec::new();
        }
        Some((raw, other)) => {
            let text = format!("source: expected tables, [[source]], found {}", value::found(other));
            remarks.fault(Some(raw.span()), text);
            return Vec::new();
        }
        None => {
            // A misspelt name has been told already.
            if !root.has_unknown() {
                remarks.fault(
                    None,
                    "[[source]] is missing, so nothing would be backed up: it says with group = \"cinder-volumes\", volume, image \
                     or device what is",
                );
            }
            return Vec::new();
        }
    };
    let mut sources: Vec<(Source, Span)> = Vec::new();
    for raw in values.iter() {
        if let Some(source) = one(raw, defaults, retention, remarks) {
            tell_doubles(&sources, &source, raw.span(), remarks);
            sources.push((source, raw.span()));
        }
    }
    let mut sources: Vec<Source> = sources.into_iter().map(|(source, _)| source).collect();
    leave_out_named(&mut sources);
    sources
}

/// One source; `None` where it can't be said what it is.
fn one(
    raw: &Spanned<DeValue<'_>>,
    defaults: &VolumeOptions,
    retention: &Retention,
    remarks: &mut Remarks,
) -> Option<Source> {
    let DeValue::Table(values) = raw.get_ref() else {
        let text = format!("source: expected a table, found {}", value::found(raw.get_ref()));
        remarks.fault(Some(raw.span()), text);
        return None;
    };
    let table = Table::open(&keys::SOURCE, values, Some(raw.span()), remarks);
    // A level means something for its own compression alone.
    let mut values = Values { options: defaults.clone(), ..Values::default() };
    if table.raw("compression").is_some() {
        values.options.archive.level = None;
    }
    table.fill(&mut values, remarks);
    check_level(&table, &values.options.archive, remarks);
    let mut options = values.options.clone();
    let own = table.table(&keys::SOURCE_RETENTION, remarks).map(|table| table.values(remarks).retention);
    let what = what(&table, values, remarks)?;
    let (misplaced, why) = match what {
        What::Device(_) => {
            // There is no moment to freeze anything around.
            options.snapshot = SnapshotOptions::default();
            let why = "nothing takes a snapshot of an image or device; this is for group and volume";
            (Sources::Volumes, why)
        }
        What::Group { .. } | What::Volume(_) => {
            // Journals and disks apart from the snapshot change while it is read.
            let reading = &mut options.archive.reading;
            (reading.journal, reading.image.snapshot) = (None, None);
            reading.image.allow_below.clear();
            reading.with.clear();
            let why = "the snapshot is of the volume alone, and a journal that is apart would be of a later \
                       moment; this is for image and device";
            (Sources::Devices, why)
        }
    };
    for key in keys::SOURCE.all().filter(|key| key.sources == misplaced) {
        if let Some(span) = table.key_span(key.name) {
            remarks.fault(Some(span), format!("source.{}: {why}", key.name));
        }
    }
    Some(Source { what, options, retention: own.unwrap_or_else(|| retention.clone()) })
}

/// Finds the fault of a level that the compression does not have.
pub(super) fn check_level(table: &Table<'_, '_>, options: &Options, remarks: &mut Remarks) {
    // An inherited level was checked where it stands, unless the compression is another one.
    let (Some(place), Some(level)) = (table.place("level"), options.level) else { return };
    let (name, path) = (options.compression.name(), table.path("level"));
    let text = match options.compression.levels() {
        None => format!("{path}: compression \"{name}\" has no levels: leave the key out"),
        Some((least, most)) if !(least..=most).contains(&level) => {
            format!("{path}: {name} has levels {least} to {most}, not {level}")
        }
        Some(_) => return,
    };
    remarks.fault(Some(place), text);
}

/// What a source names.
fn what(table: &Table<'_, '_>, values: Values, remarks: &mut Remarks) -> Option<What> {
    let Values { group, include, exclude, volume, image, device, .. } = values;
    if table
        .raw("include")
        .and_then(|raw| raw.get_ref().as_array())
        .is_some_and(|patterns| patterns.is_empty())
    {
        remarks.fault(
            table.place("include"),
            "source.include: no pattern, so no volume: leave the key out, and all are archived",
        );
    }
    let named: Vec<&str> = NAMING.into_iter().filter(|name| table.raw(name).is_some()).collect();
    match named.as_slice() {
        [] => {
            // Of a misspelt name that has been told.
            if !table.has_unknown() {
                remarks.fault(
                    table.span(),
                    "source: expected one of group, volume, image and device, found none of them",
                );
            }
            return None;
        }
        [_] => {}
        [first, others @ ..] => {
            for name in others {
                let text = format!(
                    "source.{name}: expected one of group, volume, image and device, and there is {first} already"
                );
                remarks.fault(table.key_span(name), text);
            }
        }
    }
    if table.raw("group").is_none() {
        for name in ["include", "exclude"] {
            let hint = if name == "exclude" { "; for files there is exclude_files" } else { "" };
            let text =
                format!("source.{name}: this picks volumes of a group, and there is no group here{hint}");
            if let Some(span) = table.key_span(name) {
                remarks.fault(Some(span), text);
            }
        }
    }
    group
        .map(|group| What::Group { group, include, exclude })
        .or_else(|| volume.map(What::Volume))
        .or_else(|| image.or(device).map(What::Device))
}

/// The name of the folder of its archives; `None` for a group, whose volumes are known at the time of the run.
fn folder(what: &What) -> Option<String> {
    match what {
        What::Group { .. } => None,
        What::Volume(name) => Some(folder_of(&name.to_string())),
        What::Device(path) => Some(folder_of(&path.to_string_lossy())),
    }
}

/// Tells when a source is there twice, or would lie in another's folder.
fn tell_doubles(sources: &[(Source, Span)], new: &Source, span: Span, remarks: &mut Remarks) {
    for (other, _) in sources {
        let text = match (&other.what, &new.what) {
            (What::Group { group, include, .. }, What::Group { group: same, include: also, .. })
                if group == same && (include == also || include.is_empty() || also.is_empty()) =>
            {
                format!(
                    "source: the group {group} is there already, with volumes that this would archive a second time"
                )
            }
            (first, second) if first == second => format!("source: {} is there already", name(second)),
            (first, second) if folder(first).is_some() && folder(first) == folder(second) => format!(
                "source: the archives of {} would lie in the folder {} as those of {}: both can't go to one destination",
                name(second),
                value::quoted(&folder(first).unwrap_or_default()),
                name(first)
            ),
            _ => continue,
        };
        remarks.fault(Some(span), text);
        return;
    }
}

/// A source in a few words.
pub(super) fn name(what: &What) -> String {
    match what {
        What::Group { group, .. } => format!("the group {group}"),
        What::Volume(name) => name.to_string(),
        What::Device(path) => crate::printable::Printable::path(Path::new(path)).to_string(),
    }
}

/// A volume that has a source of its own is none of its group's: what is said of it there is meant.
fn leave_out_named(sources: &mut [Source]) {
    let named: Vec<VolumeName> = sources
        .iter()
        .filter_map(|source| match &source.what {
            What::Volume(name) => Some(name.clone()),
            _ => None,
        })
        .collect();
    for source in sources {
        if let What::Group { group, exclude, .. } = &mut source.what {
            let own = named.iter().filter(|name| name.group == *group && !exclude.contains(&name.volume));
            let own: Vec<String> = own.map(|name| name.volume.clone()).collect();
            exclude.extend(own);
        }
    }
}
