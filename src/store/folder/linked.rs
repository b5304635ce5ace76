//! A volume's folder, which may be a link: somebody moved a volume's archives to another disk.
//!
//! A link is followed everywhere, or refused everywhere. It is followed where root or the user who
//! runs this made it. Another user who may write to the destination could otherwise have archives
//! removed in any folder.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::error::{Error, Kind, Result};

/// The folder of a volume's archives; `None` when it does not exist, or a file has its name.
///
/// # Errors
///
/// [`Kind::Write`] when it is a link that leads to nothing, or that another user made; when it
/// can't be looked at.
pub fn volume_folder(destination: &Path, volume: &str) -> Result<Option<PathBuf>> {
    let path = destination.join(volume);
    let refused = |source: io::Error| Error::new(Kind::Write, source).on(&path);
    let found = match fs::symlink_metadata(&path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(refused(source)),
    };
    if !found.is_symlink() {
        return Ok(found.is_dir().then_some(path));
    }
    if ![0, rustix::process::geteuid().as_raw()].contains(&found.uid()) {
        let message = format!(
            "is a link that user {} made: only links of root, and of the user who runs this, are followed. Make \
             it anew as one of them",
            found.uid()
        );
        return Err(Error::new(Kind::Write, message).on(&path));
    }
    match fs::metadata(&path) {
        Ok(behind) => Ok(behind.is_dir().then_some(path)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let message = "is a link that leads to nothing: mount what it leads to, or remove it";
            Err(Error::new(Kind::Write, message).on(&path))
        }
        Err(source) => Err(refused(source)),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{lchown, symlink};

    use super::*;

    #[test]
    fn a_link_to_a_folder_is_followed_if_a_trusted_user_made_it() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        fs::create_dir(at("folder")).unwrap();
        fs::write(at("file"), "").unwrap();
        symlink("folder", at("link")).unwrap();
        symlink("file", at("to-file")).unwrap();
        symlink("absent", at("dangling")).unwrap();
        symlink("circle", at("circle")).unwrap();
        let found = |name: &str| volume_folder(place.path(), name).map_err(|error| error.to_string());
        for (name, expected) in [("folder", true), ("link", true), ("file", false), ("to-file", false)] {
            assert_eq!(found(name), Ok(expected.then(|| at(name))), "{name}");
        }
        assert_eq!(found("absent"), Ok(None));
        assert!(found("dangling").unwrap_err().contains("leads to nothing"));
        assert!(found("circle").is_err());
        if rustix::process::geteuid().is_root() {
            lchown(at("link"), Some(65_534), None).unwrap();
            assert!(found("link").unwrap_err().contains("user 65534 made"));
        }
    }
}
