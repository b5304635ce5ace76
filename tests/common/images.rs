//! The images that archives are made of, unpacked when a test first needs them.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::subject::Subject;

/// Images of `fixtures/` that the comparison leaves out, and why.
const NOT_COMPARED: &[(&str, &str)] = &[
    ("ext4-unknown-feature", REFUSED),
    ("ext4-no-first-superblock", REFUSED),
    ("ext4-cut-off", REFUSED),
    ("mbr-overlap", REFUSED),
    ("mbr-past-the-end", REFUSED),
    ("mbr-extended-loop", REFUSED),
    ("gpt-both-damaged", REFUSED),
    ("gpt-cut-off", REFUSED),
    ("gpt-primary-damaged", BACKUP),
    ("gpt-entries-damaged", BACKUP),
    ("gpt-entries-of-256", "partx reads entries of 128 bytes alone"),
    ("corrupt-commit", REPLAYED),
    ("corrupt-copy", REPLAYED),
    ("corrupt-copy-v1", REPLAYED),
    ("corrupt-descriptor", REPLAYED),
    ("corrupt-journal-superblock", REPLAYED),
    ("corrupt-last-commit", REPLAYED),
    ("corrupt-commit-async", REPLAYED),
    ("deep", "what lies deeper than 4096 directories is left out"),
    ("dirty-external-journal", "its journal must be named"),
    ("dirty-external-journal.journal", "it is the journal of another"),
    ("ext4-directory-twice", "the kernel shows a directory under one of its names at a time"),
    ("ext4-under-a-stale-mbr", "it is a filesystem with an issue: tests/recorded.rs"),
    ("encrypted", "the kernel makes names up for those that it can't read"),
];

const REFUSED: &str = "it is corrupt, and the kernel refuses it or reads another table out of it";
const REPLAYED: &str = "its journal is corrupt: tests/recorded.rs";
const BACKUP: &str = "the kernel reads a backup header only when it was booted with the option gpt";

/// Images that the kernel mounts only when it was built with a feature, by its name in `/sys/fs/ext4/features`. Where it was not, they are left to
/// `tests/recorded.rs`, which holds each of these features to what another kernel showed, or to e2fsprogs.
const FEATURES: &[(&str, &str)] = &[
    ("ext4-casefold", "casefold"),
    ("ext4-verity", "verity"),
    ("kernel-casefold", "casefold"),
    ("kernel-verity", "verity"),
    ("ext4-16k-blocks", "blocksize_gt_pagesize"),
    ("ext4-64k-blocks", "blocksize_gt_pagesize"),
];

/// One image file.
pub struct Image {
    pub name: String,
    /// Whether it is one of `fixtures/recorded`.
    pub is_recorded: bool,
    source: PathBuf,
    unpacked: OnceLock<(PathBuf, Option<tempfile::TempPath>)>,
    subjects: OnceLock<Vec<Subject>>,
}

/// All images of `fixtures/` and `fixtures/recorded/`, packed or not, and those of the folder that `VOLTAR_IMAGES` names.
pub fn all() -> Vec<Image> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let recorded = fixtures.join("recorded");
    let folders = [Some(fixtures), Some(recorded), std::env::var_os("VOLTAR_IMAGES").map(PathBuf::from)];
    let mut images: Vec<Image> = folders
        .into_iter()
        .flatten()
        .flat_map(|folder| {
            std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        })
        .filter_map(|entry| Image::at(entry.expect("an entry of the folder of images").path()))
        .filter(|image| NOT_COMPARED.iter().all(|(name, _)| *name != image.name))
        .collect();
    images.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(!images.is_empty(), "no images under fixtures/");
    images
}

impl Image {
    /// One of `fixtures/recorded`.
    pub fn recorded(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/recorded");
        Self::at(folder.join(format!("{name}.img.zst"))).expect("the name of an image")
    }

    fn at(path: PathBuf) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        let name = name.strip_suffix(".zst").unwrap_or(name).strip_suffix(".img")?.to_owned();
        let is_recorded = path.parent()?.ends_with("fixtures/recorded");
        Some(Self { name, is_recorded, source: path, unpacked: OnceLock::new(), subjects: OnceLock::new() })
    }

    /// The image as a raw file.
    pub fn path(&self) -> &Path {
        let unpacked = self.unpacked.get_or_init(|| match self.source.extension() {
            Some(extension) if extension == "zst" => {
                let path = unpack(&self.source).into_temp_path();
                (path.to_path_buf(), Some(path))
            }
            _ => (self.source.clone(), None),
        });
        &unpacked.0
    }

    /// Whether this kernel has the feature that the image is about.
    pub fn is_mountable(&self) -> bool {
        let feature = FEATURES.iter().find(|(name, _)| *name == self.name);
        feature.is_none_or(|(_, feature)| Path::new("/sys/fs/ext4/features").join(feature).exists())
    }

    /// All that can be archived of it: itself, and each ext partition alone.
    pub fn subjects(&self) -> &[Subject] {
        self.subjects.get_or_init(|| Subject::all_of(&self.name, self.path()))
    }
}

fn unpack(packed: &Path) -> tempfile::NamedTempFile {
    let file = BufReader::new(File::open(packed).expect("the packed image"));
    let mut from = zstd::Decoder::new(file).expect("a zstd stream");
    let mut to = tempfile::Builder::new()
        .suffix(".img")
        .tempfile_in(env!("CARGO_TARGET_TMPDIR"))
        .expect("a temporary file under target/");
    let mut block = Vec::new();
    let mut len_bytes = 0;
    loop {
        block.clear();
        from.by_ref().take(64 << 10).read_to_end(&mut block).expect("a whole zstd stream");
        if block.is_empty() {
            break;
        }
        len_bytes += block.len() as u64;
        if block.iter().all(|byte| *byte == 0) {
            to.seek(SeekFrom::Start(len_bytes)).expect("a seek");
        } else {
            to.write_all(&block).expect("room for the image");
        }
    }
    to.as_file().set_len(len_bytes).expect("room for the image");
    to
}
