//! An archive as a place: by its manifest where there is one, otherwise by its headers.

mod firsts;
mod proven;

use std::collections::BTreeSet;
use std::sync::OnceLock;

use self::firsts::Firsts;
use super::data::pieces;
use super::issues::Issues;
use super::item::{Body, Item};
use super::name::{clean, depth_below, goes_up, is_below, of_entry, parent};
use super::{AtHand, Budget, Check, Data, Each, EachWith, Place, Take, TakeAt, missing, no_content};
use crate::archive::read::{Container, End, Manifest, Member, Members, Record, TarStream};
use crate::archive::{Compression, is_embedded_manifest};
use crate::error::{Error, Issue, Kind, Result};
use crate::filesystem::FileKind;
use crate::format::digest::zeros;
use crate::printable::Printable;
use crate::units::ByteRange;

/// Symbolic links that are followed on the way, `MAXSYMLINKS` in the kernel.
const MAX_LINKS: u32 = 40;

/// An archive.
pub(super) struct Archive {
    packed: Container,
    manifest: Option<Manifest>,
    /// The same archive with the frames that the manifest tells, once they are needed.
    with_frames: OnceLock<Container>,
    /// Set when the manifest turned out to be damaged: then the archive's headers tell.
    without_manifest: OnceLock<()>,
    issues: Issues,
}

impl Archive {
    pub(super) fn new(packed: Container, manifest: Result<Option<Manifest>>) -> Self {
        let issues = Issues::default();
        let archive_bytes = packed.device().len_bytes();
        let manifest = manifest.and_then(|manifest| {
            manifest.map(|manifest| manifest.check(archive_bytes).map(|()| manifest)).transpose()
        });
        let manifest = manifest.unwrap_or_else(|error| {
            issues.add(of_no_use(error).into());
            None
        });
        let (with_frames, without_manifest) = (OnceLock::new(), OnceLock::new());
        Self { packed, manifest, with_frames, without_manifest, issues }
    }

    /// The manifest, as long as it is of use.
    fn manifest(&self) -> Option<&Manifest> {
        self.manifest.as_ref().filter(|_| self.without_manifest.get().is_none())
    }

    /// Goes on without the manifest.
    fn give_up_manifest(&self, error: &Error) {
        if self.without_manifest.set(()).is_ok() {
            self.issues.add(of_no_use(error.clone()).into());
        }
    }

    /// The archive, with its frames where they are known.
    fn packed(&self) -> &Container {
        self.with_frames.get_or_init(|| {
            let packed = self.packed.clone();
            match self.manifest() {
                Some(manifest) if packed.frames().is_none() && packed.compression() != Compression::None => {
                    match manifest.frames(packed.device().len_bytes()) {
                        Ok(frames) => packed.or_frames(frames),
                        // Then it is read from the front.
                        Err(_) => packed,
                    }
                }
                _ => packed,
            }
        })
    }

    /// Entries with these paths.
    fn entries(&self, paths: &[&[u8]]) -> Result<Vec<Item>> {
        if let Some(manifest) = self.manifest() {
            // The root of a bare tree is the only path that is written in another way.
            let written: Vec<&[u8]> =
                paths.iter().map(|path| if path.is_empty() { b"." } else { *path }).collect();
            match manifest.find(&written) {
                Ok(found) => return found.into_iter().map(|entry| proven::item(self, entry)).collect(),
                Err(error) => self.give_up_manifest(&error),
            }
        }
        // Of several members of one name the last one counts, as when a tar is extracted.
        let mut found: Vec<Item> = Vec::new();
        self.members(0, &mut |item| {
            if paths.contains(&item.path.as_slice()) {
                found.retain(|other| other.path != item.path);
                found.push(item);
            } else if paths.iter().any(|path| is_below(&item.path, path))
                && let Some(path) = paths.iter().find(|path| is_below(&item.path, path))
                && !found.iter().any(|other| other.path == *path)
            {
                // A directory that has no member of its own.
                found.push(Item::directory(path));
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// Entries by the archive's headers, from this position of the tar stream on, without the
    /// manifest in the archive.
    fn members(&self, from: u64, each: &mut Each<'_>) -> Result<()> {
        // Damaged, it is shown as a file, as any tar shows it.
        let manifest = Manifest::embedded(self.packed()).ok().flatten();
        let manifest_at = manifest.and_then(|manifest| manifest.embedded_at());
        let mut members = Members::new(self.packed().stream_at(from)?);
        let mut firsts = Firsts::default();
        while let Some(member) = members.next()? {
            let is_manifest = manifest_at == Some(member.place.header);
            if let Some(item) = Item::of_member(member).filter(|_| !is_manifest) {
                each(firsts.pass(item, true))?;
            }
        }
        self.end(&mut members)
    }

    /// Reads all that stands behind the last member: the checksums of the stream are there.
    fn end(&self, members: &mut Members<impl TarStream>) -> Result<()> {
        if members.finish()? == Some(End::Missing) {
            let message = "the tar has no end: it is cut off between two members, and some may be missing";
            self.issues.add(Error::corrupt(message).into());
        }
        Ok(())
    }

    /// All entries, or those below a path and perhaps others.
    fn all(&self, below: &[u8], each: &mut Each<'_>) -> Result<()> {
        let Some(manifest) = self.manifest() else { return self.members(0, each) };
        let mut last = None;
        let mut firsts = Firsts::default();
        for record in manifest.records_below(below)? {
            let record = match record {
                Ok(record) => record,
                Err(error) => {
                    // What is in the archive behind the last entry that was understood.
                    self.give_up_manifest(&error);
                    return self.members(last.unwrap_or(0), &mut |item| match item.body {
                        Body::Member(header) if last == Some(header) => Ok(()),
                        _ => each(item),
                    });
                }
            };
            match record {
                Record::Entry(entry) => {
                    last = entry.place.as_ref().map(|place| place.header).max(last);
                    let has_more = entry.links.is_some_and(|links| links > 1);
                    each(firsts.pass(Item::of_manifest(*entry), has_more))?;
                }
                Record::Issue { message, path } => self.issue_of_then(&message, path.as_deref()),
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether a member tells of the archive and is no entry of it.
    fn is_about_itself(&self, member: &Member) -> bool {
        is_embedded_manifest(&member.path)
    }

    /// An issue that was one already when the archive was made.
    fn issue_of_then(&self, message: &str, path: Option<&[u8]>) {
        let path = path.map(|path| format!("{}: ", Printable(path))).unwrap_or_default();
        self.issues.add(Error::corrupt(format!("when the archive was made: {path}{message}")).into());
    }

    /// An entry with what only the first of its names has.
    fn whole(&self, mut item: Item) -> Result<Item> {
        if let Some(first) = &item.link
            && let Some(first) = self.entries(&[first])?.pop().filter(|first| first.link.is_none())
        {
            (item.kind, item.target, item.size) = (first.kind, first.target, first.size);
        }
        Ok(item)
    }

    /// The folder that a symbolic link's absolute target begins at.
    fn root_of<'a>(&self, path: &'a [u8]) -> Result<&'a [u8]> {
        let Some(manifest) = self.manifest() else { return Ok(b"") };
        let first = path.split(|byte| *byte == b'/').next().unwrap_or_default();
        let volumes = manifest.head()?.volumes;
        let is_volume =
            volumes.iter().any(|volume| volume.member.as_deref().map(str::as_bytes) == Some(first));
        Ok(if is_volume { first } else { b"" })
    }
}

/// The issue of a manifest that is there, but not used.
fn of_no_use(error: Error) -> Error {
    let what = if error.kind() == Kind::Read { "can't be read" } else { "is of no use" };
    error.because(format!("the manifest {what}: "), "")
}

/// The path that a symbolic link leads to, with the rest behind it.
fn led_to(root: &[u8], link: &Item, rest: &[u8]) -> Vec<u8> {
    let target = link.target.as_deref().unwrap_or_default();
    let start =
        if target.starts_with(b"/") { b"" } else { parent(&link.path).get(root.len()..).unwrap_or_default() };
    let inside = clean(&[start, b"/", target, b"/", rest].concat());
    clean(&[root, b"/", &inside].concat())
}

/// The content of the member at which a stream stands.
struct Current<'a, S> {
    members: &'a mut Members<S>,
    /// Those that were not given yet.
    runs: Vec<(u64, u64)>,
}

impl<S: TarStream> AtHand for Current<'_, S> {
    fn read(&mut self, take: &mut TakeAt<'_>) -> Result<()> {
        let mut buffer = Vec::new();
        for (start, len) in std::mem::take(&mut self.runs) {
            pieces(len, &mut buffer, start, take, &mut |_, piece| self.members.read(piece))?;
        }
        Ok(())
    }

    fn data_bytes(&self) -> u64 {
        self.runs.iter().fold(0, |sum, (_, len)| sum.saturating_add(*len))
    }
}

impl Place for Archive {
    fn walk(&self, below: &[u8], each: &mut Each<'_>) -> Result<()> {
        self.all(below, &mut |item| if is_below(&item.path, below) { each(item) } else { Ok(()) })
    }

    fn walk_proven(&self, below: &[u8], each: &mut Each<'_>) -> Result<()> {
        match self.manifest() {
            Some(manifest) if !self.is_stream() => proven::walk(self, manifest, below, each),
            _ => self.walk(below, each),
        }
    }

    fn list(&self, directory: &[u8], each: &mut Each<'_>) -> Result<()> {
        // Directories without a member of their own, and those that have one: which is which is
        // known at the end.
        let (mut implied, mut own) = (BTreeSet::<Vec<u8>>::new(), BTreeSet::<Vec<u8>>::new());
        let mut budget = Budget::default();
        let what = "the directories in it take";
        self.walk(directory, &mut |item| match depth_below(&item.path, directory) {
            0 => Ok(()),
            more if more == 1 || goes_up(&item.path) => {
                if item.kind == FileKind::Directory {
                    budget.take(item.path.len(), what)?;
                    own.insert(item.path.clone());
                }
                each(item)
            }
            more => {
                let mut path = item.path.as_slice();
                (1..more).for_each(|_| path = parent(path));
                if !own.contains(path) && !implied.contains(path) {
                    budget.take(path.len(), what)?;
                    implied.insert(path.to_vec());
                }
                Ok(())
            }
        })?;
        implied.iter().filter(|path| !own.contains(*path)).try_for_each(|path| each(Item::directory(path)))
    }

    fn find(&self, path: &[u8], follow: bool) -> Result<Item> {
        let mut path = path.to_vec();
        for _ in 0..MAX_LINKS {
            if let Some(item) = self.entries(&[&path])?.pop() {
                let item = self.whole(item)?;
                let Some(_) = item.target.as_ref().filter(|_| follow) else { return Ok(item) };
                path = led_to(self.root_of(&path)?, &item, b"");
                continue;
            }
            if path.is_empty() {
                return Ok(Item::directory(b""));
            }
            // Some directory on the way is a link.
            let mut above: Vec<&[u8]> = Vec::new();
            let mut directory = parent(&path);
            while !directory.is_empty() {
                above.push(directory);
                directory = parent(directory);
            }
            let mut found = self.entries(&above)?;
            found.sort_by_key(|item| item.path.len());
            let link =
                found.iter().find(|item| item.kind == FileKind::Symlink).ok_or_else(|| missing(&path))?;
            let rest = path.get(link.path.len()..).unwrap_or_default();
            path = led_to(self.root_of(&path)?, link, rest);
        }
        Err(Error::new(Kind::NotFound, format!("too many symbolic links in {}", Printable(&path))))
    }

    fn open(&self, item: &Item) -> Result<Data> {
        if let Some(first) = &item.link {
            let first = self.entries(&[first])?.pop().ok_or_else(|| missing(first))?;
            if first.link.is_some() {
                return Err(Error::corrupt(format!("{} is a link to a link", Printable(&item.path))));
            }
            return self.open(&first);
        }
        let (Body::Member(header), true) = (&item.body, item.kind.has_content()) else {
            return Err(no_content(&item.path));
        };
        let mut members = Members::new(self.packed().stream_at(*header)?);
        let member = members.next()?.filter(|member| of_entry(&member.path) == item.path);
        let member = member.ok_or_else(|| {
            let path = Printable(&item.path);
            Error::corrupt(format!(
                "{path} is not where the manifest says: it is that of another archive, or damaged"
            ))
        })?;
        if member.size != item.size {
            let (path, said, has) = (Printable(&item.path), item.size, member.size);
            return Err(Error::corrupt(format!(
                "{path} has {has} bytes, but {said} by the manifest: it is that of another archive, or damaged"
            )));
        }
        let packed = self.packed().clone();
        Ok(Data::in_stream(packed, member.place.data, member.data_runs(), member.size))
    }

    /// The whole content is held against its digest, where the manifest has one.
    fn read(&self, item: &Item, range: ByteRange, take: &mut Take<'_>) -> Result<()> {
        let data = self.open(item)?;
        let is_whole = range.start() == 0 && range.end() >= data.size_bytes();
        let first = match &item.link {
            Some(first) if is_whole => self.entries(&[first])?.pop(),
            _ => is_whole.then(|| item.clone()),
        };
        let check = first.as_ref().and_then(|first| Check::of(first, data.data_bytes()));
        let Some(mut check) = check else { return data.read_all(range, take) };
        let mut end = 0;
        data.read(range, &mut |at, bytes| {
            check.update(at, bytes);
            zeros(at.saturating_sub(end), &mut *take)?;
            end = at.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
            take(bytes)
        })?;
        zeros(data.size_bytes().saturating_sub(end), &mut *take)?;
        if check.agrees() {
            return Ok(());
        }
        let path = Printable(&item.path);
        Err(Error::corrupt(format!(
            "{path}: its content is not what it was when the archive was made: the digest in the \
             manifest is another (voltar verify says where the damage is)"
        )))
    }

    fn is_stream(&self) -> bool {
        self.packed().frames().is_none()
    }

    fn pour(&self, each: &mut EachWith<'_>) -> Result<()> {
        let mut members = Members::new(self.packed().stream()?);
        while let Some(member) = members.next()? {
            let runs = member.data_runs();
            if let Some(item) = Item::of_member(member) {
                each(item, &mut Current { members: &mut members, runs })?;
            }
        }
        self.end(&mut members)
    }

    fn issues(&self) -> Vec<Issue> {
        self.issues.list()
    }
}
