//! `voltar find`.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::ExitCode;

use clap::{Args, ValueEnum, ValueHint};

use super::options::ReadingArguments;
use super::places::{Out, Session};
use super::{INCOMPLETE, formats, shown};
use crate::archive::Algorithm;
use crate::error::{Issue, Kind, Result};
use crate::filesystem::FileKind;
use crate::printable::Printable;
use crate::store::scope::shelves;
use crate::tree::{Exclude, Pattern};
use crate::view::{Item, base_name};

/// Find entries in archives, images and devices
///
/// Of a folder, all archives in it and below are searched. What is given must all be true of an entry. A digest that is not the one in an
/// archive's manifest is computed: then the files that all else is true of are read.
#[derive(Debug, Args)]
pub(super) struct FindArguments {
    /// What is searched: places, or folders of archives
    #[arg(required = true, value_name = "PLACE|DIR", value_hint = ValueHint::AnyPath)]
    places: Vec<OsString>,

    /// The name matches, *, ? and […] being wildcards
    #[arg(long, value_name = "GLOB")]
    name: Option<OsString>,

    /// It is of this type
    #[arg(long = "type", value_enum, value_name = "TYPE")]
    kind: Option<TypeChoice>,

    /// The content has this many bytes; +SIZE is more than that, -SIZE less
    #[arg(long, value_name = "[+-]SIZE", value_parser = size_test, allow_hyphen_values = true)]
    size: Option<SizeTest>,

    /// The content has this SHA-1
    #[arg(long, value_name = "HEX", value_parser = hex_digits)]
    sha1: Option<String>,

    /// The content has this SHA-256
    #[arg(long, value_name = "HEX", value_parser = hex_digits)]
    sha256: Option<String>,

    /// The content has this BLAKE3
    #[arg(long, value_name = "HEX", value_parser = hex_digits)]
    blake3: Option<String>,

    /// The owner has this number
    #[arg(long, value_name = "N")]
    uid: Option<u64>,

    /// The group has this number
    #[arg(long, value_name = "N")]
    gid: Option<u64>,

    /// All of these permission bits are set, in octal
    #[arg(long, value_name = "MODE", value_parser = octal)]
    perm: Option<u16>,

    /// It has an extended attribute of this name
    #[arg(long, value_name = "NAME")]
    xattr: Option<String>,

    /// The whole path matches, from the top of the place: p1/etc/*.conf; * is also a slash
    #[arg(long, value_name = "GLOB")]
    path: Option<OsString>,

    /// A line of JSON for each entry
    #[arg(long)]
    json: bool,

    /// End each name with a zero byte and show its bytes as they are, for xargs -0; -print0 is the
    /// same
    #[arg(short = '0', long, conflicts_with = "json")]
    print0: bool,

    #[command(flatten)]
    reading: ReadingArguments,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum TypeChoice {
    /// Regular files
    File,
    /// Directories
    Dir,
    /// Symbolic links
    Symlink,
    /// Character devices
    Chr,
    /// Block devices
    Blk,
    /// Named pipes
    Fifo,
    /// Sockets
    Sock,
    /// Partitions that are there as they are
    Image,
}

impl TypeChoice {
    fn is(self, kind: FileKind) -> bool {
        self.to_possible_value().is_some_and(|value| value.get_name() == kind.name())
    }
}

#[derive(Clone, Copy, Debug)]
enum SizeTest {
    More(u64),
    Less(u64),
    Exactly(u64),
}

fn size_test(text: &str) -> Result<SizeTest, String> {
    match (text.strip_prefix('+'), text.strip_prefix('-')) {
        (Some(size), _) => super::options::size(size).map(SizeTest::More),
        (_, Some(size)) => super::options::size(size).map(SizeTest::Less),
        _ => super::options::size(text).map(SizeTest::Exactly),
    }
}

fn hex_digits(text: &str) -> Result<String, String> {
    match text.len() >= 8 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        true => Ok(text.to_ascii_lowercase()),
        false => Err("at least eight hexadecimal digits".to_owned()),
    }
}

fn octal(text: &str) -> Result<u16, String> {
    u16::from_str_radix(text, 8)
        .ok()
        .filter(|mode| *mode <= 0o7777)
        .ok_or_else(|| "octal digits, at most 7777".to_owned())
}

/// Runs `voltar find`.
pub(super) fn run(arguments: &FindArguments) -> Result<ExitCode> {
    let mut places = Vec::new();
    for place in &arguments.places {
        if Path::new(place).is_dir() {
            let (store, shelves) = shelves(Path::new(place))?;
            let archives = shelves.iter().flat_map(|shelf| &shelf.archives);
            places.extend(archives.map(|key| OsString::from(store.address().of(key).as_path())));
        } else {
            places.push(place.clone());
        }
    }
    let name = arguments.name.as_ref().map(|pattern| {
        let mut exclude = Exclude::new();
        exclude.add(pattern.as_bytes());
        exclude
    });
    let path = arguments.path.as_ref().map(|pattern| Pattern::new(pattern.as_bytes()));
    let patterns = Patterns { name, path };
    let session = Session::open(&places, &arguments.reading)?;
    let mut out = Out::new();
    let mut code = ExitCode::SUCCESS;
    for (named, text) in session.places().zip(&places) {
        let named = match named {
            Ok(named) => named,
            // One of many archives may be damaged.
            Err(error) if places.len() > 1 => {
                out.issue(&error.into())?;
                code = ExitCode::from(INCOMPLETE);
                continue;
            }
            Err(error) => return Err(error),
        };
        let place = named.place.as_ref();
        let mut digests = formats::Digests::new(place, text);
        let walked = place.walk(&named.path, &mut |item| {
            match matches(arguments, &patterns, &mut digests, &item) {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                // One file that can't be read.
                Err(error) if !error.ends_the_run() => {
                    out.issue(&Issue { path: Some(item.path.clone()), error })?;
                    code = ExitCode::from(INCOMPLETE);
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
            if arguments.json {
                let mut fields = shown::as_json(&item);
                if let Some(fields) = fields.as_object_mut() {
                    fields.insert("place".to_owned(), Printable(text.as_bytes()).to_string().into());
                }
                return out.line(fields);
            }
            let name = match places.len() {
                1 if item.path.is_empty() => b".".to_vec(),
                1 => item.path.clone(),
                _ => [text.as_bytes(), b":", &item.path].concat(),
            };
            match arguments.print0 {
                true => out.bytes(&[name.as_slice(), b"\0"].concat()),
                false => out.line(shown::pasted(&name)),
            }
        });
        match walked {
            Ok(()) => {}
            Err(error) if places.len() > 1 && !matches!(error.kind(), Kind::Write | Kind::Interrupted) => {
                out.issue(&error.on(Path::new(text)).into())?;
                code = ExitCode::from(INCOMPLETE);
            }
            Err(error) => return Err(error),
        }
        if out.issues(place)? != ExitCode::SUCCESS {
            code = ExitCode::from(INCOMPLETE);
        }
    }
    out.end()?;
    Ok(code)
}

/// Of names.
struct Patterns {
    name: Option<Exclude>,
    path: Option<Pattern>,
}

/// Whether all that was asked for is true of an entry. What costs most is asked last.
fn matches(
    arguments: &FindArguments,
    patterns: &Patterns,
    digests: &mut formats::Digests<'_>,
    item: &Item,
) -> Result<bool> {
    let bits = arguments.perm.unwrap_or(0);
    let has_content = item.kind.has_content();
    let plain = patterns.name.as_ref().is_none_or(|name| name.excludes(b"", base_name(&item.path)))
        && patterns.path.as_ref().is_none_or(|path| path.matches_path(&item.path))
        && arguments.kind.is_none_or(|kind| kind.is(item.kind))
        && arguments.uid.is_none_or(|uid| uid == item.metadata.uid)
        && arguments.gid.is_none_or(|gid| gid == item.metadata.gid)
        && item.metadata.mode & bits == bits
        && arguments.xattr.as_ref().is_none_or(|name| {
            item.metadata.attributes.iter().any(|attribute| attribute.name == name.as_bytes())
        })
        && arguments.size.is_none_or(|size| {
            has_content
                && match size {
                    SizeTest::More(size) => item.size > size,
                    SizeTest::Less(size) => item.size < size,
                    SizeTest::Exactly(size) => item.size == size,
                }
        });
    if !plain {
        return Ok(false);
    }
    let asked = [
        (Algorithm::Sha1, &arguments.sha1),
        (Algorithm::Sha256, &arguments.sha256),
        (Algorithm::Blake3, &arguments.blake3),
    ];
    for (algorithm, wanted) in asked {
        let Some(wanted) = wanted else { continue };
        if !has_content {
            return Ok(false);
        }
        // A further name has its digest with the first.
        let digest = digests.of(item, algorithm)?.ok_or_else(|| formats::too_long(item, algorithm))?;
        if !digest.starts_with(wanted.as_str()) {
            return Ok(false);
        }
    }
    Ok(true)
}
