//! What lies in a destination: the history of its volumes is there and nowhere else.
//!
//! Only files whose names are exactly ours count, in folders right under the destination;
//! everything else is passed over. A volume's folder may be a link ([`volume_folder`]); other links
//! are not followed. The disk may be written by others: whatever lies there, this takes it for
//! data.

use std::collections::BTreeMap;
use std::fs::{self, DirEntry, Metadata};
use std::io;
use std::path::{Path, PathBuf};

use crate::archive;
use crate::archive::manifest::Ends;
use crate::error::{Error, Kind, Result};
use crate::store::ReadEnds;
use crate::store::folder::volume_folder;
use crate::store::names::{Named, parse_name, sidecars};

/// An archive that lies in a destination, as its name and its manifest tell.
#[derive(Clone, Debug, PartialEq)]
pub struct Archived {
    /// Name of the volume: of the folder that it lies in.
    pub volume: String,
    /// The archive's own path.
    pub path: PathBuf,
    /// When its snapshot was taken, or reading began, in seconds since 1970: the time in its name.
    pub taken: i64,
    /// Bytes of the archive and what stands beside it.
    pub len_bytes: u64,
    /// What its manifest says; `None` where there is none, or it is not whole. Such an archive never counts as complete.
    pub told: Option<Told>,
}

/// An archive that was removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removed {
    /// Where it was.
    pub path: PathBuf,
    /// How many bytes that gave back.
    pub len_bytes: u64,
}

/// The type that a manifest gives to a partition stored as a raw image.
pub const IMAGE: &str = "image";

/// What a manifest says of its archive.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// Path of the source.
    pub source: String,
    /// The volume that the source is a snapshot of, `GROUP/VOLUME`; `None` where it is none.
    pub snapshot_of: Option<String>,
    /// Name of the host that it was read on; `None` where its manifest does not say.
    pub host: Option<String>,
    /// Bytes of files.
    pub data_bytes: u64,
    /// Bytes that were read from the source.
    pub bytes_read: u64,
    /// Entries.
    pub entries: u64,
    /// Partitions among them that are stored as images.
    pub images: u64,
    /// Issues; none means complete.
    pub issues: u64,
    /// How long it took; `None` where its manifest does not say.
    pub seconds: Option<f64>,
}

impl Archived {
    /// Whether all of the source is in it, as far as one knows.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.told.as_ref().is_some_and(|told| told.issues == 0)
    }
}

/// The archives of one volume, oldest first; `volume` is the name of its folder. None where there is no such folder.
///
/// # Errors
///
/// When the folder, or a manifest in it, can't be read.
pub fn of_volume(destination: &Path, volume: &str, manifests: &dyn ReadEnds) -> Result<Vec<Archived>> {
    Ok(Folder::read(destination, volume, manifests)?.archives)
}

/// The archives of all volumes, oldest first.
///
/// # Errors
///
/// When a folder can't be read.
pub fn all(destination: &Path, manifests: &dyn ReadEnds) -> Result<Vec<Archived>> {
    let mut archives = Vec::new();
    for volume in volumes(destination)? {
        archives.extend(of_volume(destination, &volume, manifests)?);
    }
    archives.sort_by(|one, other| (one.taken, &one.path).cmp(&(other.taken, &other.path)));
    Ok(archives)
}

/// The names of all folders that hold archives, or sidecars of such, by name.
///
/// # Errors
///
/// When a folder can't be read.
pub fn volumes(destination: &Path) -> Result<Vec<String>> {
    let mut volumes = Vec::new();
    for entry in entries(destination)? {
        let Ok(name) = entry.file_name().into_string() else { continue };
        // A folder that is not ours, like `lost+found`, need not be one that we may read.
        let holds_ours = || named(destination, &name).is_ok_and(|named| !named.is_empty());
        if holds_ours() {
            volumes.push(name);
        }
    }
    volumes.sort();
    Ok(volumes)
}

/// Whether a folder holds archives that are named after it, or sidecars of such.
///
/// # Errors
///
/// When the folder can't be read.
pub(super) fn is_volume(destination: &Path, name: &str) -> Result<bool> {
    Ok(!named(destination, name)?.is_empty())
}

/// Removes an archive and its sidecars. The archive goes first: what an interruption leaves is sidecars without one.
///
/// # Errors
///
/// [`Kind::Write`] when something can't be removed, or is not named like an archive.
pub fn remove(archived: &Archived) -> Result<Removed> {
    let name = archived.path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if !parse_name(&archived.volume, name).is_some_and(|named| named.is_archive) {
        let message = format!("is not named like an archive of {}, so it is not removed", archived.volume);
        return Err(Error::new(Kind::Write, message).on(&archived.path));
    }
    archive::remove(&archived.path)?;
    Ok(Removed { path: archived.path.clone(), len_bytes: archived.len_bytes })
}

/// Removes a sidecar whose archive is not there. Nobody may publish there meanwhile: sidecars appear before their archive.
///
/// # Errors
///
/// [`Kind::Write`] when it can't be removed.
pub fn remove_orphan(orphan: &Removed) -> Result<()> {
    unlink(&orphan.path)
}

/// Removes a file. That it is not there is as good.
fn unlink(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(Error::new(Kind::Write, source).on(path))
        }
        _ => Ok(()),
    }
}

/// What is ours in a volume's folder.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Folder {
    /// Archives, oldest first.
    pub archives: Vec<Archived>,
    /// Sidecars whose archive is not there, by name: what is left when a removal was interrupted.
    pub orphans: Vec<Removed>,
}

/// An archive and what stands beside it, as far as it is there.
#[derive(Default)]
struct Group {
    archive: Option<(Named, u64)>,
    /// Whether the archive's name is taken by something that is no regular file: a link, which may lead to the archive.
    is_elsewhere: bool,
    sidecars: Vec<Removed>,
}

impl Folder {
    /// Looks into the folder of a volume; `volume` is its name. There is nothing where there is no such folder.
    ///
    /// # Errors
    ///
    /// When the folder, or something in it, can't be read: what is not known of an archive may be why it must stay.
    pub fn read(destination: &Path, volume: &str, manifests: &dyn ReadEnds) -> Result<Self> {
        let folder = destination.join(volume);
        let mut groups: BTreeMap<String, Group> = BTreeMap::new();
        for (entry, named) in named(destination, volume)? {
            let Some(metadata) = metadata(&entry)? else { continue };
            let len_bytes = metadata.len();
            let group = groups.entry(named.archive.clone()).or_default();
            match (named.is_archive, metadata.is_file()) {
                (true, true) => group.archive = Some((named, len_bytes)),
                (true, false) => group.is_elsewhere = true,
                (false, true) => group.sidecars.push(Removed { path: entry.path(), len_bytes }),
                (false, false) => {}
            }
        }
        let (mut archives, mut orphans) = (Vec::new(), Vec::new());
        for (name, Group { archive, is_elsewhere, sidecars }) in groups {
            let Some((named, len_bytes)) = archive else {
                if !is_elsewhere {
                    orphans.extend(sidecars);
                }
                continue;
            };
            let path = folder.join(name);
            let beside = sidecars.iter().fold(0_u64, |sum, sidecar| sum.saturating_add(sidecar.len_bytes));
            archives.push(Archived {
                volume: volume.to_owned(),
                told: told(&path, len_bytes, manifests)?,
                path,
                taken: named.taken,
                len_bytes: len_bytes.saturating_add(beside),
            });
        }
        archives.sort_by(|one, other| (one.taken, &one.path).cmp(&(other.taken, &other.path)));
        orphans.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(Self { archives, orphans })
    }
}

/// The entries of a volume's folder whose names are ours; none where there is no such folder.
fn named(destination: &Path, volume: &str) -> Result<Vec<(DirEntry, Named)>> {
    let folder = destination.join(volume);
    if volume_folder(destination, volume)?.is_none() {
        return Ok(Vec::new());
    }
    let entries = entries(&folder)?.into_iter();
    let ours = entries.filter_map(|entry| {
        let named = parse_name(volume, entry.file_name().to_str()?)?;
        Some((entry, named))
    });
    Ok(ours.collect())
}

fn entries(folder: &Path) -> Result<Vec<DirEntry>> {
    let entries = fs::read_dir(folder).and_then(Iterator::collect);
    entries.map_err(|source: io::Error| Error::new(Kind::Read, source).on(folder))
}

/// What is known of an entry itself, not of what a link leads to; `None` for what has gone meanwhile.
fn metadata(entry: &DirEntry) -> Result<Option<Metadata>> {
    match entry.metadata() {
        Ok(metadata) => Ok(Some(metadata)),
        Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::new(Kind::Read, source).on(&entry.path())),
    }
}

/// What the manifest of an archive of this length says, if it is whole, sound, and of this archive.
///
/// One that can't be read now, or is of a newer form, is none that is missing: its archive may be the only complete one.
fn told(archive: &Path, archive_bytes: u64, manifests: &dyn ReadEnds) -> Result<Option<Told>> {
    let [manifest, ..] = sidecars(archive);
    let ends = match manifests.ends(&manifest) {
        Err(error) if is_absent(&error) => manifests.ends_inside(archive),
        beside => beside,
    };
    let Ends { head, tail } = match ends {
        Ok(ends) => ends,
        Err(error) if is_worthless(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    let Some(tail) = tail else { return Ok(None) };
    let is_of_this_archive = tail.archive_bytes == archive_bytes;
    let is_consistent = tail.complete == (tail.issues == 0);
    if !is_of_this_archive || !is_consistent {
        return Ok(None);
    }
    let seconds = tail.finished.and_then(|finished| finished.checked_sub(head.started));
    Ok(Some(Told {
        source: head.source.path,
        snapshot_of: head.snapshot_of,
        host: head.host,
        data_bytes: tail.data_bytes,
        bytes_read: tail.bytes_read,
        entries: tail.entries.values().fold(0, |sum, count| sum.saturating_add(*count)),
        images: tail.entries.get(IMAGE).copied().unwrap_or(0),
        issues: tail.issues,
        seconds: seconds.and_then(|seconds| u32::try_from(seconds).ok()).map(f64::from),
    }))
}

/// Whether the error says that there is no manifest, or nothing that ever becomes one: all others may pass.
fn is_worthless(error: &Error) -> bool {
    is_absent(error) || matches!(error.kind(), Kind::Corrupt | Kind::NotFound | Kind::Unrecognised)
}

fn is_absent(error: &Error) -> bool {
    error.io().is_some_and(|source| source.kind() == io::ErrorKind::NotFound)
}

#[cfg(test)]
mod tests;
