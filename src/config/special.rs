//! Values that one key alone takes.

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::PathBuf;

use crate::archive::Compression;
use crate::config::pattern;
use crate::config::value::{self, Raw, Read};
use crate::snapshot::VolumeName;
use crate::store::choice::Share;

/// A level of some compression; whether this one has it is seen when that is known.
pub(super) fn level(raw: Raw<'_, '_>) -> Read<i32> {
    value::number(0..=u8::MAX)(raw).map(i32::from).map_err(|_| {
        let with_levels = Compression::ALL.iter().filter_map(|one| Some((one.name(), one.levels()?)));
        let all: Vec<String> =
            with_levels.map(|(name, (least, most))| format!("{name} {least} to {most}")).collect();
        let found = value::found(raw.get_ref());
        value::wrong(raw, format!("expected a number, {}, found {found}", all.join(", ")))
    })
}

/// Patterns of files.
pub(super) fn files(raw: Raw<'_, '_>) -> Read<Vec<OsString>> {
    let patterns = patterns(raw, "[\"*.log\", \"lost+found\"]", pattern::files)?;
    Ok(patterns.into_iter().map(OsString::from).collect())
}

/// Patterns of volumes.
pub(super) fn volumes(raw: Raw<'_, '_>) -> Read<Vec<String>> {
    patterns(raw, "[\"volume-*\"]", pattern::volumes)
}

/// An array of patterns, each of which `fault` has nothing against.
fn patterns(raw: Raw<'_, '_>, example: &str, fault: impl Fn(&str) -> Option<String>) -> Read<Vec<String>> {
    value::each(raw, &format!("an array of patterns like {example}"), |element| {
        let Some(pattern) = element.get_ref().as_str() else {
            return Err(value::wrong(
                element,
                format!("expected a pattern in quotes, found {}", value::found(element.get_ref())),
            ));
        };
        match fault(pattern) {
            Some(text) => Err(value::wrong(element, text)),
            None => Ok(pattern.to_owned()),
        }
    })
}

/// The name of a volume group.
pub(super) fn group(raw: Raw<'_, '_>) -> Read<String> {
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

/// A logical volume, `GROUP/VOLUME`.
pub(super) fn volume(raw: Raw<'_, '_>) -> Read<VolumeName> {
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

/// A share of all archives.
pub(super) fn share(text: &str) -> Result<Share, String> {
    text.parse().map_err(|_| "a share like \"10%\", from \"1%\" to \"100%\"".to_owned())
}

/// A file for node_exporter.
pub(super) fn metrics(raw: Raw<'_, '_>) -> Read<PathBuf> {
    let path = value::path(raw)?;
    match path.extension().is_some_and(|ending| ending == "prom") {
        true => Ok(path),
        false => {
            Err(value::wrong(raw, "expected a path that ends in .prom: node_exporter reads no other file"))
        }
    }
}

/// The addresses that get the report.
pub(super) fn addresses(raw: Raw<'_, '_>) -> Read<Vec<String>> {
    if raw.get_ref().is_str() {
        return Err(value::wrong(
            raw,
            "expected an array of addresses: write it in brackets, [\"ops@example.org\"]",
        ));
    }
    let to = value::each(raw, "an array of addresses like [\"ops@example.org\"]", address)?;
    match to.is_empty() {
        true => Err(value::wrong(raw, "expected at least one address: nobody would get the mail")),
        false => Ok(to),
    }
}

/// An address, `ops@example.org` or `Operations <ops@example.org>`.
pub(super) fn address(raw: Raw<'_, '_>) -> Read<String> {
    const WHAT: &str = "an address like \"ops@example.org\"";
    let text = value::text_as(raw, WHAT)?;
    let bare = match text.split_once('<') {
        Some((_, rest)) => rest.strip_suffix('>').unwrap_or_default(),
        None => text.as_str(),
    };
    let is_word =
        |part: &str| !part.is_empty() && !part.contains(|c: char| c.is_whitespace() || "<>,;:".contains(c));
    match bare.rsplit_once('@') {
        Some((user, host)) if is_word(user) && is_word(host) => Ok(text),
        _ => Err(value::wrong(raw, format!("expected {WHAT}, found the text {}", value::quoted(&text)))),
    }
}

/// The name or address of a server, without anything around it.
pub(super) fn host(raw: Raw<'_, '_>) -> Read<String> {
    const WHAT: &str = "the name of a mail server like \"mail.example.org\"";
    let text = value::text_as(raw, WHAT)?;
    let is_name = text.chars().all(|c| c.is_alphanumeric() || ".-_".contains(c));
    if is_name || text.parse::<IpAddr>().is_ok() {
        return Ok(text);
    }
    let hint = match text.rsplit_once(':') {
        Some((_, port)) if port.parse::<u16>().is_ok() => "; the port has a key of its own",
        _ => "",
    };
    Err(value::wrong(raw, format!("expected {WHAT}, found the text {}{hint}", value::quoted(&text))))
}
