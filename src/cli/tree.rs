//! `voltar tree`.

mod nodes;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Args, ValueHint};
use serde_json::json;

use self::nodes::Nodes;
use super::options::ReadingArguments;
use super::places::{Out, Session};
use super::shown;
use super::speech::typed;
use super::table::count as counted;
use crate::error::{Error, Kind, Result};
use crate::filesystem::FileKind;
use crate::printable::Printable;
use crate::view::{Item, Place};

/// Deepest tree that is shown.
const DEPTH_MOST: usize = 4096;

/// Show a tree of what is in an archive, an image or a device
#[derive(Debug, Args)]
pub(super) struct TreeArguments {
    /// What is shown
    #[arg(required = true, value_name = "PLACE", value_hint = ValueHint::FilePath)]
    places: Vec<OsString>,

    /// Go so many levels down at most
    #[arg(short = 'L', long, value_name = "N")]
    level: Option<usize>,

    /// Directories alone
    #[arg(short, long)]
    directories: bool,

    /// Lines of JSON: one for each entry, and a summary of each place (docs/json.md)
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    reading: ReadingArguments,
}

/// Runs `voltar tree`.
pub(super) fn run(arguments: &TreeArguments) -> Result<ExitCode> {
    let session = Session::open(&arguments.places, &arguments.reading)?;
    let mut out = Out::new();
    let mut code = ExitCode::SUCCESS;
    for named in session.places() {
        let named = named?;
        let place = named.place.as_ref();
        let top = named.find(true)?;
        if arguments.json {
            let (directories, others) = lines(arguments, place, &top, &mut out)?;
            let found = out.issues(place)?;
            let complete = found == ExitCode::SUCCESS;
            let fields = json!({
                "place": Printable(named.text.as_encoded_bytes()).to_string(),
                "directories": directories,
                "others": others,
                "complete": complete,
            });
            out.line(typed("summary", fields))?;
            code = if complete { code } else { found };
            continue;
        }
        out.line(Printable(named.text.as_encoded_bytes()))?;
        let nodes = gather(arguments, place, &top)?;
        let (directories, others) = show(&nodes, &mut out)?;
        let (directories, others) =
            (counted(directories, "directory", "directories"), counted(others, "other", "others"));
        out.line(format_args!("\n{directories}, {others}"))?;
        let found = out.issues(place)?;
        if found != ExitCode::SUCCESS {
            code = found;
        }
    }
    out.end()?;
    Ok(code)
}

/// Writes a line of JSON for each entry that the tree has, in the order of the place, and gives the
/// number of directories and that of others.
fn lines(arguments: &TreeArguments, place: &dyn Place, top: &Item, out: &mut Out) -> Result<(usize, usize)> {
    let (mut directories, mut others) = (0_usize, 0_usize);
    place.walk(&top.path, &mut |item| {
        let rest = item.path.get(top.path.len()..).unwrap_or_default();
        let depth = rest.split(|byte| *byte == b'/').filter(|name| !name.is_empty()).count();
        if depth == 0 || !is_wanted(arguments, depth, item.kind) {
            return Ok(());
        }
        let count = if item.kind == FileKind::Directory { &mut directories } else { &mut others };
        *count = count.saturating_add(1);
        out.line(shown::as_json(&item))
    })?;
    Ok((directories, others))
}

fn is_wanted(arguments: &TreeArguments, depth: usize, kind: FileKind) -> bool {
    arguments.level.is_none_or(|level| depth <= level)
        && (!arguments.directories || kind == FileKind::Directory)
}

/// Entries by the names on the way to them.
fn gather(arguments: &TreeArguments, place: &dyn Place, top: &Item) -> Result<Nodes> {
    let mut nodes = Nodes::new();
    place.walk(&top.path, &mut |item| {
        let rest = item.path.get(top.path.len()..).unwrap_or_default();
        let names = || rest.split(|byte| *byte == b'/').filter(|name| !name.is_empty());
        let depth = names().count();
        if depth > DEPTH_MOST {
            return Err(Error::new(Kind::Limit, format!("{} lies too deep", shown::path(&item.path))));
        }
        // Directories on the way may have no entry of their own, or one that comes later.
        let above = depth.saturating_sub(1).min(arguments.level.unwrap_or(DEPTH_MOST));
        let directory = nodes.directory(names().take(above))?;
        let is_in = is_wanted(arguments, depth, item.kind);
        match names().next_back() {
            Some(name) if is_in => nodes.put(directory, name, item.kind, item.target),
            _ => Ok(()),
        }
    })?;
    Ok(nodes)
}

/// Gives the number of directories and that of others.
fn show(nodes: &Nodes, out: &mut Out) -> Result<(usize, usize)> {
    let (mut directories, mut others) = (0_usize, 0_usize);
    let mut line = String::new();
    nodes.each(&mut |follows, name, kind, target| {
        line.clear();
        if let Some((own, above)) = follows.split_last() {
            above.iter().for_each(|above| line.push_str(if *above { "│   " } else { "    " }));
            line.push_str(if *own { "├── " } else { "└── " });
        }
        line.push_str(&shown::path(name));
        let count = if kind == FileKind::Directory { &mut directories } else { &mut others };
        *count = count.saturating_add(1);
        match (target, kind) {
            (Some(target), _) => line.push_str(&format!(" -> {}", shown::path(target))),
            (None, FileKind::Directory) => line.push('/'),
            (None, _) => {}
        }
        out.line(&line)
    })?;
    Ok((directories, others))
}
