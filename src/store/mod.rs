//! Stores: the places that archives lie in, and the archives there.
//!
//! ```text
//! Destination ▶ open ▶ Store ─┬▶ archives: lists and removal
//!                             ├▶ scope, choice: the archives that somebody means
//!                             └▶ Draft ▶ Sealed ▶ commit
//! ```
//!
//! A kind of store is a folder with an implementation of [`Store`], and a row in `KINDS`.

mod address;
pub mod archives;
pub mod choice;
#[cfg(test)]
mod conformance;
mod ends;
pub mod folder;
#[cfg(test)]
pub mod memory;
pub mod names;
pub mod scope;
mod shelf;

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};

pub use address::Address;
pub use archives::Archived;
#[cfg(test)]
pub use ends::Here;
pub use ends::ReadEnds;
pub use names::Key;
pub use shelf::Shelf;

use crate::archive::read::Files;
use crate::archive::{Algorithm, Digests};
use crate::device::Device;
use crate::error::{Error, Kind, Result};
use crate::units::Bytes;

/// A place that archives lie in.
///
/// An object appears whole or not at all: whoever reads sees nothing of what is being written.
pub trait Store: fmt::Debug + Send + Sync {
    /// Its address.
    fn address(&self) -> Address;

    /// Checks that it is there, and ready as its configuration asks.
    ///
    /// # Errors
    ///
    /// [`Kind::Write`] when it is not.
    fn check(&self) -> Result<()>;

    /// Whether it is somewhere else than on the disk of this host's own system.
    fn is_apart(&self) -> bool;

    /// The names of the folders in it, in no order. Some may be no volume's.
    ///
    /// # Errors
    ///
    /// When it can't be read.
    fn folders(&self) -> Result<Vec<String>>;

    /// The names in a folder, in no order; none where there is no such folder.
    ///
    /// # Errors
    ///
    /// When the folder can't be read.
    fn names(&self, folder: &str) -> Result<Vec<String>>;

    /// Looks at one name; `None` where nothing has it.
    ///
    /// # Errors
    ///
    /// When it can't be looked at.
    fn look(&self, key: &Key) -> Result<Option<Standing>>;

    /// All archives in it, whatever they are called, folder by folder, each by name.
    ///
    /// # Errors
    ///
    /// When a folder can't be read.
    fn shelves(&self) -> Result<Vec<Shelf>>;

    /// Opens an object. Any part of it can be read.
    ///
    /// # Errors
    ///
    /// [`Kind::Source`] when it can't be opened.
    fn open(&self, key: &Key) -> Result<Device>;

    /// Opens an archive and its sidecars, to verify it.
    ///
    /// # Errors
    ///
    /// As [`Store::open`], and when its publication was interrupted and can't be ended.
    fn open_archive(&self, archive: &Key) -> Result<Files>;

    /// A descriptor with the bytes of an object, for a worker, which can open nothing.
    ///
    /// # Errors
    ///
    /// [`Kind::Source`] when it can't be opened, with the system's error ([`Error::io`]), which
    /// says whether there is such an object.
    fn descriptor(&self, key: &Key) -> Result<File>;

    /// Begins an archive with its sidecars. Nobody sees anything of it before it is committed; when
    /// the draft is dropped, nothing of it is left.
    ///
    /// # Errors
    ///
    /// [`Kind::Exists`] when there is one of that name, [`Kind::Write`] when it can't be begun.
    fn create(&self, archive: &Key, algorithm: Algorithm) -> Result<Box<dyn Draft>>;

    /// Removes an archive and its sidecars; the archive goes first. No such archive is no error.
    ///
    /// # Errors
    ///
    /// [`Kind::Write`] when something can't be removed.
    fn remove_archive(&self, archive: &Key) -> Result<()>;

    /// Removes one object. No such object is no error.
    ///
    /// # Errors
    ///
    /// [`Kind::Write`] when it can't be removed.
    fn remove(&self, key: &Key) -> Result<()>;

    /// Removes what killed runs left in it. The rest stays, and the space that it takes shows where
    /// space is missing.
    fn remove_left_overs(&self);

    /// Locks it against other runs, until the lock is dropped.
    ///
    /// # Errors
    ///
    /// [`Kind::Exists`] when somebody else holds it, [`Kind::Write`] when it can't be locked.
    fn lock(&self) -> Result<Box<dyn Lock>>;

    /// Its space; `None` where nobody can tell.
    fn space(&self) -> Option<Space>;
}

/// What has a name in a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// An object of this many bytes.
    Object(u64),
    /// Something else, like a folder, or a link, which may lead to an object.
    Other,
}

/// An archive and a manifest that are being written.
pub trait Draft {
    /// The archive and the manifest, for the process that writes them.
    ///
    /// # Errors
    ///
    /// [`Kind::System`] when no more files can be open.
    fn files(&self) -> Result<(File, File)>;

    /// Adds the checksum file. All is written then, and lacks only its names.
    ///
    /// # Errors
    ///
    /// [`Kind::Write`] when something can't be written.
    fn seal(self: Box<Self>, digests: &Digests) -> Result<Box<dyn Sealed>>;
}

/// An archive with its sidecars that lacks only its names. It is gone when this is dropped.
pub trait Sealed {
    /// Gives all of them their names; the archive is there last.
    ///
    /// # Errors
    ///
    /// [`Kind::Write`] when something can't be named, [`Kind::Exists`] when somebody else was
    /// faster.
    fn commit(self: Box<Self>) -> Result<()>;
}

/// A store that no other run can lock.
pub trait Lock: fmt::Debug {}

/// Where archives go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// The folder, or the URL; each volume has a folder of its own in it.
    pub folder: PathBuf,
    /// Whether something must be mounted there.
    pub require_mount: bool,
    /// How much must be free there, before a run and before each volume.
    pub minimum_free: Option<Free>,
}

/// An amount of free space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Free {
    /// Percent of the filesystem.
    Percent(u8),
    /// Bytes.
    Bytes(u64),
}

/// The space of a store, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// All of it.
    pub total_bytes: u64,
    /// What this user may still use.
    pub free_bytes: u64,
}

/// A kind of store: the scheme of its URLs (`None` for a path), and what opens one.
struct StoreKind {
    scheme: Option<&'static str>,
    open: fn(&Destination) -> Box<dyn Store>,
}

const KINDS: [StoreKind; 1] =
    [StoreKind { scheme: None, open: |destination| Box::new(folder::FolderStore::new(destination)) }];

/// The store that a destination names. Nothing is looked at yet.
///
/// # Errors
///
/// [`Kind::Usage`] when its URL is of a scheme that has no kind of store.
pub fn open(destination: &Destination) -> Result<Box<dyn Store>> {
    let scheme = scheme(&destination.folder);
    match KINDS.iter().find(|kind| kind.scheme == scheme) {
        Some(kind) => Ok((kind.open)(destination)),
        None => {
            let message = format!(
                "archives can't go to {}:// (there is no such kind of store): name a folder",
                scheme.unwrap_or_default()
            );
            Err(Error::new(Kind::Usage, message).on(&destination.folder))
        }
    }
}

/// `s3` of `s3://bucket`.
fn scheme(address: &Path) -> Option<&str> {
    let (scheme, _) = address.to_str()?.split_once("://")?;
    let is_scheme = !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_scheme.then_some(scheme)
}

/// Checks that as much is free as the destination asks for.
///
/// # Errors
///
/// [`Kind::Write`] when there is less, or nobody can tell.
pub fn check_free(store: &dyn Store, wanted: Option<Free>) -> Result<()> {
    let Some(wanted) = wanted else { return Ok(()) };
    let refused = |message: String| Err(Error::new(Kind::Write, message).on(store.address().as_path()));
    let Some(space) = store.space() else {
        return refused("its filesystem does not tell how much is free".to_owned());
    };
    if is_enough(space, wanted) {
        return Ok(());
    }
    let percent =
        u128::from(space.free_bytes).saturating_mul(100).checked_div(space.total_bytes.into()).unwrap_or(0);
    let wanted = match wanted {
        Free::Percent(percent) => format!("{percent} %"),
        Free::Bytes(bytes) => Bytes(bytes).to_string(),
    };
    let free = Bytes(space.free_bytes);
    refused(format!(
        "{free} ({percent} %) are free, at least {wanted} must be: keep fewer archives (voltar prune), or \
         ask for less (minimum_free)"
    ))
}

fn is_enough(space: Space, wanted: Free) -> bool {
    match wanted {
        Free::Bytes(bytes) => space.free_bytes >= bytes,
        Free::Percent(percent) => {
            let (free, total) = (u128::from(space.free_bytes), u128::from(space.total_bytes));
            free.saturating_mul(100) >= total.saturating_mul(percent.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::folder::FolderStore;
    use super::*;

    #[test]
    fn free_space_is_held_against_what_is_asked_for() {
        let space = |total_bytes, free_bytes| Space { total_bytes, free_bytes };
        let cases = [
            (space(1000, 100), Free::Percent(10), true),
            (space(1000, 99), Free::Percent(10), false),
            (space(u64::MAX, u64::MAX), Free::Percent(100), true),
            (space(u64::MAX, u64::MAX - 1), Free::Percent(100), false),
            (space(0, 0), Free::Percent(10), true),
            (space(1000, 500), Free::Bytes(500), true),
            (space(1000, 499), Free::Bytes(500), false),
        ];
        for (space, wanted, enough) in cases {
            assert_eq!(is_enough(space, wanted), enough, "{space:?} {wanted:?}");
        }
    }

    #[test]
    fn too_little_free_space_is_said_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let store = FolderStore::at(folder.path());
        check_free(&store, None).unwrap();
        check_free(&store, Some(Free::Bytes(0))).unwrap();
        let error = check_free(&store, Some(Free::Bytes(u64::MAX))).unwrap_err();
        assert_eq!(error.kind(), Kind::Write);
        for part in [" are free, at least 15.9 EiB must be", "voltar prune"] {
            assert!(error.to_string().contains(part), "{error}");
        }
    }

    #[test]
    fn a_store_of_a_kind_that_is_not_there_is_refused_by_its_scheme() {
        let destination =
            |folder: &str| Destination { folder: folder.into(), require_mount: false, minimum_free: None };
        for scheme in ["s3", "swift"] {
            let error = open(&destination(&format!("{scheme}://bucket/backups"))).unwrap_err();
            assert_eq!(error.kind(), Kind::Usage);
            assert!(error.to_string().contains(&format!("{scheme}:// (there is no such kind")), "{error}");
        }
        for path in ["/BACKUPS", "a:b", "://x"] {
            open(&destination(path)).unwrap();
        }
    }
}
