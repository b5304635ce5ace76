//! One table of the configuration: its keys by name, unknown ones told.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::config::fault::{Remarks, Span};
use crate::config::keys::{Key, SECTIONS, Section};
use crate::config::nearest::nearest;
use crate::config::value::{Wrong, found};

/// A value with its place.
#[derive(Clone, Debug)]
pub(super) struct Given<T> {
    pub(super) value: T,
    /// The value's own place.
    pub(super) span: Span,
}

impl<T> Given<T> {
    pub(super) fn place(&self) -> Option<Span> {
        Some(self.span.clone())
    }
}

/// A table, with the keys that it may have.
pub(super) struct Table<'a, 'i> {
    section: &'static Section,
    values: &'a DeTable<'i>,
    span: Option<Span>,
    has_unknown: bool,
}

impl<'a, 'i> Table<'a, 'i> {
    /// A table whose keys are looked through for unknown ones.
    pub(super) fn open(
        section: &'static Section,
        values: &'a DeTable<'i>,
        span: Option<Span>,
        remarks: &mut Remarks,
    ) -> Self {
        let mut has_unknown = false;
        for (key, _) in values.iter() {
            let name: &str = key.get_ref();
            if !section.all().any(|known| known.name == name) {
                has_unknown = true;
                remarks.fault(Some(key.span()), unknown(section, name));
            }
        }
        Self { section, values, span, has_unknown }
    }

    /// The table's own place, as far as it has one.
    pub(super) fn span(&self) -> Option<Span> {
        self.span.clone()
    }

    /// Whether one of its keys is unknown: it may be the one that seems to be missing.
    pub(super) fn has_unknown(&self) -> bool {
        self.has_unknown
    }

    /// The name of a key in messages.
    pub(super) fn path(&self, key: &str) -> String {
        self.section.path(key)
    }

    /// The place of a key, where it is there.
    pub(super) fn key_span(&self, name: &str) -> Option<Span> {
        self.values.get_key_value(name).map(|(key, _)| key.span())
    }

    /// The value of a key as it stands.
    pub(super) fn raw(&self, name: &str) -> Option<&'a Spanned<DeValue<'i>>> {
        self.values.get(name)
    }

    /// The value of a key, read by `read`; `None` where it is not there, or wrong, which is told.
    pub(super) fn get<T>(
        &self,
        name: &'static str,
        remarks: &mut Remarks,
        read: impl FnOnce(&Spanned<DeValue<'i>>) -> Result<T, Wrong>,
    ) -> Option<Given<T>> {
        let raw = self.raw(name)?;
        match read(raw) {
            Ok(value) => Some(Given { value, span: raw.span() }),
            Err(wrong) => {
                remarks.fault(Some(wrong.span), format!("{}: {}", self.path(name), wrong.text));
                None
            }
        }
    }

    /// The same for a key that has to be there.
    pub(super) fn require<T>(
        &self,
        name: &'static str,
        remarks: &mut Remarks,
        read: impl FnOnce(&Spanned<DeValue<'i>>) -> Result<T, Wrong>,
    ) -> Option<Given<T>> {
        if self.raw(name).is_none() && !self.has_unknown {
            let key = self.section.all().find(|key| key.name == name);
            let (takes, meaning) = key.map_or(("", ""), |Key { takes, meaning, .. }| (*takes, *meaning));
            remarks.fault(self.span(), format!("{} is missing: {takes}, {meaning}", self.path(name)));
        }
        self.get(name, remarks, read)
    }

    /// The table within this one that `section` describes.
    pub(super) fn table(&self, section: &'static Section, remarks: &mut Remarks) -> Option<Table<'a, 'i>> {
        let raw = self.raw(section.key())?;
        match raw.get_ref() {
            DeValue::Table(values) => Some(Table::open(section, values, Some(raw.span()), remarks)),
            other => {
                let text =
                    format!("{}: expected a table, {}, found {}", section.name, section.header, found(other));
                remarks.fault(Some(raw.span()), text);
                None
            }
        }
    }
}

/// What to say of a key that is not known here.
fn unknown(section: &'static Section, name: &str) -> String {
    let told = format!("{}: there is no such key {}", section.path(&shown(name)), section.place());
    if let Some(near) = nearest(name, section.all().map(|key| key.name)) {
        return format!("{told}; did you mean {near}?");
    }
    let elsewhere = SECTIONS.iter().find(|other| other.keys.iter().any(|key| key.name == name));
    if let Some(other) = elsewhere {
        return format!("{told}; it belongs {}", other.place());
    }
    let known: Vec<&str> = section.all().map(|key| key.name).collect();
    format!("{told}; known are {}", known.join(", "))
}

/// A name as it can be shown, cut where it is long.
fn shown(name: &str) -> String {
    crate::printable::Printable(name.as_bytes()).to_string().chars().take(60).collect()
}
