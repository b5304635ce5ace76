//! `voltar archive`.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, IsTerminal as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::json;

use super::args::ArchiveArguments;
use super::console::{Console, Show, per_second};
use super::{INCOMPLETE, print, signals};
use crate::archive::{
    Compression, Identity, Observer as _, Options, Output, Report, Request, Writers, create, gathering, now,
};
use crate::error::{Error, Kind, Result};
use crate::printable::Printable;
use crate::sandbox::Writing;
use crate::store::names::IMAGE_ENDINGS;
use crate::units::Bytes;
use crate::worker::child::Source;
use crate::worker::{Broker, Program};

/// Where the archive goes.
#[derive(Debug, PartialEq, Eq)]
enum Destination {
    Stdout,
    File(PathBuf),
}

/// Runs `voltar archive`.
pub(super) fn run(arguments: &ArchiveArguments) -> Result<ExitCode> {
    let (compression, destination) = destination(arguments)?;
    let to_stdout = destination == Destination::Stdout;
    let show = arguments.saying.show(to_stdout);
    let stop = signals::stop_flag().map_err(|source| Error::new(Kind::System, source))?;
    let console = Console::new(show, stop);
    let outcome = archive(arguments, compression, &destination, &console);
    match outcome {
        Ok(report) => {
            console.end();
            let published = match &destination {
                Destination::Stdout => None,
                Destination::File(path) => Some(path.as_path()),
            };
            summarise(arguments, &console, show, published, &report);
            Ok(if report.is_complete() { ExitCode::SUCCESS } else { ExitCode::from(INCOMPLETE) })
        }
        Err(error) => Err(match &destination {
            Destination::Stdout => error,
            Destination::File(path) => {
                console.told_missing(error, "make room there, or name another folder with -o").on(path)
            }
        }),
    }
}

fn archive(
    arguments: &ArchiveArguments,
    compression: Compression,
    destination: &Destination,
    console: &Console,
) -> Result<Report> {
    let source = &arguments.source;
    let mut options = Options { compression, ..arguments.options.options()? };
    options.embed_manifest |= *destination == Destination::Stdout;
    options.check()?;
    let publishing = match destination {
        Destination::Stdout => None,
        Destination::File(path) => {
            let program = Program::this(&["worker"]);
            Some(Broker::start(&program, path, options.digest, source, arguments.force)?)
        }
    };
    let embedded = options.embed_manifest.then(gathering).transpose()?;
    let source = Source::open(source, &options.reading)?;
    options.count_threads();
    let writing = if publishing.is_some() { Writing::Receiving } else { Writing::Nowhere };
    let disk = source.confine(writing, |gap| console.note(gap))?.parse()?;
    let identity = Identity { started: now(), ..Identity::default() };
    let request = Request { options: &options, identity, observer: console };
    match publishing {
        None => create(&disk, &request, Output { archive: &mut stdout()?, manifest: None, embedded }),
        Some((broker, archive, manifest)) => {
            let mut writers = Writers::new(archive, manifest, options.digest)?;
            let (archive, manifest) = writers.both();
            let report = create(&disk, &request, Output { archive, manifest: Some(manifest), embedded })?;
            if let Some((_, digest)) = &report.digest {
                broker.publish(&writers.finish(digest.clone())?)?;
            }
            Ok(report)
        }
    }
}

/// The process's stdout without the buffer of lines that Rust puts before it.
fn stdout() -> Result<File> {
    let stdout = io::stdout().as_fd().try_clone_to_owned();
    stdout.map(File::from).map_err(|source| Error::new(Kind::Write, source))
}

/// Where the archive goes and how it is compressed, which may follow from each other.
fn destination(arguments: &ArchiveArguments) -> Result<(Compression, Destination)> {
    let asked = arguments.compress;
    let in_folder = |folder: &Path| {
        let compression = asked.unwrap_or_default();
        let file = folder.join(format!("{}{}", stem(&arguments.source), compression.ending()));
        (compression, Destination::File(file))
    };
    let Some(output) = &arguments.output else { return Ok(in_folder(Path::new(""))) };
    if output.as_os_str() == "-" {
        if io::stdout().is_terminal() {
            let message =
                "an archive is nothing for a terminal; send it to a file or a program, or name one with -o";
            return Err(Error::new(Kind::Usage, message));
        }
        return Ok((asked.unwrap_or_default(), Destination::Stdout));
    }
    if output.is_dir() || output.as_os_str().as_bytes().ends_with(b"/") {
        return Ok(in_folder(output));
    }
    let named = Compression::of_new_name(&output.to_string_lossy()).map_err(|error| error.on(output))?;
    let compression = match (named, asked) {
        (Some(named), Some(asked)) if named != asked => {
            let (name, named, asked) = (Printable::path(output), named.name(), asked.name());
            let message = format!("{name} is named like {named}, but --compress says {asked}");
            return Err(Error::new(Kind::Usage, message));
        }
        (named, asked) => asked.or(named).unwrap_or_default(),
    };
    Ok((compression, Destination::File(output.clone())))
}

/// The name of an archive of `source`, without what tells the compression.
fn stem(source: &Path) -> String {
    let name = source.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let stem = IMAGE_ENDINGS.iter().find_map(|ending| name.strip_suffix(ending));
    match stem {
        Some(stem) if !stem.is_empty() => stem.to_owned(),
        _ if name.is_empty() => "disk".to_owned(),
        _ => name,
    }
}

/// Says what came of it.
fn summarise(
    arguments: &ArchiveArguments,
    console: &Console,
    show: Show,
    published: Option<&Path>,
    report: &Report,
) {
    let elapsed = console.elapsed();
    if let Show::Json { .. } = show {
        let mut fields = report.to_json();
        if let Some(fields) = fields.as_object_mut() {
            let path = published.map(|path| Printable::path(path).to_string());
            fields.insert("archive".to_owned(), json!(path));
            fields.insert("seconds".to_owned(), json!(elapsed.as_secs_f64()));
        }
        console.json("summary", fields);
    }
    let Some((algorithm, digest)) = &report.digest else { return };
    let Some(path) = published else {
        // Nothing else has the digest: it is said, even when nothing else is.
        if !arguments.saying.json {
            let _ = writeln!(io::stderr(), "{}  {digest}  -", algorithm.name());
        }
        return;
    };
    if !matches!(show, Show::Words { .. }) {
        return;
    }
    let mut text = String::new();
    // Writing to a String does not fail.
    let _ = writeln!(text, "{}", Printable::path(path));
    let _ = writeln!(text, "  {}", counted(&report.entries));
    let rate = Bytes(per_second(report.data_bytes, elapsed));
    let (data, size) = (Bytes(report.data_bytes), Bytes(report.archive_bytes));
    let seconds = elapsed.as_secs_f64();
    let _ = writeln!(text, "  {data} of files became {size} in {seconds:.1} s, {rate}/s");
    let _ = writeln!(text, "  {} {digest}", algorithm.name());
    if !report.is_complete() {
        let count = report.issue_count;
        let _ = writeln!(text, "  INCOMPLETE: {count} issue{}, see above or the manifest", plural(count));
    }
    // The archive is published: that nobody reads this changes nothing.
    let _ = print(&text);
}

/// `1234 entries: 1000 files, 200 directories, 34 symlinks`.
pub(super) fn counted(entries: &std::collections::BTreeMap<String, u64>) -> String {
    const NAMES: [(&str, &str, &str); 9] = [
        ("file", "file", "files"),
        ("dir", "directory", "directories"),
        ("symlink", "symlink", "symlinks"),
        ("link", "hard link", "hard links"),
        ("chr", "character device", "character devices"),
        ("blk", "block device", "block devices"),
        ("fifo", "fifo", "fifos"),
        ("sock", "socket (in the manifest only)", "sockets (in the manifest only)"),
        ("image", "raw image", "raw images"),
    ];
    let counted = NAMES.iter().filter_map(|(type_name, one, many)| {
        let count = entries.get(*type_name)?;
        Some(format!("{count} {}", if *count == 1 { one } else { many }))
    });
    let counted: Vec<String> = counted.collect();
    let total = entries.values().fold(0_u64, |sum, count| sum.saturating_add(*count));
    if total == 0 {
        return "no entries".to_owned();
    }
    let word = if total == 1 { "entry" } else { "entries" };
    format!("{total} {word}: {}", counted.join(", "))
}

pub(super) fn plural(count: u64) -> &'static str {
    if count == 1 { "" } else { "s" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_is_named_after_its_source() {
        let cases = [
            ("guest.img", "guest"),
            ("/tmp/vda.raw", "vda"),
            ("/dev/vg0/volume-1", "volume-1"),
            (".img", ".img"),
            ("disk.img.old", "disk.img.old"),
        ];
        for (source, name) in cases {
            assert_eq!(stem(Path::new(source)), name);
        }
    }
}
