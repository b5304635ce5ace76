//! The report of a run: one file for each form, all of them functions of [`Outcome`] alone.
//!
//! ```text
//! outcome ─▶ measures, words, times ─▶ text, json, html, metrics ─▶ publish: files, mail
//! ```

mod html;
mod json;
mod mail;
mod measures;
mod metrics;
pub mod outcome;
mod sendmail;
mod text;
mod times;
pub mod verified;
mod words;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

pub use html::{html, html_in};
pub use json::json;
pub use mail::{is_wanted, mail, subject};
pub use metrics::metrics;
pub use text::{text, text_in};
pub use times::Zone;
pub(crate) use words::as_images;
pub use words::summary;

use crate::config::plan::Report;
use crate::error::{Error, Result};
use crate::report::outcome::Outcome;
use crate::temporary::replace;

/// Everybody may read metrics: node_exporter runs as a user of its own.
const METRICS_MODE: u32 = 0o644;

/// Reports name files of guests: owner and group may read them, unless the file that is there says otherwise.
const REPORT_MODE: u32 = 0o640;

/// Writes the files and sends the mail that are asked for, and returns what could not be done.
///
/// Nothing of it costs an archive, but whoever relies on the report must hear of it: an error here makes the run a failed one (exit
/// code 1). A file that could not be written is told in the mail, a mail that could not be sent in the files.
#[must_use]
pub fn publish(outcome: &Outcome, report: &Report) -> Vec<Error> {
    let mut errors = write_files(outcome, report);
    let mut told = outcome.clone();
    told.errors.extend(errors.iter().map(ToString::to_string));
    if let Some(settings) = report.mail.as_ref().filter(|settings| is_wanted(&told, settings))
        && let Err(error) = mail(&told, settings)
    {
        told.errors.push(error.to_string());
        errors.push(error);
        // What failed before failed with a message; once more says nothing new.
        let _ = write_files(&told, report);
    }
    errors
}

/// Of a run that was refused there are no files: they tell of the one in progress, or of the one before it.
fn write_files(outcome: &Outcome, report: &Report) -> Vec<Error> {
    let mut errors = Vec::new();
    if outcome.is_refused {
        return errors;
    }
    let mut write = |path: &Path, bytes: &[u8], mode: u32| errors.extend(write(path, bytes, mode).err());
    if let Some(path) = &report.json {
        write(path, format!("{:#}\n", json(outcome)).as_bytes(), mode_of(path));
    }
    if let Some(path) = &report.html {
        write(path, html(outcome).as_bytes(), mode_of(path));
    }
    if let Some(path) = &report.metrics {
        write(path, metrics(outcome).as_bytes(), METRICS_MODE);
    }
    errors
}

/// The mode of a report's file that is there already: somebody may have set it.
fn mode_of(path: &Path) -> u32 {
    fs::metadata(path).map_or(REPORT_MODE, |metadata| metadata.permissions().mode() & 0o777)
}

/// Puts a report in the place of the one before.
fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    replace(path, bytes, mode).map_err(|error| error.because("report: ", ""))
}
