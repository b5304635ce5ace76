//! The configuration: from a file in TOML to a [`Plan`].
//!
//! [`keys`] is the table of all keys; what it has not is unknown. A file is read in one pass that goes on behind each fault, so that all
//! of them are told at once, each with its line, its key and what was expected there.

mod destination;
mod fault;
pub mod keys;
mod nearest;
mod pattern;
pub mod plan;
mod quantity;
mod report;
mod rules;
mod section;
mod source;
mod special;
mod summary;
mod table;
mod value;
mod values;

use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use toml::de::DeTable;

use self::fault::{Faults, Remarks, Text};
use self::table::Table;
use crate::config::plan::{Mail, Plan, Transport};
use crate::error::{Error, Kind, Result};
use crate::printable::Printable;

pub use self::quantity::{bytes, duration, snapshot_size};
pub use self::rules::rules_for;
pub use self::summary::summary;

/// Where the configuration is, unless something else is said.
pub const DEFAULT_PATH: &str = "/etc/voltar/voltar.toml";

/// A configuration with comments, to begin with.
pub const EXAMPLE: &str = include_str!("../../contrib/voltar.toml");

/// The error of every command that needs a configuration and finds no such file.
const MISSING: &str = "there is no configuration here: name the one that you have, or begin with what \
                       \"voltar config example\" prints";

/// A configuration is written by hand; what is longer is something else.
const MOST_BYTES: u64 = 1 << 20;

/// A plan, and what its author should know.
#[derive(Debug)]
pub struct Loaded {
    /// The plan.
    pub plan: Plan,
    /// What works and is hardly meant, each in the words and lines of a fault.
    pub warnings: Vec<String>,
}

/// Reads a configuration; what its author should know, but need not change, is left unsaid.
///
/// # Errors
///
/// As [`read`].
pub fn load(path: &Path) -> Result<Plan> {
    Ok(read(path)?.plan)
}

/// Reads a configuration, and looks at who else can read or change the files that it depends on.
///
/// # Errors
///
/// [`Kind::Source`] when the file can't be read, [`Kind::Usage`] when it is not there or has
/// faults: all of them are in the message.
pub fn read(path: &Path) -> Result<Loaded> {
    let refused = |source: std::io::Error| match source.kind() {
        std::io::ErrorKind::NotFound => Error::new(Kind::Usage, MISSING).on(path),
        _ => Error::new(Kind::Source, source).on(path),
    };
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MOST_BYTES.saturating_add(1)).read_to_end(&mut bytes))
        .map_err(refused)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MOST_BYTES {
        let message = format!("more than {MOST_BYTES} bytes: this is no configuration");
        return Err(Error::new(Kind::Source, message).on(path));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let whole = error.utf8_error().valid_up_to();
        let before = error.as_bytes().get(..whole).unwrap_or_default();
        let line = before.iter().filter(|byte| **byte == b'\n').count().saturating_add(1);
        Error::new(Kind::Usage, format!("line {line} is not UTF-8, as TOML has to be")).on(path)
    })?;
    let mut loaded = check(&text, path)?;
    loaded.warnings.extend(can_be_changed(path));
    if let Some(Mail { transport: Transport::Smtp { login: Some((_, password)), .. }, .. }) =
        &loaded.plan.report.mail
    {
        loaded.warnings.extend(can_be_read(password));
    }
    Ok(loaded)
}

/// Makes a plan of a configuration's text; `path` is for the messages alone.
///
/// # Errors
///
/// [`Kind::Usage`]: all faults are in the message.
pub fn parse(text: &str, path: &Path) -> Result<Plan> {
    Ok(check(text, path)?.plan)
}

/// The same, with what its author should know.
///
/// # Errors
///
/// As [`parse`].
pub fn check(text: &str, path: &Path) -> Result<Loaded> {
    let shown = Text::new(path, text);
    let mut remarks = Remarks::default();
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        remarks.fault(error.span(), error.message());
    }
    // What the parser made up to get past a fault of syntax is not what the author wrote.
    let plan = if errors.is_empty() { plan(document.get_ref(), &mut remarks) } else { None };
    match (plan, remarks.has_faults()) {
        (Some(plan), false) => Ok(Loaded { plan, warnings: remarks.warnings(&shown) }),
        _ => Err(Error::new(Kind::Usage, Faults::new(&shown, remarks))),
    }
}

/// The plan that the document comes to; `None` after a fault that leaves nothing to go on with.
fn plan(document: &DeTable<'_>, remarks: &mut Remarks) -> Option<Plan> {
    let root = Table::open(&keys::ROOT, document, None, remarks);
    let lvm_command = root.values(remarks).lvm_command.unwrap_or_else(|| vec!["lvm".to_owned()]);
    let destination = destination::read(&root, remarks);
    let retention = root
        .table(&keys::RETENTION, remarks)
        .map(|table| table.values(remarks).retention)
        .unwrap_or_default();
    let defaults = root.table(&keys::DEFAULTS, remarks).map(|table| {
        let options = table.values(remarks).options;
        source::check_level(&table, &options.archive, remarks);
        options
    });
    let defaults = defaults.unwrap_or_default();
    let report =
        root.table(&keys::REPORT, remarks).map(|table| report::read(&table, remarks)).unwrap_or_default();
    let verify = root.table(&keys::VERIFY, remarks).and_then(|table| destination::verify(&table, remarks));
    let sources = source::read(&root, &defaults, &retention, remarks);
    Some(Plan { sources, destination: destination?, lvm_command, report, verify })
}

/// A warning, where others than root and this user may change the configuration: its commands run with this user's rights.
fn can_be_changed(path: &Path) -> Option<String> {
    let mode = fs::metadata(path).ok()?.permissions().mode() & 0o777;
    (mode & 0o022 != 0).then(|| {
        format!(
            "{}: others can change it (mode {mode:04o}), and its commands run with your rights: chmod go-w",
            Printable::path(path)
        )
    })
}

/// A warning, where the file of a password is missing, or others can read it.
fn can_be_read(path: &Path) -> Option<String> {
    let shown = Printable::path(path);
    match fs::metadata(path) {
        Ok(metadata) => {
            let mode = metadata.permissions().mode() & 0o777;
            (mode & 0o077 != 0)
                .then(|| format!("{shown}: others can read this password (mode {mode:04o}): chmod 600"))
        }
        Err(error) => Some(format!("{shown}: the password can't be read: {error}")),
    }
}

#[cfg(test)]
mod tests;
