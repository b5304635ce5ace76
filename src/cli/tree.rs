//! `voltar tree`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Args, ValueHint};

use super::places::{Out, Reading, Session};
use super::shown;
use super::table::count as counted;
use crate::error::{Error, Kind, Result};
use crate::place::{Item, ItemKind, Place};

/// Deepest tree that is shown.
const DEPTH_MOST: usize = 4096;

/// Names of directories that have no entry of their own, counted with all that is above them.
const IMPLIED_MOST: usize = 1 << 22;

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

    #[command(flatten)]
    reading: Reading,
}

/// What a line shows besides the name.
struct Node {
    kind: ItemKind,
    target: Option<Vec<u8>>,
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
        out.line(crate::printable::Printable(named.text.as_encoded_bytes()))?;
        let nodes = gather(arguments, place, &top)?;
        show(&nodes, &mut out)?;
        let count = |is_directory: bool| {
            nodes.values().filter(|node| (node.kind == ItemKind::Directory) == is_directory).count()
        };
        let (directories, others) =
            (counted(count(true), "directory", "directories"), counted(count(false), "other", "others"));
        out.line(format_args!("\n{directories}, {others}"))?;
        let found = out.issues(place)?;
        if found != ExitCode::SUCCESS {
            code = found;
        }
    }
    out.end()?;
    Ok(code)
}

/// Entries by the names on the way to them.
fn gather(arguments: &TreeArguments, place: &dyn Place, top: &Item) -> Result<BTreeMap<Vec<Vec<u8>>, Node>> {
    let mut nodes: BTreeMap<Vec<Vec<u8>>, Node> = BTreeMap::new();
    let mut implied = 0_usize;
    place.walk(&top.path, &mut |item| {
        let rest = item.path.get(top.path.len()..).unwrap_or_default();
        let names: Vec<Vec<u8>> =
            rest.split(|byte| *byte == b'/').filter(|name| !name.is_empty()).map(<[u8]>::to_vec).collect();
        if names.len() > DEPTH_MOST {
            return Err(Error::new(Kind::Limit, format!("{} lies too deep", shown::path(&item.path))));
        }
        // Directories on the way that have no entry of their own, or one that comes later.
        let most = arguments.level.unwrap_or(DEPTH_MOST).min(names.len().saturating_sub(1));
        for len in (1..=most).rev() {
            let above = names.get(..len).unwrap_or_default();
            if nodes.contains_key(above) {
                break;
            }
            implied = implied.saturating_add(len);
            if implied > IMPLIED_MOST {
                let path = shown::path(&item.path);
                let message = format!("too many directories without entries of their own, at {path}");
                return Err(Error::new(Kind::Limit, message));
            }
            nodes.insert(above.to_vec(), Node { kind: ItemKind::Directory, target: None });
        }
        let is_in = arguments.level.is_none_or(|level| names.len() <= level)
            && (!arguments.directories || item.kind == ItemKind::Directory);
        if is_in && !names.is_empty() {
            nodes.insert(names, Node { kind: item.kind, target: item.target });
        }
        Ok(())
    })?;
    Ok(nodes)
}

fn show(nodes: &BTreeMap<Vec<Vec<u8>>, Node>, out: &mut Out) -> Result<()> {
    // From the last to the first: then it is known whether something follows in the same directory.
    let mut lines: Vec<String> = Vec::new();
    let mut follows: Vec<bool> = Vec::new();
    for (names, node) in nodes.iter().rev() {
        let depth = names.len();
        // What was deeper is another directory's.
        follows.truncate(depth);
        follows.resize(depth, false);
        let mut line = String::new();
        for above in follows.iter().take(depth.saturating_sub(1)) {
            line.push_str(if *above { "│   " } else { "    " });
        }
        if let Some(last) = follows.last_mut() {
            line.push_str(if *last { "├── " } else { "└── " });
            *last = true;
        }
        line.push_str(&shown::path(names.last().map_or(b"", Vec::as_slice)));
        match (&node.target, node.kind) {
            (Some(target), _) => line.push_str(&format!(" -> {}", shown::path(target))),
            (None, ItemKind::Directory) => line.push('/'),
            (None, _) => {}
        }
        lines.push(line);
    }
    lines.iter().rev().try_for_each(|line| out.line(line))
}
