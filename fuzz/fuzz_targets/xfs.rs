//! An XFS over any bytes: every directory, content, attribute and link target, and lookups by path.
//!
//! Never a panic, never a hang (10 s), never more than 512 MiB of memory. Half of the inputs are
//! changed in the log alone, which has to be replayed. What is read keeps to the same rules as an
//! ext filesystem, and to open it twice gives the same faults.
#![no_main]

use std::sync::Arc;

use images::random::Random;
use images::{invariant, sparse, xfs};
use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use voltar::device::Device;
use voltar::filesystem;

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let mut image = sparse::unpack(data.get(..size).unwrap_or_default());
    if image.len() < sparse::SECTOR_LEN {
        image.resize(sparse::SECTOR_LEN, 0);
    }
    xfs::mutate(&mut image, &mut Random::new(seed.into()), seed % 2 == 0);
    let packed = sparse::pack(&image);
    match data.get_mut(..packed.len()).filter(|_| packed.len() <= max_size) {
        Some(place) => {
            place.copy_from_slice(&packed);
            packed.len()
        }
        None => size,
    }
});

fuzz_target!(|data: &[u8]| {
    let image: Device = Arc::new(sparse::unpack(data));
    let faults = || {
        let opened = filesystem::open(Arc::clone(&image), "xfs", None);
        opened.map(|opened| opened.faults().iter().map(ToString::to_string).collect::<Vec<_>>()).ok()
    };
    assert_eq!(faults(), faults());
    invariant::filesystem_of(&image, "xfs");
});
