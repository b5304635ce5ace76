//! `voltar cat`.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use clap::{Args, ValueHint};

use super::formats::content_size;
use super::options::ReadingArguments;
use super::places::{Named, Session};
use super::{INCOMPLETE, speech};
use crate::error::{Error, Kind, Result};
use crate::filesystem::FileKind;
use crate::printable::Printable;
use crate::units::ByteRange;
use crate::view::Item;

/// Write files of an archive, an image or a device to stdout
///
/// Of an archive only the frames are read that a file is in. Symbolic links are followed, inside the partition.
#[derive(Debug, Args)]
pub(super) struct CatArguments {
    /// Files, like backup.tar.zst:p2/etc/fstab
    #[arg(required = true, value_name = "PLACE:PATH", value_hint = ValueHint::FilePath)]
    places: Vec<OsString>,

    /// Leave out so many bytes at the beginning
    #[arg(long, value_name = "SIZE", value_parser = super::options::size, default_value = "0")]
    skip: u64,

    /// Write so many bytes at most
    #[arg(long, value_name = "SIZE", value_parser = super::options::size)]
    count: Option<u64>,

    #[command(flatten)]
    reading: ReadingArguments,
}

/// Runs `voltar cat`.
pub(super) fn run(arguments: &CatArguments) -> Result<ExitCode> {
    let mut code = ExitCode::SUCCESS;
    for named in Session::open(&arguments.places, &arguments.reading)?.places() {
        let named = named?;
        let item = named.find(true)?;
        if !item.kind.has_content() {
            return Err(no_file(&named, &item));
        }
        let size = if item.kind.has_content() { content_size(named.place.as_ref(), &item)? } else { 0 };
        let end = arguments.count.map_or(size, |count| arguments.skip.saturating_add(count)).min(size);
        let range = ByteRange::between(arguments.skip.min(end), end).unwrap_or(ByteRange::EMPTY);
        let mut stdout = io::stdout().lock();
        named.place.read(&item, range, &mut |bytes| {
            stdout.write_all(bytes).map_err(|source| Error::new(Kind::Write, source))
        })?;
        stdout.flush().map_err(|source| Error::new(Kind::Write, source))?;
        for issue in named.place.issues() {
            speech::issue(&issue);
            code = ExitCode::from(INCOMPLETE);
        }
    }
    Ok(code)
}

/// Says what to name instead.
fn no_file(named: &Named, item: &Item) -> Error {
    let place = Printable(named.text.as_encoded_bytes());
    let message = match (item.kind, item.path.is_empty()) {
        (_, true) => format!("name a file in it, {place}:PATH; \"voltar ls {place}\" shows what there is"),
        (FileKind::Directory, _) => {
            format!("is a directory: name a file in it; \"voltar ls {place}\" shows what there is")
        }
        _ => format!("is a {}, and has no content to show", item.kind.name()),
    };
    Error::new(Kind::Usage, message).on(Path::new(&named.text))
}
