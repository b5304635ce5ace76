//! Brings what a place has of one volume into a filesystem that was just made.

use std::collections::HashMap;

use crate::device::WriteDevice;
use crate::error::{Error, Kind, Result, Salvaged};
use crate::filesystem::ext::Geometry;
use crate::filesystem::ext::writer::{Folder, Made, Writer};
use crate::filesystem::{FileKind, Flags, Metadata, Timestamp};
use crate::printable::Printable;
use crate::units::ByteRange;
use crate::view::{Check, Item, Place, base_name, parent};

/// Issues that are told one by one.
const ISSUES_MOST: usize = 1000;
/// Who owns what has an owner that can't be: nobody.
const NOBODY: u64 = 65_534;

/// What filling a filesystem came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Names that were made, the root among them.
    pub entries: u64,
    /// Bytes of data that were written, without the filesystem's own structures.
    pub data_bytes: u64,
    /// What could not be made as it was, in sentences with the path; of very many the first ones.
    pub issues: Vec<String>,
    /// How many there were in all.
    pub issue_count: u64,
}

impl Outcome {
    fn issue(&mut self, path: &[u8], error: &Error) {
        self.issue_count = self.issue_count.saturating_add(1);
        if self.issues.len() < ISSUES_MOST {
            self.issues.push(format!("{}: {error}", Printable(path)));
        }
    }
}

/// Fills the filesystem that [`format()`](super::format()) made on `target`, which begins where the filesystem does, with all that `place`
/// has below the path `below`. `go_on` is told the bytes of data that were written so far, now and then; when it fails, so does this.
///
/// Nothing is mounted and no path is opened: inside the sandbox it works as well.
///
/// # Errors
///
/// [`Kind::Write`] when the target fails, or the content does not fit; when the place can't be read at all. After an error the target holds
/// no filesystem that can be used. What costs single entries, or a part of one, is an issue.
pub fn fill(
    target: WriteDevice,
    place: &dyn Place,
    below: &[u8],
    geometry: &Geometry,
    go_on: &mut dyn FnMut(u64) -> Result<()>,
) -> Result<Outcome> {
    let writer = Writer::new(target, geometry)?;
    let mut folders = HashMap::new();
    folders.insert(below.to_vec(), writer.root());
    let outcome = Outcome::default();
    let mut filling = Filling { place, below, writer, folders, firsts: HashMap::new(), outcome, go_on };
    place.walk(below, &mut |item| filling.item(&item))?;
    (filling.go_on)(filling.outcome.data_bytes)?;
    let Filling { writer, mut outcome, .. } = filling;
    let finished = writer.finish()?;
    finished.faults.iter().for_each(|fault| outcome.issue(below, fault));
    Ok(outcome)
}

struct Filling<'a> {
    place: &'a dyn Place,
    below: &'a [u8],
    writer: Writer,
    /// Directories that are there, by their paths.
    folders: HashMap<Vec<u8>, Folder>,
    /// Inodes that may have further names, by the paths of their first ones.
    firsts: HashMap<Vec<u8>, Made>,
    outcome: Outcome,
    go_on: &'a mut dyn FnMut(u64) -> Result<()>,
}

impl Filling<'_> {
    fn item(&mut self, item: &Item) -> Result<()> {
        match self.make(item) {
            Ok(faults) => {
                self.outcome.entries = self.outcome.entries.saturating_add(1);
                faults.iter().for_each(|fault| self.outcome.issue(&item.path, fault));
                (self.go_on)(self.outcome.data_bytes)
            }
            Err(error) if error.ends_the_run() => Err(error),
            Err(error) => {
                self.outcome.issue(&item.path, &error);
                Ok(())
            }
        }
    }

    /// Makes one entry, and gives what is not as it was.
    fn make(&mut self, item: &Item) -> Result<Vec<Error>> {
        if item.path == self.below {
            return self.root(item);
        }
        let folder = self.folders.get(parent(&item.path)).copied();
        let folder =
            folder.ok_or_else(|| Error::corrupt("is left out: the directory that it is in is not there"))?;
        let name = base_name(&item.path);
        if let Some(first) = &item.link {
            let made = self.firsts.get(first).copied().ok_or_else(|| {
                Error::corrupt(format!(
                    "is left out: {}, whose further name it is, is not there",
                    Printable(first)
                ))
            })?;
            return self.writer.link(folder, name, made).map(|()| Vec::new());
        }
        let mut faults = Vec::new();
        let new = self.inode(item, &mut faults)?;
        let made = match item.kind {
            FileKind::Directory => {
                let made = self.writer.directory(folder, name, new)?;
                self.folders.insert(item.path.clone(), made);
                return Ok(faults);
            }
            FileKind::Regular => self.file(folder, item, &new)?,
            FileKind::Symlink => {
                let target = item.target.as_deref().unwrap_or_default();
                self.writer.symlink(folder, name, &new, target)?
            }
            kind => self.writer.special(folder, name, kind, &new)?,
        };
        faults.extend(made.faults);
        if item.links.is_none_or(|links| links > 1) {
            self.firsts.insert(item.path.clone(), made.value);
        }
        Ok(faults)
    }

    fn root(&mut self, item: &Item) -> Result<Vec<Error>> {
        if item.kind != FileKind::Directory {
            return Err(Error::corrupt("is no directory, and can be no filesystem's root"));
        }
        let mut faults = Vec::new();
        let new = self.inode(item, &mut faults)?;
        self.writer.set_root(new);
        Ok(faults)
    }

    /// Writes a file's content as it comes, and holds it against its digest.
    fn file(&mut self, folder: Folder, item: &Item, new: &Metadata) -> Result<Salvaged<Made>> {
        let Self { place, writer, outcome, go_on, .. } = self;
        let name = base_name(&item.path);
        let size = item.size;
        writer.file(folder, name, new, size, &mut |content| {
            let data = place.open(item)?;
            if data.size_bytes() != size {
                let (has, said) = (data.size_bytes(), size);
                return Err(Error::corrupt(format!(
                    "its content has {has} bytes, but it should have {said}"
                )));
            }
            let mut check = Check::of(item, data.data_bytes());
            let all = ByteRange::new(0, size).unwrap_or(ByteRange::EMPTY);
            data.read(all, &mut |position, bytes| {
                if let Some(check) = &mut check {
                    check.update(position, bytes);
                }
                let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                content.put(position, bytes)?;
                outcome.data_bytes = outcome.data_bytes.saturating_add(len);
                go_on(outcome.data_bytes)
            })?;
            if let (Some(known), false) = (&item.content, check.is_none_or(Check::agrees)) {
                let (name, said) = (known.algorithm.name(), &known.hex);
                let message =
                    format!("its {name} is not {said}, as the manifest says: its content is damaged");
                return Err(Error::corrupt(message));
            }
            Ok(())
        })
    }

    /// What an inode shall be like. What can't be kept is a fault.
    fn inode(&self, item: &Item, faults: &mut Vec<Error>) -> Result<Metadata> {
        if item.kind == FileKind::Image {
            return Err(Error::new(Kind::Unsupported, "is no file of a filesystem"));
        }
        let mut time = |time: Timestamp| {
            if self.writer.keeps_time(time) {
                return time;
            }
            faults.push(Error::new(
                Kind::Unsupported,
                format!("the time {time} is none that the filesystem can keep"),
            ));
            Timestamp { seconds: time.seconds.clamp(0, i64::from(i32::MAX)), nanoseconds: 0 }
        };
        let modified = time(item.metadata.modified.unwrap_or_default());
        let accessed = time(item.metadata.accessed.unwrap_or(modified));
        let changed = time(item.metadata.changed.unwrap_or(modified));
        let created = item.metadata.created.map(time);
        let mut flags = item.metadata.flags;
        if flags.0 & Flags::VERITY.0 != 0 {
            flags.0 &= !Flags::VERITY.0;
            let message = "fs-verity protected it: its content is here, the tree of hashes behind it is not";
            faults.push(Error::new(Kind::Unsupported, message));
        }
        let mut owner = |what: &str, number: u64| {
            if u32::try_from(number).is_ok() {
                return number;
            }
            let message =
                format!("the {what} {number} is none that the filesystem can keep; it has {NOBODY} now");
            faults.push(Error::new(Kind::Unsupported, message));
            NOBODY
        };
        Ok(Metadata {
            mode: item.metadata.mode & 0o7777,
            uid: owner("owner", item.metadata.uid),
            gid: owner("group", item.metadata.gid),
            accessed: Some(accessed),
            modified: Some(modified),
            changed: Some(changed),
            created,
            flags,
            project: item.metadata.project,
            attributes: item.metadata.attributes.clone(),
        })
    }
}
