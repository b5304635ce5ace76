//! Names in a destination: `VOLUME/VOLUME_YYYY-MM-DDTHHMMSSZ.tar.zst`.
//!
//! A file that is not named exactly like this belongs to somebody else: it is never listed, and never removed.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Component, Path, PathBuf};

use crate::archive::{Algorithm, ArchiveFiles, Compression};
use crate::calendar::{parse_stamp, stamp};
use crate::printable::Printable;
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

/// The name of an object in a store: a relative path that leads nowhere else.
///
/// Archives, their manifests and checksum files get their names here, and nowhere else.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(PathBuf);

impl Key {
    /// Checks a name; `None` for an empty one, and for one that may lead out of the store.
    #[must_use]
    pub fn new(name: impl Into<PathBuf>) -> Option<Self> {
        let name = name.into();
        let mut parts = name.components().peekable();
        let is_inside = parts.peek().is_some() && parts.all(|part| matches!(part, Component::Normal(_)));
        is_inside.then_some(Self(name))
    }

    /// The name of an archive; `folder` is the name that [`folder_of`] gives.
    #[must_use]
    pub fn of_archive(folder: &str, started: i64, compression: Compression) -> Self {
        let name = format!("{folder}{SEPARATOR}{}{}", stamp(started), compression.ending());
        Self(Path::new(folder).join(name))
    }

    /// The name of an object in the same folder.
    #[must_use]
    pub fn beside(&self, name: &str) -> Option<Self> {
        Self::new(self.0.with_file_name(name))
    }

    /// The folder that the object is in; empty for one that is in none.
    #[must_use]
    pub fn folder(&self) -> String {
        self.0.parent().unwrap_or(Path::new("")).to_string_lossy().into_owned()
    }

    /// The name without its folder.
    #[must_use]
    pub fn file_name(&self) -> &OsStr {
        self.0.file_name().unwrap_or_default()
    }

    /// The name as a path below the folder of a store.
    #[must_use]
    pub fn as_path(&self) -> &Path {
        &self.0
    }

    /// The manifest of the archive of this name.
    #[must_use]
    pub fn manifest(&self) -> Self {
        Self(ArchiveFiles::new(&self.0, Algorithm::default()).manifest)
    }

    /// The checksum file of the archive of this name.
    #[must_use]
    pub fn checksum(&self, algorithm: Algorithm) -> Self {
        Self(ArchiveFiles::new(&self.0, algorithm).checksum)
    }

    /// All sidecars that an archive may have; the manifest is the first.
    #[must_use]
    pub fn sidecars(&self) -> [Self; 4] {
        let [sha1, sha256, blake3] = Algorithm::ALL.map(|algorithm| self.checksum(algorithm));
        [self.manifest(), sha1, sha256, blake3]
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Printable::path(&self.0))
    }
}

impl Named {
    /// Reads the name of a file in a volume's folder; `None` where this program gives no such name.
    #[must_use]
    pub fn parse(folder: &str, name: &str) -> Option<Self> {
        let rest = name.strip_prefix(folder)?.strip_prefix(SEPARATOR)?;
        let (time, ending) = rest.split_at_checked(rest.find('Z')?.checked_add(1)?)?;
        let taken = parse_stamp(time)?;
        // `.tar` is the beginning of the other two, so it comes last.
        let (compression, sidecar) = [Compression::Zstd, Compression::Gzip, Compression::None]
            .into_iter()
            .find_map(|compression| Some((compression, ending.strip_prefix(compression.ending())?)))?;
        let is_archive = sidecar.is_empty();
        let archive = name.strip_suffix(sidecar)?.to_owned();
        let is_sidecar = || {
            let key = Key::new(&archive)?;
            key.sidecars().iter().any(|sidecar| sidecar.file_name() == name).then_some(())
        };
        if !is_archive {
            is_sidecar()?;
        }
        Some(Self { taken, compression, archive, is_archive })
    }
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
        let key = Key::of_archive(&long("a"), 0, Compression::Zstd);
        // As publishing names it before it is whole.
        assert!(key.manifest().file_name().len() < 255);
    }

    #[test]
    fn an_archive_lies_in_its_volumes_folder_under_its_time() {
        let key = Key::of_archive("web1", 1_778_288_523, Compression::Zstd);
        assert_eq!(key.as_path(), Path::new("web1/web1_2026-05-09T010203Z.tar.zst"));
        assert_eq!((key.folder().as_str(), Key::new(key.as_path())), ("web1", Some(key)));
        for outside in ["", "/etc/passwd", "../web1", "web1/../../etc", "."] {
            assert_eq!(Key::new(outside), None, "{outside}");
        }
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
            let named = Named::parse("web1", name).unwrap_or_else(|| panic!("{name}"));
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
            assert_eq!(Named::parse("web1", name), None, "{name}");
        }
        // A volume whose name begins like another's.
        assert_eq!(Named::parse("web1", "web1_2_2026-05-09T010203Z.tar.zst"), None);
        assert!(Named::parse("web1_2", "web1_2_2026-05-09T010203Z.tar.zst").is_some());
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
            let key = Key::of_archive(&folder, started, compression);
            prop_assert_eq!(key.folder(), folder.as_str());
            prop_assert_eq!(Key::new(key.as_path()), Some(key.clone()));
            let named = Named::parse(&folder, key.file_name().to_str().unwrap()).unwrap();
            prop_assert_eq!((named.taken, named.compression, named.is_archive), (started, compression, true));
        }
    }
}
