//! `[[source]]`: what is backed up.

use std::path::Path;

use toml::Spanned;
use toml::de::DeValue;

use crate::config::fault::{Remarks, Span};
use crate::config::options::{OF_DEVICES, OF_SNAPSHOTS, Wishes, patterns};
use crate::config::plan::{Source, What};
use crate::config::table::{Given, Table};
use crate::config::value::{self, Raw, Read};
use crate::config::{destination, keys, pattern};
use crate::retention::Retention;
use crate::snapshot::VolumeName;
use crate::store::names::folder_of;

/// What names a source; exactly one of them is there.
const NAMING: [&str; 4] = ["group", "volume", "image", "device"];

/// What patterns for volumes look like.
const VOLUMES: &str = "[\"volume-*\"]";

/// Reads all sources.
pub(super) fn read(
    root: &Table<'_, '_>,
    defaults: &Wishes,
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
    defaults: &Wishes,
    retention: &Retention,
    remarks: &mut Remarks,
) -> Option<Source> {
    let DeValue::Table(values) = raw.get_ref() else {
        let text = format!("source: expected a table, found {}", value::found(raw.get_ref()));
        remarks.fault(Some(raw.span()), text);
        return None;
    };
    let table = Table::open(&keys::SOURCE, values, Some(raw.span()), remarks);
    let wishes = Wishes::read(&table, remarks);
    let own =
        table.table(&keys::SOURCE_RETENTION, remarks).map(|table| destination::retention(&table, remarks));
    let what = what(&table, remarks);
    let (misplaced, why): (&[&str], _) = match what {
        Some(What::Device(_)) => {
            (&OF_SNAPSHOTS, "nothing takes a snapshot of an image or device; this is for group and volume")
        }
        Some(What::Group { .. } | What::Volume(_)) => (
            &OF_DEVICES,
            "the snapshot is of the volume alone, and a journal that is apart would be of a later moment; this is for image and device",
        ),
        None => (&[], ""),
    };
    for name in misplaced {
        if let Some(span) = table.key_span(name) {
            remarks.fault(Some(span), format!("source.{name}: {why}"));
        }
    }
    let wishes = wishes.over(defaults);
    wishes.check_level(remarks);
    let what = what?;
    let wishes = match what {
        What::Device(_) => wishes.without_snapshot(),
        What::Group { .. } | What::Volume(_) => wishes.with_snapshot(),
    };
    Some(Source { what, options: wishes.options(), retention: own.unwrap_or_else(|| retention.clone()) })
}

/// What a source names.
fn what(table: &Table<'_, '_>, remarks: &mut Remarks) -> Option<What> {
    let include = table.get("include", remarks, |raw| patterns(raw, VOLUMES, pattern::volumes));
    let exclude = table.get("exclude", remarks, |raw| patterns(raw, VOLUMES, pattern::volumes));
    if let Some(given) = include.as_ref().filter(|given| given.value.is_empty()) {
        remarks.fault(
            given.place(),
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
    let group = table.get("group", remarks, group_name);
    let volume = table.get("volume", remarks, volume_name);
    let image = table.get("image", remarks, value::path);
    let device = table.get("device", remarks, value::path);
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
    let plain = |given: Option<Given<Vec<String>>>| given.map(|given| given.value).unwrap_or_default();
    group
        .map(|group| What::Group { group: group.value, include: plain(include), exclude: plain(exclude) })
        .or_else(|| volume.map(|given| What::Volume(given.value)))
        .or_else(|| image.or(device).map(|given| What::Device(given.value)))
}

fn group_name(raw: Raw<'_, '_>) -> Read<String> {
    let name = value::text(raw)?;
    match VolumeName::check_group(&name) {
        Ok(()) => Ok(name),
        Err(_) => {
            let text = format!(
                "expected the name of a volume group like \"cinder-volumes\", found {}",
                value::quoted(&name)
            );
            Err(value::wrong(raw, text))
        }
    }
}

fn volume_name(raw: Raw<'_, '_>) -> Read<VolumeName> {
    let text = value::text(raw)?;
    let name = text.split_once('/').and_then(|(group, volume)| VolumeName::new(group, volume).ok());
    if let Some(name) = name {
        return Ok(name);
    }
    let hint = match text.strip_prefix("/dev/").filter(|name| name.matches('/').count() == 1) {
        Some(name) => format!("; without /dev/ that is \"{name}\""),
        None if text.contains(['*', '?', '[']) => "; several volumes are a group with include".to_owned(),
        None => String::new(),
    };
    let text = format!(
        "expected GROUP/VOLUME like \"cinder-volumes/volume-1\", found {}{hint}",
        value::quoted(&text)
    );
    Err(value::wrong(raw, text))
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
