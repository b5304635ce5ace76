//! The files that an image names: backing files, data files, extents.
//!
//! Whoever made the image chose these names, so a name is a lie until checked: each file has to lie
//! below the image's own folder, or below one that the user allowed.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::fd::AsRawFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, openat};

use crate::device::open::{Io, Opened, open_called};
use crate::error::{Error, Kind, Result};
use crate::printable::Printable;

/// Most files that one image is made of: a disk of 2 TiB in pieces of 2 GiB has 1,024.
const MOST_FILES: usize = 4096;

/// Most images on top of each other.
const MOST_DEEP: usize = 64;

/// Opens the files of an image, each below a folder that is allowed.
pub(super) struct Files {
    allowed: Vec<PathBuf>,
    io: Io,
    opened: usize,
    /// Device and inode of each image from the top one down to the one that is being opened.
    chain: Vec<(u64, u64)>,
}

impl Files {
    /// For the image at `image`, with further folders that files may lie in.
    pub(super) fn new(image: &Path, allowed: &[PathBuf], io: Io) -> Self {
        let own = match image.parent() {
            Some(folder) if folder.as_os_str().is_empty() => Path::new("."),
            Some(folder) => folder,
            None => Path::new("/"),
        };
        let allowed = std::iter::once(own).chain(allowed.iter().map(PathBuf::as_path));
        let allowed = allowed.map(Path::to_path_buf).collect();
        Self { allowed, io, opened: 0, chain: Vec::new() }
    }

    /// Whether the file that is really at `real` lies below an allowed folder.
    fn is_allowed(&self, real: &Path) -> Result<bool> {
        for folder in &self.allowed {
            let folder =
                fs::canonicalize(folder).map_err(|source| Error::new(Kind::Source, source).on(folder))?;
            if real.starts_with(folder) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Opens the file that the image at `from` names. Gives its path, and the device.
    ///
    /// # Errors
    ///
    /// [`Kind::Source`] when it can't be opened, or lies elsewhere.
    pub(super) fn open(&mut self, from: &Path, name: &[u8]) -> Result<(PathBuf, Opened)> {
        let shown = Printable(name).to_string();
        let refuse = |why: &str| Error::new(Kind::Source, format!("names {shown}, {why}")).on(from);
        let name = name.strip_prefix(b"file:").unwrap_or(name);
        let first = name.split(|byte| *byte == b'/').next().unwrap_or_default();
        if first.contains(&b':') {
            return Err(refuse("which is no file of this host"));
        }
        if name.is_empty() || name.contains(&0) {
            return Err(refuse("which can't be the name of a file"));
        }
        self.opened = self.opened.saturating_add(1);
        if self.opened > MOST_FILES {
            return Err(refuse(&format!("and is made of more than {MOST_FILES} files")));
        }
        let path = from.parent().unwrap_or(Path::new("")).join(OsStr::from_bytes(name));
        let (place, real) =
            locate(&path).map_err(|source| refuse(&format!("which can't be opened: {source}")))?;
        if !self.is_allowed(&real)? {
            let folder = real.parent().unwrap_or(Path::new("/"));
            let folder = Printable::path(folder);
            return Err(refuse(&format!(
                "which lies outside the image's folder; if the image can be trusted: --allow-below {folder}"
            )));
        }
        // Opening through the descriptor leads to the file that was looked at, whatever its name
        // is by now.
        let file = open_called(&through(&place), self.io, &path)
            .map_err(|error| refuse(&format!("which {}", error.cause())))?;
        Ok((path, file))
    }

    /// Enters an image, to open what it names; [`Files::leave`] is its end.
    ///
    /// # Errors
    ///
    /// [`Kind::Corrupt`] when the image is made of itself, or of too many on top of each other.
    pub(super) fn enter(&mut self, path: &Path) -> Result<()> {
        let found = fs::metadata(path).map_err(|source| Error::new(Kind::Source, source).on(path))?;
        let identity = (found.dev(), found.ino());
        if self.chain.contains(&identity) {
            return Err(Error::corrupt("is its own backing file").on(path));
        }
        if self.chain.len() >= MOST_DEEP {
            let message = format!("more than {MOST_DEEP} images lie on top of each other");
            return Err(Error::new(Kind::Limit, message).on(path));
        }
        self.chain.push(identity);
        Ok(())
    }

    /// Leaves the image that was entered last.
    pub(super) fn leave(&mut self) {
        self.chain.pop();
    }

    /// Files opened so far.
    pub(super) fn opened(&self) -> usize {
        self.opened
    }
}

/// Finds where a file really lies, without opening it: to open a device can have consequences.
fn locate(path: &Path) -> std::io::Result<(File, PathBuf)> {
    let file = File::from(openat(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?);
    let real = fs::read_link(through(&file))?;
    Ok((file, real))
}

fn through(file: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_below_an_allowed_folder_are_opened() {
        let top = tempfile::tempdir().unwrap();
        let at = |name: &str| top.path().join(name);
        for folder in ["images/sub", "bases", "images-too"] {
            fs::create_dir_all(at(folder)).unwrap();
        }
        for file in ["images/base.raw", "images/sub/base.raw", "bases/base.raw", "images-too/base.raw"] {
            fs::write(at(file), "content").unwrap();
        }
        std::os::unix::fs::symlink(at("bases/base.raw"), at("images/out.raw")).unwrap();
        std::os::unix::fs::symlink("sub/base.raw", at("images/in.raw")).unwrap();
        let absolute = at("bases/base.raw").display().to_string();
        let cases: [(&str, &[&str], Option<&str>); 14] = [
            ("base.raw", &[], None),
            ("./sub/../base.raw", &[], None),
            ("file:base.raw", &[], None),
            ("in.raw", &[], None),
            ("out.raw", &[], Some("lies outside")),
            ("out.raw", &["bases"], None),
            ("../bases/base.raw", &[], Some("lies outside")),
            ("../bases/base.raw", &["bases"], None),
            ("../images-too/base.raw", &[], Some("lies outside")),
            (&absolute, &[], Some("--allow-below")),
            (&absolute, &["bases"], None),
            ("nbd://host/disk", &["bases"], Some("no file of this host")),
            ("absent.raw", &[], Some("can't be opened: No such file")),
            ("sub", &[], Some("is a directory")),
        ];
        for (name, allowed, refused) in cases {
            let allowed: Vec<PathBuf> = allowed.iter().map(|folder| at(folder)).collect();
            let image = at("images/top.qcow2");
            let mut files = Files::new(&image, &allowed, Io::Pread);
            match (files.open(&image, name.as_bytes()), refused) {
                (Ok((_, file)), None) => assert_eq!(file.device.len_bytes(), 7, "{name}"),
                (Err(error), Some(words)) => assert!(error.to_string().contains(words), "{name}: {error}"),
                (Ok(_), Some(_)) => panic!("{name} was opened"),
                (Err(error), None) => panic!("{name}: {error}"),
            }
        }
    }
}
