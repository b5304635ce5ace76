//! Cleaning: removing the temporary files of processes that were killed.

use std::fs::File;
use std::io;

use rustix::fs::{Dir, FileType, FlockOperation, OFlags, Stat, flock, fstat};

use super::folder::{Folder, is_same};
use super::name::{Name, PART};
use super::shared::{is_shared, sweep};

/// The role of the file that stands in a folder while the files of its number get their names. It
/// keeps them from being removed.
pub(super) const RECORD: &str = "publishing";

/// Prefix of the roles that second names of existing files have.
const OLD: &str = "old-";

impl Folder {
    /// All names of ours in the folder.
    ///
    /// # Errors
    ///
    /// When the folder can't be listed.
    pub fn names(&self) -> io::Result<Vec<Name>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(self.as_fd())? {
            names.extend(Name::parse(entry?.file_name().to_bytes()));
        }
        Ok(names)
    }

    /// Removes temporary files that no process holds. A file must be ours by its name and its
    /// owner, a regular file without another name, and belong to no publication. All others stay,
    /// as does what can't be removed.
    ///
    /// Entries of an extraction that was killed go too, whoever owns them by now, if no extraction
    /// works in the folder.
    pub fn clean(&self) {
        let names = self.names().unwrap_or_default();
        if names.iter().any(|name| is_shared(name.role())) {
            sweep(self.as_fd());
            // A lock that was never got is given back without harm.
            let _ = flock(self.as_fd(), FlockOperation::Unlock);
        }
        for name in names {
            if name.role() != RECORD && is_removable_role(name.role()) {
                self.clean_one(&name);
            }
        }
    }

    /// `None` where the file stays.
    fn clean_one(&self, name: &Name) -> Option<()> {
        let text = name.to_string();
        let found = self.look(&text).ok()??;
        if !is_ours(&found) || (found.st_nlink != 1 && !name.role().starts_with(OLD)) {
            return None;
        }
        let held = self.hold(&text)?;
        let open = fstat(&held).ok()?;
        // Only now: a process that publishes made the record before it let go of the lock.
        let record = self.look(name.with_role(RECORD).to_string()).ok()?;
        if !is_same(&open, &found) || record.is_some() {
            return None;
        }
        self.remove(&text).ok()
    }

    /// Whether a regular file of this name is there that the user who runs this made.
    ///
    /// # Errors
    ///
    /// When that can't be found out.
    pub fn is_own(&self, name: &str) -> io::Result<bool> {
        Ok(self.look(name)?.is_some_and(|found| is_ours(&found)))
    }

    /// The file of this name with its lock; `None` where another process has it.
    #[must_use]
    pub fn hold(&self, name: &str) -> Option<File> {
        // Over NFS a file is locked by who may write to it.
        let file = self.open_file(name, OFlags::RDWR).or_else(|_| self.open_file(name, OFlags::RDONLY));
        let file = file.ok()?;
        flock(&file, FlockOperation::NonBlockingLockExclusive).ok()?;
        Some(file)
    }
}

/// Roles that are known here: a later version may have others, with other rules.
fn is_removable_role(role: &str) -> bool {
    role.starts_with(OLD) || [PART, "archive", "manifest", "checksum"].contains(&role)
}

fn is_ours(found: &Stat) -> bool {
    let is_file = FileType::from_raw_mode(found.st_mode) == FileType::RegularFile;
    is_file && found.st_uid == rustix::process::geteuid().as_raw()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn folder() -> (tempfile::TempDir, Folder) {
        let folder = tempfile::tempdir().unwrap();
        let open = Folder::open(folder.path()).unwrap();
        (folder, open)
    }

    #[test]
    fn a_file_that_nobody_holds_goes_and_everything_else_stays() {
        let (place, folder) = folder();
        let at = |name: &str| place.path().join(name);
        let left = Name::random().to_string();
        fs::write(at(&left), "left").unwrap();
        let mut held = folder.clone().with_names_only().make().unwrap();
        held.stage(&Name::random()).unwrap();
        let linked = Name::random().to_string();
        fs::write(at("elsewhere"), "").unwrap();
        fs::hard_link(at("elsewhere"), at(&linked)).unwrap();
        let link = Name::random().to_string();
        symlink(at("elsewhere"), at(&link)).unwrap();
        let directory = Name::random().to_string();
        fs::create_dir(at(&directory)).unwrap();
        let publication = Name::of_bytes(b"a.tar.zst", RECORD);
        fs::write(at(&publication.to_string()), "").unwrap();
        let published = publication.with_role("archive").to_string();
        fs::write(at(&published), "").unwrap();
        let foreign = [".a.tar.zst.voltar-abcdef.part", ".voltar-report-abcdef.part", "notes.part"];
        foreign.iter().for_each(|name| fs::write(at(name), "").unwrap());
        let before = fs::read_dir(place.path()).unwrap().count();
        folder.clean();
        assert!(!at(&left).exists());
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), before - 1);
        drop(held);
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), before - 2);
        fs::remove_file(at(&publication.to_string())).unwrap();
        folder.clean();
        assert!(!at(&published).exists());
    }

    #[test]
    fn no_file_of_another_process_is_taken_while_it_is_made() {
        let (_place, folder) = folder();
        let folder = folder.with_names_only();
        std::thread::scope(|scope| {
            let makers: Vec<_> = (0..8)
                .map(|_| {
                    let folder = folder.clone();
                    scope.spawn(move || {
                        for turn in 0..40 {
                            folder.clean();
                            let made = folder.make().unwrap();
                            let name = format!("{:?}-{turn}", std::thread::current().id());
                            made.place(name.as_ref(), super::super::Over::Nothing).unwrap();
                        }
                    })
                })
                .collect();
            makers.into_iter().for_each(|maker| maker.join().unwrap());
        });
        assert_eq!(folder.names().unwrap(), []);
        assert_eq!(Dir::read_from(folder.as_fd()).unwrap().count(), 2 + 8 * 40);
    }
}
