//! Places on the command line: opened with all rights, looked into with none.

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use jiff::tz::TimeZone;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::INCOMPLETE;
use super::options::ReadingArguments;
use super::speech::{self, note};
use crate::error::{Error, Issue, Kind, Result};
use crate::printable::Printable;
use crate::sandbox;
use crate::view::{Item, Location, Opened, Place};

/// Files that a place takes at most: itself twice, its manifest, and a journal.
const FILES_EACH: u64 = 4;

/// Files that are open besides.
const FILES_BESIDES: u64 = 64;

/// A place that is open, and the path in it that was named.
pub(super) struct Named {
    pub place: Box<dyn Place>,
    /// The path in it; empty for the whole.
    pub path: Vec<u8>,
    /// As the person wrote it.
    pub text: OsString,
}

impl Named {
    /// The entry that was named.
    pub fn find(&self, follow: bool) -> Result<Item> {
        self.place.find(&self.path, follow).map_err(|error| self.explained(error))
    }

    /// Says what there is at the top, where what was named begins with nothing of it: a disk has
    /// partitions there.
    fn explained(&self, error: Error) -> Error {
        const MOST_NAMES: usize = 20;
        const ITEMS_MOST: usize = 65_536;
        if error.kind() != Kind::NotFound {
            return error;
        }
        let first = self.path.split(|byte| *byte == b'/').next().unwrap_or_default();
        let mut top = Vec::new();
        // The entries that can be listed are enough for a hint.
        let _ = self.place.list(b"", &mut |item| {
            top.push(item);
            if top.len() < ITEMS_MOST { Ok(()) } else { Err(Error::new(Kind::Limit, "enough for a hint")) }
        });
        if top.iter().any(|item| item.path == first) {
            return error;
        }
        let names: Vec<String> =
            top.iter().take(MOST_NAMES).map(|item| Printable(&item.path).to_string()).collect();
        let rest = top.len().saturating_sub(names.len());
        let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
        let there = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
        let file = Location::parse(&self.text).file;
        let message = format!("there is no {}: it has {there}{more}", Printable(&self.path));
        Error::new(Kind::NotFound, message).on(&file)
    }
}

/// What was opened before the rights were given up.
pub(super) struct Session {
    opened: Vec<(OsString, Vec<u8>, Result<Opened>)>,
    /// The time zone of this host.
    pub zone: TimeZone,
}

impl Session {
    /// Opens all places, then gives up all rights but to read them.
    pub(super) fn open(places: &[OsString], arguments: &ReadingArguments) -> Result<Self> {
        let reading = arguments.reading();
        let open = |text: &OsString| {
            let location = Location::parse(text);
            let opened = location.open(&reading);
            (text.clone(), location.path, opened)
        };
        open_files(places.len())?;
        let opened = places.iter().map(open).collect();
        let zone = TimeZone::system();
        if reading.has_sandbox
            && let Some(gap) = sandbox::enter()?.gap()
        {
            note(gap);
        }
        Ok(Self { opened, zone })
    }

    /// Finds out what each of the places is.
    pub(super) fn places(self) -> impl Iterator<Item = Result<Named>> {
        self.opened.into_iter().map(|(text, path, opened)| Ok(Named { place: opened?.place()?, path, text }))
    }
}

/// Makes sure that so many places may be open at once, each with what stands beside it.
pub(super) fn open_files(places: usize) -> Result<()> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let needed =
        u64::try_from(places).unwrap_or(u64::MAX).saturating_mul(FILES_EACH).saturating_add(FILES_BESIDES);
    if current.is_none_or(|current| needed <= current) {
        return Ok(());
    }
    if maximum.is_none_or(|maximum| needed <= maximum)
        && setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).is_ok()
    {
        return Ok(());
    }
    let most = maximum.unwrap_or(u64::MAX);
    let message = format!(
        "{places} places need {needed} open files, this process may have {most}: name fewer, or raise the limit (ulimit -n)"
    );
    Err(Error::new(Kind::System, message))
}

/// Stdout with a large buffer; what is left in it is written by [`Out::end`].
pub(super) struct Out(io::BufWriter<io::StdoutLock<'static>>);

impl Out {
    pub(super) fn new() -> Self {
        Self(io::BufWriter::with_capacity(64 << 10, io::stdout().lock()))
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        self.0.write_all(bytes).map_err(refused)
    }

    /// Writes a line; what is said beside it, to whatever stream, comes before or after a whole
    /// one.
    pub(super) fn line(&mut self, text: impl std::fmt::Display) -> Result<()> {
        let line = format!("{text}\n");
        if self.0.buffer().len().saturating_add(line.len()) > self.0.capacity() {
            self.0.flush().map_err(refused)?;
        }
        self.0.write_all(line.as_bytes()).map_err(refused)
    }

    /// Tells an issue: among the results in JSON, else on stderr.
    pub(super) fn issue(&mut self, issue: &Issue) -> Result<()> {
        match speech::is_json() {
            true => self.line(speech::issue_as_json(issue)),
            false => {
                speech::issue(issue);
                Ok(())
            }
        }
    }

    /// Tells what could not be read of a place, and gives the exit code that follows from it.
    pub(super) fn issues(&mut self, place: &dyn Place) -> Result<ExitCode> {
        let issues = place.issues();
        issues.iter().try_for_each(|issue| self.issue(issue))?;
        Ok(if issues.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(INCOMPLETE) })
    }

    pub(super) fn end(mut self) -> Result<()> {
        self.0.flush().map_err(refused)
    }
}

fn refused(source: io::Error) -> Error {
    Error::new(Kind::Write, source)
}
