//! The archives in a store: the history of its volumes is there and nowhere else.
//!
//! Only objects whose names are exactly ours count, in folders right under the store's own;
//! everything else is passed over. Others may write to the store: all that lies there is data.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::Path;

use super::names::{Key, Named};
use super::{ReadEnds, Standing, Store};
use crate::archive::manifest::Ends;
use crate::error::{Error, Kind, Result};

/// An archive that lies in a destination, as its name and its manifest tell.
#[derive(Clone, Debug, PartialEq)]
pub struct Archived {
    /// Name of the volume: of the folder that it lies in.
    pub volume: String,
    /// Its name in the store.
    pub key: Key,
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
    /// Its name in the store.
    pub key: Key,
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

/// The archives of one volume, oldest first; `volume` is the name of its folder. There are none
/// where there is no such folder.
///
/// # Errors
///
/// When the folder, or a manifest in it, can't be read.
pub fn of_volume(store: &dyn Store, volume: &str, manifests: &dyn ReadEnds) -> Result<Vec<Archived>> {
    Ok(VolumeArchives::read(store, volume, manifests)?.archives)
}

/// The archives of all volumes, oldest first.
///
/// # Errors
///
/// When a folder can't be read.
pub fn all(store: &dyn Store, manifests: &dyn ReadEnds) -> Result<Vec<Archived>> {
    let mut archives = Vec::new();
    for volume in volumes(store)? {
        archives.extend(of_volume(store, &volume, manifests)?);
    }
    archives.sort_by(|one, other| (one.taken, &one.key).cmp(&(other.taken, &other.key)));
    Ok(archives)
}

/// The names of all folders that hold archives, or sidecars of such, by name.
///
/// # Errors
///
/// When the store can't be read.
pub fn volumes(store: &dyn Store) -> Result<Vec<String>> {
    let mut volumes = store.folders()?;
    // A folder that is not ours, like `lost+found`, need not be one that we may read.
    volumes.retain(|name| is_volume(store, name).unwrap_or(false));
    volumes.sort();
    Ok(volumes)
}

/// Whether a folder holds archives that are named after it, or sidecars of such.
///
/// # Errors
///
/// When the folder can't be read.
pub(super) fn is_volume(store: &dyn Store, name: &str) -> Result<bool> {
    Ok(store.names(name)?.iter().any(|entry| Named::parse(name, entry).is_some()))
}

/// Removes an archive and its sidecars. The archive goes first: an interruption leaves sidecars
/// without one.
///
/// # Errors
///
/// [`Kind::Write`] when something can't be removed, or is not named like an archive.
pub fn remove(store: &dyn Store, archived: &Archived) -> Result<Removed> {
    let Archived { volume, key, len_bytes, .. } = archived;
    let named = key.file_name().to_str().and_then(|name| Named::parse(volume, name));
    if !named.is_some_and(|named| named.is_archive) {
        let message = format!("is not named like an archive of {volume}, so it is not removed");
        return Err(Error::new(Kind::Write, message).on(store.address().of(key).as_path()));
    }
    store.remove_archive(key)?;
    Ok(Removed { key: key.clone(), len_bytes: *len_bytes })
}

/// All that is ours in a volume's folder.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VolumeArchives {
    /// Archives, oldest first.
    pub archives: Vec<Archived>,
    /// Sidecars whose archive is not there, by name: what is left when a removal was interrupted.
    ///
    /// To remove one, nobody may publish meanwhile: sidecars appear before their archive.
    pub orphans: Vec<Removed>,
}

/// An archive and its sidecars, as far as they are there.
#[derive(Default)]
struct Group {
    archive: Option<(Named, u64)>,
    /// Whether something else has the archive's name: a link, which may lead to the archive.
    is_elsewhere: bool,
    sidecars: Vec<Removed>,
}

impl VolumeArchives {
    /// Looks into the folder of a volume; `volume` is its name. There is nothing where there is no
    /// such folder.
    ///
    /// # Errors
    ///
    /// When the folder, or something in it, can't be read: an archive of which something is not
    /// known may have to stay for that very reason.
    pub fn read(store: &dyn Store, volume: &str, manifests: &dyn ReadEnds) -> Result<Self> {
        let mut groups: BTreeMap<String, Group> = BTreeMap::new();
        for name in store.names(volume)? {
            let Some(named) = Named::parse(volume, &name) else { continue };
            let Some(key) = Key::new(Path::new(volume).join(&name)) else { continue };
            let Some(standing) = store.look(&key)? else { continue };
            let group = groups.entry(named.archive.clone()).or_default();
            match (named.is_archive, standing) {
                (true, Standing::Object(len_bytes)) => group.archive = Some((named, len_bytes)),
                (true, Standing::Other) => group.is_elsewhere = true,
                (false, Standing::Object(len_bytes)) => group.sidecars.push(Removed { key, len_bytes }),
                (false, Standing::Other) => {}
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
            let Some(key) = Key::new(Path::new(volume).join(name)) else { continue };
            let beside = sidecars.iter().fold(0_u64, |sum, sidecar| sum.saturating_add(sidecar.len_bytes));
            archives.push(Archived {
                volume: volume.to_owned(),
                told: told(store, &key, len_bytes, manifests)?,
                key,
                taken: named.taken,
                len_bytes: len_bytes.saturating_add(beside),
            });
        }
        archives.sort_by(|one, other| (one.taken, &one.key).cmp(&(other.taken, &other.key)));
        orphans.sort_by(|one, other| one.key.cmp(&other.key));
        Ok(Self { archives, orphans })
    }
}

/// The facts of the manifest of an archive of this length, if it is whole, sound, and of this
/// archive.
///
/// One that can't be read now, or is of a newer form, is an error: its archive may be the only
/// complete one.
fn told(
    store: &dyn Store,
    archive: &Key,
    archive_bytes: u64,
    manifests: &dyn ReadEnds,
) -> Result<Option<Told>> {
    let read = |key: &Key, read: &dyn Fn(File) -> Result<Ends>| {
        let ends = store.descriptor(key).and_then(read);
        ends.map_err(|error| error.on(store.address().of(key).as_path()))
    };
    let ends = match read(&archive.manifest(), &|file| manifests.ends(file)) {
        Err(error) if is_absent(&error) => read(archive, &|file| manifests.ends_inside(file)),
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
