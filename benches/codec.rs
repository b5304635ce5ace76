//! What compressing costs, and nothing else: the frames of an archive, on two threads, from memory.
//!
//! ```text
//! cargo bench --bench codec -- IMAGE [PARTITION]
//! ```
//!
//! The tar stream of the image is made first and kept in memory. Then it is compressed as `voltar archive` does, frame by frame with the same
//! encoders, by two threads that take turns. Beside it stand two more:
//!
//! - the least: the same with one copy of each byte, its BLAKE3, and the SHA-1 of the archive. No program that hashes files and archive does less;
//! - the whole way, what `voltar archive` takes: from the image to frames, digests and manifest.
//!
//! All are measured as processor time, in turn, and the medians of the ratios are what counts.

use std::fs::File;
use std::hint::black_box;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::time::{ClockId, clock_gettime};
use voltar::archive::{Algorithm, Compression, Options, Output, create};
use voltar::{Disk, Result};

#[path = "parts/encoders.rs"]
mod archive;
#[path = "parts/request.rs"]
mod request;

use request::{options, request};

const THREADS: u16 = 2;
const RUNS: usize = 3;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let Some(image) = arguments.first() else {
        eprintln!("codec: IMAGE [PARTITION]");
        return ExitCode::SUCCESS;
    };
    let partitions = arguments.get(1).map(|number| number.parse().expect("a number")).into_iter().collect();
    match compare(image, partitions) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("codec: {error}");
            ExitCode::FAILURE
        }
    }
}

fn compare(image: &str, partitions: Vec<u32>) -> Result<()> {
    let mut stream = Vec::new();
    create_from(image, &partitions, Compression::None, &mut stream)?;
    println!("{image}: a tar of {} MiB", stream.len() >> 20);
    for (compression, encoders) in
        [(Compression::Zstd, archive::Compression::Zstd), (Compression::Gzip, archive::Compression::Gzip)]
    {
        let name = compression.name();
        let (mut of_alone, mut of_least) = (Vec::new(), Vec::new());
        for _ in 0..RUNS {
            let alone = seconds(|| pack(&stream, encoders, Beside::Nothing))?;
            let least = seconds(|| pack(&stream, encoders, Beside::CopyAndDigests))?;
            let whole = seconds(|| {
                let mut to = File::create("/dev/null").expect("/dev/null");
                create_from(image, &partitions, compression, &mut to)
            })?;
            println!(
                "{name:5}  codec alone {alone:6.2} CPU-s, the least {least:6.2}, the whole way {whole:6.2}"
            );
            of_alone.push(whole / alone);
            of_least.push(whole / least);
        }
        let [alone, least] = [of_alone, of_least].map(median);
        println!("{name:5}  the whole way is {alone:.3} times the codec alone, {least:.3} times the least");
    }
    Ok(())
}

/// Processor time of this process for a piece of work, in seconds.
fn seconds(work: impl FnOnce() -> Result<()>) -> Result<f64> {
    let now = || {
        let time = clock_gettime(ClockId::ProcessCPUTime);
        time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
    };
    let before = now();
    work()?;
    Ok(now() - before)
}

fn create_from(
    image: &str,
    partitions: &[u32],
    compression: Compression,
    to: &mut (dyn std::io::Write + Send),
) -> Result<()> {
    let disk = Disk::open(image)?;
    let options = Options {
        volumes: partitions.iter().copied().map(voltar::volume::VolumeId::from).collect(),
        ..options(compression, THREADS)
    };
    create(&disk, &request(&options), Output { archive: to, manifest: None, embedded: None }).map(drop)
}

fn median(mut ratios: Vec<f64>) -> f64 {
    ratios.sort_by(f64::total_cmp);
    ratios[ratios.len() / 2]
}

/// What is done beside compressing.
#[derive(Clone, Copy, PartialEq)]
enum Beside {
    Nothing,
    CopyAndDigests,
}

/// Compresses the stream frame by frame, on all threads.
fn pack(stream: &[u8], compression: archive::Compression, beside: Beside) -> Result<()> {
    let frames: Vec<&[u8]> = stream.chunks(compression.frame_bytes() as usize).collect();
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..THREADS)
            .map(|_| {
                scope.spawn(|| -> Result<()> {
                    let mut encode = archive::encoder(compression)?;
                    let (mut raw, mut packed) = (Vec::new(), Vec::new());
                    let (mut of_files, mut of_archive) =
                        (Algorithm::OF_FILES.hasher(), Algorithm::Sha1.hasher());
                    while let Some(frame) = frames.get(next.fetch_add(1, Ordering::Relaxed)) {
                        if beside == Beside::Nothing {
                            encode(frame, &mut packed)?;
                            continue;
                        }
                        raw.clear();
                        raw.extend_from_slice(frame);
                        of_files.update(&raw);
                        encode(&raw, &mut packed)?;
                        of_archive.update(&packed);
                    }
                    black_box((of_files.finish(), of_archive.finish()));
                    Ok(())
                })
            })
            .collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("a thread that ends"))
    })
}
