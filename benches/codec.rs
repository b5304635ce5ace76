//! What compressing costs, and nothing else: the frames of an archive, on two threads, from memory.
//!
//! ```text
//! cargo bench --bench codec -- IMAGE [PARTITION]
//! ```
//!
//! The tar stream of the image is made first and kept in memory. Then it is compressed as `voltar archive` does, frame by frame with the same
//! encoders, by two threads that take turns. Beside it stands what `voltar archive` takes for the whole way: from the image to frames, digests and
//! manifest. Both are measured as processor time, in turn, and the median of the ratios is what counts.

use std::fs::File;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::time::{ClockId, clock_gettime};
use voltar::archive::{Compression, Output, Request, create};
use voltar::{Disk, Result, error};

#[path = "parts/encoders.rs"]
mod archive;
#[path = "parts/request.rs"]
mod request;

use request::request;

const THREADS: usize = 2;
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
        let mut ratios = Vec::new();
        for _ in 0..RUNS {
            let alone = seconds(|| pack(&stream, encoders))?;
            let whole = seconds(|| {
                let mut to = File::create("/dev/null").expect("/dev/null");
                create_from(image, &partitions, compression, &mut to)
            })?;
            println!(
                "{:5}  codec alone {alone:6.2} CPU-s, the whole way {whole:6.2}, ratio {:.3}",
                compression.name(),
                whole / alone
            );
            ratios.push(whole / alone);
        }
        ratios.sort_by(f64::total_cmp);
        println!("{:5}  median ratio {:.3}", compression.name(), ratios[RUNS / 2]);
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
    let request = Request { partitions: partitions.to_vec(), ..request(compression, THREADS) };
    create(&disk, &request, Output { archive: to, manifest: None }).map(drop)
}

/// Compresses the stream frame by frame, on all threads.
fn pack(stream: &[u8], compression: archive::Compression) -> Result<()> {
    let frames: Vec<&[u8]> = stream.chunks(compression.frame_bytes() as usize).collect();
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..THREADS)
            .map(|_| {
                scope.spawn(|| -> Result<()> {
                    let mut encode = archive::encoder(compression)?;
                    let mut packed = Vec::new();
                    while let Some(frame) = frames.get(next.fetch_add(1, Ordering::Relaxed)) {
                        encode(frame, &mut packed)?;
                    }
                    Ok(())
                })
            })
            .collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("a thread that ends"))
    })
}
