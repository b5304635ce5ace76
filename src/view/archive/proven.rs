//! The walk for whoever makes files: the manifest says where to look, and what the tar has there
//! counts.
//!
//! A manifest may be that of another archive, or a lie. Each entry is therefore held against its
//! member, and what the manifest leaves out is found where the members before it end.

use super::Archive;
use super::firsts::Firsts;
use crate::archive::read::{Manifest, ManifestEntry, Member, Members, Record, TarStream, differences};
use crate::error::{Error, Issue, Kind, Result};
use crate::filesystem::{FileKind, Flags, Metadata};
use crate::printable::Printable;
use crate::view::Each;
use crate::view::item::Item;
use crate::view::name::{is_below, of_entry};

/// The members of a tar are padded to a multiple of this.
const BLOCK: u64 = 512;

/// An entry as the tar has it. Of an archive that is only read from the front, the manifest alone
/// is asked.
pub(super) fn item(archive: &Archive, entry: ManifestEntry) -> Result<Item> {
    let header = entry.place.as_ref().map(|place| place.header);
    let Some(header) = header.filter(|_| archive.packed().frames().is_some()) else {
        return Ok(Item::of_manifest(entry));
    };
    let mut members = Members::new(archive.packed().stream_at(header)?);
    match members.next()? {
        Some(member) if of_entry(&member.path) == of_entry(&entry.path) => {
            let path = entry.path.clone();
            joined(archive, member, entry).ok_or_else(|| elsewhere(&path))
        }
        _ => Err(elsewhere(&entry.path)),
    }
}

/// A member with what only its entry tells. Where they differ otherwise, that is an issue.
fn joined(archive: &Archive, member: Member, entry: ManifestEntry) -> Option<Item> {
    let differing = differences(&member, &entry);
    if !differing.is_empty() {
        let fields = differing.join(", ");
        let error = Error::corrupt(format!(
            "the manifest tells another thing than the archive, which counts: {fields}"
        ));
        archive.issues.add(Issue { path: Some(entry.path.clone()), error });
    }
    Item::of_member(member).map(|item| item.with(entry))
}

/// The error of an entry that has no member where the manifest says.
fn elsewhere(path: &[u8]) -> Error {
    let path = Printable(path);
    Error::corrupt(format!(
        "{path} is not where the manifest says: the manifest is that of another archive, or damaged"
    ))
}

/// One walk.
struct Walk<'a> {
    archive: &'a Archive,
    below: &'a [u8],
    /// The members from some place on, and where the next of them begins; `None` where that is not
    /// known.
    members: Option<(Members<Box<dyn TarStream + Send>>, u64)>,
    firsts: Firsts,
}

/// Gives all entries below a path, each as the tar has it, with what the manifest alone knows.
pub(super) fn walk(archive: &Archive, manifest: &Manifest, below: &[u8], each: &mut Each<'_>) -> Result<()> {
    let mut walk = Walk { archive, below, members: None, firsts: Firsts::default() };
    if below.is_empty() {
        walk.go_to(0)?;
    }
    for record in manifest.records_below(below)? {
        let entry = match record {
            Ok(Record::Entry(entry)) if is_below(&of_entry(&entry.path), below) => entry,
            Ok(Record::Issue { message, path }) => {
                archive.issue_of_then(&message, path.as_deref());
                continue;
            }
            Ok(_) => continue,
            Err(error) => {
                archive.give_up_manifest(&error);
                break;
            }
        };
        match &entry.place {
            Some(place) => {
                let header = place.header;
                walk.unlisted(header, each)?;
                walk.listed(*entry, header, each)?;
            }
            // Tar has no type for sockets.
            None => walk.give(Item::of_manifest(*entry), each)?,
        }
    }
    walk.unlisted(u64::MAX, each)?;
    walk.end()
}

impl Walk<'_> {
    fn go_to(&mut self, header: u64) -> Result<()> {
        if self.members.as_ref().is_none_or(|(_, next)| *next != header) {
            self.members = None;
            self.members = Some((Members::new(self.archive.packed().stream_at(header)?), header));
        }
        Ok(())
    }

    /// The next member. Behind an error it is not known where the one after it begins.
    fn next(&mut self) -> Result<Option<Member>> {
        let Some((members, next)) = &mut self.members else { return Ok(None) };
        let read = members.next();
        match &read {
            Ok(Some(member)) => {
                let stored = member.place.stored.checked_next_multiple_of(BLOCK);
                *next = stored.and_then(|len| len.checked_add(member.place.data)).unwrap_or(u64::MAX);
            }
            Ok(None) => *next = u64::MAX,
            Err(_) => self.members = None,
        }
        read
    }

    /// Gives members that the manifest does not list, up to one that it does.
    fn unlisted(&mut self, header: u64, each: &mut Each<'_>) -> Result<()> {
        while self.members.as_ref().is_some_and(|(members, next)| *next < header && members.end().is_none()) {
            let member = match self.next() {
                Ok(Some(member)) => member,
                Ok(None) => return Ok(()),
                Err(error) if error.kind() == Kind::Corrupt && header != u64::MAX => {
                    self.issue(None, error);
                    return Ok(());
                }
                Err(error) => return Err(error),
            };
            if !is_below(&of_entry(&member.path), self.below) {
                self.members = None;
                return Ok(());
            }
            if self.archive.is_about_itself(&member) {
                continue;
            }
            self.issue(Some(&member.path), Error::corrupt("is in the archive, but not in its manifest"));
            if let Some(item) = Item::of_member(member) {
                self.give(item, each)?;
            }
        }
        Ok(())
    }

    /// Gives the member of an entry.
    fn listed(&mut self, entry: ManifestEntry, header: u64, each: &mut Each<'_>) -> Result<()> {
        let found = match self.go_to(header) {
            Ok(()) => self.next(),
            Err(error) => Err(error),
        };
        let member = match found {
            Ok(Some(member)) if of_entry(&member.path) == of_entry(&entry.path) => member,
            Ok(_) => {
                self.issue(None, elsewhere(&entry.path));
                // Whatever is here comes once, as what the manifest does not list.
                self.members = None;
                return self.unlisted_at(header, each);
            }
            Err(error) if error.ends_the_run() => return Err(error),
            Err(error) => {
                self.issue(Some(&entry.path), error);
                return Ok(());
            }
        };
        match joined(self.archive, member, entry) {
            Some(item) => self.give(item, each),
            None => Ok(()),
        }
    }

    fn unlisted_at(&mut self, header: u64, each: &mut Each<'_>) -> Result<()> {
        self.go_to(header)?;
        self.unlisted(header.saturating_add(1), each)
    }

    fn give(&mut self, item: Item, each: &mut Each<'_>) -> Result<()> {
        each(self.firsts.pass(item, true))
    }

    fn issue(&self, path: Option<&[u8]>, error: Error) {
        self.archive.issues.add(Issue { path: path.map(<[u8]>::to_vec), error });
    }

    fn end(&mut self) -> Result<()> {
        match &mut self.members {
            Some((members, _)) if self.below.is_empty() => self.archive.end(members),
            _ => Ok(()),
        }
    }
}

impl Item {
    /// The same with what only a manifest tells.
    fn with(self, entry: ManifestEntry) -> Self {
        let told = entry.metadata;
        let is_image = self.kind == FileKind::Regular && entry.kind == crate::filesystem::FileKind::Image;
        Self {
            kind: if is_image { FileKind::Image } else { self.kind },
            metadata: Metadata {
                created: self.metadata.created.or(told.created),
                flags: if self.metadata.flags == Flags(0) { told.flags } else { self.metadata.flags },
                project: told.project,
                ..self.metadata
            },
            inode: entry.inode,
            links: entry.links,
            content: entry.content,
            ..self
        }
    }
}
