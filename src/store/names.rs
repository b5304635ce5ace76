//! Names in a destination: `VOLUME/VOLUME_YYYY-MM-DDTHHMMSSZ.tar.zst`.
//!
//! A file that is not named exactly like this belongs to somebody else: it is never listed, and never removed.

use std::path::{Path, PathBuf};

use crate::archive::{Algorithm, ArchiveFiles, Compression};
use crate::calendar::{parse_stamp, stamp};
use crate::snapshot::VolumeName;

/// Longest name of a folder in bytes. With time and endings it stays under the 255 that a name may
/// have.
const MOST_NAME_LEN: usize = 150;
/// Bytes of a name that is too long which are kept, before a digest of all of it.
const KEPT_LEN: usize = 120;
const DIGEST_LEN: usize = 16;

/// Ends of image files' names, which the names of folders and archives do not keep.
pub const IMAGE_ENDINGS: [&str; 2] = [".img", ".raw"];

/// What stands between the volume's name and the time.
const SEPARATOR: &str = "_";

/// A file whose name is an archive's or a sidecar's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// When the archive was begun, in seconds since 1970.
    pub taken: i64,
    /// How it is compressed.
    pub compression: Compression,
    /// The archive's own name, which a sidecar's begins with.
    pub archive: String,
    /// Whether it is the archive itself.
    pub is_archive: bool,
}

/// The folder of a volume's archives: the name of a logical volume (`GROUP/VOLUME`), or of an image or device (`/…/NAME.img`),
/// without its path.
///
/// Letters, digits and `+ - . _ @ = , :` stay; other bytes become `%` and two hexadecimal digits, so that what is different stays
/// different. A dot at the beginning is escaped too: nothing is hidden, and nothing leads out of the destination.
///
/// A group that is named by its UUID stays in the name of the folder: another group of the same
/// name may have a volume of the same name.
#[must_use]
pub fn folder_of(name: &str) -> String {
    if let Some((group, volume)) = name.split_once('/').filter(|(group, _)| VolumeName::is_uuid(group)) {
        return folder_of(&format!("{group}-{volume}"));
    }
    let is_path = name.starts_with(['/', '.']);
    let mut last = name.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    if is_path {
        let stem = IMAGE_ENDINGS.iter().find_map(|ending| last.strip_suffix(ending));
        last = stem.filter(|stem| !stem.is_empty()).unwrap_or(last);
    }
    let mut folder = String::new();
    for character in last.chars() {
        let is_plain = character.is_alphanumeric() || "+-._@=,:".contains(character);
        if is_plain && !(folder.is_empty() && character == '.') {
            folder.push(character);
        } else {
            let mut bytes = [0; 4];
            let bytes = character.encode_utf8(&mut bytes).bytes();
            bytes.for_each(|byte| folder.push_str(&format!("%{byte:02x}")));
        }
    }
    if folder.is_empty() {
        return "disk".to_owned();
    }
    if folder.len() > MOST_NAME_LEN {
        let kept = (0..=KEPT_LEN).rfind(|len| folder.is_char_boundary(*len)).unwrap_or(0);
        let mut hasher = Algorithm::Blake3.hasher();
        hasher.update(folder.as_bytes());
        let digest = hasher.finish().to_string();
        folder.truncate(kept);
        folder.push('%');
        folder.extend(digest.chars().take(DIGEST_LEN));
    }
    folder
}

/// Where an archive of a volume goes: `destination/FOLDER/FOLDER_TIME.tar.zst`; `folder` is what [`folder_of`] gives.
#[must_use]
pub fn archive_path(destination: &Path, folder: &str, started: i64, compression: Compression) -> PathBuf {
    let name = format!("{folder}{SEPARATOR}{}{}", stamp(started), compression.ending());
    destination.join(folder).join(name)
}

/// What a file's name in a volume's folder says; `None` where it is not one that this program gives.
#[must_use]
pub fn parse_name(folder: &str, name: &str) -> Option<Named> {
    let rest = name.strip_prefix(folder)?.strip_prefix(SEPARATOR)?;
    let (time, ending) = rest.split_at_checked(rest.find('Z')?.checked_add(1)?)?;
    let taken = parse_stamp(time)?;
    // `.tar` is the beginning of the other two, so it comes last.
    let (compression, sidecar) = [Compression::Zstd, Compression::Gzip, Compression::None]
        .into_iter()
        .find_map(|compression| Some((compression, ending.strip_prefix(compression.ending())?)))?;
    let is_archive = sidecar.is_empty();
    if !is_archive && !is_sidecar(sidecar) {
        return None;
    }
    let archive = name.strip_suffix(sidecar)?.to_owned();
    Some(Named { taken, compression, archive, is_archive })
}

/// All sidecars that an archive may have; the manifest is the first.
pub(super) fn sidecars(archive: &Path) -> [PathBuf; 4] {
    let checksum = |algorithm| ArchiveFiles::new(archive, algorithm).checksum;
    let ArchiveFiles { manifest, checksum: sha1, .. } = ArchiveFiles::new(archive, Algorithm::Sha1);
    [manifest, sha1, checksum(Algorithm::Sha256), checksum(Algorithm::Blake3)]
}

fn is_sidecar(ending: &str) -> bool {
    sidecars(Path::new("")).iter().any(|sidecar| sidecar.as_os_str() == ending)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn folders_are_named_after_their_volume() {
        let cases = [
            ("cinder-volumes/volume-00000001", "volume-00000001"),
            ("vg0/root.img", "root.img"),
            ("fN1MKB-5w8x-2zDM-cDMd-UcI0-r1uu-VZ4S31/root", "fN1MKB-5w8x-2zDM-cDMd-UcI0-r1uu-VZ4S31-root"),
            ("/srv/images/guest.img", "guest"),
            ("/srv/images/guest.raw", "guest"),
            ("./guest.img", "guest"),
            ("/srv/.img", "%2eimg"),
            ("/dev/vg0/web1", "web1"),
            ("/dev/vg0/web1/", "web1"),
            ("web1", "web1"),
            ("/", "disk"),
            ("", "disk"),
            ("/srv/..", "%2e."),
            ("/srv/.", "%2e"),
            ("/srv/100% ours.img", "100%25%20ours"),
            ("/srv/\u{1b}[2J\n", "%1b%5b2J%0a"),
            ("/srv/a\\b", "a%5cb"),
            ("/srv/gr\u{fc}n\u{202e}gpj.img", "gr\u{fc}n%e2%80%aegpj"),
            ("/srv/-rf", "-rf"),
        ];
        for (name, folder) in cases {
            assert_eq!(folder_of(name), folder, "{name:?}");
        }
    }

    #[test]
    fn long_names_are_cut_and_stay_different() {
        let long = |last: &str| folder_of(&format!("/srv/{}{last}", "\u{e9}".repeat(200)));
        assert_ne!(long("a"), long("b"));
        assert!(long("a").len() <= MOST_NAME_LEN);
        let name = archive_path(Path::new("/B"), &long("a"), 0, Compression::Zstd);
        let target = ArchiveFiles::new(&name, Algorithm::Sha1);
        // As publishing names it before it is whole.
        assert!(target.manifest.file_name().unwrap().len() < 255);
    }

    #[test]
    fn an_archive_lies_in_its_volumes_folder_under_its_time() {
        let path = archive_path(Path::new("/BACKUPS"), "web1", 1_778_288_523, Compression::Zstd);
        assert_eq!(path, Path::new("/BACKUPS/web1/web1_2026-05-09T010203Z.tar.zst"));
    }

    #[test]
    fn only_names_as_we_give_them_are_ours() {
        let ours = [
            ("web1_2026-05-09T010203Z.tar.zst", true),
            ("web1_2026-05-09T010203Z.tar.gz", true),
            ("web1_2026-05-09T010203Z.tar", true),
            ("web1_2026-05-09T010203Z.tar.zst.sha1", false),
            ("web1_2026-05-09T010203Z.tar.gz.blake3", false),
            ("web1_2026-05-09T010203Z.tar.manifest.jsonl.zst", false),
        ];
        for (name, is_archive) in ours {
            let named = parse_name("web1", name).unwrap_or_else(|| panic!("{name}"));
            assert_eq!((named.taken, named.is_archive), (1_778_288_523, is_archive), "{name}");
            assert!(name.starts_with(&named.archive) && named.archive.contains(".tar"), "{name}");
        }
        let others = [
            "web1_2026-05-09T010203Z.tar.xz",
            "web1_2026-05-09T010203Z.tgz",
            "web1_2026-05-09T010203Z.TAR.ZST",
            "web1_2026-05-09T010203Z.tar.zst.old",
            "web1_2026-05-09T010203Z.tar.zst.sha1.sha1",
            "web1_2026-05-09T010203Z",
            "web1_2026-05-09.tar.zst",
            "web1_2026-02-30T010203Z.tar.zst",
            "web1-2026-05-09T010203Z.tar.zst",
            "web2_2026-05-09T010203Z.tar.zst",
            "xweb1_2026-05-09T010203Z.tar.zst",
            ".web1_2026-05-09T010203Z.tar.zst.voltar-abcdef.part",
            "web1_2026-05-09T010203Z.tar.zst.sha1/",
            "web1_",
            "web1",
            "",
        ];
        for name in others {
            assert_eq!(parse_name("web1", name), None, "{name}");
        }
        // A volume whose name begins like another's.
        assert_eq!(parse_name("web1", "web1_2_2026-05-09T010203Z.tar.zst"), None);
        assert!(parse_name("web1_2", "web1_2_2026-05-09T010203Z.tar.zst").is_some());
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn whatever_a_volume_is_called_its_archives_are_found_again(
            name in any::<String>(),
            started in 0_i64..253_402_300_800,
            compression in prop::sample::select(Compression::ALL.to_vec()),
        ) {
            let folder = folder_of(&name);
            prop_assert!(!folder.contains('/') && !folder.starts_with('.') && !folder.is_empty());
            prop_assert!(!folder.chars().any(char::is_control));
            let path = archive_path(Path::new("/B"), &folder, started, compression);
            prop_assert_eq!(path.parent().unwrap(), Path::new("/B").join(&folder));
            let named = parse_name(&folder, path.file_name().unwrap().to_str().unwrap()).unwrap();
            prop_assert_eq!((named.taken, named.compression, named.is_archive), (started, compression, true));
        }
    }
}
