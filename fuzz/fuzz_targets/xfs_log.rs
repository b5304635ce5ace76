//! An XFS whose log lies, and has to be replayed.
//!
//! Never a panic, never a hang (10 s), never more than 512 MiB of memory. The filesystem after its
//! replay keeps to the same rules as one without, and to open it twice gives the same faults.
#![no_main]

use std::sync::Arc;

use images::invariant;
use images::sparse::Sparse;
use images::xfs::{self, Part};
use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use voltar::device::Device;

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    xfs::mutate_packed(data, size, max_size, seed, Part::Log)
});

fuzz_target!(|data: &[u8]| {
    let image: Device = Arc::new(Sparse::unpack(data, xfs::LONGEST).bytes);
    invariant::opens_alike(&image, "xfs");
    invariant::filesystem_of(&image, "xfs");
});
