//! Filesystems that are made anew from their archives, held against the ones that were archived.
//!
//! Each image is archived, `mke2fs` makes its filesystem again, and the archive's content is written into it. `e2fsck -fn` must find
//! nothing to say about the result, `dumpe2fs` must say the same of both, and the kernel must show the same in every field when it has mounted
//! the one and the other. What this kernel does not mount is read by our own reader.

use std::collections::BTreeMap;
use std::fs::File;
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
use serde_json::{Value, json};
use voltar::archive::read::{Head, Manifest};
use voltar::device::{Io, WritableWindow, WriteDevice, open_writable};
use voltar::filesystem::FileKind;
use voltar::filesystem::ext::Geometry;
use voltar::restore::ext::{self, Outcome};
use voltar::units::ByteRange;
use voltar::view::{Item, Location, Place};

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
        // A kernel that can't mount it is no reason to leave it out: then our own reader looks at both.
        let is_mounted = image.is_mountable();
        let image = Arc::new(image);
        let sentence =
            format!("{}: the filesystem that is made anew is the one that was archived", image.name);
        trials.push(trial(sentence, NEEDS, move || {
            if is_mounted { compare_by_kernel(&image) } else { compare_by_reader(&image) }
        }));
    }
    let needs = [MKE2FS, Needs::Tool("e2fsck", "e2fsprogs")];
    trials.push(trial("a larger filesystem has the same in it", &needs, is_grown));
    trials.push(trial("whatever small filesystem mke2fs makes by itself is made again", &needs, small_ones));
    trials.push(trial("content that does not fit is an error that says so", &needs, does_not_fit));
    trials.push(trial(
        "a manifest that lies costs what it lies about, and the filesystem is sound",
        &needs,
        lies,
    ));
    trials.push(trial("a geometry that is none can't be had from a manifest", &[], no_geometry));
    run(trials)
}

/// As below, by what our own reader finds in the one and in the other.
fn compare_by_reader(image: &Image) {
    for subject in image.subjects() {
        let Some(rebuilt) = Rebuilt::of(subject) else { continue };
        rebuilt.check(&subject.name);
        let (original, found) = (entries(&subject.archive(Compression::Zstd).path), entries(rebuilt.path()));
        assert_eq!(original.keys().collect::<Vec<_>>(), found.keys().collect::<Vec<_>>(), "{}", subject.name);
        for (path, entry) in &original {
            assert_eq!(Some(entry), found.get(path), "{}: {}", subject.name, path.escape_ascii());
        }
    }
}

/// All that our own reader tells of each entry of a place, but for numbers of inodes.
fn entries(path: &Path) -> BTreeMap<Vec<u8>, String> {
    let place = open(path);
    let mut entries = BTreeMap::new();
    let each = &mut |item: Item| {
        let mut content = Vec::new();
        if item.kind == FileKind::Regular {
            let all = ByteRange::new(0, item.size).expect("a range");
            place.read(&item, all, &mut |bytes| {
                content.extend_from_slice(bytes);
                Ok(())
            })?;
        }
        let flags = item.flags();
        let metadata = item.metadata;
        let times = [metadata.modified, metadata.accessed, metadata.changed, metadata.created];
        let project = metadata.project.unwrap_or(0);
        let owner = (metadata.mode, metadata.uid, metadata.gid, item.links, project);
        // Which of several names is the first one is up to the numbers of inodes.
        let attributes = if item.links == Some(1) { metadata.attributes } else { Vec::new() };
        // That fs-verity protected it is an issue, and nothing that comes back.
        let flags = flags.filter(|flags| flags != "verity");
        let what = (item.kind, item.size, &item.target, flags, attributes);
        let shown = format!("{times:?} {owner:?} {what:?} {content:?}");
        entries.insert(item.path, shown);
        Ok(())
    };
    place.walk(b"", each).expect("a sound place");
    assert!(place.issues().is_empty(), "{}: {:?}", path.display(), place.issues());
    entries
}

/// An archive of an image of `fixtures/`.
fn archive_of(name: &str) -> Archive {
    let image = images::all().into_iter().find(|image| image.name == name).expect("the name of an image");
    Archive::make(image.path(), None, Compression::Zstd)
}

fn is_grown() {
    for (name, times) in
        [("ext4-32-byte-descriptors", 5), ("ext4", 9), ("ext4-meta-bg", 3), ("ext2-indirect", 2)]
    {
        let archive = archive_of(name);
        let geometry = geometry(&archive).expect("a geometry");
        let grown = geometry.grown(geometry.blocks * times).expect("a larger one");
        let rebuilt = Rebuilt::make(open(&archive.path).as_ref(), &grown);
        rebuilt.check_with_e2fsck(name);
        let made = rebuilt.geometry_on_disk();
        let of = |geometry: &Geometry| (geometry.blocks, geometry.features.clone(), geometry.uuid);
        assert_eq!(of(&made), of(&grown), "{name}");
        assert_eq!(entries(&archive.path), entries(rebuilt.path()), "{name}");
    }
}

/// Where room is short what `mke2fs` makes by itself is not what it makes when asked for the same: its least journal is over half of 2 MiB.
fn small_ones() {
    const KINDS: [&str; 8] = [
        "-t ext2",
        "-t ext3",
        "-t ext4",
        "-t ext4 -O fast_commit",
        "-t ext4 -O ^metadata_csum,^64bit",
        "-t ext4 -O meta_bg,^resize_inode,sparse_super2",
        "-t ext4 -I 128 -i 1024",
        "-t ext4 -g 256 -O ^flex_bg",
    ];
    const SIZES: [(&str, &[u32]); 2] = [
        ("-b 1024", &[64, 200, 1024, 2048, 2050, 3072, 8195, 20480]),
        ("-b 4096", &[1024, 8192, 8200, 9216, 40960]),
    ];
    let folder = tools::temporary_folder();
    let (image, content) = (folder.path().join("small.img"), folder.path().join("content"));
    std::fs::create_dir(&content)
        .and_then(|()| std::fs::write(content.join("file"), "a line\n"))
        .expect("files");
    for kind in KINDS {
        let mut made_again = 0;
        for (block, kib) in SIZES.iter().flat_map(|(block, sizes)| sizes.iter().map(move |kib| (block, kib)))
        {
            let name = format!("mke2fs {kind} {block} {kib}k");
            let file = std::fs::File::create(&image).expect("an image");
            file.set_len(u64::from(*kib) << 10).expect("a sparse file");
            let mut mke2fs = tools::command("mke2fs");
            mke2fs.args(kind.split(' ').chain(block.split(' ')).chain(["-q", "-F", "-d"]));
            let made = mke2fs.arg(&content).arg(&image).output().expect("mke2fs starts");
            // What is too small for one kind is not for another.
            if !made.status.success() {
                continue;
            }
            let archive = Archive::make(&image, None, Compression::Zstd);
            let rebuilt =
                Rebuilt::make(open(&archive.path).as_ref(), &geometry(&archive).expect("a geometry"));
            rebuilt.check(&name);
            assert_eq!(entries(&archive.path), entries(rebuilt.path()), "{name}");
            made_again += 1;
        }
        assert!(made_again >= 10, "mke2fs {kind}: only {made_again} of 13 lengths could be made");
    }
}

fn does_not_fit() {
    let archive = archive_of("full");
    let geometry = geometry(&archive).expect("a geometry");
    let smaller = geometry.grown(geometry.blocks / 2).expect("a smaller one");
    let error = Rebuilt::try_make(open(&archive.path).as_ref(), &smaller).err().expect("an error");
    assert_eq!(error.kind(), voltar::Kind::Write);
    assert!(error.to_string().contains("the content does not fit"), "{error}");
    let range = ByteRange::new(0, 4096).expect("a range");
    let error = ext::format(&File::open(&archive.path).expect("a file"), range, &geometry)
        .expect_err("too small a range");
    assert!(error.to_string().contains("but there are only 4096"), "{error}");
}

/// An entry, what a manifest says of it, and how many issues that costs at least.
type Lie = (&'static str, fn(&mut Value), usize);

fn lies() {
    let cases: [Lie; 9] = [
        ("folder", |line| line["path"] = json!("elsewhere/folder"), 4),
        ("folder/lines.txt", |line| line["path"] = json!("folder/../../lines.txt"), 1),
        ("folder/lines.txt", |line| line["path"] = json!("hello.txt"), 1),
        ("folder/lines.txt", |line| line["size"] = json!(1_u64 << 62), 1),
        ("folder/lines.txt", |line| line["size"] = json!(3), 1),
        ("folder/lines.txt", |line| line["sha1"] = json!("0".repeat(40)), 1),
        ("folder/inner/linked.txt", |line| line["link"] = json!("folder/inner/linked.txt"), 1),
        ("folder/fast", |line| line["target"] = json!(""), 1),
        ("folder/null", |line| line["rdev"] = json!([1 << 20, 3]), 1),
    ];
    let archive = archive_of("ext4-2k-blocks");
    let geometry = geometry(&archive).expect("a geometry");
    let manifest = common::archive::manifest(&archive.path);
    for (number, (path, change, least)) in cases.into_iter().enumerate() {
        let mut lines = manifest.clone();
        let line = lines.iter_mut().find(|line| line["path"] == path).expect("the entry");
        change(line);
        archive.replace_manifest(&lines);
        let rebuilt = Rebuilt::make(open(&archive.path).as_ref(), &geometry);
        let issues = &rebuilt.outcome.issues;
        assert!(issues.len() >= least, "lie {number} about {path}: {issues:?}");
        rebuilt.check_with_e2fsck(&format!("lie {number} about {path}: {issues:?}"));
    }
}

fn no_geometry() {
    let archive = archive_of("ext4-2k-blocks");
    let mut lines = common::archive::manifest(&archive.path);
    lines[0]["volumes"][0]["filesystem"].as_object_mut().expect("fields").remove("geometry");
    archive.replace_manifest(&lines);
    let volume = head(&archive).expect("a head").volumes[0].clone();
    let error = volume.geometry().expect_err("no geometry").to_string();
    assert!(error.contains("voltar extract"), "{error}");
    lines[0]["volumes"][0]["filesystem"]["geometry"] = json!({ "revision": 7 });
    archive.replace_manifest(&lines);
    assert!(head(&archive).is_err());
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
        Self::try_make(place, geometry).unwrap_or_else(|error| panic!("{error}"))
    }

    fn try_make(place: &dyn Place, geometry: &Geometry) -> voltar::Result<Self> {
        // Behind something else, and before something else: nothing of them may change.
        const BEFORE: u64 = 1 << 20;
        let file = tempfile::NamedTempFile::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary file");
        file.as_file().set_len(BEFORE + geometry.len_bytes()).expect("a sparse file");
        let range = ByteRange::new(BEFORE, geometry.len_bytes()).expect("a range");
        let notes = ext::format(file.as_file(), range, geometry)?;
        let whole = open_writable(file.path()).expect("the image");
        let window: WriteDevice = Arc::new(WritableWindow::new(whole, range).expect("a window"));
        let outcome = ext::fill(window, place, b"", geometry, &mut |_| Ok(()))?;
        let alone = tempfile::NamedTempFile::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary file");
        let (from, to) = (file.path().to_str().expect("a path"), alone.path().to_str().expect("a path"));
        let (from, to) = (format!("if={from}"), format!("of={to}"));
        tools::run("dd", [&from, &to, "bs=1M", "skip=1", "conv=sparse,notrunc", "status=none"]);
        alone.as_file().set_len(geometry.len_bytes()).expect("a sparse file");
        Ok(Self { file: alone, geometry: geometry.clone(), outcome, notes })
    }

    fn path(&self) -> &Path {
        self.file.path()
    }

    fn check_with_e2fsck(&self, name: &str) {
        let output = tools::output("e2fsck", ["-f".as_ref(), "-n".as_ref(), self.path().as_os_str()]);
        tools::assert_success(&format!("{name}: e2fsck"), &output);
    }

    /// What our own reader finds on the disk.
    fn geometry_on_disk(&self) -> Geometry {
        let disk = voltar::Disk::open(self.path()).expect("a disk");
        let filesystem = disk.volumes()[0].filesystem().expect("a filesystem");
        let geometry = filesystem.summary().geometry.clone().expect("a geometry");
        serde_json::from_value(geometry).expect("a geometry of ext")
    }

    /// What other programs say of it.
    fn check(&self, name: &str) {
        let is_of_verity = |issue: &&String| issue.contains("fs-verity protected it");
        let (of_verity, others): (Vec<&String>, Vec<&String>) =
            self.outcome.issues.iter().partition(is_of_verity);
        assert_eq!(others, [""; 0], "{name}");
        assert_eq!(!of_verity.is_empty(), self.geometry.features.has("verity"), "{name}");
        self.check_with_e2fsck(name);
        let made = self.geometry_on_disk();
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

/// The first record of an archive's manifest.
fn head(archive: &Archive) -> voltar::Result<Head> {
    let mut path = archive.path.clone().into_os_string();
    path.push(".manifest.jsonl.zst");
    let device = voltar::device::open(Path::new(&path), Io::Pread).expect("the manifest");
    Manifest::open(device)?.head()
}

/// What the manifest of an archive says of its one filesystem.
fn geometry(archive: &Archive) -> Option<Geometry> {
    let head = head(archive).expect("a head");
    let volume = head.volumes.iter().find(|volume| volume.member.as_deref() == Some("."))?;
    Some(volume.geometry().expect("the geometry").clone())
}

fn open(path: &Path) -> Box<dyn Place> {
    let location = Location { file: path.to_owned(), path: Vec::new() };
    location.open(&voltar::volume::Reading::default()).expect("the archive").place().expect("a place")
}
