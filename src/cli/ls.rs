//! `voltar ls`.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Args, ValueEnum, ValueHint};
use jiff::tz::TimeZone;

use super::options::ReadingArguments;
use super::places::{Named, Out, Session};
use super::speech::note;
use super::{INCOMPLETE, formats, shown};
use crate::archive::Algorithm;
use crate::error::{Issue, Result};
use crate::filesystem::FileKind;
use crate::units::Bytes;
use crate::view::{Budget, Item, base_name};

/// Bytes of entries that are sorted at once; showing them takes as much again.
const SORTED_BYTES: usize = 128 << 20;

const EXAMPLES: &str = "\
Examples:
  voltar ls -l guest.tar.zst:p2/etc       a directory of an archive
  voltar ls -l /dev/vg0/web1:etc          the same of a volume
  voltar ls -R --json disk.img            all entries, a line of JSON each
  voltar ls --format sha1sum a.tar.zst    a list for sha1sum -c
  voltar ls --format mtree a.tar.zst | bsdtar -tf -";

/// List what is in an archive, an image or a device
///
/// PLACE is a file or device, or one and a path in it: disk.img, disk.img:p2/etc, backup.tar.zst:p2/etc/fstab. Names are
/// made safe to show; times are those of this host's time zone.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, disable_help_flag = true)]
pub(super) struct LsArguments {
    /// What is listed
    #[arg(required = true, value_name = "PLACE", value_hint = ValueHint::FilePath)]
    places: Vec<OsString>,

    /// Modes, owners, sizes and times, as ls -l
    #[arg(short, long)]
    long: bool,

    /// Sizes for people: 1.2 MiB
    #[arg(short = 'h', long)]
    human_readable: bool,

    /// Hidden entries too, which are shown anyway
    #[arg(short, long, short_alias = 'A', hide_short_help = true)]
    all: bool,

    /// Show what this does
    #[arg(long, action = clap::ArgAction::HelpLong)]
    help: Option<bool>,

    /// All that is below, with the whole path
    #[arg(short = 'R', long)]
    recursive: bool,

    /// The entry itself, and not what is in it
    #[arg(short, long)]
    directory: bool,

    /// A line of JSON for each entry
    #[arg(long)]
    json: bool,

    /// A list for another program, of all that is below
    #[arg(long, value_enum, value_name = "FORMAT", conflicts_with_all = ["json", "long"])]
    format: Option<Format>,

    #[command(flatten)]
    reading: ReadingArguments,
}

/// Lists for other programs.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// mtree(5)
    Mtree,
    /// For sha1sum -c
    Sha1sum,
    /// For sha256sum -c
    Sha256sum,
    /// For b3sum -c
    B3sum,
}

impl Format {
    fn algorithm(self) -> Option<Algorithm> {
        match self {
            Self::Mtree => None,
            Self::Sha1sum => Some(Algorithm::Sha1),
            Self::Sha256sum => Some(Algorithm::Sha256),
            Self::B3sum => Some(Algorithm::Blake3),
        }
    }
}

/// Runs `voltar ls`.
pub(super) fn run(arguments: &LsArguments) -> Result<ExitCode> {
    let session = Session::open(&arguments.places, &arguments.reading)?;
    let zone = session.zone.clone();
    let mut out = Out::new();
    let mut code = ExitCode::SUCCESS;
    for named in session.places() {
        let named = named?;
        if arguments.places.len() > 1 && arguments.format.is_none() && !arguments.json {
            out.line(format_args!("{}:", crate::printable::Printable(named.text.as_encoded_bytes())))?;
        }
        if !list(arguments, &named, &zone, &mut out)? {
            code = ExitCode::from(INCOMPLETE);
        }
        let found = out.issues(named.place.as_ref())?;
        if found != ExitCode::SUCCESS {
            code = found;
        }
    }
    out.end()?;
    Ok(code)
}

/// Lists a place, and says whether the list is complete.
fn list(arguments: &LsArguments, named: &Named, zone: &TimeZone, out: &mut Out) -> Result<bool> {
    match arguments.format {
        Some(format) => formatted(format, named, out),
        None => entries(arguments, named, zone, out).map(|()| true),
    }
}

fn entries(arguments: &LsArguments, named: &Named, zone: &TimeZone, out: &mut Out) -> Result<()> {
    let place = named.place.as_ref();
    let item = named.find(!arguments.directory)?;
    let is_directory = item.kind == FileKind::Directory && !arguments.directory;
    if is_directory && arguments.recursive {
        // Nothing is held: the lines are as wide as they are.
        let mut each = |item: Item| match (arguments.json, arguments.long) {
            (true, _) => out.line(shown::as_json(&item)),
            (false, true) => out
                .bytes(long(&[(shown::pasted(&item.path), item)], zone, arguments.human_readable).as_bytes()),
            (false, false) => out.line(shown::pasted(&item.path)),
        };
        return place.walk(&item.path, &mut each);
    }
    if !is_directory {
        return sorted(arguments, vec![item], false, zone, out);
    }
    let (mut items, mut budget, mut is_told) = (Vec::new(), Budget::new(SORTED_BYTES), false);
    place.list(&item.path, &mut |item| {
        if !budget.has(item.memory()) {
            if !is_told {
                is_told = true;
                note("there are more entries than fit into memory: they are sorted in parts");
            }
            sorted(arguments, std::mem::take(&mut items), true, zone, out)?;
            budget = Budget::new(SORTED_BYTES);
        }
        items.push(item);
        Ok(())
    })?;
    sorted(arguments, items, true, zone, out)
}

/// Shows entries by name.
fn sorted(
    arguments: &LsArguments,
    mut items: Vec<Item>,
    is_directory: bool,
    zone: &TimeZone,
    out: &mut Out,
) -> Result<()> {
    items.sort_by(|one, other| one.path.cmp(&other.path));
    if arguments.json {
        return items.iter().try_for_each(|item| out.line(shown::as_json(item)));
    }
    let name = |item: &Item| match is_directory {
        true => shown::pasted(base_name(&item.path)),
        false => shown::pasted(&item.path),
    };
    if !arguments.long {
        return items.iter().try_for_each(|item| out.line(name(item)));
    }
    let rows: Vec<(String, Item)> = items.into_iter().map(|item| (name(&item), item)).collect();
    out.bytes(long(&rows, zone, arguments.human_readable).as_bytes())
}

/// Lines as `ls -l` has them.
fn long(rows: &[(String, Item)], zone: &TimeZone, is_human: bool) -> String {
    let size = |item: &Item| match item.kind {
        FileKind::CharacterDevice { .. } | FileKind::BlockDevice { .. } => shown::size(item),
        _ if is_human => Bytes(item.size).to_string(),
        _ => shown::size(item),
    };
    let cells: Vec<[String; 4]> = rows
        .iter()
        .map(|(_, item)| {
            let links = item.links.map_or_else(|| "-".to_owned(), |links| links.to_string());
            let (owner, group) =
                (shown::owner(&item.uname, item.metadata.uid), shown::owner(&item.gname, item.metadata.gid));
            [links, owner, group, size(item)]
        })
        .collect();
    let width =
        |column: usize| cells.iter().filter_map(|row| row.get(column)).map(String::len).max().unwrap_or(0);
    let (links_width, owner_width, group_width, size_width) = (width(0), width(1), width(2), width(3));
    let mut text = String::new();
    for ((name, item), [links, owner, group, size]) in rows.iter().zip(&cells) {
        let (mode, time) = (shown::mode(item), shown::time(item.metadata.modified, zone, "%Y-%m-%d %H:%M"));
        let mode = mode.trim_end();
        text.push_str(&format!(
            "{mode:<10} {links:>links_width$} {owner:<owner_width$} {group:<group_width$} {size:>size_width$} {time:>16} {name}"
        ));
        match (&item.target, &item.link) {
            (Some(target), _) => text.push_str(&format!(" -> {}", shown::pasted(target))),
            (None, Some(link)) => text.push_str(&format!(" link to {}", shown::pasted(link))),
            (None, None) => {}
        }
        text.push('\n');
    }
    text
}

fn formatted(format: Format, named: &Named, out: &mut Out) -> Result<bool> {
    let place = named.place.as_ref();
    let top = place.find(&named.path, true)?;
    let mut digests = formats::Digests::new(place, &named.text);
    let Some(algorithm) = format.algorithm() else {
        out.line(formats::MTREE_HEAD)?;
        place.walk(&top.path, &mut |item| {
            let digest = formats::mtree_digest(&mut digests, &item)?;
            match formats::mtree_line(&item, &item.path, digest) {
                Some(line) => out.line(line),
                None => Ok(()),
            }
        })?;
        return Ok(true);
    };
    let mut is_whole = true;
    place.walk(&top.path, &mut |item| {
        if !item.kind.has_content() {
            return Ok(());
        }
        match digests.of(&item, algorithm)? {
            Some(digest) => out.bytes(&formats::sum_line(&digest, &item.path)),
            None => {
                let error = formats::too_long(&item, algorithm);
                is_whole = false;
                out.issue(&Issue { path: Some(item.path.clone()), error })
            }
        }
    })?;
    Ok(is_whole)
}
