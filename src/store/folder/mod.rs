//! The destination: the folder that all archives go to, its space, its lock, and the names in it.

mod linked;
mod lock;
mod mount;

use std::fs;
use std::path::{Path, PathBuf};

use rustix::fs::statvfs;

pub use linked::volume_folder;
pub use lock::{Locked, check_folder};

use crate::archive;
use crate::error::{Error, Kind, Result};
use crate::units::Bytes;

/// Where archives go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// The folder; each volume has one of its own in it.
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

/// The space of a filesystem, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// All of it.
    pub total_bytes: u64,
    /// What this user may still use.
    pub free_bytes: u64,
}

/// The space of the filesystem that a folder is on; `None` where that can't be asked.
#[must_use]
pub fn space(folder: &Path) -> Option<Space> {
    let found = statvfs(folder).ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
    // Some filesystems in memory have no size.
    (found.f_blocks > 0)
        .then(|| Space { total_bytes: bytes(found.f_blocks), free_bytes: bytes(found.f_bavail) })
}

/// Removes temporary files that killed runs left in the folders of the destination: of volumes too that have no turn any more.
///
/// What can't be removed stays; the space that it takes is told where it is missed.
pub fn remove_left_overs(destination: &Destination) {
    let Ok(entries) = fs::read_dir(&destination.folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let folder = name.to_str().and_then(|name| volume_folder(&destination.folder, name).ok().flatten());
        if let Some(folder) = folder {
            archive::remove_left_overs(&folder);
        }
    }
}

/// Checks that as much is free as the plan asks for.
///
/// # Errors
///
/// [`Kind::Write`] when there is less, or nobody can tell.
pub fn check_free(destination: &Destination) -> Result<()> {
    let Some(wanted) = destination.minimum_free else { return Ok(()) };
    let folder = &destination.folder;
    let Some(space) = space(folder) else {
        return Err(Error::new(Kind::Write, "its filesystem does not tell how much is free").on(folder));
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
    let message = format!(
        "{free} ({percent} %) are free, at least {wanted} must be: keep fewer archives (voltar prune), or ask for less (minimum_free)"
    );
    Err(Error::new(Kind::Write, message).on(folder))
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
    use super::*;
    use crate::temporary::Name;

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
    fn what_killed_runs_left_goes_from_all_folders_and_nothing_else() {
        let destination = tempfile::tempdir().unwrap();
        let at = |name: &str| destination.path().join(name);
        let left = [&*Name::random().to_string(), ".web_x.tar.zst.voltar-aaaaaa.part", ".hidden"];
        fs::create_dir(at("web")).unwrap();
        left.iter().for_each(|name| fs::write(at("web").join(name), "").unwrap());
        let held = at("web").join(Name::random().to_string());
        let file = fs::File::create(&held).unwrap();
        file.lock().unwrap();
        remove_left_overs(&Destination {
            folder: destination.path().to_path_buf(),
            require_mount: false,
            minimum_free: None,
        });
        let there = left.map(|name| at("web").join(name).exists());
        assert_eq!((there, held.exists()), ([false, true, true], true));
    }

    #[test]
    fn too_little_free_space_is_said_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let destination = |minimum_free| Destination {
            folder: folder.path().to_path_buf(),
            require_mount: false,
            minimum_free,
        };
        check_free(&destination(None)).unwrap();
        check_free(&destination(Some(Free::Bytes(0)))).unwrap();
        let error = check_free(&destination(Some(Free::Bytes(u64::MAX)))).unwrap_err();
        assert_eq!(error.kind(), Kind::Write);
        for part in [" are free, at least 15.9 EiB must be", "voltar prune"] {
            assert!(error.to_string().contains(part), "{error}");
        }
    }
}
