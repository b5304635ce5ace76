//! `voltar history`.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueHint};
use serde_json::json;

use super::places::{Out, Reading, Session, note};
use super::{INCOMPLETE, find, formats, shown};
use crate::archive::Algorithm;
use crate::error::{Error, Kind, Result};
use crate::place::{Item, Place, clean};
use crate::printable::Printable;

/// Show which archives of a folder have which version of a file
///
/// Archives come by name, which is by time where voltar named them. A = stands where the content is that of the archive before.
#[derive(Debug, Args)]
pub(super) struct HistoryArguments {
    /// Folder of archives of one volume
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    folder: PathBuf,

    /// Path in them
    #[arg(value_name = "PATH")]
    path: OsString,

    /// A line of JSON for each archive
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    reading: Reading,
}

/// Runs `voltar history`.
pub(super) fn run(arguments: &HistoryArguments) -> Result<ExitCode> {
    let mut archives = Vec::new();
    find::archives(&arguments.folder, 0, &mut archives)?;
    if archives.is_empty() {
        return Err(Error::new(Kind::Source, "there is no archive in it").on(&arguments.folder));
    }
    let path = clean(arguments.path.as_bytes());
    let session = Session::open(&archives, &arguments.reading)?;
    let zone = session.zone.clone();
    let mut out = Out::new();
    let mut code = ExitCode::SUCCESS;
    let mut before: Option<Version> = None;
    let mut is_anywhere = false;
    for (named, archive) in session.places().zip(&archives) {
        let found = named.and_then(|named| match named.place.find(&path, false) {
            Ok(item) => {
                let version = Version::of(named.place.as_ref(), &item)?;
                let is_same = match &before {
                    Some(before) => before.is_that_of(named.place.as_ref(), &item, &version)?,
                    None => false,
                };
                Ok(Some((item, version, is_same)))
            }
            Err(error) if error.kind() == Kind::NotFound => Ok(None),
            Err(error) => Err(error),
        });
        let shown_archive = Printable(archive.as_bytes()).to_string();
        match found {
            Ok(Some((item, version, is_same))) => {
                is_anywhere = true;
                let mark = if is_same { '=' } else { '*' };
                if arguments.json {
                    let mut fields = shown::as_json(&item);
                    if let Some(fields) = fields.as_object_mut() {
                        fields.insert("archive".to_owned(), json!(shown_archive));
                        fields.insert("changed".to_owned(), json!(!is_same));
                    }
                    out.line(fields)?;
                } else {
                    let time = shown::time(item.modified, &zone, "%Y-%m-%d %H:%M:%S");
                    let text: String = version.text.chars().take(16).collect();
                    let name = base(archive);
                    out.line(format_args!("{mark} {:>12} {time:>19} {text:<16} {name}", shown::size(&item)))?;
                }
                before = Some(version);
            }
            Ok(None) => {
                before = None;
                match arguments.json {
                    true => out.line(json!({ "archive": shown_archive, "path": null }))?,
                    false => out.line(format_args!(
                        "- {:>12} {:>19} {:<16} {}",
                        "",
                        "",
                        "not there",
                        base(archive)
                    ))?,
                }
            }
            Err(error) => {
                note(&format!("issue: {error}"));
                code = ExitCode::from(INCOMPLETE);
            }
        }
    }
    out.end()?;
    if !is_anywhere && code == ExitCode::SUCCESS {
        let message = format!("none of {} archives has {}", archives.len(), Printable(&path));
        return Err(Error::new(Kind::Source, message));
    }
    Ok(code)
}

/// What tells one version of an entry from another.
#[derive(PartialEq, Eq)]
struct Version {
    /// Which digest that is; `None` for what has no content.
    algorithm: Option<Algorithm>,
    /// The digest, or where a link leads.
    text: String,
}

impl Version {
    /// By the digest that is known. One of the stored data alone says nothing of the content: that is read then.
    fn of(place: &dyn Place, item: &Item) -> Result<Self> {
        if !item.kind.has_content() {
            return Ok(Self {
                algorithm: None,
                text: shown::path(item.target.as_deref().unwrap_or_default()),
            });
        }
        let algorithm = item.content.as_ref().map_or(Algorithm::OF_FILES, |content| content.algorithm);
        Ok(Self { algorithm: Some(algorithm), text: formats::digest(place, item, algorithm)? })
    }

    /// Whether an entry, of which `version` is known, has this one. Of two archives with different digests the later one is read.
    fn is_that_of(&self, place: &dyn Place, item: &Item, version: &Self) -> Result<bool> {
        match self.algorithm {
            Some(algorithm) if version.algorithm.is_some_and(|other| other != algorithm) => {
                Ok(formats::digest(place, item, algorithm)? == self.text)
            }
            _ => Ok(self == version),
        }
    }
}

fn base(archive: &OsStr) -> String {
    let name = archive.as_bytes().rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    Printable(name).to_string()
}
