//! Values: what a key takes, and what is said of anything else.

use std::ops::RangeInclusive;
use std::path::{Component, Path, PathBuf};

use toml::Spanned;
use toml::de::DeValue;

use crate::config::fault::Span;
use crate::config::nearest::nearest;
use crate::device::image;
use crate::error::Error;
use crate::printable::Printable;
use crate::volume::VolumeId;

/// A value that a key does not take.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) span: Span,
    pub(super) text: String,
}

pub(super) type Read<T> = Result<T, Wrong>;

/// A value as the parser hands it over.
pub(super) type Raw<'a, 'i> = &'a Spanned<DeValue<'i>>;

/// What is wrong with the whole of a value.
pub(super) fn wrong(raw: Raw<'_, '_>, text: impl Into<String>) -> Wrong {
    Wrong { span: raw.span(), text: text.into() }
}

fn expected(raw: Raw<'_, '_>, what: &str) -> Wrong {
    wrong(raw, format!("expected {what}, found {}", found(raw.get_ref())))
}

/// What there is instead, in words.
pub(super) fn found(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("the text {}", quoted(text)),
        DeValue::Integer(number) => format!("the number {number}"),
        DeValue::Float(number) => format!("the number {}", number.as_str()),
        DeValue::Boolean(value) => value.to_string(),
        DeValue::Datetime(time) => format!("the time {time}"),
        DeValue::Array(values) if values.is_empty() => "an empty array".to_owned(),
        DeValue::Array(_) => "an array".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

/// A text in quotes, cut where it is long.
pub(super) fn quoted(text: &str) -> String {
    const LONGEST: usize = 60;
    let more = if text.chars().count() > LONGEST { "…" } else { "" };
    let text: String = text.chars().take(LONGEST).collect();
    format!("\"{}{more}\"", Printable(text.as_bytes()))
}

pub(super) fn boolean(raw: Raw<'_, '_>) -> Read<bool> {
    raw.get_ref().as_bool().ok_or_else(|| expected(raw, "true or false"))
}

/// A text that says something, on one line.
pub(super) fn text(raw: Raw<'_, '_>) -> Read<String> {
    text_as(raw, "a text in quotes")
}

/// The same, where `what` is expected.
pub(super) fn text_as(raw: Raw<'_, '_>, what: &str) -> Read<String> {
    match raw.get_ref() {
        DeValue::String(text) if text.trim().is_empty() || text.chars().any(char::is_control) => {
            Err(expected(raw, &format!("{what}, neither empty nor with control characters")))
        }
        DeValue::String(text) => Ok(text.to_string()),
        _ => Err(expected(raw, what)),
    }
}

pub(super) fn number<T: TryFrom<u64> + Into<u64> + Copy>(
    range: RangeInclusive<T>,
) -> impl Fn(Raw<'_, '_>) -> Read<T> {
    move |raw| {
        let (least, most): (u64, u64) = ((*range.start()).into(), (*range.end()).into());
        raw.get_ref()
            .as_integer()
            .and_then(|number| u64::from_str_radix(number.as_str(), number.radix()).ok())
            .filter(|number| (least..=most).contains(number))
            .and_then(|number| T::try_from(number).ok())
            .ok_or_else(|| expected(raw, &format!("a number from {least} to {most}")))
    }
}

/// Bytes of a sector.
pub(super) fn sector_size(raw: Raw<'_, '_>) -> Read<u32> {
    let number = raw.get_ref().as_integer();
    let number = number.and_then(|number| u32::from_str_radix(number.as_str(), number.radix()).ok());
    number
        .filter(crate::partition::plausible_sector)
        .ok_or_else(|| expected(raw, "a power of two from 512 to 65536"))
}

/// How many archives or days are kept.
pub(super) fn count(raw: Raw<'_, '_>) -> Read<u32> {
    if raw.get_ref().as_integer().is_some_and(|number| number.as_str() == "0") {
        return Err(wrong(raw, "0 keeps nothing: leave the key out, and the other rules say what is kept"));
    }
    number(1..=36_500)(raw)
}

/// Numbers of partitions and names of volumes in an array.
pub(super) fn volumes(raw: Raw<'_, '_>) -> Read<Vec<VolumeId>> {
    const WHAT: &str = "an array of partitions and volumes like [1, \"vg/root\"]";
    let volumes = each(raw, WHAT, |element| match element.get_ref() {
        DeValue::String(name) => name.parse().map_err(|error: Error| wrong(element, error.to_string())),
        _ => number(0..=u32::from(u16::MAX))(element).map(VolumeId::from),
    })?;
    if volumes.is_empty() {
        return Err(wrong(raw, "no volume at all: leave the key out, and all are archived"));
    }
    Ok(volumes)
}

/// The format of an image.
pub(super) fn format(raw: Raw<'_, '_>) -> Read<String> {
    let formats: Vec<_> = image::names().map(|name| (name, name)).collect();
    choice(raw, &formats).map(ToOwned::to_owned)
}

/// Paths in an array.
pub(super) fn paths(raw: Raw<'_, '_>) -> Read<Vec<PathBuf>> {
    each(raw, "an array of paths like [\"/dev/vg0/disk2\"]", path)
}

/// Each element of an array.
pub(super) fn each<'i, T>(
    raw: Raw<'_, 'i>,
    what: &str,
    read: impl Fn(Raw<'_, 'i>) -> Read<T>,
) -> Read<Vec<T>> {
    let values = raw.get_ref().as_array().ok_or_else(|| expected(raw, what))?;
    values.iter().map(read).collect()
}

/// One of a few names.
pub(super) fn choice<T: Copy>(raw: Raw<'_, '_>, choices: &[(&'static str, T)]) -> Read<T> {
    let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
    let all: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
    let what = match all.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} or {last}", others.join(", ")),
        _ => all.concat(),
    };
    let given = raw.get_ref().as_str().unwrap_or_default();
    if let Some((_, value)) = choices.iter().find(|(name, _)| *name == given) {
        return Ok(*value);
    }
    let mut wrong = expected(raw, &what);
    if let Some(near) = nearest(given, names.iter().copied()) {
        wrong.text.push_str(&format!("; did you mean \"{near}\"?"));
    }
    Err(wrong)
}

/// An absolute path, without `.` and `..`.
pub(super) fn path(raw: Raw<'_, '_>) -> Read<PathBuf> {
    const WHAT: &str = "an absolute path, which begins with \"/\"";
    let text = text_as(raw, WHAT)?;
    let path = Path::new(&text);
    if !path.is_absolute() {
        return Err(expected(raw, WHAT));
    }
    if path.components().any(|part| part == Component::ParentDir) {
        return Err(expected(raw, "an absolute path without \"..\""));
    }
    Ok(path.components().collect())
}

/// A text that `parse` understands, or else says what it expects.
pub(super) fn parsed<T>(raw: Raw<'_, '_>, parse: impl Fn(&str) -> Result<T, String>) -> Read<T> {
    let text = raw.get_ref().as_str().unwrap_or_default();
    parse(text).map_err(|what| expected(raw, &what))
}

/// A program and its arguments.
pub(super) fn command(raw: Raw<'_, '_>) -> Read<Vec<String>> {
    if let DeValue::String(text) = raw.get_ref() {
        return Err(wrong(raw, no_shell(text)));
    }
    let words =
        each(raw, "an array of texts like [\"virsh\", \"domfsfreeze\", \"web1\"]", |word| {
            match word.get_ref().as_str() {
                Some(text) if text.contains('\0') => Err(expected(word, "a text without NUL")),
                Some(text) => Ok(text.to_owned()),
                None => Err(expected(word, "a text in quotes")),
            }
        })?;
    let Some((program, arguments)) = words.split_first().filter(|(program, _)| !program.trim().is_empty())
    else {
        return Err(wrong(raw, "expected a program, and its arguments behind it; there is none"));
    };
    let is_remote = Path::new(program).file_name().is_some_and(|name| name == "ssh");
    if let Some(operator) = arguments.iter().find(|word| !is_remote && is_operator(word)) {
        let text = format!(
            "no shell runs this: {} would be an argument like any other; put such a line into a script of its own",
            quoted(operator)
        );
        return Err(wrong(raw, text));
    }
    Ok(words)
}

/// Why a command is not a text, and how this one is written instead.
fn no_shell(text: &str) -> String {
    let why = "expected an array, the program and each argument in quotes of their own: no shell splits a text into words";
    let needs_shell = text.chars().any(|c| "|&;<>()$`\\\"'*?[]#~=%!{}".contains(c) || c.is_control());
    let words: Vec<String> = text.split_whitespace().map(|word| format!("\"{word}\"")).collect();
    if needs_shell || words.is_empty() || text.len() > 100 {
        why.to_owned()
    } else {
        format!("{why}; write [{}]", words.join(", "))
    }
}

/// Whether a shell would take the word for something else than an argument.
fn is_operator(word: &str) -> bool {
    matches!(word, "|" | "||" | "&" | "&&" | ";" | "<" | ">" | ">>" | "2>" | "2>&1" | "|&" | "&>")
}
