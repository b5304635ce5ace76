//! Damaged and hostile images, from the image to the archive: the fixtures with mutations that are the same on every run, and what was
//! found with others before.
//!
//! Whatever an image holds, the outcome is an archive or an error: in time, without much memory, without a panic, and every
//! error and issue says where it is. The mutations are those of the fuzz targets, which find more; see `fuzz/README.md`.

use std::fs::{self, File};
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use voltar::device::Device;

use images::invariant::{self, Outcome};
use images::random::Random;
use images::{mutate, repair, sparse};

#[path = "../fuzz/src/lib.rs"]
#[allow(
    dead_code,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "the fuzz targets use the rest; a mutation may fail where a reader must not"
)]
mod images;

/// How long all mutations of all fixtures may take together.
const TIME_FOR_MUTATIONS: Duration = Duration::from_secs(20);
/// Processor time that one image may take, of all threads together. Other work on the machine does
/// not count.
const TIME_FOR_ONE: Duration = Duration::from_secs(10);
/// Memory for all of them, one after the other.
const MOST_MEMORY_BYTES: u64 = 512 << 20;
/// Longest tar stream that is made of a mutation, and of an image that was found.
const MOST_OUTPUT_BYTES: u64 = 16 << 20;
const MOST_OUTPUT_OF_FOUND_BYTES: u64 = 512 << 20;
/// Fixtures up to this length are mutated: larger ones take their time without showing more.
const LARGEST_FIXTURE_BYTES: usize = 7 << 20;
const LARGEST_BYTES: usize = 128 << 20;

/// Held while memory and time are measured.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Images of at most `largest` bytes and what they are called, unpacked.
fn images_in(folder: &str, largest: usize) -> impl Iterator<Item = (String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut paths: Vec<PathBuf> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "img" || extension == "zst"))
        .collect();
    paths.sort();
    let image = move |path: PathBuf| {
        let file = File::open(&path).unwrap();
        let is_packed = path.extension().is_some_and(|extension| extension == "zst");
        let image: Box<dyn Read> =
            if is_packed { Box::new(zstd::Decoder::new(file).unwrap()) } else { Box::new(file) };
        let mut bytes = Vec::new();
        image.take(largest as u64 + 1).read_to_end(&mut bytes).unwrap();
        (path.file_name().unwrap().to_string_lossy().into_owned(), bytes)
    };
    paths.into_iter().map(image).filter(move |(_, bytes)| bytes.len() <= largest)
}

/// Processor time of this process so far, of all its threads.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap(), time.tv_nsec.try_into().unwrap())
}

/// Archives an image, and takes the time. `what` is what a failure says.
fn archived(what: &str, image: Vec<u8>, also: Option<u16>, most_output_bytes: u64) -> Outcome {
    let image: Device = Arc::new(image);
    let start = processor_time();
    let outcome = catch_unwind(AssertUnwindSafe(|| invariant::archive_all(&image, also, most_output_bytes)));
    let took = processor_time() - start;
    let outcome = outcome.unwrap_or_else(|_| panic!("{what}: what must be true is not, see above"));
    assert!(took <= TIME_FOR_ONE, "{what}: took {took:?}, at most {TIME_FOR_ONE:?}");
    outcome
}

/// The most memory that this process ever had (`VmHWM` in proc_pid_status(5)).
fn most_memory_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a line VmHWM");
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().unwrap();
    kib << 10
}

#[test]
fn sound_checksums_are_what_their_repair_makes() {
    let _alone = alone();
    let mut compared = 0;
    for (name, image) in images_in("fixtures", LARGEST_BYTES) {
        // Some are there for a checksum that is wrong or missing, or for a structure that is cut off.
        if ["damaged", "cut-off", "no-first", "not-committed"].iter().any(|wrong| name.contains(wrong)) {
            continue;
        }
        let mut repaired = image.clone();
        repair::image(&mut repaired);
        let first = image.iter().zip(&repaired).position(|(a, b)| a != b);
        assert_eq!(first, None, "{name}: the first byte that was changed");
        compared += 1;
    }
    assert!(compared > 20, "{compared} fixtures");
}

#[test]
fn mutations_of_the_fixtures_are_archived_or_refused() {
    let _alone = alone();
    let fixtures: Vec<_> = ["fixtures", "fixtures/recorded"]
        .into_iter()
        .flat_map(|folder| images_in(folder, LARGEST_FIXTURE_BYTES))
        .map(|(name, image)| (name, sparse::pack(&image)))
        .collect();
    let start = Instant::now();
    let (mut seed, mut archives, mut refusals) = (0_u64, 0, 0);
    // The same mutations in the same order on every run; a slow machine sees fewer of them.
    while start.elapsed() < TIME_FOR_MUTATIONS {
        for (name, packed) in &fixtures {
            let mut image = sparse::unpack(packed);
            mutate::image(&mut image, &mut Random::new(seed), None);
            let what = format!("{name}, mutation {seed}");
            let also = seed.is_multiple_of(16).then_some(3);
            match archived(&what, image, also, MOST_OUTPUT_BYTES) {
                Outcome::Archived(_) => archives += 1,
                Outcome::Refused(_) => refusals += 1,
            }
            seed += 1;
        }
    }
    // Repaired checksums let most of them through to where it gets interesting.
    assert!(archives > refusals / 4, "{archives} archives, {refusals} refusals");
    assert!(most_memory_bytes() <= MOST_MEMORY_BYTES, "{} bytes of memory", most_memory_bytes());
}

#[test]
fn what_was_found_before_is_not_found_again() {
    let _alone = alone();
    for (name, bytes) in images_in("fuzz/regressions", LARGEST_BYTES) {
        let image = if sparse::is_packed(&bytes) { sparse::unpack(&bytes) } else { bytes };
        archived(&name, image, None, MOST_OUTPUT_OF_FOUND_BYTES);
        assert!(most_memory_bytes() <= MOST_MEMORY_BYTES, "{name}: {} bytes of memory", most_memory_bytes());
    }
}
