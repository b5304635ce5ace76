//! Filesystems that are made anew from their archives, held against the ones that were archived.
//!
//! Each image is archived, `mke2fs` makes its filesystem again, and the archive's content is written into it. `e2fsck -fn` must find
//! nothing to say about the result, `dumpe2fs` must say the same of both, and the kernel must show the same in every field when it has mounted
//! the one and the other. What this kernel does not mount is read by our own reader.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

mod common;

use common::archive::{Archive, Compression};
use common::diff::{Difference, Field, assert_none, differences};
use common::images::{self, Image};
use common::kernel::Mount;
use common::subject::Subject;
use common::tools;
use common::tree;
use common::trials::{Needs, run, trial};
use voltar::archive::read::Manifest;
use voltar::device::{Io, Target, WritableWindow, open_writable};
use voltar::filesystem::ext::Geometry;
use voltar::place::{Location, Place};
use voltar::restore::ext::{self, Outcome};
use voltar::units::ByteRange;

const MKE2FS: Needs = Needs::Tool("mke2fs", "e2fsprogs");
const NEEDS: &[Needs] = &[
    Needs::Root,
    Needs::LoopMounts,
    MKE2FS,
    Needs::Tool("e2fsck", "e2fsprogs"),
    Needs::Tool("dumpe2fs", "e2fsprogs"),
    Needs::Tool("partx", "util-linux"),
];

/// Images whose filesystems are not made again, and why.
const LEFT_OUT: &[(&str, &str)] = &[
    ("ext4-truncated-half", "the kernel shows the time at which it recovered it"),
    ("fast-commit-", "the kernel shows the time at which it recovered it"),
    (
        "dirty-",
        "what is read of them is in tests/kernel_view.rs; a filesystem that was recovered is one like any other",
    ),
    ("sparse-1tib", "the kernel takes seconds to read a file of 1 TiB, and huge-file has a larger one"),
];

fn main() -> ExitCode {
    let mut trials = Vec::new();
    for image in images::all() {
        if LEFT_OUT.iter().any(|(name, _)| image.name.starts_with(name)) {
            continue;
        }
        let needs: Vec<Needs> = NEEDS.iter().copied().chain(image.needs()).collect();
        let image = Arc::new(image);
        let sentence =
            format!("{}: the filesystem that is made anew is the one that was archived", image.name);
        trials.push(trial(sentence, &needs, {
            let image = Arc::clone(&image);
            move || compare_by_kernel(&image)
        }));
    }
    run(trials)
}

fn compare_by_kernel(image: &Image) {
    for subject in image.subjects() {
        let Some(rebuilt) = Rebuilt::of(subject) else { continue };
        rebuilt.check(&subject.name);
        let mount = Mount::read_only(rebuilt.path(), 0, rebuilt.geometry.len_bytes());
        let found = tree::read(mount.path());
        let mut all = differences(subject.kernel_view(), &found);
        all.retain(|difference| !is_of_the_original(&image.name, difference));
        assert_none(&subject.name, &all);
    }
}

/// Whether the original is what is odd: `debugfs` counts the blocks of a cluster, not the cluster, and a directory that says it has one link
/// though it could count its own is one that `e2fsck` mends.
fn is_of_the_original(image: &str, difference: &Difference) -> bool {
    matches!((image, &difference.field), ("ext4-bigalloc", Field::Stored) | ("ext4-dir-nlink", Field::Links))
}

/// A filesystem that was made anew.
struct Rebuilt {
    file: tempfile::NamedTempFile,
    geometry: Geometry,
    outcome: Outcome,
    notes: Vec<String>,
}

impl Rebuilt {
    /// Makes the filesystem of an archive of one filesystem anew; `None` for an archive of anything else.
    fn of(subject: &Subject) -> Option<Self> {
        let archive = subject.archive(Compression::Zstd);
        let geometry = geometry(archive)?;
        let place = open(&archive.path);
        Some(Self::make(place.as_ref(), &geometry))
    }

    fn make(place: &dyn Place, geometry: &Geometry) -> Self {
        // Behind something else, and before something else: nothing of them may change.
        const BEFORE: u64 = 1 << 20;
        let file = tempfile::NamedTempFile::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary file");
        file.as_file().set_len(BEFORE + geometry.len_bytes()).expect("a sparse file");
        let range = ByteRange::new(BEFORE, geometry.len_bytes()).expect("a range");
        let notes =
            ext::format(file.path(), range, geometry).unwrap_or_else(|error| panic!("format: {error}"));
        let whole = open_writable(file.path()).expect("the image");
        let window: Target = Arc::new(WritableWindow::new(whole, range).expect("a window"));
        let outcome = ext::fill(window, place, b"", geometry, &mut |_| Ok(()));
        let outcome = outcome.unwrap_or_else(|error| panic!("fill: {error}"));
        let alone = tempfile::NamedTempFile::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary file");
        let (from, to) = (file.path().to_str().expect("a path"), alone.path().to_str().expect("a path"));
        let (from, to) = (format!("if={from}"), format!("of={to}"));
        tools::run("dd", [&from, &to, "bs=1M", "skip=1", "conv=sparse,notrunc", "status=none"]);
        alone.as_file().set_len(geometry.len_bytes()).expect("a sparse file");
        Self { file: alone, geometry: geometry.clone(), outcome, notes }
    }

    fn path(&self) -> &Path {
        self.file.path()
    }

    /// What other programs say of it.
    fn check(&self, name: &str) {
        assert_eq!(self.outcome.issues, [""; 0], "{name}");
        let output = tools::output("e2fsck", ["-f".as_ref(), "-n".as_ref(), self.path().as_os_str()]);
        tools::assert_success(&format!("{name}: e2fsck"), &output);
        let made = voltar::Disk::open(self.path()).expect("a disk").volumes()[0]
            .filesystem()
            .expect("a filesystem")
            .summary()
            .geometry
            .clone()
            .expect("a geometry");
        let shown = |geometry: &Geometry| serde_json::to_value(geometry).expect("JSON");
        let (made, wanted) = (shown(&made), shown(&self.geometry));
        for (field, wanted) in wanted.as_object().expect("fields") {
            // `mke2fs` makes journals of whole MiB.
            if field != "journal_bytes" {
                assert_eq!(&made[field], wanted, "{name}: {field} {:?}", self.notes);
            }
        }
    }
}

/// What the manifest of an archive says of its one filesystem.
fn geometry(archive: &Archive) -> Option<Geometry> {
    let mut path = archive.path.clone().into_os_string();
    path.push(".manifest.jsonl.zst");
    let device = voltar::device::open(Path::new(&path), Io::Pread).expect("the manifest");
    let head = Manifest::open(device).expect("a manifest").head().expect("a head");
    let volume = head.volumes.iter().find(|volume| volume.member.as_deref() == Some("."))?;
    Some(volume.geometry().expect("the geometry").clone())
}

fn open(path: &Path) -> Box<dyn Place> {
    let location = Location { file: path.to_owned(), path: Vec::new() };
    location.open(None).expect("the archive").place().expect("a place")
}
