//! What each stage of making an archive takes: opening, walking, reading, hashing, compressing, and all of it.
//!
//! ```text
//! cargo bench --bench stages [-- NAME …]
//! cargo bench --bench stages -- --test        each once, to see that it runs
//! ```
//!
//! Everything is in memory, so this is about the processor; the rates are of the bytes that a stage is given.

use std::io;

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use voltar::archive::{Algorithm, Compression, Output, create};
use voltar::filesystem::{Content, Extent, Filesystem};
use voltar::tree::{Body, Exclude, Step, Walk};
use voltar::volume::Volume;
use voltar::{Disk, device};

#[path = "parts/encoders.rs"]
mod archive;
#[path = "stages/images.rs"]
mod images;
#[path = "parts/request.rs"]
mod request;

use images::{Image, text};
use request::{options, request};

/// Bytes of a frame.
const FRAME: usize = 4 << 20;

fn main() {
    divan::main();
}

/// From a device to open filesystems.
#[divan::bench(args = Image::ALL)]
fn open(bencher: Bencher<'_, '_>, image: &Image) {
    let device = image.device();
    bencher.bench(|| {
        let disk = Disk::from_device("disk".as_ref(), device.clone()).expect("a sound disk");
        filesystems(&disk).len()
    });
}

/// All metadata: inodes, names, maps, attributes.
#[divan::bench(args = Image::ALL)]
fn walk(bencher: Bencher<'_, '_>, image: &Image) {
    let disk = image.disk();
    let exclude = Exclude::new();
    let count = |filesystem: &dyn Filesystem| Walk::new(filesystem, &exclude, b"").count();
    let entries: usize = filesystems(&disk).iter().map(|filesystem| count(filesystem.as_ref())).sum();
    // Opened anew each time: what was read is kept while a filesystem is open.
    let counted = bencher.counter(ItemsCount::new(entries)).with_inputs(|| filesystems(&disk));
    counted.bench_refs(|open| open.iter().map(|filesystem| count(filesystem.as_ref())).sum::<usize>());
}

/// The data of all files, frame after frame, each in the order in which they lie on the device.
#[divan::bench(args = Image::ALL)]
fn read(bencher: Bencher<'_, '_>, image: &Image) {
    let disk = image.disk();
    let open = filesystems(&disk);
    let frames: Vec<(&device::Device, Vec<Extent>)> = open
        .iter()
        .flat_map(|filesystem| {
            let frames = frames(filesystem.as_ref());
            frames.into_iter().map(|frame| (filesystem.device(), frame))
        })
        .collect();
    let bytes: u64 = frames.iter().flat_map(|(_, frame)| frame).map(|extent| extent.len_bytes).sum();
    let mut buffer = vec![0; FRAME];
    bencher.counter(BytesCount::new(bytes)).bench_local(|| {
        for (device, frame) in &frames {
            let mut rest = buffer.as_mut_slice();
            for extent in frame {
                let (part, behind) = rest.split_at_mut(extent.len_bytes as usize);
                device.read_at(extent.at().expect("a raw extent"), part).expect("a read");
                rest = behind;
            }
            black_box(&buffer);
        }
    });
}

/// The digest of one frame.
#[divan::bench(args = [Algorithm::Sha1, Algorithm::Sha256, Algorithm::Blake3])]
fn hash(bencher: Bencher<'_, '_>, algorithm: &Algorithm) {
    let frame = text(0, FRAME);
    bencher.counter(BytesCount::of_slice(&frame)).bench(|| {
        let mut hasher = algorithm.hasher();
        hasher.update(black_box(&frame));
        hasher.finish()
    });
}

/// One frame of each compression's own length.
#[divan::bench(args = archive::Compression::ALL)]
fn encode(bencher: Bencher<'_, '_>, compression: &archive::Compression) {
    let frame = text(0, compression.frame_bytes() as usize);
    let mut encode = archive::encoder(*compression).expect("an encoder");
    let mut packed = Vec::new();
    bencher.counter(BytesCount::of_slice(&frame)).bench_local(|| {
        encode(black_box(&frame), &mut packed).expect("a frame");
        packed.len()
    });
}

/// How much a whole archive is made with.
const WHOLE: [(Image, Compression, u16); 8] = [
    (Image::Guest, Compression::Zstd, 1),
    (Image::Guest, Compression::Zstd, 2),
    (Image::Large, Compression::None, 1),
    (Image::Large, Compression::None, 2),
    (Image::Large, Compression::Zstd, 1),
    (Image::Large, Compression::Zstd, 2),
    (Image::Large, Compression::Gzip, 1),
    (Image::Large, Compression::Gzip, 2),
];

/// Everything, from an open disk to the last byte, which goes nowhere.
#[divan::bench(args = WHOLE.map(Whole), sample_count = 5)]
fn whole(bencher: Bencher<'_, '_>, whole: &Whole) {
    let Whole((image, compression, threads)) = *whole;
    let disk = image.disk();
    let make = || {
        let options = options(compression, threads);
        create(&disk, &request(&options), Output { archive: &mut io::sink(), manifest: None, embedded: None })
            .expect("an archive")
    };
    let report = make();
    bencher.counter(BytesCount::new(report.stream_bytes)).bench(|| make().archive_bytes);
}

struct Whole((Image, Compression, u16));

impl std::fmt::Display for Whole {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (image, compression, threads) = self.0;
        write!(f, "{image}, {}, {threads}", compression.name())
    }
}

/// The filesystems of a disk, open.
fn filesystems(disk: &Disk) -> Vec<Box<dyn Filesystem>> {
    let readable = disk.volumes().iter().filter(|volume| volume.is_readable());
    readable.map(Volume::filesystem).collect::<Result<_, _>>().expect("sound filesystems")
}

/// The data of all files in pieces that fill a frame, or less where a file ends in it.
fn frames(filesystem: &dyn Filesystem) -> Vec<Vec<Extent>> {
    let mut frames = vec![Vec::new()];
    let mut space = FRAME as u64;
    let exclude = Exclude::new();
    for step in Walk::new(filesystem, &exclude, b"") {
        let Step::Entry(entry) = step.expect("a sound filesystem") else { continue };
        let Body::Content(Content::Extents(extents)) = entry.body else { continue };
        for mut extent in extents {
            while extent.len_bytes > 0 {
                let len_bytes = extent.len_bytes.min(space);
                frames.last_mut().expect("a frame").push(Extent { len_bytes, ..extent });
                extent.stored = extent.stored.after(len_bytes);
                extent.len_bytes -= len_bytes;
                space -= len_bytes;
                if space == 0 {
                    frames.push(Vec::new());
                    space = FRAME as u64;
                }
            }
        }
    }
    frames.iter_mut().for_each(|frame| frame.sort_by_key(|extent: &Extent| extent.at().ok()));
    frames
}
