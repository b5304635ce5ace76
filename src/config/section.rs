//! Tables and keys of a configuration: their names, what they take, and how they are read.

use crate::config::value::{Raw, Read};
use crate::config::values::Values;

/// A table of the configuration.
#[derive(Debug)]
pub struct Section {
    /// Its name with those of the tables that it is in: `report.mail`; empty for the top of the file.
    pub name: &'static str,
    /// How its header is written: `[report.mail]`; empty for the top of the file.
    pub header: &'static str,
    /// Its keys.
    pub keys: &'static [Key],
    /// The table whose keys may be here too, to be asked first.
    pub overrides: Option<&'static Section>,
}

/// A key of a table.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What it takes, in words.
    pub takes: &'static str,
    /// What is so where it is not there.
    pub default: &'static str,
    /// What it means, for `docs/configuration.md`.
    pub meaning: &'static str,
    /// The sources that it is for.
    pub(super) sources: Sources,
    /// Reads a value into its place; `None` for a table, which is read on its own.
    pub(super) set: Option<Set>,
}

/// Reads the value of a key, and puts it where it belongs.
pub(super) type Set = fn(&mut Values, Raw<'_, '_>) -> Read<()>;

/// The sources that a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sources {
    /// All of them.
    All,
    /// Those of which a snapshot is taken.
    Volumes,
    /// Images and devices, which are read directly.
    Devices,
}

impl Key {
    /// A key without a reader: a table.
    pub(super) const fn new(
        name: &'static str,
        takes: &'static str,
        default: &'static str,
        meaning: &'static str,
    ) -> Self {
        Self { name, takes, default, meaning, sources: Sources::All, set: None }
    }

    /// The same key with the function that reads its value.
    pub(super) const fn sets(self, set: Set) -> Self {
        Self { set: Some(set), ..self }
    }

    /// The same key, for sources of which a snapshot is taken.
    pub(super) const fn of_volumes(self) -> Self {
        Self { sources: Sources::Volumes, ..self }
    }

    /// The same key, for images and devices.
    pub(super) const fn of_devices(self) -> Self {
        Self { sources: Sources::Devices, ..self }
    }
}

impl Section {
    /// All keys that may be in this table.
    pub fn all(&self) -> impl Iterator<Item = &'static Key> {
        self.keys.iter().chain(self.overrides.map(|section| section.keys).unwrap_or_default())
    }

    /// The name of a key in messages: `report.mail.to`.
    #[must_use]
    pub fn path(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) }
    }

    /// Where its keys are, in messages: `in [report.mail]`.
    #[must_use]
    pub fn place(&self) -> String {
        if self.header.is_empty() {
            "at the top of the file".to_owned()
        } else {
            format!("in {}", self.header)
        }
    }

    /// The last part of its name: what the table that it is in calls it.
    #[must_use]
    pub fn key(&self) -> &'static str {
        self.name.rsplit('.').next().unwrap_or(self.name)
    }
}
