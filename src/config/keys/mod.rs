//! All keys that a configuration may have.
//!
//! A key is one row: its name, the texts for `docs/configuration.md`, the sources that it is for,
//! and how its value is read. Messages about unknown keys suggest names from here.

mod destination;
mod report;
mod source;

pub use self::destination::{DESTINATION, RETENTION, SOURCE_RETENTION, VERIFY};
pub use self::report::{MAIL, REPORT, SMTP};
pub use self::source::{DEFAULTS, SOURCE};
pub use super::section::{Key, Section};
use crate::config::value;
use crate::config::values::put;

/// All tables, in the order of the documentation.
pub const SECTIONS: [&Section; 10] =
    [&ROOT, &SOURCE, &DEFAULTS, &DESTINATION, &RETENTION, &SOURCE_RETENTION, &VERIFY, &REPORT, &MAIL, &SMTP];

/// The top of the file.
pub const ROOT: Section = Section {
    name: "",
    header: "",
    overrides: None,
    keys: &[
        Key::new(
            "lvm_command",
            "command",
            "`[\"lvm\"]`",
            "what runs LVM's commands; `[\"sudo\", \"-n\", \"lvm\"]` where this program does not run as root",
        )
        .sets(|v, raw| put(&mut v.lvm_command, value::command(raw).map(Some))),
        Key::new("source", "tables", "required", "what is backed up: `[[source]]`, once for each"),
        Key::new("defaults", "table", "", "what holds for each source that says nothing else: `[defaults]`"),
        Key::new("destination", "table", "required", "where archives go: `[destination]`"),
        Key::new("retention", "table", "all archives are kept", "which archives are kept: `[retention]`"),
        Key::new("verify", "table", "none is verified", "which archives each run verifies: `[verify]`"),
        Key::new("report", "table", "no report but the program's output", "what is told to whom: `[report]`"),
    ],
};
