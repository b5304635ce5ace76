//! A device that fails in the middle of a file: the run ends, or, with `keep_going`, goes on and says what is missing.
#![allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::unwrap_used,
    clippy::expect_used
)]

use std::io;
use std::path::Path;
use std::sync::Arc;

use voltar::archive::{Algorithm, Compression, Nobody, Output, Raw, Report, Request, create};
use voltar::device::ReadAt;
use voltar::filesystem::Content;
use voltar::tree::{self, Exclude};
use voltar::units::ByteRange;
use voltar::{Disk, Error, Kind};

/// The file that is hit, and where: 1000 bytes in its second block of 4 KiB.
const PATH: &str = "/vmlinuz-6.1";
const BAD_START: u64 = 5000;
const BAD_LEN: u64 = 1000;

/// A disk in memory, of which some bytes can't be read.
#[derive(Debug)]
struct Failing {
    disk: Vec<u8>,
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
    let start = volume.range().start() + hit.device_bytes + BAD_START - hit.file_bytes;
    let bad = ByteRange::new(start, BAD_LEN).unwrap();
    Disk::from_device(Path::new("guest"), Arc::new(Failing { disk: guest(), bad })).unwrap()
}

fn archive(keep_going: bool) -> (Result<Report, Error>, Vec<u8>) {
    let (mut archive, mut manifest) = (Vec::new(), Vec::new());
    let request = Request {
        partitions: vec![3],
        exclude: Exclude::new(),
        compression: Compression::None,
        level: None,
        threads: 2,
        digest: Algorithm::Sha1,
        raw: Raw::Auto,
        strict: false,
        keep_going,
        max_output: None,
        started: 0,
        snapshot_of: None,
        host: None,
        observer: &Nobody,
    };
    let output = Output { archive: &mut archive, manifest: Some(&mut manifest) };
    (create(&failing(), &request, output), manifest)
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
    let mut hasher = Algorithm::Sha1.hasher();
    hasher.update(&expected);
    let digest = hasher.finish().to_string();
    let manifest = String::from_utf8(manifest).unwrap();
    let entry =
        manifest.lines().find(|line| line.contains("\"path\":\"vmlinuz-6.1\"") && line.contains("entry"));
    assert!(entry.unwrap().contains(&digest), "{entry:?}");
}
