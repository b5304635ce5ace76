//! The name of a logical volume within its group, and what LVM allows there.
//!
//! Rules: lvm(8), "Valid names". A name that keeps them is never taken for an option, and never for a path.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Kind, Result};
use crate::printable::Printable;

/// Most characters of a name, and of the two names that the device mapper joins (`DM_NAME_LEN` without its NUL).
pub(super) const MOST_CHARACTERS: usize = 127;

/// A logical volume within its group: `cinder-volumes/volume-00000001`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VolumeName {
    /// The volume group.
    pub group: String,
    /// The logical volume.
    pub volume: String,
}

impl fmt::Display for VolumeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.group, self.volume)
    }
}

impl VolumeName {
    /// Names a volume.
    ///
    /// # Errors
    ///
    /// [`Kind::Usage`] when a name breaks LVM's rules.
    pub fn new(group: &str, volume: &str) -> Result<Self> {
        check(group, "volume group")?;
        check(volume, "logical volume")?;
        Ok(Self { group: group.to_owned(), volume: volume.to_owned() })
    }

    /// Reads `VG/LV`, `/dev/VG/LV` or `/dev/mapper/VG-LV`, in which hyphens of the names are doubled.
    ///
    /// # Errors
    ///
    /// [`Kind::Usage`] when it is none of these, or a name breaks LVM's rules.
    pub fn parse(text: &str) -> Result<Self> {
        let parts = match text.strip_prefix("/dev/mapper/") {
            Some(joined) => split(joined),
            None => {
                let path = text.strip_prefix("/dev/").unwrap_or(text);
                path.split_once('/').map(|(group, volume)| (group.to_owned(), volume.to_owned()))
            }
        };
        let (group, volume) = parts.ok_or_else(|| {
            let shown = Printable(text.as_bytes());
            usage(format!(
                "{shown}: not the name of a logical volume: give GROUP/VOLUME, or its path in /dev"
            ))
        })?;
        Self::new(&group, &volume)
    }

    /// Checks a volume group's name.
    ///
    /// # Errors
    ///
    /// [`Kind::Usage`] when it breaks LVM's rules.
    pub fn check_group(group: &str) -> Result<()> {
        check(group, "volume group")
    }

    /// Whether a group is named by its UUID, as LVM writes one: seven runs of letters and digits,
    /// and hyphens between.
    ///
    /// A name may look like this, too; nobody gives such a one.
    #[must_use]
    pub fn is_uuid(group: &str) -> bool {
        const LENGTHS: [usize; 7] = [6, 4, 4, 4, 4, 4, 6];
        let parts: Vec<&str> = group.split('-').collect();
        let is_part = |part: &&str| part.chars().all(|character| character.is_ascii_alphanumeric());
        parts.iter().all(is_part) && parts.iter().map(|part| part.len()).eq(LENGTHS)
    }

    /// The path of the block device below `folder`, which is `/dev`.
    pub(super) fn device(&self, folder: &Path) -> PathBuf {
        folder.join(&self.group).join(&self.volume)
    }

    /// How many characters the device mapper's name for it has: each hyphen counts twice, and one joins the two.
    pub(super) fn mapper_len(&self) -> usize {
        let len = |name: &str| name.len().saturating_add(name.matches('-').count());
        len(&self.group).saturating_add(len(&self.volume)).saturating_add(1)
    }
}

fn check(name: &str, what: &str) -> Result<()> {
    let refuse =
        |why: &str| Err(usage(format!("{}: not the name of a {what}: {why}", Printable(name.as_bytes()))));
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '_' | '.' | '-');
    match name {
        "" => refuse("it is empty"),
        "." | ".." => refuse("that is a folder"),
        name if name.starts_with('-') => refuse("no name starts with a hyphen"),
        name if !name.chars().all(is_allowed) => refuse("LVM allows letters, digits and + _ . - there"),
        name if name.len() > MOST_CHARACTERS => refuse("it has more than 127 characters"),
        _ => Ok(()),
    }
}

fn usage(message: String) -> Error {
    Error::new(Kind::Usage, message)
}

/// Splits the device mapper's name: hyphens come in pairs, but for the one between the two names.
///
/// A volume's name starts with no hyphen, so of an odd run the last one separates.
fn split(joined: &str) -> Option<(String, String)> {
    let mut names = vec![String::new()];
    let mut characters = joined.chars().peekable();
    while let Some(character) = characters.next() {
        let is_pair = character == '-' && characters.next_if_eq(&'-').is_some();
        match character == '-' && !is_pair {
            true => names.push(String::new()),
            false => names.last_mut()?.push(character),
        }
    }
    match <[String; 2]>::try_from(names) {
        Ok([group, volume]) => Some((group, volume)),
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_is_named_by_its_group_or_by_its_device() {
        let cases = [
            ("cinder-volumes/volume-00000001", "cinder-volumes/volume-00000001"),
            ("/dev/cinder-volumes/volume-00000001", "cinder-volumes/volume-00000001"),
            ("/dev/mapper/cinder--volumes-volume--00000001", "cinder-volumes/volume-00000001"),
            ("/dev/mapper/vg---root", "vg-/root"),
            ("/dev/mapper/a-b", "a/b"),
            ("g+_.1/v+_.1", "g+_.1/v+_.1"),
        ];
        for (text, name) in cases {
            assert_eq!(VolumeName::parse(text).unwrap().to_string(), name, "{text}");
        }
    }

    #[test]
    fn what_lvm_does_not_allow_is_refused_and_said() {
        let long = format!("vg/{}", "x".repeat(128));
        let cases = [
            ("volume", "give GROUP/VOLUME"),
            ("", "give GROUP/VOLUME"),
            ("vg/", "it is empty"),
            ("/vg", "it is empty"),
            ("vg/a/b", "letters, digits"),
            ("-vg/lv", "hyphen"),
            ("vg/--yes", "hyphen"),
            ("vg/..", "folder"),
            ("./lv", "folder"),
            ("vg/a b", "letters, digits"),
            ("vg/a;reboot", "letters, digits"),
            ("vg/[pool_tdata]", "letters, digits"),
            ("vg/\u{e4}", "letters, digits"),
            ("@voltar/lv", "letters, digits"),
            ("/dev/mapper/vg--lv", "give GROUP/VOLUME"),
            ("/dev/mapper/vg-lv-cow", "give GROUP/VOLUME"),
            (&long, "127"),
        ];
        for (text, why) in cases {
            let error = VolumeName::parse(text).expect_err(text);
            assert_eq!(error.kind(), Kind::Usage, "{text}");
            assert!(error.to_string().contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn a_groups_uuid_is_told_from_its_name() {
        let cases = [
            ("fN1MKB-5w8x-2zDM-cDMd-UcI0-r1uu-VZ4S31", true),
            ("fN1MKB-5w8x-2zDM-cDMd-UcI0-r1uu-VZ4S3", false),
            ("fN1MKB-5w8x-2zDM-cDMd-UcI0-r1uu-VZ4S31-", false),
            ("fN1MKB-5w8x-2zDM-cDMd-UcI0-r1u_-VZ4S31", false),
            ("8c7c3fdd-9f4a-4d94-a1c1-57a0b8cf1f43", false),
            ("cinder-volumes", false),
            ("", false),
        ];
        for (group, is_uuid) in cases {
            assert_eq!(VolumeName::is_uuid(group), is_uuid, "{group}");
        }
    }

    #[test]
    fn the_device_mappers_name_counts_hyphens_twice() {
        let name = VolumeName::new("cinder-volumes", "volume-1").unwrap();
        assert_eq!(name.mapper_len(), "cinder--volumes-volume--1".len());
    }
}
