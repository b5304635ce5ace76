//! One table of the configuration: its keys by name, unknown ones told.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::config::fault::{Remarks, Span};
use crate::config::keys::{Key, SECTIONS, Section};
use crate::config::nearest::nearest;
use crate::config::value::found;
use crate::config::values::Values;

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

    /// The place of a key's value, where it is there.
    pub(super) fn place(&self, name: &str) -> Option<Span> {
        self.raw(name).map(Spanned::span)
    }

    /// The values of all keys. A value that is wrong, and a required key that is missing, is a
    /// fault.
    pub(super) fn values(&self, remarks: &mut Remarks) -> Values {
        let mut values = Values::default();
        self.fill(&mut values, remarks);
        values
    }

    /// The same, over values that are there already.
    pub(super) fn fill(&self, values: &mut Values, remarks: &mut Remarks) {
        for key in self.section.all() {
            let Some(set) = key.set else { continue };
            let Key { name, takes, default, meaning, .. } = key;
            match self.raw(name) {
                Some(raw) => {
                    if let Err(wrong) = set(values, raw) {
                        remarks.fault(Some(wrong.span), format!("{}: {}", self.path(name), wrong.text));
                    }
                }
                // The unknown key may be the one that seems to be missing.
                None if *default == "required" && !self.has_unknown => {
                    let path = self.path(name);
                    remarks.fault(self.span(), format!("{path} is missing: {takes}, {meaning}"));
                }
                None => {}
            }
        }
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
