//! A filesystem with all that a filesystem may have goes through every command: encoded bytes,
//! files that share them, two trees, and names that are as short as its reader says.

use std::collections::BTreeMap;
use std::fs;
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;

use super::diff;
use super::places::{Named, Out};
use crate::Disk;
use crate::archive::read::Files;
use crate::archive::{
    Algorithm, ArchiveFiles, Compression, Identity, Nobody, Options, Output, Report, Request,
};
use crate::archive::{create, verify};
use crate::extract::{self, Existing, ExtractDirectory, Source, extract};
use crate::filesystem::memory::{self, LARGE, OTHER, SMALL};
use crate::format::manifest::ManifestWriter;
use crate::tree::Exclude;
use crate::view::{Item, Location};
use crate::volume::Reading;

/// An image, and archives of it.
struct Made {
    folder: TempDir,
    image: Vec<u8>,
    /// The number under which its units are counted.
    id: u64,
}

impl Made {
    fn new(broken: bool) -> Self {
        let (image, id) = memory::image(broken);
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("disk.img"), &image).unwrap();
        Self { folder, image, id }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Archives the image, and gives the archive and its manifest.
    fn archive(&self, threads: u16) -> (Report, Vec<u8>, Vec<u8>) {
        let disk = Disk::from_device(Path::new("disk.img"), Arc::new(self.image.clone())).unwrap();
        let options = Options { threads: NonZeroU16::new(threads), ..Options::default() };
        let request = Request { options: &options, identity: Identity::default(), observer: &Nobody };
        let (mut archive, mut manifest) = (Vec::new(), ManifestWriter::new(Vec::new()).unwrap());
        let output = Output { archive: &mut archive, manifest: Some(&mut manifest), embedded: None };
        let report = create(&disk, &request, output).unwrap();
        (report, archive, manifest.finish().unwrap())
    }

    fn open(&self, name: &str) -> Named {
        let path = self.path(name);
        let place = Location::parse(path.as_os_str()).open(&Reading::default()).unwrap().place().unwrap();
        Named { place, path: Vec::new(), text: path.into() }
    }

    /// All entries by their paths.
    fn list(&self, name: &str) -> BTreeMap<Vec<u8>, Item> {
        let mut items = BTreeMap::new();
        let named = self.open(name);
        let mut each = |item: Item| {
            items.insert(item.path.clone(), item);
            Ok(())
        };
        named.place.walk(b"", &mut each).unwrap();
        items
    }

    fn extract(&self, name: &str) -> extract::Report {
        let request = extract::Request {
            paths: Vec::new(),
            exclude: Exclude::new(),
            existing: Existing::Refuse,
            devices: false,
            threads: 2,
            max_output: None,
            count_first: false,
            observer: &Nobody,
        };
        let (from, to) = (self.path(name), self.path(&format!("from {name}")));
        let target = ExtractDirectory::open(&to, Source::of(&from).unwrap(), &request).unwrap();
        extract(self.open(name).place.as_ref(), &target.resume().unwrap(), &request).unwrap()
    }

    fn check_content(&self, name: &str, broken: bool) {
        for (path, content) in memory::files(&self.image, broken) {
            let found = fs::read(self.path(&format!("from {name}")).join(path)).unwrap();
            assert!(found == content, "{name}: {path}");
        }
    }
}

#[test]
fn a_filesystem_with_encoded_bytes_and_two_trees_goes_through_every_command() {
    let made = Made::new(false);
    let (report, archive, manifest) = made.archive(1);
    assert!(report.issues.is_empty(), "{:?}", report.issues);
    // The bytes are the same for each number of threads, and no unit is decoded twice for a frame:
    // the small ones are in the first frame and in the one behind the long file.
    let decoded = [SMALL, OTHER, LARGE].map(|unit| memory::decoded(made.id, unit));
    let frames = u64::from(LARGE.len_bytes.div_ceil(Compression::Zstd.frame_bytes()));
    assert_eq!((decoded[0], decoded[1]), (2, 2));
    assert!((frames..=frames + 1).contains(&decoded[2]), "{decoded:?}, {frames} frames");
    for (round, threads) in (2..).zip([2, 5]) {
        let again = made.archive(threads);
        assert!(again.1 == archive && again.2 == manifest, "{threads} threads make other bytes");
        let counts = [SMALL, OTHER, LARGE].map(|unit| memory::decoded(made.id, unit));
        assert_eq!(counts, decoded.map(|count| count * round));
    }
    fs::write(made.path("a.tar.zst"), archive).unwrap();
    let files = ArchiveFiles::new(&made.path("a.tar.zst"), Algorithm::default());
    fs::write(files.manifest, manifest).unwrap();

    let listed = made.list("a.tar.zst");
    assert_eq!(listed.len(), 5012);
    let inode = |path: &str| listed[path.as_bytes()].inode.unwrap();
    assert_eq!((inode("a").tree, inode("sub/f").tree), (5, 9));
    assert_eq!((inode("a").number, inode("sub/f").number), (257, 257));
    let link = |path: &str| listed[path.as_bytes()].link.as_deref();
    assert_eq!((link("z"), link("sub/f"), link("sub/g")), (Some(&b"a"[..]), None, Some(&b"sub/f"[..])));

    let (one, other) = (made.open("disk.img"), made.open("a.tar.zst"));
    let differences = diff::compare(&one, &other, false, false, &mut Out::new(), &|| Ok(())).unwrap();
    assert!(differences.is_none() && differences.same == 5012, "{differences:?}");

    let verdict = verify(&Files::open(&made.path("a.tar.zst")).unwrap(), &Nobody).unwrap();
    assert!(verdict.is_good(), "{:?}", verdict.findings);
    assert_eq!(verdict.counts.digests, 6);

    for name in ["a.tar.zst", "disk.img"] {
        let report = made.extract(name);
        assert!(report.is_complete(), "{name}: {report:?}");
        made.check_content(name, false);
    }
}

#[test]
fn a_unit_that_can_not_be_decoded_costs_the_bytes_in_it_and_is_an_issue() {
    let made = Made::new(true);
    let (report, archive, manifest) = made.archive(2);
    let issues: Vec<String> = report.issues.iter().map(ToString::to_string).collect();
    assert_eq!(issues.len(), 2, "{issues:?}");
    for (issue, bytes) in issues.iter().zip(["100 to 199", "200 to 299"]) {
        let expected = format!(
            "x: byte 3072: bytes {bytes} of the file could not be decoded, and are zeros in the archive: \
             a unit that makes no sense"
        );
        assert_eq!(issue, &expected);
    }
    fs::write(made.path("a.tar.zst"), archive).unwrap();
    let files = ArchiveFiles::new(&made.path("a.tar.zst"), Algorithm::default());
    fs::write(files.manifest, manifest).unwrap();
    made.extract("a.tar.zst");
    made.check_content("a.tar.zst", true);
}
