//! What must be true whatever an image holds.

use std::collections::HashSet;
use std::io::{self, Write};
use std::num::NonZeroU16;
use std::path::Path;
use std::sync::Arc;

use voltar::archive::{
    self, Algorithm, Compression, Digest, Identity, Nobody, Options, Output, Report, Request,
};
use voltar::device::Device;
use voltar::filesystem::{self, Content, FileKind, Filesystem, Inode};
use voltar::tree;
use voltar::{Disk, Error, Kind};

/// What errors call the image.
const PATH: &str = "hostile.img";

/// Bytes of a manifest for each byte of the device and of the tar stream. A name may take 13 bytes for each of its own: as an
/// escape of six, and its replacement and hexadecimal form.
const MANIFEST_PER_BYTE: u64 = 32;
const MANIFEST_FREE: u64 = 1 << 20;

/// Names that one walk looks at.
const MOST_NAMES: usize = 1 << 16;

/// What became of an image.
#[derive(Debug)]
pub enum Outcome {
    /// It can't be read, and this is why.
    Refused(Error),
    /// It was archived, with or without issues.
    Archived(Box<Archived>),
}

/// An archive that was made, and thrown away.
#[derive(Debug)]
pub struct Archived {
    pub report: Report,
    /// Of the archive and of the manifest.
    pub digests: (Digest, Digest),
}

/// Takes everything, keeps a digest and the length.
struct Sink {
    hasher: archive::Hasher,
    len_bytes: u64,
    most_bytes: u64,
    what: &'static str,
}

impl Sink {
    fn new(what: &'static str, most_bytes: u64) -> Self {
        Self { hasher: Algorithm::Blake3.hasher(), len_bytes: 0, most_bytes, what }
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.hasher.update(bytes);
        self.len_bytes += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let Self { len_bytes, most_bytes, what, .. } = self;
        assert!(len_bytes <= most_bytes, "{what} of over {most_bytes} bytes");
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Archives the image, or the partitions of it with these numbers.
///
/// The archive has at most `most_bytes` bytes before compression, the manifest some bytes for each of them and of the image, and
/// every error and issue says where it is.
pub fn archive(image: &Device, numbers: &[u32], threads: u16, most_bytes: u64) -> Outcome {
    match try_archive(image, numbers, threads, most_bytes) {
        Err(error) => {
            assert!(error.place().path.is_some(), "an error without a place: {error}");
            assert!(!error.cause().to_string().is_empty(), "an error without a message");
            Outcome::Refused(error)
        }
        Ok(archived) => {
            assert!(archived.report.stream_bytes <= most_bytes);
            for issue in &archived.report.issues {
                let place = issue.error.place();
                let is_located = issue.path.is_some() || place.partition.is_some() || place.path.is_some();
                assert!(is_located, "an issue without a place: {issue}");
            }
            Outcome::Archived(Box::new(archived))
        }
    }
}

fn try_archive(image: &Device, numbers: &[u32], threads: u16, most_bytes: u64) -> Result<Archived, Error> {
    let path = Path::new(PATH);
    let disk = Disk::from_device(path, Arc::clone(image)).map_err(|error| error.on(path))?;
    let options = Options {
        volumes: numbers.iter().copied().map(voltar::volume::VolumeId::from).collect(),
        compression: Compression::None,
        threads: NonZeroU16::new(threads),
        max_output: Some(most_bytes),
        ..Options::default()
    };
    let request = Request { options: &options, identity: Identity::default(), observer: &Nobody };
    let bytes = image.len_bytes().saturating_add(most_bytes);
    let mut stream = Sink::new("an archive", most_bytes);
    let mut manifest =
        Sink::new("a manifest", bytes.saturating_mul(MANIFEST_PER_BYTE).saturating_add(MANIFEST_FREE));
    let output = Output { archive: &mut stream, manifest: Some(&mut manifest), embedded: None };
    let report = archive::create(&disk, &request, output)?;
    Ok(Archived { report, digests: (stream.hasher.finish(), manifest.hasher.finish()) })
}

/// Archives the image whole, or where that is refused each partition alone; on one thread, and `also` on so many.
///
/// The bytes are the same for any number of threads.
pub fn archive_all(image: &Device, also: Option<u16>, most_bytes: u64) -> Outcome {
    let outcome = archive(image, &[], 1, most_bytes);
    let numbers = match &outcome {
        Outcome::Refused(error) if error.kind() != Kind::Limit => numbers(image),
        _ => Vec::new(),
    };
    for number in numbers.into_iter().take(6) {
        let _ = archive(image, &[number], 1, most_bytes);
    }
    if let Some(threads) = also {
        let digests = |outcome: &Outcome| match outcome {
            Outcome::Refused(error) => Err(error.to_string()),
            Outcome::Archived(archived) => {
                Ok((archived.digests.0.to_string(), archived.digests.1.to_string()))
            }
        };
        let other = archive(image, &[], threads, most_bytes);
        assert_eq!(digests(&outcome), digests(&other), "1 thread on the left, {threads} on the right");
    }
    outcome
}

fn numbers(image: &Device) -> Vec<u32> {
    let disk = Disk::from_device(Path::new(PATH), Arc::clone(image));
    disk.map(|disk| disk.volumes().iter().filter_map(|volume| volume.id().number()).collect())
        .unwrap_or_default()
}

/// Opens the ext filesystem that has the whole device, and looks at all there is in it.
///
/// Names, contents, attributes and link targets are as the trait promises.
pub fn filesystem(image: &Device) {
    filesystem_of(image, "ext4");
}

/// The same for the filesystem that the probe calls `name`.
pub fn filesystem_of(image: &Device, name: &str) {
    let Ok(filesystem) = filesystem::open(Arc::clone(image), name, None) else { return };
    let filesystem = filesystem.as_ref();
    let Ok(root) = filesystem.inode(filesystem.root()) else { return };
    let mut names = 0;
    let mut seen = HashSet::from([root.id]);
    let mut waiting = vec![(root, Vec::new())];
    while let Some((inode, path)) = waiting.pop() {
        look(filesystem, &inode);
        if inode.kind != FileKind::Directory {
            continue;
        }
        let Ok(listing) = filesystem.directory(&inode).map(|read| read.value) else { continue };
        for (index, entry) in listing.iter().enumerate() {
            let name = entry.name;
            assert!(!name.is_empty() && name.len() <= 255 && !matches!(name, b"." | b".."), "{name:?}");
            assert!(!name.iter().any(|byte| matches!(byte, b'/' | 0)), "{name:?}");
            names += 1;
            if names > MOST_NAMES {
                return;
            }
            let path = [path.as_slice(), b"/", name].concat();
            if index < 4 && path.len() < 4096 {
                let _ = tree::find(filesystem, &path);
                let _ = tree::read(filesystem, &path, 1 << 20);
            }
            if seen.insert(entry.inode)
                && let Ok(inode) = filesystem.inode(entry.inode)
            {
                waiting.push((inode, path));
            }
        }
    }
}

/// Opens a filesystem twice: both times the same faults are found, whatever its log holds.
pub fn opens_alike(image: &Device, name: &str) {
    let faults = || {
        let opened = filesystem::open(Arc::clone(image), name, None);
        opened.map(|opened| opened.faults().iter().map(ToString::to_string).collect::<Vec<_>>()).ok()
    };
    assert_eq!(faults(), faults());
}

fn look(filesystem: &dyn Filesystem, inode: &Inode) {
    let attributes = filesystem.attributes(inode).map(|read| read.value).unwrap_or_default();
    assert!(attributes.is_sorted_by(|a, b| a.name < b.name), "attributes out of order, or one twice");
    if let Ok(target) = filesystem.link_target(inode) {
        assert!((1..=4095).contains(&target.len()) && !target.contains(&0), "{target:?}");
    }
    match filesystem.content(inode) {
        Ok(Content::Inline(bytes)) => assert!(len(bytes.len()) <= inode.size_bytes),
        Ok(Content::Extents(extents)) => {
            let mut end = 0;
            for extent in extents {
                assert!(extent.len_bytes > 0 && extent.file_bytes >= end, "{extent:?} after {end}");
                end = extent.file_bytes + extent.len_bytes;
                assert!(end <= inode.size_bytes, "{extent:?} in {} bytes", inode.size_bytes);
                let device_end = extent.at().expect("a raw extent") + extent.len_bytes;
                assert!(device_end <= filesystem.device().len_bytes(), "{extent:?} is not on the device");
            }
        }
        Err(_) => {}
    }
}

fn len(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}
