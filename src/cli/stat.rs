//! `voltar stat`.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Args, ValueHint};
use jiff::tz::TimeZone;

use super::options::ReadingArguments;
use super::places::{Out, Session};
use super::{attributes, shown};
use crate::error::Result;
use crate::filesystem::{FileKind, Timestamp};
use crate::view::Item;

/// Show all that is known of an entry: times, attributes, flags, digest
#[derive(Debug, Args)]
pub(super) struct StatArguments {
    /// Entries, like backup.tar.zst:p2/etc/fstab
    #[arg(required = true, value_name = "PLACE:PATH", value_hint = ValueHint::FilePath)]
    places: Vec<OsString>,

    /// Follow a symbolic link
    #[arg(short = 'L', long)]
    dereference: bool,

    /// A line of JSON for each entry
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    reading: ReadingArguments,
}

/// Runs `voltar stat`.
pub(super) fn run(arguments: &StatArguments) -> Result<ExitCode> {
    let session = Session::open(&arguments.places, &arguments.reading)?;
    let zone = session.zone.clone();
    let mut out = Out::new();
    let mut code = ExitCode::SUCCESS;
    for named in session.places() {
        let named = named?;
        let item = named.find(arguments.dereference)?;
        match arguments.json {
            true => out.line(shown::as_json(&item))?,
            false => out.bytes(as_text(&item, &zone).as_bytes())?,
        }
        let found = out.issues(named.place.as_ref())?;
        if found != ExitCode::SUCCESS {
            code = found;
        }
    }
    out.end()?;
    Ok(code)
}

fn as_text(item: &Item, zone: &TimeZone) -> String {
    let kind = match item.kind {
        FileKind::Regular => "regular file",
        FileKind::Directory => "directory",
        FileKind::Symlink => "symbolic link",
        FileKind::CharacterDevice { .. } => "character device",
        FileKind::BlockDevice { .. } => "block device",
        FileKind::Fifo => "fifo",
        FileKind::Socket => "socket",
        FileKind::Image => "raw image",
    };
    let mut rows: Vec<(String, String)> = Vec::new();
    let mut row = |name: &str, value: String| rows.push((name.to_owned(), value));
    row("path", shown::path(&item.path));
    row("type", kind.to_owned());
    if let Some(target) = &item.target {
        row("target", shown::path(target));
    }
    if let Some(link) = &item.link {
        row("same as", shown::path(link));
    }
    match item.kind {
        FileKind::CharacterDevice { .. } | FileKind::BlockDevice { .. } => row("device", shown::size(item)),
        FileKind::Regular | FileKind::Symlink | FileKind::Image => row("size", item.size.to_string()),
        _ => {}
    }
    row("mode", format!("{:04o} {}", item.metadata.mode, shown::mode(item).trim_end()));
    let (owner, group) =
        (shown::owner(&item.uname, item.metadata.uid), shown::owner(&item.gname, item.metadata.gid));
    row("owner", format!("{owner}:{group}"));
    if let Some(inode) = item.inode {
        row("inode", inode.to_string());
    }
    if let Some(links) = item.links {
        row("links", links.to_string());
    }
    let time = |time: Timestamp| shown::time(Some(time), zone, "%Y-%m-%d %H:%M:%S.%9f %z");
    let times = [
        ("access", item.metadata.accessed),
        ("modify", item.metadata.modified),
        ("change", item.metadata.changed),
        ("birth", item.metadata.created),
    ];
    times
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .for_each(|(name, value)| row(name, time(value)));
    if let Some(flags) = item.flags() {
        row("flags", flags);
    }
    attributes::rows(item).into_iter().for_each(|(name, value)| row(name, value));
    if let Some(content) = &item.content {
        let of = if content.data_only { " (of the data without the holes)" } else { "" };
        row(content.algorithm.name(), format!("{}{of}", content.hex));
    }
    rows.iter().map(|(name, value)| format!("{name:>9}  {value}\n")).collect()
}
