//! `voltar history`.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueHint};
use jiff::tz::TimeZone;
use serde_json::json;

use super::options::ReadingArguments;
use super::places::{Named, Out, Session};
use super::speech::typed;
use super::{INCOMPLETE, shown};
use crate::archive::Algorithm;
use crate::error::{Error, Kind, Result};
use crate::printable::Printable;
use crate::store::scope::shelves;
use crate::store::{Address, Key, Shelf};
use crate::view::{Contents, Item, Place, Way, clean};

/// Show which archives have which version of a file
///
/// Of a destination, the history in each volume is shown under its folder's name. Archives come by
/// name, which is by time where voltar named them. A = stands where the content is that of the
/// archive before.
#[derive(Debug, Args)]
pub(super) struct HistoryArguments {
    /// Folder of the backups, or of one volume
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    folder: PathBuf,

    /// Path in them
    #[arg(value_name = "PATH")]
    path: OsString,

    /// A line of JSON for each archive
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    reading: ReadingArguments,
}

/// Runs `voltar history`.
pub(super) fn run(arguments: &HistoryArguments) -> Result<ExitCode> {
    let (store, shelves) = shelves(&arguments.folder)?;
    let address = store.address();
    let archives: Vec<OsString> = shelves
        .iter()
        .flat_map(|shelf| &shelf.archives)
        .map(|key| address.of(key).as_path().into())
        .collect();
    let session = Session::open(&archives, &arguments.reading)?;
    let mut teller = Teller {
        path: clean(arguments.path.as_bytes()),
        zone: session.zone.clone(),
        is_json: arguments.json,
        out: Out::new(),
        before: None,
        is_anywhere: false,
    };
    let mut code = ExitCode::SUCCESS;
    let mut places = session.places();
    for Shelf { folder, archives } in &shelves {
        if shelves.len() > 1 && !arguments.json {
            let folder = folder.as_ref().map_or(address.clone(), |folder| address.of(folder));
            teller.out.line(format_args!("{folder}:"))?;
        }
        // Another volume's file is another file.
        teller.before = None;
        for (key, named) in archives.iter().zip(&mut places) {
            match teller.version(named) {
                Ok(found) => teller.tell(&address, key, found)?,
                Err(error) => {
                    teller.out.issue(&error.into())?;
                    code = ExitCode::from(INCOMPLETE);
                }
            }
        }
    }
    let Teller { out, path, is_anywhere, .. } = teller;
    out.end()?;
    if !is_anywhere && code == ExitCode::SUCCESS {
        let message = format!("none of {} archives has {}", archives.len(), Printable(&path));
        return Err(Error::new(Kind::Source, message));
    }
    Ok(code)
}

/// Tells the versions one after the other.
struct Teller {
    path: Vec<u8>,
    zone: TimeZone,
    is_json: bool,
    out: Out,
    /// The version in the archive before.
    before: Option<Version>,
    is_anywhere: bool,
}

impl Teller {
    /// The entry in one archive, its version, and whether that is the one before; `None` where it
    /// is not there.
    fn version(&self, named: Result<Named>) -> Result<Option<(Item, Version, bool)>> {
        let named = named?;
        let place = named.place.as_ref();
        let item = match place.find(&self.path, false) {
            Ok(item) => item,
            Err(error) if error.kind() == Kind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let version = Version::of(place, &item)?;
        let is_same = match &self.before {
            Some(before) => before.is_that_of(place, &item, &version)?,
            None => false,
        };
        Ok(Some((item, version, is_same)))
    }

    fn tell(&mut self, address: &Address, key: &Key, found: Option<(Item, Version, bool)>) -> Result<()> {
        let name = Printable(key.file_name().as_bytes());
        let shown = address.of(key).to_string();
        let Some((item, version, is_same)) = found else {
            self.before = None;
            return match self.is_json {
                true => self.out.line(typed("absent", json!({ "archive": shown, "path": null }))),
                false => self.out.line(format_args!("- {:>12} {:>19} {:<16} {name}", "", "", "not there")),
            };
        };
        self.is_anywhere = true;
        if self.is_json {
            let mut fields = shown::as_json(&item);
            if let Some(fields) = fields.as_object_mut() {
                fields.insert("archive".to_owned(), json!(shown));
                fields.insert("changed".to_owned(), json!(!is_same));
            }
            self.out.line(fields)?;
        } else {
            let mark = if is_same { '=' } else { '*' };
            let time = shown::time(item.metadata.modified, &self.zone, "%Y-%m-%d %H:%M:%S");
            let text: String = version.text.chars().take(16).collect();
            self.out.line(format_args!("{mark} {:>12} {time:>19} {text:<16} {name}", shown::size(&item)))?;
        }
        self.before = Some(version);
        Ok(())
    }
}

/// What tells one version of an entry from another.
#[derive(PartialEq, Eq)]
struct Version {
    /// How content is compared; `None` for an entry without content.
    way: Option<Way>,
    /// The digest, or where a link leads.
    text: String,
}

impl Version {
    /// By the digest that is known. One of the stored data alone says nothing of the content: that is read then.
    fn of(place: &dyn Place, item: &Item) -> Result<Self> {
        if !item.kind.has_content() {
            return Ok(Self { way: None, text: shown::path(item.target.as_deref().unwrap_or_default()) });
        }
        let algorithm = item.content.as_ref().map_or(Algorithm::OF_FILES, |content| content.algorithm);
        let digest = Self::by(place, item, Way::Digest(algorithm))?;
        digest.map_or_else(|| Self::print(place, item), Ok)
    }

    fn by(place: &dyn Place, item: &Item, way: Way) -> Result<Option<Self>> {
        let text = Contents::new(place, &|| Ok(())).of(item, way)?;
        Ok(text.map(|text| Self { way: Some(way), text }))
    }

    /// By a print, where the digest of the whole would take hours.
    fn print(place: &dyn Place, item: &Item) -> Result<Self> {
        let print = Self::by(place, item, Way::Print)?;
        print.ok_or_else(|| Error::corrupt(format!("{} has no content", shown::path(&item.path))))
    }

    /// Whether an entry, of which `version` is known, has this one. Of two archives with different digests the later one is read.
    fn is_that_of(&self, place: &dyn Place, item: &Item, version: &Self) -> Result<bool> {
        match (self.way, version.way) {
            (Some(way), Some(other)) if way != other => {
                Ok(Self::by(place, item, way)?.as_ref() == Some(self))
            }
            _ => Ok(self == version),
        }
    }
}
