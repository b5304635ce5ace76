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
use crate::place::{Item, clean};
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
    let mut before: Option<String> = None;
    let mut is_anywhere = false;
    for (named, archive) in session.places().zip(&archives) {
        let found = named.and_then(|named| match named.place.find(&path, false) {
            Ok(item) => {
                // One of the stored data alone says nothing of the content: that is read then.
                let algorithm = item.content.as_ref().map_or(Algorithm::Sha1, |content| content.algorithm);
                let digest = match item.kind.has_content() {
                    true => Some(formats::digest(named.place.as_ref(), &item, algorithm)?),
                    false => None,
                };
                Ok(Some((item, digest)))
            }
            Err(error) if error.kind() == Kind::Source => Ok(None),
            Err(error) => Err(error),
        });
        let shown_archive = Printable(archive.as_bytes()).to_string();
        match found {
            Ok(Some((item, digest))) => {
                is_anywhere = true;
                let version =
                    digest.clone().unwrap_or_else(|| shown::path(item.target.as_deref().unwrap_or_default()));
                let is_same = before.as_ref() == Some(&version);
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
                    let version: String = version.chars().take(16).collect();
                    let name = base(archive);
                    out.line(format_args!(
                        "{mark} {:>12} {time:>19} {version:<16} {name}",
                        shown::size(&item)
                    ))?;
                }
                before = Some(version_of(&item, digest));
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

fn version_of(item: &Item, digest: Option<String>) -> String {
    digest.unwrap_or_else(|| shown::path(item.target.as_deref().unwrap_or_default()))
}

fn base(archive: &OsStr) -> String {
    let name = archive.as_bytes().rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    Printable(name).to_string()
}
