//! A device that fails in one place: the run ends, or, with `keep_going`, goes on and says what is missing.
#![allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::unwrap_used,
    clippy::expect_used
)]

use std::collections::BTreeSet;
use std::io;
use std::num::NonZeroU16;
use std::path::Path;
use std::sync::{Arc, Mutex};

use voltar::archive::{Algorithm, Compression, Identity, Nobody, Options, Output, Report, Request, create};
use voltar::device::{Device, ReadAt};
use voltar::filesystem::Content;
use voltar::tree;
use voltar::units::ByteRange;
use voltar::{Disk, Error, Kind};

/// The file that is hit, and where: 1000 bytes in its second block of 4 KiB.
const PATH: &str = "/vmlinuz-6.1";
const BAD_START: u64 = 5000;
const BAD_LEN: u64 = 1000;

/// A disk in memory, of which some bytes can't be read.
#[derive(Debug)]
struct Failing {
    disk: Arc<Vec<u8>>,
    bad: ByteRange,
}

impl ReadAt for Failing {
    fn len_bytes(&self) -> u64 {
        self.disk.len_bytes()
    }

    fn read_at(&self, offset_bytes: u64, buffer: &mut [u8]) -> voltar::Result<()> {
        let read = ByteRange::new(offset_bytes, buffer.len() as u64).unwrap();
        if read.overlaps(&self.bad) {
            let error = Error::new(Kind::Read, io::Error::from_raw_os_error(5));
            return Err(error.at_byte(self.bad.start()));
        }
        self.disk.read_at(offset_bytes, buffer)
    }
}

/// A disk in memory that remembers which of its blocks were read.
#[derive(Debug)]
struct Watched {
    disk: Arc<Vec<u8>>,
    blocks: Mutex<BTreeSet<u64>>,
}

impl ReadAt for Watched {
    fn len_bytes(&self) -> u64 {
        self.disk.len_bytes()
    }

    fn read_at(&self, offset_bytes: u64, buffer: &mut [u8]) -> voltar::Result<()> {
        let end = offset_bytes + buffer.len() as u64;
        self.blocks.lock().unwrap().extend(offset_bytes / BLOCK..end.div_ceil(BLOCK));
        self.disk.read_at(offset_bytes, buffer)
    }
}

fn guest() -> Vec<u8> {
    std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/guest.img")).unwrap()
}

/// The guest's disk, which fails where the file has its bad bytes.
fn failing() -> Disk {
    let disk = Disk::from_device(Path::new("guest"), Arc::new(guest())).unwrap();
    let volume = disk.volume(3).unwrap();
    let filesystem = volume.filesystem().unwrap();
    let inode = tree::find(filesystem.as_ref(), PATH.as_bytes()).unwrap();
    let Content::Extents(extents) = filesystem.content(&inode).unwrap() else { panic!("no extents") };
    let hit =
        extents.iter().find(|extent| BAD_START + BAD_LEN <= extent.file_bytes + extent.len_bytes).unwrap();
    let start = volume.range().start() + hit.at().unwrap() + BAD_START - hit.file_bytes;
    let bad = ByteRange::new(start, BAD_LEN).unwrap();
    Disk::from_device(Path::new("guest"), Arc::new(Failing { disk: Arc::new(guest()), bad })).unwrap()
}

fn archive(keep_going: bool) -> (Result<Report, Error>, Vec<u8>) {
    archive_of(&failing(), vec![3], keep_going)
}

fn archive_of(disk: &Disk, partitions: Vec<u32>, keep_going: bool) -> (Result<Report, Error>, Vec<u8>) {
    let (mut archive, mut manifest) = (Vec::new(), Vec::new());
    let options = Options {
        volumes: partitions.into_iter().map(voltar::volume::VolumeId::from).collect(),
        compression: Compression::None,
        threads: NonZeroU16::new(2),
        keep_going,
        ..Options::default()
    };
    let request = Request { options: &options, identity: Identity::default(), observer: &Nobody };
    let output = Output { archive: &mut archive, manifest: Some(&mut manifest), embedded: None };
    (create(disk, &request, output), manifest)
}

/// Blocks that fail, one at a time.
const BLOCK: u64 = 1024;

/// Images, and how many of their blocks nothing can be read without: the first sector, a superblock without a copy, the
/// root's inode, a descriptor that leads there; and where the log has no checksums, its copies of these.
const IMAGES: [(&str, usize); 7] = [
    ("ext4-flex-bg", 4),
    ("ext3", 3),
    ("ext4-inline-data", 3),
    ("ext4-deep-extents", 3),
    ("recorded/dirty-checksums-v3", 3),
    ("recorded/dirty-no-checksums", 5),
    ("recorded/fast-commit-names", 3),
];

/// What became of an image: the digest of its archive, and whether something is missing.
fn outcome(device: Device, keep_going: bool) -> Result<(String, bool), Error> {
    let disk = Disk::from_device(Path::new("image"), device)?;
    let report = archive_of(&disk, Vec::new(), keep_going).0?;
    let digest = report.digest.as_ref().unwrap().1.to_string();
    Ok((digest, report.is_complete()))
}

#[test]
fn wherever_a_block_is_bad_the_run_fails_or_keeps_going_and_says_so() {
    for (name, most_refused) in IMAGES {
        let path = format!("{}/fixtures/{name}.img.zst", env!("CARGO_MANIFEST_DIR"));
        let disk = Arc::new(zstd::decode_all(std::fs::File::open(path).unwrap()).unwrap());
        let watched = Arc::new(Watched { disk: Arc::clone(&disk), blocks: Mutex::default() });
        let (sound, is_complete) = outcome(Arc::clone(&watched) as Device, false).unwrap();
        assert!(is_complete, "{name}");
        let blocks = std::mem::take(&mut *watched.blocks.lock().unwrap());
        let (mut refused, mut told) = (Vec::new(), 0);
        for block in &blocks {
            let bad = ByteRange::new(block * BLOCK, BLOCK).unwrap();
            let device: Device = Arc::new(Failing { disk: Arc::clone(&disk), bad });
            match outcome(Arc::clone(&device), false) {
                Ok(found) => assert_eq!(found, (sound.clone(), true), "{name}: block {block}, not told"),
                Err(error) => assert_eq!(error.kind(), Kind::Read, "{name}: block {block}: {error}"),
            }
            match outcome(device, true) {
                Ok((digest, is_complete)) => {
                    assert!(!is_complete || digest == sound, "{name}: block {block}, kept going, not told");
                    told += usize::from(!is_complete);
                }
                Err(error) => {
                    assert_eq!(error.kind(), Kind::Read, "{name}: block {block}: {error}");
                    refused.push(*block);
                }
            }
        }
        eprintln!("{name}: {} blocks, {told} cost something, {refused:?} all", blocks.len());
        assert!(refused.len() <= most_refused, "{name}: without block {refused:?} nothing is read");
        assert!(told > 10, "{name}: {told} blocks cost something");
    }
}

/// The second filesystem of the guest: its first superblock is gone, and there is no copy. It goes in as it is, the others as ever.
#[test]
fn a_partition_whose_start_is_bad_does_not_cost_the_others() {
    let disk = Arc::new(guest());
    let whole = Disk::from_device(Path::new("guest"), Arc::clone(&disk) as Device).unwrap();
    let start = whole.volume(4).unwrap().range().start();
    let bad = ByteRange::new(start + 1024, 1024).unwrap();
    let failing = || {
        let device: Device = Arc::new(Failing { disk: Arc::clone(&disk), bad });
        Disk::from_device(Path::new("guest"), device).unwrap()
    };
    assert_eq!(archive_of(&failing(), Vec::new(), false).0.unwrap_err().kind(), Kind::Read);
    let (report, manifest) = archive_of(&failing(), Vec::new(), true);
    let report = report.unwrap();
    assert!(
        report.issues.iter().any(|issue| issue.path.as_deref() == Some(b"p4.img")),
        "{:?}",
        report.issues
    );
    let manifest = String::from_utf8(manifest).unwrap();
    assert!(manifest.contains("\"path\":\"p3/vmlinuz-6.1\"") && manifest.contains("\"path\":\"p4.img\""));
}

#[test]
fn a_read_error_ends_the_run_and_names_the_file() {
    let error = archive(false).0.unwrap_err();
    assert_eq!(error.kind(), Kind::Read);
    assert!(error.to_string().contains("vmlinuz-6.1"), "{error}");
    assert!(error.to_string().contains("Input/output error"), "{error}");
}

#[test]
fn with_keep_going_the_rest_is_there_and_the_bytes_that_are_not_are_named() {
    let (report, manifest) = archive(true);
    let report = report.unwrap();
    assert!(!report.is_complete());
    let issue = report.issues.first().unwrap();
    assert_eq!(issue.path.as_deref(), Some(&b"vmlinuz-6.1"[..]));
    // What is read again is read in pieces of 4 KiB of the device, where the file begins at a multiple of 1 KiB.
    assert!(issue.to_string().contains("bytes 3072 to 7167 of the file"), "{issue}");

    let whole = Disk::from_device(Path::new("guest"), Arc::new(guest())).unwrap();
    let mut expected = whole.volume(3).unwrap().read(PATH).unwrap();
    expected[3072..7168].fill(0);
    let mut hasher = Algorithm::OF_FILES.hasher();
    hasher.update(&expected);
    let digest = hasher.finish().to_string();
    let manifest = String::from_utf8(manifest).unwrap();
    let entry =
        manifest.lines().find(|line| line.contains("\"path\":\"vmlinuz-6.1\"") && line.contains("entry"));
    assert!(entry.unwrap().contains(&digest), "{entry:?}");
}
