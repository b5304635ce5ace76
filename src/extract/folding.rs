//! Directories in which one name stands for others: those that differ in case, or in what a
//! filesystem takes away from names.
//!
//! There a name that can be opened may be that of another file. So such directories know all names
//! in them, as they are listed, and a file that would replace one of another name is not made.

use std::collections::HashSet;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use rustix::fs::Dir;

use super::deferred::identity;
use super::directory::Directory;
use super::run::{Run, stat_at};
use crate::error::{Error, Kind, Result};
use crate::printable::Printable;

/// The names in a directory that folds them; `None` in one that does not.
#[derive(Debug, Default)]
pub(super) struct Folding(OnceLock<Option<Mutex<Names>>>);

/// Names in a directory.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// All that were there, and were made.
    known: HashSet<Vec<u8>>,
    /// Those that were made by this run.
    made: Vec<Vec<u8>>,
}

impl Names {
    /// Checks that a name, which can be found, is that of the file which was found.
    ///
    /// # Errors
    ///
    /// When the name is that of another file here.
    pub(super) fn check(&self, name: &[u8]) -> Result<()> {
        if self.known.contains(name) { Ok(()) } else { Err(same_as_another()) }
    }

    /// Takes on a name that was made.
    pub(super) fn made(&mut self, name: &[u8]) {
        self.known.insert(name.to_vec());
        self.made.push(name.to_vec());
    }
}

/// The error of a name that stands for another file in its directory.
fn same_as_another() -> Error {
    let message = "not extracted: this filesystem takes its name and that of another file here for the same \
                   name (it folds case, or changes names); extract to another filesystem, or this file to \
                   another directory";
    Error::new(Kind::Unsupported, message)
}

impl Directory {
    /// The names in it, where it folds names. `there` is the name of something that is there.
    pub(super) fn names(&self, there: &[u8]) -> Option<MutexGuard<'_, Names>> {
        if self.folding.0.get().is_none() {
            let swapped = swapped(there);
            if swapped == there {
                // Nothing can be told by a name without letters.
                return None;
            }
            let found = |name: &[u8]| stat_at(&self.file, name).map(|stat| identity(&stat));
            let folds = found(there).is_ok_and(|own| found(&swapped) == Ok(own));
            let _ = self.folding.0.get_or_init(|| folds.then(|| Mutex::new(listed(self.file.as_fd()))));
        }
        let names = self.folding.0.get()?.as_ref()?;
        Some(names.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Run<'_> {
    /// Looks whether what was made in a directory that folds names is listed under its names.
    pub(super) fn check_names(&self, directory: &Directory) {
        let Some(Some(names)) = directory.folding.0.get() else { return };
        let names = names.lock().unwrap_or_else(PoisonError::into_inner);
        let listed = listed(directory.file.as_fd());
        for name in names.made.iter().filter(|name| !listed.known.contains(*name)) {
            let path = match directory.path().as_slice() {
                [] => name.clone(),
                folder => [folder, b"/", name].concat(),
            };
            let message = format!(
                "extracted, but under another name than {}: this filesystem does not take all of it",
                Printable(name)
            );
            self.issue(Some(&path), Error::new(Kind::Unsupported, message));
        }
    }
}

/// The names that are listed in a directory.
fn listed(directory: BorrowedFd<'_>) -> Names {
    let entries = Dir::read_from(directory).into_iter().flatten().flatten();
    Names { known: entries.map(|entry| entry.file_name().to_bytes().to_vec()).collect(), made: Vec::new() }
}

/// A name with capitals for small letters, and small letters for capitals.
fn swapped(name: &[u8]) -> Vec<u8> {
    let swap = |byte: &u8| match byte {
        b'a'..=b'z' => byte.to_ascii_uppercase(),
        byte => byte.to_ascii_lowercase(),
    };
    name.iter().map(swap).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_is_swapped_letter_by_letter() {
        assert_eq!(swapped(b".voltar-1aF-README"), b".VOLTAR-1Af-readme");
        assert_eq!(swapped(b"2026-11-30 \xc3\xa9"), b"2026-11-30 \xc3\xa9");
    }

    #[test]
    fn a_name_is_that_of_the_file_under_it_or_of_another() {
        let mut names = Names::default();
        names.made(b"README");
        assert!(names.check(b"README").is_ok());
        assert!(names.check(b"readme").unwrap_err().to_string().contains("for the same name"));
    }
}
