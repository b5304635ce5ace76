//! Bytes that are read from a device for an archive ÷ bytes that an archive can't be made without.
//!
//! ```text
//! cargo bench --bench bytes_read -- [--at-most RATIO] [IMAGE …]
//! ```
//!
//! Without an image, the disks and filesystems of `fixtures/` are measured. Every read of the device is on record. What is needed
//! is counted apart from it, block by block (`bytes_read/needed.rs` says what counts). With `--at-most`, the exit code is
//! 1 when the ratio of all filesystems together is larger.
//!
//! Opening a disk, which reads its partition table and probes each partition, is a column of its own: it costs the same for a
//! disk of a megabyte and one of a terabyte. So are volumes that go in as they are: a first pass over them finds
//! zeros.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use voltar::archive::{Compression, Options, Output, Report, create};
use voltar::device::{self, Device, Io};
use voltar::volume::{Held, Volume};
use voltar::{Disk, Result};

#[path = "bytes_read/journal.rs"]
mod journal;
#[path = "bytes_read/layout.rs"]
mod layout;
#[path = "bytes_read/needed.rs"]
mod needed;
#[path = "bytes_read/recording.rs"]
mod recording;
#[path = "parts/request.rs"]
mod request;

use needed::Needed;
use recording::{Reads, Recording};
use request::{options, request};

/// Fixtures that no archive is made of, or only in parts: there is nothing to compare.
const NOT_MEASURED: [&str; 8] = [
    "ext4-unknown-feature",
    "ext4-no-first-superblock",
    "ext4-cut-off",
    "mbr-overlap",
    "mbr-past-the-end",
    "mbr-extended-loop",
    "gpt-both-damaged",
    "gpt-cut-off",
];

const THREADS: u16 = 2;

fn main() -> ExitCode {
    let (limit, images) = match arguments() {
        Ok(arguments) => arguments,
        Err(message) => {
            eprintln!("bytes_read: {message}");
            return ExitCode::from(2);
        }
    };
    let mut all = Total::default();
    println!(
        "{:<32} {:>13} {:>13} {:>7} {:>11} {:>7} {:>9} {:>9}",
        "", "read", "needed", "ratio", "read again", "reads", "mean", "opening"
    );
    for image in images {
        if let Err(error) = measure(&image, &mut all) {
            eprintln!("bytes_read: {error}");
            return ExitCode::FAILURE;
        }
    }
    all.print("all filesystems", None);
    let parts = all.needed;
    println!(
        "\nneeded: {} data, {} superblocks, descriptors and inodes, {} directories, {} maps, {} attributes, {} journals",
        parts.data, parts.tables, parts.directories, parts.maps, parts.attributes, parts.journal
    );
    match limit {
        Some(limit) if all.ratio() > limit => {
            eprintln!("bytes_read: the ratio is {:.4}, and shall be at most {limit}", all.ratio());
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}

/// The limit, and the images.
fn arguments() -> Result<(Option<f64>, Vec<PathBuf>), String> {
    let (mut limit, mut images) = (None, Vec::new());
    let mut arguments = std::env::args_os().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.to_str() {
            // Cargo says so to every benchmark.
            Some("--bench") => {}
            Some("--at-most") => {
                let value = arguments.next().unwrap_or_default();
                let ratio = value.to_str().and_then(|value| value.parse().ok());
                limit = Some(ratio.ok_or("--at-most wants a ratio, such as 1.05")?);
            }
            Some(option) if option.starts_with('-') => return Err(format!("there is no option {option}")),
            _ => images.push(PathBuf::from(argument)),
        }
    }
    if images.is_empty() {
        images = fixtures().map_err(|error| error.to_string())?;
    }
    Ok((limit, images))
}

fn fixtures() -> io::Result<Vec<PathBuf>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if stem(&path).is_some_and(|name| !NOT_MEASURED.contains(&name.as_str())) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// The name of an image without `.img` or `.img.zst`.
fn stem(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    Some(name.strip_suffix(".zst").unwrap_or(name).strip_suffix(".img")?.to_owned())
}

fn open(path: &Path) -> Result<Device> {
    if path.extension().is_some_and(|extension| extension == "zst") {
        let bytes = std::fs::read(path).and_then(|packed| zstd::decode_all(&packed[..]));
        let bytes = bytes.map_err(|source| voltar::Error::new(voltar::Kind::Source, source).on(path))?;
        return Ok(Arc::new(bytes));
    }
    device::open(path, Io::Pread)
}

/// Measures each volume of an image alone.
fn measure(path: &Path, all: &mut Total) -> Result<()> {
    let device = open(path)?;
    let recording = Arc::new(Recording::new(device));
    let disk = Disk::from_device(path, Arc::<Recording>::clone(&recording))?;
    let opening = recording.take();
    let name = stem(path).unwrap_or_else(|| path.display().to_string());
    for volume in disk.volumes() {
        let name = match disk.table() {
            Some(_) => format!("{name} {}", volume.id()),
            None => name.clone(),
        };
        let needed = match volume.held() {
            Held::Filesystem => Some(Needed::of(volume)?),
            Held::Swap => continue,
            Held::Other => None,
        };
        recording.take();
        let report = archive(&disk, volume)?;
        let reads = recording.take();
        match needed {
            Some(needed) => {
                let total = Total { reads, needed };
                total.print(&name, Some(opening));
                all.add(total);
            }
            None => println!("{name:<32} {:>13} {:>13}   goes in as it is", reads.bytes, report.data_bytes),
        }
    }
    Ok(())
}

fn archive(disk: &Disk, volume: &Volume) -> Result<Report> {
    let volumes = disk.table().map(|_| volume.id().clone()).into_iter().collect();
    let options = Options { volumes, ..options(Compression::None, THREADS) };
    create(disk, &request(&options), Output { archive: &mut io::sink(), manifest: None, embedded: None })
}

/// What was read, and what was needed.
#[derive(Clone, Copy, Default)]
struct Total {
    reads: Reads,
    needed: Needed,
}

impl Total {
    fn add(&mut self, other: Self) {
        self.reads.count += other.reads.count;
        self.reads.bytes += other.reads.bytes;
        self.reads.again += other.reads.again;
        self.needed.tables += other.needed.tables;
        self.needed.directories += other.needed.directories;
        self.needed.maps += other.needed.maps;
        self.needed.attributes += other.needed.attributes;
        self.needed.journal += other.needed.journal;
        self.needed.data += other.needed.data;
    }

    fn ratio(&self) -> f64 {
        self.reads.bytes as f64 / self.needed.total() as f64
    }

    fn print(&self, name: &str, opening: Option<Reads>) {
        let opening = opening.map_or(String::new(), |opening| opening.bytes.to_string());
        println!(
            "{name:<32} {:>13} {:>13} {:>7.4} {:>11} {:>7} {:>9} {opening:>9}",
            self.reads.bytes,
            self.needed.total(),
            self.ratio(),
            self.reads.again,
            self.reads.count,
            self.reads.mean_bytes(),
        );
    }
}
