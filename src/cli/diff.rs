//! `voltar diff`.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Args, ValueHint};
use serde_json::json;

use super::options::ReadingArguments;
use super::places::{Named, Out, Session};
use super::speech::{self, typed};
use super::{FAILED, INCOMPLETE, USAGE, shown};
use crate::error::{Error, Kind, Result};
use crate::filesystem::{FileKind, Timestamp};
use crate::view::{Budget, Contents, GoOn, Item, clean, is_below};

const EXIT_CODES: &str = "\
Exit codes:
  0  the same
  1  different
  2  trouble: one of them can't be read whole, as the issues or the error say, or the arguments make no sense";

/// Compare two archives, images or devices: what was added, removed, changed
///
/// Each line is + for what only B has, - for what only A has, or ~ with the fields that differ. Content is compared by digests: known ones
/// where both have them, else what is read. Access times and inode numbers don't count.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(super) struct DiffArguments {
    /// The one, mostly the older
    #[arg(value_name = "A", value_hint = ValueHint::FilePath)]
    one: OsString,

    /// The other
    #[arg(value_name = "B", value_hint = ValueHint::FilePath)]
    other: OsString,

    /// Take files of the same size and times for the same, and read none
    #[arg(long)]
    quick: bool,

    /// A line of JSON for each difference
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    reading: ReadingArguments,
}

/// How many of each there are.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Differences {
    pub added: u64,
    pub removed: u64,
    pub changed: u64,
    pub same: u64,
}

impl Differences {
    pub(super) fn is_none(&self) -> bool {
        self.added == 0 && self.removed == 0 && self.changed == 0
    }
}

/// Runs `voltar diff`.
pub(super) fn run(arguments: &DiffArguments) -> Result<ExitCode> {
    let texts = [arguments.one.clone(), arguments.other.clone()];
    let mut places = Session::open(&texts, &arguments.reading)?.places();
    let (Some(one), Some(other)) = (places.next(), places.next()) else {
        return Err(Error::new(Kind::Usage, "two places are needed"));
    };
    let (one, other) = (one?, other?);
    let mut out = Out::new();
    let differences = compare(&one, &other, arguments.quick, arguments.json, &mut out, &|| Ok(()))?;
    let mut is_whole = true;
    for named in [&one, &other] {
        is_whole &= out.issues(named.place.as_ref())? == ExitCode::SUCCESS;
    }
    let Differences { added, removed, changed, same } = &differences;
    match arguments.json {
        true => {
            let fields = json!({
                "added": added,
                "removed": removed,
                "changed": changed,
                "same": same,
                "complete": is_whole,
            });
            out.line(typed("summary", fields))?;
        }
        false => {
            out.line(format_args!("{added} added, {removed} removed, {changed} changed, {same} the same"))?
        }
    }
    out.end()?;
    Ok(match (is_whole, differences.is_none()) {
        (false, _) => ExitCode::from(USAGE),
        (true, false) => ExitCode::from(FAILED),
        (true, true) => ExitCode::SUCCESS,
    })
}

/// The exit code of a comparison that is not diff's own, after telling the issues.
pub(super) fn code(one: &Named, other: &Named, differences: &Differences) -> ExitCode {
    let issues = [one, other].map(|named| named.place.issues()).concat();
    issues.iter().for_each(speech::issue);
    match (differences.is_none(), issues.is_empty()) {
        (false, _) => ExitCode::from(FAILED),
        (true, false) => ExitCode::from(INCOMPLETE),
        (true, true) => ExitCode::SUCCESS,
    }
}

/// Compares all that is below two paths, and tells each difference.
pub(super) fn compare(
    one: &Named,
    other: &Named,
    quick: bool,
    json: bool,
    out: &mut Out,
    go_on: &GoOn<'_>,
) -> Result<Differences> {
    let tops = (one.find(true)?.path, other.find(true)?.path);
    let sides = (Side::new(one, &tops.0, go_on), Side::new(other, &tops.1, go_on));
    let mut left: BTreeMap<Vec<u8>, Item> = BTreeMap::new();
    let mut budget = Budget::default();
    let what =
        "the two have too many entries to be compared: compare a part of them, A:PATH with B:PATH; they take";
    one.place.walk(&tops.0, &mut |item| {
        go_on()?;
        let path = below(&item.path, &tops.0);
        budget.take(item.memory().saturating_add(path.len()), what)?;
        left.insert(path, item);
        Ok(())
    })?;
    let mut differences = Differences::default();
    let mut lines: BTreeMap<Vec<u8>, (char, Vec<&'static str>)> = BTreeMap::new();
    other.place.walk(&tops.1, &mut |item| {
        go_on()?;
        let path = below(&item.path, &tops.1);
        match left.remove(&path) {
            None => {
                budget.take(path.len(), what)?;
                differences.added = differences.added.saturating_add(1);
                lines.insert(path, ('+', Vec::new()));
            }
            Some(first) => {
                let fields = fields((&sides.0, &first), (&sides.1, &item), quick)?;
                match fields.is_empty() {
                    true => differences.same = differences.same.saturating_add(1),
                    false => {
                        differences.changed = differences.changed.saturating_add(1);
                        lines.insert(path, ('~', fields));
                    }
                }
            }
        }
        Ok(())
    })?;
    for path in left.into_keys() {
        differences.removed = differences.removed.saturating_add(1);
        lines.insert(path, ('-', Vec::new()));
    }
    for (path, (sign, fields)) in &lines {
        let word = match sign {
            '+' => "added",
            '-' => "removed",
            _ => "changed",
        };
        match (json, fields.as_slice()) {
            (true, fields) => {
                out.line(typed(word, shown::path_as_json(path, json!({ "fields": fields }))))?;
            }
            (false, []) => out.line(format_args!("{sign} {}", shown::pasted(path)))?,
            (false, fields) => {
                out.line(format_args!("{sign} {}  ({})", shown::pasted(path), fields.join(", ")))?
            }
        }
    }
    Ok(differences)
}

fn below(path: &[u8], top: &[u8]) -> Vec<u8> {
    let rest = path.get(top.len()..).unwrap_or_default();
    rest.strip_prefix(b"/").unwrap_or(rest).to_vec()
}

/// One of the two that are compared.
struct Side<'a> {
    named: &'a Named,
    /// The path below which all is compared.
    top: &'a [u8],
    contents: Contents<'a>,
    /// A file that may have further names, once one of them is met. Looking each name up in an
    /// archive would read all of it each time.
    named_often: OnceCell<BTreeMap<Vec<u8>, Item>>,
}

impl<'a> Side<'a> {
    fn new(named: &'a Named, top: &'a [u8], go_on: &'a GoOn<'a>) -> Self {
        let contents = Contents::new(named.place.as_ref(), go_on);
        Self { named, top, contents, named_often: OnceCell::new() }
    }

    /// The first name of a further one, from the top, where it is compared as well.
    fn first(&self, item: &Item) -> Option<Vec<u8>> {
        let link = item.link.as_ref().filter(|link| **link != item.path)?;
        is_below(link, self.top).then(|| below(link, self.top))
    }

    /// What has the content and the attributes of an entry: that of its first name.
    fn whole(&self, item: &Item) -> Result<Item> {
        match &item.link {
            Some(link) => match self.named_often()?.get(link) {
                Some(first) => Ok(first.clone()),
                None => self.named.place.find(link, false),
            },
            None => Ok(item.clone()),
        }
    }

    fn named_often(&self) -> Result<&BTreeMap<Vec<u8>, Item>> {
        if let Some(items) = self.named_often.get() {
            return Ok(items);
        }
        let mut items = BTreeMap::new();
        self.named.place.walk(b"", &mut |item| {
            if item.kind != FileKind::Directory && item.links.is_none_or(|links| links > 1) {
                items.insert(item.path.clone(), item);
            }
            Ok(())
        })?;
        Ok(self.named_often.get_or_init(|| items))
    }

    /// Whether another path, from the top, is a name of the same inode.
    fn is_name_of(&self, item: &Item, path: &[u8]) -> bool {
        let path = clean(&[self.top, b"/", path].concat());
        let first = item.link.as_ref().unwrap_or(&item.path);
        let found = self.named_often().ok().and_then(|items| items.get(&path));
        found.is_some_and(|found| {
            found.link.as_ref().unwrap_or(&found.path) == first
                || found.inode.is_some() && found.inode == item.inode
        })
    }
}

/// The fields in which two entries differ.
fn fields(
    (one, a): (&Side<'_>, &Item),
    (other, b): (&Side<'_>, &Item),
    quick: bool,
) -> Result<Vec<&'static str>> {
    // Without a manifest, a partition that went in as it is is a file like others.
    let plain = |kind: FileKind| if kind == FileKind::Image { FileKind::Regular } else { kind };
    if plain(a.kind) != plain(b.kind) {
        return Ok(vec!["type"]);
    }
    let firsts = (one.first(a), other.first(b));
    // Two further names of the same first one have its content, which is compared there.
    let is_compared_elsewhere = firsts.0.is_some() && firsts.0 == firsts.1;
    // Which of an inode's names is the first is no difference.
    let same_link = match &firsts {
        (Some(of_a), Some(of_b)) if of_a != of_b => one.is_name_of(a, of_b) && other.is_name_of(b, of_a),
        _ => true,
    };
    let is_link = a.link.is_some() || b.link.is_some();
    let wholes = match is_link && !is_compared_elsewhere {
        true => Some((one.whole(a)?, other.whole(b)?)),
        false => None,
    };
    // The first name of an inode has its attributes.
    let (whole_a, whole_b) = wholes.as_ref().map_or((a, b), |(a, b)| (a, b));
    let both = |a: Option<u32>, b: Option<u32>| a.is_none() || b.is_none() || a == b;
    let times = |a: Option<Timestamp>, b: Option<Timestamp>| a.is_none() || b.is_none() || a == b;
    let same_size = is_compared_elsewhere || whole_a.size == whole_b.size;
    let same = [
        ("mode", a.metadata.mode == b.metadata.mode),
        ("owner", (a.metadata.uid, a.metadata.gid) == (b.metadata.uid, b.metadata.gid)),
        ("size", same_size),
        ("mtime", times(a.metadata.modified, b.metadata.modified)),
        ("target", a.target == b.target),
        ("link", same_link),
        ("links", a.kind == FileKind::Directory || both(a.links, b.links)),
        ("attributes", is_compared_elsewhere || whole_a.metadata.attributes == whole_b.metadata.attributes),
        ("flags", a.metadata.flags == b.metadata.flags),
    ];
    let mut differing: Vec<&str> = same.iter().filter(|(_, same)| !same).map(|(name, _)| *name).collect();
    let is_read = a.kind.has_content() && !is_compared_elsewhere && same_size;
    if is_read && !same_content((one, whole_a), (other, whole_b), quick)? {
        differing.push("content");
    }
    Ok(differing)
}

fn same_content((one, a): (&Side<'_>, &Item), (other, b): (&Side<'_>, &Item), quick: bool) -> Result<bool> {
    let known = |item: &Item| item.content.clone().filter(|content| !content.data_only);
    let is_told = known(a).zip(known(b)).is_some_and(|(a, b)| a.algorithm == b.algorithm);
    if quick
        && !is_told
        && a.metadata.modified == b.metadata.modified
        && (a.metadata.changed.is_none()
            || b.metadata.changed.is_none()
            || a.metadata.changed == b.metadata.changed)
    {
        return Ok(true);
    }
    one.contents.is_same(a, &other.contents, b)
}
